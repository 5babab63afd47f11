// SPDX-License-Identifier: MIT
//
// The activations that checkpoints name, as function objects, and their run-time choice.
// Layer: kernels.
#pragma once

#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <numbers>
#include <span>
#include <string_view>

#include "ultrafastbert/core/ieee_arithmetic.hpp"
#include "ultrafastbert/kernels/tables.hpp"

namespace ultrafastbert {

/// A function object on one number; `name` is the checkpoint's word for it.
template <class Function>
concept activation = requires(const Function& f, float x, double y) {
  { Function::name } -> std::convertible_to<std::string_view>;
  { f(x) } -> std::same_as<float>;
  { f(y) } -> std::same_as<double>;
};

namespace kernels {

/// x Phi(x) with the exact normal distribution function. Source: torch.nn.GELU, approximate="none".
struct gelu {
  static constexpr std::string_view name = "GELU";
  template <std::floating_point Scalar>
  [[nodiscard]] Scalar operator()(Scalar x) const noexcept {
    constexpr Scalar half = Scalar{0.5};
    constexpr Scalar root_half = std::numbers::sqrt2_v<Scalar> * half;
    return half * x * (Scalar{1} + std::erf(x * root_half));
  }
};

/// x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))), at most 4.8e-4 from the exact GELU; written as x / (1 + exp(-2
/// ...)), which keeps the digits of numbers far below 0. Source: torch.nn.GELU, approximate="tanh"; `gelu_new`,
/// `gelu_pytorch_tanh` and `gelu_fast` of the transformers package are the same function.
struct gelu_tanh {
  static constexpr std::string_view name = "gelu_new";
  template <std::floating_point Scalar>
  [[nodiscard]] Scalar operator()(Scalar x) const noexcept {
    constexpr Scalar slope = Scalar{2} * std::numbers::sqrt2_v<Scalar> * std::numbers::inv_sqrtpi_v<Scalar>;
    constexpr Scalar cubic = slope * static_cast<Scalar>(0.044715);
    return x / (Scalar{1} + std::exp(-x * (slope + cubic * x * x)));
  }
};

/// max(x, 0); NaN stays NaN. Source: torch.nn.ReLU.
struct relu {
  static constexpr std::string_view name = "ReLU";
  template <std::floating_point Scalar>
  [[nodiscard]] Scalar operator()(Scalar x) const noexcept {
    return x < Scalar{0} ? Scalar{0} : x;
  }
};

/// x / (1 + exp(-x)). Source: torch.nn.SiLU.
struct silu {
  static constexpr std::string_view name = "SiLU";
  template <std::floating_point Scalar>
  [[nodiscard]] Scalar operator()(Scalar x) const noexcept {
    return x / (Scalar{1} + std::exp(-x));
  }
};

/// Hyperbolic tangent. Source: torch.nn.Tanh.
struct hyperbolic_tangent {
  static constexpr std::string_view name = "Tanh";
  template <std::floating_point Scalar>
  [[nodiscard]] Scalar operator()(Scalar x) const noexcept {
    return std::tanh(x);
  }
};

/// max(x, 0)^2; NaN stays NaN. Source: "ReLU squared" of So et al., arXiv 2109.08668; `relu2` of the transformers
/// package.
struct relu_squared {
  static constexpr std::string_view name = "relu2";
  template <std::floating_point Scalar>
  [[nodiscard]] Scalar operator()(Scalar x) const noexcept {
    return x < Scalar{0} ? Scalar{0} : x * x;
  }
};

/// x itself, bit by bit. Source: torch.nn.Identity.
struct identity {
  static constexpr std::string_view name = "Identity";
  template <std::floating_point Scalar>
  [[nodiscard]] Scalar operator()(Scalar x) const noexcept {
    return x;
  }
};

static_assert(activation<gelu> && activation<gelu_tanh> && activation<relu> && activation<silu> &&
              activation<hyperbolic_tangent> && activation<relu_squared> && activation<identity>);

}  // namespace kernels

/// An activation chosen at run time.
enum class activation_kind : std::uint8_t { gelu, relu, silu, tanh, gelu_tanh, relu_squared, identity };

/// Calls `visitor` with the function object that `kind` stands for and returns what it returns.
template <class Visitor>
decltype(auto) visit_activation(activation_kind kind, Visitor&& visitor) {
  switch (kind) {
    case activation_kind::relu: return visitor(kernels::relu{});
    case activation_kind::silu: return visitor(kernels::silu{});
    case activation_kind::tanh: return visitor(kernels::hyperbolic_tangent{});
    case activation_kind::gelu_tanh: return visitor(kernels::gelu_tanh{});
    case activation_kind::relu_squared: return visitor(kernels::relu_squared{});
    case activation_kind::identity: return visitor(kernels::identity{});
    case activation_kind::gelu: break;
  }
  return visitor(kernels::gelu{});
}

/// The checkpoint's word for an activation.
[[nodiscard]] inline std::string_view name(activation_kind kind) {
  return visit_activation(kind, [](auto f) { return decltype(f)::name; });
}

namespace kernels {

/// Replaces every value by its activation. Shapes: values: (n).
template <class Scalar>
void activate(activation_kind kind, std::span<Scalar> values) noexcept {
  visit_activation(kind, [values](auto f) {
    for (Scalar& value : values) value = f(value);
  });
}

/// The vectorized form of an activation.
[[nodiscard]] inline activation_kernel kernel_of(const activation_kernels& table, activation_kind kind) noexcept {
  switch (kind) {
    case activation_kind::relu: return table.relu;
    case activation_kind::silu: return table.silu;
    case activation_kind::tanh: return table.tanh;
    case activation_kind::gelu_tanh: return table.gelu_tanh;
    case activation_kind::relu_squared: return table.relu_squared;
    case activation_kind::identity: return table.identity;
    case activation_kind::gelu: break;
  }
  return table.gelu;
}

}  // namespace kernels

}  // namespace ultrafastbert
