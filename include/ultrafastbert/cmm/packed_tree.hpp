// SPDX-License-Identifier: MIT
//
// Weights of FFF trees as the engines read them. First matrix: two levels of the tree at a time, a node and its two
// children side by side, because a token that reaches the node needs it and one of the children. Second matrix: one row
// per node, level by level.
// Layer: cmm.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "ultrafastbert/cmm/tie_rule.hpp"
#include "ultrafastbert/cmm/tree.hpp"
#include "ultrafastbert/kernels/tables.hpp"

namespace ultrafastbert::cmm {

/// Where the row of a node lies in the blocked order: for each pair of levels, triples of node, left and right child.
/// The deepest level of a tree of even depth has no partner and stands alone.
struct blocked_order {
  /// First row of the block that holds `position` of the even level `level`.
  [[nodiscard]] static constexpr std::size_t block(std::size_t level, std::size_t position,
                                                   std::size_t depth) noexcept {
    return tree::first_of_level(level) + position * (level == depth ? 1 : 3);
  }

  /// Row of any node, given by level and position from the left.
  [[nodiscard]] static constexpr std::size_t row(std::size_t level, std::size_t position, std::size_t depth) noexcept {
    if (level % 2 == 0) return block(level, position, depth);
    return block(level - 1, position / 2, depth) + 1 + position % 2;
  }
};

/// A token as it is routed: its input, and at least its norm where routes are certified.
struct routed_token {
  const float* x = nullptr;
  float norm = 0;
};

/// The first matrix, ready to route tokens. Borrows its memory.
struct routing_weights {
  const std::byte* rows = nullptr;  ///< (parallel_size * nodes) in blocked order
  const float* bias = nullptr;      ///< (parallel_size * nodes) in blocked order, or null
  const float* scale = nullptr;     ///< (parallel_size * nodes) in blocked order, or null
  std::size_t stride = 0;           ///< bytes from row to row
  std::size_t width = 0;            ///< input width
  std::size_t depth = 0;
  direction<float> ties;
  const float* threshold = nullptr;  ///< (parallel_size * nodes) in blocked order, or null: all zero
  kernels::dot_kernels kernels{};
  // Of certified routes alone: see certificate.hpp.
  const float* error = nullptr;           ///< (parallel_size * nodes) in blocked order, or null
  const std::byte* exact_rows = nullptr;  ///< as `rows`, in float32
  std::size_t exact_stride = 0;           ///< bytes from row to row
  kernels::dot_kernels exact_kernels{};
  std::size_t* second_looks = nullptr;  ///< counts the float32 rows that were read, or null

  [[nodiscard]] const std::byte* row(std::size_t r) const noexcept { return rows + r * stride; }  ///< row r

  /// The logit of a token at a row, from the dot product with the row. Equal bits in every engine.
  [[nodiscard]] float logit(std::size_t row, float dot, const routed_token& token) const noexcept {
    const float z = logit(row, dot);
    if (error == nullptr) return z;
    // Written so that NaN, too, is looked at again.
    const float margin = threshold == nullptr ? z : z - threshold[row];
    return std::fabs(margin) > error[row] * token.norm ? z : exact_logit(row, token.x);
  }

  /// Whether a logit leads to the right child of its node.
  [[nodiscard]] bool right(std::size_t row, float logit) const noexcept {
    return threshold == nullptr ? ties.right(logit) : ties.right(logit, threshold[row]);
  }

 private:
  [[gnu::noinline]] float exact_logit(std::size_t row, const float* x) const noexcept {
    if (second_looks != nullptr) ++*second_looks;
    float dot = 0;
    exact_kernels.pair(exact_rows + row * exact_stride, x, width, &dot, {});
    return bias != nullptr ? dot + bias[row] : dot;
  }

  [[nodiscard]] float logit(std::size_t row, float dot) const noexcept {
    if (scale == nullptr) return bias != nullptr ? dot + bias[row] : dot;
    // A product of floats is exact in double: fused with the sum or not, as the compiler likes, the bits are the same.
    const double scaled = static_cast<double>(dot) * static_cast<double>(scale[row]);
    return static_cast<float>(bias != nullptr ? scaled + static_cast<double>(bias[row]) : scaled);
  }
};

/// The first level of trees whose rows will not wait in the second-level cache for the next token that needs them; past
/// the deepest level if all of them will. Units: cache, stride: bytes.
[[nodiscard]] constexpr std::size_t first_cold_level(std::size_t depth, std::size_t trees, std::size_t stride,
                                                     std::size_t cache) noexcept {
  // Inputs, outputs and the other matrix need their share.
  const std::size_t rows = cache / 4 / ((std::max)(stride, std::size_t{1}) * (std::max)(trees, std::size_t{1}));
  std::size_t level = 0;
  while (level <= depth && tree::node_count(level) <= rows) ++level;
  return level;
}

/// The second matrix, ready to be summed. Borrows its memory.
struct output_weights {
  const std::byte* rows = nullptr;  ///< (parallel_size * nodes), level by level
  const float* scale = nullptr;     ///< (parallel_size * nodes), or null
  std::size_t stride = 0;           ///< bytes from row to row
  std::size_t width = 0;            ///< output width
  std::size_t depth = 0;
  kernels::sum_kernels kernels{};
  std::size_t cold_level = 0;  ///< rows from this level on are asked for before they are summed

  [[nodiscard]] const std::byte* row(std::size_t r) const noexcept { return rows + r * stride; }  ///< row r

  /// The row of a node, to be asked for while another product runs; nothing on warm levels.
  [[nodiscard]] kernels::upcoming_row later(std::size_t first_row, std::size_t level,
                                            std::size_t position) const noexcept {
    if (level < cold_level) return {};
    return {.row = row(first_row + tree::first_of_level(level) + position), .bytes = stride};
  }
};

}  // namespace ultrafastbert::cmm
