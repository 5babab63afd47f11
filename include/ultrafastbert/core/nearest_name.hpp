// SPDX-License-Identifier: MIT
//
// The name that a misspelled or renamed tensor most likely has, for error messages. Work is bounded, because the names
// come from files.
// Layer: core.
#pragma once

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <span>
#include <string_view>
#include <vector>

namespace ultrafastbert::core {

/// Insertions, deletions and substitutions between two names, or `limit` if they are not fewer. Adds to `cells` what it
/// computed.
[[nodiscard]] inline std::size_t edit_distance(std::string_view a, std::string_view b, std::size_t limit,
                                               std::size_t& cells) {
  const std::size_t difference = a.size() < b.size() ? b.size() - a.size() : a.size() - b.size();
  if (difference >= limit) return limit;
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    std::size_t best = row[0];
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t above = row[j + 1];
      row[j + 1] = (std::min)({above + 1, row[j] + 1, diagonal + (a[i] == b[j] ? 0U : 1U)});
      best = (std::min)(best, row[j + 1]);
      diagonal = above;
    }
    cells += b.size() + 1;
    if (best >= limit) return limit;
  }
  return (std::min)(row[b.size()], limit);
}

/// Searches for several names share one bound on their work.
class nearest_name_search {
 public:
  /// Pre: the names that `candidates` points to outlive the search.
  explicit nearest_name_search(std::span<const std::string_view> candidates) : candidates_(candidates) {}

  /// The first of the candidates that differ least from `name`, or nothing where all differ in more than a third.
  [[nodiscard]] std::string_view find(std::string_view name) {
    constexpr std::size_t most_cells = 20'000'000;
    std::string_view nearest;
    std::size_t limit = name.size() / 3 + 1;
    for (const std::string_view candidate : candidates_) {
      if (cells_ > most_cells) break;
      ++cells_;
      const std::size_t distance = edit_distance(name, candidate, limit, cells_);
      if (distance >= limit) continue;
      limit = distance;
      nearest = candidate;
    }
    return nearest;
  }

 private:
  std::span<const std::string_view> candidates_;
  std::size_t cells_ = 0;
};

}  // namespace ultrafastbert::core
