// SPDX-License-Identifier: MIT
//
// Attention that looks at all scores of a sequence at a time, for the operations other than softmax.
// Layer: layers.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "ultrafastbert/core/aligned_buffer.hpp"
#include "ultrafastbert/core/matrix_view.hpp"
#include "ultrafastbert/core/parameters.hpp"
#include "ultrafastbert/core/tensor_source.hpp"
#include "ultrafastbert/core/workspace.hpp"
#include "ultrafastbert/kernels/isa.hpp"
#include "ultrafastbert/layers/rotary.hpp"
#include "ultrafastbert/layers/score_operation.hpp"
#include "ultrafastbert/layers/storing.hpp"
#include "ultrafastbert/products/shared_rows.hpp"

namespace ultrafastbert::layers {

/// The second step of such an attention layer. Its memory grows with the square of the length. Immutable after loading;
/// safe from any number of threads, each with its own workspace.
template <class Scalar, class Blas>
class whole_attention {
 public:
  /// `kernels`: the level of the library's own products, which do not depend on what else is computed; none for those
  /// of the BLAS. Pre: `operation` is not softmax. Throws: std::bad_alloc.
  whole_attention(score_operation operation, std::size_t heads, std::optional<isa_level> kernels)
      : operation_(operation), heads_(heads), kernels_(kernels) {
    if (operation != score_operation::layer_norm) return;
    gamma_ = aligned_buffer<Scalar>(heads);
    beta_ = aligned_buffer<Scalar>(heads);
  }

  /// Notes `seq_gamma` and `seq_beta` below `prefix`, if the operation has them. Throws: std::bad_alloc.
  void parameters(const std::string& prefix, parameter_list& list) {
    if (operation_ != score_operation::layer_norm) return;
    const std::vector<std::size_t> extents{1, heads_, 1, 1};
    list.add(prefix + "seq_gamma", extents, [this](const tensor& from) { from.read(0, gamma_.span()); });
    list.add(prefix + "seq_beta", extents, [this](const tensor& from) { from.read(0, beta_.span()); });
  }

  /// Memory held. Units: bytes.
  [[nodiscard]] std::size_t bytes() const noexcept { return (gamma_.size() + beta_.size()) * sizeof(Scalar); }

  /// Bytes that `forward` takes from its workspace for sequences of up to `length` tokens, at most, but for what
  /// `turned` takes.
  [[nodiscard]] std::size_t workspace_bytes(std::size_t length, std::size_t head_width) const noexcept {
    const std::size_t panel = (std::max)(length * padded(head_width), head_width * padded(length));
    return (heads_ * length * length + panel) * sizeof(Scalar) + 2 * buffer_alignment;
  }

  /// The heads' weighted values of a sequence. `parts_of(head)` gives the parts of a head, `turned(parts, frame)` the
  /// same with queries and keys as they are multiplied, which may lie in the frame. Shapes: context: (length, width),
  /// overwritten. Throws: std::bad_alloc while the workspace grows.
  template <class PartsOf, class Turned>
  void forward(const PartsOf& parts_of, const Turned& turned, Scalar norm_factor, const matrix_view<Scalar>& context,
               workspace& scratch) const {
    const std::size_t head_width = context.cols() / heads_;
    const std::size_t length = context.rows();
    workspace::frame frame(scratch);
    const auto scores = frame.take_matrix<Scalar>(heads_ * length, length);
    for (std::size_t head = 0; head < heads_; ++head) {
      workspace::frame inner(scratch);
      const head_parts<Scalar> parts = turned(parts_of(head), inner);
      const auto keys = padded_rows(length, head_width, inner);
      copy_rows(parts.keys, keys);
      const auto to = scores.rows_from(head * length, length);
      multiply(parts.queries, keys, to);
      for (std::size_t query = 0; query < length; ++query) {
        for (Scalar& score : to.row_span(query)) score *= norm_factor;
      }
    }
    weigh_scores<Scalar>(operation_, scores, {.gamma = gamma_.span(), .beta = beta_.span()});
    for (std::size_t head = 0; head < heads_; ++head) {
      workspace::frame inner(scratch);
      const auto values = padded_rows(head_width, length, inner);
      copy_transposed(parts_of(head).values, values);
      multiply(scores.rows_from(head * length, length), values, context.cols_from(head * head_width, head_width));
    }
  }

 private:
  [[nodiscard]] static constexpr std::size_t padded(std::size_t cols) noexcept {
    constexpr std::size_t step = buffer_alignment / sizeof(Scalar);
    return (cols + step - 1) / step * step;
  }

  // Rows that are padded with zeros to whole cache lines; the rest is the caller's to fill.
  [[nodiscard]] static matrix_view<Scalar> padded_rows(std::size_t rows, std::size_t cols, workspace::frame& frame) {
    const auto memory = frame.take_matrix<Scalar>(rows, padded(cols));
    for (std::size_t r = 0; r < rows; ++r) std::fill_n(memory.row(r) + cols, memory.cols() - cols, Scalar{0});
    return memory.cols_from(0, cols);
  }

  // y = x w^T. Shapes: w: padded rows.
  void multiply(const matrix_view<const Scalar>& x, const matrix_view<const Scalar>& w,
                const matrix_view<Scalar>& y) const {
    if constexpr (std::same_as<Scalar, float>) {
      if (kernels_) return products::multiply_shared_rows(*kernels_, x, w, y, {.first = 0, .last = w.rows()});
    }
    Blas::multiply_transposed(Scalar{1}, x, w, y);
  }

  score_operation operation_;
  std::size_t heads_;
  std::optional<isa_level> kernels_;
  aligned_buffer<Scalar> gamma_{};  // of `layer_norm`: (heads), else empty
  aligned_buffer<Scalar> beta_{};   // the same
};

}  // namespace ultrafastbert::layers
