// SPDX-License-Identifier: MIT
//
// The nodes that decide where tokens go, packed for the walks of routing.hpp: rows, biases, thresholds, and
// what certified storage keeps beside them. Layers that add a node's activation to the output and layers that only
// decide by it share this.
// Layer: cmm.
#pragma once

#include <cstddef>

#include "ultrafastbert/cmm/certificate.hpp"
#include "ultrafastbert/cmm/engine.hpp"
#include "ultrafastbert/cmm/packed_rows.hpp"
#include "ultrafastbert/cmm/packed_tree.hpp"
#include "ultrafastbert/cmm/tie_rule.hpp"
#include "ultrafastbert/cmm/tree.hpp"
#include "ultrafastbert/core/aligned_buffer.hpp"
#include "ultrafastbert/core/storage.hpp"
#include "ultrafastbert/kernels/dispatch.hpp"
#include "ultrafastbert/kernels/isa.hpp"

namespace ultrafastbert::cmm {

/// The first matrix of some trees in blocked order. Of the shape, what concerns the second matrix does not matter.
class packed_nodes {
 public:
  /// All weights zero. Pre: `isa` comes from `resolve`. Throws: overflow, std::bad_alloc.
  packed_nodes(const fff_shape& shape, isa_level isa)
      : depth_(shape.depth),
        width_(shape.input_width),
        ties_(shape.zero_goes_right),
        narrow_(kernels::dots_of(isa, first_rows_of(shape.storage_in))),
        wide_(kernels::dots_of(isa, weight_storage::float32)),
        rows_(first_rows_of(shape.storage_in), shape.nodes(), shape.input_width),
        exact_(shape.storage_in, shape.nodes(), shape.input_width, narrow_, wide_),
        bias_(shape.with_bias ? shape.nodes() : 0),
        threshold_(shape.with_thresholds ? shape.nodes() : 0) {}

  /// Takes a node's row. Shapes: row: (input_width). Pre: node is one of the shape's.
  void store(std::size_t node, const float* row) noexcept {
    const std::size_t r = blocked_row(node);
    const float scale = rows_.store(r, row);
    if (exact_.error() != nullptr) exact_.store(r, row, rows_.row(r), scale);
  }
  /// Sets a node's bias. Pre: the shape has biases.
  void store_bias(std::size_t node, float bias) noexcept { bias_[blocked_row(node)] = bias; }
  /// Sets a node's threshold. Pre: the shape has thresholds.
  void store_threshold(std::size_t node, float threshold) noexcept { threshold_[blocked_row(node)] = threshold; }

  /// Whether logits of narrow rows are looked at again where they cannot decide.
  [[nodiscard]] bool is_certified() const noexcept { return exact_.error() != nullptr; }
  /// Memory held. Units: bytes.
  [[nodiscard]] std::size_t bytes() const noexcept {
    return rows_.bytes() + exact_.bytes() + (bias_.size() + threshold_.size()) * sizeof(float);
  }

  /// What the walks read; refers to these nodes. `second_looks` counts float32 rows that were read, or is null.
  [[nodiscard]] routing_weights routing(std::size_t* second_looks = nullptr) const noexcept {
    return {.rows = rows_.data(),
            .bias = bias_.size() != 0 ? bias_.data() : nullptr,
            .scale = rows_.scale(),
            .stride = rows_.stride(),
            .width = width_,
            .depth = depth_,
            .ties = ties_,
            .threshold = threshold_.size() != 0 ? threshold_.data() : nullptr,
            .kernels = narrow_,
            .error = exact_.error(),
            .exact_rows = is_certified() ? exact_.rows().data() : nullptr,
            .exact_stride = exact_.rows().stride(),
            .exact_kernels = wide_,
            .second_looks = second_looks};
  }

 private:
  [[nodiscard]] std::size_t blocked_row(std::size_t node) const noexcept {
    const std::size_t local = node % tree::node_count(depth_);
    const std::size_t level = tree::level_of(local);
    return node - local + blocked_order::row(level, local - tree::first_of_level(level), depth_);
  }

  std::size_t depth_;
  std::size_t width_;
  direction<float> ties_;
  kernels::dot_kernels narrow_;
  kernels::dot_kernels wide_;
  packed_rows rows_;
  certificate exact_;
  aligned_buffer<float> bias_;       // or empty
  aligned_buffer<float> threshold_;  // or empty
};

}  // namespace ultrafastbert::cmm
