// SPDX-License-Identifier: MIT
//
// Neurons that every token uses beside its way through a tree: a small dense network whose output is mixed with the
// tree's.
// Layer: layers.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>

#include "ultrafastbert/core/matrix_view.hpp"
#include "ultrafastbert/core/parameters.hpp"
#include "ultrafastbert/core/workspace.hpp"
#include "ultrafastbert/kernels/activation.hpp"
#include "ultrafastbert/kernels/row_operations.hpp"
#include "ultrafastbert/layers/linear.hpp"

namespace ultrafastbert::layers {

/// y = own * y + theirs * (W2 activation(W1 x + b1) [+ b2]). Its weights are kept in full precision.
template <class Scalar, class Backend>
class shared_neurons {
 public:
  /// Sizes alone: `parameters` or `set` says what fills them. Throws: as the constructor of `linear`.
  shared_neurons(const linear_shape& in, const linear_shape& out, activation_kind activation,
                 const projection_options& options)
      : options_(options), in_(in, options), out_(out, options), activation_(activation), rows_(options.isa) {}

  /// Notes `linear_in.shared.*` and `linear_out.shared.*` below `prefix`. Throws: std::bad_alloc.
  void parameters(const std::string& prefix, parameter_list& list) {
    in_.parameters(prefix + "linear_in.shared.", list);
    out_.parameters(prefix + "linear_out.shared.", list);
  }

  /// Takes both parts. Pre: they have the sizes given at construction.
  void set(linear<Scalar, Backend> in, linear<Scalar, Backend> out) noexcept {
    in_ = std::move(in);
    out_ = std::move(out);
  }

  [[nodiscard]] const projection_options& options() const noexcept { return options_; }    ///< of both parts
  [[nodiscard]] std::size_t rows() const noexcept { return in_.output_width(); }           ///< neurons
  [[nodiscard]] std::size_t bytes() const noexcept { return in_.bytes() + out_.bytes(); }  ///< memory held
  /// Bytes that `mix` takes from its workspace for up to `tokens` tokens, at most.
  [[nodiscard]] std::size_t workspace_bytes(std::size_t tokens) const noexcept {
    const std::size_t most = (std::min)(tokens, tokens_at_a_time);
    return most * (rows() + out_.output_width()) * sizeof(Scalar) + 2 * buffer_alignment +
           (std::max)(in_.workspace_bytes(most), out_.workspace_bytes(most));
  }

  /// Mixes the output of the neurons into y. Factors of 1 are left out.
  /// Shapes: x: (tokens, input_width); y: (tokens, output_width). Pre: y overlaps nothing else.
  /// Throws: std::bad_alloc while the workspace grows.
  void mix(const matrix_view<const Scalar>& x, const matrix_view<Scalar>& y, Scalar own, Scalar theirs,
           workspace& scratch) const {
    workspace::frame frame(scratch);
    const std::size_t most = (std::min)(x.rows(), tokens_at_a_time);
    const auto hidden = frame.take_matrix<Scalar>(most, rows());
    const auto update = frame.take_matrix<Scalar>(most, y.cols());
    for (std::size_t first = 0; first < x.rows(); first += most) {
      const std::size_t tokens = (std::min)(most, x.rows() - first);
      in_.forward(x.rows_from(first, tokens), hidden.rows_from(0, tokens), scratch, activation_);
      out_.forward(hidden.rows_from(0, tokens), update.rows_from(0, tokens), scratch);
      for (std::size_t t = 0; t < tokens; ++t) {
        Scalar* to = y.row(first + t);
        if (own != Scalar{1}) rows_.scale(y.cols(), own, to, to);
        if (theirs != Scalar{1}) rows_.scale(y.cols(), theirs, update.row(t), update.row(t));
        rows_.sum(y.cols(), to, update.row(t), to);
      }
    }
  }

 private:
  static constexpr std::size_t tokens_at_a_time = 64;  // their outputs stay in a second-level cache

  projection_options options_;
  linear<Scalar, Backend> in_;
  linear<Scalar, Backend> out_;
  activation_kind activation_;
  row_operations<Scalar> rows_;
};

}  // namespace ultrafastbert::layers
