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
#include "ultrafastbert/cmm/fff_weights.hpp"
#include "ultrafastbert/cmm/tie_rule.hpp"
#include "ultrafastbert/core/aligned_buffer.hpp"
#include "ultrafastbert/core/matrix_view.hpp"
#include "ultrafastbert/core/workspace.hpp"

namespace ultrafastbert::cmm {

/// FFF weights for the `blas` engine.
template <class Scalar, class Backend>
requires blas_backend<Backend, Scalar>
class backend_fff final : public fff_weights<Scalar> {
 public:
  /// All weights zero. Throws: overflow, std::bad_alloc.
  explicit backend_fff(const fff_shape& shape)
      : shape_(shape),
        in_({shape_.nodes(), shape.input_width}),
        out_({shape_.nodes(), shape.output_width}),
        bias_(shape.with_bias ? shape_.nodes() : 0),
        threshold_(shape.with_thresholds ? shape_.nodes() : 0) {}

  [[nodiscard]] fff_engine engine(std::size_t /*tokens*/) const noexcept override { return fff_engine::blas; }
  [[nodiscard]] isa_level isa() const noexcept override { return isa_level::portable; }
  [[nodiscard]] std::size_t bytes() const noexcept override {
    return in_.bytes() + out_.bytes() + (bias_.size() + threshold_.size()) * sizeof(Scalar);
  }

  void store_in(std::size_t node, const Scalar* row) noexcept override { std::copy_n(row, in_.cols(), in_.row(node)); }
  void store_out(std::size_t node, const Scalar* row) noexcept override {
    std::copy_n(row, out_.cols(), out_.row(node));
  }
  void store_bias(std::size_t node, Scalar bias) noexcept override { bias_[node] = bias; }
  void store_threshold(std::size_t node, Scalar threshold) noexcept override { threshold_[node] = threshold; }
  [[nodiscard]] matrix_view<Scalar> plain_out() noexcept override { return out_.view(); }

  void multiply(const matrix_view<const Scalar>& x, const matrix_view<Scalar>& y, workspace& scratch,
                const matrix_view<std::int32_t>& paths) const override {
    const cmm_weights<Scalar> weights{.linear_in = in_.view(),
                                      .bias_in = bias_.span(),
                                      .linear_out = out_.view(),
                                      .depth = shape_.depth,
                                      .parallel_size = shape_.parallel_size,
                                      .activation = shape_.activation,
                                      .thresholds = threshold_.span()};
    multiply_along_paths<Backend>(weights, direction<Scalar>(shape_.zero_goes_right), x, y, scratch, paths);
  }

  [[nodiscard]] std::size_t workspace_bytes(std::size_t tokens) const noexcept override {
    return cmm_batch<Scalar>::bytes((std::min)(tokens, cmm_tokens_per_batch));
  }

 private:
  fff_shape shape_;
  matrix<Scalar> in_;            // (nodes, input_width)
  matrix<Scalar> out_;           // (nodes, output_width): the checkpoint's matrix transposed, so that a node is a row
  aligned_buffer<Scalar> bias_;  // (nodes) or empty
  aligned_buffer<Scalar> threshold_;  // (nodes) or empty
};

}  // namespace ultrafastbert::cmm
