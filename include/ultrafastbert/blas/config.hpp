// SPDX-License-Identifier: MIT
//
// What the build found out about the BLAS, with defaults for programs that are compiled by hand. The macros only
// select which type is the default backend. Types of both settings may meet in one program: no class, function or
// layout changes under one name, so translation units that disagree about these macros still link correctly.
// Layer: blas.
#pragma once

/// 1 if programs link a CBLAS with 32-bit integers: the default backend calls it. 0: Eigen takes its place.
#ifndef UFB_WITH_CBLAS
#if __has_include(<cblas.h>)
#define UFB_WITH_CBLAS 1
#else
#define UFB_WITH_CBLAS 0
#endif
#endif

/// 1 if that CBLAS declares and defines cblas_sgemm_batch and cblas_dgemm_batch. 0: a loop takes their place.
#ifndef UFB_CBLAS_GEMM_BATCH
#define UFB_CBLAS_GEMM_BATCH 0
#endif
