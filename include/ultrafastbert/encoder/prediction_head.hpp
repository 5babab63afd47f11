// SPDX-License-Identifier: MIT
//
// The transform that some masked language models put before the decoder: norm(activation(dense(x))).
// Layer: encoder.
#pragma once

#include <cstddef>
#include <string>

#include "ultrafastbert/blas/default_backend.hpp"
#include "ultrafastbert/core/executor.hpp"
#include "ultrafastbert/core/matrix_view.hpp"
#include "ultrafastbert/core/parameters.hpp"
#include "ultrafastbert/core/tensor_source.hpp"
#include "ultrafastbert/core/workspace.hpp"
#include "ultrafastbert/kernels/activation.hpp"
#include "ultrafastbert/layers/linear.hpp"
#include "ultrafastbert/layers/norm.hpp"

namespace ultrafastbert {

/// A prediction head.
struct prediction_head_shape {
  std::size_t width = 0;
  bool bias = false;
  activation_kind activation = activation_kind::gelu;
  norm_shape norm{};
};

/// A prediction head. Immutable after construction; safe from any number of threads.
template <class Scalar, class Backend = default_backend<Scalar>>
class prediction_head {
 public:
  /// Sizes alone: `parameters` says what fills them. Throws: as the constructor of `linear`.
  explicit prediction_head(const prediction_head_shape& shape, const projection_options& options = {})
      : dense_({.output_width = shape.width, .input_width = shape.width, .bias = shape.bias}, options),
        norm_(shape.norm, options.isa),
        activation_(shape.activation) {}

  /// Loads `dense.*` and `norm.*` below `prefix`. Throws: what `linear::load` throws.
  [[nodiscard]] static prediction_head load(const tensor_source& source, const std::string& prefix,
                                            const prediction_head_shape& shape,
                                            const projection_options& options = {}) {
    prediction_head head(shape, options);
    parameter_list list;
    head.parameters(prefix, list);
    list.load(source);
    return head;
  }

  /// Notes `dense.*` and `norm.*` below `prefix`. Throws: std::bad_alloc.
  void parameters(const std::string& prefix, parameter_list& list) {
    dense_.parameters(prefix + "dense.", list);
    norm_.parameters(prefix + "norm.", list);
  }

  /// Memory held by the weights. Units: bytes.
  [[nodiscard]] std::size_t bytes() const noexcept { return dense_.bytes() + norm_.bytes(); }
  /// Bytes that `forward` takes from its workspace for up to `tokens` tokens, at most.
  [[nodiscard]] std::size_t workspace_bytes(std::size_t tokens) const noexcept {
    return dense_.workspace_bytes(tokens);
  }

  /// y = norm(activation(dense(x))), spread over an executor's threads.
  /// Shapes: x, y: (tokens, width) row-major; y overwritten. Pre: y overlaps neither x nor the layer.
  /// Throws: invalid_input (shapes), what the executor throws, std::bad_alloc while the workspace grows.
  /// Complexity: tokens * width^2.
  void forward(const matrix_view<const Scalar>& x, const matrix_view<Scalar>& y, workspace& scratch,
               executor_ref threads = {}) const {
    dense_.forward(x, y, scratch, activation_, threads);
    norm_.forward(y, y, threads);
  }

 private:
  linear<Scalar, Backend> dense_;
  norm<Scalar> norm_;
  activation_kind activation_;
};

}  // namespace ultrafastbert
