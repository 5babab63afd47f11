// SPDX-License-Identifier: MIT
//
// The AVX2 level, with FMA and F16C: its vector vocabulary, which the guide for maintainers explains, and its tables.
// Layer: kernels.
#pragma once

#include "ultrafastbert/kernels/isa.hpp"

#if UFB_KERNELS_X86

#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>

#include "ultrafastbert/core/storage.hpp"
#include "ultrafastbert/kernels/constants.hpp"
#include "ultrafastbert/kernels/rounding.hpp"
#include "ultrafastbert/kernels/tables.hpp"

#define UFB_KERNEL [[gnu::target("avx2,fma,f16c")]]
#define UFB_KERNEL_INLINE [[gnu::always_inline, gnu::target("avx2,fma,f16c")]] inline

namespace ultrafastbert::kernels::avx2 {

using vector = __m256;
using integers = __m256i;
inline constexpr std::size_t lanes = 8;
inline constexpr std::size_t dot_vectors = 1;
inline constexpr std::size_t dot_chains = 2;
inline constexpr bool tiles_dots = true;
inline constexpr std::size_t rows_in_registers = 12;
inline constexpr bool prefetches = true;         // what comes next, within rows
inline constexpr bool prefetches_tiles = false;  // and within tiles of rows and inputs
inline constexpr bool streams = true;
inline constexpr std::size_t panel_vectors = 2;

// All bits set in the first n lanes, none in the others.
UFB_KERNEL_INLINE __m256i first_lanes(std::size_t n) noexcept {
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), lane);
}

// Keeps a loaded vector in its register: g++ 12 would fold the load into each of its uses and read it several times.
UFB_KERNEL_INLINE void keep(vector& v) noexcept { asm("" : "+x"(v)); }
UFB_KERNEL_INLINE void keep(integers& v) noexcept { asm("" : "+x"(v)); }

UFB_KERNEL_INLINE vector splat(float c) noexcept { return _mm256_set1_ps(c); }
UFB_KERNEL_INLINE vector load(const float* p) noexcept { return _mm256_loadu_ps(p); }
UFB_KERNEL_INLINE vector load_some(const float* p, std::size_t n) noexcept {
  return _mm256_maskload_ps(p, first_lanes(n));
}
UFB_KERNEL_INLINE void store(float* p, vector v) noexcept { _mm256_storeu_ps(p, v); }
UFB_KERNEL_INLINE void store_some(float* p, std::size_t n, vector v) noexcept {
  _mm256_maskstore_ps(p, first_lanes(n), v);
}
UFB_KERNEL_INLINE void stream(float* p, vector v) noexcept { _mm256_stream_ps(p, v); }
UFB_KERNEL_INLINE void fence() noexcept { _mm_sfence(); }

// Rows are aligned to 16 elements, so 8 of them are aligned to their size.
UFB_KERNEL_INLINE vector load_weights(const float* p) noexcept { return _mm256_load_ps(p); }
UFB_KERNEL_INLINE vector load_weights(const float16_bits* p) noexcept {
  return _mm256_cvtph_ps(_mm_load_si128(reinterpret_cast<const __m128i*>(p)));
}
UFB_KERNEL_INLINE vector load_weights(const bfloat16_bits* p) noexcept {
  const __m128i bits = _mm_load_si128(reinterpret_cast<const __m128i*>(p));
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
}
UFB_KERNEL_INLINE vector load_joined(const bfloat16_bits* upper, const std::int16_t* lower) noexcept {
  const __m256i high = _mm256_cvtepu16_epi32(_mm_load_si128(reinterpret_cast<const __m128i*>(upper)));
  const __m256i low = _mm256_cvtepi16_epi32(_mm_load_si128(reinterpret_cast<const __m128i*>(lower)));
  return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_slli_epi32(high, 16), low));
}
UFB_KERNEL_INLINE vector load_weights(const std::int8_t* p) noexcept {
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
}

