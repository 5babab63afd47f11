// SPDX-License-Identifier: MIT
//
// The backend that layers take when their template argument is left out: CBLAS where the build has one, else plain
// loops.
// Layer: blas.
#pragma once

#include "ultrafastbert/blas/backend.hpp"
#include "ultrafastbert/blas/cblas_backend.hpp"
#include "ultrafastbert/blas/config.hpp"
#include "ultrafastbert/blas/plain_backend.hpp"

namespace ultrafastbert {

#if UFB_WITH_CBLAS
using default_backend = cblas_backend;
#else
using default_backend = native_backend;
#endif

static_assert(blas_backend<default_backend, float> && blas_backend<default_backend, double>);

}  // namespace ultrafastbert
