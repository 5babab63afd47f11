/* SPDX-License-Identifier: MIT */
/* The part of the C interface that the library calls, with batched products, for the mock library beside it. */
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

#ifndef MOCK_INT
#define MOCK_INT int
#endif

typedef enum { CblasRowMajor = 101, CblasColMajor = 102 } CBLAS_LAYOUT;
typedef CBLAS_LAYOUT CBLAS_ORDER;
typedef enum { CblasNoTrans = 111, CblasTrans = 112, CblasConjTrans = 113 } CBLAS_TRANSPOSE;

#define MOCK_DECLARE(letter, real)                                                                                     \
  real cblas_##letter##dot(MOCK_INT n, const real* x, MOCK_INT incx, const real* y, MOCK_INT incy);                    \
  void cblas_##letter##axpy(MOCK_INT n, real alpha, const real* x, MOCK_INT incx, real* y, MOCK_INT incy);             \
  void cblas_##letter##gemv(CBLAS_LAYOUT layout, CBLAS_TRANSPOSE trans, MOCK_INT m, MOCK_INT n, real alpha,            \
                            const real* a, MOCK_INT lda, const real* x, MOCK_INT incx, real beta, real* y,             \
                            MOCK_INT incy);                                                                            \
  void cblas_##letter##gemm(CBLAS_LAYOUT layout, CBLAS_TRANSPOSE trans_a, CBLAS_TRANSPOSE trans_b, MOCK_INT m,         \
                            MOCK_INT n, MOCK_INT k, real alpha, const real* a, MOCK_INT lda, const real* b,            \
                            MOCK_INT ldb, real beta, real* c, MOCK_INT ldc);                                           \
  void cblas_##letter##gemm_batch(CBLAS_LAYOUT layout, const CBLAS_TRANSPOSE* trans_a, const CBLAS_TRANSPOSE* trans_b, \
                                  const MOCK_INT* m, const MOCK_INT* n, const MOCK_INT* k, const real* alpha,          \
                                  const real** a, const MOCK_INT* lda, const real** b, const MOCK_INT* ldb,            \
                                  const real* beta, real** c, const MOCK_INT* ldc, MOCK_INT groups,                    \
                                  const MOCK_INT* group_sizes);
MOCK_DECLARE(s, float)
MOCK_DECLARE(d, double)
#undef MOCK_DECLARE

#ifdef __cplusplus
}
#endif
