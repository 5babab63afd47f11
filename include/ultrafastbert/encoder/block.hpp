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
#include "ultrafastbert/core/aligned_buffer.hpp"
#include "ultrafastbert/core/executor.hpp"
#include "ultrafastbert/core/matrix_view.hpp"
#include "ultrafastbert/core/tensor_source.hpp"
#include "ultrafastbert/core/workspace.hpp"
#include "ultrafastbert/encoder/config.hpp"
#include "ultrafastbert/encoder/row_chunks.hpp"
#include "ultrafastbert/encoder/trace.hpp"
#include "ultrafastbert/kernels/row_operations.hpp"
#include "ultrafastbert/layers/attention.hpp"
#include "ultrafastbert/layers/fast_feedforward.hpp"
#include "ultrafastbert/layers/feedforward.hpp"
#include "ultrafastbert/layers/norm.hpp"
#include "ultrafastbert/layers/sequences.hpp"

namespace ultrafastbert {

/// What a stack of blocks works on, a row for each token.
template <class Scalar>
struct block_buffers {
  matrix_view<Scalar> states{};     ///< (tokens, hidden): goes in and comes out
  matrix_view<Scalar> projected{};  ///< (tokens, 3 * hidden): queries, keys and values
  matrix_view<Scalar> context{};    ///< (tokens, hidden): what attention makes of them

  /// Uninitialized, in one array: a workspace grows by doubling, so that pieces would leave more of it unused.
  /// Shapes: of `tokens` tokens, `width` columns of a state. Throws: overflow, std::bad_alloc.
  [[nodiscard]] static block_buffers take(workspace::frame& frame, std::size_t tokens, std::size_t width) {
    constexpr std::size_t unit = buffer_alignment / sizeof(Scalar);
    const std::size_t size = (tokens * width + unit - 1) / unit * unit;
    const auto memory = frame.take_matrix<Scalar>(5, size);
    return {.states = {memory.row(0), {tokens, width}},
            .projected = {memory.row(1), {tokens, 3 * width}},
            .context = {memory.row(4), {tokens, width}}};
  }

  /// Rows [first, first + count) of all three. Pre: there are as many.
  [[nodiscard]] block_buffers rows_from(std::size_t first, std::size_t count) const noexcept {
    return {.states = states.rows_from(first, count),
            .projected = projected.rows_from(first, count),
            .context = context.rows_from(first, count)};
  }
};

/// A transformer block. Immutable after construction; safe from any number of threads, each with its own workspace.
template <class Scalar, class Backend = default_backend>
class block {
 public:
  using fast_feedforward_type = fast_feedforward<Scalar, dynamic_extent, dynamic_extent, dynamic_extent, dynamic_extent,
                                                 positive_goes_right, Backend>;
  using feedforward_type = feedforward<Scalar, Backend>;
  using ffn_type = std::variant<fast_feedforward_type, feedforward_type>;

