// SPDX-License-Identifier: MIT
//
// Sums in a fixed order that compilers may vectorize without changing it: sixteen partial sums, then a tree over them.
// Layer: kernels.
#pragma once

#include <array>
#include <cstddef>

#include "ultrafastbert/core/ieee_arithmetic.hpp"

namespace ultrafastbert::kernels {

/// Number of partial sums, a width that every vector unit divides.
inline constexpr std::size_t lanes = 16;

/// Sum of term(k) for k < n. Lane k % 16 takes term k in rising order; lanes are then added pairwise.
template <class Scalar, class Term>
[[nodiscard]] inline Scalar lane_sum(std::size_t n, Term term) {
  std::array<Scalar, lanes> sums{};
  std::size_t k = 0;
  for (; k + lanes <= n; k += lanes) {
    for (std::size_t lane = 0; lane < lanes; ++lane) sums[lane] += term(k + lane);
  }
  for (std::size_t lane = 0; k + lane < n; ++lane) sums[lane] += term(k + lane);
  for (std::size_t width = lanes / 2; width > 0; width /= 2) {
    for (std::size_t lane = 0; lane < width; ++lane) sums[lane] += sums[lane + width];
  }
  return sums[0];
}

}  // namespace ultrafastbert::kernels
