// SPDX-License-Identifier: MIT
//
// Multi-head self-attention of the crammed layout: one projection to queries, keys and values, whose rows are
// interleaved by head, softmax attention, and the output projection, which some checkpoints leave out.
// Layer: layers.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "ultrafastbert/blas/default_backend.hpp"
#include "ultrafastbert/core/matrix_view.hpp"
#include "ultrafastbert/core/tensor_source.hpp"
#include "ultrafastbert/core/workspace.hpp"
#include "ultrafastbert/kernels/softmax.hpp"
#include "ultrafastbert/layers/linear.hpp"
#include "ultrafastbert/layers/sequences.hpp"

namespace ultrafastbert {

/// Sizes of an attention layer.
struct attention_shape {
  std::size_t width = 0;
  std::size_t heads = 0;  ///< divides width
  bool query_key_value_bias = false;
  bool output_projection = true;
  bool output_bias = false;  ///< of the output projection
  bool causal = false;       ///< see the constructor
};

/// Softmax self-attention within each sequence. Immutable after construction; safe from any number of threads.
template <class Scalar, class Backend = default_backend>
class attention {
 public:
  /// With an output projection.
  /// Shapes: query_key_value: (3 * width, width), head h owning rows [3 h w, 3 (h + 1) w) with w = width / heads: first
  ///   its queries, then its keys, then its values; dense: (width, width); `norm_factor` scales the scores.
  ///   `causal` masks the keys behind a query, but only where a batch has a mask per sequence, as the training code
  ///   does: without one, and with a mask per token, it has no effect.
  /// Throws: shape_mismatch.
  attention(linear<Scalar, Backend> query_key_value, linear<Scalar, Backend> dense, std::size_t heads,
            Scalar norm_factor, bool causal = false)
      : attention(std::move(query_key_value), heads, norm_factor, causal) {
    if (dense.input_width() != width()) {
      fail(error_code::shape_mismatch, {.where = "dense",
                                        .expected = std::to_string(width()) + " input columns",
                                        .found = std::to_string(dense.input_width())});
    }
    dense_ = std::move(dense);
  }

  /// Without one. Shapes: as above. Throws: shape_mismatch.
  attention(linear<Scalar, Backend> query_key_value, std::size_t heads, Scalar norm_factor, bool causal = false)
      : query_key_value_(std::move(query_key_value)), heads_(heads), norm_factor_(norm_factor), causal_(causal) {
    const std::size_t width = query_key_value_.input_width();
    if (heads == 0 || width % heads != 0 || query_key_value_.output_width() != 3 * width) {
      fail(error_code::shape_mismatch, {.where = "query_key_value",
                                        .expected = "(3 * width, width) with heads dividing width",
                                        .found = '(' + std::to_string(query_key_value_.output_width()) + ", " +
                                                 std::to_string(width) + ") and " + std::to_string(heads) + " heads"});
    }
  }

  /// Takes `self_attention.query_key_value.*`, `self_attention.norm_factor` and `dense.*` below `prefix`.
  /// Shapes: (3 * width, width), (), (width, width); biases (3 * width), (width). Throws: what the source throws,
  /// std::bad_alloc.
  template <tensor_source Source>
  [[nodiscard]] static attention load(const Source& source, const std::string& prefix, const attention_shape& shape) {
    using layer = linear<Scalar, Backend>;
    Scalar norm_factor = 0;
    source.read(prefix + "self_attention.norm_factor", std::span<const std::size_t>{}, 0,
                std::span<Scalar>(&norm_factor, 1));
    auto query_key_value = layer::load(source, prefix + "self_attention.query_key_value.", projection(shape));
    if (!shape.output_projection) return attention(std::move(query_key_value), shape.heads, norm_factor, shape.causal);
    return attention(std::move(query_key_value), layer::load(source, prefix + "dense.", output(shape)), shape.heads,
                     norm_factor, shape.causal);
  }

  /// Tells `visit(name, sizes)` every tensor that `load` reads.
  template <class Visitor>
  static void for_each_tensor(const std::string& prefix, const attention_shape& shape, Visitor&& visit) {
    visit(prefix + "self_attention.norm_factor", {});
    linear<Scalar, Backend>::for_each_tensor(prefix + "self_attention.query_key_value.", projection(shape), visit);
    if (!shape.output_projection) return;
    linear<Scalar, Backend>::for_each_tensor(prefix + "dense.", output(shape), visit);
  }

  [[nodiscard]] std::size_t width() const noexcept { return query_key_value_.input_width(); }  ///< columns of x and y
  [[nodiscard]] std::size_t heads() const noexcept { return heads_; }                          ///< number of heads
  /// Memory held by the weights. Units: bytes.
  [[nodiscard]] std::size_t bytes() const noexcept { return query_key_value_.bytes() + (dense_ ? dense_->bytes() : 0); }

