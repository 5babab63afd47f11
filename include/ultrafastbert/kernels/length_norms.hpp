// SPDX-License-Identifier: MIT
//
// Norms of one row that subtract no mean: by the root of the mean square, and by the Euclidean length.
// Layer: kernels.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "ultrafastbert/kernels/reduce.hpp"

namespace ultrafastbert::kernels {

/// y = x / sqrt(mean(x^2) + epsilon) * scale; y may be x. Shapes: x, y, scale: (n), n >= 1.
/// Source: crammed BERT's RMSNorm.
template <class Scalar>
void rms_norm(std::size_t n, Scalar epsilon, const Scalar* scale, const Scalar* x, Scalar* y) noexcept {
  const Scalar mean_square = lane_sum<Scalar>(n, [x](std::size_t k) { return x[k] * x[k]; }) / static_cast<Scalar>(n);
  const Scalar factor = Scalar{1} / std::sqrt(mean_square + epsilon);
  for (std::size_t k = 0; k < n; ++k) y[k] = x[k] * factor * scale[k];
}

/// y = x * scale / max(|x|, epsilon); y may be x. Shapes: x, y: (n), n >= 1. Source: crammed BERT's ScaleNorm.
template <class Scalar>
void scale_norm(std::size_t n, Scalar epsilon, Scalar scale, const Scalar* x, Scalar* y) noexcept {
  const Scalar length = std::sqrt(lane_sum<Scalar>(n, [x](std::size_t k) { return x[k] * x[k]; }));
  const Scalar factor = scale / std::max(length, epsilon);
  for (std::size_t k = 0; k < n; ++k) y[k] = x[k] * factor;
}

}  // namespace ultrafastbert::kernels
