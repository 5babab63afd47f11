// SPDX-License-Identifier: MIT
//
// Eigen's product, as compiled for one instruction set level.
#pragma once

#include <cstddef>

namespace ufb_bench {

/// y = x w^T. Shapes: x: (rows, inner); w: (cols, inner); y: (rows, cols); all row-major.
struct eigen_product {
  const float* x = nullptr;
  std::size_t x_stride = 0;
  const float* w = nullptr;
  std::size_t w_stride = 0;
  float* y = nullptr;
  std::size_t y_stride = 0;
  std::size_t rows = 0;
  std::size_t inner = 0;
  std::size_t cols = 0;
};

void eigen_multiply_portable(const eigen_product& product);
void eigen_multiply_avx2(const eigen_product& product);
void eigen_multiply_avx512(const eigen_product& product);

}  // namespace ufb_bench
