// SPDX-License-Identifier: MIT
//
// The vectorized GELU against the exact one.
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
#include "ultrafastbert/kernels/dispatch.hpp"

namespace ufb_test {

using namespace ultrafastbert;

namespace {

double exact_gelu(double x) { return 0.5 * x * std::erfc(-x / std::numbers::sqrt2); }

/// The largest absolute error, in units of max(1, |x|).
double largest_error(isa_level level, const std::vector<float>& x) {
  std::vector<float> y = x;
  kernels::activations_of(level).gelu(y.size(), y.data());
  double largest = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double input = exact(x[i]);
    const double error = std::abs(exact(y[i]) - exact_gelu(input)) / std::max(1.0, std::abs(input));
    if (!(error <= largest)) largest = error;  // NaN, too
    if (std::isnan(error)) break;
  }
  return largest;
}

// Twice the largest error that any level showed over a third of all floats between 2^-14 and 20, 1.04e-7; and twice the
// largest relative error near zero, 4.4e-7.
constexpr double tolerance = 2.1e-7;
constexpr double tolerance_near_zero = 8.8e-7;

}  // namespace

TEST_CASE("GELU follows the exact function on a dense grid", "[kernels]") {
  std::vector<float> grid;
  for (int i = -20 * 16384; i <= 20 * 16384; ++i) grid.push_back(static_cast<float>(i) / 16384.0F);
  for (const isa_level level : levels_of_this_machine()) {
    CAPTURE(std::string(name(level)));
    REQUIRE(largest_error(level, grid) <= tolerance);
  }
}

TEST_CASE("GELU follows the exact function on random numbers of every magnitude", "[kernels]") {
  random_numbers random(61);
  std::vector<float> x;
  while (x.size() < 300'000) {
    const auto any = std::bit_cast<float>(static_cast<std::uint32_t>(random.bits() >> 32U));
    if (std::isfinite(any)) x.push_back(any);
    x.push_back(random.real<float>(8));
  }
  for (const isa_level level : levels_of_this_machine()) {
    CAPTURE(std::string(name(level)));
    REQUIRE(largest_error(level, x) <= tolerance);
  }
}

TEST_CASE("GELU keeps its relative precision near zero and its identity far above", "[kernels]") {
  for (const isa_level level : levels_of_this_machine()) {
    CAPTURE(std::string(name(level)));
    for (int exponent = -120; exponent <= -10; ++exponent) {
      for (const float x : {std::ldexp(1.25F, exponent), std::ldexp(-1.75F, exponent)}) {
        float y = x;
        kernels::activations_of(level).gelu(1, &y);
        REQUIRE(std::abs(exact(y) / exact_gelu(exact(x)) - 1) <= tolerance_near_zero);
      }
    }
    for (const float x : {8.0F, 100.5F, 3e38F}) {
      float y = x;
      kernels::activations_of(level).gelu(1, &y);
      REQUIRE(equal_bits(y, x));
    }
  }
}

TEST_CASE("GELU passes NaN on and has the limits of infinity", "[kernels]") {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  for (const isa_level level : levels_of_this_machine()) {
    CAPTURE(std::string(name(level)));
    for (std::size_t n = 1; n <= 17; ++n) {  // in whole vectors and in their remainders
      std::vector<float> y(5 * n);
      for (std::size_t i = 0; i < n; ++i) {
        y[5 * i] = nan;
        y[5 * i + 1] = infinity;
        y[5 * i + 2] = -infinity;
        y[5 * i + 3] = -0.0F;
        y[5 * i + 4] = std::copysign(nan, -1.0F);
      }
      kernels::activations_of(level).gelu(y.size(), y.data());
      for (std::size_t i = 0; i < n; ++i) {
        REQUIRE(std::isnan(y[5 * i]));
        REQUIRE(y[5 * i + 1] == infinity);
        REQUIRE(std::abs(y[5 * i + 2]) <= 1e-37F);
        REQUIRE(y[5 * i + 3] == 0.0F);
        REQUIRE(std::isnan(y[5 * i + 4]));
      }
    }
  }
}

}  // namespace ufb_test
