// SPDX-License-Identifier: MIT
//
// Rotary positions: queries and keys are turned by angles that grow with their place in the sequence, so that scores
// depend on how far apart two tokens are.
// Source: Su et al., "RoFormer", arXiv 2104.09864, section 3.2; the tables are those of crammed BERT's training code.
// Layer: layers.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "ultrafastbert/core/aligned_buffer.hpp"
#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/core/matrix_view.hpp"
#include "ultrafastbert/core/workspace.hpp"
#include "ultrafastbert/kernels/isa.hpp"
#include "ultrafastbert/kernels/row_operations.hpp"

namespace ultrafastbert {

/// Which elements of a query or key are turned together.
enum class rotary_kind : std::uint8_t {
  none,       ///< nothing is turned
  neighbors,  ///< elements 2i and 2i + 1, as LLaMA's published code does
  halves,     ///< elements i and i + width / 2, as GPT-NeoX does
};

/// Rotary positions of an attention layer.
struct rotary_shape {
  rotary_kind kind = rotary_kind::none;
  std::size_t positions = 0;  ///< the most tokens of a sequence
};

namespace layers {

/// The queries, keys and values of a head: (length, head width) each.
template <class Scalar>
struct head_parts {
  matrix_view<const Scalar> queries{};
  matrix_view<const Scalar> keys{};
  matrix_view<const Scalar> values{};
};

/// Throws invalid_input unless there can be such positions for heads of a width: a kind without positions, an odd
/// width.
inline void check_rotary(const rotary_shape& shape, std::size_t width) {
  if (shape.positions == 0) fail_input("rotary.positions", "at least 1", "0");
  if (width % 2 != 0) fail_input("rotary", "heads of an even width", std::to_string(width));
}

/// The sines and cosines of rotary positions. Immutable after construction; safe from any number of threads.
template <class Scalar>
class rotary_table {
 public:
  /// Computed in float32 step by step, as the training code does; a table in double differs from the trained one by up
  /// to positions * 6e-8. Float runs kernels of the level `isa`. `width`: of a head.
  /// Pre: `check_rotary` accepts them. Throws: unsupported (the processor lacks the level), overflow, std::bad_alloc.
  rotary_table(const rotary_shape& shape, std::size_t width, isa_level isa)
      : shape_(shape), rows_(isa), cosines_({shape.positions, width}), sines_({shape.positions, width}) {
    const bool halves = shape.kind == rotary_kind::halves;
    for (std::size_t i = 0; i < width / 2; ++i) {
      const float exponent = static_cast<float>(2 * i) / static_cast<float>(width);
      const float frequency = 1.0F / std::pow(10000.0F, exponent);
      const std::size_t first = halves ? i : 2 * i;
      const std::size_t second = halves ? i + width / 2 : 2 * i + 1;
      for (std::size_t s = 0; s < shape.positions; ++s) {
        const float angle = static_cast<float>(s) * frequency;
        cosines_(s, first) = cosines_(s, second) = static_cast<Scalar>(std::cos(angle));
        sines_(s, second) = static_cast<Scalar>(std::sin(angle));
        sines_(s, first) = -sines_(s, second);
      }
    }
  }

  [[nodiscard]] const rotary_shape& shape() const noexcept { return shape_; }                     ///< as given
  [[nodiscard]] std::size_t bytes() const noexcept { return cosines_.bytes() + sines_.bytes(); }  ///< memory held

  /// The same head with queries and keys turned, in memory of the frame. Shapes: as `head_parts`.
  /// Pre: length <= the shape's positions. Throws: std::bad_alloc while the workspace grows.
  [[nodiscard]] head_parts<Scalar> turned(const head_parts<Scalar>& head, workspace::frame& frame) const {
    const std::size_t length = head.queries.rows();
    const auto memory = frame.take_matrix<Scalar>(2 * length + 1, head.queries.cols());
    const auto queries = memory.rows_from(0, length);
    const auto keys = memory.rows_from(length, length);
    turn(head.queries, queries, memory.row_span(2 * length));
    turn(head.keys, keys, memory.row_span(2 * length));
    return {.queries = queries, .keys = keys, .values = head.values};
  }

  /// Bytes that `turned` takes from its workspace for a sequence of up to `length` tokens, at most.
  [[nodiscard]] std::size_t workspace_bytes(std::size_t length) const noexcept {
    return (2 * length + 1) * cosines_.cols() * sizeof(Scalar) + buffer_alignment;
  }

 private:
  // Writes rows turned by the angles of places 0, 1, 2, ... Shapes: from, to: (length, width); memory: (width).
  void turn(const matrix_view<const Scalar>& from, const matrix_view<Scalar>& to,
            std::span<Scalar> memory) const noexcept {
    const std::size_t width = from.cols();
    for (std::size_t s = 0; s < from.rows(); ++s) {
      const Scalar* x = from.row(s);
      Scalar* y = to.row(s);
      if (shape_.kind == rotary_kind::halves) {
        std::copy_n(x + width / 2, width / 2, y);
        std::copy_n(x, width / 2, y + width / 2);
      } else {
        for (std::size_t k = 0; k < width; k += 2) {
          y[k] = x[k + 1];
          y[k + 1] = x[k];
        }
      }
      rows_.product(width, y, sines_.row(s), y);
      rows_.product(width, x, cosines_.row(s), memory.data());
      rows_.sum(width, memory.data(), y, y);
    }
  }

  rotary_shape shape_;
  row_operations<Scalar> rows_;
  matrix<Scalar> cosines_;
  matrix<Scalar> sines_;  // those of the first element of each pair are negative
};

}  // namespace layers

}  // namespace ultrafastbert
