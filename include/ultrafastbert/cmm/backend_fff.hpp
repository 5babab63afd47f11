// SPDX-License-Identifier: MIT
//
// The weights of an FFF layer as a BLAS multiplies them: one row per node in both matrices, nothing rounded.
// Layer: cmm.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "ultrafastbert/blas/backend.hpp"
#include "ultrafastbert/cmm/conditional_matrix_multiplication.hpp"
#include "ultrafastbert/cmm/engine.hpp"
#include "ultrafastbert/cmm/packed_fff.hpp"
#include "ultrafastbert/cmm/tie_rule.hpp"
#include "ultrafastbert/cmm/tree.hpp"
#include "ultrafastbert/core/aligned_buffer.hpp"
#include "ultrafastbert/core/matrix_view.hpp"
#include "ultrafastbert/core/workspace.hpp"

namespace ultrafastbert {

/// FFF weights for the `blas` engine. Same members as `packed_fff`.
/// Filled once, then immutable; `multiply` is const and safe from any number of threads.
template <class Scalar, class Backend>
requires blas_backend<Backend, Scalar>
class backend_fff {
 public:
  /// All weights zero. Throws: overflow, std::bad_alloc.
  backend_fff(const packed_fff_shape& shape, bool with_bias)
      : shape_(shape),
        in_({shape_.nodes(), shape.input_width}),
        out_({shape_.nodes(), shape.output_width}),
        bias_(with_bias ? shape_.nodes() : 0) {}

  [[nodiscard]] static constexpr isa_level isa() noexcept { return isa_level::portable; }  ///< none of its own
  /// Memory held. Units: bytes.
  [[nodiscard]] std::size_t bytes() const noexcept {
    return in_.bytes() + out_.bytes() + bias_.size() * sizeof(Scalar);
  }

  /// Copies a row of the first matrix. Shapes: row: (input_width).
  void store_in(std::size_t node, const Scalar* row) noexcept { std::copy_n(row, in_.cols(), in_.row(node)); }
  /// Copies a row of the second matrix (a column of the checkpoint's). Shapes: row: (output_width).
  void store_out(std::size_t node, const Scalar* row) noexcept { std::copy_n(row, out_.cols(), out_.row(node)); }
  /// Sets a node's bias. Pre: built with_bias.
  void store_bias(std::size_t node, Scalar bias) noexcept { bias_[node] = bias; }
  /// The second matrix itself: (nodes, output_width).
  [[nodiscard]] matrix_view<Scalar> float_out() noexcept { return out_.view(); }

  /// As `conditional_matrix_multiply`. Shapes: as there. Throws: as there.
  template <tie_rule TieRule>
  void multiply(const matrix_view<const Scalar>& x, const matrix_view<Scalar>& y, workspace& scratch,
                const matrix_view<std::int32_t>& paths, fff_engine /*engine*/) const {
    const cmm_weights<Scalar> weights{.linear_in = in_.view(),
                                      .bias_in = bias_.span(),
                                      .linear_out = out_.view(),
                                      .depth = shape_.depth,
                                      .parallel_size = shape_.parallel_size,
                                      .activation = shape_.activation};
    conditional_matrix_multiply<TieRule, Backend, Scalar>(weights, x, y, scratch, paths);
  }

 private:
  packed_fff_shape shape_;
  matrix<Scalar> in_;            // (nodes, input_width)
  matrix<Scalar> out_;           // (nodes, output_width): the checkpoint's matrix transposed, so that a node is a row
  aligned_buffer<Scalar> bias_;  // (nodes) or empty
};

}  // namespace ultrafastbert
