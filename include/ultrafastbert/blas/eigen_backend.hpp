// SPDX-License-Identifier: MIT
//
// Eigen's matrix products as a backend: what takes the place of a BLAS where a build has none. Compiled for the
// processor that the including program is compiled for, as Eigen is.
// Layer: blas.
#pragma once

#include <cstddef>
#include <string_view>

#include <Eigen/Core>

#include "ultrafastbert/blas/backend.hpp"
#include "ultrafastbert/core/matrix_view.hpp"

namespace ultrafastbert {

/// Eigen for float and double. Stateless; any number of threads may call it.
struct eigen_backend {
  static constexpr std::string_view name = "eigen";

  /// C = alpha A B^T. Shapes: a: (m, k), b: (n, k), c: (m, n), overwritten. Pre: the sizes agree; c overlaps neither.
  template <class Scalar>
  static void multiply_transposed(Scalar alpha, const matrix_view<const Scalar>& a, const matrix_view<const Scalar>& b,
                                  const matrix_view<Scalar>& c) {
    if (!c.empty()) map(c).noalias() = alpha * (map(a) * map(b).transpose());
  }

  /// C = alpha A B. Shapes: a: (m, k), b: (k, n), c: (m, n), overwritten. Pre: the sizes agree; c overlaps neither.
  template <class Scalar>
  static void multiply(Scalar alpha, const matrix_view<const Scalar>& a, const matrix_view<const Scalar>& b,
                       const matrix_view<Scalar>& c) {
    if (!c.empty()) map(c).noalias() = alpha * (map(a) * map(b));
  }

  /// y[i] = A[i] x[i] for the whole batch. Shapes: see `gemv_batch`.
  template <class Scalar>
  static void multiply_batch(const gemv_batch<Scalar>& batch) {
    for (std::size_t i = 0; i < batch.a.size(); ++i) {
      const matrix_view<const Scalar> a(batch.a[i], {batch.rows, batch.cols, batch.stride});
      const Eigen::Map<const column<Scalar>> x(batch.x[i], size(batch.cols));
      Eigen::Map<column<Scalar>>(batch.y[i], size(batch.rows)).noalias() = map(a) * x;
    }
  }

  /// y[i] += alpha[i] x[i] for the whole batch. Shapes: see `axpy_batch`.
  template <class Scalar>
  static void accumulate_batch(const axpy_batch<Scalar>& batch) {
    for (std::size_t i = 0; i < batch.x.size(); ++i) {
      const Eigen::Map<const column<Scalar>> x(batch.x[i], size(batch.length));
      Eigen::Map<column<Scalar>>(batch.y[i], size(batch.length)) += batch.alpha[i] * x;
    }
  }

 private:
  template <class Scalar>
  using column = Eigen::Matrix<Scalar, Eigen::Dynamic, 1>;
  template <class Scalar>
  using rows = Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

  static Eigen::Index size(std::size_t n) noexcept { return static_cast<Eigen::Index>(n); }

  template <class Scalar>
  static auto map(const matrix_view<const Scalar>& view) noexcept {
    return Eigen::Map<const rows<Scalar>, 0, Eigen::OuterStride<>>(view.data(), size(view.rows()), size(view.cols()),
                                                                   Eigen::OuterStride<>(size(view.stride())));
  }
  template <class Scalar>
  static auto map(const matrix_view<Scalar>& view) noexcept {
    return Eigen::Map<rows<Scalar>, 0, Eigen::OuterStride<>>(view.data(), size(view.rows()), size(view.cols()),
                                                             Eigen::OuterStride<>(size(view.stride())));
  }
};

static_assert(blas_backend<eigen_backend, float> && blas_backend<eigen_backend, double>);

}  // namespace ultrafastbert
