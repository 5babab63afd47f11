// SPDX-License-Identifier: MIT
//
// AVX-512 kernels of the packed matrix product: panels of two vectors, up to 12 rows, so that 24 of the 32 registers
// hold sums.
// Layer: kernels.
#pragma once

#include "ultrafastbert/kernels/isa.hpp"

#if UFB_KERNELS_X86

#include <immintrin.h>

#include <cstddef>
#include <utility>

#include "ultrafastbert/kernels/gemm_kernels.hpp"

// See fff_avx512.hpp.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#endif

#define UFB_AVX512 [[gnu::target("avx512f,avx512bw,avx512dq,avx512vl,fma,f16c")]]
#define UFB_AVX512_INLINE [[gnu::always_inline, gnu::target("avx512f,avx512bw,avx512dq,avx512vl,fma,f16c")]] inline

namespace ultrafastbert::kernels::detail::gemm_avx512 {

inline constexpr std::size_t lanes = 16;
inline constexpr std::size_t columns = 2 * lanes;

// Keeps a vector in its register: g++ 12 would fold the load into each of its uses.
UFB_AVX512_INLINE void keep(__m512& v) noexcept { asm("" : "+v"(v)); }

template <class Rows, class Vectors>
struct sums;

// Written out by packs instead of loops: g++ 12 unrolls nested loops too late to keep the sums in registers.
template <std::size_t... R, std::size_t... V>
struct sums<std::index_sequence<R...>, std::index_sequence<V...>> {
  static constexpr std::size_t vectors = sizeof...(V);
  __m512 a[sizeof...(R) * vectors];

  template <std::size_t Row>
  UFB_AVX512_INLINE void begin(const gemm_tile& t) noexcept {
    const float* y = t.y + Row * t.y_stride;
    ((a[Row * vectors + V] = t.add ? _mm512_loadu_ps(y + V * lanes) : _mm512_setzero_ps()), ...);
  }
  template <std::size_t Row>
  UFB_AVX512_INLINE void add(const __m512* b, const float* x) noexcept {
    __m512 c = _mm512_set1_ps(*x);
    keep(c);
    ((a[Row * vectors + V] = _mm512_fmadd_ps(c, b[V], a[Row * vectors + V])), ...);
  }
  template <std::size_t Row>
  UFB_AVX512_INLINE void add_bias(const float* bias) noexcept {
    ((a[Row * vectors + V] = _mm512_add_ps(a[Row * vectors + V], _mm512_loadu_ps(bias + V * lanes))), ...);
  }
  template <std::size_t Row>
  UFB_AVX512_INLINE void store(float* y) const noexcept {
    (_mm512_storeu_ps(y + V * lanes, a[Row * vectors + V]), ...);
  }

  UFB_AVX512 static void run(const gemm_tile& tile) {
    const gemm_tile t = tile;
    sums s;
    (s.template begin<R>(t), ...);
    const float* x = t.x;
    const float* panel = t.panel;
    const float* next = t.next;
    for (std::size_t k = 0; k < t.inner; ++k, ++x, panel += columns, next += t.next_step) {
      __builtin_prefetch(next, 0, 2);
      __m512 b[vectors] = {_mm512_load_ps(panel + V / 2 * t.panel_stride + V % 2 * lanes)...};
      (keep(b[V]), ...);
      (s.template add<R>(b, x + R * t.x_stride), ...);
    }
    if (t.bias != nullptr) (s.template add_bias<R>(t.bias), ...);
    (s.template store<R>(t.y + R * t.y_stride), ...);
  }
};

template <std::size_t Rows, std::size_t Panels>
inline constexpr gemm_kernel kernel = sums<std::make_index_sequence<Rows>, std::make_index_sequence<2 * Panels>>::run;

inline constexpr gemm_kernels table{
    .columns = columns,
    .rows = 12,
    .single = {kernel<1, 1>, kernel<2, 1>, kernel<3, 1>, kernel<4, 1>, kernel<5, 1>, kernel<6, 1>, kernel<7, 1>,
               kernel<8, 1>, kernel<9, 1>, kernel<10, 1>, kernel<11, 1>, kernel<12, 1>},
    .pair = {kernel<1, 2>, kernel<2, 2>, kernel<3, 2>, kernel<4, 2>, kernel<5, 2>, kernel<6, 2>}};

}  // namespace ultrafastbert::kernels::detail::gemm_avx512

#undef UFB_AVX512
#undef UFB_AVX512_INLINE
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#endif
