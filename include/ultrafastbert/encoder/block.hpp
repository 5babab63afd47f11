// SPDX-License-Identifier: MIT
//
// One transformer block: attention and feedforward, each with a residual and a norm before or after it.
// Layer: encoder.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <variant>

#include "ultrafastbert/blas/default_backend.hpp"
#include "ultrafastbert/cmm/paths.hpp"
#include "ultrafastbert/core/aligned_buffer.hpp"
#include "ultrafastbert/core/executor.hpp"
#include "ultrafastbert/core/matrix_view.hpp"
#include "ultrafastbert/core/parameters.hpp"
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
template <class Scalar, class Backend = default_backend<Scalar>>
class block {
 public:
  using fast_feedforward_type = fast_feedforward<Scalar, dynamic_extent, dynamic_extent, dynamic_extent, dynamic_extent,
                                                 positive_goes_right, Backend>;
  using feedforward_type = feedforward<Scalar, Backend>;
  using ffn_type = std::variant<fast_feedforward_type, feedforward_type>;

  /// Sizes alone: `parameters` says what fills them. Throws: as the constructors of its layers.
  explicit block(const block_shape& shape, const encoder_options& options = {})
      : placement_(shape.placement),
        norm1_(shape.norm, options.isa),
        attn_(shape.attention, options.projections),
        norm2_(shape.norm, options.isa),
        ffn_(make_ffn(shape, options)),
        rows_(options.isa) {}

  /// Loads the parameters below `prefix`. Throws: missing_tensor, what the source throws, as the constructors of its
  /// layers, std::bad_alloc.
  [[nodiscard]] static block load(const tensor_source& source, const std::string& prefix, const block_shape& shape,
                                  const encoder_options& options = {}) {
    block layer(shape, options);
    parameter_list list;
    layer.parameters(prefix, list);
    list.load(source);
    return layer;
  }

