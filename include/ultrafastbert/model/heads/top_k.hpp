// SPDX-License-Identifier: MIT
//
// The largest logits of a row and their probabilities.
// Layer: model.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>
#include <span>
#include <type_traits>
#include <vector>

#include "ultrafastbert/kernels/dispatch.hpp"
#include "ultrafastbert/kernels/isa.hpp"

namespace ultrafastbert {

/// One entry of a row of logits.
struct scored_index {
  std::size_t index = 0;  ///< column
  double logit = 0.0;
  double probability = 0.0;  ///< softmax over the whole row
};

namespace models {

/// Whether logit a of a row comes before logit b: by falling value, NaN last, then by rising index.
template <class Scalar>
[[nodiscard]] bool ranks_before(std::span<const Scalar> logits, std::size_t a, std::size_t b) noexcept {
  const bool a_is_number = !std::isnan(logits[a]);
  const bool b_is_number = !std::isnan(logits[b]);
  if (a_is_number != b_is_number) return a_is_number;
  if (a_is_number && logits[a] != logits[b]) return logits[a] > logits[b];
  return a < b;
}

/// The most that `best_by_scan` is for: its work grows with k for every logit that is among the best so far.
inline constexpr std::size_t most_by_scan = 64;

/// The indices of the `k` largest logits, the best first, by one pass that keeps the best so far in order.
template <class Scalar>
[[nodiscard]] std::vector<std::size_t> best_by_scan(std::span<const Scalar> logits, std::size_t k) {
  std::vector<std::size_t> best;
  best.reserve(k + 1);
  Scalar least = -std::numeric_limits<Scalar>::infinity();  // of the k best so far
  const auto take = [&](std::size_t i) {
    if (std::isnan(logits[i]) || (best.size() == k && !(logits[i] > least))) return;
    const auto place = std::upper_bound(best.begin(), best.end(), i,
                                        [logits](std::size_t a, std::size_t b) { return ranks_before(logits, a, b); });
    best.insert(place, i);
    if (best.size() > k) best.pop_back();
    if (best.size() == k) least = logits[best.back()];
  };
  std::size_t i = 0;
  while (i < logits.size() && best.size() < k) take(i++);
  // Then hardly any: whole blocks are passed over by comparisons that compilers turn into vectors.
  constexpr std::size_t block = 32;
  for (; i + block <= logits.size(); i += block) {
    int larger = 0;
    for (std::size_t j = 0; j < block; ++j) larger |= logits[i + j] > least ? 1 : 0;
    if (larger == 0) continue;
    for (std::size_t j = 0; j < block; ++j) take(i + j);
  }
  for (; i < logits.size(); ++i) take(i);
  for (i = 0; best.size() < k; ++i) {
    if (std::isnan(logits[i])) best.push_back(i);
  }
  return best;
}

/// The same for any k, by sorting what belongs to the best.
template <class Scalar>
[[nodiscard]] std::vector<std::size_t> best_by_sort(std::span<const Scalar> logits, std::size_t k) {
  const auto before = [logits](std::size_t a, std::size_t b) { return ranks_before(logits, a, b); };
  std::vector<std::size_t> order(logits.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto last = order.begin() + static_cast<std::ptrdiff_t>(k);
  std::nth_element(order.begin(), last - 1, order.end(), before);
  std::sort(order.begin(), last, before);
  order.resize(k);
  return order;
}

/// The sum of exp(logit - largest). Float logits go through the vectorized exp, whose relative error is that of float.
template <class Scalar>
[[nodiscard]] double sum_of_exponentials(std::span<const Scalar> logits, Scalar largest, isa_level isa) noexcept {
  double sum = 0;
  if constexpr (std::is_same_v<Scalar, float>) {
    const auto exp = kernels::rows_of(resolve(isa)).exp;
    constexpr std::size_t lanes = 16;
    std::array<float, 512> block;
    for (std::size_t first = 0; first < logits.size(); first += block.size()) {
      const std::size_t count = (std::min)(block.size(), logits.size() - first);
      for (std::size_t i = 0; i < count; ++i) block[i] = logits[first + i] - largest;
      exp(count, block.data());
      const std::size_t whole = (count + lanes - 1) / lanes * lanes;
      std::fill(block.begin() + count, block.begin() + whole, 0.0F);
      std::array<float, lanes> part{};  // chains that compilers turn into vectors
      for (std::size_t i = 0; i < whole; i += lanes) {
        for (std::size_t lane = 0; lane < lanes; ++lane) part[lane] += block[i + lane];
      }
      for (const float chain : part) sum += static_cast<double>(chain);
    }
  } else {
    for (const Scalar logit : logits) sum += std::exp(static_cast<double>(logit) - static_cast<double>(largest));
  }
  return sum;
}

}  // namespace models

/// The `k` largest logits in falling order; equal ones by rising index; NaN is smaller than everything. `isa` is the
/// level of the kernels that sum up float probabilities, which are off by at most 1e-6 of themselves.
/// Shapes: logits: (n); result: (min(k, n)). Throws: unsupported (the processor lacks the level), std::bad_alloc.
/// Complexity: n + k log k.
template <class Scalar>
[[nodiscard]] std::vector<scored_index> top_k(std::span<const Scalar> logits, std::size_t k,
                                              isa_level isa = isa_level::automatic) {
  k = (std::min)(k, logits.size());
  if (k == 0) return {};
  const auto order = k <= models::most_by_scan ? models::best_by_scan(logits, k) : models::best_by_sort(logits, k);
  const double largest = static_cast<double>(logits[order.front()]);
  const double sum = models::sum_of_exponentials(logits, logits[order.front()], isa);
  std::vector<scored_index> best(k);
  for (std::size_t i = 0; i < k; ++i) {
    const auto logit = static_cast<double>(logits[order[i]]);
    best[i] = {.index = order[i], .logit = logit, .probability = std::exp(logit - largest) / sum};
  }
  return best;
}

}  // namespace ultrafastbert
