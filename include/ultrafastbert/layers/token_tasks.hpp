// SPDX-License-Identifier: MIT
//
// Into how many parts a batch of tokens is cut where a layer spreads them over threads.
// Layer: layers.
#pragma once

#include <algorithm>
#include <cstddef>

namespace ultrafastbert::layers {

/// Parts that are worth a thread, at least one: waking one that sleeps takes as long as half a million products or so.
/// Small batches are cut finer, so that the caller works while the others wake; large parts share more of the weights.
/// `products`: of one token. Pre: products > 0.
[[nodiscard]] constexpr std::size_t token_tasks(std::size_t tokens, std::size_t products,
                                                std::size_t threads) noexcept {
  if (threads < 2) return 1;
  constexpr std::size_t products_per_task = std::size_t{1} << 19U;
  const std::size_t worth = tokens / (1 + products_per_task / products);
  const std::size_t tasks = worth >= 16 * threads ? threads : (std::min)(worth, 4 * threads);
  return (std::max<std::size_t>)(tasks, 1);
}

}  // namespace ultrafastbert::layers
