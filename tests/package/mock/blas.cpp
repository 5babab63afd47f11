// SPDX-License-Identifier: MIT
//
// A BLAS of plain loops. MOCK_INT=long makes it one with 64-bit integers behind the same names; MOCK_CONFIG gives it
// OpenBLAS's configuration string, MOCK_FORTRAN the Fortran name that the probe looks at.
#include "cblas.h"

namespace {

template <class Real>
const Real* start(const Real* x, MOCK_INT n, MOCK_INT increment) {
  return increment < 0 ? x - (n - 1) * increment : x;
}

template <class Real>
Real dot(MOCK_INT n, const Real* x, MOCK_INT incx, const Real* y, MOCK_INT incy) {
  Real sum = 0;
  x = start(x, n, incx);
  y = start(y, n, incy);
  for (MOCK_INT i = 0; i < n; ++i) sum += x[i * incx] * y[i * incy];
  return sum;
}

template <class Real>
void axpy(MOCK_INT n, Real alpha, const Real* x, MOCK_INT incx, Real* y, MOCK_INT incy) {
  x = start(x, n, incx);
  for (MOCK_INT i = 0; i < n; ++i) y[i * incy] += alpha * x[i * incx];
}

template <class Real>
void gemm(CBLAS_TRANSPOSE trans_a, CBLAS_TRANSPOSE trans_b, MOCK_INT m, MOCK_INT n, MOCK_INT k, Real alpha,
          const Real* a, MOCK_INT lda, const Real* b, MOCK_INT ldb, Real beta, Real* c, MOCK_INT ldc) {
  for (MOCK_INT i = 0; i < m; ++i) {
    for (MOCK_INT j = 0; j < n; ++j) {
      Real sum = 0;
      for (MOCK_INT l = 0; l < k; ++l) {
        sum += (trans_a == CblasNoTrans ? a[i * lda + l] : a[l * lda + i]) *
               (trans_b == CblasNoTrans ? b[l * ldb + j] : b[j * ldb + l]);
      }
      c[i * ldc + j] = alpha * sum + (beta == 0 ? 0 : beta * c[i * ldc + j]);
    }
  }
}

}  // namespace

extern "C" {

#ifdef MOCK_CONFIG
char* openblas_get_config(void) {
  static char text[] = MOCK_CONFIG;
  return text;
}
#endif

#ifdef MOCK_FORTRAN
void daxpy_(const MOCK_INT* n, const double* alpha, const double* x, const MOCK_INT* incx, double* y,
            const MOCK_INT* incy) {
  axpy(*n, *alpha, x, *incx, y, *incy);
}
#endif

#define MOCK_DEFINE(letter, real)                                                                                    \
  real cblas_##letter##dot(MOCK_INT n, const real* x, MOCK_INT incx, const real* y, MOCK_INT incy) {                 \
    return dot(n, x, incx, y, incy);                                                                                 \
  }                                                                                                                  \
  void cblas_##letter##axpy(MOCK_INT n, real alpha, const real* x, MOCK_INT incx, real* y, MOCK_INT incy) {          \
    axpy(n, alpha, x, incx, y, incy);                                                                                \
  }                                                                                                                  \
  void cblas_##letter##gemv(CBLAS_LAYOUT, CBLAS_TRANSPOSE trans, MOCK_INT m, MOCK_INT n, real alpha, const real* a,  \
                            MOCK_INT lda, const real* x, MOCK_INT, real beta, real* y, MOCK_INT) {                   \
    gemm(trans, CblasNoTrans, m, MOCK_INT{1}, n, alpha, a, lda, x, MOCK_INT{1}, beta, y, MOCK_INT{1});               \
  }                                                                                                                  \
  void cblas_##letter##gemm(CBLAS_LAYOUT, CBLAS_TRANSPOSE trans_a, CBLAS_TRANSPOSE trans_b, MOCK_INT m, MOCK_INT n,  \
                            MOCK_INT k, real alpha, const real* a, MOCK_INT lda, const real* b, MOCK_INT ldb,        \
                            real beta, real* c, MOCK_INT ldc) {                                                      \
    gemm(trans_a, trans_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);                                            \
  }                                                                                                                  \
  void cblas_##letter##gemm_batch(CBLAS_LAYOUT, const CBLAS_TRANSPOSE* trans_a, const CBLAS_TRANSPOSE* trans_b,      \
                                  const MOCK_INT* m, const MOCK_INT* n, const MOCK_INT* k, const real* alpha,        \
                                  const real** a, const MOCK_INT* lda, const real** b, const MOCK_INT* ldb,          \
                                  const real* beta, real** c, const MOCK_INT* ldc, MOCK_INT groups,                  \
                                  const MOCK_INT* group_sizes) {                                                     \
    for (MOCK_INT g = 0, i = 0; g < groups; ++g) {                                                                   \
      for (MOCK_INT end = i + group_sizes[g]; i < end; ++i) {                                                        \
        gemm(trans_a[g], trans_b[g], m[g], n[g], k[g], alpha[g], a[i], lda[g], b[i], ldb[g], beta[g], c[i], ldc[g]); \
      }                                                                                                              \
    }                                                                                                                \
  }
MOCK_DEFINE(s, float)
MOCK_DEFINE(d, double)

}  // extern "C"
