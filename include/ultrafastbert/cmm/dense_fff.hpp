// SPDX-License-Identifier: MIT
//
// The weights of a shallow FFF layer for the `dense` engine: the logits of all nodes by one packed product, those off
// the path set to zero, the outputs by another. It wastes arithmetic, but runs at the speed of a matrix product.
// Nodes lie place by place in their trees: all roots first, then all left children of roots, and so on, so that one
// step of all trees is a loop over neighbors.
// Layer: cmm.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include "ultrafastbert/cmm/engine.hpp"
#include "ultrafastbert/cmm/fff_weights.hpp"
#include "ultrafastbert/cmm/packed_fff.hpp"
#include "ultrafastbert/cmm/paths.hpp"
#include "ultrafastbert/cmm/tie_rule.hpp"
#include "ultrafastbert/cmm/tree.hpp"
#include "ultrafastbert/core/aligned_buffer.hpp"
#include "ultrafastbert/core/matrix_view.hpp"
#include "ultrafastbert/core/workspace.hpp"
#include "ultrafastbert/kernels/activation.hpp"
#include "ultrafastbert/kernels/dispatch.hpp"
#include "ultrafastbert/kernels/isa.hpp"
#include "ultrafastbert/products/packed_matrix.hpp"

namespace ultrafastbert::cmm {

/// FFF weights as two dense matrices in float. Second rows that are not finite reach every output, because those of
/// nodes that a token does not visit are multiplied by zero. An engine chosen automatically gives way to one that walks
/// then; one that was asked for stays.
class dense_fff final : public fff_weights<float> {
 public:
  /// All weights zero. `chosen`: dense or automatic, as the user asked. Throws: unsupported (the processor lacks the
  /// level asked for), overflow, std::bad_alloc.
  dense_fff(const fff_shape& shape, fff_engine chosen)
      : shape_(shape),
        chosen_(chosen),
        in_({shape_.nodes(), shape.input_width}, shape.isa),
        out_({shape.output_width, shape_.nodes()}, shape.isa),
        bias_(shape.with_bias ? shape_.nodes() : 0),
        threshold_(shape.with_thresholds ? shape_.nodes() : 0) {}

  [[nodiscard]] fff_engine engine(std::size_t /*tokens*/) const noexcept override { return fff_engine::dense; }
  [[nodiscard]] isa_level isa() const noexcept override { return in_.isa(); }
  [[nodiscard]] std::size_t bytes() const noexcept override {
    return in_.bytes() + out_.bytes() + (bias_.size() + threshold_.size()) * sizeof(float);
  }

  void store_in(std::size_t node, const float* row) noexcept override { in_.store_row(place(node), row); }
  void store_out(std::size_t node, const float* row) noexcept override {
    all_finite_ = all_finite_ && kernels::all_finite(row, shape_.output_width);
    out_.store_column(place(node), row);
  }
  void store_bias(std::size_t node, float bias) noexcept override { bias_[place(node)] = bias; }
  void store_threshold(std::size_t node, float threshold) noexcept override { threshold_[place(node)] = threshold; }

  [[nodiscard]] std::unique_ptr<fff_weights<float>> replacement() const override {
    if (chosen_ != fff_engine::automatic || all_finite_) return nullptr;
    auto walking = std::make_unique<packed_fff>(shape_, chosen_);
    aligned_buffer<float> row((std::max)(shape_.input_width, shape_.output_width));
    for (std::size_t node = 0; node < shape_.nodes(); ++node) {
      in_.copy_row(place(node), row.data());
      walking->store_in(node, row.data());
      out_.copy_column(place(node), row.data());
      walking->store_out(node, row.data());
      if (bias_.size() != 0) walking->store_bias(node, bias_[place(node)]);
      if (threshold_.size() != 0) walking->store_threshold(node, threshold_[place(node)]);
    }
    return walking;
  }

  void multiply(const matrix_view<const float>& x, const matrix_view<float>& y, workspace& scratch,
                const matrix_view<std::int32_t>& paths) const override {
    run(x, y, scratch, [&](std::size_t t, const float* logits, std::uint32_t* visited) {
      walk(logits, visited);
      if (!paths.empty()) record(visited, paths.row(t));
    });
  }

  void follow(const matrix_view<const float>& x, const followed_paths<float>& along,
              workspace& scratch) const override {
    run(x, along.y, scratch, [&](std::size_t t, const float* logits, std::uint32_t* visited) {
      std::fill_n(visited, shape_.nodes(), 0U);
      for (std::size_t i = 0; i < along.paths.cols(); ++i) {
        const auto node = static_cast<std::size_t>(along.paths(t, i));
        const std::size_t at = node * shape_.parallel_size + i / tree::levels(shape_.depth);
        visited[at] = here;
        if (!along.margins.empty()) {
          along.margins(t, i) = threshold_.size() == 0 ? logits[at] : logits[at] - threshold_[at];
        }
        if (!along.second_looks.empty()) along.second_looks(t, i) = 0;
      }
    });
  }

