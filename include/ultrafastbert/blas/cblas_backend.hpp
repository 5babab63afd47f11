// SPDX-License-Identifier: MIT
//
// The CBLAS adapter: OpenBLAS, oneMKL, BLIS or any other library with the C interface and 32-bit integers.
// Batches go to the library's own batched calls where it has them and are loops over dot and axpy otherwise.
// Results may depend on the number of rows in a call, because a BLAS picks its kernels by shape.
// Layer: blas.
#pragma once

#include "ultrafastbert/blas/config.hpp"

#if UFB_WITH_CBLAS

#include <cblas.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>
#include <string>
#include <string_view>

#include "ultrafastbert/blas/backend.hpp"
#include "ultrafastbert/blas/batch_entry_points.hpp"
#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/core/matrix_view.hpp"

namespace ultrafastbert {

namespace blas {

/// A size as the BLAS takes it. Throws: overflow.
[[nodiscard]] inline int blas_size(std::size_t size) {
  if (size > static_cast<std::size_t>((std::numeric_limits<int>::max)())) {
    fail(error_code::overflow, {.where = "BLAS call", .expected = "sizes below 2^31", .found = std::to_string(size)});
  }
  return static_cast<int>(size);
}

/// A leading dimension: the row-major stride, at least 1 as CBLAS demands. Throws: overflow.
template <class Element>
[[nodiscard]] int blas_stride(const matrix_view<Element>& view) {
  return blas_size((std::max<std::size_t>)({view.stride(), view.cols(), 1}));
}

// The C interface overloaded by scalar type.
inline float cblas_dot(int n, const float* x, const float* y) { return cblas_sdot(n, x, 1, y, 1); }
inline double cblas_dot(int n, const double* x, const double* y) { return cblas_ddot(n, x, 1, y, 1); }
inline void cblas_axpy(int n, float alpha, const float* x, float* y) { cblas_saxpy(n, alpha, x, 1, y, 1); }
inline void cblas_axpy(int n, double alpha, const double* x, double* y) { cblas_daxpy(n, alpha, x, 1, y, 1); }
inline void cblas_gemv(int m, int n, const float* a, int lda, const float* x, float* y) {
  cblas_sgemv(CblasRowMajor, CblasNoTrans, m, n, 1.0F, a, lda, x, 1, 0.0F, y, 1);
}
inline void cblas_gemv(int m, int n, const double* a, int lda, const double* x, double* y) {
  cblas_dgemv(CblasRowMajor, CblasNoTrans, m, n, 1.0, a, lda, x, 1, 0.0, y, 1);
}
inline void cblas_gemm(CBLAS_TRANSPOSE trans_b, float alpha, const matrix_view<const float>& a,
                       const matrix_view<const float>& b, const matrix_view<float>& c) {
  cblas_sgemm(CblasRowMajor, CblasNoTrans, trans_b, blas_size(c.rows()), blas_size(c.cols()), blas_size(a.cols()),
              alpha, a.data(), blas_stride(a), b.data(), blas_stride(b), 0.0F, c.data(), blas_stride(c));
}
inline void cblas_gemm(CBLAS_TRANSPOSE trans_b, double alpha, const matrix_view<const double>& a,
                       const matrix_view<const double>& b, const matrix_view<double>& c) {
  cblas_dgemm(CblasRowMajor, CblasNoTrans, trans_b, blas_size(c.rows()), blas_size(c.cols()), blas_size(a.cols()),
              alpha, a.data(), blas_stride(a), b.data(), blas_stride(b), 0.0, c.data(), blas_stride(c));
}

/// One group of equal products through a BLAS's batched gemm: C[i] = A[i] B[i] + beta C[i].
template <class BatchEntryPoints, class Scalar>
void gemm_batch_group(const matrix_extents& a_extents, const matrix_extents& b_extents, Scalar beta, const Scalar** a,
                      const Scalar** b, Scalar** c, std::size_t count) {
  const CBLAS_TRANSPOSE plain = CblasNoTrans;
  const int m = blas_size(a_extents.rows);
  const int n = blas_size(b_extents.cols);
  const int k = blas_size(a_extents.cols);
  const int lda = blas_size(a_extents.stride);
  const int ldb = blas_size(b_extents.stride);
  const int size = blas_size(count);
  const Scalar one = 1;
  BatchEntryPoints::gemm_batch(&plain, &plain, &m, &n, &k, &one, a, &lda, b, &ldb, &beta, c, &n, 1, &size);
}

}  // namespace blas

/// CBLAS for float and double. Stateless; as thread-safe as the library behind it. Sizes are limited to 2^31 - 1.
/// `BatchEntryPoints` tells whether, and through which functions, the library takes arrays of pointers.
template <class BatchEntryPoints = default_batch_entry_points>
struct basic_cblas_backend {
  static constexpr std::string_view name = "cblas";
  static constexpr bool has_batched_calls = BatchEntryPoints::has_gemm_batch;

  /// Sum of x[k] y[k] for k < n. Shapes: x, y: (n). Throws: overflow.
  template <class Scalar>
  [[nodiscard]] static Scalar dot(std::size_t n, const Scalar* x, const Scalar* y) {
    return blas::cblas_dot(blas::blas_size(n), x, y);
  }

