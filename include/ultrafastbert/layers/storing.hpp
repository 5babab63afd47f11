// SPDX-License-Identifier: MIT
//
// Moving weights into the layers' own matrices: from the caller's views, and from tensors of a source.
// Layer: layers.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "ultrafastbert/core/aligned_buffer.hpp"
#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/core/matrix_view.hpp"
#include "ultrafastbert/core/storage.hpp"
#include "ultrafastbert/core/tensor_source.hpp"
#include "ultrafastbert/kernels/rounding.hpp"

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
    const std::size_t r1 = (std::min)(r0 + block, from.rows());
    for (std::size_t c = 0; c < from.cols(); ++c) {
      for (std::size_t r = r0; r < r1; ++r) to(c, first_col + r) = from(r, c);
    }
  }
}

/// Reads a whole matrix. Shapes: to: (rows, cols), the tensor: (rows, cols). Throws: what the source throws.
template <class Scalar>
void read_matrix(const tensor& from, const matrix_view<Scalar>& to) {
  if (to.stride() == to.cols()) {
    from.read(0, std::span<Scalar>(to.data(), to.rows() * to.cols()));
    return;
  }
  for (std::size_t r = 0; r < to.rows(); ++r) from.read(r * to.cols(), to.row_span(r));
}

/// Calls `store(r, row)` for every row of a matrix, a few rows of which are read at a time.
/// Shapes: the tensor: (rows, cols); row: (cols). Throws: what the source and `store` throw, std::bad_alloc.
template <class Scalar, class Store>
void read_rows(const tensor& from, const matrix_extents& extents, const Store& store) {
  constexpr std::size_t rows_at_a_time = 64;
  aligned_buffer<Scalar> rows((std::min)(rows_at_a_time, extents.rows) * extents.cols);
  for (std::size_t first = 0; first < extents.rows; first += rows_at_a_time) {
    const std::size_t count = (std::min)(rows_at_a_time, extents.rows - first);
    from.read(first * extents.cols, rows.span().first(count * extents.cols));
    for (std::size_t r = 0; r < count; ++r) store(first + r, rows.data() + r * extents.cols);
  }
}

/// Reads a matrix and stores it transposed, a few of its rows at a time.
/// Shapes: to: (rows, cols), the tensor: (cols, rows). Throws: what the source throws, std::bad_alloc.
template <class Scalar>
void read_transposed(const tensor& from, const matrix_view<Scalar>& to) {
  constexpr std::size_t block = 16;
  aligned_buffer<Scalar> rows((std::min)(block, to.cols()) * to.rows());
  for (std::size_t first = 0; first < to.cols(); first += block) {
    const std::size_t count = (std::min)(block, to.cols() - first);
    from.read(first * to.rows(), rows.span().first(count * to.rows()));
    copy_transposed(matrix_view<const Scalar>(rows.data(), {count, to.rows()}), to, first);
  }
}

/// Where a row of weights comes from, for messages.
struct row_origin {
  std::string_view file{};   ///< of the source, or empty
  std::string_view where{};  ///< the tensor or the argument
  std::size_t number = 0;    ///< of the row
  bool is_column = false;    ///< of the tensor, which holds the rows transposed
};

/// Refuses finite weights that would become infinite in storage. Shapes: row: (n).
/// Throws: non_finite.
inline void check_storable(weight_storage storage, const float* row, std::size_t n, const row_origin& from) {
  const std::size_t index = kernels::find_overflow(storage, row, n);
  if (index == n) return;
  fail(error_code::non_finite,
       {.file = std::string(from.file),
        .where = std::string(from.where),
        .expected = "weights that " + std::string(name(storage)) + " storage can hold",
        .found = std::to_string(row[index]) + " at row " + std::to_string(from.is_column ? index : from.number) +
                 ", column " + std::to_string(from.is_column ? from.number : index)});
}

/// Throws shape_mismatch unless a view has the given sizes.
template <class Scalar>
void check_shape(const char* what, const matrix_view<const Scalar>& view, std::size_t rows, std::size_t cols) {
  core::check_extents(view, rows, cols, what, error_code::shape_mismatch);
}

}  // namespace ultrafastbert::layers
