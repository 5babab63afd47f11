// SPDX-License-Identifier: MIT
//
// Rows of inputs rounded to narrow words by AVX2, at the time of a packed product.
// Layer: kernels.
#pragma once

#include "ultrafastbert/kernels/isa.hpp"

#if UFB_KERNELS_X86

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "ultrafastbert/kernels/rounding.hpp"

#define UFB_AVX2 [[gnu::target("avx2,fma,f16c")]]
#define UFB_AVX2_INLINE [[gnu::always_inline, gnu::target("avx2,fma,f16c")]] inline

namespace ultrafastbert::kernels::gemm_avx2 {

// Up to 8 elements; zeros from `count` on.
UFB_AVX2_INLINE __m256 load_some(const float* from, std::size_t count) noexcept {
  if (count >= 8) return _mm256_loadu_ps(from);
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_maskload_ps(from, _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)), lane));
}
// Up to 8 elements from a place that may be at or beyond the end of the row.
UFB_AVX2_INLINE __m256 load_at(const float* row, std::size_t k, std::size_t count) noexcept {
  return k < count ? load_some(row + k, count - k) : _mm256_setzero_ps();
}

// See round_to_bfloat16. The results are in the lower halves of the lanes.
UFB_AVX2_INLINE __m256i upper_halves(__m256 v) noexcept {
  const __m256i bits = _mm256_castps_si256(v);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i rounded = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
  const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
  const __m256 nan = _mm256_cmp_ps(v, v, _CMP_UNORD_Q);
  return _mm256_srli_epi32(_mm256_blendv_epi8(rounded, quiet, _mm256_castps_si256(nan)), 16);
}

UFB_AVX2 inline float to_bfloat16(const float* row, std::size_t count, std::uint32_t* words) {
  for (std::size_t k = 0; k < count; k += 16) {
    const __m256i packed =
        _mm256_packus_epi32(upper_halves(load_at(row, k, count)), upper_halves(load_at(row, k + 8, count)));
    _mm256_store_si256(reinterpret_cast<__m256i*>(words + k / 2), _mm256_permute4x64_epi64(packed, 0xd8));
  }
  return 1.0F;
}

UFB_AVX2_INLINE __m256i magnitude(__m256 v) noexcept {
  return _mm256_and_si256(_mm256_castps_si256(v), _mm256_set1_epi32(0x7fffffff));
}
UFB_AVX2_INLINE __m256i rounded(__m256 v, __m256 inverse) noexcept {
  return _mm256_cvtps_epi32(_mm256_mul_ps(v, inverse));
}

UFB_AVX2 inline float to_int8(const float* row, std::size_t count, std::uint32_t* words) {
  __m256i largest = _mm256_setzero_si256();
  __m256i others = _mm256_setzero_si256();
  for (std::size_t k = 0; k < count; k += 16) {
    largest = _mm256_max_epi32(largest, magnitude(load_at(row, k, count)));
    others = _mm256_max_epi32(others, magnitude(load_at(row, k + 8, count)));
  }
  largest = _mm256_max_epi32(largest, others);
  __m128i few = _mm_max_epi32(_mm256_castsi256_si128(largest), _mm256_extracti128_si256(largest, 1));
  few = _mm_max_epi32(few, _mm_shuffle_epi32(few, 0x4e));
  few = _mm_max_epi32(few, _mm_shuffle_epi32(few, 0xb1));
  const int8_factors factors = int8_factors_of(static_cast<std::uint32_t>(_mm_cvtsi128_si32(few)));
  const __m256 inverse = _mm256_set1_ps(factors.inverse);
  const __m256i in_order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  for (std::size_t k = 0; k < count; k += 32) {
    const __m256i low =
        _mm256_packs_epi32(rounded(load_at(row, k, count), inverse), rounded(load_at(row, k + 8, count), inverse));
    const __m256i high = _mm256_packs_epi32(rounded(load_at(row, k + 16, count), inverse),
                                            rounded(load_at(row, k + 24, count), inverse));
    _mm256_store_si256(reinterpret_cast<__m256i*>(words + k / 4),
                       _mm256_permutevar8x32_epi32(_mm256_packs_epi16(low, high), in_order));
  }
  return factors.scale;
}

}  // namespace ultrafastbert::kernels::gemm_avx2

#undef UFB_AVX2
#undef UFB_AVX2_INLINE

#endif
