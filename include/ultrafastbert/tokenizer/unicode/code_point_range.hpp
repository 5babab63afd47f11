// SPDX-License-Identifier: MIT
//
// Sets of code points as sorted lists of ranges.
// Layer: tokenizer.
#pragma once

#include <algorithm>
#include <iterator>
#include <span>

namespace ultrafastbert::tokenizers {

/// The code points from `first` to `last`, both included.
struct code_point_range {
  char32_t first = 0;
  char32_t last = 0;
};

/// Whether one of the ranges, which are in ascending order, has a code point.
/// Complexity: logarithmic in the number of ranges.
[[nodiscard]] inline bool contains(std::span<const code_point_range> ranges, char32_t c) noexcept {
  const auto after =
      std::upper_bound(ranges.begin(), ranges.end(), c,
                       [](char32_t value, const code_point_range& range) { return value < range.first; });
  return after != ranges.begin() && c <= std::prev(after)->last;
}

}  // namespace ultrafastbert::tokenizers
