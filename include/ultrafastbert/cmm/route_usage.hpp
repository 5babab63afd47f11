// SPDX-License-Identifier: MIT
//
// How often the nodes of an FFF layer's trees are visited over a corpus, and how evenly its leaves are used.
//
//   route_usage usage(layer.depth(), layer.parallel_size());
//   usage.add(paths);  // as often as there are batches; `merge` joins what threads have counted
//   std::cout << usage.leaf_entropy(0) << " of at most " << layer.depth() << " bits\n";
//
// Layer: cmm.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "ultrafastbert/cmm/paths.hpp"
#include "ultrafastbert/cmm/tree.hpp"
#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/core/matrix_view.hpp"

namespace ultrafastbert {

/// Counts visits of one layer. It is no model: a thread that counts needs one of its own.
class route_usage {
 public:
  /// Nothing counted yet. Throws: invalid_input (depth over 30, no tree), overflow, std::bad_alloc.
  route_usage(std::size_t depth, std::size_t parallel_size)
      : depth_(depth), visits_(cmm::tree::total_nodes(depth, parallel_size)) {
    if (parallel_size == 0) fail_input("parallel_size", "at least 1", "0");
  }

  [[nodiscard]] std::size_t depth() const noexcept { return depth_; }  ///< index of the deepest level
  [[nodiscard]] std::size_t parallel_size() const noexcept { return visits_.size() / tree_size(); }  ///< trees
  [[nodiscard]] std::uint64_t tokens() const noexcept { return tokens_; }                            ///< counted so far

  /// Counts the paths of some tokens and, if it is given, how many of their logits were looked at twice.
  /// Shapes: paths, second_looks: (tokens, parallel_size * (depth + 1)); second_looks may be empty.
  /// Throws: invalid_input (shapes, a row that is no path); nothing is counted then.
  void add(const matrix_view<const std::int32_t>& paths, const matrix_view<const std::uint8_t>& second_looks = {}) {
    const std::size_t levels = cmm::tree::levels(depth_);
    core::check_extents(paths, paths.rows(), parallel_size() * levels, "paths");
    if (second_looks.data() != nullptr) core::check_extents(second_looks, paths.rows(), paths.cols(), "second_looks");
    cmm::check_paths(paths, depth_, "paths");
    for (std::size_t t = 0; t < paths.rows(); ++t) {
      for (std::size_t i = 0; i < paths.cols(); ++i) {
        ++visits_[i / levels * tree_size() + static_cast<std::size_t>(paths(t, i))];
        if (second_looks.data() != nullptr) second_looks_ += std::uint64_t{second_looks(t, i) != 0};
      }
    }
    tokens_ += paths.rows();
    if (second_looks.data() != nullptr) looked_at_ += paths.rows() * paths.cols();
  }

  /// Adds what another one has counted. Throws: shape_mismatch (other sizes).
  void merge(const route_usage& other) {
    if (other.depth_ != depth_ || other.visits_.size() != visits_.size()) {
      fail(error_code::shape_mismatch, {.where = "route_usage", .expected = sizes(), .found = other.sizes()});
    }
    for (std::size_t i = 0; i < visits_.size(); ++i) visits_[i] += other.visits_[i];
    tokens_ += other.tokens_;
    second_looks_ += other.second_looks_;
    looked_at_ += other.looked_at_;
  }

  /// How often each node of a tree was visited, level by level. Shapes: result: (2^(depth + 1) - 1).
  /// Pre: tree < parallel_size().
  [[nodiscard]] std::span<const std::uint64_t> visits(std::size_t tree) const noexcept {
    return std::span(visits_).subspan(tree * tree_size(), tree_size());
  }
  /// The same of the leaves alone, from left to right. Shapes: result: (2^depth). Pre: tree < parallel_size().
  [[nodiscard]] std::span<const std::uint64_t> leaf_visits(std::size_t tree) const noexcept {
    return visits(tree).last(cmm::tree::leaf_count(depth_));
  }
  /// Leaves of a tree that some token reached. Pre: tree < parallel_size().
  [[nodiscard]] std::size_t used_leaves(std::size_t tree) const noexcept {
    const auto leaves = leaf_visits(tree);
    return leaves.size() - static_cast<std::size_t>(std::count(leaves.begin(), leaves.end(), std::uint64_t{0}));
  }
  /// The entropy of a token's leaf: 0 if all tokens share one leaf, `depth` if all leaves are used alike; 0 without
  /// tokens. Units: bits. Pre: tree < parallel_size(). Source: Shannon, A Mathematical Theory of Communication.
  [[nodiscard]] double leaf_entropy(std::size_t tree) const noexcept {
    double sum = 0;
    for (const std::uint64_t count : leaf_visits(tree)) {
      if (count == 0) continue;
      const double share = static_cast<double>(count) / static_cast<double>(tokens_);
      sum -= share * std::log2(share);
    }
    return (std::max)(sum, 0.0);
  }

  /// Logits that certified storage took from float32 rows / logits of which that is known; 0 without any.
  [[nodiscard]] double second_look_share() const noexcept {
    return looked_at_ == 0 ? 0.0 : static_cast<double>(second_looks_) / static_cast<double>(looked_at_);
  }

 private:
  [[nodiscard]] std::size_t tree_size() const noexcept { return cmm::tree::node_count(depth_); }
  [[nodiscard]] std::string sizes() const {
    return std::to_string(parallel_size()).append(" trees of depth ").append(std::to_string(depth_));
  }

  std::size_t depth_;
  std::vector<std::uint64_t> visits_;  // (parallel_size * nodes of a tree)
  std::uint64_t tokens_ = 0;
  std::uint64_t second_looks_ = 0;
  std::uint64_t looked_at_ = 0;
};

}  // namespace ultrafastbert
