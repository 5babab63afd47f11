// SPDX-License-Identifier: MIT
//
// Plain references of every layer, in double, each value with a bound on the rounding error that the same arithmetic
// has in a coarser type and in any order of summation. Tolerances of tests are these bounds: they follow from norms and
// lengths. Written from the format's description, without the library's arithmetic.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "support/noted_source.hpp"
#include "ultrafastbert/core/matrix_view.hpp"
#include "ultrafastbert/kernels/activation.hpp"

namespace ufb_test::reference {

/// A number, and how far a computation with rounding may be from it.
struct estimate {
  double value = 0;
  double error = 0;
};

/// A row-major matrix.
template <class T>
struct grid {
  grid() = default;
  grid(std::size_t row_count, std::size_t col_count) : rows(row_count), cols(col_count), cells(row_count * col_count) {}

  std::size_t rows = 0;
  std::size_t cols = 0;
  std::vector<T> cells{};

  T& operator()(std::size_t r, std::size_t c) { return cells.at(r * cols + c); }
  const T& operator()(std::size_t r, std::size_t c) const { return cells.at(r * cols + c); }
};

using exact = grid<double>;    ///< weights: numbers that every scalar type holds
using table = grid<estimate>;  ///< computed numbers

template <class Scalar>
[[nodiscard]] exact exact_of(const ultrafastbert::matrix_view<Scalar>& view) {
  exact out(view.rows(), view.cols());
  for (std::size_t r = 0; r < out.rows; ++r) {
    for (std::size_t c = 0; c < out.cols; ++c) out(r, c) = static_cast<double>(view(r, c));
  }
  return out;
}

[[nodiscard]] inline exact exact_of(const noted_source::entry& tensor) {
  exact out(tensor.shape.size() == 2 ? tensor.shape[0] : 1, tensor.shape.empty() ? 1 : tensor.shape.back());
  std::copy(tensor.values.begin(), tensor.values.end(), out.cells.begin());
  return out;
}

[[nodiscard]] inline table table_of(const exact& numbers) {
  table out(numbers.rows, numbers.cols);
  for (std::size_t i = 0; i < out.cells.size(); ++i) out.cells[i].value = numbers.cells[i];
  return out;
}

/// Largest |got - expected| / error; at most 1 is right. NaN or a wrong shape gives infinity.
template <class Scalar>
[[nodiscard]] double worst_ratio(const ultrafastbert::matrix_view<Scalar>& got, const table& expected) {
  if (got.rows() != expected.rows || got.cols() != expected.cols) return HUGE_VAL;
  double worst = 0;
  for (std::size_t r = 0; r < got.rows(); ++r) {
    for (std::size_t c = 0; c < got.cols(); ++c) {
      const double difference = std::abs(static_cast<double>(got(r, c)) - expected(r, c).value);
      if (difference == 0) continue;
      const double ratio = difference / expected(r, c).error;
      worst = std::isnan(ratio) ? HUGE_VAL : std::max(worst, ratio);
    }
  }
  return worst;
}

/// Largest error of a table: says how sharp a comparison with it is.
[[nodiscard]] inline double largest_error(const table& values) {
  double largest = 0;
  for (const estimate& cell : values.cells) largest = std::isnan(cell.error) ? HUGE_VAL : std::max(largest, cell.error);
  return largest;
}

/// An FFF layer's weights, a node per row.
struct fff_weights {
  exact linear_in{};
  std::vector<double> bias_in{};  ///< empty: none
  exact linear_out{};
  std::size_t depth = 0;
  std::size_t parallel_size = 1;
  ultrafastbert::activation_kind activation = ultrafastbert::activation_kind::gelu;
  bool zero_goes_right = false;
};

/// An FFF layer's result along the paths that somebody took, and whether those paths are right.
struct fff_result {
  table y{};
  grid<std::int32_t> path{};    ///< (tokens, parallel_size * levels)
  std::size_t wrong_turns = 0;  ///< steps that are no child, or against a logit farther from 0 than its error
  std::size_t contested = 0;    ///< steps at a logit closer to 0 than its error
};

/// The layers in an arithmetic with a given rounding unit.
class arithmetic {
 public:
  /// The bounds of Scalar's arithmetic. They count a unit of 2^-digits twice, which leaves room for the rounding of the
  /// reference itself.
  template <class Scalar>
  [[nodiscard]] static arithmetic of() {
    return arithmetic(static_cast<double>(std::numeric_limits<Scalar>::epsilon()));
  }

  /// No rounding: for numbers, such as small integers, whose sums and products every type holds.
  [[nodiscard]] static arithmetic without_rounding() { return arithmetic(0); }

