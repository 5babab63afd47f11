// SPDX-License-Identifier: MIT
//
// What is no matrix_view: every line below a remark must not compile, and the compiler must print what the remark says
// (which stands on a line of its own, because compilers print the lines that they complain about).
// view_messages.sh compiles this file; no program contains it.
#include <Eigen/Core>
#include <array>
#include <span>
#include <vector>

#include "ultrafastbert/core/aligned_buffer.hpp"

namespace {

using row_major = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

void forward(const ultrafastbert::matrix_view<const float>& x, const ultrafastbert::matrix_view<float>& y) {
  (void)x;
  (void)y;
}

void refusals(const ultrafastbert::matrix_view<float>& y) {
  std::vector<float> list(6);
  const std::vector<double> doubles(6);
  const std::array<float, 6> array{};
  float c_array[6] = {};
  row_major good(2, 3);
  const Eigen::MatrixXf column_major(2, 3);
  Eigen::VectorXf column(6);
  ultrafastbert::matrix<float> own({2, 3});
  using every_other = Eigen::Map<row_major, Eigen::Unaligned, Eigen::InnerStride<2>>;

  // says: write matrix_view(list.data(), {rows, cols})
  forward(list, y);
  // says: write matrix_view(list.data(), {rows, cols})
  forward(doubles, y);
  // says: write matrix_view(list.data(), {rows, cols})
  forward(array, y);
  // says: write matrix_view(list.data(), {rows, cols})
  forward(c_array, y);
  // says: write matrix_view(list.data(), {rows, cols})
  forward(list.data(), y);
  // says: write matrix_view(list.data(), {rows, cols})
  forward(std::span<const float>(list), y);
  // says: Eigen::RowMajor
  forward(column_major, y);
  // says: Eigen::RowMajor
  forward(good.transpose(), y);
  // says: Eigen::RowMajor
  forward(column_major.block(0, 0, 1, 1), y);
  // says: write vector.transpose()
  forward(column, y);
  // says: copy it into a row-major Eigen matrix
  forward(good.col(0), y);
  // says: copy it into a row-major Eigen matrix
  forward(column_major.row(0), y);
  // says: copy it into a row-major Eigen matrix
  forward(every_other(list.data(), 1, 3), y);
  // says: assign it to a row-major Eigen matrix
  forward(good + good, y);
  // says: is given as matrix.view()
  forward(own, y);
  // says: write matrix_view(list.data(), {rows, cols})
  forward(own.view(), list);
  // says: write vector.transpose()
  forward(own.view(), column);
}

}  // namespace
