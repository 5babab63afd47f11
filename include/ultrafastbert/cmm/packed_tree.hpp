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
#include <span>

#include "ultrafastbert/cmm/tie_rule.hpp"
#include "ultrafastbert/cmm/tree.hpp"
#include "ultrafastbert/core/storage.hpp"
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

/// The float32 rows of certified routes, ready for second looks. Borrows its memory.
struct exact_rows {
  const std::byte* rows = nullptr;  ///< in blocked order, in float32, or the lower halves of such rows
  std::size_t stride = 0;           ///< bytes from row to row
  kernels::dot_kernels kernels{};
  kernels::join_kernel join = nullptr;
  std::span<float> joined{};     ///< where a row is joined from its halves, of whole units of padding; or empty
  std::size_t* looks = nullptr;  ///< counts the rows that were read, or null

  /// The dot product of row r with a token. `narrow`: the row that was looked at first.
  [[nodiscard, gnu::noinline]] float dot(std::size_t r, const std::byte* narrow, const float* x,
                                         std::size_t width) const noexcept {
    if (looks != nullptr) ++*looks;
    const std::byte* row = rows + r * stride;
    if (!joined.empty()) {
      join(joined.size(), reinterpret_cast<const bfloat16_bits*>(narrow), reinterpret_cast<const std::int16_t*>(row),
           joined.data());
      row = reinterpret_cast<const std::byte*>(joined.data());
    }
    float z = 0;
    kernels.pair(row, x, width, &z, {});
    return z;
  }
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
  const float* error = nullptr;  ///< (parallel_size * nodes) in blocked order, or null
  exact_rows exact{};

  [[nodiscard]] const std::byte* row(std::size_t r) const noexcept { return rows + r * stride; }  ///< row r

  /// The logit of a token at a row, from the dot product with the row. Equal bits in every engine.
  [[nodiscard]] float logit(std::size_t row, float dot, const routed_token& token) const noexcept {
    const float z = logit(row, dot);
    if (error == nullptr) return z;
    // Written so that NaN, too, is looked at again.
    const float margin = threshold == nullptr ? std::fabs(z) : margin_of(z, threshold[row]);
    if (margin > error[row] * token.norm) return z;
    const float exact_dot = exact.dot(row, this->row(row), token.x, width);
    return bias != nullptr ? exact_dot + bias[row] : exact_dot;
  }

  /// Whether a logit leads to the right child of its node.
  [[nodiscard]] bool right(std::size_t row, float logit) const noexcept {
    return threshold == nullptr ? ties.right(logit) : ties.right(logit, threshold[row]);
  }

 private:
  // How far a logit lies from a threshold, less what the roundings of the sums with the bias may add: they keep the
  // sign of a sum, but can take it past any other number, and this logit and the float32 one are off by up to 2^-23 of
  // their magnitudes. The product is exact: fused with the difference or not, the bits are the same.
  [[nodiscard]] static float margin_of(float z, float threshold) noexcept {
    return std::fabs(z - threshold) - std::fabs(z) * 0x1p-21F;
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