  [[nodiscard]] estimate sum(const estimate& a, const estimate& b) const {
    const double value = a.value + b.value;
    return {value, (a.error + b.error) * (1 + epsilon_) + epsilon_ * std::abs(value)};
  }

  /// Sum of a bias and count products in any order: sums that begin with the bias round at its size each time.
  template <class A, class B>
  [[nodiscard]] estimate dot(std::size_t count, const A& a, const B& b, double bias = 0) const {
    estimate out{.value = bias};
    double size = std::abs(bias);
    for (std::size_t k = 0; k < count; ++k) {
      const estimate x = a(k);
      const estimate y = b(k);
      out.value += x.value * y.value;
      const double inherited = std::abs(x.value) * y.error + x.error * std::abs(y.value) + x.error * y.error;
      out.error += inherited;
      size += std::abs(x.value * y.value) + inherited;
    }
    out.error += static_cast<double>(count + 1) * epsilon_ * size + tiny_;
    return out;
  }

  /// No activation is steeper than 1.13; the error functions lose a few units of their argument, and the kernels of
  /// both GELUs a unit of 1 where that is more, as kernels/tables.hpp says.
  [[nodiscard]] estimate activate(ultrafastbert::activation_kind kind, const estimate& x) const {
    using ultrafastbert::activation_kind;
    const double z = x.value;
    const double rounding = 1.13 * x.error + 4 * epsilon_ * std::abs(z) + tiny_;
    switch (kind) {
      case activation_kind::gelu: return {0.5 * z * std::erfc(-z / std::sqrt(2.0)), rounding + 1.3 * epsilon_};
      case activation_kind::silu:
        return {z >= 0 ? z / (1 + std::exp(-z)) : z * std::exp(z) / (1 + std::exp(z)), rounding};
      case activation_kind::gelu_tanh: return {ultrafastbert::kernels::gelu_tanh{}(z), rounding + 1.3 * epsilon_};
      case activation_kind::tanh: return {std::tanh(z), rounding};
      case activation_kind::identity: return x;
      case activation_kind::relu_squared:
        return {z > 0 ? z * z : 0, (2 * std::abs(z) + x.error) * x.error + epsilon_ * z * z + tiny_};
      case activation_kind::relu: break;
    }
    return {z > 0 ? z : 0, x.error};
  }

  [[nodiscard]] table add(const table& a, const table& b) const {
    table out = a;
    for (std::size_t i = 0; i < out.cells.size(); ++i) out.cells[i] = sum(a.cells[i], b.cells.at(i));
    return out;
  }

  /// y = x W^T + b. Shapes: weight: (output, input); bias: (output) or empty.
  [[nodiscard]] table linear(const table& x, const exact& weight, const std::vector<double>& bias = {}) const {
    table y(x.rows, weight.rows);
    for (std::size_t t = 0; t < y.rows; ++t) {
      for (std::size_t j = 0; j < y.cols; ++j) {
        y(t, j) = dot(
            weight.cols, [&](std::size_t k) { return x(t, k); }, [&](std::size_t k) { return estimate{weight(j, k)}; },
            bias.empty() ? 0 : bias.at(j));
      }
    }
    return y;
  }

  /// dense_out(act(dense_in(x))).
  [[nodiscard]] table feedforward(const table& x, const exact& dense_in, const exact& dense_out,
                                  ultrafastbert::activation_kind kind) const {
    table hidden = linear(x, dense_in);
    for (estimate& cell : hidden.cells) cell = activate(kind, cell);
    return linear(hidden, dense_out);
  }

  /// (x - mean) / sqrt(var + epsilon) * weight + bias, biased variance.
  [[nodiscard]] table layer_norm(const table& x, const exact& weight, const exact& bias, double norm_epsilon) const {
    table y(x.rows, x.cols);
    const auto n = static_cast<double>(x.cols);
    for (std::size_t t = 0; t < x.rows; ++t) {
      estimate mean;
      double size = 0;
      for (std::size_t k = 0; k < x.cols; ++k) {
        mean.value += x(t, k).value / n;
        mean.error += x(t, k).error / n;
        size += std::abs(x(t, k).value) / n;
      }
      mean.error += (n + 2) * epsilon_ * size;
      std::vector<estimate> centerd(x.cols);
      estimate variance;
      for (std::size_t k = 0; k < x.cols; ++k) {
        centerd[k] = sum(x(t, k), {-mean.value, mean.error});
        const double d = std::abs(centerd[k].value);
        variance.value += d * d / n;
        variance.error += (2 * d + centerd[k].error) * centerd[k].error / n;
      }
      variance.error += (n + 4) * epsilon_ * (variance.value + variance.error);
      const double scale = 1 / std::sqrt(variance.value + norm_epsilon);
      const double most = 1 / std::sqrt(std::max(variance.value - variance.error, 0.0) + norm_epsilon);
      for (std::size_t k = 0; k < x.cols; ++k) {
        const double product = std::abs(centerd[k].value) * scale;
        const double error = (std::abs(centerd[k].value) + centerd[k].error) * most - product + 6 * epsilon_ * product;
        const double w = weight.cells.at(k);
        y(t, k) = sum({centerd[k].value * scale * w, error * std::abs(w)}, {bias.cells.at(k)});
      }
    }
    return y;
  }

