// SPDX-License-Identifier: MIT
//
// Multi-head self-attention of the crammed layout: one projection to queries, keys and values, whose rows are
// interleaved by head, softmax attention, and the output projection.
// Layer: layers.
#pragma once

#include <cstddef>
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
};

/// Softmax self-attention within each sequence. Immutable after construction; safe from any number of threads.
template <class Scalar, class Backend = default_backend>
class attention {
 public:
  /// Shapes: query_key_value: (3 * width, width), head h owning rows [3 h w, 3 (h + 1) w) with w = width / heads: first
  ///   its queries, then its keys, then its values; dense: (width, width); `norm_factor` scales the scores.
  /// Throws: shape_mismatch.
  attention(linear<Scalar, Backend> query_key_value, linear<Scalar, Backend> dense, std::size_t heads,
            Scalar norm_factor)
      : query_key_value_(std::move(query_key_value)),
        dense_(std::move(dense)),
        heads_(heads),
        norm_factor_(norm_factor) {
    const std::size_t width = query_key_value_.input_width();
    if (heads == 0 || width % heads != 0 || query_key_value_.output_width() != 3 * width ||
        dense_.input_width() != width) {
      fail(error_code::shape_mismatch, {.where = "query_key_value",
                                        .expected = "(3 * width, width) with heads dividing width",
                                        .found = '(' + std::to_string(query_key_value_.output_width()) + ", " +
                                                 std::to_string(width) + ") and " + std::to_string(heads) + " heads"});
    }
  }

  /// Takes `self_attention.query_key_value.*`, `self_attention.norm_factor` and `dense.*` below `prefix`.
  /// Shapes: (3 * width, width), (), (width, width). Throws: what the source throws, std::bad_alloc.
  template <tensor_source Source>
  [[nodiscard]] static attention load(const Source& source, const std::string& prefix, const attention_shape& shape) {
    using layer = linear<Scalar, Backend>;
    Scalar norm_factor = 0;
    source.read(prefix + "self_attention.norm_factor", std::span<const std::size_t>{}, 0,
                std::span<Scalar>(&norm_factor, 1));
    return attention(layer::load(source, prefix + "self_attention.query_key_value.", projection(shape)),
                     layer::load(source, prefix + "dense.", output(shape)), shape.heads, norm_factor);
  }

  /// Tells `visit(name, sizes)` every tensor that `load` reads.
  template <class Visitor>
  static void for_each_tensor(const std::string& prefix, const attention_shape& shape, Visitor&& visit) {
    visit(prefix + "self_attention.norm_factor", {});
    linear<Scalar, Backend>::for_each_tensor(prefix + "self_attention.query_key_value.", projection(shape), visit);
    linear<Scalar, Backend>::for_each_tensor(prefix + "dense.", output(shape), visit);
  }

  [[nodiscard]] std::size_t width() const noexcept { return query_key_value_.input_width(); }  ///< columns of x and y
  [[nodiscard]] std::size_t heads() const noexcept { return heads_; }                          ///< number of heads
  /// Memory held by the weights. Units: bytes.
  [[nodiscard]] std::size_t bytes() const noexcept { return query_key_value_.bytes() + dense_.bytes(); }

  /// y = dense(attention(x)), every token attending to the tokens of its own sequence.
  /// Shapes: x: (tokens, width) row-major; y: (tokens, width), overwritten; `batch` covers all rows.
  /// Pre: y overlaps neither x nor the layer.
  /// Throws: invalid_input (shapes, offsets, mask), std::bad_alloc while the workspace grows.
  /// Complexity: tokens * width * (4 * width + 2 * sequence length).
  /// Source: the self-attention of crammed BERT; a mask m adds (1 - m) * -10000 to the scores, never -infinity, so that
  ///   a row whose keys are all masked attends to all of them.
  void forward(const matrix_view<const Scalar>& x, const matrix_view<Scalar>& y, const sequence_batch& batch,
               workspace& scratch) const {
    detail::check_sequences(batch);
    detail::check_extents(x, batch.tokens(), width(), "x");
    detail::check_extents(y, batch.tokens(), width(), "y");
    workspace::frame frame(scratch);
    const auto projected = frame.take_matrix<Scalar>(x.rows(), 3 * width());
    const auto context = frame.take_matrix<Scalar>(x.rows(), width());
    query_key_value_.forward(x, projected);
    for (std::size_t i = 0; i < batch.size(); ++i) {
      workspace::frame sequence_frame(scratch);
      const std::size_t length = batch.length(i);
      const auto scores = sequence_frame.take_matrix<Scalar>(length, length);
      const auto bias = sequence_frame.take<Scalar>(batch.mask.data() != nullptr ? length : 0);
      for (std::size_t key = 0; key < bias.size(); ++key) bias[key] = mask_bias(batch.mask(i, key));
      const auto rows = projected.rows_from(batch.offsets[i], length);
      for (std::size_t h = 0; h < heads_; ++h) {
        attend(rows, h, bias, scores, context.rows_from(batch.offsets[i], length));
      }
    }
    dense_.forward(context, y);
  }

 private:
  static linear_shape projection(const attention_shape& s) {
    return {.output_width = 3 * s.width, .input_width = s.width};
  }
  static linear_shape output(const attention_shape& s) { return {.output_width = s.width, .input_width = s.width}; }

  // Rounded to float as the reference does; the sum with the score then rounds as there, too.
  static Scalar mask_bias(float mask) { return static_cast<Scalar>((1.0F - mask) * -10000.0F); }

  // One head of one sequence. Shapes: rows: (length, 3 * width); scores: (length, length); context: (length, width).
  void attend(const matrix_view<Scalar>& rows, std::size_t head, std::span<const Scalar> bias,
              const matrix_view<Scalar>& scores, const matrix_view<Scalar>& context) const {
    const std::size_t head_width = width() / heads_;
    const auto part = [&](std::size_t which) {
      return matrix_view<const Scalar>(rows.cols_from((3 * head + which) * head_width, head_width));
    };
    Backend::multiply_transposed(norm_factor_, part(0), part(1), scores);
    for (std::size_t query = 0; query < scores.rows(); ++query) {
      const std::span<Scalar> row = scores.row_span(query);
      for (std::size_t key = 0; key < bias.size(); ++key) row[key] += bias[key];
      kernels::softmax(row);
    }
    Backend::multiply(Scalar{1}, matrix_view<const Scalar>(scores), part(2),
                      context.cols_from(head * head_width, head_width));
  }

  linear<Scalar, Backend> query_key_value_;
  linear<Scalar, Backend> dense_;
  std::size_t heads_;
  Scalar norm_factor_;
};

}  // namespace ultrafastbert
