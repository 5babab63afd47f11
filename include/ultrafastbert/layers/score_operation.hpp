// SPDX-License-Identifier: MIT
//
// What crammed BERT's training code offers in place of softmax: operations that make weights of the values from the
// scaled scores of a whole sequence. They look at all keys and know no mask.
// Source: the sequence operations of crammed BERT's attention.
// Layer: layers.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "ultrafastbert/core/matrix_view.hpp"

namespace ultrafastbert {

/// How scores become weights. S: the length of the sequence.
enum class score_operation : std::uint8_t {
  softmax,     ///< softmax over the keys, the only operation that obeys masks
  identity,    ///< score / sqrt(S); masks have no effect
  cumsum,      ///< sum of the scores up to the key / sqrt(S); masks have no effect
  cumsumexp,   ///< logarithm of the sum of the exponentials up to the key / sqrt(S); masks have no effect
  layer_norm,  ///< the scores of all heads, queries and keys normalized together, times a factor per head, plus another
};

/// The name that configurations give to an operation.
[[nodiscard]] constexpr std::string_view name(score_operation operation) noexcept {
  switch (operation) {
    case score_operation::softmax: return "torch-softmax";
    case score_operation::identity: return "none";
    case score_operation::cumsum: return "cumsum";
    case score_operation::cumsumexp: return "cumsumexp";
    case score_operation::layer_norm: return "torch-norm";
  }
  return "unknown";
}

namespace layers {

/// Replaces each score by the logarithm of the sum of the exponentials up to it. Shapes: row: (keys).
template <class Scalar>
void accumulate_exponentials(std::span<Scalar> row) noexcept {
  if (row.empty()) return;
  auto sum = static_cast<double>(row.front());
  for (std::size_t k = 1; k < row.size(); ++k) {
    const auto score = static_cast<double>(row[k]);
    const double larger = score > sum ? score : sum;
    const double smaller = score > sum ? sum : score;
    sum = larger == smaller ? larger + std::log(2.0) : larger + std::log1p(std::exp(smaller - larger));
    row[k] = static_cast<Scalar>(sum);
  }
}

/// Factor and summand of each head, as checkpoints store them.
template <class Scalar>
struct head_scales {
  std::span<const Scalar> gamma{};  ///< (heads)
  std::span<const Scalar> beta{};   ///< (heads)
};

/// Normalizes the scores of a sequence. The squares of floats are exact in double, and a product and a sum are fused on
/// purpose or not at all, so that compilers cannot change the bits of float.
/// Shapes: scores: (heads * queries, keys).
template <class Scalar>
void normalize_scores(const matrix_view<Scalar>& scores, const head_scales<Scalar>& scales) noexcept {
  constexpr double epsilon = 1e-5;
  double sum = 0;
  double squares = 0;
  for (std::size_t r = 0; r < scores.rows(); ++r) {
    for (const Scalar score : scores.row_span(r)) {
      sum += static_cast<double>(score);
      squares = std::fma(static_cast<double>(score), static_cast<double>(score), squares);
    }
  }
  const auto count = static_cast<double>(scores.rows() * scores.cols());
  const double mean = sum / count;
  const double variance = (std::max)(std::fma(-mean, sum, squares) / count, 0.0);
  const double scale = 1.0 / std::sqrt(variance + epsilon);
  const std::size_t queries = scores.rows() / scales.gamma.size();
  for (std::size_t r = 0; r < scores.rows(); ++r) {
    const double gamma = static_cast<double>(scales.gamma[r / queries]) * scale;
    const auto beta = static_cast<double>(scales.beta[r / queries]);
    for (Scalar& score : scores.row_span(r)) {
      score = static_cast<Scalar>(std::fma(static_cast<double>(score) - mean, gamma, beta));
    }
  }
}

/// Replaces the scaled scores of all heads of a sequence by weights. Shapes: scores: (heads * queries, keys); scales:
/// of each head for `layer_norm`, else not read. Pre: `operation` is not softmax.
template <class Scalar>
void weigh_scores(score_operation operation, const matrix_view<Scalar>& scores,
                  const head_scales<Scalar>& scales) noexcept {
  if (operation == score_operation::layer_norm) return normalize_scores(scores, scales);
  const Scalar factor = Scalar{1} / std::sqrt(static_cast<Scalar>(scores.cols()));
  for (std::size_t r = 0; r < scores.rows(); ++r) {
    const std::span<Scalar> row = scores.row_span(r);
    if (operation == score_operation::cumsum) {
      for (std::size_t k = 1; k < row.size(); ++k) row[k] += row[k - 1];
    } else if (operation == score_operation::cumsumexp) {
      accumulate_exponentials(row);
    }
    for (Scalar& score : row) score *= factor;
  }
}

}  // namespace layers

}  // namespace ultrafastbert
