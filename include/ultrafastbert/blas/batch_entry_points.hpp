// SPDX-License-Identifier: MIT
//
// A BLAS's own batched calls, where it has them: oneMKL and newer OpenBLAS export cblas_?gemm_batch, older ones do not.
// Which of these types is the default is the only thing the build's choice changes.
// Layer: blas.
#pragma once

#include "ultrafastbert/blas/config.hpp"

#if UFB_WITH_CBLAS
#include <cblas.h>
#endif

namespace ultrafastbert {

/// The BLAS has no batched calls: batches are loops.
struct no_batch_entry_points {
  static constexpr bool has_gemm_batch = false;
};

#if UFB_WITH_CBLAS && UFB_CBLAS_GEMM_BATCH

/// The BLAS's cblas_sgemm_batch and cblas_dgemm_batch: groups of equal products over arrays of pointers.
/// Shapes: per group g, products C[i] = alpha[g] op(A[i]) op(B[i]) + beta[g] C[i] of size (m[g], n[g]) over k[g].
/// Source: the interface that oneMKL documents and OpenBLAS 0.3.27 and later follow.
struct cblas_batch_entry_points {
  static constexpr bool has_gemm_batch = true;

  /// Shapes: each pointer array: (groups), a, b, c: (sum of group_sizes).
  template <class Int, class Transpose>
  static void gemm_batch(const Transpose* trans_a, const Transpose* trans_b, const Int* m, const Int* n, const Int* k,
                         const float* alpha, const float** a, const Int* lda, const float** b, const Int* ldb,
                         const float* beta, float** c, const Int* ldc, Int groups, const Int* group_sizes) {
    cblas_sgemm_batch(CblasRowMajor, trans_a, trans_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc, groups,
                      group_sizes);
  }

  /// Shapes: as above.
  template <class Int, class Transpose>
  static void gemm_batch(const Transpose* trans_a, const Transpose* trans_b, const Int* m, const Int* n, const Int* k,
                         const double* alpha, const double** a, const Int* lda, const double** b, const Int* ldb,
                         const double* beta, double** c, const Int* ldc, Int groups, const Int* group_sizes) {
    cblas_dgemm_batch(CblasRowMajor, trans_a, trans_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc, groups,
                      group_sizes);
  }
};

using default_batch_entry_points = cblas_batch_entry_points;

#else

using default_batch_entry_points = no_batch_entry_points;

#endif

}  // namespace ultrafastbert
