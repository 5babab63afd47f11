// SPDX-License-Identifier: MIT
//
// ReLU, SiLU, Tanh and the GELU by tanh of every level against the exact functions; GELU has a file of its own.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numbers>
#include <string>
#include <vector>

#include "support.hpp"
#include "support/catch.hpp"
#include "ultrafastbert/kernels/activation.hpp"
#include "ultrafastbert/kernels/dispatch.hpp"

namespace ufb_test {

using namespace ultrafastbert;

namespace {

constexpr activation_kind kinds[] = {
    activation_kind::gelu,      activation_kind::relu,         activation_kind::silu,    activation_kind::tanh,
    activation_kind::gelu_tanh, activation_kind::relu_squared, activation_kind::identity};
constexpr float infinity = std::numeric_limits<float>::infinity();

kernels::activation_kernel kernel(isa_level level, activation_kind kind) {
  return kernels::kernel_of(kernels::activations_of(level), kind);
}

float value_of(isa_level level, activation_kind kind, float x) {
  kernel(level, kind)(1, &x);
  return x;
}

double exact_silu(double x) { return x >= 0 ? x / (1 + std::exp(-x)) : x * std::exp(x) / (1 + std::exp(x)); }

/// Numbers of both signs from `least` to `most`, so many between powers of two.
std::vector<float> numbers(float least, float most, std::uint32_t step) {
  std::vector<float> x;
  for (std::uint32_t bits = std::bit_cast<std::uint32_t>(least); bits <= std::bit_cast<std::uint32_t>(most);
       bits += step) {
    x.push_back(std::bit_cast<float>(bits));
    x.push_back(-x.back());
  }
  return x;
}

/// The largest error in units of the last place of the exact value.
template <class Exact>
double largest_error(kernels::activation_kernel kernel, const std::vector<float>& x, Exact exact_value) {
  std::vector<float> y = x;
  kernel(y.size(), y.data());
  double largest = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double expected = exact_value(exact(x[i]));
    const double unit = std::ldexp(1.0, std::max(std::ilogb(expected), -126) - 23);
    const double error = std::abs(exact(y[i]) - expected) / unit;
    if (!(error <= largest)) largest = error;  // NaN, too
    if (std::isnan(error)) break;
  }
  return largest;
}

}  // namespace

TEST_CASE("SiLU is accurate to 3.7 units in the last place", "[kernels]") {
  auto x = numbers(0x1p-126F, 87.3F, 1999);
  const auto dense = numbers(0x1p-4F, 16.0F, 61);
  x.insert(x.end(), dense.begin(), dense.end());
  for (const isa_level level : levels_of_this_machine()) {
    CAPTURE(std::string(name(level)));
    CHECK(largest_error(kernel(level, activation_kind::silu), x, exact_silu) <= 3.7);
  }
}

TEST_CASE("SiLU of large numbers is the number, or nothing", "[kernels]") {
  for (const isa_level level : levels_of_this_machine()) {
    CAPTURE(std::string(name(level)));
    for (const float x : {88.0F, 1e4F, 3e38F, infinity}) CHECK(value_of(level, activation_kind::silu, x) == x);
    for (const float x : {-87.4F, -88.0F, -104.0F, -1e4F, -3e38F}) {
      CHECK(std::abs(exact(value_of(level, activation_kind::silu, x)) - exact_silu(exact(x))) <= 2e-36);
    }
    CHECK(std::isnan(value_of(level, activation_kind::silu, -infinity)));
    for (const float x : {0.0F, -0.0F}) CHECK(equal_bits(value_of(level, activation_kind::silu, x), x));
  }
}

TEST_CASE("Tanh is accurate to 1.6 units in the last place", "[kernels]") {
  auto x = numbers(0x1p-126F, 20.0F, 1999);
  const auto dense = numbers(0x1p-4F, 10.0F, 61);  // around 0.625 the formula changes
  x.insert(x.end(), dense.begin(), dense.end());
  for (const isa_level level : levels_of_this_machine()) {
    CAPTURE(std::string(name(level)));
    CHECK(largest_error(kernel(level, activation_kind::tanh), x, [](double v) { return std::tanh(v); }) <= 1.6);
  }
}

TEST_CASE("Tanh is odd, keeps signed zeros, and ends at exactly one", "[kernels]") {
  random_numbers random(63);
  for (const isa_level level : levels_of_this_machine()) {
    CAPTURE(std::string(name(level)));
    for (int i = 0; i < 1000; ++i) {
      const auto x = random.real<float>(12);
      CHECK(equal_bits(value_of(level, activation_kind::tanh, -x), -value_of(level, activation_kind::tanh, x)));
    }
    for (const float x : {0.0F, -0.0F, 0x1p-149F, -0x1p-130F}) {
      CHECK(equal_bits(value_of(level, activation_kind::tanh, x), x));
    }
    for (const float x : {9.5F, 20.0F, 100.0F, 3e38F, infinity}) {
      CHECK(value_of(level, activation_kind::tanh, x) == 1.0F);
      CHECK(value_of(level, activation_kind::tanh, -x) == -1.0F);
    }
  }
}

