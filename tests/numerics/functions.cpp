// SPDX-License-Identifier: MIT
//
// Functions of one number over a sweep of all floats, and rounding to narrow storage and back.
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <numbers>
#include <string>
#include <vector>

#include "kernels/support.hpp"
#include "numerics/report.hpp"
#include "ultrafastbert/kernels/activation.hpp"
#include "ultrafastbert/kernels/dispatch.hpp"
#include "ultrafastbert/kernels/rounding.hpp"

namespace ufb_test::numerics {

namespace {

using namespace ultrafastbert;

constexpr double infinite = std::numeric_limits<double>::infinity();
constexpr std::size_t at_once = 4096;

// Floats in the order of their bits, `step` apart, block by block.
template <class Take>
void sweep(std::uint32_t step, const Take& take) {
  std::vector<float> x;
  x.reserve(at_once);
  for (std::uint64_t bits = 0; bits < std::uint64_t{1} << 32U; bits += step) {
    x.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
    if (x.size() == at_once) {
      take(std::as_const(x));
      x.clear();
    }
  }
  // The ends of the ranges, whatever the step.
  for (const float v : {0.0F, 0x1p-149F, 0x1p-126F, std::numeric_limits<float>::max(),
                        std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    x.push_back(v);
    x.push_back(-v);
  }
  take(std::as_const(x));
}

double units(double got, double expected) {
  if (got == expected) return 0;
  if (!std::isfinite(expected)) return infinite;
  const int exponent = expected == 0 ? -126 : std::max(std::ilogb(expected), -126);
  return std::abs(got - expected) / std::ldexp(1.0, exponent - 23);
}

double relative_to_input(double got, double expected, double x) {
  return got == expected ? 0 : std::abs(got - expected) / std::max(1.0, std::abs(x));
}

// What is measured of a function, where, and what is documented for it.
struct measure {
  std::string name;
  std::function<void(isa_level, std::size_t, float*)> run;
  double (*expected)(double x);
  double (*error)(double got, double expected, double x);
  double bound;
  const char* unit;
};

double exact_gelu(double x) { return 0.5 * x * std::erfc(-x / std::numbers::sqrt2); }
double exact_gelu_tanh(double x) {
  return 0.5 * x * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x)));
}
double exact_silu(double x) { return x >= 0 ? x / (1 + std::exp(-x)) : x * std::exp(x) / (1 + std::exp(x)); }

auto activation(activation_kind kind) {
  return [kind](isa_level level, std::size_t n, float* values) {
    kernels::kernel_of(kernels::activations_of(level), kind)(n, values);
  };
}

double units_of(double got, double expected, double /*x*/) { return units(got, expected); }

std::vector<measure> all_measures() {
  // Outside of a function's domain nothing is expected: NaN.
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  std::vector<measure> all;
  all.push_back({"exp", [](isa_level level, std::size_t n, float* values) { kernels::rows_of(level).exp(n, values); },
                 [](double x) { return x > 0 ? nan : std::exp(x); },
                 [](double got, double expected, double) {
                   return expected < 0x1p-126 ? (got == 0 ? 0 : infinite) : units(got, expected);
                 },
                 1.2, "units in last place"});
  all.push_back({"tanh", activation(activation_kind::tanh), [](double x) { return std::tanh(x); }, units_of, 1.6,
                 "units in last place"});
  all.push_back({"SiLU", activation(activation_kind::silu), [](double x) { return x < -87.3 ? nan : exact_silu(x); },
                 units_of, 3.7, "units in last place"});
  all.push_back({"SiLU below -87.3", activation(activation_kind::silu),
                 [](double x) { return x < -87.3 && std::isfinite(x) ? exact_silu(x) : nan; },
                 [](double got, double expected, double) { return std::abs(got - expected); }, 2e-36, ""});
  all.push_back({"GELU", activation(activation_kind::gelu),
                 [](double x) { return std::isinf(x) && x < 0 ? -0.0 : exact_gelu(x); }, relative_to_input, 1.1e-7,
                 "of max(1, |x|)"});
  all.push_back({"GELU by tanh", activation(activation_kind::gelu_tanh),
                 [](double x) { return std::isinf(x) && x < 0 ? nan : exact_gelu_tanh(x); }, relative_to_input, 1.6e-7,
                 "of max(1, |x|)"});
  for (const activation_kind kind : {activation_kind::relu, activation_kind::relu_squared, activation_kind::identity}) {
    double (*expected)(double) = [](double x) { return x; };
    if (kind == activation_kind::relu) expected = [](double x) { return x > 0 ? x : 0.0; };
    if (kind == activation_kind::relu_squared) {
      expected = [](double x) { return x > 0 ? static_cast<double>(static_cast<float>(x * x)) : 0.0; };
    }
    all.push_back({std::string(name(kind)), activation(kind), expected, units_of, 0, "units in last place"});
  }
  return all;
}

}  // namespace