  /// exp(x) / sum(exp(x)) over a row.
  void softmax(std::vector<estimate>& row) const {
    double largest = -HUGE_VAL;
    for (const estimate& cell : row) largest = std::max(largest, cell.value);
    double total = 0;
    double lost = 0;
    for (estimate& cell : row) {
      const double exponent = cell.value - largest;
      const double relative = std::expm1(cell.error + epsilon_ * std::abs(exponent)) + 4 * epsilon_;
      cell = {std::exp(exponent), relative};
      total += cell.value;
      lost += cell.value * relative;
    }
    const double total_relative = lost / total + static_cast<double>(row.size() + 2) * epsilon_;
    for (estimate& cell : row) {
      const double p = cell.value / total;
      cell = {p, total_relative < 0.5 ? p * (cell.error + total_relative) / (1 - total_relative) + tiny_ : 1};
    }
  }

  /// Self-attention within the sequences [offsets[i], offsets[i + 1]). Rows of `projection`: per head queries, keys,
  /// values. dense: empty for none. mask: (sequences, at least the longest), or with a row for each token, or empty; a
  /// masked key's score is lowered by 10000 (1 - m).
  [[nodiscard]] table attention(const table& x, const exact& projection, const exact& dense, std::size_t heads,
                                double norm_factor, const std::vector<std::size_t>& offsets, const exact& mask = {},
                                const std::vector<double>& projection_bias = {},
                                const std::vector<double>& dense_bias = {}) const {
    const std::size_t w = x.cols / heads;
    const bool mask_per_token = mask.rows == x.rows && mask.rows + 1 != offsets.size();
    const table qkv = linear(x, projection, projection_bias);
    table context(x.rows, x.cols);
    for (std::size_t i = 0; i + 1 < offsets.size(); ++i) {
      for (std::size_t query = offsets[i]; query < offsets[i + 1]; ++query) {
        for (std::size_t h = 0; h < heads; ++h) {
          std::vector<estimate> row;
          for (std::size_t key = offsets[i]; key < offsets[i + 1]; ++key) {
            estimate score = dot(
                w, [&](std::size_t k) { return qkv(query, 3 * h * w + k); },
                [&](std::size_t k) { return qkv(key, (3 * h + 1) * w + k); });
            score = {score.value * norm_factor, (score.error + 2 * epsilon_ * std::abs(score.value)) * norm_factor};
            if (!mask.cells.empty()) {
              const float bias =
                  (1.0F - static_cast<float>(mask(mask_per_token ? query : i, key - offsets[i]))) * -10000.0F;
              score = sum(score, {static_cast<double>(bias)});
            }
            row.push_back(score);
          }
          softmax(row);
          for (std::size_t k = 0; k < w; ++k) {
            context(query, h * w + k) = dot(
                row.size(), [&](std::size_t key) { return row[key]; },
                [&](std::size_t key) { return qkv(offsets[i] + key, (3 * h + 2) * w + k); });
          }
        }
      }
    }
    return dense.cells.empty() ? context : linear(context, dense, dense_bias);
  }

