// SPDX-License-Identifier: MIT
//
// The backends and scalars that a typed test runs over.
#pragma once

#include <tuple>

#include "ultrafastbert/blas/default_backend.hpp"

namespace ufb_test {

template <class Backend, class Scalar>
struct on {
  using backend = Backend;
  using scalar = Scalar;
};

#if UFB_WITH_CBLAS
using every_backend = std::tuple<on<ultrafastbert::plain_backend, float>, on<ultrafastbert::plain_backend, double>,
                                 on<ultrafastbert::cblas_backend, float>, on<ultrafastbert::cblas_backend, double>>;
#else
using every_backend = std::tuple<on<ultrafastbert::plain_backend, float>, on<ultrafastbert::plain_backend, double>>;
#endif

}  // namespace ufb_test