void check_functions(report& to, std::uint32_t step) {
  const std::vector<isa_level> levels = levels_of_this_machine();
  for (const measure& m : all_measures()) {
    std::vector<double> worst(levels.size(), 0.0);
    std::vector<double> expected;
    std::vector<float> y;
    std::uint64_t values = 0;
    sweep(step, [&](const std::vector<float>& x) {
      expected.resize(x.size());
      for (std::size_t i = 0; i < x.size(); ++i) expected[i] = m.expected(static_cast<double>(x[i]));
      for (std::size_t l = 0; l < levels.size(); ++l) {
        y = x;
        m.run(levels[l], y.size(), y.data());
        for (std::size_t i = 0; i < x.size(); ++i) {
          double error = 0;
          if (std::isnan(x[i])) {
            error = std::isnan(y[i]) ? 0 : infinite;  // NaN for NaN
          } else if (!std::isnan(expected[i])) {
            error = m.error(static_cast<double>(y[i]), expected[i], static_cast<double>(x[i]));
            if (l == 0) ++values;
          }
          if (!(error <= worst[l])) worst[l] = error;
        }
      }
    });
    for (std::size_t l = 0; l < levels.size(); ++l) {
      to.line(m.name, std::string(name(levels[l])), worst[l], m.bound, m.unit, values);
    }
  }
}

namespace {

// To the nearest number of a format, the even one of two, by the definition.
double nearest(double x, int digits, int smallest_exponent, double most) {
  if (x == 0 || !std::isfinite(x)) return x;
  const int exponent = std::max(std::ilogb(x), smallest_exponent) - (digits - 1);
  const double rounded = std::ldexp(std::nearbyint(std::ldexp(x, -exponent)), exponent);
  return std::abs(rounded) > most ? std::copysign(infinite, x) : rounded;
}

bool same(double a, double b) {
  return (std::isnan(a) && std::isnan(b)) || (a == b && std::signbit(a) == std::signbit(b));
}

// What a type's dot product with 1 makes of each of its numbers, at a level.
template <class Weight>
void check_widening(report& to, const std::string& type) {
  for (const isa_level level : levels_of_this_machine()) {
    const kernels::dot_kernels& dots = kernels::dots_of(level, storage_of<Weight>);
    std::uint64_t wrong = 0;
    alignas(64) std::array<Weight, kernels::row_padding> row{};
    const float one = 1.0F;
    for (std::uint32_t bits = 0; bits < 0x10000U; ++bits) {
      row[0] = Weight{static_cast<std::uint16_t>(bits)};
      float got = 0;
      dots.pair(bytes_of(row.data()), &one, 1, &got, {});
      const double expected = static_cast<double>(kernels::widened(row[0]));
      // A sum that began with 0 has no negative zero.
      if (!same(static_cast<double>(got), expected) && !(got == 0 && expected == 0)) ++wrong;
    }
    to.exact("numbers of " + type + " in dots", std::string(name(level)), wrong, 0x10000U);
  }
}

}  // namespace

void check_storage(report& to, std::uint32_t step) {
  std::uint64_t values = 0;
  std::uint64_t wrong_float16 = 0;
  std::uint64_t wrong_bfloat16 = 0;
  std::uint64_t wrong_halves = 0;
  const auto count_wrong = [](double got, double expected) -> std::uint64_t { return same(got, expected) ? 0 : 1; };
  sweep(step, [&](const std::vector<float>& x) {
    values += x.size();
    for (const float v : x) {
      const auto value = static_cast<double>(v);
      wrong_float16 += count_wrong(static_cast<double>(kernels::widened(kernels::round_to_float16(v))),
                                   nearest(value, 11, -14, 65504));
      wrong_bfloat16 += count_wrong(static_cast<double>(kernels::widened(kernels::round_to_bfloat16(v))),
                                    nearest(value, 8, -126, 0x1.fep127));
      const kernels::split_float halves = kernels::split(v);
      const auto lower = static_cast<std::uint32_t>(static_cast<std::int32_t>(halves.lower));
      if ((std::uint32_t{halves.upper.bits} << 16U) + lower != std::bit_cast<std::uint32_t>(v)) ++wrong_halves;
    }
  });
  to.exact("rounding to f16", "-", wrong_float16, values);
  to.exact("rounding to bf16", "-", wrong_bfloat16, values);
  to.exact("halves of f32", "-", wrong_halves, values);
  check_widening<float16_bits>(to, "f16");
  check_widening<bfloat16_bits>(to, "bf16");
}

}  // namespace ufb_test::numerics
