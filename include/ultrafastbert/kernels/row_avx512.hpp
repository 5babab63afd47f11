// SPDX-License-Identifier: MIT
//
// AVX-512 kernels of single rows.
// Layer: kernels.
#pragma once

#include "ultrafastbert/kernels/isa.hpp"

#if UFB_KERNELS_X86

#include <immintrin.h>

#include <cstddef>
#include <limits>

#include "ultrafastbert/kernels/exp_constants.hpp"
#include "ultrafastbert/kernels/row_kernels.hpp"

// See fff_avx512.hpp.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#endif

#define UFB_ROW [[gnu::target("avx512f,avx512bw,avx512dq,avx512vl,fma,f16c")]]
#define UFB_ROW_INLINE [[gnu::always_inline, gnu::target("avx512f,avx512bw,avx512dq,avx512vl,fma,f16c")]] inline

namespace ultrafastbert::kernels::row_avx512 {

using vector = __m512;
inline constexpr std::size_t lanes = 16;

UFB_ROW_INLINE __mmask16 first_lanes(std::size_t n) noexcept {
  return static_cast<__mmask16>((1U << static_cast<unsigned>(n)) - 1U);
}

UFB_ROW_INLINE vector splat(float c) noexcept { return _mm512_set1_ps(c); }
UFB_ROW_INLINE vector load(const float* p) noexcept { return _mm512_loadu_ps(p); }
UFB_ROW_INLINE void store(float* p, vector v) noexcept { _mm512_storeu_ps(p, v); }
UFB_ROW_INLINE vector load_some(const float* p, std::size_t n) noexcept {
  return _mm512_maskz_loadu_ps(first_lanes(n), p);
}
UFB_ROW_INLINE void store_some(float* p, std::size_t n, vector v) noexcept {
  _mm512_mask_storeu_ps(p, first_lanes(n), v);
}
UFB_ROW_INLINE vector first_of(vector v, std::size_t n, vector rest) noexcept {
  return _mm512_mask_mov_ps(rest, first_lanes(n), v);
}
UFB_ROW_INLINE vector add(vector a, vector b) noexcept { return _mm512_add_ps(a, b); }
UFB_ROW_INLINE vector subtract(vector a, vector b) noexcept { return _mm512_sub_ps(a, b); }
UFB_ROW_INLINE vector multiply(vector a, vector b) noexcept { return _mm512_mul_ps(a, b); }
UFB_ROW_INLINE vector largest(vector a, vector b) noexcept { return _mm512_max_ps(a, b); }
UFB_ROW_INLINE vector multiply_add(vector a, vector b, vector c) noexcept { return _mm512_fmadd_ps(a, b, c); }
UFB_ROW_INLINE vector subtract_product(vector c, vector a, vector b) noexcept { return _mm512_fnmadd_ps(a, b, c); }
UFB_ROW_INLINE vector rounded(vector v) noexcept {
  asm("" : "+v"(v));
  return v;
}
UFB_ROW_INLINE vector power_of_two(vector t) noexcept {
  const __m512i one = _mm512_castps_si512(splat(1.0F));
  return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_slli_epi32(_mm512_castps_si512(t), 23), one));
}
UFB_ROW_INLINE vector zero_below(vector x, vector limit, vector v) noexcept {
  return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, limit, _CMP_NLT_UQ), v);
}
UFB_ROW_INLINE float lane_0(vector v) noexcept { return _mm512_cvtss_f32(v); }
UFB_ROW_INLINE float sum_of(vector v) noexcept {
  const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
  const __m128 quarter = _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
  const __m128 pairs = _mm_add_ps(quarter, _mm_movehl_ps(quarter, quarter));
  return _mm_cvtss_f32(_mm_add_ss(pairs, _mm_movehdup_ps(pairs)));
}
UFB_ROW_INLINE float largest_of(vector v) noexcept {
  const __m256 half = _mm256_max_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
  const __m128 quarter = _mm_max_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
  const __m128 pairs = _mm_max_ps(quarter, _mm_movehl_ps(quarter, quarter));
  return _mm_cvtss_f32(_mm_max_ss(pairs, _mm_movehdup_ps(pairs)));
}

#include "ultrafastbert/kernels/row_algorithms.inc"

}  // namespace ultrafastbert::kernels::row_avx512

#undef UFB_ROW
#undef UFB_ROW_INLINE
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#endif