  /// y = dense(attention(x)), or attention(x) without a projection; every token attends to the tokens of its own
  /// sequence. A mask m adds (1 - m) * -10000 to the scores, never -infinity, so that a row whose keys are all masked
  /// attends to all of them.
  /// Shapes: x: (tokens, width) row-major; y: (tokens, width), overwritten; `batch` covers all rows.
  /// Pre: y overlaps neither x nor the layer.
  /// Throws: invalid_input (shapes, offsets, mask), std::bad_alloc while the workspace grows.
  /// Complexity: tokens * width * (4 * width + 2 * sequence length). Source: the self-attention of crammed BERT.
  void forward(const matrix_view<const Scalar>& x, const matrix_view<Scalar>& y, const sequence_batch& batch,
               workspace& scratch) const {
    detail::check_sequences(batch);
    detail::check_extents(x, batch.tokens(), width(), "x");
    detail::check_extents(y, batch.tokens(), width(), "y");
    workspace::frame frame(scratch);
    const auto projected = frame.take_matrix<Scalar>(x.rows(), 3 * width());
    const auto context = dense_ ? frame.take_matrix<Scalar>(x.rows(), width()) : y;
    query_key_value_.forward(x, projected);
    for (std::size_t i = 0; i < batch.size(); ++i) {
      workspace::frame sequence_frame(scratch);
      const std::size_t length = batch.length(i);
      const auto scores = sequence_frame.take_matrix<Scalar>(length, length);
      const auto bias = sequence_frame.take<Scalar>(batch.mask.data() != nullptr ? length : 0);
      for (std::size_t key = 0; key < bias.size(); ++key) bias[key] = mask_bias(batch.mask(i, key));
      sequence_mask mask{.key_bias = bias};
      if (batch.query_mask.data() != nullptr) mask.queries = batch.query_mask.rows_from(batch.offsets[i], length);
      const auto rows = projected.rows_from(batch.offsets[i], length);
      for (std::size_t h = 0; h < heads_; ++h) {
        attend(rows, h, mask, scores, context.rows_from(batch.offsets[i], length));
      }
    }
    if (dense_) dense_->forward(context, y);
  }

 private:
  // What one sequence's scores are lowered by: per key for all queries, or a mask row per query, or neither.
  struct sequence_mask {
    std::span<const Scalar> key_bias{};
    matrix_view<const float> queries{};
  };

  static linear_shape projection(const attention_shape& s) {
    return {.output_width = 3 * s.width, .input_width = s.width, .bias = s.query_key_value_bias};
  }
  static linear_shape output(const attention_shape& s) {
    return {.output_width = s.width, .input_width = s.width, .bias = s.output_bias};
  }

  // Rounded to float as the reference does; the sum with the score then rounds as there, too.
  static Scalar mask_bias(float mask) { return static_cast<Scalar>((1.0F - mask) * -10000.0F); }

  void add_mask(const sequence_mask& mask, std::size_t query, std::span<Scalar> row) const noexcept {
    const std::size_t visible = causal_ ? std::min(query + 1, mask.key_bias.size()) : mask.key_bias.size();
    for (std::size_t key = 0; key < visible; ++key) row[key] += mask.key_bias[key];
    for (std::size_t key = visible; key < mask.key_bias.size(); ++key) row[key] += mask_bias(0.0F);
    if (mask.queries.data() == nullptr) return;
    for (std::size_t key = 0; key < row.size(); ++key) row[key] += mask_bias(mask.queries(query, key));
  }

  // One head of one sequence. Shapes: rows: (length, 3 * width); scores: (length, length); context: (length, width).
  void attend(const matrix_view<Scalar>& rows, std::size_t head, const sequence_mask& mask,
              const matrix_view<Scalar>& scores, const matrix_view<Scalar>& context) const {
    const std::size_t head_width = width() / heads_;
    const auto part = [&](std::size_t which) {
      return matrix_view<const Scalar>(rows.cols_from((3 * head + which) * head_width, head_width));
    };
    Backend::multiply_transposed(norm_factor_, part(0), part(1), scores);
    for (std::size_t query = 0; query < scores.rows(); ++query) {
      const std::span<Scalar> row = scores.row_span(query);
      add_mask(mask, query, row);
      kernels::softmax(row);
    }
    Backend::multiply(Scalar{1}, matrix_view<const Scalar>(scores), part(2),
                      context.cols_from(head * head_width, head_width));
  }

  linear<Scalar, Backend> query_key_value_;
  std::optional<linear<Scalar, Backend>> dense_{};
  std::size_t heads_;
  Scalar norm_factor_;
  bool causal_;
};

}  // namespace ultrafastbert
