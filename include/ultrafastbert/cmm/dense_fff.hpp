// SPDX-License-Identifier: MIT
//
// The weights of a shallow FFF layer for the `dense` engine: the logits of all nodes by one packed product, those off
// the path set to zero, the outputs by another. It wastes arithmetic, but runs at the speed of a matrix product.
// Layer: cmm.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "ultrafastbert/cmm/engine.hpp"
#include "ultrafastbert/cmm/fff_weights.hpp"
#include "ultrafastbert/cmm/packed_fff.hpp"
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

  void store_in(std::size_t node, const float* row) noexcept override { in_.store_row(node, row); }
  void store_out(std::size_t node, const float* row) noexcept override {
    all_finite_ = all_finite_ && kernels::all_finite(row, shape_.output_width);
    out_.store_column(node, row);
  }
  void store_bias(std::size_t node, float bias) noexcept override { bias_[node] = bias; }
  void store_threshold(std::size_t node, float threshold) noexcept override { threshold_[node] = threshold; }

  [[nodiscard]] std::unique_ptr<fff_weights<float>> replacement() const override {
    if (chosen_ != fff_engine::automatic || all_finite_) return nullptr;
    auto walking = std::make_unique<packed_fff>(shape_, chosen_);
    aligned_buffer<float> row((std::max)(shape_.input_width, shape_.output_width));
    for (std::size_t node = 0; node < shape_.nodes(); ++node) {
      in_.copy_row(node, row.data());
      walking->store_in(node, row.data());
      out_.copy_column(node, row.data());
      walking->store_out(node, row.data());
      if (bias_.size() != 0) walking->store_bias(node, bias_[node]);
      if (threshold_.size() != 0) walking->store_threshold(node, threshold_[node]);
    }
    return walking;
  }

  void multiply(const matrix_view<const float>& x, const matrix_view<float>& y, workspace& scratch,
                const matrix_view<std::int32_t>& paths) const override {
    const auto activate = kernels::kernel_of(kernels::activations_of(isa()), shape_.activation);
    workspace::frame frame(scratch);
    const auto memory = frame.take_matrix<float>((std::min)(x.rows(), most_tokens), shape_.nodes());
    const auto visited = frame.take<std::uint32_t>(shape_.parallel_size * (shape_.depth + 1));
    for (std::size_t first = 0; first < x.rows(); first += most_tokens) {
      const std::size_t tokens = (std::min)(most_tokens, x.rows() - first);
      const auto logits = memory.rows_from(0, tokens);
      in_.multiply(x.rows_from(first, tokens), logits, scratch, {.bias = bias_.span()});
      for (std::size_t t = 0; t < tokens; ++t) {
        walk(logits.row(t), visited.data(), paths.empty() ? nullptr : paths.row(first + t));
        activate(logits.cols(), logits.row(t));
        keep_path(logits.row(t), visited.data());
      }
      out_.multiply(logits, y.rows_from(first, tokens), scratch);
    }
  }

  [[nodiscard]] std::size_t workspace_bytes(std::size_t tokens) const noexcept override {
    const std::size_t rows = (std::min)(tokens, most_tokens);
    return rows * shape_.nodes() * sizeof(float) + shape_.parallel_size * (shape_.depth + 1) * sizeof(std::uint32_t) +
           2 * buffer_alignment + (std::max)(in_.workspace_bytes(rows), out_.workspace_bytes(rows));
  }

 private:
  static constexpr std::size_t most_tokens = 192;  // bounds the scratch memory

  // Finds a token's path through every tree. Shapes: logits: (nodes); visited: (trees * levels), overwritten with node
  // numbers within their tree; path: the same for the caller, or null.
  void walk(const float* logits, std::uint32_t* visited, std::int32_t* path) const noexcept {
    const direction<float> ties(shape_.zero_goes_right);
    const float* threshold = threshold_.size() != 0 ? threshold_.data() : nullptr;
    for (std::size_t p = 0; p < shape_.parallel_size; ++p, logits += tree::node_count(shape_.depth)) {
      const float* of_tree = threshold == nullptr ? nullptr : threshold + p * tree::node_count(shape_.depth);
      std::size_t node = 0;
      for (std::size_t level = 0; level <= shape_.depth; ++level) {
        *visited++ = static_cast<std::uint32_t>(node);
        if (path != nullptr) *path++ = static_cast<std::int32_t>(node);
        node =
            tree::child(node, of_tree == nullptr ? ties.right(logits[node]) : ties.right(logits[node], of_tree[node]));
      }
    }
  }

  // Sets the activations of the nodes that a token does not visit to zero. Shapes: as above.
  void keep_path(float* values, const std::uint32_t* visited) const noexcept {
    if (shape_.depth == 0) return;
    for (std::size_t p = 0; p < shape_.parallel_size; ++p, values += tree::node_count(shape_.depth)) {
      for (std::size_t level = 0; level <= shape_.depth; ++level) {
        const std::size_t node = *visited++;
        const std::size_t first = tree::first_of_level(level);
        for (std::size_t n = first; n <= 2 * first; ++n) values[n] = n == node ? values[n] : 0.0F;
      }
    }
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
