// SPDX-License-Identifier: MIT
//
// Layer normalization of one row.
// Layer: kernels.
#pragma once

#include <cmath>
#include <cstddef>

#include "ultrafastbert/kernels/reduce.hpp"

namespace ultrafastbert::kernels {

/// y = (x - mean(x)) / sqrt(var(x) + epsilon) * weight + bias with the biased variance; y may be x.
/// Shapes: x, y, weight, bias: (n), n >= 1. Source: torch.nn.LayerNorm.
template <class Scalar>
void layer_norm(std::size_t n, Scalar epsilon, const Scalar* weight, const Scalar* bias, const Scalar* x,
                Scalar* y) noexcept {
  const Scalar count = static_cast<Scalar>(n);
  const Scalar mean = lane_sum<Scalar>(n, [x](std::size_t k) { return x[k]; }) / count;
  const Scalar variance = lane_sum<Scalar>(n,
                                           [x, mean](std::size_t k) {
                                             const Scalar d = x[k] - mean;
                                             return d * d;
                                           }) /
                          count;
  const Scalar scale = Scalar{1} / std::sqrt(variance + epsilon);
  for (std::size_t k = 0; k < n; ++k) y[k] = (x[k] - mean) * scale * weight[k] + bias[k];
}

}  // namespace ultrafastbert::kernels
