// SPDX-License-Identifier: MIT
//
// The backends and scalars that a typed test runs over.
#pragma once

#include <cstdlib>
#include <string_view>
#include <tuple>
#include <type_traits>

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

/// Whether calls of the backend stay on their own thread. A BLAS that wakes threads may allocate for it; the suite sets
/// OPENBLAS_NUM_THREADS=1, a program started by hand perhaps not.
template <class Backend>
[[nodiscard]] bool runs_on_one_thread() {
  const char* const threads = std::getenv("OPENBLAS_NUM_THREADS");
  return std::is_same_v<Backend, ultrafastbert::plain_backend> ||
         (threads != nullptr && std::string_view(threads) == "1");
}

}  // namespace ufb_test
