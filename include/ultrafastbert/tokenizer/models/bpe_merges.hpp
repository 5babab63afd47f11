// SPDX-License-Identifier: MIT
//
// The merges of byte-pair encoding: the table of pairs, and the way of a row of symbols through it.
// Source: Sennrich, Haddow & Birch, arXiv 1508.07909; the order among merges of one rank is the reference's.
// Layer: tokenizer.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <vector>

#include "ultrafastbert/core/token.hpp"

namespace ultrafastbert::tokenizers {

/// What becomes of a pair of symbols.
struct bpe_merge {
  std::uint32_t rank = 0;  ///< lower ranks come first
  token_id merged = 0;     ///< the symbol that takes the place of both
};

/// Merges by pair, in a table with open addressing. Immutable once it is sealed. Its hash depends on all of its merges,
/// so that no file can be made whose merges share a few places of the table: nobody can tell the places before all
/// merges are chosen.
class bpe_merge_table {
 public:
  bpe_merge_table() = default;

  /// Makes room for `count` merges.
  explicit bpe_merge_table(std::size_t count) { added_.reserve(count); }

  /// Adds a merge; of several for one pair the last one counts.
  void add(token_id left, token_id right, const bpe_merge& merge) {
    const std::uint64_t key = key_of(left, right);
    first_ = (first_ ^ key) * 0x9e3779b97f4a7c15U;
    first_ ^= first_ >> 29U;
    second_ = (second_ ^ key) * 0xd6e8feb86659fd93U;
    second_ ^= second_ >> 32U;
    ranks_ = (std::max)(ranks_, std::size_t{merge.rank} + 1);
    added_.push_back({.key = key, .merge = merge});
  }

  /// Ends the adding. Throws: std::bad_alloc.
  void seal() {
    first_ |= 1U;
    second_ |= 1U;
    std::size_t size = 16;
    while (size < 2 * added_.size()) size *= 2;
    slots_.resize(size);
    for (const slot& each : added_) slots_[find_slot(each.key)] = each;
    std::vector<slot>().swap(added_);
  }

  /// The merge of a pair, or null. Pre: the table is sealed.
  [[nodiscard]] const bpe_merge* find(token_id left, token_id right) const noexcept {
    if (slots_.empty()) return nullptr;
    const slot& place = slots_[find_slot(key_of(left, right))];
    return place.key == none ? nullptr : &place.merge;
  }

  [[nodiscard]] std::size_t ranks() const noexcept { return ranks_; }  ///< all ranks are below this

  /// The longest row of occupied places, which bounds the steps of a search.
  [[nodiscard]] std::size_t longest_chain() const noexcept {
    std::size_t longest = 0;
    std::size_t now = 0;
    for (const slot& each : slots_) {
      now = each.key == none ? 0 : now + 1;
      longest = (std::max)(longest, now);
    }
    return longest;
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
    std::uint64_t mixed = key * first_;
    mixed = (mixed ^ (mixed >> 32U)) * second_;
    std::size_t at = static_cast<std::size_t>(mixed >> 32U) & mask;
    while (slots_[at].key != none && slots_[at].key != key) at = (at + 1) & mask;
    return at;
  }

  std::vector<slot> added_{};
  std::vector<slot> slots_{};
  std::uint64_t first_ = 0;  // factors of the hash; odd, once the table is sealed
  std::uint64_t second_ = 0;
  std::size_t ranks_ = 0;
};

/// A merge that may be due: the pair whose left symbol is number `at`. Lower ranks come first, and of one rank the
/// leftmost.
struct bpe_candidate {
  bpe_merge merge{};
  std::uint32_t at = 0;

  [[nodiscard]] std::uint64_t order() const noexcept { return std::uint64_t{merge.rank} << 32U | at; }
};

/// Candidates in a heap, for short rows.
class bpe_heap {
 public:
  [[nodiscard]] bool empty() const noexcept { return heap_.empty(); }  ///< whether there is none left

  /// Takes the first candidate out. Pre: not empty().
  [[nodiscard]] bpe_candidate pop() {
    std::pop_heap(heap_.begin(), heap_.end(), comes_later);
    const bpe_candidate next = heap_.back();
    heap_.pop_back();
    return next;
  }

  /// Adds a candidate.
  void push(const bpe_candidate& next) {
    heap_.push_back(next);
    std::push_heap(heap_.begin(), heap_.end(), comes_later);
  }

 private:
  static bool comes_later(const bpe_candidate& a, const bpe_candidate& b) noexcept { return a.order() > b.order(); }

  std::vector<bpe_candidate> heap_{};
};

/// Candidates by rank, for long rows: the places of one rank lie together and are sorted once, so that memory is walked
/// along. Gives them in the order of a heap. Its memory serves one row after the other, and ranks are found by their
/// number, which no choice of ranks makes slow.
class bpe_ranked_queue {
 public:
  /// Forgets all candidates. `ranks`: all ranks that come are below it. Throws: std::bad_alloc.
  void restart(std::size_t ranks) {
    if (marks_.size() < ranks || row_ == (std::numeric_limits<std::uint32_t>::max)()) {
      marks_.assign(ranks, mark{});
      row_ = 0;
    }
    ++row_;
    places_.clear();
    waiting_.clear();
  }

  [[nodiscard]] bool empty() const noexcept { return waiting_.empty(); }  ///< whether there is none left