  /// y += alpha x. Shapes: x, y: (n). Throws: overflow.
  template <class Scalar>
  static void axpy(std::size_t n, Scalar alpha, const Scalar* x, Scalar* y) {
    blas::cblas_axpy(blas::blas_size(n), alpha, x, y);
  }

  /// C = alpha A B^T. Shapes: a: (m, k), b: (n, k), c: (m, n), overwritten. Pre: the sizes agree; c overlaps neither.
  /// Throws: overflow.
  template <class Scalar>
  static void multiply_transposed(Scalar alpha, const matrix_view<const Scalar>& a, const matrix_view<const Scalar>& b,
                                  const matrix_view<Scalar>& c) {
    if (!c.empty()) blas::cblas_gemm(CblasTrans, alpha, a, b, c);
  }

  /// C = alpha A B. Shapes: a: (m, k), b: (k, n), c: (m, n), overwritten. Pre: the sizes agree; c overlaps neither.
  /// Throws: overflow.
  template <class Scalar>
  static void multiply(Scalar alpha, const matrix_view<const Scalar>& a, const matrix_view<const Scalar>& b,
                       const matrix_view<Scalar>& c) {
    if (!c.empty()) blas::cblas_gemm(CblasNoTrans, alpha, a, b, c);
  }

  /// y[i] = A[i] x[i] for the whole batch. Shapes: see `gemv_batch`. Throws: overflow.
  template <class Scalar>
  static void multiply_batch(const gemv_batch<Scalar>& batch) {
    if (batch.rows == 0) return;
    if (batch.cols == 0) {  // for a BLAS nothing to do: it would leave y as it is
      for (Scalar* const y : batch.y) std::fill_n(y, batch.rows, Scalar{0});
      return;
    }
    if constexpr (has_batched_calls) return multiply_batch_by_gemm(batch);
    for (std::size_t i = 0; i < batch.a.size(); ++i) {
      // One row is a dot product: gemv would wake the BLAS's threads for it.
      if (batch.rows == 1) {
        *batch.y[i] = dot(batch.cols, batch.a[i], batch.x[i]);
      } else {
        const int stride = blas::blas_size((std::max<std::size_t>)({batch.stride, batch.cols, 1}));
        blas::cblas_gemv(blas::blas_size(batch.rows), blas::blas_size(batch.cols), batch.a[i], stride, batch.x[i],
                         batch.y[i]);
      }
    }
  }

  /// y[i] += alpha[i] x[i] for the whole batch. Shapes: see `axpy_batch`. Throws: overflow.
  template <class Scalar>
  static void accumulate_batch(const axpy_batch<Scalar>& batch) {
    if constexpr (has_batched_calls) {
      if (batch.length != 0) return accumulate_batch_by_gemm(batch);
    }
    for (std::size_t i = 0; i < batch.x.size(); ++i) axpy(batch.length, batch.alpha[i], batch.x[i], batch.y[i]);
  }

 private:
  static constexpr std::size_t group_size = 64;  // pointers kept on the stack at a time

  // A[i] is (rows, cols), x[i] a (cols, 1) matrix.
  template <class Scalar>
  static void multiply_batch_by_gemm(const gemv_batch<Scalar>& batch) {
    std::array<const Scalar*, group_size> a{};
    std::array<const Scalar*, group_size> x{};
    std::array<Scalar*, group_size> y{};
    for (std::size_t first = 0; first < batch.a.size(); first += group_size) {
      const std::size_t count = (std::min)(group_size, batch.a.size() - first);
      std::copy_n(batch.a.begin() + static_cast<std::ptrdiff_t>(first), count, a.begin());
      std::copy_n(batch.x.begin() + static_cast<std::ptrdiff_t>(first), count, x.begin());
      std::copy_n(batch.y.begin() + static_cast<std::ptrdiff_t>(first), count, y.begin());
      const std::size_t stride = (std::max)(batch.stride, batch.cols);
      blas::gemm_batch_group<BatchEntryPoints>({batch.rows, batch.cols, stride}, {batch.cols, 1, 1}, Scalar{0},
                                               a.data(), x.data(), y.data(), count);
    }
  }

  // alpha[i] is a (1, 1) matrix, x[i] a (1, length) one: a scalar of its own per item, which batched axpy cannot take.
  template <class Scalar>
  static void accumulate_batch_by_gemm(const axpy_batch<Scalar>& batch) {
    std::array<const Scalar*, group_size> alpha{};
    std::array<const Scalar*, group_size> x{};
    std::array<Scalar*, group_size> y{};
    for (std::size_t first = 0; first < batch.x.size(); first += group_size) {
      const std::size_t count = (std::min)(group_size, batch.x.size() - first);
      for (std::size_t i = 0; i < count; ++i) alpha[i] = &batch.alpha[first + i];
      std::copy_n(batch.x.begin() + static_cast<std::ptrdiff_t>(first), count, x.begin());
      std::copy_n(batch.y.begin() + static_cast<std::ptrdiff_t>(first), count, y.begin());
      blas::gemm_batch_group<BatchEntryPoints>({1, 1, 1}, {1, batch.length, batch.length}, Scalar{1}, alpha.data(),
                                               x.data(), y.data(), count);
    }
  }
};

using cblas_backend = basic_cblas_backend<>;

}  // namespace ultrafastbert

#endif
