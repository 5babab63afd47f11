// SPDX-License-Identifier: MIT
//
// The transform that some masked language models put before the decoder: norm(activation(dense(x))).
// Layer: encoder.
#pragma once

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
#include "ultrafastbert/layers/norm.hpp"

namespace ultrafastbert {

/// Sizes and kinds of a prediction head.
struct prediction_head_shape {
  std::size_t width = 0;
  bool bias = false;
  activation_kind activation = activation_kind::gelu;
  norm_kind norm = norm_kind::layer_norm;
  double norm_epsilon = 1e-12;
};

/// A prediction head. Immutable after construction; safe from any number of threads.
template <class Scalar, class Backend = default_backend>
class prediction_head {
 public:
  /// Takes `dense.*` and `norm.*` below `prefix`. Shapes: (width, width), (width).
  /// Throws: what `linear::load` throws.
  template <tensor_source Source>
  [[nodiscard]] static prediction_head load(const Source& source, const std::string& prefix,
                                            const prediction_head_shape& shape,
                                            const projection_choices& choices = {}) {
    return prediction_head(linear<Scalar, Backend>::load(source, prefix + "dense.", dense_shape(shape), choices),
                           norm<Scalar>::load(source, prefix + "norm.", norm_sizes(shape), choices.isa),
                           shape.activation);
  }

  /// Tells `visit(name, sizes)` every tensor that `load` reads.
  template <class Visitor>
  static void for_each_tensor(const std::string& prefix, const prediction_head_shape& shape, Visitor&& visit) {
    linear<Scalar, Backend>::for_each_tensor(prefix + "dense.", dense_shape(shape), visit);
    norm<Scalar>::for_each_tensor(prefix + "norm.", norm_sizes(shape), visit);
  }

  /// Memory held by the weights. Units: bytes.
  [[nodiscard]] std::size_t bytes() const noexcept { return dense_.bytes() + norm_.bytes(); }

  /// y = norm(activation(dense(x))). Shapes: x, y: (tokens, width) row-major; y overwritten.
  /// Pre: y overlaps neither x nor the layer. Throws: invalid_input (shapes), std::bad_alloc while the workspace grows.
  /// Complexity: tokens * width^2.
  void forward(const matrix_view<const Scalar>& x, const matrix_view<Scalar>& y, workspace& scratch) const {
    dense_.forward(x, y, scratch, activation_);
    norm_.forward(y, y);
  }

 private:
  prediction_head(linear<Scalar, Backend> dense, norm<Scalar> norm, activation_kind activation)
      : dense_(std::move(dense)), norm_(std::move(norm)), activation_(activation) {}

  static linear_shape dense_shape(const prediction_head_shape& s) {
    return {.output_width = s.width, .input_width = s.width, .bias = s.bias};
  }
  static norm_shape norm_sizes(const prediction_head_shape& s) {
    return {.kind = s.norm, .width = s.width, .epsilon = s.norm_epsilon};
  }

  linear<Scalar, Backend> dense_;
  ultrafastbert::norm<Scalar> norm_;
  activation_kind activation_;
};

}  // namespace ultrafastbert
