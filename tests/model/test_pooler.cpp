// SPDX-License-Identifier: MIT
//
// Poolers against double precision, alone and with the linear layer and activation behind them.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/generator.hpp"
#include "ultrafastbert/model/heads/pooler.hpp"

using namespace ultrafastbert;

namespace {

constexpr std::size_t width = 21;
constexpr double epsilon = 0x1p-23;

double pooled(pooler_kind kind, const std::vector<float>& states, std::size_t length, std::size_t column) {
  const auto value = [&](std::size_t s) { return static_cast<double>(states[s * width + column]); };
  double largest = value(0);
  double sum = 0;
  double exponentials = 0;
  for (std::size_t s = 0; s < length; ++s) {
    largest = std::max(largest, value(s));
    sum += value(s);
    exponentials += std::exp(value(s));
  }
  switch (kind) {
    case pooler_kind::avg: return sum / static_cast<double>(length);
    case pooler_kind::max: return largest;
    case pooler_kind::lse: return std::log(exponentials);
    case pooler_kind::zero_index: break;
  }
  return value(0);
}

}  // namespace

TEST_CASE("Poolers agree with double precision for sequences of every length") {
  for (const auto kind : {pooler_kind::zero_index, pooler_kind::avg, pooler_kind::max, pooler_kind::lse}) {
    for (const std::size_t length : {1U, 2U, 3U, 17U, 128U}) {
      INFO(name(kind) << ' ' << length);
      const auto states = ufb_test::uniform(length, length * width, 3);
      std::vector<float> got(width);
      models::pool<float>(kind, {states.data(), {length, width}}, got);
      for (std::size_t k = 0; k < width; ++k) {
        const double expected = pooled(kind, states, length, k);
        // Sums of values below 8, exponents below 16: a rounding for every term, a few for the functions.
        const bool exact = kind == pooler_kind::zero_index || kind == pooler_kind::max;
        const double tolerance = exact ? 0.0 : epsilon * (8.0 * static_cast<double>(length) + 64.0);
        CHECK(std::abs(static_cast<double>(got[k]) - expected) <= tolerance);
      }
    }
  }
}

TEST_CASE("Large states do not overflow, NaN and infinity come through") {
  const float infinite = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> states{1e4F, -1e4F, infinite, nan, -infinite, 1e4F, -1e4F, 0.0F, 0.0F, -infinite};
  std::vector<float> got(5);
  models::pool<float>(pooler_kind::lse, {states.data(), {2, 5}}, got);
  CHECK(static_cast<double>(got[0]) == Approx(1e4 + std::log(2.0)));
  CHECK(static_cast<double>(got[1]) == Approx(-1e4 + std::log(2.0)));
  CHECK(got[2] == infinite);
  CHECK(std::isnan(got[3]));
  CHECK(got[4] == -infinite);
  models::pool<float>(pooler_kind::max, {states.data(), {2, 5}}, got);
  CHECK(got[2] == infinite);
  CHECK(std::isnan(got[3]));
}
