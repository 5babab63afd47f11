// SPDX-License-Identifier: MIT
//
// The kernels of the packed matrix product as tables of functions, one table per instruction set level. The packed
// matrix lies in panels of a few columns, all of its rows one after the other. An element of the product is one chain
// of multiply-adds over rising k: the same in every kernel of a level, whatever is computed beside it.
// Layer: kernels.
#pragma once

#include <array>
#include <cstddef>

namespace ultrafastbert::kernels {

/// A piece of a product: some rows of x times whole panels. All pointers are to the piece's first element.
struct gemm_tile {
  const float* x = nullptr;      ///< (rows, inner)
  std::size_t x_stride = 0;      ///< elements from row to row
  const float* panel = nullptr;  ///< (inner, panel columns), aligned to its rows
  std::size_t panel_stride = 0;  ///< elements from panel to panel
  std::size_t inner = 0;         ///< terms of each sum
  float* y = nullptr;            ///< (rows, panels * panel columns)
  std::size_t y_stride = 0;      ///< elements from row to row
  bool add = false;              ///< the chains go on from y instead of 0
  const float* bias = nullptr;   ///< (panels * panel columns), added after the last term; or null
  /// What will be read soon, to be asked for step by step: `next_step` elements on with every term.
  const float* next = nullptr;
  std::size_t next_step = 0;
};

/// Computes a tile whose number of rows and panels is the kernel's own.
using gemm_kernel = void (*)(const gemm_tile& tile);

inline constexpr std::size_t most_gemm_rows = 12;     ///< of a kernel of any level
inline constexpr std::size_t most_gemm_columns = 32;  ///< of a panel of any level

/// The kernels of a level. Kernels are indexed by their number of rows - 1.
struct gemm_kernels {
  std::size_t columns = 0;                           ///< of a panel, a power of two
  std::size_t rows = 0;                              ///< largest number of rows
  std::array<gemm_kernel, most_gemm_rows> single{};  ///< one panel
  /// Two neighbouring panels, which give few rows more independent chains; null where one has enough.
  std::array<gemm_kernel, most_gemm_rows> pair{};
};

}  // namespace ultrafastbert::kernels