UFB_KERNEL_INLINE vector first_of(vector v, std::size_t n, vector rest) noexcept {
  return _mm256_blendv_ps(rest, v, _mm256_castsi256_ps(first_lanes(n)));
}
UFB_KERNEL_INLINE vector add(vector a, vector b) noexcept { return _mm256_add_ps(a, b); }
UFB_KERNEL_INLINE vector subtract(vector a, vector b) noexcept { return _mm256_sub_ps(a, b); }
UFB_KERNEL_INLINE vector multiply(vector a, vector b) noexcept { return _mm256_mul_ps(a, b); }
UFB_KERNEL_INLINE vector divide(vector a, vector b) noexcept { return _mm256_div_ps(a, b); }
UFB_KERNEL_INLINE vector multiply_add(vector a, vector b, vector c) noexcept { return _mm256_fmadd_ps(a, b, c); }
UFB_KERNEL_INLINE vector subtract_product(vector c, vector a, vector b) noexcept { return _mm256_fnmadd_ps(a, b, c); }
UFB_KERNEL_INLINE vector rounded(vector v) noexcept {
  asm("" : "+x"(v));
  return v;
}
UFB_KERNEL_INLINE vector largest(vector a, vector b) noexcept { return _mm256_max_ps(a, b); }
UFB_KERNEL_INLINE vector smallest(vector a, vector b) noexcept { return _mm256_min_ps(a, b); }
UFB_KERNEL_INLINE vector magnitude(vector v) noexcept { return _mm256_andnot_ps(_mm256_set1_ps(-0.0F), v); }
UFB_KERNEL_INLINE vector positive_part(vector v) noexcept { return _mm256_max_ps(_mm256_setzero_ps(), v); }
UFB_KERNEL_INLINE vector with_sign_of(vector v, vector sign) noexcept {
  return _mm256_or_ps(v, _mm256_and_ps(sign, _mm256_set1_ps(-0.0F)));
}
UFB_KERNEL_INLINE vector choose_below(vector x, vector limit, vector below, vector otherwise) noexcept {
  return _mm256_blendv_ps(otherwise, below, _mm256_cmp_ps(x, limit, _CMP_LT_OQ));
}
UFB_KERNEL_INLINE vector zero_below(vector x, vector limit, vector v) noexcept {
  return _mm256_and_ps(_mm256_cmp_ps(x, limit, _CMP_NLT_UQ), v);
}
UFB_KERNEL_INLINE vector nearest(vector v) noexcept {
  return _mm256_round_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
UFB_KERNEL_INLINE vector add_to_exponent(vector v, vector n) noexcept {
  const __m256i exponent = _mm256_slli_epi32(_mm256_cvtps_epi32(n), 23);
  return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(v), exponent));
}
UFB_KERNEL_INLINE vector power_of_two(vector t) noexcept {
  const __m256i one = _mm256_castps_si256(splat(1.0F));
  return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_slli_epi32(_mm256_castps_si256(t), 23), one));
}

UFB_KERNEL_INLINE float lane_0(vector v) noexcept { return _mm256_cvtss_f32(v); }
UFB_KERNEL_INLINE float sum_of(vector v) noexcept {
  const __m128 half = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  const __m128 pairs = _mm_add_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_add_ss(pairs, _mm_movehdup_ps(pairs)));
}
UFB_KERNEL_INLINE float largest_of(vector v) noexcept {
  const __m128 half = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  const __m128 pairs = _mm_max_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_max_ss(pairs, _mm_movehdup_ps(pairs)));
}
// The sums of all lanes of four vectors, each in the order ((0 + 1) + (2 + 3)) + ((4 + 5) + (6 + 7)).
UFB_KERNEL_INLINE void dot_totals(const vector* a, const vector* b, const vector* c, const vector* d,
                                  float* z) noexcept {
  const __m256 quads = _mm256_hadd_ps(_mm256_hadd_ps(*a, *b), _mm256_hadd_ps(*c, *d));
  _mm_storeu_ps(z, _mm_add_ps(_mm256_castps256_ps128(quads), _mm256_extractf128_ps(quads, 1)));
}
UFB_KERNEL_INLINE float dot_total(const vector* a) noexcept {
  const __m256 pairs = _mm256_hadd_ps(a[0], a[0]);
  const __m256 quads = _mm256_hadd_ps(pairs, pairs);
  return _mm_cvtss_f32(_mm_add_ss(_mm256_castps256_ps128(quads), _mm256_extractf128_ps(quads, 1)));
}

