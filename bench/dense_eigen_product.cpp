// SPDX-License-Identifier: MIT
//
// Compiled once per instruction set level, with Eigen's namespace renamed on the command line (see CMakeLists.txt).
// Nothing of the standard library is used here: an inline function of it, compiled for a newer processor, could be the
// copy that the linker keeps for the whole program.
#include <Eigen/Core>

#include "dense_eigen.hpp"

#define UFB_JOIN_NAMES(a, b) a##b
#define UFB_LEVEL_FUNCTION(name, level) UFB_JOIN_NAMES(name, level)

namespace ufb_bench {

void UFB_LEVEL_FUNCTION(eigen_multiply_, UFB_EIGEN_LEVEL)(const eigen_product& product) {
  using matrix_type = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  using stride_type = Eigen::OuterStride<>;
  using index = Eigen::Index;
  const auto rows = static_cast<index>(product.rows);
  const auto inner = static_cast<index>(product.inner);
  const auto cols = static_cast<index>(product.cols);
  const Eigen::Map<const matrix_type, 0, stride_type> x(product.x, rows, inner,
                                                        stride_type(static_cast<index>(product.x_stride)));
  const Eigen::Map<const matrix_type, 0, stride_type> w(product.w, cols, inner,
                                                        stride_type(static_cast<index>(product.w_stride)));
  Eigen::Map<matrix_type, 0, stride_type> y(product.y, rows, cols, stride_type(static_cast<index>(product.y_stride)));
  if (rows == 1) {
    y.row(0).transpose().noalias() = w * x.row(0).transpose();
  } else {
    y.noalias() = x * w.transpose();
  }
}

}  // namespace ufb_bench
