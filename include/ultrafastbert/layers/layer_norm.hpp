// SPDX-License-Identifier: MIT
//
// Layer normalization over the columns of each row.
// Layer: layers.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>

#include "ultrafastbert/core/aligned_buffer.hpp"
#include "ultrafastbert/core/matrix_view.hpp"
#include "ultrafastbert/core/tensor_source.hpp"
#include "ultrafastbert/kernels/isa.hpp"
#include "ultrafastbert/kernels/row_operations.hpp"
#include "ultrafastbert/layers/load.hpp"

namespace ultrafastbert {

/// Size and constant of a layer normalization.
struct layer_norm_shape {
  std::size_t width = 0;
  double epsilon = 1e-12;  ///< added to the variance
};

/// LayerNorm with learned weight and bias. Immutable after construction; safe from any number of threads.
template <class Scalar>
class layer_norm {
 public:
  layer_norm() = default;

  /// Copies the parameters; float runs kernels of the level `isa`. Shapes: weight, bias: (width).
  /// Throws: shape_mismatch, unsupported (the processor lacks the level), std::bad_alloc.
  layer_norm(std::span<const Scalar> weight, std::span<const Scalar> bias, double epsilon,
             isa_level isa = isa_level::automatic)
      : weight_(weight.size()), bias_(bias.size()), epsilon_(static_cast<Scalar>(epsilon)), rows_(isa) {
    if (weight.size() != bias.size()) {
      fail(error_code::shape_mismatch, {.where = "bias",
                                        .expected = std::to_string(weight.size()) + " elements",
                                        .found = std::to_string(bias.size())});
    }
    std::copy(weight.begin(), weight.end(), weight_.data());
    std::copy(bias.begin(), bias.end(), bias_.data());
  }

  /// Takes `weight` and `bias` below `prefix`. Shapes: (width) each.
  /// Throws: what the source throws, unsupported, std::bad_alloc.
  template <tensor_source Source>
  [[nodiscard]] static layer_norm load(const Source& source, const std::string& prefix, const layer_norm_shape& shape,
                                       isa_level isa = isa_level::automatic) {
    layer_norm layer;
    layer.rows_ = row_operations<Scalar>(isa);
    layer.weight_ = aligned_buffer<Scalar>(shape.width);
    layer.bias_ = aligned_buffer<Scalar>(shape.width);
    layer.epsilon_ = static_cast<Scalar>(shape.epsilon);
    layers::load_vector(source, prefix + "weight", layer.weight_.span());
    layers::load_vector(source, prefix + "bias", layer.bias_.span());
    return layer;
  }

  /// Tells `visit(name, sizes)` every tensor that `load` reads.
  template <class Visitor>
  static void for_each_tensor(const std::string& prefix, const layer_norm_shape& shape, Visitor&& visit) {
    visit(prefix + "weight", {shape.width});
    visit(prefix + "bias", {shape.width});
  }

  [[nodiscard]] std::size_t width() const noexcept { return weight_.size(); }  ///< columns of x and y
  /// Memory held by the weights. Units: bytes.
  [[nodiscard]] std::size_t bytes() const noexcept { return (weight_.size() + bias_.size()) * sizeof(Scalar); }

  /// y = LayerNorm(x) row by row; y may be x itself. Shapes: x, y: (tokens, width) row-major; y overwritten.
  /// Throws: invalid_input (shapes). Complexity: tokens * width. Source: torch.nn.LayerNorm, biased variance.
  void forward(const matrix_view<const Scalar>& x, const matrix_view<Scalar>& y) const {
    core::check_extents(x, x.rows(), width(), "x");
    core::check_extents(y, x.rows(), width(), "y");
    for (std::size_t t = 0; t < x.rows(); ++t) forward_row(x.row(t), y.row(t));
  }

  /// The same for one row, unchecked. Shapes: x, y: (width).
  void forward_row(const Scalar* x, Scalar* y) const noexcept {
    rows_.layer_norm(width(), epsilon_, weight_.data(), bias_.data(), x, y);
  }

 private:
  aligned_buffer<Scalar> weight_{};
  aligned_buffer<Scalar> bias_{};
  Scalar epsilon_ = 0;
  row_operations<Scalar> rows_{};
};

}  // namespace ultrafastbert
