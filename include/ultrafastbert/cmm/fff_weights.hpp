// SPDX-License-Identifier: MIT
//
// The weights of an FFF layer behind one interface: packed for the library's own engines, or as a BLAS multiplies them.
// Layer: cmm.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "ultrafastbert/cmm/engine.hpp"
#include "ultrafastbert/core/matrix_view.hpp"
#include "ultrafastbert/core/workspace.hpp"

namespace ultrafastbert::cmm {

/// Filled once, then immutable; `multiply` is const and safe from any number of threads.
template <class Scalar>
class fff_weights {
 public:
  virtual ~fff_weights() = default;
  fff_weights(const fff_weights&) = delete;
  fff_weights& operator=(const fff_weights&) = delete;

  /// The engine that computes a number of tokens.
  [[nodiscard]] virtual fff_engine engine(std::size_t tokens) const noexcept = 0;
  [[nodiscard]] virtual isa_level isa() const noexcept = 0;  ///< level of the kernels that run
  /// Memory held. Units: bytes.
  [[nodiscard]] virtual std::size_t bytes() const noexcept = 0;

  /// Takes a row of the first matrix. Shapes: row: (input_width).
  virtual void store_in(std::size_t node, const Scalar* row) noexcept = 0;
  /// Takes a row of the second matrix (a column of the checkpoint's). Shapes: row: (output_width).
  virtual void store_out(std::size_t node, const Scalar* row) noexcept = 0;
  /// Sets a node's bias. Pre: the shape has biases.
  virtual void store_bias(std::size_t node, Scalar bias) noexcept = 0;
  /// Sets a node's threshold. Pre: the shape has thresholds.
  virtual void store_threshold(std::size_t node, Scalar threshold) noexcept = 0;
  /// The second matrix itself, if it is kept as it is given: (nodes, output_width); else an empty view.
  [[nodiscard]] virtual matrix_view<Scalar> plain_out() noexcept { return {}; }

  /// Weights that take the place of these now that they are filled, because these must not be used as they are; else
  /// nothing. Throws: std::bad_alloc.
  [[nodiscard]] virtual std::unique_ptr<fff_weights> replacement() const { return nullptr; }

  /// y = the sum over trees and levels, as `conditional_matrix_multiply` defines it.
  /// Shapes: x: (tokens, input_width); y: (tokens, output_width), overwritten; paths: (tokens, trees * levels) or
  /// empty. Pre: the sizes agree; y overlaps nothing else. Throws: std::bad_alloc while scratch grows.
  virtual void multiply(const matrix_view<const Scalar>& x, const matrix_view<Scalar>& y, workspace& scratch,
                        const matrix_view<std::int32_t>& paths) const = 0;

  /// How many logits of certified storage were taken from float32 rows, because the narrow ones could not decide.
  /// Shapes: x: (tokens, input_width). Throws: std::bad_alloc while scratch grows.
  [[nodiscard]] virtual std::size_t second_looks(const matrix_view<const Scalar>& /*x*/, workspace& /*scratch*/) const {
    return 0;
  }

  /// Bytes that `multiply` takes from its workspace for up to `tokens` tokens, at most.
  [[nodiscard]] virtual std::size_t workspace_bytes(std::size_t tokens) const noexcept = 0;

 protected:
  fff_weights() = default;
};

}  // namespace ultrafastbert::cmm
