// SPDX-License-Identifier: MIT
//
// Tokens on paths that are given, not chosen, over packed weights: the logits of the nodes on them in the bits that the
// engines would give, and the outputs. An engine's own paths give its own outputs.
// Layer: cmm.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "ultrafastbert/cmm/emission.hpp"
#include "ultrafastbert/cmm/packed_tree.hpp"
#include "ultrafastbert/cmm/paths.hpp"
#include "ultrafastbert/cmm/routing.hpp"
#include "ultrafastbert/cmm/walk.hpp"
#include "ultrafastbert/core/matrix_view.hpp"
#include "ultrafastbert/core/workspace.hpp"

namespace ultrafastbert::cmm {

/// The logits of the nodes on the given paths of tree p, which go to `to` and what `along` wants of them.
/// Shapes: x: (tokens, input_width), the rows of `along` from `first` on; to.logits: (tokens, stride).
inline void follow_tree(const routing_weights& w, std::size_t p, const matrix_view<const float>& x, std::size_t first,
                        const followed_paths<float>& along, const routes& to) noexcept {
  const std::size_t first_row = p * tree::node_count(w.depth);
  const std::size_t levels = tree::levels(w.depth);
  std::size_t looks = 0;
  routing_weights counting = w;
  counting.exact.looks = &looks;
  for (std::size_t t = 0; t < x.rows(); ++t) {
    for (std::size_t level = 0; level < levels; ++level) {
      const std::size_t column = p * levels + level;
      const auto position = static_cast<std::size_t>(along.paths(first + t, column)) - tree::first_of_level(level);
      const std::size_t row = first_row + blocked_order::row(level, position, w.depth);
      float dot = 0;
      w.kernels.pair(w.row(row), x.row(t), w.width, &dot, {});
      looks = 0;
      const float logit = counting.logit(row, dot, to.token(x, t));
      to.logits[t * to.stride + level] = logit;
      if (!along.margins.empty()) {
        along.margins(first + t, column) = w.threshold == nullptr ? logit : logit - w.threshold[row];
      }
      if (!along.second_looks.empty()) along.second_looks(first + t, column) = static_cast<std::uint8_t>(looks);
      if (level == w.depth) to.position[t] = static_cast<std::uint32_t>(position);
    }
  }
}

/// Sends tokens along given paths, a tile at a time. Shapes: x: (tokens, input_width). Pre: the paths are some.
/// Throws: std::bad_alloc while the workspace grows.
inline void run_along(const engine_call& call, const matrix_view<const float>& x, const followed_paths<float>& along) {
  const std::size_t depth = call.in.depth;
  const std::size_t stride = logit_stride(depth);
  workspace::frame frame(call.scratch);
  const std::size_t most = (std::min)(x.rows(), tokens_per_tile);
  routes all{.logits = frame.take<float>(most * stride), .stride = stride, .position = frame.take<std::uint32_t>(most)};
  const auto norms = frame.take<float>(call.in.error != nullptr ? most : 0);
  std::fill(all.logits.begin(), all.logits.end(), 0.0F);
  for (std::size_t first = 0; first < x.rows(); first += tokens_per_tile) {
    const std::size_t tokens = (std::min)(tokens_per_tile, x.rows() - first);
    const auto inputs = x.rows_from(first, tokens);
    const auto logits = all.logits.first(tokens * stride);
    const auto leaves = all.position.first(tokens);
    all.norm = norms_of(call.in, inputs, norms);
    for (std::size_t p = 0; p < call.parallel_size; ++p) {
      const std::size_t first_row = p * tree::node_count(depth);
      follow_tree(call.in, p, inputs, first, along, all);
      if (along.y.empty()) continue;
      call.activate(logits.size(), logits.data());
      scale_coefficients(call.out, first_row, leaves, stride, logits);
      emit_each(call.out, first_row, {.coefficients = logits, .stride = stride, .leaf = leaves, .add = p > 0},
                along.y.rows_from(first, tokens));
    }
  }
}

}  // namespace ultrafastbert::cmm
