// SPDX-License-Identifier: MIT
//
// The weights of a shallow FFF layer for the `dense` engine: the logits of all nodes by one packed product, those off
// the path set to zero, the outputs by another. It wastes arithmetic, but runs at the speed of a matrix product.
// Layer: cmm.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "ultrafastbert/cmm/engine.hpp"
#include "ultrafastbert/cmm/packed_fff.hpp"
#include "ultrafastbert/cmm/tie_rule.hpp"
#include "ultrafastbert/cmm/tree.hpp"
#include "ultrafastbert/core/aligned_buffer.hpp"
#include "ultrafastbert/core/matrix_view.hpp"
#include "ultrafastbert/core/storage.hpp"
#include "ultrafastbert/core/workspace.hpp"
#include "ultrafastbert/kernels/fff_dispatch.hpp"
#include "ultrafastbert/kernels/isa.hpp"
#include "ultrafastbert/products/packed_matrix.hpp"

namespace ultrafastbert {

/// FFF weights as two dense matrices in float. Same members as `packed_fff`. Weights have to be finite: those of nodes
/// that a token does not visit are multiplied by zero.
/// Filled once, then immutable; `multiply` is const and safe from any number of threads.
class dense_fff {
 public:
  /// All weights zero. Throws: unsupported (the processor lacks the level asked for), overflow, std::bad_alloc.
  dense_fff(const packed_fff_shape& shape, bool with_bias)
      : shape_(shape),
        in_({shape_.nodes(), shape.input_width}, shape.isa),
        out_({shape.output_width, shape_.nodes()}, shape.isa),
        bias_(with_bias ? shape_.nodes() : 0) {}

  /// Whether a shape is this engine's, whatever the batch. Of a shallow tree a token visits so many nodes that walking
  /// pays for few batches or none; too few nodes would not fill a panel of the packed product, and narrow storage is
  /// for the other engines.
  [[nodiscard]] static constexpr bool wins(const packed_fff_shape& shape) noexcept {
    constexpr std::size_t deepest = 2;
    constexpr std::size_t fewest_nodes = 32;
    return shape.depth <= deepest && shape.nodes() >= fewest_nodes && shape.storage_in == weight_storage::float32 &&
           shape.storage_out == weight_storage::float32;
  }

  [[nodiscard]] isa_level isa() const noexcept { return in_.isa(); }  ///< level of the kernels that run
  /// Memory held. Units: bytes.
  [[nodiscard]] std::size_t bytes() const noexcept { return in_.bytes() + out_.bytes() + bias_.size() * sizeof(float); }

  /// Packs a row of the first matrix. Shapes: row: (input_width).
  void store_in(std::size_t node, const float* row) noexcept { in_.store_row(node, row); }
  /// Packs a row of the second matrix (a column of the checkpoint's). Shapes: row: (output_width).
  void store_out(std::size_t node, const float* row) noexcept { out_.store_column(node, row); }
  /// Sets a node's bias. Pre: built with_bias.
  void store_bias(std::size_t node, float bias) noexcept { bias_[node] = bias; }
  /// None is kept as it was given: an empty view.
  [[nodiscard]] static matrix_view<float> float_out() noexcept { return {}; }

  /// y = the sum over trees and levels, as `conditional_matrix_multiply` defines it.
  /// Shapes: x: (tokens, input_width); y: (tokens, output_width), overwritten; paths: (tokens, trees * levels) or
  /// empty. Pre: the sizes agree; y overlaps nothing else. Throws: std::bad_alloc while scratch grows.
  template <tie_rule TieRule>
  void multiply(const matrix_view<const float>& x, const matrix_view<float>& y, workspace& scratch,
                const matrix_view<std::int32_t>& paths, fff_engine /*engine*/) const {
    constexpr std::size_t most_tokens = 192;  // bounds the scratch memory
    workspace::frame frame(scratch);
    const auto memory = frame.take_matrix<float>(std::min(x.rows(), most_tokens), shape_.nodes());
    for (std::size_t first = 0; first < x.rows(); first += most_tokens) {
      const std::size_t tokens = std::min(most_tokens, x.rows() - first);
      const auto logits = memory.rows_from(0, tokens);
      in_.multiply(x.rows_from(first, tokens), logits, scratch, {.bias = bias_.span()});
      for (std::size_t t = 0; t < tokens; ++t) {
        keep_path<TieRule>(logits.row(t), paths.empty() ? nullptr : paths.row(first + t));
        cmm::activate_all(shape_.activation, kernels::gelu_of(isa()), logits.row_span(t));
      }
      out_.multiply(logits, y.rows_from(first, tokens), scratch);
    }
  }

 private:
  // Walks every tree of a token, and sets the logits of the nodes that it does not visit to zero, of which every
  // activation is zero. Shapes: logits: (nodes); path: (trees * levels) or null.
  template <class TieRule>
  void keep_path(float* logits, std::int32_t* path) const noexcept {
    if (shape_.depth == 0 && path == nullptr) return;
    for (std::size_t p = 0; p < shape_.parallel_size; ++p, logits += tree::node_count(shape_.depth)) {
      std::size_t node = 0;
      for (std::size_t level = 0; level <= shape_.depth; ++level) {
        if (path != nullptr) *path++ = static_cast<std::int32_t>(node);
        const std::size_t first = tree::first_of_level(level);
        for (std::size_t n = first; n <= 2 * first; ++n) logits[n] = n == node ? logits[n] : 0.0F;
        node = tree::child(node, TieRule::right(logits[node]));
      }
    }
  }

  packed_fff_shape shape_;
  packed_matrix in_;
  packed_matrix out_;
  aligned_buffer<float> bias_;  // (nodes) or empty
};

}  // namespace ultrafastbert
