// SPDX-License-Identifier: MIT
//
// What layers do with single rows: for float by the kernels of an instruction set level, which is chosen when the layer
// is built, for other numbers by the templates.
// Layer: kernels.
#pragma once

#include <cstddef>

#include "ultrafastbert/kernels/isa.hpp"
#include "ultrafastbert/kernels/layer_norm.hpp"
#include "ultrafastbert/kernels/length_norms.hpp"
#include "ultrafastbert/kernels/row_dispatch.hpp"
#include "ultrafastbert/kernels/row_kernels.hpp"

namespace ultrafastbert {

/// Operations on rows of `Scalar`. Immutable; safe from any number of threads.
template <class Scalar>
class row_operations {
 public:
  /// The level does not matter for this type.
  explicit row_operations(isa_level = isa_level::automatic) noexcept {}

  /// y = LayerNorm(x); y may be x. Shapes: x, y, weight, bias: (n), n >= 1.
  void layer_norm(std::size_t n, Scalar epsilon, const Scalar* weight, const Scalar* bias, const Scalar* x,
                  Scalar* y) const noexcept {
    kernels::layer_norm(n, epsilon, weight, bias, x, y);
  }
  /// y = RMSNorm(x); y may be x. Shapes: x, y, scale: (n), n >= 1.
  void rms_norm(std::size_t n, Scalar epsilon, const Scalar* scale, const Scalar* x, Scalar* y) const noexcept {
    kernels::rms_norm(n, epsilon, scale, x, y);
  }
  /// y = ScaleNorm(x); y may be x. Shapes: x, y: (n), n >= 1.
  void scale_norm(std::size_t n, Scalar epsilon, Scalar scale, const Scalar* x, Scalar* y) const noexcept {
    kernels::scale_norm(n, epsilon, scale, x, y);
  }
  /// y = a + b; y may be a or b. Shapes: a, b, y: (n).
  void sum(std::size_t n, const Scalar* a, const Scalar* b, Scalar* y) const noexcept {
    for (std::size_t k = 0; k < n; ++k) y[k] = a[k] + b[k];
  }
};

template <>
class row_operations<float> {
 public:
  /// Takes the kernels of a level. Throws: unsupported (the processor lacks the level asked for).
  explicit row_operations(isa_level isa = isa_level::automatic) : kernels_(&kernels::rows_of(resolve(isa))) {}

  /// y = LayerNorm(x); y may be x. Shapes: x, y, weight, bias: (n), n >= 1.
  void layer_norm(std::size_t n, float epsilon, const float* weight, const float* bias, const float* x,
                  float* y) const noexcept {
    kernels_->layer_norm(n, epsilon, weight, bias, x, y);
  }
  /// y = RMSNorm(x); y may be x. Shapes: x, y, scale: (n), n >= 1.
  void rms_norm(std::size_t n, float epsilon, const float* scale, const float* x, float* y) const noexcept {
    kernels_->rms_norm(n, epsilon, scale, x, y);
  }
  /// y = ScaleNorm(x); y may be x. Shapes: x, y: (n), n >= 1.
  void scale_norm(std::size_t n, float epsilon, float scale, const float* x, float* y) const noexcept {
    kernels_->scale_norm(n, epsilon, scale, x, y);
  }
  /// y = a + b; y may be a or b. Shapes: a, b, y: (n).
  void sum(std::size_t n, const float* a, const float* b, float* y) const noexcept { kernels_->sum(n, a, b, y); }

 private:
  const kernels::row_kernels* kernels_;
};

}  // namespace ultrafastbert