  /// Notes `norm1.*`, `attn.*`, `norm2.*` and `ffn.*` below `prefix`. Throws: std::bad_alloc.
  void parameters(const std::string& prefix, parameter_list& list) {
    norm1_.parameters(prefix + "norm1.", list);
    attn_.parameters(prefix + "attn.", list);
    norm2_.parameters(prefix + "norm2.", list);
    std::visit([&](auto& layer) { layer.parameters(prefix + "ffn.", list); }, ffn_);
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
  /// Throws invalid_input where attention cannot take a batch's masks or lengths; see `attention::check_form`.
  void check_form(const sequence_batch& batch) const { attn_.check_form(batch); }
  [[nodiscard]] bool is_causal() const noexcept { return attn_.shape().causal; }  ///< see attention_shape

  /// Bytes that each thread's part of the steps takes for up to `tokens` tokens in sequences of up to `length`, at
  /// most.
  [[nodiscard]] std::size_t workspace_bytes(std::size_t tokens, std::size_t length) const noexcept {
    const std::size_t rows = (std::min)(tokens, encoders::most_rows_at_a_time);
    const std::size_t states = 3 * (rows * attn_.width() * sizeof(Scalar) + buffer_alignment);
    const std::size_t steps =
        (std::max)(attn_.projection_bytes(rows),
                   std::visit([rows](const auto& layer) { return layer.workspace_bytes(rows); }, ffn_));
    return (std::max)(states + steps, attn_.attend_bytes(length));
  }

  /// Replaces the states by the block's output, spread over an executor's threads.
  /// Shapes: states: (tokens, hidden) row-major, read and written; `batch` covers all rows; `record` may be null.
  /// Throws: invalid_input (shapes, offsets, mask), what the executor throws, std::bad_alloc while the workspace grows
  ///   or for the record.
  void forward(const matrix_view<Scalar>& states, const sequence_batch& batch, workspace& scratch,
               bool record_states = false, typename encoder_trace<Scalar>::block* record = nullptr,
               executor_ref threads = {}) const {
    attn_.check(batch);
    core::check_extents(states, batch.total_rows(), attn_.width(), "states");
    workspace::frame frame(scratch);
    auto buffers = block_buffers<Scalar>::take(frame, states.rows(), states.cols());
    buffers.states = states;
    const auto masks = layers::resolve_masks(batch, is_causal(), frame, attn_.shape().masked_score);
    if (record != nullptr) {
      encoders::prepare<Scalar>(*record, states.rows(), states.cols(), path_length(), {.states = record_states});
    }
    encoders::for_each_row_chunk(states.rows(), scratch, threads,
                                 [&](const core::index_range& rows, workspace& mine, executor_ref inside) {
                                   project_rows(buffers, rows, mine, record, inside);
                                 });
    attend(buffers, batch.offsets, masks, scratch, threads);
    encoders::for_each_row_chunk(states.rows(), scratch, threads,
                                 [&](const core::index_range& rows, workspace& mine, executor_ref inside) {
                                   complete_rows(buffers, rows, mine, record, inside);
                                 });
  }

  /// The first of three steps: queries, keys and values of some rows, each by itself; threads share the products. The
  /// steps check nothing. Throws: std::bad_alloc while the workspace grows, what the executor throws.
  void project_rows(const block_buffers<Scalar>& buffers, const core::index_range& rows, workspace& scratch,
                    typename encoder_trace<Scalar>::block* record = nullptr, executor_ref threads = {}) const {
    const auto states = buffers.states.rows_from(rows.first, rows.size());
    const auto projected = buffers.projected.rows_from(rows.first, rows.size());
    if (placement_ == norm_placement::after) return attn_.project(states, projected, scratch, threads);
    workspace::frame frame(scratch);
    const auto normed = frame.take_matrix<Scalar>(rows.size(), states.cols());
    norm1_.forward(states, normed);
    if (record != nullptr) encoders::record_rows(normed, rows, record->norm1);
    attn_.project(normed, projected, scratch, threads);
  }

  /// The second step: attention of all sequences, spread over an executor's threads.
  /// Shapes: offsets: (sequences + 1); masks: (sequences). Throws: std::bad_alloc while the workspace grows, what the
  /// executor throws.
  void attend(const block_buffers<Scalar>& buffers, std::span<const std::size_t> offsets,
              std::span<const layers::sequence_mask> masks, workspace& scratch, executor_ref threads) const {
    attn_.attend(buffers.projected, buffers.context, offsets, masks, scratch, threads);
  }

  /// The last step, of some rows, each by itself: output projection, feedforward, residuals and norms; threads share
  /// the products. Throws: std::bad_alloc while the workspace grows, what the executor throws.
  void complete_rows(const block_buffers<Scalar>& buffers, const core::index_range& rows, workspace& scratch,
                     typename encoder_trace<Scalar>::block* record = nullptr, executor_ref threads = {}) const {
    workspace::frame frame(scratch);
    const auto states = buffers.states.rows_from(rows.first, rows.size());
    const auto normed = frame.take_matrix<Scalar>(rows.size(), states.cols());
    const auto update = frame.take_matrix<Scalar>(rows.size(), states.cols());
    auto attended = buffers.context.rows_from(rows.first, rows.size());
    if (attn_.has_projection()) {
      attn_.combine(attended, update, scratch, threads);
      attended = update;
    }
    if (record != nullptr) encoders::record_rows(attended, rows, record->attn);
    const bool before = placement_ == norm_placement::before;
    const norm<Scalar>& next_norm = before ? norm2_ : norm1_;
    for (std::size_t r = 0; r < rows.size(); ++r) {  // normalized while the row is in the nearest cache
      rows_.sum(states.cols(), states.row(r), attended.row(r), states.row(r));
      next_norm.forward_row(states.row(r), normed.row(r));
    }
    if (record != nullptr) encoders::record_rows(normed, rows, before ? record->norm2 : record->norm1);
    forward_ffn(normed, update, scratch, rows, record, threads);
    if (record != nullptr) encoders::record_rows(update, rows, record->ffn);
    const auto residual = before ? states : normed;
    for (std::size_t r = 0; r < rows.size(); ++r) {
      rows_.sum(states.cols(), residual.row(r), update.row(r), states.row(r));
      if (!before) norm2_.forward_row(states.row(r), states.row(r));
    }
    if (record == nullptr) return;
    if (!before) encoders::record_rows(states, rows, record->norm2);
    encoders::record_rows(states, rows, record->output);
  }

 private:
  static ffn_type make_ffn(const block_shape& shape, const encoder_options& options) {
    if (const auto* fast = std::get_if<fast_feedforward_shape>(&shape.feedforward)) {
      return fast_feedforward_type(*fast, options.fast_feedforward);
    }
    return feedforward_type(std::get<feedforward_shape>(shape.feedforward), options.projections);
  }

  void forward_ffn(const matrix_view<Scalar>& x, const matrix_view<Scalar>& y, workspace& scratch,
                   const core::index_range& rows, typename encoder_trace<Scalar>::block* record,
                   executor_ref threads) const {
    if (const auto* dense = std::get_if<feedforward_type>(&ffn_)) return dense->forward(x, y, scratch, threads);
    const auto& fast = std::get<fast_feedforward_type>(ffn_);
    if (record == nullptr) return fast.forward(x, y, scratch, {}, threads);
    const auto part = [&rows](auto& matrix) {
      return matrix.rows() == 0 ? decltype(matrix.view()){} : matrix.view().rows_from(rows.first, rows.size());
    };
    route_record<Scalar> routes{.margins = part(record->margins), .second_looks = part(record->second_looks)};
    if (record->followed) return fast.forward_along(x, y, part(record->paths), scratch, routes);
    routes.paths = part(record->paths);
    fast.forward_traced(x, y, scratch, routes);
  }

  norm_placement placement_;
  norm<Scalar> norm1_;
  attention<Scalar, Backend> attn_;
  norm<Scalar> norm2_;
  ffn_type ffn_;
  row_operations<Scalar> rows_;
};

}  // namespace ultrafastbert
