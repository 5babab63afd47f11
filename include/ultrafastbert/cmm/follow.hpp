// SPDX-License-Identifier: MIT
//
// Tokens on paths that are given, not chosen, over packed weights: the logits of the nodes on them in the bits that the
// engines would give, and the outputs. An engine's own paths give its own outputs.
// Layer: cmm.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ultrafastbert/cmm/packed_tree.hpp"
#include "ultrafastbert/cmm/paths.hpp"
#include "ultrafastbert/cmm/routing.hpp"
#include "ultrafastbert/cmm/walk.hpp"
#include "ultrafastbert/core/matrix_view.hpp"

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

/// Sends tokens along given paths. Shapes: x: (tokens, input_width). Pre: the paths are some.
/// Throws: std::bad_alloc while the workspace grows.
inline void run_along(const engine_call& call, const matrix_view<const float>& x, const followed_paths<float>& along) {
  run_tiles(call, x, along.y,
            [&](std::size_t p, std::size_t first, const matrix_view<const float>& inputs, const routes& to) {
              follow_tree(call.in, p, inputs, first, along, to);
            });
}

}  // namespace ultrafastbert::cmm
