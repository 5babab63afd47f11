// SPDX-License-Identifier: MIT
//
// How the tokens of several sequences lie in one matrix, and which of them may be attended to.
// Layer: layers.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/core/matrix_view.hpp"
#include "ultrafastbert/core/workspace.hpp"
#include "ultrafastbert/products/head_attention.hpp"

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
  /// (rows), or empty for all 0: which of the embedding's token types a token has.
  std::span<const std::uint32_t> type_ids{};
  /// (rows), or empty for 0, 1, 2, ... in every sequence: which row of the embedding's position table a token takes.
  std::span<const std::uint32_t> positions{};
  /// Set where rows of room are padding, and scores of the tokens are so large that padding of mask 0 might count:
  /// 10000 is not lower than everything. Null where room is no padding.
  std::atomic<bool>* padding_counts = nullptr;

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

/// Throws invalid_input unless there is a number for every row, or for none.
inline void check_row_numbers(std::string_view name, std::span<const std::uint32_t> numbers, std::size_t rows) {
  if (!numbers.empty() && numbers.size() != rows) {
    fail_input(name, std::to_string(rows) + " numbers, or none", std::to_string(numbers.size()));
  }
}

/// Throws invalid_input at a NaN among the masks of tokens.
inline void check_mask_values(const sequence_batch& batch) {
  const auto check = [](std::span<const float> row, std::string_view name, std::size_t r) {
    for (std::size_t k = 0; k < row.size(); ++k) {
      if (row[k] != row[k]) {
        fail_input(std::string(name) + '(' + std::to_string(r) + ", " + std::to_string(k) + ')', "a number", "NaN");
      }
    }
  };
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const std::size_t length = batch.length(i);
    if (batch.mask.data() != nullptr) check(batch.mask.row_span(i).first(length), "mask", i);
    for (std::size_t s = 0; s < length && batch.query_mask.data() != nullptr; ++s) {
      const std::size_t row = batch.offsets[i] + s;
      check(batch.query_mask.row_span(row).first(length), "query_mask", row);
    }
  }
}

/// Throws invalid_input unless offsets rise from 0 to the number of rows that they divide among sequences. None are
/// those of no rows.
inline void check_offsets(std::span<const std::size_t> offsets, std::size_t rows) {
  if (!offsets.empty() && offsets.front() != 0) fail_input("offsets", "0 first", std::to_string(offsets.front()));
  for (std::size_t i = 0; i + 1 < offsets.size(); ++i) {
    if (offsets[i + 1] <= offsets[i]) fail_input("sequence " + std::to_string(i), "at least one token", "none");
  }
  const std::size_t end = offsets.empty() ? 0 : offsets.back();
  if (end == rows) return;
  fail_input("offsets", "the number of states, " + std::to_string(rows) + ", last", std::to_string(end));
}

/// Throws invalid_input unless the offsets rise from 0 and the masks, all of them numbers, cover every sequence.
inline void check_sequences(const sequence_batch& batch) {
  check_offsets(batch.offsets, batch.total_rows());
  if (!batch.lengths.empty() && batch.lengths.size() != batch.size()) {
    fail_input("lengths", std::to_string(batch.size()) + " or none", std::to_string(batch.lengths.size()));
  }
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (batch.length(i) == 0) fail_input("sequence " + std::to_string(i), "at least one token", "none");
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
  check_row_numbers("type_ids", batch.type_ids, batch.total_rows());
  check_row_numbers("positions", batch.positions, batch.total_rows());
  check_mask_values(batch);
}

/// A key of a larger mask is certain to be seen before those of mask 0.
inline constexpr float surely_seen = 0.5F;

/// How many of a sequence's keys its queries have to look at: all up to the last one whose mask is not 0. Those behind
/// would get a probability of exactly 0, unless a query sees no key at all; then all of them count. That holds for
/// scores that `keys_are_negligible` allows.
/// Shapes: mask: (length).
[[nodiscard]] inline std::size_t visible_keys(std::span<const float> mask, bool causal) noexcept {
  std::size_t keys = mask.size();
  while (keys > 0 && mask[keys - 1] == 0.0F) --keys;
  const auto seen = mask.first(causal ? (std::min<std::size_t>)(keys, 1) : keys);
  return std::any_of(seen.begin(), seen.end(), [](float m) { return m > surely_seen; }) ? keys : mask.size();
}

/// The mask of the key that every query sees best. Shapes: mask: (length), not empty.
[[nodiscard]] inline float best_mask(std::span<const float> mask, bool causal) noexcept {
  return causal ? mask.front() : *std::max_element(mask.begin(), mask.end());
}

/// What the scores of one sequence's queries are lowered by.
struct sequence_mask {
  std::size_t keys = 0;                   ///< the first ones, which suffice where scores are not huge
  float gap = 0;                          ///< how far a mask of 0 is below the key that every query sees best
  std::span<const float> key_bias{};      ///< (length), or empty: added to the scores of every query
  matrix_view<const float> query_mask{};  ///< (length, length), or empty
  /// Set where the keys that the batch left out might have counted, or null.
  std::atomic<bool>* padding_counts = nullptr;
  float masked_score = crammed_masked_score;  ///< what a mask of 0 adds
  bool causal = false;                        ///< keys behind a query have the mask 0 instead
};

/// The masks of a batch as attention takes them, made once for all heads and layers. Borrows from the frame.
/// Shapes: result: (sequences). Pre: the batch is valid. Throws: std::bad_alloc.
[[nodiscard]] inline std::span<const sequence_mask> resolve_masks(const sequence_batch& batch, bool causal,
                                                                  workspace::frame& frame,
                                                                  float masked_score = crammed_masked_score) {
  const auto masks = frame.take<sequence_mask>(batch.size());
  const bool has_bias = batch.mask.data() != nullptr;
  const auto bias = frame.take<float>(has_bias ? batch.total_rows() : 0);
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const std::size_t length = batch.length(i);
    masks[i] = sequence_mask{.keys = length, .masked_score = masked_score};
    if (batch.query_mask.data() != nullptr) {
      masks[i].query_mask = batch.query_mask.rows_from(batch.offsets[i], length);
    }
    if (!has_bias) continue;
    const auto whole = batch.mask.row_span(i).first(length);
    const auto own = bias.subspan(batch.offsets[i], length);
    masks[i].keys = visible_keys(whole, causal);
    const float best = best_mask(whole, causal);
    masks[i].gap = mask_bias(best, masked_score) - mask_bias(0.0F, masked_score);
    if (best > surely_seen) masks[i].padding_counts = batch.padding_counts;  // nothing is left out elsewhere
    masks[i].causal = causal;
    std::transform(whole.begin(), whole.end(), own.begin(), [=](float m) { return mask_bias(m, masked_score); });
    masks[i].key_bias = own;
  }
  return masks;
}

}  // namespace layers

}  // namespace ultrafastbert
