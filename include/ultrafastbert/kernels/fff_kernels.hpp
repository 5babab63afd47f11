// SPDX-License-Identifier: MIT
//
// The small kernels that the engines of conditional matrix multiplication are made of, as tables of functions: one
// table per instruction set level and storage type. A dot product is a fixed number of chains of fused multiply-adds
// per vector lane, each over its share of the columns in rising order, then one fixed tree over chains and lanes: equal
// bits in every kernel of a level.
// Layer: kernels.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ultrafastbert::kernels {

/// Weight rows are padded with zeros to this many elements, so that kernels read whole vectors of them.
inline constexpr std::size_t row_padding = 16;

/// What will be multiplied after the operands at hand: kernels may bring it into the nearest cache meanwhile.
template <class Weight>
struct upcoming {
  const Weight* block = nullptr;    ///< three rows, or null
  const float* const* x = nullptr;  ///< four inputs, or null
};

/// Dot products of weight rows with inputs. `width` is the inputs' true length; rows are padded.
template <class Weight>
struct dot_kernels {
  /// z[r * 4 + t] = block row r . x[t], for 3 rows `stride` apart and 4 inputs.
  void (*rows_3_inputs_4)(const Weight* block, std::size_t stride, const float* const* x, std::size_t width, float* z,
                          const upcoming<Weight>& next);
  /// z[i] = rows[i] . x[i], for 8 pairs.
  void (*pairs_8)(const Weight* const* rows, const float* const* x, std::size_t width, float* z);
  /// z[0] = row . x.
  void (*pair)(const Weight* row, const float* x, std::size_t width, float* z);
};

/// Columns [first, last) of a row. `first` is a multiple of row_padding.
struct column_range {
  std::size_t first = 0;
  std::size_t last = 0;
};

/// Weighted sums of weight rows. Rows are padded.
template <class Weight>
struct sum_kernels {
  /// In the given columns: y = (add ? y : 0) + sum of coefficients[r] * rows[r] for r < count, in that order.
  void (*sum)(const Weight* const* rows, const float* coefficients, std::size_t count, const column_range& columns,
              bool add, float* y);
  /// The same without `add`, past the caches; null where the level has no such stores. Columns: at most
  /// streamed_columns. Pre: y lies on a 64-byte boundary. Call `finish` before anyone reads y.
  void (*stream)(const Weight* const* rows, const float* coefficients, std::size_t count, const column_range& columns,
                 float* y) = nullptr;
  void (*finish)() = nullptr;  ///< null where `stream` is
};

/// The most columns that `sum_kernels::stream` takes at a time.
inline constexpr std::size_t streamed_columns = 768;

/// GELU of n values in place, elementwise equal whatever their position.
using gelu_kernel = void (*)(std::size_t n, float* values);

}  // namespace ultrafastbert::kernels