UFB_KERNEL_INLINE integers load_words(const std::uint32_t* p) noexcept {
  return _mm256_load_si256(reinterpret_cast<const __m256i*>(p));
}
UFB_KERNEL_INLINE integers load_words(const std::int32_t* p) noexcept {
  return _mm256_load_si256(reinterpret_cast<const __m256i*>(p));
}
UFB_KERNEL_INLINE integers splat_words(std::uint32_t word) noexcept {
  return _mm256_set1_epi32(static_cast<int>(word));
}
UFB_KERNEL_INLINE vector as_floats(integers words) noexcept { return _mm256_castsi256_ps(words); }
UFB_KERNEL_INLINE integers as_words(vector v) noexcept { return _mm256_castps_si256(v); }
UFB_KERNEL_INLINE vector to_floats(integers v) noexcept { return _mm256_cvtepi32_ps(v); }
UFB_KERNEL_INLINE integers nearest_integers(vector v) noexcept { return _mm256_cvtps_epi32(v); }
UFB_KERNEL_INLINE integers bits_and(integers a, integers b) noexcept { return _mm256_and_si256(a, b); }
UFB_KERNEL_INLINE integers bits_or(integers a, integers b) noexcept { return _mm256_or_si256(a, b); }
UFB_KERNEL_INLINE integers add(integers a, integers b) noexcept { return _mm256_add_epi32(a, b); }
UFB_KERNEL_INLINE integers largest(integers a, integers b) noexcept { return _mm256_max_epi32(a, b); }
UFB_KERNEL_INLINE integers up_16(integers v) noexcept { return _mm256_slli_epi32(v, 16); }
UFB_KERNEL_INLINE integers down_16(integers v) noexcept { return _mm256_srli_epi32(v, 16); }
UFB_KERNEL_INLINE integers choose_nan(vector v, integers if_nan, integers otherwise) noexcept {
  return _mm256_blendv_epi8(otherwise, if_nan, _mm256_castps_si256(_mm256_cmp_ps(v, v, _CMP_UNORD_Q)));
}
UFB_KERNEL_INLINE std::uint32_t largest_of(integers v) noexcept {
  __m128i few = _mm_max_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  few = _mm_max_epi32(few, _mm_shuffle_epi32(few, 0x4e));
  few = _mm_max_epi32(few, _mm_shuffle_epi32(few, 0xb1));
  return static_cast<std::uint32_t>(_mm_cvtsi128_si32(few));
}
// The low halves and the low bytes of sixteen words, which have to fit into them.
UFB_KERNEL_INLINE void store_halves(std::uint32_t* to, const integers (&words)[2]) noexcept {
  const __m256i packed = _mm256_packus_epi32(words[0], words[1]);
  _mm256_store_si256(reinterpret_cast<__m256i*>(to), _mm256_permute4x64_epi64(packed, 0xd8));
}
UFB_KERNEL_INLINE void store_bytes(std::uint32_t* to, const integers (&words)[2]) noexcept {
  const __m256i halves = _mm256_permute4x64_epi64(_mm256_packs_epi32(words[0], words[1]), 0xd8);
  const __m128i bytes = _mm_packs_epi16(_mm256_castsi256_si128(halves), _mm256_extracti128_si256(halves, 1));
  _mm_store_si128(reinterpret_cast<__m128i*>(to), bytes);
}
// s + the four products of bytes of each word. Magnitudes of x times b with the signs of x: two products of at most
// 127 * 127 fit 16 bits.
UFB_KERNEL_INLINE integers add_magnitude_products(integers s, integers x, integers magnitude, integers b) noexcept {
  const __m256i pairs = _mm256_maddubs_epi16(magnitude, _mm256_sign_epi8(b, x));
  return _mm256_add_epi32(s, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

// In this order: some build on others.
// clang-format off
#include "ultrafastbert/kernels/algorithms/dots.inc"
#include "ultrafastbert/kernels/algorithms/sums.inc"
#include "ultrafastbert/kernels/algorithms/rows.inc"
#include "ultrafastbert/kernels/algorithms/activations.inc"
#include "ultrafastbert/kernels/algorithms/small_walk.inc"
#include "ultrafastbert/kernels/algorithms/products.inc"
#include "ultrafastbert/kernels/algorithms/conversions.inc"
#include "ultrafastbert/kernels/algorithms/magnitude_products.inc"
// clang-format on

// 12 of the 16 registers hold sums.
inline constexpr gemm_kernels float32_products =
    products_of<float32_product>({.name = "avx2"}, std::make_index_sequence<6>{}, std::make_index_sequence<2>{});
// Sums of 5 rows, vectors of a panel, and a word of x; a sixth row would not fit the registers.
inline constexpr gemm_kernels bfloat16_products =
    products_of<bfloat16_product>({.name = "avx2", .terms = 2, .convert = to_wide_bfloat16, .input_words = 2},
                                  std::make_index_sequence<5>{}, std::make_index_sequence<2>{});
inline constexpr gemm_kernels int8_products = products_of<magnitude_int8_product>(
    {.name = "avx2", .terms = 4, .convert = to_int8_and_magnitudes, .input_words = 2}, std::make_index_sequence<4>{},
    std::make_index_sequence<1>{});

}  // namespace ultrafastbert::kernels::avx2

#undef UFB_KERNEL
#undef UFB_KERNEL_INLINE

#endif
