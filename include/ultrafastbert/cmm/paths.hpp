// SPDX-License-Identifier: MIT
//
// Paths from root to leaf as data: what a layer notes of them, and which numbers are paths at all.
// Layer: cmm.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "ultrafastbert/cmm/tree.hpp"
#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/core/matrix_view.hpp"

namespace ultrafastbert {

/// What an FFF layer notes of the ways that its tokens take; it leaves out what is empty. Borrows its memory.
/// Columns are the visited nodes, tree after tree and from the root to the leaf: parallel_size * (depth + 1) of them.
template <class Scalar>
struct route_record {
  matrix_view<std::int32_t> paths{};  ///< (tokens, path length): the nodes, numbered within their tree
  /// (tokens, path length): how far the node's logit lies above what it has to exceed for the right child: the node's
  /// threshold, which is 0 unless the layer has thresholds. On the deepest level it decides nothing.
  matrix_view<Scalar> margins{};
  /// (tokens, path length): 1 where certified storage took the logit from the float32 row, because the narrow one could
  /// not decide; else 0, and 0 for every other storage.
  matrix_view<std::uint8_t> second_looks{};
};

namespace cmm {

/// Tokens that follow given paths, and what becomes of them.
template <class Scalar>
struct followed_paths {
  matrix_view<const std::int32_t> paths{};   ///< (tokens, trees * levels)
  matrix_view<Scalar> y{};                   ///< (tokens, output_width), overwritten; or empty
  matrix_view<Scalar> margins{};             ///< see route_record
  matrix_view<std::uint8_t> second_looks{};  ///< see route_record
};

/// Throws invalid_input unless every row has for each tree a path from the root to a leaf, naming the first place where
/// a row leaves the tree. Shapes: paths: (tokens, trees * (depth + 1)). `where` names the matrix.
inline void check_paths(const matrix_view<const std::int32_t>& paths, std::size_t depth, const std::string& where) {
  for (std::size_t t = 0; t < paths.rows(); ++t) {
    std::int64_t parent = 0;
    for (std::size_t i = 0; i < paths.cols(); ++i) {
      const std::int64_t node = paths(t, i);
      const bool root = i % tree::levels(depth) == 0;
      if (root ? node != 0 : node != 2 * parent + 1 && node != 2 * parent + 2) {
        std::string place = where;
        place.append("(").append(std::to_string(t)).append(", ").append(std::to_string(i)).append(")");
        std::string child = std::to_string(2 * parent + 1);
        child.append(" or ").append(std::to_string(2 * parent + 2)).append(", a child of the node");
        fail_input(std::move(place), root ? "0, the root of a tree" : std::move(child), std::to_string(node));
      }
      parent = node;
    }
  }
}

}  // namespace cmm

}  // namespace ultrafastbert
