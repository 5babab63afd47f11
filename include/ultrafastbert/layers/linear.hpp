// SPDX-License-Identifier: MIT
//
// The linear layer, y = x W^T + b.
// Layer: layers.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>

#include "ultrafastbert/blas/default_backend.hpp"
#include "ultrafastbert/core/aligned_buffer.hpp"
#include "ultrafastbert/core/matrix_view.hpp"
#include "ultrafastbert/core/tensor_source.hpp"
#include "ultrafastbert/layers/load.hpp"

namespace ultrafastbert {

/// Sizes of a linear layer.
struct linear_shape {
  std::size_t output_width = 0;
  std::size_t input_width = 0;
  bool bias = false;
};

/// A linear layer. Immutable after construction; `forward` is safe from any number of threads.
template <class Scalar, class Backend = default_backend>
requires blas_backend<Backend, Scalar>
class linear {
 public:
  linear() = default;

  /// Copies the weights. Shapes: weight: (output_width, input_width); bias: (output_width), or empty for none.
  /// Throws: shape_mismatch, overflow, std::bad_alloc.
  linear(const matrix_view<const Scalar>& weight, std::span<const Scalar> bias)
      : weight_(matrix_extents{weight.rows(), weight.cols()}), bias_(bias.size()) {
    if (!bias.empty() && bias.size() != weight.rows()) {
      fail(error_code::shape_mismatch, {.where = "bias",
                                        .expected = std::to_string(weight.rows()) + " elements, or none",
                                        .found = std::to_string(bias.size())});
    }
    detail::copy_rows(weight, weight_.view());
    std::copy(bias.begin(), bias.end(), bias_.data());
  }

  /// Takes `weight` and, if the shape says so, `bias` below `prefix`.
  /// Shapes: (output_width, input_width), (output_width). Throws: what the source throws, std::bad_alloc.
  template <tensor_source Source>
  [[nodiscard]] static linear load(const Source& source, const std::string& prefix, const linear_shape& shape) {
    linear layer;
    layer.weight_ = matrix<Scalar>({shape.output_width, shape.input_width});
    detail::load_matrix(source, prefix + "weight", layer.weight_.view());
    if (shape.bias) {
      layer.bias_ = aligned_buffer<Scalar>(shape.output_width);
      detail::load_vector(source, prefix + "bias", layer.bias_.span());
    }
    return layer;
  }

  /// Tells `visit(name, sizes)` every tensor that `load` reads.
  template <class Visitor>
  static void for_each_tensor(const std::string& prefix, const linear_shape& shape, Visitor&& visit) {
    visit(prefix + "weight", {shape.output_width, shape.input_width});
    if (shape.bias) visit(prefix + "bias", {shape.output_width});
  }

  [[nodiscard]] std::size_t input_width() const noexcept { return weight_.cols(); }           ///< columns of x
  [[nodiscard]] std::size_t output_width() const noexcept { return weight_.rows(); }          ///< columns of y
  [[nodiscard]] matrix_view<const Scalar> weight() const noexcept { return weight_.view(); }  ///< (output, input)
  /// Memory held by the weights. Units: bytes.
  [[nodiscard]] std::size_t bytes() const noexcept { return weight_.bytes() + bias_.size() * sizeof(Scalar); }

  /// y = x W^T + b. Shapes: x: (tokens, input_width) row-major; y: (tokens, output_width), overwritten.
  /// Pre: y overlaps neither x nor the layer. Throws: invalid_input (shapes), overflow from the backend.
  /// Complexity: tokens * input_width * output_width.
  void forward(const matrix_view<const Scalar>& x, const matrix_view<Scalar>& y) const {
    detail::check_extents(x, x.rows(), input_width(), "x");
    detail::check_extents(y, x.rows(), output_width(), "y");
    Backend::multiply_transposed(Scalar{1}, x, weight_.view(), y);
    for (std::size_t t = 0; t < y.rows() && !bias_.empty(); ++t) {
      for (std::size_t j = 0; j < y.cols(); ++j) y(t, j) += bias_[j];
    }
  }

 private:
  matrix<Scalar> weight_{};        // (output_width, input_width)
  aligned_buffer<Scalar> bias_{};  // (output_width) or empty
};

}  // namespace ultrafastbert
