// SPDX-License-Identifier: MIT
//
// The dense feedforward layer, y = dense_out(activation(dense_in(x))): the baseline that FFF replaces. Also its gated
// form, in which one half of dense_in's output, activated, multiplies the other.
// Layer: layers.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
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

namespace ultrafastbert {

/// A dense feedforward layer.
struct feedforward_shape {
  std::size_t width = 0;         ///< columns of input and output
  std::size_t intermediate = 0;  ///< rows of dense_in; even if gated
  bool bias = false;
  bool gated = false;  ///< dense_out takes half as many columns
  activation_kind activation = activation_kind::gelu;
};

/// A dense feedforward layer. Immutable after construction; `forward` is safe from any number of threads.
template <class Scalar, class Backend = default_backend<Scalar>>
class feedforward {
 public:
  /// Sizes alone: `parameters` says what fills them. Throws: shape_mismatch (gated, but no even number of intermediate
  ///   values), as the constructor of `linear`.
  explicit feedforward(const feedforward_shape& shape, const projection_options& options = {})
      : dense_in_({.output_width = shape.intermediate, .input_width = shape.width, .bias = shape.bias}, options),
        dense_out_({.output_width = shape.width,
                    .input_width = shape.gated ? shape.intermediate / 2 : shape.intermediate,
                    .bias = shape.bias},
                   options),
        activation_(shape.activation),
        gated_(shape.gated),
        rows_(options.isa) {
    check_widths();
  }

  /// Shapes: dense_in: (intermediate, input_width); dense_out: (output_width, intermediate), or half as many columns if
  ///   `gated`. Throws: shape_mismatch.
  feedforward(linear<Scalar, Backend> dense_in, linear<Scalar, Backend> dense_out, activation_kind activation,
              bool gated = false)
      : dense_in_(std::move(dense_in)),
        dense_out_(std::move(dense_out)),
        activation_(activation),
        gated_(gated),
        rows_(dense_in_.options().isa) {
    check_widths();
  }

  /// Loads `dense_in.*` and `dense_out.*` below `prefix`. Throws: what `linear::load` throws.
  [[nodiscard]] static feedforward load(const tensor_source& source, const std::string& prefix,
                                        const feedforward_shape& shape, const projection_options& options = {}) {
    feedforward layer(shape, options);
    parameter_list list;
    layer.parameters(prefix, list);
    list.load(source);
    return layer;
  }

  /// Notes `dense_in.*` and `dense_out.*` below `prefix`. Throws: std::bad_alloc.
  void parameters(const std::string& prefix, parameter_list& list) {
    list.refuse(prefix + "w1s", "this is a fast feedforward layer with leaf networks: load it with leaf_feedforward");
    dense_in_.parameters(prefix + "dense_in.", list);
    dense_out_.parameters(prefix + "dense_out.", list);
  }

  [[nodiscard]] std::size_t input_width() const noexcept { return dense_in_.input_width(); }     ///< columns of x
  [[nodiscard]] std::size_t output_width() const noexcept { return dense_out_.output_width(); }  ///< columns of y
  /// Memory held by the weights. Units: bytes.
  [[nodiscard]] std::size_t bytes() const noexcept { return dense_in_.bytes() + dense_out_.bytes(); }
  /// Bytes that `forward` takes from its workspace for up to `tokens` tokens, at most.
  [[nodiscard]] std::size_t workspace_bytes(std::size_t tokens) const noexcept {
    const std::size_t rows = (std::min)(tokens, tokens_at_a_time);
    return rows * dense_in_.output_width() * sizeof(Scalar) + buffer_alignment +
           (std::max)(dense_in_.workspace_bytes(rows), dense_out_.workspace_bytes(rows));
  }

  /// y = dense_out(activation(dense_in(x))); gated: y = dense_out(activation(g) * a) with dense_in(x) = (a, g).
  /// Shapes: x: (tokens, input_width) row-major; y: (tokens, output_width), overwritten.
  /// Pre: y overlaps neither x nor the layer. Throws: invalid_input (shapes), what the executor throws, std::bad_alloc
  ///   while the workspace grows. Complexity: tokens * intermediate * (input_width + output_width).
  void forward(const matrix_view<const Scalar>& x, const matrix_view<Scalar>& y, workspace& scratch,
               executor_ref threads = {}) const {
    core::check_extents(x, x.rows(), input_width(), "x");
    core::check_extents(y, x.rows(), output_width(), "y");
    workspace::frame frame(scratch);
    const auto hidden = frame.take_matrix<Scalar>((std::min)(x.rows(), tokens_at_a_time), dense_in_.output_width());
    for (std::size_t first = 0; first < x.rows(); first += tokens_at_a_time) {
      const std::size_t tokens = (std::min)(tokens_at_a_time, x.rows() - first);
      dense_out_.forward(activated(x.rows_from(first, tokens), hidden.rows_from(0, tokens), scratch, threads),
                         y.rows_from(first, tokens), scratch, threads);
    }
  }

 private:
  static constexpr std::size_t tokens_at_a_time = 512;  // bounds the scratch memory; products lose nothing from here on

  void check_widths() const {
    const std::size_t halves = gated_ ? 2 : 1;
    if (dense_in_.output_width() == dense_out_.input_width() * halves) return;
    fail(error_code::shape_mismatch,
         {.where = "dense_out",
          .expected = std::to_string(dense_in_.output_width()) + (gated_ ? " / 2" : "") + " input columns",
          .found = std::to_string(dense_out_.input_width())});
  }

  // What dense_out takes: all of `hidden` or its first half.
  [[nodiscard]] matrix_view<const Scalar> activated(const matrix_view<const Scalar>& x,
                                                    const matrix_view<Scalar>& hidden, workspace& scratch,
                                                    executor_ref threads) const {
    if (!gated_) {
      dense_in_.forward(x, hidden, scratch, activation_, threads);
      return hidden;
    }
    dense_in_.forward(x, hidden, scratch, threads);
    const std::size_t half = hidden.cols() / 2;
    constexpr std::size_t rows_per_task = 64;
    core::for_each_part(hidden.rows(), rows_per_task, threads, [&](const core::index_range& rows) {
      for (std::size_t t = rows.first; t < rows.last; ++t) {
        rows_.gate(activation_, half, hidden.row(t) + half, hidden.row(t));
      }
    });
    return hidden.cols_from(0, half);
  }

  linear<Scalar, Backend> dense_in_;
  linear<Scalar, Backend> dense_out_;
  activation_kind activation_;
  bool gated_;
  row_operations<Scalar> rows_;
};

}  // namespace ultrafastbert
