// SPDX-License-Identifier: MIT
//
// The backend of plain loops: what every tuned path is compared with.
// Each result element is one chain of additions over k in rising order, whatever the other sizes are.
// Layer: blas.
#pragma once

#include <cstddef>
#include <string_view>

#include "ultrafastbert/blas/backend.hpp"
#include "ultrafastbert/core/matrix_view.hpp"

namespace ultrafastbert {

/// Plain loops for float and double. Stateless; any number of threads may call it.
struct plain_backend {
  static constexpr std::string_view name = "plain";

  /// Sum of x[k] y[k] for k < n. Shapes: x, y: (n).
  template <class Scalar>
  [[nodiscard]] static Scalar dot(std::size_t n, const Scalar* x, const Scalar* y) noexcept {
    Scalar sum = 0;
    for (std::size_t k = 0; k < n; ++k) sum += x[k] * y[k];
    return sum;
  }

  /// y += alpha x. Shapes: x, y: (n).
  template <class Scalar>
  static void axpy(std::size_t n, Scalar alpha, const Scalar* x, Scalar* y) noexcept {
    for (std::size_t k = 0; k < n; ++k) y[k] += alpha * x[k];
  }

  /// C = alpha A B^T. Shapes: a: (m, k), b: (n, k), c: (m, n), overwritten. Pre: the sizes agree; c overlaps neither.
  template <class Scalar>
  static void multiply_transposed(Scalar alpha, const matrix_view<const Scalar>& a, const matrix_view<const Scalar>& b,
                                  const matrix_view<Scalar>& c) noexcept {
    for (std::size_t i = 0; i < c.rows(); ++i) {
      for (std::size_t j = 0; j < c.cols(); ++j) c(i, j) = alpha * dot(a.cols(), a.row(i), b.row(j));
    }
  }

  /// C = alpha A B. Shapes: a: (m, k), b: (k, n), c: (m, n), overwritten. Pre: the sizes agree; c overlaps neither.
  template <class Scalar>
  static void multiply(Scalar alpha, const matrix_view<const Scalar>& a, const matrix_view<const Scalar>& b,
                       const matrix_view<Scalar>& c) noexcept {
    for (std::size_t i = 0; i < c.rows(); ++i) {
      for (std::size_t j = 0; j < c.cols(); ++j) c(i, j) = 0;
      for (std::size_t k = 0; k < a.cols(); ++k) axpy(c.cols(), alpha * a(i, k), b.row(k), c.row(i));
    }
  }

  /// y[i] = A[i] x[i] for the whole batch. Shapes: see `gemv_batch`.
  template <class Scalar>
  static void multiply_batch(const gemv_batch<Scalar>& batch) noexcept {
    for (std::size_t i = 0; i < batch.a.size(); ++i) {
      for (std::size_t r = 0; r < batch.rows; ++r) {
        batch.y[i][r] = dot(batch.cols, batch.a[i] + r * batch.stride, batch.x[i]);
      }
    }
  }

  /// y[i] += alpha[i] x[i] for the whole batch. Shapes: see `axpy_batch`.
  template <class Scalar>
  static void accumulate_batch(const axpy_batch<Scalar>& batch) noexcept {
    for (std::size_t i = 0; i < batch.x.size(); ++i) axpy(batch.length, batch.alpha[i], batch.x[i], batch.y[i]);
  }
};

}  // namespace ultrafastbert
