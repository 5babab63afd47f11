// SPDX-License-Identifier: MIT
//
// The small kernels that the engines of conditional matrix multiplication are made of, as tables of functions: one
// table per instruction set level and storage type. A dot product is one chain of fused multiply-adds per vector
// lane over the columns in rising order, then one fixed tree over the lanes: equal bits in every kernel of a level.
// Layer: kernels.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ultrafastbert::kernels {

/// Weight rows are padded with zeros to this many elements, so that kernels read whole vectors of them.
inline constexpr std::size_t row_padding = 16;

/// Dot products of weight rows with inputs. `width` is the inputs' true length; rows are padded.
template <class Weight>
struct dot_kernels {
  /// z[r * 4 + t] = block row r . x[t], for 3 rows `stride` apart and 4 inputs.
  void (*rows_3_inputs_4)(const Weight* block, std::size_t stride, const float* const* x, std::size_t width, float* z);
  /// z[r] = block row r . x, for 3 rows `stride` apart.
  void (*rows_3_inputs_1)(const Weight* block, std::size_t stride, const float* const* x, std::size_t width, float* z);
  /// z[i] = rows[i] . x[i], for 8 pairs.
  void (*pairs_8)(const Weight* const* rows, const float* const* x, std::size_t width, float* z);
  /// z[0] = row . x.
  void (*pair)(const Weight* row, const float* x, std::size_t width, float* z);
};

/// Weighted sums of weight rows. `width` is the outputs' true length; rows are padded.
template <class Weight>
struct sum_kernels {
  /// y = (add ? y : 0) + sum of coefficients[r] * rows[r] for r < count, in that order.
  void (*one)(const Weight* const* rows, const float* coefficients, std::size_t count, std::size_t width, bool add,
              float* y);
  /// The same for 4 outputs at once: output t takes coefficients[t][r] and rows[t][r]; for r < shared all four take
  /// rows[0][r].
  void (*four)(const Weight* const* const* rows, const float* const* coefficients, std::size_t shared,
               std::size_t count, std::size_t width, bool add, float* const* y);
};

/// GELU of n values in place, elementwise equal whatever their position.
using gelu_kernel = void (*)(std::size_t n, float* values);

}  // namespace ultrafastbert::kernels
