// SPDX-License-Identifier: MIT
//
// AVX2 kernels of single rows, with FMA.
// Layer: kernels.
#pragma once

#include "ultrafastbert/kernels/isa.hpp"

#if UFB_KERNELS_X86

#include <immintrin.h>

#include <cstddef>
#include <limits>

#include "ultrafastbert/kernels/exp_constants.hpp"
#include "ultrafastbert/kernels/row_kernels.hpp"

#define UFB_ROW [[gnu::target("avx2,fma,f16c")]]
#define UFB_ROW_INLINE [[gnu::always_inline, gnu::target("avx2,fma,f16c")]] inline

namespace ultrafastbert::kernels::row_avx2 {

using vector = __m256;
inline constexpr std::size_t lanes = 8;

UFB_ROW_INLINE __m256i first_lanes(std::size_t n) noexcept {
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), lane);
}

UFB_ROW_INLINE vector splat(float c) noexcept { return _mm256_set1_ps(c); }
UFB_ROW_INLINE vector load(const float* p) noexcept { return _mm256_loadu_ps(p); }
UFB_ROW_INLINE void store(float* p, vector v) noexcept { _mm256_storeu_ps(p, v); }
UFB_ROW_INLINE vector load_some(const float* p, std::size_t n) noexcept {
  return _mm256_maskload_ps(p, first_lanes(n));
}
UFB_ROW_INLINE void store_some(float* p, std::size_t n, vector v) noexcept {
  _mm256_maskstore_ps(p, first_lanes(n), v);
}
UFB_ROW_INLINE vector first_of(vector v, std::size_t n, vector rest) noexcept {
  return _mm256_blendv_ps(rest, v, _mm256_castsi256_ps(first_lanes(n)));
}
UFB_ROW_INLINE vector add(vector a, vector b) noexcept { return _mm256_add_ps(a, b); }
UFB_ROW_INLINE vector subtract(vector a, vector b) noexcept { return _mm256_sub_ps(a, b); }
UFB_ROW_INLINE vector multiply(vector a, vector b) noexcept { return _mm256_mul_ps(a, b); }
UFB_ROW_INLINE vector largest(vector a, vector b) noexcept { return _mm256_max_ps(a, b); }
UFB_ROW_INLINE vector multiply_add(vector a, vector b, vector c) noexcept { return _mm256_fmadd_ps(a, b, c); }
UFB_ROW_INLINE vector subtract_product(vector c, vector a, vector b) noexcept { return _mm256_fnmadd_ps(a, b, c); }
UFB_ROW_INLINE vector rounded(vector v) noexcept {
  asm("" : "+x"(v));
  return v;
}
UFB_ROW_INLINE vector power_of_two(vector t) noexcept {
  const __m256i one = _mm256_castps_si256(splat(1.0F));
  return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_slli_epi32(_mm256_castps_si256(t), 23), one));
}
UFB_ROW_INLINE vector zero_below(vector x, vector limit, vector v) noexcept {
  return _mm256_and_ps(_mm256_cmp_ps(x, limit, _CMP_NLT_UQ), v);
}
UFB_ROW_INLINE float lane_0(vector v) noexcept { return _mm256_cvtss_f32(v); }
UFB_ROW_INLINE float sum_of(vector v) noexcept {
  const __m128 half = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  const __m128 pairs = _mm_add_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_add_ss(pairs, _mm_movehdup_ps(pairs)));
}
UFB_ROW_INLINE float largest_of(vector v) noexcept {
  const __m128 half = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  const __m128 pairs = _mm_max_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_max_ss(pairs, _mm_movehdup_ps(pairs)));
}

#include "ultrafastbert/kernels/row_algorithms.inc"

}  // namespace ultrafastbert::kernels::row_avx2

#undef UFB_ROW
#undef UFB_ROW_INLINE

#endif
