// SPDX-License-Identifier: MIT
//
// Arithmetic of complete binary trees stored level by level: the children of node k are 2k + 1 (left) and 2k + 2
// (right).
// Layer: cmm.
#pragma once

#include <bit>
#include <cstddef>
#include <limits>
#include <string>

#include "ultrafastbert/core/error.hpp"

namespace ultrafastbert::cmm::tree {

/// Depths up to this one have node counts that fit a 32-bit node number.
inline constexpr std::size_t max_depth = 30;

/// Levels of a tree whose deepest level has index `depth`; as many nodes are visited per token.
[[nodiscard]] constexpr std::size_t levels(std::size_t depth) noexcept { return depth + 1; }

/// Nodes of a tree, 2^(depth + 1) - 1. Pre: depth <= max_depth.
[[nodiscard]] constexpr std::size_t node_count(std::size_t depth) noexcept {
  return (std::size_t{1} << (depth + 1)) - 1;
}

/// Leaves of a tree, 2^depth. Pre: depth <= max_depth.
[[nodiscard]] constexpr std::size_t leaf_count(std::size_t depth) noexcept { return std::size_t{1} << depth; }

/// Left-most node of a level. Pre: level <= max_depth.
[[nodiscard]] constexpr std::size_t first_of_level(std::size_t level) noexcept { return (std::size_t{1} << level) - 1; }

/// The child that a decision leads to.
[[nodiscard]] constexpr std::size_t child(std::size_t node, bool right) noexcept {
  return 2 * node + 1 + static_cast<std::size_t>(right);
}

/// The node above. Pre: node > 0.
[[nodiscard]] constexpr std::size_t parent(std::size_t node) noexcept { return (node - 1) / 2; }

/// The level a node lies on, 0 for the root.
[[nodiscard]] constexpr std::size_t level_of(std::size_t node) noexcept {
  return static_cast<std::size_t>(std::bit_width(node + 1)) - 1;
}

/// Number of a node of the deepest level, counted from the left. Pre: level_of(node) == depth.
[[nodiscard]] constexpr std::size_t leaf_index(std::size_t node, std::size_t depth) noexcept {
  return node - first_of_level(depth);
}

/// Nodes of `parallel_size` trees together.
/// Throws: invalid_input (depth over max_depth), overflow.
[[nodiscard]] constexpr std::size_t total_nodes(std::size_t depth, std::size_t parallel_size) {
  if (depth > max_depth) fail_input("depth", "at most " + std::to_string(max_depth), std::to_string(depth));
  if (parallel_size > (std::numeric_limits<std::size_t>::max)() / node_count(depth)) {
    fail(error_code::overflow, {.where = "parallel_size", .found = std::to_string(parallel_size)});
  }
  return parallel_size * node_count(depth);
}

}  // namespace ultrafastbert::cmm::tree
