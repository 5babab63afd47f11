// SPDX-License-Identifier: MIT
//
// One vector for a text from the states of its tokens: the poolings of sentence-transformers, and vectors of length 1.
// Only tokens enter, never padding. Sums run in double over rising tokens, so that a text's bits depend on nothing but
// its states.
// Source: the Pooling and Normalize modules of the sentence-transformers package.
// Layer: model.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "ultrafastbert/core/matrix_view.hpp"

namespace ultrafastbert {

/// How the states of a text become one vector.
enum class sentence_pooling : std::uint8_t {
  cls,            ///< the first token's state
  max,            ///< the largest value of each column
  mean,           ///< the mean
  mean_sqrt_len,  ///< the sum, divided by the square root of the number of tokens
  weightedmean,   ///< the mean with the weight n + 1 for token n
  lasttoken,      ///< the last token's state
};

/// The word for a pooling in configurations.
[[nodiscard]] inline std::string_view name(sentence_pooling pooling) {
  constexpr std::array<std::string_view, 6> words{"cls",          "max",      "mean", "mean_sqrt_len_tokens",
                                                  "weightedmean", "lasttoken"};
  return words[static_cast<std::size_t>(pooling)];
}

namespace models {

/// All poolings in the order in which old configurations, which set a flag for each, join their results.
inline constexpr std::array<sentence_pooling, 6> all_sentence_poolings{
    sentence_pooling::cls,           sentence_pooling::max,          sentence_pooling::mean,
    sentence_pooling::mean_sqrt_len, sentence_pooling::weightedmean, sentence_pooling::lasttoken};

/// Pools the states of one text. The first `skipped` tokens, those of a prompt that shall not count, are left out, but
/// for `cls`. Shapes: states: (tokens, width), at least one; pooled: (width), overwritten. Pre: skipped < tokens.
/// Complexity: tokens * width.
template <class Scalar>
void pool_sentence(sentence_pooling pooling, const matrix_view<const Scalar>& states, std::size_t skipped,
                   std::span<Scalar> pooled) noexcept {
  const std::size_t last = states.rows() - 1;
  if (pooling == sentence_pooling::cls || pooling == sentence_pooling::lasttoken) {
    std::copy_n(states.row(pooling == sentence_pooling::cls ? 0 : last), pooled.size(), pooled.begin());
    return;
  }
  double weights = 0.0;  // whole numbers: exact
  for (std::size_t t = skipped; t <= last; ++t) {
    weights += pooling == sentence_pooling::weightedmean ? static_cast<double>(t + 1) : 1.0;
  }
  const double divisor = pooling == sentence_pooling::mean_sqrt_len ? std::sqrt(weights) : weights;
  for (std::size_t k = 0; k < pooled.size(); ++k) {
    double value = static_cast<double>(states(skipped, k));
    if (pooling == sentence_pooling::max) {
      for (std::size_t t = skipped + 1; t <= last; ++t) {
        const auto other = static_cast<double>(states(t, k));
        if (other > value || std::isnan(other)) value = other;
      }
      pooled[k] = static_cast<Scalar>(value);
      continue;
    }
    double sum = 0.0;
    for (std::size_t t = skipped; t <= last; ++t) {
      const double weight = pooling == sentence_pooling::weightedmean ? static_cast<double>(t + 1) : 1.0;
      sum += weight * static_cast<double>(states(t, k));  // a float times a small whole number is exact
    }
    pooled[k] = static_cast<Scalar>(sum / divisor);
  }
}

/// Gives a vector the length 1: x / max(|x|, 1e-12). Shapes: values: (n).
template <class Scalar>
void normalize_length(std::span<Scalar> values) noexcept {
  double square = 0.0;
  for (const Scalar value : values) square += static_cast<double>(value) * static_cast<double>(value);
  const double length = (std::max)(std::sqrt(square), 1e-12);
  for (Scalar& value : values) value = static_cast<Scalar>(static_cast<double>(value) / length);
}

}  // namespace models

}  // namespace ultrafastbert
