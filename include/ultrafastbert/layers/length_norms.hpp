// SPDX-License-Identifier: MIT
//
// RMSNorm and ScaleNorm: norms over the columns of each row that subtract no mean.
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

/// Size and constant of an RMSNorm or ScaleNorm.
struct length_norm_shape {
  std::size_t width = 0;
  double epsilon = 1e-12;  ///< RMSNorm: added to the mean square; ScaleNorm: least length
};

/// RMSNorm with a learned scale per column. Immutable after construction; safe from any number of threads.
template <class Scalar>
class rms_norm {
 public:
  rms_norm() = default;

  /// Copies the scale; float runs kernels of the level `isa`. Shapes: scale: (width).
  /// Throws: unsupported (the processor lacks the level), std::bad_alloc.
  rms_norm(std::span<const Scalar> scale, double epsilon, isa_level isa = isa_level::automatic)
      : learnable_scale_(scale.size()), epsilon_(static_cast<Scalar>(epsilon)), rows_(isa) {
    std::copy(scale.begin(), scale.end(), learnable_scale_.data());
  }

  /// Takes `learnable_scale` below `prefix`. Shapes: (width).
  /// Throws: what the source throws, unsupported, std::bad_alloc.
  template <tensor_source Source>
  [[nodiscard]] static rms_norm load(const Source& source, const std::string& prefix, const length_norm_shape& shape,
                                     isa_level isa = isa_level::automatic) {
    rms_norm layer;
    layer.rows_ = row_operations<Scalar>(isa);
    layer.learnable_scale_ = aligned_buffer<Scalar>(shape.width);
    layer.epsilon_ = static_cast<Scalar>(shape.epsilon);
    layers::load_vector(source, prefix + "learnable_scale", layer.learnable_scale_.span());
    return layer;
  }

  /// Tells `visit(name, sizes)` every tensor that `load` reads.
  template <class Visitor>
  static void for_each_tensor(const std::string& prefix, const length_norm_shape& shape, Visitor&& visit) {
    visit(prefix + "learnable_scale", {shape.width});
  }

  [[nodiscard]] std::size_t width() const noexcept { return learnable_scale_.size(); }  ///< columns of x and y
  /// Memory held by the weights. Units: bytes.
  [[nodiscard]] std::size_t bytes() const noexcept { return learnable_scale_.size() * sizeof(Scalar); }

  /// y = x / sqrt(mean(x^2) + epsilon) * scale row by row; y may be x itself.
  /// Shapes: x, y: (tokens, width) row-major; y overwritten. Throws: invalid_input (shapes).
  /// Complexity: tokens * width. Source: Zhang & Sennrich, arXiv 1910.07467.
  void forward(const matrix_view<const Scalar>& x, const matrix_view<Scalar>& y) const {
    core::check_extents(x, x.rows(), width(), "x");
    core::check_extents(y, x.rows(), width(), "y");
    for (std::size_t t = 0; t < x.rows(); ++t) forward_row(x.row(t), y.row(t));
  }

  /// The same for one row, unchecked. Shapes: x, y: (width).
  void forward_row(const Scalar* x, Scalar* y) const noexcept {
    rows_.rms_norm(width(), epsilon_, learnable_scale_.data(), x, y);
  }

 private:
  aligned_buffer<Scalar> learnable_scale_{};
  Scalar epsilon_ = 0;
  row_operations<Scalar> rows_{};
};

/// ScaleNorm with one learned scale. Immutable after construction; safe from any number of threads.
template <class Scalar>
class scale_norm {
 public:
  scale_norm() = default;

  /// One scale for all `width` columns; float runs kernels of the level `isa`.
  /// Throws: unsupported (the processor lacks the level).
  scale_norm(std::size_t width, Scalar scale, double epsilon, isa_level isa = isa_level::automatic)
      : width_(width), learnable_scale_(scale), epsilon_(static_cast<Scalar>(epsilon)), rows_(isa) {}

  /// Takes `learnable_scale` below `prefix`. Shapes: (). Throws: what the source throws, unsupported.
  template <tensor_source Source>
  [[nodiscard]] static scale_norm load(const Source& source, const std::string& prefix, const length_norm_shape& shape,
                                       isa_level isa = isa_level::automatic) {
    Scalar scale = 0;
    source.read(prefix + "learnable_scale", std::span<const std::size_t>{}, 0, std::span<Scalar>(&scale, 1));
    return scale_norm(shape.width, scale, shape.epsilon, isa);
  }

  /// Tells `visit(name, sizes)` every tensor that `load` reads.
  template <class Visitor>
  static void for_each_tensor(const std::string& prefix, const length_norm_shape&, Visitor&& visit) {
    visit(prefix + "learnable_scale", {});
  }

  [[nodiscard]] std::size_t width() const noexcept { return width_; }  ///< columns of x and y
  /// Memory held by the weights. Units: bytes.
  [[nodiscard]] std::size_t bytes() const noexcept { return sizeof(Scalar); }

  /// y = x * scale / max(|x|, epsilon) row by row; y may be x itself.
  /// Shapes: x, y: (tokens, width) row-major; y overwritten. Throws: invalid_input (shapes).
  /// Complexity: tokens * width. Source: Nguyen & Salazar, arXiv 1910.05895.
  void forward(const matrix_view<const Scalar>& x, const matrix_view<Scalar>& y) const {
    core::check_extents(x, x.rows(), width(), "x");
    core::check_extents(y, x.rows(), width(), "y");
    for (std::size_t t = 0; t < x.rows(); ++t) forward_row(x.row(t), y.row(t));
  }

  /// The same for one row, unchecked. Shapes: x, y: (width).
  void forward_row(const Scalar* x, Scalar* y) const noexcept {
    rows_.scale_norm(width(), epsilon_, learnable_scale_, x, y);
  }

 private:
  std::size_t width_ = 0;
  Scalar learnable_scale_ = 0;
  Scalar epsilon_ = 0;
  row_operations<Scalar> rows_{};
};

}  // namespace ultrafastbert
