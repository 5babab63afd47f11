/* SPDX-License-Identifier: MIT */
/* On the include path where the BLAS is oneMKL, whose C interface is declared in a header of another name. */
#pragma once
#include <mkl_cblas.h>
