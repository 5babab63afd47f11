// SPDX-License-Identifier: MIT
//
// The largest logits of a row and their probabilities.
// Layer: model.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <span>
#include <vector>

namespace ultrafastbert {

/// One entry of a row of logits.
struct scored_index {
  std::size_t index = 0;  ///< column
  double logit = 0.0;
  double probability = 0.0;  ///< softmax over the whole row
};

/// The `k` largest logits in falling order; equal ones by rising index; NaN is smaller than everything.
/// Shapes: logits: (n); result: (min(k, n)). Throws: std::bad_alloc. Complexity: n + k log k.
template <class Scalar>
[[nodiscard]] std::vector<scored_index> top_k(std::span<const Scalar> logits, std::size_t k) {
  k = (std::min)(k, logits.size());
  if (k == 0) return {};
  const auto before = [logits](std::size_t a, std::size_t b) {
    const bool a_is_number = !std::isnan(logits[a]);
    const bool b_is_number = !std::isnan(logits[b]);
    if (a_is_number != b_is_number) return a_is_number;
    if (a_is_number && logits[a] != logits[b]) return logits[a] > logits[b];
    return a < b;
  };
  std::vector<std::size_t> order(logits.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto last = order.begin() + static_cast<std::ptrdiff_t>(k);
  std::nth_element(order.begin(), last - 1, order.end(), before);
  std::sort(order.begin(), last, before);

  const double largest = static_cast<double>(logits[order.front()]);
  const double sum = std::accumulate(logits.begin(), logits.end(), 0.0, [largest](double total, Scalar logit) {
    return total + std::exp(static_cast<double>(logit) - largest);
  });
  std::vector<scored_index> best(k);
  for (std::size_t i = 0; i < k; ++i) {
    const auto logit = static_cast<double>(logits[order[i]]);
    best[i] = {.index = order[i], .logit = logit, .probability = std::exp(logit - largest) / sum};
  }
  return best;
}

}  // namespace ultrafastbert
