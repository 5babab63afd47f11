// SPDX-License-Identifier: MIT
//
// Which sequences are computed together: a pass takes as many as a token budget allows, and its sequences, longest
// first, are dealt to groups that threads compute without waiting for each other.
// Layer: encoder.
#pragma once

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <span>

#include "ultrafastbert/core/executor.hpp"
#include "ultrafastbert/layers/sequences.hpp"

namespace ultrafastbert::encoders {

/// The sequences from `first` on that fit into the budget; one at least. Pre: first < batch.size().
[[nodiscard]] inline core::index_range next_pass(const sequence_batch& batch, std::size_t first,
                                                 std::size_t token_budget) noexcept {
  std::size_t last = first + 1;
  std::size_t tokens = batch.length(first);
  while (last < batch.size() && tokens + batch.length(last) <= token_budget) tokens += batch.length(last++);
  return {.first = first, .last = last};
}

/// Fills `members` with the numbers of a pass's sequences, longest first. Shapes: members: (range's size).
inline void sort_by_length(const sequence_batch& batch, const core::index_range& range,
                           std::span<std::size_t> members) noexcept {
  std::iota(members.begin(), members.end(), range.first);
  std::sort(members.begin(), members.end(), [&batch](std::size_t a, std::size_t b) {
    return batch.length(a) != batch.length(b) ? batch.length(a) > batch.length(b) : a < b;
  });
}

/// Deals sequences to groups, each to the group that has least to do so far. Returns whether the groups have about the
/// same work; if not, threads had better share each sequence.
/// Shapes: members: (n), longest first; group: (n), overwritten; load: (groups), overwritten.
[[nodiscard]] inline bool deal(const sequence_batch& batch, std::size_t width, std::span<const std::size_t> members,
                               std::span<std::size_t> group, std::span<std::size_t> load) noexcept {
  constexpr std::size_t most_percent_over = 12;
  std::fill(load.begin(), load.end(), std::size_t{0});
  std::size_t sum = 0;
  for (std::size_t i = 0; i < members.size(); ++i) {
    const std::size_t length = batch.length(members[i]);
    const std::size_t work =
        length * (2 * width + length);  // projections and attention, in units of 4 * width products
    const auto least = std::min_element(load.begin(), load.end());
    group[i] = static_cast<std::size_t>(least - load.begin());
    *least += work;
    sum += work;
  }
  return *std::max_element(load.begin(), load.end()) * load.size() * 100 <= sum * (100 + most_percent_over);
}

}  // namespace ultrafastbert::encoders
