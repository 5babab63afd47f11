// SPDX-License-Identifier: MIT
//
// What a layer asks of a BLAS: matrix products, and the two pointer-batched operations that conditional matrix
// multiplication is made of. A backend is a type with static functions, so that two of them live in one program.
// Layer: blas.
#pragma once

#include <concepts>
#include <cstddef>
#include <span>
#include <string_view>

#include "ultrafastbert/core/matrix_view.hpp"

namespace ultrafastbert {

/// y[i] = A[i] x[i] for every i: one small matrix-vector product per pointer triple.
/// Shapes: A[i]: (rows, cols) row-major with `stride` >= cols elements from row to row; x[i]: (cols); y[i]: (rows).
/// The spans have equal length; no y[i] overlaps anything else in the batch.
template <class Scalar>
struct gemv_batch {
  std::size_t rows = 1;
  std::size_t cols = 0;
  std::size_t stride = 0;
  std::span<const Scalar* const> a{};
  std::span<const Scalar* const> x{};
  std::span<Scalar* const> y{};
};

/// y[i] += alpha[i] x[i] for every i. Shapes: x[i], y[i]: (length). The spans have equal length; the y[i] are disjoint.
template <class Scalar>
struct axpy_batch {
  std::size_t length = 0;
  std::span<const Scalar> alpha{};
  std::span<const Scalar* const> x{};
  std::span<Scalar* const> y{};
};

/// A type that models a BLAS over `Scalar` (float or double). No function keeps state or starts to print.
///   multiply_transposed(a, b, c)  C = alpha A B^T; a: (m, k), b: (n, k), c: (m, n), overwritten
///   multiply(a, b, c)             C = alpha A B;   a: (m, k), b: (k, n), c: (m, n), overwritten
///   multiply_batch(gemv_batch), accumulate_batch(axpy_batch)
template <class Backend, class Scalar>
concept blas_backend = requires(Scalar alpha, const matrix_view<const Scalar>& a, const matrix_view<Scalar>& c,
                                const gemv_batch<Scalar>& products, const axpy_batch<Scalar>& sums) {
  { Backend::name } -> std::convertible_to<std::string_view>;
  Backend::multiply_transposed(alpha, a, a, c);
  Backend::multiply(alpha, a, a, c);
  Backend::multiply_batch(products);
  Backend::accumulate_batch(sums);
};

}  // namespace ultrafastbert
