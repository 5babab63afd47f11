// SPDX-License-Identifier: MIT
//
// Whether a BLAS allocates by itself, which tests of allocation have to know.
#pragma once

#include <cstddef>

#include "support/allocation_counter.hpp"
#include "support/backends.hpp"
#include "support/random.hpp"
#include "ultrafastbert/core/aligned_buffer.hpp"

namespace ufb_test {

/// Some of OpenBLAS's kernels for small products call malloc, on processors with AVX-512, which no caller can help. The
/// library's own kernels do not meet them.
template <class Backend, class Scalar>
[[nodiscard]] bool allocates_by_itself() {
  using traits = ultrafastbert::blas::backend_traits<Backend>;
  if constexpr (traits::has_kernels) {
    return false;
  } else {
    using blas = typename traits::blas;
    constexpr std::size_t most = 192;
    random_numbers random(140);
    const guarded_matrix<Scalar> a(most, most, 0, random);
    guarded_matrix<Scalar> c(most, most);
    const auto multiply = [&] {
      for (const std::size_t inner : {1U, 4U, 16U, 24U, 64U, 192U}) {
        for (const std::size_t columns : {1U, 4U, 16U, 48U, 192U}) {
          for (const std::size_t rows : {1U, 2U, 3U, 5U, 8U, 16U, 17U, 31U, 64U, 100U, 192U}) {
            const auto left = a.view().rows_from(0, rows).cols_from(0, inner);
            const auto out = c.view().rows_from(0, rows).cols_from(0, columns);
            blas::multiply_transposed(Scalar{1}, left, a.view().rows_from(0, columns).cols_from(0, inner), out);
            blas::multiply(Scalar{1}, left, a.view().rows_from(0, inner).cols_from(0, columns), out);
          }
        }
      }
    };
    multiply();
    return allocations_in(multiply) != 0;
  }
}

}  // namespace ufb_test
