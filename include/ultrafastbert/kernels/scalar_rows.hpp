// SPDX-License-Identifier: MIT
//
// Norms and softmax of single rows for any scalar type: what layers of double compute with. Sums have a fixed order
// that compilers may vectorize without changing it: sixteen partial sums, then a tree over them.
// Layer: kernels.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <span>

#include "ultrafastbert/core/ieee_arithmetic.hpp"

namespace ultrafastbert::kernels {

/// Number of partial sums, a width that every vector unit divides.
inline constexpr std::size_t partial_sums = 16;

/// Sum of term(k) for k < n. Lane k % 16 takes term k in rising order; lanes are then added pairwise.
template <class Scalar, class Term>
[[nodiscard]] inline Scalar lane_sum(std::size_t n, Term term) {
  std::array<Scalar, partial_sums> sums{};
  std::size_t k = 0;
  for (; k + partial_sums <= n; k += partial_sums) {
    for (std::size_t lane = 0; lane < partial_sums; ++lane) sums[lane] += term(k + lane);
  }
  for (std::size_t lane = 0; k + lane < n; ++lane) sums[lane] += term(k + lane);
  for (std::size_t width = partial_sums / 2; width > 0; width /= 2) {
    for (std::size_t lane = 0; lane < width; ++lane) sums[lane] += sums[lane + width];
  }
  return sums[0];
}

/// The sum of the squares of a row's elements, for bounds: its order is not that of any kernel. Shapes: x: (n).
template <class Scalar>
[[nodiscard]] inline Scalar sum_of_squares(const Scalar* x, std::size_t n) noexcept {
  return lane_sum<Scalar>(n, [x](std::size_t k) { return x[k] * x[k]; });
}
/// The same in vectors, which compilers do not make of it by themselves at -O2. Every square goes through at most
/// n / 16 + 20 roundings. Shapes: x: (n).
[[nodiscard]] inline float sum_of_squares(const float* x, std::size_t n) noexcept {
  using vector [[gnu::vector_size(16)]] = float;
  constexpr std::size_t lanes = 4;
  constexpr std::size_t chains = 4;
  vector sums[chains] = {};
  std::size_t k = 0;
  for (; k + chains * lanes <= n; k += chains * lanes) {
    for (std::size_t c = 0; c < chains; ++c) {
      vector v;
      std::memcpy(&v, x + k + c * lanes, sizeof v);
      sums[c] += v * v;
    }
  }
  const vector total = (sums[0] + sums[1]) + (sums[2] + sums[3]);
  float sum = (total[0] + total[1]) + (total[2] + total[3]);
  for (; k < n; ++k) sum += x[k] * x[k];
  return sum;
}

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
  const Scalar factor = scale / (std::max)(length, epsilon);
  for (std::size_t k = 0; k < n; ++k) y[k] = x[k] * factor;
}

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