  /// An FFF layer. Follows `taken` (shape of `path`) where it is given, counting its wrong turns; else its own logits.
  [[nodiscard]] fff_result fff(const table& x, const fff_weights& weights, const grid<std::int32_t>& taken = {}) const {
    const std::size_t levels = weights.depth + 1;
    const std::size_t tree_size = (std::size_t{2} << weights.depth) - 1;
    fff_result out{.y = table(x.rows, weights.linear_out.cols),
                   .path = grid<std::int32_t>(x.rows, weights.parallel_size * levels)};
    for (std::size_t t = 0; t < x.rows; ++t) {
      std::vector<estimate> activated;
      std::vector<std::size_t> visited;
      for (std::size_t p = 0; p < weights.parallel_size; ++p) {
        std::size_t node = 0;
        if (!taken.cells.empty() && taken(t, p * levels) != 0) ++out.wrong_turns;
        for (std::size_t level = 0; level < levels; ++level) {
          const std::size_t row = p * tree_size + node;
          out.path(t, p * levels + level) = static_cast<std::int32_t>(node);
          const estimate logit = fff_logit(x, t, weights, row);
          activated.push_back(activate(weights.activation, logit));
          visited.push_back(row);
          if (level + 1 == levels) break;
          node = 2 * node + (logit.value > 0 || (weights.zero_goes_right && logit.value == 0) ? 2 : 1);
          const bool contested = std::abs(logit.value) < logit.error;
          if (contested) ++out.contested;
          if (taken.cells.empty()) continue;
          const auto next = static_cast<std::size_t>(taken(t, p * levels + level + 1));
          if (next == node) continue;
          const std::size_t sibling = node % 2 == 1 ? node + 1 : node - 1;
          if (contested && next == sibling) {
            node = next;
          } else {
            ++out.wrong_turns;
          }
        }
      }
      for (std::size_t k = 0; k < out.y.cols; ++k) {
        out.y(t, k) = dot(
            visited.size(), [&](std::size_t i) { return activated[i]; },
            [&](std::size_t i) { return estimate{weights.linear_out(visited[i], k)}; });
      }
    }
    return out;
  }

  /// Scaled sinusoidal positions as the training code has them: float32 step by step.
  [[nodiscard]] static exact positions(float scale, std::size_t length, std::size_t width) {
    exact out(length, width);
    const auto c = static_cast<float>(-std::log(10000.0) / static_cast<double>(width));
    for (std::size_t s = 0; s < length; ++s) {
      for (std::size_t j = 0; 2 * j < width; ++j) {
        const float exponent = static_cast<float>(2 * j) * c;
        const float angle = static_cast<float>(s) * std::exp(exponent);
        const float sine = std::sin(angle) * scale;
        const float cosine = std::cos(angle) * scale;
        out(s, 2 * j) = static_cast<double>(sine);
        out(s, 2 * j + 1) = static_cast<double>(cosine);
      }
    }
    return out;
  }

  /// norm(words[ids] + positions), positions counted within each sequence.
  [[nodiscard]] table embedding(const std::vector<std::int32_t>& ids, const std::vector<std::size_t>& offsets,
                                const exact& words, const exact& position_table, const exact& weight, const exact& bias,
                                double norm_epsilon) const {
    table x(ids.size(), words.cols);
    for (std::size_t i = 0; i + 1 < offsets.size(); ++i) {
      for (std::size_t t = offsets[i]; t < offsets[i + 1]; ++t) {
        for (std::size_t k = 0; k < words.cols; ++k) {
          x(t, k) = sum({words(static_cast<std::size_t>(ids[t]), k)}, {position_table(t - offsets[i], k)});
        }
      }
    }
    return layer_norm(x, weight, bias, norm_epsilon);
  }

 private:
  explicit arithmetic(double epsilon) : epsilon_(epsilon), tiny_(epsilon > 0 ? 1e-36 : 0) {}

  [[nodiscard]] estimate fff_logit(const table& x, std::size_t token, const fff_weights& weights,
                                   std::size_t row) const {
    return dot(
        x.cols, [&](std::size_t k) { return x(token, k); },
        [&](std::size_t k) { return estimate{weights.linear_in(row, k)}; },
        weights.bias_in.empty() ? 0 : weights.bias_in.at(row));
  }

  double epsilon_;
  double tiny_;  // what underflow may lose
};

/// An FFF layer's weights from the tensors that a checkpoint has below `prefix`.
[[nodiscard]] inline fff_weights fff_of(const noted_source& source, const std::string& prefix, std::size_t depth,
                                        std::size_t parallel_size, ultrafastbert::activation_kind activation) {
  const exact columns = exact_of(source.at(prefix + "linear_out.weight"));
  fff_weights out{.linear_in = exact_of(source.at(prefix + "linear_in.weight")),
                  .bias_in = exact_of(source.at(prefix + "linear_in.bias")).cells,
                  .linear_out = exact(columns.cols, columns.rows),
                  .depth = depth,
                  .parallel_size = parallel_size,
                  .activation = activation};
  for (std::size_t node = 0; node < columns.cols; ++node) {
    for (std::size_t k = 0; k < columns.rows; ++k) out.linear_out(node, k) = columns(k, node);
  }
  return out;
}

}  // namespace ufb_test::reference
