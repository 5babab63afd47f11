// SPDX-License-Identifier: MIT
//
// References of the forms that checkpoints other than UltraFastBERT's have: norms without a mean, gated feedforward
// layers, embeddings without positions. In double, with bounds on the rounding of Scalar's arithmetic.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "support/noted_source.hpp"
#include "support/reference.hpp"
#include "ultrafastbert/layers/norm.hpp"

namespace ufb_test::reference {

/// x * factor * scale with |factor| known up to `most`, and the roundings of a few operations.
[[nodiscard]] inline estimate scaled(const estimate& x, double factor, double most, double scale, double unit) {
  const double value = x.value * factor * scale;
  const double size = std::abs(scale) * (std::abs(x.value) + x.error) * most;
  return {value, size - std::abs(value) + 8 * unit * size + 1e-36};
}

/// x / sqrt(mean(x^2) + epsilon) * scale.
template <class Scalar>
[[nodiscard]] table rms_norm(const table& x, const std::vector<double>& scale, double epsilon) {
  const auto unit = static_cast<double>(std::numeric_limits<Scalar>::epsilon());
  table y(x.rows, x.cols);
  for (std::size_t t = 0; t < x.rows; ++t) {
    const auto cell = [&](std::size_t k) { return x(t, k); };
    const estimate square = arithmetic::of<Scalar>().dot(x.cols, cell, cell);
    const auto n = static_cast<double>(x.cols);
    const double factor = 1 / std::sqrt(square.value / n + epsilon);
    const double most = 1 / std::sqrt(std::max(square.value - square.error, 0.0) / n + epsilon);
    for (std::size_t k = 0; k < x.cols; ++k) y(t, k) = scaled(x(t, k), factor, most, scale.at(k), unit);
  }
  return y;
}

/// x * scale / max(|x|, epsilon).
template <class Scalar>
[[nodiscard]] table scale_norm(const table& x, double scale, double epsilon) {
  const auto unit = static_cast<double>(std::numeric_limits<Scalar>::epsilon());
  table y(x.rows, x.cols);
  for (std::size_t t = 0; t < x.rows; ++t) {
    const auto cell = [&](std::size_t k) { return x(t, k); };
    const estimate square = arithmetic::of<Scalar>().dot(x.cols, cell, cell);
    const double factor = 1 / std::max(std::sqrt(square.value), epsilon);
    const double most = 1 / std::max(std::sqrt(std::max(square.value - square.error, 0.0)), epsilon);
    for (std::size_t k = 0; k < x.cols; ++k) y(t, k) = scaled(x(t, k), factor, most, scale, unit);
  }
  return y;
}

/// The norm of a kind, with the parameters that a checkpoint has below `prefix`.
template <class Scalar>
[[nodiscard]] table norm_of(ultrafastbert::norm_kind kind, const table& x, const noted_source& source,
                            const std::string& prefix, double epsilon) {
  const auto rounded = static_cast<double>(static_cast<Scalar>(epsilon));
  const auto values = [&](const std::string& name) { return exact_of(source.at(prefix + name)); };
  switch (kind) {
    case ultrafastbert::norm_kind::rms_norm: return rms_norm<Scalar>(x, values("learnable_scale").cells, rounded);
    case ultrafastbert::norm_kind::scale_norm:
      return scale_norm<Scalar>(x, values("learnable_scale").cells.at(0), rounded);
    case ultrafastbert::norm_kind::layer_norm: break;
  }
  return arithmetic::of<Scalar>().layer_norm(x, values("weight"), values("bias"), rounded);
}

/// The weights of a dense feedforward layer.
struct dense_weights {
  exact dense_in{};
  std::vector<double> bias_in{};  ///< empty: none
  exact dense_out{};
  std::vector<double> bias_out{};  ///< empty: none
  ultrafastbert::activation_kind activation = ultrafastbert::activation_kind::gelu;
  bool gated = false;
};

/// dense_out(act(dense_in(x))); gated: dense_out(act(second half) * first half).
template <class Scalar>
[[nodiscard]] table feedforward(const table& x, const dense_weights& weights) {
  const auto rounding = arithmetic::of<Scalar>();
  const auto unit = static_cast<double>(std::numeric_limits<Scalar>::epsilon());
  const table in = rounding.linear(x, weights.dense_in, weights.bias_in);
  table hidden(in.rows, weights.gated ? in.cols / 2 : in.cols);
  for (std::size_t t = 0; t < hidden.rows; ++t) {
    for (std::size_t k = 0; k < hidden.cols; ++k) {
      if (!weights.gated) {
        hidden(t, k) = rounding.activate(weights.activation, in(t, k));
        continue;
      }
      const estimate a = in(t, k);
      const estimate g = rounding.activate(weights.activation, in(t, k + hidden.cols));
      const double size = (std::abs(a.value) + a.error) * (std::abs(g.value) + g.error);
      hidden(t, k) = {a.value * g.value, size - std::abs(a.value * g.value) + unit * size + 1e-36};
    }
  }
  return rounding.linear(hidden, weights.dense_out, weights.bias_out);
}

/// words[ids] + positions, counted within each sequence; an empty table adds nothing.
template <class Scalar>
[[nodiscard]] table placed_words(const std::vector<std::int32_t>& ids, const std::vector<std::size_t>& offsets,
                                 const exact& words, const exact& positions) {
  table x(ids.size(), words.cols);
  for (std::size_t i = 0; i + 1 < offsets.size(); ++i) {
    for (std::size_t t = offsets[i]; t < offsets[i + 1]; ++t) {
      for (std::size_t k = 0; k < words.cols; ++k) {
        const estimate word{words(static_cast<std::size_t>(ids[t]), k)};
        x(t, k) = positions.rows == 0 ? word : arithmetic::of<Scalar>().sum(word, {positions(t - offsets[i], k)});
      }
    }
  }
  return x;
}

/// A mask per sequence as one per token in which no query sees the keys behind it.
[[nodiscard]] inline exact causal(const exact& mask, const std::vector<std::size_t>& offsets) {
  exact out(offsets.back(), mask.cols);
  for (std::size_t i = 0; i + 1 < offsets.size(); ++i) {
    for (std::size_t t = offsets[i]; t < offsets[i + 1]; ++t) {
      for (std::size_t key = 0; key <= t - offsets[i]; ++key) out(t, key) = mask(i, key);
    }
  }
  return out;
}

}  // namespace ufb_test::reference
