// SPDX-License-Identifier: MIT
//
// The pooler of sequence classifiers: one state for a sequence, then an optional linear layer and an activation.
// Layer: model.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "ultrafastbert/blas/default_backend.hpp"
#include "ultrafastbert/core/executor.hpp"
#include "ultrafastbert/core/matrix_view.hpp"
#include "ultrafastbert/core/parameters.hpp"
#include "ultrafastbert/core/parts.hpp"
#include "ultrafastbert/core/tensor_source.hpp"
#include "ultrafastbert/core/workspace.hpp"
#include "ultrafastbert/kernels/activation.hpp"
#include "ultrafastbert/kernels/row_operations.hpp"
#include "ultrafastbert/layers/linear.hpp"
#include "ultrafastbert/layers/sequences.hpp"

namespace ultrafastbert {

/// How the states of a sequence become one. All but the first take padding in, as the training code does.
enum class pooler_kind : std::uint8_t {
  zero_index,  ///< the first token's state
  avg,         ///< the mean
  max,         ///< the largest value of each column
  lse,         ///< the logarithm of the sum of the exponentials of each column
};

/// The checkpoint's word for a pooler.
[[nodiscard]] inline std::string_view name(pooler_kind kind) {
  constexpr std::array<std::string_view, 4> words{"zero_index", "avg", "max", "lse"};
  return words[static_cast<std::size_t>(kind)];
}

/// What a pooler is made of.
struct pooler_shape {
  pooler_kind kind = pooler_kind::zero_index;
  std::size_t width = 0;                  ///< columns of a state
  std::optional<std::size_t> head_dim{};  ///< columns of the pooled state where there is a linear layer
  activation_kind activation = activation_kind::tanh;
};

namespace models {

/// pooled(k) = the logarithm of the sum of exp(states(s, k)) over s, by the column's maximum first, which `pooled` has.
template <class Scalar>
void finish_log_sum_exp(const matrix_view<const Scalar>& states, std::span<Scalar> pooled) noexcept {
  for (std::size_t k = 0; k < pooled.size(); ++k) {
    const Scalar largest = std::isinf(pooled[k]) ? Scalar{0} : pooled[k];
    Scalar sum{0};
    for (std::size_t s = 0; s < states.rows(); ++s) sum += std::exp(states(s, k) - largest);
    pooled[k] = largest + std::log(sum);
  }
}

/// One state for a sequence; sums run over rising rows, and NaN stays NaN.
/// Shapes: states: (length, width), length >= 1; pooled: (width), overwritten.
template <class Scalar>
void pool(pooler_kind kind, const matrix_view<const Scalar>& states, std::span<Scalar> pooled) noexcept {
  std::copy_n(states.row(0), pooled.size(), pooled.begin());
  if (kind == pooler_kind::zero_index) return;
  for (std::size_t s = 1; s < states.rows(); ++s) {
    const Scalar* const row = states.row(s);
    if (kind == pooler_kind::avg) {
      for (std::size_t k = 0; k < pooled.size(); ++k) pooled[k] += row[k];
    } else {
      for (std::size_t k = 0; k < pooled.size(); ++k) {
        if (row[k] > pooled[k] || std::isnan(row[k])) pooled[k] = row[k];
      }
    }
  }
  if (kind == pooler_kind::avg) {
    for (Scalar& value : pooled) value /= static_cast<Scalar>(states.rows());
  } else if (kind == pooler_kind::lse) {
    finish_log_sum_exp(states, pooled);
  }
}

}  // namespace models

/// A pooler. Immutable after loading; `forward` is safe from any number of threads, each with its own workspace.
template <class Scalar, class Backend = default_backend<Scalar>>
class pooler {
 public:
  /// Sizes alone: `parameters` says what fills them. Throws: as the constructor of `linear`.
  explicit pooler(const pooler_shape& shape, const projection_options& options = {})
      : shape_(shape), rows_(options.isa) {
    if (shape.head_dim) {
      dense_.emplace(linear_shape{.output_width = *shape.head_dim, .input_width = shape.width, .bias = true}, options);
    }
  }

  /// Loads `dense.*` below `prefix` where the shape has a linear layer. Throws: what `linear::load` throws.
  [[nodiscard]] static pooler load(const tensor_source& source, const std::string& prefix, const pooler_shape& shape,
                                   const projection_options& options = {}) {
    pooler layer(shape, options);
    parameter_list list;
    layer.parameters(prefix, list);
    list.load(source);
    return layer;
  }

  /// Notes `dense.*` below `prefix` where the shape has a linear layer. Throws: std::bad_alloc.
  void parameters(const std::string& prefix, parameter_list& list) {
    if (dense_) dense_->parameters(prefix + "dense.", list);
  }

  [[nodiscard]] const pooler_shape& shape() const noexcept { return shape_; }  ///< as given
  /// Columns of the pooled states.
  [[nodiscard]] std::size_t output_width() const noexcept { return shape_.head_dim.value_or(shape_.width); }
  [[nodiscard]] std::size_t bytes() const noexcept { return dense_ ? dense_->bytes() : 0; }  ///< held by the weights

  /// y = activation(dense(pooled states)), a row for each sequence, spread over an executor's threads.
  /// Shapes: states: (tokens, width), sequence i owning rows [offsets[i], offsets[i + 1]), none of them empty; y:
  ///   (sequences, output_width), overwritten.
  /// Pre: y overlaps nothing else. Throws: invalid_input (shapes, offsets), what the executor throws, std::bad_alloc
  ///   while the workspace grows.
  /// Complexity: tokens * width + sequences * width * head_dim.
  void forward(const matrix_view<const Scalar>& states, std::span<const std::size_t> offsets,
               const matrix_view<Scalar>& y, workspace& scratch, executor_ref threads = {}) const {
    const std::size_t sequences = offsets.empty() ? 0 : offsets.size() - 1;
    core::check_extents(states, states.rows(), shape_.width, "states");
    layers::check_offsets(offsets, states.rows());
    core::check_extents(y, sequences, output_width(), "y");
    workspace::frame frame(scratch);
    const auto pooled = dense_ ? frame.take_matrix<Scalar>(sequences, shape_.width) : y;
    core::for_each_part(sequences, 1, threads, [&](const core::index_range& some) {
      for (std::size_t i = some.first; i < some.last; ++i) {
        models::pool(shape_.kind, states.rows_from(offsets[i], offsets[i + 1] - offsets[i]), pooled.row_span(i));
      }
    });
    if (dense_) dense_->forward(pooled, y, scratch, threads);
    for (std::size_t i = 0; i < sequences; ++i) rows_.activate(shape_.activation, y.cols(), y.row(i));
  }

 private:
  pooler_shape shape_;
  std::optional<linear<Scalar, Backend>> dense_{};
  row_operations<Scalar> rows_;
};

}  // namespace ultrafastbert
