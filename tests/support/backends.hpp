// SPDX-License-Identifier: MIT
//
// The backends and scalars that a typed test runs over.
#pragma once

#include <cstdlib>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

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

/// The backends that layers run over: the same, and the library's own kernels.
using every_layer_backend = decltype(std::tuple_cat(
    std::declval<every_backend>(), std::declval<std::tuple<on<ultrafastbert::kernel_backend, float>>>()));

/// Whether calls of the backend stay on their own thread. A BLAS that wakes threads may allocate for it; the suite sets
/// OPENBLAS_NUM_THREADS=1, a program started by hand perhaps not.
template <class Backend>
[[nodiscard]] bool runs_on_one_thread() {
#if UFB_WITH_CBLAS
  if constexpr (std::is_same_v<typename ultrafastbert::blas::backend_traits<Backend>::blas,
                               ultrafastbert::cblas_backend>) {
    const char* const threads = std::getenv("OPENBLAS_NUM_THREADS");
    return threads != nullptr && std::string_view(threads) == "1";
  }
#endif
  return true;
}

}  // namespace ufb_test
