// SPDX-License-Identifier: MIT
//
// What layers do with single rows: for float by the kernels of an instruction set level, which is chosen when the layer
// is built, for other numbers by the templates.
// Layer: kernels.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/kernels/activation.hpp"
#include "ultrafastbert/kernels/dispatch.hpp"
#include "ultrafastbert/kernels/isa.hpp"
#include "ultrafastbert/kernels/scalar_rows.hpp"
#include "ultrafastbert/kernels/tables.hpp"

namespace ultrafastbert {

/// Operations on rows of `Scalar`. Immutable; safe from any number of threads.
template <class Scalar>
class row_operations {
 public:
  /// Throws: invalid_input (a level is named: this type has none).
  explicit row_operations(isa_level isa = isa_level::automatic) {
    if (isa != isa_level::automatic) fail_input("isa", "automatic, as only float has levels", std::string(name(isa)));
  }

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
  /// y = x * factor; y may be x. Shapes: x, y: (n).
  void scale(std::size_t n, Scalar factor, const Scalar* x, Scalar* y) const noexcept {
    for (std::size_t k = 0; k < n; ++k) y[k] = x[k] * factor;
  }
  /// Replaces values by their activation. Shapes: values: (n).
  void activate(activation_kind kind, std::size_t n, Scalar* values) const noexcept {
    kernels::activate(kind, std::span<Scalar>(values, n));
  }
  /// values = activation(gates) * values; gates are overwritten. Shapes: gates, values: (n).
  void gate(activation_kind kind, std::size_t n, Scalar* gates, Scalar* values) const noexcept {
    kernels::activate(kind, std::span<Scalar>(gates, n));
    for (std::size_t k = 0; k < n; ++k) values[k] *= gates[k];
  }
};

template <>
class row_operations<float> {
 public:
  /// Takes the kernels of a level. Throws: unsupported (the processor lacks the level asked for).
  explicit row_operations(isa_level isa = isa_level::automatic)
      : isa_(resolve(isa)), kernels_(&kernels::rows_of(isa_)), activations_(&kernels::activations_of(isa_)) {}

  [[nodiscard]] isa_level isa() const noexcept { return isa_; }  ///< level of the kernels that run

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
  /// y = x * factor; y may be x. Shapes: x, y: (n).
  void scale(std::size_t n, float factor, const float* x, float* y) const noexcept { kernels_->scale(n, factor, x, y); }
  /// Replaces values by their activation. Shapes: values: (n).
  void activate(activation_kind kind, std::size_t n, float* values) const noexcept {
    kernels::kernel_of(*activations_, kind)(n, values);
  }
  /// values = activation(gates) * values; gates are overwritten. Shapes: gates, values: (n).
  void gate(activation_kind kind, std::size_t n, float* gates, float* values) const noexcept {
    activate(kind, n, gates);
    kernels_->product(n, gates, values, values);
  }

 private:
  isa_level isa_;
  const kernels::row_kernels* kernels_;
  const kernels::activation_kernels* activations_;
};

}  // namespace ultrafastbert