TEST_CASE("The GELU by tanh is within 2e-7 of its definition", "[kernels]") {
  const auto definition = [](double v) {
    return 0.5 * v * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (v + 0.044715 * v * v * v)));
  };
  auto x = numbers(0x1p-126F, 3e38F, 1999);
  const auto dense = numbers(0x1p-4F, 16.0F, 61);
  x.insert(x.end(), dense.begin(), dense.end());
  for (const isa_level level : levels_of_this_machine()) {
    CAPTURE(std::string(name(level)));
    std::vector<float> y = x;
    kernel(level, activation_kind::gelu_tanh)(y.size(), y.data());
    double largest = 0;
    double largest_of_twin = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double expected = definition(exact(x[i]));
      const double unit = std::max(1.0, std::abs(exact(x[i])));
      const double error = std::abs(exact(y[i]) - expected) / unit;
      const double error_of_twin = std::abs(kernels::gelu_tanh{}(exact(x[i])) - expected) / unit;
      if (!(error <= largest)) largest = error;  // NaN, too
      if (!(error_of_twin <= largest_of_twin)) largest_of_twin = error_of_twin;
    }
    CHECK(largest <= 2e-7);
    CHECK(largest_of_twin <= 1e-15);
    for (const float value : {0.0F, -0.0F, 0x1p-140F, 12.0F, 3e38F, infinity}) {
      const float expected = value == 0x1p-140F ? 0x1p-141F : value;
      CHECK(equal_bits(value_of(level, activation_kind::gelu_tanh, value), expected));
    }
    CHECK(value_of(level, activation_kind::gelu_tanh, -20.0F) == 0.0F);
    CHECK(std::isnan(value_of(level, activation_kind::gelu_tanh, -infinity)));
  }
}

TEST_CASE("The two GELUs differ as far as they are known to", "[kernels]") {
  for (const isa_level level : levels_of_this_machine()) {
    const double difference =
        exact(value_of(level, activation_kind::gelu, 2.7F)) - exact(value_of(level, activation_kind::gelu_tanh, 2.7F));
    CHECK(std::abs(difference + 4.7323e-4) <= 1e-6);
  }
}

TEST_CASE("ReLU, its square and the identity give the bits of their definitions at every level", "[kernels]") {
  random_numbers random(64);
  std::vector<float> x{0.0F, -0.0F, infinity, -infinity, 0x1p-149F, -0x1p-149F, std::bit_cast<float>(0xffc00001U)};
  for (int i = 0; i < 10'000; ++i) x.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(random.bits() >> 32U)));
  for (const auto kind : {activation_kind::relu, activation_kind::relu_squared, activation_kind::identity}) {
    std::vector<float> expected = x;
    kernels::activate(kind, std::span<float>(expected));
    for (const isa_level level : levels_of_this_machine()) {
      CAPTURE(std::string(name(level)), std::string(name(kind)));
      std::vector<float> y = x;
      kernel(level, kind)(y.size(), y.data());
      std::size_t different = 0;
      for (std::size_t i = 0; i < x.size(); ++i) {
        if (!equal_bits(y[i], expected[i])) ++different;
      }
      CHECK(different == 0);
    }
  }
}

TEST_CASE("The square of ReLU has its known values", "[kernels]") {
  for (const isa_level level : levels_of_this_machine()) {
    for (const auto& [x, y] : {std::pair{3.0F, 9.0F},
                               {-3.0F, 0.0F},
                               {0.5F, 0.25F},
                               {0x1p70F, infinity},
                               {-infinity, 0.0F},
                               {infinity, infinity}}) {
      CHECK(value_of(level, activation_kind::relu_squared, x) == y);
      CHECK(kernels::relu_squared{}(x) == y);
    }
  }
}

TEST_CASE("Every activation of every kind of NaN is NaN", "[kernels]") {
  for (const isa_level level : levels_of_this_machine()) {
    for (const activation_kind kind : kinds) {
      CAPTURE(std::string(name(level)), std::string(name(kind)));
      for (const std::uint32_t bits : {0x7fc00000U, 0xffc00000U, 0x7fc00001U, 0xffffffffU, 0x7f800001U, 0xff8000ffU}) {
        CHECK(std::isnan(value_of(level, kind, std::bit_cast<float>(bits))));
      }
    }
  }
}

TEST_CASE("An activation is the same whatever its place and company, and touches nothing else", "[kernels]") {
  random_numbers random(65);
  const std::vector<float> x = random.reals<float>(70, 6);
  for (const isa_level level : levels_of_this_machine()) {
    for (const activation_kind kind : kinds) {
      CAPTURE(std::string(name(level)), std::string(name(kind)));
      std::vector<float> alone = x;
      for (float& value : alone) value = value_of(level, kind, value);
      for (std::size_t n = 0; n <= x.size(); ++n) {
        for (const placement where : placements) {
          fenced<float> y(n, where);
          std::copy_n(x.begin() + static_cast<std::ptrdiff_t>(x.size() - n), n, y.data());
          kernel(level, kind)(n, y.data());
          REQUIRE(equal_bits(y.span(), std::span(alone).last(n)));
          REQUIRE(y.surroundings_intact());
        }
      }
    }
  }
}

}  // namespace ufb_test
