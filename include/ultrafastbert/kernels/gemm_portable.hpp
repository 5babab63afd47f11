// SPDX-License-Identifier: MIT
//
// Kernels of the packed matrix product in plain C++: panels of 8 columns, up to 4 rows. A product is always rounded
// before it is added, whatever processor the including program is compiled for.
// Layer: kernels.
#pragma once

#include <cstddef>

#include "ultrafastbert/kernels/gemm_kernels.hpp"
#include "ultrafastbert/kernels/isa.hpp"

// See fff_portable.hpp.
#if UFB_KERNELS_X86
#define UFB_PORTABLE [[gnu::target("no-avx")]]
#define UFB_PORTABLE_INLINE [[gnu::always_inline, gnu::target("no-avx")]] inline
#elif defined(__GNUC__) && !defined(__clang__)
#define UFB_PORTABLE [[gnu::optimize("fp-contract=off")]]
#define UFB_PORTABLE_INLINE [[gnu::always_inline, gnu::optimize("fp-contract=off")]] inline
#else
#define UFB_PORTABLE
#define UFB_PORTABLE_INLINE inline
#endif
#if defined(__clang__)
#define UFB_NOT_FUSED _Pragma("STDC FP_CONTRACT OFF")
#else
#define UFB_NOT_FUSED
#endif

namespace ultrafastbert::kernels::detail::gemm_portable {

inline constexpr std::size_t columns = 8;

// The sums of one row.
struct row_sums {
  float a[columns];

  UFB_PORTABLE_INLINE void begin(const float* y, bool add) noexcept {
    for (std::size_t l = 0; l < columns; ++l) a[l] = add ? y[l] : 0.0F;
  }
  UFB_PORTABLE_INLINE void add(const float* b, float x) noexcept {
    UFB_NOT_FUSED
    for (std::size_t l = 0; l < columns; ++l) a[l] += b[l] * x;
  }
  UFB_PORTABLE_INLINE void store(float* y, const float* bias) const noexcept {
    for (std::size_t l = 0; l < columns; ++l) y[l] = bias != nullptr ? a[l] + bias[l] : a[l];
  }
};

template <std::size_t Rows>
UFB_PORTABLE void kernel(const gemm_tile& t) {
  row_sums s[Rows];
  for (std::size_t r = 0; r < Rows; ++r) s[r].begin(t.y + r * t.y_stride, t.add);
  for (std::size_t k = 0; k < t.inner; ++k) {
    for (std::size_t r = 0; r < Rows; ++r) s[r].add(t.panel + k * columns, t.x[r * t.x_stride + k]);
  }
  for (std::size_t r = 0; r < Rows; ++r) s[r].store(t.y + r * t.y_stride, t.bias);
}

inline constexpr gemm_kernels table{
    .columns = columns, .rows = 4, .single = {kernel<1>, kernel<2>, kernel<3>, kernel<4>}, .pair = {}};

}  // namespace ultrafastbert::kernels::detail::gemm_portable

#undef UFB_PORTABLE
#undef UFB_PORTABLE_INLINE
#undef UFB_NOT_FUSED
