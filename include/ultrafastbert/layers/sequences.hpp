// SPDX-License-Identifier: MIT
//
// How the tokens of several sequences lie in one matrix, and which of them may be attended to.
// Layer: layers.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/core/matrix_view.hpp"

namespace ultrafastbert {

/// Sequences of any lengths, one behind another: sequence i owns rows [offsets[i], offsets[i + 1]).
/// Borrows its memory. Without a mask every token attends to all tokens of its sequence. A mask is one of the two.
struct sequence_batch {
  /// (sequences + 1) row numbers, rising from 0.
  std::span<const std::size_t> offsets{};
  /// (sequences), or empty for all rows: how many of a sequence's rows are tokens, the first ones; the others are room
  /// that nothing is computed for. Layers by themselves take no room.
  std::span<const std::size_t> lengths{};
  /// (sequences, longest length), or empty: 1 attends to the key, 0 does not, values between weaken it.
  matrix_view<const float> mask{};
  /// (rows, longest length), or empty: the same for each token by itself, whose row it is; rows of room are not read.
  matrix_view<const float> query_mask{};

  [[nodiscard]] std::size_t size() const noexcept { return offsets.empty() ? 0 : offsets.size() - 1; }    ///< sequences
  [[nodiscard]] std::size_t total_rows() const noexcept { return offsets.empty() ? 0 : offsets.back(); }  ///< of all
  /// Tokens of sequence i. Pre: i < size().
  [[nodiscard]] std::size_t length(std::size_t i) const noexcept { return lengths.empty() ? rows(i) : lengths[i]; }
  /// Rows of sequence i: its tokens and the room behind them. Pre: i < size().
  [[nodiscard]] std::size_t rows(std::size_t i) const noexcept { return offsets[i + 1] - offsets[i]; }
};

namespace layers {

/// Throws invalid_input if there is a mask and it has fewer columns than a sequence has tokens.
inline void check_mask_width(const matrix_view<const float>& mask, std::size_t length, std::string_view name) {
  if (mask.data() != nullptr && length > mask.cols()) {
    fail_input(name, std::to_string(length) + " columns", std::to_string(mask.cols()));
  }
}

/// Throws invalid_input unless the offsets rise from 0 and the masks cover every sequence.
inline void check_sequences(const sequence_batch& batch) {
  if (!batch.offsets.empty() && batch.offsets.front() != 0) {
    fail_input("offsets", "0 first", std::to_string(batch.offsets.front()));
  }
  if (!batch.lengths.empty() && batch.lengths.size() != batch.size()) {
    fail_input("lengths", std::to_string(batch.size()) + " or none", std::to_string(batch.lengths.size()));
  }
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (batch.offsets[i + 1] <= batch.offsets[i] || batch.length(i) == 0) {
      fail_input("sequence " + std::to_string(i), "at least one token", "none");
    }
    if (batch.length(i) > batch.rows(i)) {
      fail_input("sequence " + std::to_string(i), "at most " + std::to_string(batch.rows(i)) + " tokens",
                 std::to_string(batch.length(i)));
    }
    check_mask_width(batch.mask, batch.length(i), "mask");
    check_mask_width(batch.query_mask, batch.length(i), "query_mask");
  }
  if (batch.mask.data() != nullptr && batch.mask.rows() != batch.size()) {
    fail_input("mask", std::to_string(batch.size()) + " rows", std::to_string(batch.mask.rows()));
  }
  if (batch.query_mask.data() != nullptr && batch.query_mask.rows() != batch.total_rows()) {
    fail_input("query_mask", std::to_string(batch.total_rows()) + " rows", std::to_string(batch.query_mask.rows()));
  }
  if (batch.mask.data() != nullptr && batch.query_mask.data() != nullptr) {
    fail_input("query_mask", "one mask, per sequence or per token", "both");
  }
}

/// How many of a sequence's keys its queries have to look at: all up to the last one whose mask is not 0. Those behind
/// would get a probability of exactly 0, unless a query sees no key at all; then all of them count.
/// Shapes: mask: (length).
[[nodiscard]] inline std::size_t visible_keys(std::span<const float> mask, bool causal) noexcept {
  constexpr float surely_seen = 0.5F;
  std::size_t keys = mask.size();
  while (keys > 0 && mask[keys - 1] == 0.0F) --keys;
  const auto seen = mask.first(causal ? std::min<std::size_t>(keys, 1) : keys);
  return std::any_of(seen.begin(), seen.end(), [](float m) { return m > surely_seen; }) ? keys : mask.size();
}

}  // namespace layers

}  // namespace ultrafastbert
