// SPDX-License-Identifier: MIT
//
// Rows of inputs rounded to narrow words by AVX-512, at the time of a packed product.
// Layer: kernels.
#pragma once

#include "ultrafastbert/kernels/isa.hpp"

#if UFB_KERNELS_X86

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "ultrafastbert/kernels/rounding.hpp"

// See fff_avx512.hpp.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#endif

#define UFB_AVX512 [[gnu::target("avx512f,avx512bw,avx512dq,avx512vl,fma,f16c")]]
#define UFB_AVX512_INLINE [[gnu::always_inline, gnu::target("avx512f,avx512bw,avx512dq,avx512vl,fma,f16c")]] inline

namespace ultrafastbert::kernels::gemm_avx512 {

// Up to 16 elements; zeros from `count` on.
UFB_AVX512_INLINE __m512 load_some(const float* from, std::size_t count) noexcept {
  return count >= 16 ? _mm512_loadu_ps(from)
                     : _mm512_maskz_loadu_ps(static_cast<__mmask16>((1U << static_cast<unsigned>(count)) - 1U), from);
}

// See round_to_bfloat16.
UFB_AVX512 inline float to_bfloat16(const float* row, std::size_t count, std::uint32_t* words) {
  for (std::size_t k = 0; k < count; k += 16) {
    const __m512 v = load_some(row + k, count - k);
    const __m512i bits = _mm512_castps_si512(v);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const __m512i rounded = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
    const __mmask16 nan = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
    const __m512i upper = _mm512_srli_epi32(_mm512_mask_or_epi32(rounded, nan, bits, _mm512_set1_epi32(0x400000)), 16);
    _mm256_store_si256(reinterpret_cast<__m256i*>(words + k / 2), _mm512_cvtepi32_epi16(upper));
  }
  return 1.0F;
}

// By AVX512-BF16, which makes subnormal numbers zeros; so do its products.
[[gnu::target("avx512f,avx512bw,avx512dq,avx512vl,fma,f16c,avx512bf16")]] inline float to_native_bfloat16(
    const float* row, std::size_t count, std::uint32_t* words) {
  std::size_t k = 0;
  for (; k + 32 <= count; k += 32) {
    const auto both = _mm512_cvtne2ps_pbh(_mm512_loadu_ps(row + k + 16), _mm512_loadu_ps(row + k));
    _mm512_store_si512(words + k / 2, __builtin_bit_cast(__m512i, both));
  }
  for (; k < count; k += 16) {
    const std::size_t left = count - k;
    const auto m = static_cast<__mmask16>(left >= 16 ? 0xffffU : (1U << static_cast<unsigned>(left)) - 1U);
    const auto some = _mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(m, row + k));
    _mm256_store_si256(reinterpret_cast<__m256i*>(words + k / 2), __builtin_bit_cast(__m256i, some));
  }
  return 1.0F;
}

UFB_AVX512_INLINE __m512i magnitude(__m512 v) noexcept {
  return _mm512_and_si512(_mm512_castps_si512(v), _mm512_set1_epi32(0x7fffffff));
}

// Elements plus 128, to be multiplied as unsigned.
UFB_AVX512 inline float to_shifted_int8(const float* row, std::size_t count, std::uint32_t* words) {
  __m512i largest = _mm512_setzero_si512();
  __m512i others = _mm512_setzero_si512();
  std::size_t k = 0;
  for (; k + 32 <= count; k += 32) {
    largest = _mm512_max_epi32(largest, magnitude(_mm512_loadu_ps(row + k)));
    others = _mm512_max_epi32(others, magnitude(_mm512_loadu_ps(row + k + 16)));
  }
  for (; k < count; k += 16) largest = _mm512_max_epi32(largest, magnitude(load_some(row + k, count - k)));
  largest = _mm512_max_epi32(largest, others);
  const int8_factors factors = int8_factors_of(static_cast<std::uint32_t>(_mm512_reduce_max_epi32(largest)));
  const __m512 inverse = _mm512_set1_ps(factors.inverse);
  for (k = 0; k < count; k += 16) {
    const __m512i v = _mm512_cvtps_epi32(_mm512_mul_ps(load_some(row + k, count - k), inverse));
    const __m128i bytes = _mm_xor_si128(_mm512_cvtepi32_epi8(v), _mm_set1_epi8(-128));
    _mm_store_si128(reinterpret_cast<__m128i*>(words + k / 4), bytes);
  }
  return factors.scale;
}

}  // namespace ultrafastbert::kernels::gemm_avx512

#undef UFB_AVX512
#undef UFB_AVX512_INLINE
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#endif
