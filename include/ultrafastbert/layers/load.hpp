// SPDX-License-Identifier: MIT
//
// Moving weights into the layers' own matrices: from the caller's views, and from a tensor source.
// Layer: layers.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <string>

#include "ultrafastbert/core/aligned_buffer.hpp"
#include "ultrafastbert/core/matrix_view.hpp"

namespace ultrafastbert::layers {

/// Copies equal-sized matrices. Shapes: from, to: (rows, cols).
template <class Scalar>
void copy_rows(const matrix_view<const Scalar>& from, const matrix_view<Scalar>& to) noexcept {
  for (std::size_t r = 0; r < from.rows(); ++r) std::copy_n(from.row(r), from.cols(), to.row(r));
}

/// Writes `from` transposed, from column `first_col` of `to` on. Shapes: from: (r, c); to: (c, at least first_col + r).
template <class Scalar>
void copy_transposed(const matrix_view<const Scalar>& from, const matrix_view<Scalar>& to,
                     std::size_t first_col = 0) noexcept {
  constexpr std::size_t block = 16;  // a cache line of float on the writing side
  for (std::size_t r0 = 0; r0 < from.rows(); r0 += block) {
    const std::size_t r1 = std::min(r0 + block, from.rows());
    for (std::size_t c = 0; c < from.cols(); ++c) {
      for (std::size_t r = r0; r < r1; ++r) to(c, first_col + r) = from(r, c);
    }
  }
}

/// Reads a whole vector. Shapes: to: (n), the tensor: (n). Throws: what the source throws.
template <class Scalar>
void load_vector(const auto& source, const std::string& name, std::span<Scalar> to) {
  const std::array<std::size_t, 1> shape{to.size()};
  source.read(name, shape, 0, to);
}

/// Reads a whole matrix. Shapes: to: (rows, cols), the tensor: (rows, cols). Throws: what the source throws.
template <class Scalar>
void load_matrix(const auto& source, const std::string& name, const matrix_view<Scalar>& to) {
  const std::array<std::size_t, 2> shape{to.rows(), to.cols()};
  if (to.stride() == to.cols()) {
    source.read(name, shape, 0, std::span<Scalar>(to.data(), to.rows() * to.cols()));
    return;
  }
  for (std::size_t r = 0; r < to.rows(); ++r) source.read(name, shape, r * to.cols(), to.row_span(r));
}

/// Reads a matrix and stores it transposed, a few of its rows at a time.
/// Shapes: to: (rows, cols), the tensor: (cols, rows). Throws: what the source throws, std::bad_alloc.
template <class Scalar>
void load_transposed(const auto& source, const std::string& name, const matrix_view<Scalar>& to) {
  constexpr std::size_t block = 16;
  const std::array<std::size_t, 2> shape{to.cols(), to.rows()};
  aligned_buffer<Scalar> rows(std::min(block, to.cols()) * to.rows());
  for (std::size_t first = 0; first < to.cols(); first += block) {
    const std::size_t count = std::min(block, to.cols() - first);
    source.read(name, shape, first * to.rows(), rows.span().first(count * to.rows()));
    copy_transposed(matrix_view<const Scalar>(rows.data(), {count, to.rows()}), to, first);
  }
}

}  // namespace ultrafastbert::layers
