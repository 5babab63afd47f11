// SPDX-License-Identifier: MIT
//
// The metrics of GLUE: accuracy, F1 and Matthews correlation of classes, Pearson and Spearman correlation of scores.
// Where a metric is 0 / 0, those of classes are 0, as in scikit-learn, and correlations are NaN.
// Source: Wang et al., arXiv 1804.07461, table 1.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>
#include <span>
#include <vector>

namespace examples {

/// How often two classes were told apart, where class 1 is the positive one.
struct confusion {
  double true_positive = 0;
  double false_positive = 0;
  double false_negative = 0;
  double true_negative = 0;
};

/// Counts predictions of class 1. Shapes: gold, predicted: (n).
inline confusion count_confusion(std::span<const std::size_t> gold, std::span<const std::size_t> predicted) {
  confusion out;
  for (std::size_t i = 0; i < gold.size(); ++i) {
    const bool is = gold[i] == 1;
    const bool said = predicted[i] == 1;
    (said ? (is ? out.true_positive : out.false_positive) : (is ? out.false_negative : out.true_negative)) += 1;
  }
  return out;
}

/// The share of equal classes. Shapes: gold, predicted: (n).
inline double accuracy(std::span<const std::size_t> gold, std::span<const std::size_t> predicted) {
  std::size_t right = 0;
  for (std::size_t i = 0; i < gold.size(); ++i) right += std::size_t{gold[i] == predicted[i]};
  return gold.empty() ? 0.0 : static_cast<double>(right) / static_cast<double>(gold.size());
}

/// The harmonic mean of precision and recall of class 1.
inline double f1_score(const confusion& counts) {
  const double said_or_is = 2 * counts.true_positive + counts.false_positive + counts.false_negative;
  return said_or_is == 0 ? 0.0 : 2 * counts.true_positive / said_or_is;
}

/// The correlation of two classes, from -1 to 1.
inline double matthews_correlation(const confusion& counts) {
  const double product =
      (counts.true_positive + counts.false_positive) * (counts.true_positive + counts.false_negative) *
      (counts.true_negative + counts.false_positive) * (counts.true_negative + counts.false_negative);
  if (product == 0) return 0.0;
  return (counts.true_positive * counts.true_negative - counts.false_positive * counts.false_negative) /
         std::sqrt(product);
}

/// The linear correlation, from -1 to 1. Shapes: a, b: (n).
inline double pearson_correlation(std::span<const double> a, std::span<const double> b) {
  const auto n = static_cast<double>(a.size());
  const double mean_a = std::accumulate(a.begin(), a.end(), 0.0) / n;
  const double mean_b = std::accumulate(b.begin(), b.end(), 0.0) / n;
  double both = 0;
  double square_a = 0;
  double square_b = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    both += (a[i] - mean_a) * (b[i] - mean_b);
    square_a += (a[i] - mean_a) * (a[i] - mean_a);
    square_b += (b[i] - mean_b) * (b[i] - mean_b);
  }
  if (square_a == 0 || square_b == 0) return std::numeric_limits<double>::quiet_NaN();
  return both / (std::sqrt(square_a) * std::sqrt(square_b));
}

/// The rank of each value from 1 on; equal values share the mean of their ranks.
inline std::vector<double> ranks_of(std::span<const double> values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t i, std::size_t j) { return values[i] < values[j]; });
  std::vector<double> ranks(values.size());
  for (std::size_t begin = 0; begin < order.size();) {
    std::size_t end = begin + 1;
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    for (std::size_t i = begin; i < end; ++i) ranks[order[i]] = static_cast<double>(begin + end + 1) / 2;
    begin = end;
  }
  return ranks;
}

/// The correlation of ranks, from -1 to 1. Shapes: a, b: (n), without NaN.
inline double spearman_correlation(std::span<const double> a, std::span<const double> b) {
  const std::vector<double> ranks_a = ranks_of(a);
  return pearson_correlation(ranks_a, ranks_of(b));
}

}  // namespace examples
