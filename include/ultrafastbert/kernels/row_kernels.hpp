// SPDX-License-Identifier: MIT
//
// Operations on single rows as tables of functions, one table per instruction set level. Sums over a row have one order
// that depends on nothing but its length, so that a row gives equal bits in every call of a level.
// Layer: kernels.
#pragma once

#include <cstddef>
#include <limits>

namespace ultrafastbert::kernels {

/// What a softmax that sees its row block by block keeps between two blocks.
struct running_softmax {
  float largest = std::numeric_limits<float>::lowest();  ///< score so far
  float sum = 0;                                         ///< of exp(score - largest)
};

/// A block of a row of scores.
struct score_block {
  float* scores = nullptr;      ///< (count)
  std::size_t count = 0;        ///< at least 1
  float factor = 1;             ///< of the scores
  const float* bias = nullptr;  ///< (count), added to the scaled scores, which are rounded first; or null
};

/// The row operations of a level.
struct row_kernels {
  /// y = (x - mean(x)) / sqrt(var(x) + epsilon) * weight + bias with the biased variance; y may be x.
  void (*layer_norm)(std::size_t n, float epsilon, const float* weight, const float* bias, const float* x, float* y);
  /// y = x / sqrt(mean(x^2) + epsilon) * scale; y may be x.
  void (*rms_norm)(std::size_t n, float epsilon, const float* scale, const float* x, float* y);
  /// y = x * scale / max(|x|, epsilon); y may be x.
  void (*scale_norm)(std::size_t n, float epsilon, float scale, const float* x, float* y);
  /// y = a + b; y may be a or b.
  void (*sum)(std::size_t n, const float* a, const float* b, float* y);
  /// y = x * factor; y may be x.
  void (*scale)(std::size_t n, float factor, const float* x, float* y);
  /// Replaces values by their exponentials: 0 where that is less than 2^-126, 1 for 0, NaN for NaN. Pre: values <= 0.
  void (*exp)(std::size_t n, float* values);
  /// Replaces a block's scores s by exp(s * factor + bias - largest), where `largest` is that of all blocks so far, and
  /// takes the block into the state. Returns what weights of earlier blocks have to be multiplied by.
  float (*softmax)(const score_block& block, running_softmax& state);
};

}  // namespace ultrafastbert::kernels