  [[nodiscard]] std::size_t workspace_bytes(std::size_t tokens) const noexcept override {
    const std::size_t rows = (std::min)(tokens, most_tokens);
    return (rows * sizeof(float) + sizeof(std::uint32_t)) * shape_.nodes() + 2 * buffer_alignment +
           (std::max)(in_.workspace_bytes(rows), out_.workspace_bytes(rows));
  }

 private:
  static constexpr std::size_t most_tokens = 192;  // bounds the scratch memory
  static constexpr std::size_t at_once = 16;       // trees, so many that compilers take them for vectors
  static constexpr std::uint32_t here = ~0U;       // a mask that keeps an activation

  // `route(token, logits, visited)` sets the masks of the nodes that a token visits, and clears the others. Shapes: y:
  // (tokens, output_width), or empty.
  template <class Route>
  void run(const matrix_view<const float>& x, const matrix_view<float>& y, workspace& scratch,
           const Route& route) const {
    const auto activate = kernels::kernel_of(kernels::activations_of(isa()), shape_.activation);
    workspace::frame frame(scratch);
    const auto memory = frame.take_matrix<float>((std::min)(x.rows(), most_tokens), shape_.nodes());
    const auto visited = frame.take<std::uint32_t>(shape_.nodes());
    for (std::size_t first = 0; first < x.rows(); first += most_tokens) {
      const std::size_t tokens = (std::min)(most_tokens, x.rows() - first);
      const auto logits = memory.rows_from(0, tokens);
      in_.multiply(x.rows_from(first, tokens), logits, scratch, {.bias = bias_.span()});
      for (std::size_t t = 0; t < tokens; ++t) {
        route(first + t, std::as_const(logits).row(t), visited.data());
        if (y.empty()) continue;
        activate(logits.cols(), logits.row(t));
        keep_visited(visited, logits.row(t));
      }
      if (!y.empty()) out_.multiply(logits, y.rows_from(first, tokens), scratch);
    }
  }

  // Where a node lies.
  [[nodiscard]] std::size_t place(std::size_t node) const noexcept {
    const std::size_t per_tree = tree::node_count(shape_.depth);
    return node % per_tree * shape_.parallel_size + node / per_tree;
  }

  // Calls step(tree) for all trees.
  template <class Step>
  void for_each_tree(const Step& step) const noexcept {
    std::size_t p = 0;
    for (; p + at_once <= shape_.parallel_size; p += at_once) {
      for (std::size_t i = 0; i < at_once; ++i) step(p + i);
    }
    for (; p < shape_.parallel_size; ++p) step(p);
  }

  // Finds the nodes that a token visits. Shapes: logits: (nodes); visited: (nodes), overwritten with masks.
  void walk(const float* logits, std::uint32_t* visited) const noexcept {
    const std::size_t trees = shape_.parallel_size;
    const direction<float> ties(shape_.zero_goes_right);
    std::fill_n(visited, trees, here);
    for (std::size_t node = 0; node < tree::first_of_level(shape_.depth); ++node) {
      const float* const z = logits + node * trees;
      const std::uint32_t* const from = visited + node * trees;
      std::uint32_t* const left = visited + tree::child(node, false) * trees;
      std::uint32_t* const right = visited + tree::child(node, true) * trees;
      const auto split = [&](std::size_t p, bool goes_right) {
        const std::uint32_t mask = goes_right ? here : 0U;
        left[p] = from[p] & ~mask;
        right[p] = from[p] & mask;
      };
      if (threshold_.size() == 0) {
        for_each_tree([&](std::size_t p) { split(p, ties.right(z[p])); });
      } else {
        const float* const threshold = threshold_.data() + node * trees;
        for_each_tree([&](std::size_t p) { split(p, ties.right(z[p], threshold[p])); });
      }
    }
  }

  // Writes the path for the caller. Shapes: visited: (nodes); path: (trees * levels), node numbers within their tree.
  void record(const std::uint32_t* visited, std::int32_t* path) const noexcept {
    const std::size_t trees = shape_.parallel_size;
    for (std::size_t p = 0; p < trees; ++p) {
      std::size_t node = 0;
      for (std::size_t level = 0; level < shape_.depth; ++level) {
        *path++ = static_cast<std::int32_t>(node);
        node = tree::child(node, visited[tree::child(node, true) * trees + p] != 0);
      }
      *path++ = static_cast<std::int32_t>(node);
    }
  }

  // Sets the activations of nodes that a token does not visit to zero. Shapes: both: (nodes).
  static void keep_visited(std::span<const std::uint32_t> visited, float* values) noexcept {
    const auto keep = [&](std::size_t n) {
      values[n] = std::bit_cast<float>(std::bit_cast<std::uint32_t>(values[n]) & visited[n]);
    };
    std::size_t n = 0;
    for (; n + at_once <= visited.size(); n += at_once) {
      for (std::size_t i = 0; i < at_once; ++i) keep(n + i);
    }
    for (; n < visited.size(); ++n) keep(n);
  }

  fff_shape shape_;
  fff_engine chosen_;
  packed_matrix in_;
  packed_matrix out_;
  aligned_buffer<float> bias_;       // (nodes) or empty
  aligned_buffer<float> threshold_;  // (nodes) or empty
  bool all_finite_ = true;
};

}  // namespace ultrafastbert::cmm
