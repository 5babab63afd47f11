// SPDX-License-Identifier: MIT
//
// From coefficients and leaves to outputs: the rows of the nodes on a token's path, weighted and summed in path order.
// Layer: cmm.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "ultrafastbert/cmm/packed_tree.hpp"
#include "ultrafastbert/core/matrix_view.hpp"
#include "ultrafastbert/kernels/tables.hpp"

namespace ultrafastbert::cmm {

/// Levels of the deepest tree that the engines take.
inline constexpr std::size_t max_levels = tree::max_depth + 1;

/// The rows of a path. Shapes: rows: (depth + 1).
inline void path_rows(const output_weights& w, std::size_t first_row, std::uint32_t leaf,
                      std::array<const std::byte*, max_levels>& rows) noexcept {
  for (std::size_t level = 0; level <= w.depth; ++level) {
    const std::size_t node = tree::first_of_level(level) + (std::size_t{leaf} >> (w.depth - level));
    rows[level] = w.row(first_row + node);
  }
}

/// What a tile of tokens adds to the outputs. Spans run over the tokens of the tile in the order of their leaves.
struct emission {
  std::span<const float> coefficients{};  ///< (tokens, stride): one per level
  std::size_t stride = 0;
  std::span<const std::uint32_t> leaf{};  ///< (tokens)
  std::span<const std::uint32_t> row{};   ///< (tokens): rows of y; empty for the first ones
  bool add = false;                       ///< to what y holds, or overwrites it
  bool past_caches = false;               ///< y is too large to be read from a cache afterwards; not with `add`
  bool beyond_cache = false;              ///< y does not wait in the second-level cache

  [[nodiscard]] std::size_t row_of(std::size_t token) const noexcept { return row.empty() ? token : row[token]; }
};

/// Multiplies activations by the scales of their rows, where the storage has any.
/// Shapes: coefficients: (tokens, stride); leaf: (tokens).
inline void scale_coefficients(const output_weights& w, std::size_t first_row, std::span<const std::uint32_t> leaf,
                               std::size_t stride, std::span<float> coefficients) noexcept {
  if (w.scale == nullptr) return;
  for (std::size_t t = 0; t < leaf.size(); ++t) {
    for (std::size_t level = 0; level <= w.depth; ++level) {
      const std::size_t node = tree::first_of_level(level) + (std::size_t{leaf[t]} >> (w.depth - level));
      coefficients[t * stride + level] *= w.scale[first_row + node];
    }
  }
}

inline constexpr std::size_t tokens_at_once = 8;     // neighbors in the order of leaves, which share most of their rows
inline constexpr std::size_t columns_at_once = 768;  // of twelve rows fit a first-level cache of 48 KiB as float
static_assert(columns_at_once <= kernels::streamed_columns && columns_at_once % kernels::row_padding == 0);

/// What the token in place t needs that the one before it did not: its deepest rows that differ, if they are cold, and
/// where its outputs go.
inline kernels::upcoming_sum what_differs(const output_weights& w, std::size_t first_row, const emission& what,
                                          std::size_t t, const matrix_view<float>& y) noexcept {
  kernels::upcoming_sum next;
  if (t >= what.leaf.size() || what.past_caches) return next;
  const std::uint32_t differs = what.leaf[t] ^ what.leaf[t - 1];
  for (std::size_t up = 0; up < next.rows.size() && up <= w.depth && w.depth - up >= w.cold_level; ++up) {
    if (differs >> up == 0) break;
    next.rows[up] = w.row(first_row + tree::first_of_level(w.depth - up) + (std::size_t{what.leaf[t]} >> up));
  }
  if (what.beyond_cache) next.y = y.row(what.row_of(t));
  return next;
}

/// One token at a time, whole rows. Shapes: y: (tokens, output_width).
inline void emit_each(const output_weights& w, std::size_t first_row, const emission& what,
                      const matrix_view<float>& y) noexcept {
  std::array<const std::byte*, max_levels> rows{};
  for (std::size_t t = 0; t < what.leaf.size(); ++t) {
    path_rows(w, first_row, what.leaf[t], rows);
    w.kernels.sum(rows.data(), what.coefficients.data() + t * what.stride, w.depth + 1, {0, w.width},
                  what.add ? kernels::sum_target::add : kernels::sum_target::overwrite, y.row(what.row_of(t)),
                  what_differs(w, first_row, what, t + 1, y));
  }
}

/// Eight tokens at a time, some columns after the others, for tokens that share rows.
inline void emit_sorted(const output_weights& w, std::size_t first_row, const emission& what,
                        const matrix_view<float>& y) noexcept {
  const bool streams = what.past_caches && !what.add && w.kernels.finish != nullptr &&
                       reinterpret_cast<std::uintptr_t>(y.row(0)) % 64 == 0 && y.stride() * sizeof(float) % 64 == 0;
  const kernels::sum_target target = what.add  ? kernels::sum_target::add
                                     : streams ? kernels::sum_target::past_caches
                                               : kernels::sum_target::overwrite;
  std::array<std::array<const std::byte*, max_levels>, tokens_at_once> rows{};
  for (std::size_t first = 0; first < what.leaf.size(); first += tokens_at_once) {
    const std::size_t count = (std::min)(tokens_at_once, what.leaf.size() - first);
    for (std::size_t t = 0; t < count; ++t) path_rows(w, first_row, what.leaf[first + t], rows[t]);
    for (std::size_t column = 0; column < w.width; column += columns_at_once) {
      const kernels::column_range columns{column, (std::min)(column + columns_at_once, w.width)};
      for (std::size_t t = 0; t < count; ++t) {
        const float* coefficients = what.coefficients.data() + (first + t) * what.stride;
        float* out = y.row(what.row_of(first + t));
        w.kernels.sum(rows[t].data(), coefficients, w.depth + 1, columns, target, out,
                      what_differs(w, first_row, what, first + t + 1, y));
      }
    }
  }
  if (streams) w.kernels.finish();
}

}  // namespace ultrafastbert::cmm
