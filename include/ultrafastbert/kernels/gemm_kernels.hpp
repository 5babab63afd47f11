// SPDX-License-Identifier: MIT
//
// The kernels of the packed matrix product as tables of functions, one table per storage and instruction set. Operands
// are seen as 32-bit words: a float, two bfloat16 or four int8 that are neighbors in k. The packed matrix lies in
// panels of a few columns, all of its words one after the other. An element of the product is one chain of operations
// over rising k: the same in every kernel of a table, whatever is computed beside it.
// Layer: kernels.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ultrafastbert::kernels {

/// A piece of a product: some rows of x times whole panels. All pointers are to the piece's first element.
struct gemm_tile {
  const void* x = nullptr;               ///< (rows, inner): floats, or words that `gemm_kernels::convert` wrote
  std::size_t x_stride = 0;              ///< words from row to row
  const std::uint32_t* panel = nullptr;  ///< (inner, panel columns), aligned to its rows
  std::size_t panel_stride = 0;          ///< words from panel to panel
  std::size_t inner = 0;                 ///< words of each sum
  float* y = nullptr;                    ///< (rows, panels * panel columns)
  std::size_t y_stride = 0;              ///< elements from row to row
  bool add = false;                      ///< to y; floating-point chains go on from it instead of 0
  const float* bias = nullptr;           ///< (panels * panel columns), added after the last term; or null
  /// What will be read soon, to be asked for step by step: `next_step` words on with every word.
  const std::uint32_t* next = nullptr;
  std::size_t next_step = 0;
  // Of int8 alone: an element is its sum, times the scale of its column, times that of its row.
  const float* row_scale = nullptr;     ///< (rows)
  const float* column_scale = nullptr;  ///< (panels * panel columns), aligned
  const std::int32_t* start = nullptr;  ///< (panels * panel columns), aligned: what sums begin with
};

/// Computes a tile whose number of rows and panels is the kernel's own.
using gemm_kernel = void (*)(const gemm_tile& tile);

/// Rounds a row of x to words, the last one filled up with zeros; returns the row's scale, 1 without scales.
/// `words` begins and ends at a multiple of 64 bytes; what follows the last word is not kept.
using gemm_conversion = float (*)(const float* row, std::size_t count, std::uint32_t* words);

inline constexpr std::size_t most_gemm_rows = 12;     ///< of a kernel of any table
inline constexpr std::size_t most_gemm_columns = 32;  ///< of a panel of any table

/// The kernels of a storage and instruction set. Kernels are indexed by their number of rows - 1.
struct gemm_kernels {
  std::string_view name{};                           ///< instruction set: stable spelling
  std::size_t terms = 1;                             ///< elements of a word
  std::size_t columns = 0;                           ///< of a panel, a power of two
  std::size_t rows = 0;                              ///< largest number of rows
  std::array<gemm_kernel, most_gemm_rows> single{};  ///< one panel
  /// Two neighboring panels, which give few rows more independent chains; null where one has enough.
  std::array<gemm_kernel, most_gemm_rows> pair{};
  gemm_conversion convert = nullptr;  ///< null: x is read as it is
  /// Added to every int8 element of x, for instructions that multiply unsigned by signed.
  std::uint32_t shift = 0;
};

}  // namespace ultrafastbert::kernels
