// SPDX-License-Identifier: MIT
//
// The dense feedforward layer, y = dense_out(activation(dense_in(x))): the baseline that FFF replaces. Also its gated
// form, in which one half of dense_in's output, activated, multiplies the other.
// Layer: layers.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <utility>

#include "ultrafastbert/blas/default_backend.hpp"
#include "ultrafastbert/core/matrix_view.hpp"
#include "ultrafastbert/core/tensor_source.hpp"
#include "ultrafastbert/core/workspace.hpp"
#include "ultrafastbert/kernels/activation.hpp"
#include "ultrafastbert/layers/linear.hpp"

namespace ultrafastbert {

/// Sizes of a dense feedforward layer.
struct feedforward_shape {
  std::size_t width = 0;         ///< columns of input and output
  std::size_t intermediate = 0;  ///< rows of dense_in; even if gated
  bool bias = false;
  bool gated = false;  ///< dense_out takes half as many columns
};

/// A dense feedforward layer. Immutable after construction; `forward` is safe from any number of threads.
template <class Scalar, class Backend = default_backend>
class feedforward {
 public:
  /// Shapes: dense_in: (intermediate, input_width); dense_out: (output_width, intermediate), or half as many columns if
  ///   `gated`. Throws: shape_mismatch.
  feedforward(linear<Scalar, Backend> dense_in, linear<Scalar, Backend> dense_out, activation_kind activation,
              bool gated = false)
      : dense_in_(std::move(dense_in)), dense_out_(std::move(dense_out)), activation_(activation), gated_(gated) {
    const std::size_t halves = gated ? 2 : 1;
    if (dense_in_.output_width() != dense_out_.input_width() * halves) {
      fail(error_code::shape_mismatch,
           {.where = "dense_out",
            .expected = std::to_string(dense_in_.output_width()) + (gated ? " / 2" : "") + " input columns",
            .found = std::to_string(dense_out_.input_width())});
    }
  }

  /// Takes `dense_in.*` and `dense_out.*` below `prefix`.
  /// Shapes: (intermediate, width), (width, intermediate), the latter with half the columns if gated.
  /// Throws: what `linear::load` throws.
  template <tensor_source Source>
  [[nodiscard]] static feedforward load(const Source& source, const std::string& prefix, const feedforward_shape& shape,
                                        activation_kind activation, const projection_choices& choices = {}) {
    using layer = linear<Scalar, Backend>;
    return feedforward(layer::load(source, prefix + "dense_in.", in_shape(shape), choices),
                       layer::load(source, prefix + "dense_out.", out_shape(shape), choices), activation, shape.gated);
  }

  /// Tells `visit(name, sizes)` every tensor that `load` reads.
  template <class Visitor>
  static void for_each_tensor(const std::string& prefix, const feedforward_shape& shape, Visitor&& visit) {
    linear<Scalar, Backend>::for_each_tensor(prefix + "dense_in.", in_shape(shape), visit);
    linear<Scalar, Backend>::for_each_tensor(prefix + "dense_out.", out_shape(shape), visit);
  }

  [[nodiscard]] std::size_t input_width() const noexcept { return dense_in_.input_width(); }     ///< columns of x
  [[nodiscard]] std::size_t output_width() const noexcept { return dense_out_.output_width(); }  ///< columns of y
  /// Memory held by the weights. Units: bytes.
  [[nodiscard]] std::size_t bytes() const noexcept { return dense_in_.bytes() + dense_out_.bytes(); }

  /// y = dense_out(activation(dense_in(x))); gated: y = dense_out(activation(g) * a) with dense_in(x) = (a, g).
  /// Shapes: x: (tokens, input_width) row-major; y: (tokens, output_width), overwritten.
  /// Pre: y overlaps neither x nor the layer. Throws: invalid_input (shapes), std::bad_alloc while the workspace grows.
  /// Complexity: tokens * intermediate * (input_width + output_width).
  void forward(const matrix_view<const Scalar>& x, const matrix_view<Scalar>& y, workspace& scratch) const {
    core::check_extents(x, x.rows(), input_width(), "x");
    core::check_extents(y, x.rows(), output_width(), "y");
    workspace::frame frame(scratch);
    const auto hidden = frame.take_matrix<Scalar>(std::min(x.rows(), tokens_at_a_time), dense_in_.output_width());
    for (std::size_t first = 0; first < x.rows(); first += tokens_at_a_time) {
      const std::size_t tokens = std::min(tokens_at_a_time, x.rows() - first);
      dense_out_.forward(activated(x.rows_from(first, tokens), hidden.rows_from(0, tokens), scratch),
                         y.rows_from(first, tokens), scratch);
    }
  }

 private:
  static constexpr std::size_t tokens_at_a_time = 512;  // bounds the scratch memory; products lose nothing from here on

  // What dense_out takes: all of `hidden` or its first half.
  [[nodiscard]] matrix_view<const Scalar> activated(const matrix_view<const Scalar>& x,
                                                    const matrix_view<Scalar>& hidden, workspace& scratch) const {
    if (!gated_) {
      dense_in_.forward(x, hidden, scratch, activation_);
      return hidden;
    }
    dense_in_.forward(x, hidden, scratch);
    const std::size_t half = hidden.cols() / 2;
    for (std::size_t t = 0; t < hidden.rows(); ++t) {
      const std::span<Scalar> row = hidden.row_span(t);
      kernels::gate(activation_, std::span<const Scalar>(row.subspan(half)), row.first(half));
    }
    return hidden.cols_from(0, half);
  }

  static linear_shape in_shape(const feedforward_shape& s) {
    return {.output_width = s.intermediate, .input_width = s.width, .bias = s.bias};
  }
  static linear_shape out_shape(const feedforward_shape& s) {
    return {.output_width = s.width, .input_width = s.gated ? s.intermediate / 2 : s.intermediate, .bias = s.bias};
  }

  linear<Scalar, Backend> dense_in_;
  linear<Scalar, Backend> dense_out_;
  activation_kind activation_;
  bool gated_;
};

}  // namespace ultrafastbert
