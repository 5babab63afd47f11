// SPDX-License-Identifier: MIT
//
// The merges of byte-pair encoding: the table of pairs, and the way of a row of symbols through it.
// Source: Sennrich, Haddow & Birch, arXiv 1508.07909; the order among merges of one rank is the reference's.
// Layer: tokenizer.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "ultrafastbert/core/token.hpp"

namespace ultrafastbert::tokenizers {

/// What becomes of a pair of symbols.
struct bpe_merge {
  std::uint32_t rank = 0;  ///< lower ranks come first
  token_id merged = 0;     ///< the symbol that takes the place of both
};

/// Merges by pair, in a table with open addressing. Immutable once it is filled.
class bpe_merge_table {
 public:
  bpe_merge_table() = default;

  /// Makes room for `count` merges.
  explicit bpe_merge_table(std::size_t count) {
    std::size_t size = 16;
    while (size < 2 * count) size *= 2;
    slots_.resize(size);
  }

  /// Adds a merge; of several for one pair the last one counts. Pre: there is room for it.
  void add(token_id left, token_id right, const bpe_merge& merge) {
    slot& place = slots_[find_slot(key_of(left, right))];
    place = {.key = key_of(left, right), .merge = merge};
  }

  /// The merge of a pair, or null.
  [[nodiscard]] const bpe_merge* find(token_id left, token_id right) const noexcept {
    if (slots_.empty()) return nullptr;
    const slot& place = slots_[find_slot(key_of(left, right))];
    return place.key == none ? nullptr : &place.merge;
  }

 private:
  static constexpr std::uint64_t none = (std::numeric_limits<std::uint64_t>::max)();

  struct slot {
    std::uint64_t key = none;
    bpe_merge merge{};
  };

  static std::uint64_t key_of(token_id left, token_id right) noexcept {
    return std::uint64_t{static_cast<std::uint32_t>(left)} << 32U | static_cast<std::uint32_t>(right);
  }

  [[nodiscard]] std::size_t find_slot(std::uint64_t key) const noexcept {
    const std::size_t mask = slots_.size() - 1;
    std::uint64_t mixed = key * 0x9e3779b97f4a7c15U;
    mixed = (mixed ^ (mixed >> 32U)) * 0xd6e8feb86659fd93U;
    std::size_t at = static_cast<std::size_t>(mixed >> 32U) & mask;
    while (slots_[at].key != none && slots_[at].key != key) at = (at + 1) & mask;
    return at;
  }

  std::vector<slot> slots_{};
};

/// A row of symbols that merges shorten. Its memory serves one piece after the other.
class bpe_symbols {
 public:
  /// A symbol and the number of bytes of the piece that it stands for.
  struct symbol {
    token_id id = 0;
    std::uint32_t bytes = 0;  // 0 once the symbol to the left has taken this one in
    std::uint32_t left = 0;   // its neighbors, or `none`
    std::uint32_t right = 0;
  };

  /// Drops all symbols and makes room for `count` of them.
  void restart(std::size_t count) {
    row_.clear();
    row_.reserve(count);
  }

  /// Number of symbols that were added, those that merges took in included.
  [[nodiscard]] std::size_t size() const noexcept { return row_.size(); }

  /// Appends a symbol.
  void add(token_id id, std::size_t bytes) {
    const auto at = static_cast<std::uint32_t>(row_.size());
    if (at > 0) row_.back().right = at;
    row_.push_back(
        {.id = id, .bytes = static_cast<std::uint32_t>(bytes), .left = at > 0 ? at - 1 : none, .right = none});
  }

  /// Merges pairs until no pair has a merge: those of the lowest rank first, and among these the leftmost.
  /// Complexity: n log n in the number of symbols.
  void merge(const bpe_merge_table& merges) {
    queue_.clear();
    for (std::uint32_t at = 0; at + 1 < row_.size(); ++at) {
      if (const auto* found = merges.find(row_[at].id, row_[at + 1].id)) queue_.push_back({*found, at});
    }
    std::make_heap(queue_.begin(), queue_.end(), comes_later);
    while (!queue_.empty()) {
      std::pop_heap(queue_.begin(), queue_.end(), comes_later);
      const candidate next = queue_.back();
      queue_.pop_back();
      if (is_due(next, merges)) take(next, merges);
    }
  }

  /// Calls `token(id, bytes)` for the symbols that are left, from left to right.
  template <class Token>
  void for_each(const Token& token) const {
    for (std::uint32_t at = row_.empty() ? none : 0; at != none; at = row_[at].right)
      token(row_[at].id, row_[at].bytes);
  }

 private:
  static constexpr std::uint32_t none = (std::numeric_limits<std::uint32_t>::max)();

  struct candidate {
    bpe_merge merge{};
    std::uint32_t at = 0;  // of the left one of the pair
  };

  static bool comes_later(const candidate& a, const candidate& b) noexcept { return order_of(a) > order_of(b); }

  static std::uint64_t order_of(const candidate& c) noexcept { return std::uint64_t{c.merge.rank} << 32U | c.at; }

  /// Whether the pair at that place still becomes that symbol. Its symbols may have changed since it was queued.
  [[nodiscard]] bool is_due(const candidate& next, const bpe_merge_table& merges) const noexcept {
    const symbol& left = row_[next.at];
    if (left.bytes == 0 || left.right == none) return false;
    const auto* found = merges.find(left.id, row_[left.right].id);
    return found != nullptr && found->merged == next.merge.merged;
  }

  void take(const candidate& next, const bpe_merge_table& merges) {
    symbol& left = row_[next.at];
    symbol& right = row_[left.right];
    left.id = next.merge.merged;
    left.bytes += right.bytes;
    left.right = right.right;
    right.bytes = 0;
    if (left.right != none) {
      row_[left.right].left = next.at;
      queue(next.at, merges);
    }
    if (left.left != none) queue(left.left, merges);
  }

  void queue(std::uint32_t at, const bpe_merge_table& merges) {
    const auto* found = merges.find(row_[at].id, row_[row_[at].right].id);
    if (found == nullptr) return;
    queue_.push_back({*found, at});
    std::push_heap(queue_.begin(), queue_.end(), comes_later);
  }

  std::vector<symbol> row_{};
  std::vector<candidate> queue_{};
};

}  // namespace ultrafastbert::tokenizers