  /// Takes `norm1.*`, `attn.*`, `norm2.*` and `ffn.*` below `prefix`.
  /// Throws: what the source throws, unsupported (the processor lacks the level asked for, no such storage), overflow,
  ///   std::bad_alloc.
  template <tensor_source Source>
  [[nodiscard]] static block load(const Source& source, const std::string& prefix, const encoder_config& config,
                                  const encoder_choices& choices = {}) {
    return block(norm<Scalar>::load(source, prefix + "norm1.", norm_sizes(config), choices.projections.isa),
                 attention<Scalar, Backend>::load(source, prefix + "attn.", attn_shape(config), choices.projections),
                 norm<Scalar>::load(source, prefix + "norm2.", norm_sizes(config), choices.projections.isa),
                 load_ffn(source, prefix + "ffn.", config, choices), row_operations<Scalar>(choices.projections.isa));
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

  /// Nodes that a token visits, or 0 for dense feedforward.
  [[nodiscard]] std::size_t path_length() const noexcept {
    const auto* fast = std::get_if<fast_feedforward_type>(&ffn_);
    return fast != nullptr ? fast->path_length() : 0;
  }

  /// Replaces the states by the block's output.
  /// Shapes: states: (tokens, hidden) row-major, read and written; `batch` covers all rows; `record` may be null.
  /// Throws: invalid_input (shapes, offsets, mask), std::bad_alloc while the workspace grows or for the record.
  void forward(const matrix_view<Scalar>& states, const sequence_batch& batch, workspace& scratch,
               bool record_states = false, typename encoder_trace<Scalar>::block* record = nullptr) const {
    attn_.check(batch);
    core::check_extents(states, batch.total_rows(), attn_.width(), "states");
    workspace::frame frame(scratch);
    auto buffers = block_buffers<Scalar>::take(frame, states.rows(), states.cols());
    buffers.states = states;
    if (record != nullptr)
      encoders::prepare<Scalar>(*record, states.rows(), states.cols(), path_length(), record_states);
    encoders::for_each_row_chunk(states.rows(), scratch, {}, [&](const core::index_range& rows, workspace& mine) {
      begin(buffers, rows, mine, record);
    });
    attend(buffers, batch, scratch, {});
    encoders::for_each_row_chunk(states.rows(), scratch, {}, [&](const core::index_range& rows, workspace& mine) {
      finish(buffers, rows, mine, record);
    });
  }

  /// The first of three steps: norm and projection of some rows, each by itself. The steps check nothing.
  /// Throws: std::bad_alloc while the workspace grows.
  void begin(const block_buffers<Scalar>& buffers, const core::index_range& rows, workspace& scratch,
             typename encoder_trace<Scalar>::block* record = nullptr) const {
    workspace::frame frame(scratch);
    const auto normed = frame.take_matrix<Scalar>(rows.size(), buffers.states.cols());
    norm1_.forward(buffers.states.rows_from(rows.first, rows.size()), normed);
    if (record != nullptr) encoders::record_rows(normed, rows, record->norm1);
    attn_.project(normed, buffers.projected.rows_from(rows.first, rows.size()), scratch);
  }

  /// The second step: attention of all sequences, spread over an executor's threads.
  /// Throws: std::bad_alloc while the workspace grows, what the executor throws.
  void attend(const block_buffers<Scalar>& buffers, const sequence_batch& batch, workspace& scratch,
              executor_ref threads) const {
    attn_.attend(buffers.projected, buffers.context, batch, scratch, threads);
  }

  /// The last step, of some rows, each by itself: output projection, residual, norm, feedforward, residual.
  /// Throws: std::bad_alloc while the workspace grows.
  void finish(const block_buffers<Scalar>& buffers, const core::index_range& rows, workspace& scratch,
              typename encoder_trace<Scalar>::block* record = nullptr) const {
    workspace::frame frame(scratch);
    const auto states = buffers.states.rows_from(rows.first, rows.size());
    const auto normed = frame.take_matrix<Scalar>(rows.size(), states.cols());
    const auto update = frame.take_matrix<Scalar>(rows.size(), states.cols());
    auto attended = buffers.context.rows_from(rows.first, rows.size());
    if (attn_.has_projection()) {
      attn_.combine(attended, update, scratch);
      attended = update;
    }
    if (record != nullptr) encoders::record_rows(attended, rows, record->attn);
    for (std::size_t r = 0; r < rows.size(); ++r) {  // normalized while the row is in the nearest cache
      rows_.sum(states.cols(), states.row(r), attended.row(r), states.row(r));
      norm2_.forward_row(states.row(r), normed.row(r));
    }
    if (record != nullptr) encoders::record_rows(normed, rows, record->norm2);
    forward_ffn(normed, update, scratch, rows, record);
    if (record != nullptr) encoders::record_rows(update, rows, record->ffn);
    for (std::size_t r = 0; r < rows.size(); ++r) {
      rows_.sum(states.cols(), states.row(r), update.row(r), states.row(r));
    }
    if (record != nullptr) encoders::record_rows(states, rows, record->output);
  }

 private:
  block(norm<Scalar> norm1, attention<Scalar, Backend> attn, norm<Scalar> norm2, ffn_type ffn,
        const row_operations<Scalar>& rows)
      : norm1_(std::move(norm1)), attn_(std::move(attn)), norm2_(std::move(norm2)), ffn_(std::move(ffn)), rows_(rows) {}

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
                           const encoder_choices& choices) {
    if (const auto* fast = std::get_if<fast_feedforward_config>(&config.feedforward)) {
      return fast_feedforward_type::load(source, prefix, fast_shape(config, *fast),
                                         {.activation = config.activation,
                                          .engine = choices.feedforward.engine,
                                          .storage_in = choices.feedforward.storage_in,
                                          .storage_out = choices.feedforward.storage_out,
                                          .isa = choices.feedforward.isa});
    }
    return feedforward_type::load(source, prefix, dense_shape(config), config.activation, choices.projections);
  }

  void forward_ffn(const matrix_view<Scalar>& x, const matrix_view<Scalar>& y, workspace& scratch,
                   const core::index_range& rows, typename encoder_trace<Scalar>::block* record) const {
    if (const auto* dense = std::get_if<feedforward_type>(&ffn_)) return dense->forward(x, y, scratch);
    const auto& fast = std::get<fast_feedforward_type>(ffn_);
    if (record == nullptr) return fast.forward(x, y, scratch);
    fast.forward(x, y, scratch, record->paths.view().rows_from(rows.first, rows.size()));
  }

  norm<Scalar> norm1_;
  attention<Scalar, Backend> attn_;
  norm<Scalar> norm2_;
  ffn_type ffn_;
  row_operations<Scalar> rows_;
};

}  // namespace ultrafastbert
