// SPDX-License-Identifier: MIT
//
// What the backend in a layer's type means: the type says what runs. The library's own kernels are a backend like any
// BLAS, and the default for float; double takes the BLAS of the build.
// Layer: blas.
#pragma once

#include <concepts>
#include <string_view>
#include <type_traits>

#include "ultrafastbert/blas/backend.hpp"
#include "ultrafastbert/blas/cblas_backend.hpp"
#include "ultrafastbert/blas/config.hpp"
#include "ultrafastbert/blas/plain_backend.hpp"
#if !UFB_WITH_CBLAS
#include "ultrafastbert/blas/eigen_backend.hpp"
#endif

namespace ultrafastbert {

#if UFB_WITH_CBLAS
using default_blas = cblas_backend;
#else
using default_blas = eigen_backend;
#endif

/// The library's own kernels, for float: packed products and the engines that walk trees, in any storage and at any
/// instruction set level. The engine `blas` of a layer's options stands for `Blas` instead, a word away.
template <class Blas>
requires blas_backend<Blas, float>
struct basic_kernel_backend {
  static constexpr std::string_view name = "kernels";
  using blas = Blas;
};

using kernel_backend = basic_kernel_backend<default_blas>;

namespace blas {

/// Whether a backend is the library's own kernels, and the BLAS that it stands for where a BLAS is asked for.
template <class Backend>
struct backend_traits {
  static constexpr bool has_kernels = false;
  using blas = Backend;
};
template <class Blas>
struct backend_traits<basic_kernel_backend<Blas>> {
  static constexpr bool has_kernels = true;
  using blas = Blas;
};

}  // namespace blas

/// What a layer over `Scalar` can be built on: a BLAS, or for float the library's own kernels.
template <class Backend, class Scalar>
concept layer_backend = blas_backend<typename blas::backend_traits<Backend>::blas, Scalar> &&
    (!blas::backend_traits<Backend>::has_kernels || std::same_as<Scalar, float>);

/// The backend that layers take when their template argument is left out.
template <class Scalar>
using default_backend = std::conditional_t<std::same_as<Scalar, float>, kernel_backend, default_blas>;

static_assert(layer_backend<default_backend<float>, float> && layer_backend<default_backend<double>, double>);

}  // namespace ultrafastbert
