// SPDX-License-Identifier: MIT
//
// Softmax of one row, by the maximum first, so that no exponential overflows.
// Layer: kernels.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>

#include "ultrafastbert/kernels/reduce.hpp"

namespace ultrafastbert::kernels {

/// Replaces `row` by exp(row) / sum(exp(row)). Shapes: row: (n), n >= 1.
template <class Scalar>
void softmax(std::span<Scalar> row) noexcept {
  const Scalar largest = *std::max_element(row.begin(), row.end());
  for (Scalar& value : row) value = std::exp(value - largest);
  const Scalar sum = lane_sum<Scalar>(row.size(), [row](std::size_t k) { return row[k]; });
  const Scalar scale = Scalar{1} / sum;
  for (Scalar& value : row) value *= scale;
}

}  // namespace ultrafastbert::kernels