  /// Takes the first candidate out. Pre: not empty().
  [[nodiscard]] bpe_candidate pop() {
    const std::uint32_t rank = waiting_.front();
    places& own = places_[marks_[rank].place];
    const bpe_candidate next{.merge = {.rank = rank, .merged = own.merged}, .at = own.take()};
    if (own.empty()) {
      own = {};
      std::pop_heap(waiting_.begin(), waiting_.end(), std::greater<>());
      waiting_.pop_back();
    }
    return next;
  }

  /// Adds a candidate. Pre: its rank is below that of `restart`.
  void push(const bpe_candidate& next) {
    mark& known = marks_[next.merge.rank];
    if (known.row != row_) {
      known = {.row = row_, .place = static_cast<std::uint32_t>(places_.size())};
      places_.emplace_back();
    }
    places& own = places_[known.place];
    if (own.empty()) {
      own.merged = next.merge.merged;
      waiting_.push_back(next.merge.rank);
      std::push_heap(waiting_.begin(), waiting_.end(), std::greater<>());
    }
    own.add(next.at);
  }

 private:
  /// The places of one rank. Once the first of them was taken, further ones wait in a heap beside the sorted ones.
  struct places {
    token_id merged = 0;
    std::size_t next = 0;  // of `sorted`, which is in order once this is not 0
    std::vector<std::uint32_t> sorted{};
    std::vector<std::uint32_t> late{};

    [[nodiscard]] bool empty() const noexcept { return next == sorted.size() && late.empty(); }

    void add(std::uint32_t at) {
      if (next == 0) return sorted.push_back(at);
      late.push_back(at);
      std::push_heap(late.begin(), late.end(), std::greater<>());
    }

    [[nodiscard]] std::uint32_t take() {
      if (next == 0 && !std::is_sorted(sorted.begin(), sorted.end())) std::sort(sorted.begin(), sorted.end());
      if (late.empty() || (next != sorted.size() && sorted[next] <= late.front())) return sorted[next++];
      std::pop_heap(late.begin(), late.end(), std::greater<>());
      const std::uint32_t at = late.back();
      late.pop_back();
      return at;
    }
  };

  /// Where the places of a rank are, if it came in this row.
  struct mark {
    std::uint32_t row = 0;
    std::uint32_t place = 0;
  };

  std::vector<mark> marks_{};  // by rank
  std::vector<places> places_{};
  std::uint32_t row_ = 0;
  std::vector<std::uint32_t> waiting_{};  // a heap of the ranks that have places
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
    left_ = 0;
  }

  /// Gives the memory of a long row back; that of others serves the next row.
  void trim() {
    if (row_.capacity() < long_row) return;
    std::vector<symbol>().swap(row_);
    left_ = 0;
  }

  /// Number of symbols that are left.
  [[nodiscard]] std::size_t left() const noexcept { return left_; }

  /// Appends a symbol.
  void add(token_id id, std::size_t bytes) {
    const auto at = static_cast<std::uint32_t>(row_.size());
    if (at > 0) row_.back().right = at;
    ++left_;
    row_.push_back(
        {.id = id, .bytes = static_cast<std::uint32_t>(bytes), .left = at > 0 ? at - 1 : none, .right = none});
  }

  /// Merges pairs until no pair has a merge: those of the lowest rank first, and among these the leftmost.
  /// Complexity: n log n in the number of symbols.
  void merge(const bpe_merge_table& merges) {
    if (row_.size() < long_row) {
      merge_in(heap_, merges);
    } else {
      by_rank_.restart(merges.ranks());
      merge_in(by_rank_, merges);
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

  // Each step through a long heap misses the caches. From hundreds to thousands of symbols both queues are about as
  // fast as each other, so that the place of this border matters little.
  static constexpr std::size_t long_row = 4096;

  // Pre: the queue is empty, as it is again behind the last step; what an exception leaves ends with the call's
  // scratch.
  template <class Queue>
  void merge_in(Queue& queue, const bpe_merge_table& merges) {
    for (std::uint32_t at = 0; at + 1 < row_.size(); ++at) add(at, queue, merges);
    while (!queue.empty()) {
      const bpe_candidate next = queue.pop();
      if (is_due(next, merges)) take(next, queue, merges);
    }
  }

  /// Whether the pair at that place still becomes that symbol. Its symbols may have changed since it was queued.
  [[nodiscard]] bool is_due(const bpe_candidate& next, const bpe_merge_table& merges) const noexcept {
    const symbol& left = row_[next.at];
    if (left.bytes == 0 || left.right == none) return false;
    const auto* found = merges.find(left.id, row_[left.right].id);
    return found != nullptr && found->merged == next.merge.merged;
  }

  template <class Queue>
  void take(const bpe_candidate& next, Queue& queue, const bpe_merge_table& merges) {
    symbol& left = row_[next.at];
    symbol& right = row_[left.right];
    left.id = next.merge.merged;
    left.bytes += right.bytes;
    left.right = right.right;
    right.bytes = 0;
    --left_;
    if (left.right != none) {
      row_[left.right].left = next.at;
      add(next.at, queue, merges);
    }
    if (left.left != none) add(left.left, queue, merges);
  }

  template <class Queue>
  void add(std::uint32_t at, Queue& queue, const bpe_merge_table& merges) const {
    const auto* found = merges.find(row_[at].id, row_[row_[at].right].id);
    if (found != nullptr) queue.push({*found, at});
  }

  std::vector<symbol> row_{};
  std::size_t left_ = 0;
  bpe_heap heap_{};
  bpe_ranked_queue by_rank_{};
};

}  // namespace ultrafastbert::tokenizers
