// SPDX-License-Identifier: MIT
//
// One pre-norm transformer block: x += attn(norm1(x)); x += ffn(norm2(x)).
// Layer: encoder.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <variant>

#include "ultrafastbert/blas/default_backend.hpp"
#include "ultrafastbert/core/matrix_view.hpp"
#include "ultrafastbert/core/tensor_source.hpp"
#include "ultrafastbert/core/workspace.hpp"
#include "ultrafastbert/encoder/config.hpp"
#include "ultrafastbert/encoder/trace.hpp"
#include "ultrafastbert/layers/attention.hpp"
#include "ultrafastbert/layers/fast_feedforward.hpp"
#include "ultrafastbert/layers/feedforward.hpp"
#include "ultrafastbert/layers/norm.hpp"
#include "ultrafastbert/layers/sequences.hpp"

namespace ultrafastbert {

/// A transformer block. Immutable after construction; safe from any number of threads, each with its own workspace.
template <class Scalar, class Backend = default_backend>
class block {
 public:
  using fast_feedforward_type = fast_feedforward<Scalar, dynamic_extent, dynamic_extent, dynamic_extent, dynamic_extent,
                                                 positive_goes_right, Backend>;
  using feedforward_type = feedforward<Scalar, Backend>;
  using ffn_type = std::variant<fast_feedforward_type, feedforward_type>;

  /// Takes `norm1.*`, `attn.*`, `norm2.*` and `ffn.*` below `prefix`.
  /// Throws: what the source throws, unsupported (the processor lacks the level asked for), std::bad_alloc.
  template <tensor_source Source>
  [[nodiscard]] static block load(const Source& source, const std::string& prefix, const encoder_config& config,
                                  const feedforward_choices& choices = {}) {
    return block(norm<Scalar>::load(source, prefix + "norm1.", norm_sizes(config)),
                 attention<Scalar, Backend>::load(source, prefix + "attn.", attn_shape(config)),
                 norm<Scalar>::load(source, prefix + "norm2.", norm_sizes(config)),
                 load_ffn(source, prefix + "ffn.", config, choices));
  }

  /// Tells `visit(name, sizes)` every tensor that `load` reads.
  template <class Visitor>
  static void for_each_tensor(const std::string& prefix, const encoder_config& config, Visitor&& visit) {
    norm<Scalar>::for_each_tensor(prefix + "norm1.", norm_sizes(config), visit);
    attention<Scalar, Backend>::for_each_tensor(prefix + "attn.", attn_shape(config), visit);
    norm<Scalar>::for_each_tensor(prefix + "norm2.", norm_sizes(config), visit);
    if (const auto* fast = std::get_if<fast_feedforward_config>(&config.feedforward)) {
      fast_feedforward_type::for_each_tensor(prefix + "ffn.", fast_shape(config, *fast), visit);
    } else {
      feedforward_type::for_each_tensor(prefix + "ffn.", dense_shape(config), visit);
    }
  }

  [[nodiscard]] const ffn_type& ffn() const noexcept { return ffn_; }  ///< the feedforward layer
  /// Memory held by the weights. Units: bytes.
  [[nodiscard]] std::size_t bytes() const noexcept {
    return norm1_.bytes() + attn_.bytes() + norm2_.bytes() +
           std::visit([](const auto& layer) { return layer.bytes(); }, ffn_);
  }

  /// Replaces the states by the block's output.
  /// Shapes: states: (tokens, hidden) row-major, read and written; `batch` covers all rows; `record` may be null.
  /// Throws: invalid_input (shapes, offsets, mask), std::bad_alloc while the workspace grows or for the record.
  void forward(const matrix_view<Scalar>& states, const sequence_batch& batch, workspace& scratch,
               bool record_states = false, typename encoder_trace<Scalar>::block* record = nullptr) const {
    workspace::frame frame(scratch);
    const auto normed = frame.take_matrix<Scalar>(states.rows(), states.cols());
    const auto update = frame.take_matrix<Scalar>(states.rows(), states.cols());
    record_states = record_states && record != nullptr;

    norm1_.forward(states, normed);
    attn_.forward(normed, update, batch, scratch);
    if (record_states) record->norm1 = detail::recorded(normed);
    if (record_states) record->attn = detail::recorded(update);
    add(update, states);

    norm2_.forward(states, normed);
    forward_ffn(normed, update, scratch, record);
    if (record_states) record->norm2 = detail::recorded(normed);
    if (record_states) record->ffn = detail::recorded(update);
    add(update, states);
    if (record_states) record->output = detail::recorded(states);
  }

 private:
  block(norm<Scalar> norm1, attention<Scalar, Backend> attn, norm<Scalar> norm2, ffn_type ffn)
      : norm1_(std::move(norm1)), attn_(std::move(attn)), norm2_(std::move(norm2)), ffn_(std::move(ffn)) {}

  static norm_shape norm_sizes(const encoder_config& c) {
    return {.kind = c.norm, .width = c.hidden_size, .epsilon = c.norm_epsilon};
  }
  static attention_shape attn_shape(const encoder_config& c) {
    return {.width = c.hidden_size,
            .heads = c.heads,
            .query_key_value_bias = c.query_key_value_bias,
            .output_projection = c.output_projection,
            .output_bias = c.output_bias,
            .causal = c.causal};
  }
  static fast_feedforward_shape fast_shape(const encoder_config& c, const fast_feedforward_config& fast) {
    return {.input_width = c.hidden_size,
            .output_width = c.hidden_size,
            .depth = fast.depth,
            .parallel_size = fast.parallel_size};
  }
  static feedforward_shape dense_shape(const encoder_config& c) {
    const auto& dense = std::get<dense_feedforward_config>(c.feedforward);
    return {.width = c.hidden_size, .intermediate = dense.intermediate_size, .bias = dense.bias, .gated = dense.gated};
  }

  template <class Source>
  static ffn_type load_ffn(const Source& source, const std::string& prefix, const encoder_config& config,
                           const feedforward_choices& choices) {
    if (const auto* fast = std::get_if<fast_feedforward_config>(&config.feedforward)) {
      return fast_feedforward_type::load(source, prefix, fast_shape(config, *fast),
                                         {.activation = config.activation,
                                          .engine = choices.engine,
                                          .storage_in = choices.storage_in,
                                          .storage_out = choices.storage_out,
                                          .isa = choices.isa});
    }
    return feedforward_type::load(source, prefix, dense_shape(config), config.activation);
  }

  void forward_ffn(const matrix_view<Scalar>& x, const matrix_view<Scalar>& y, workspace& scratch,
                   typename encoder_trace<Scalar>::block* record) const {
    if (const auto* dense = std::get_if<feedforward_type>(&ffn_)) return dense->forward(x, y, scratch);
    const auto& fast = std::get<fast_feedforward_type>(ffn_);
    if (record == nullptr) return fast.forward(x, y, scratch);
    record->paths = matrix<std::int32_t>({x.rows(), fast.path_length()});
    fast.forward(x, y, scratch, record->paths.view());
  }

  static void add(const matrix_view<Scalar>& update, const matrix_view<Scalar>& states) noexcept {
    for (std::size_t t = 0; t < states.rows(); ++t) {
      for (std::size_t k = 0; k < states.cols(); ++k) states(t, k) += update(t, k);
    }
  }

  norm<Scalar> norm1_;
  attention<Scalar, Backend> attn_;
  norm<Scalar> norm2_;
  ffn_type ffn_;
};

}  // namespace ultrafastbert
