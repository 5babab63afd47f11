// SPDX-License-Identifier: MIT
//
// The AVX-512 level: its vector vocabulary, which the guide for maintainers explains, and its tables.
// Needs AVX-512 F, BW, DQ and VL; products of narrow storage use AVX512-BF16 and AVX512-VNNI where the processor has
// them.
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

// g++ 12 takes the undefined vectors inside its own intrinsics for uninitialized variables, and without optimization
// some intrinsics are macros that convert masks with a change of sign.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#endif

#define UFB_KERNEL [[gnu::target("avx512f,avx512bw,avx512dq,avx512vl,fma,f16c")]]
#define UFB_KERNEL_INLINE [[gnu::always_inline, gnu::target("avx512f,avx512bw,avx512dq,avx512vl,fma,f16c")]] inline

namespace ultrafastbert::kernels::avx512 {

using vector = __m512;
using integers = __m512i;
inline constexpr std::size_t lanes = 16;
inline constexpr std::size_t dot_vectors = 1;
inline constexpr std::size_t dot_chains = 2;
inline constexpr bool tiles_dots = true;
inline constexpr std::size_t rows_in_registers = 12;
inline constexpr bool prefetches = true;        // what comes next, within rows
inline constexpr bool prefetches_tiles = true;  // and within tiles of rows and inputs
inline constexpr bool streams = true;
inline constexpr std::size_t panel_vectors = 2;

UFB_KERNEL_INLINE __mmask16 first_lanes(std::size_t n) noexcept {
  return static_cast<__mmask16>((1U << static_cast<unsigned>(n)) - 1U);
}

// Keeps a loaded vector in its register: g++ 12 would fold the load into each of its uses and read it several times.
UFB_KERNEL_INLINE void keep(vector& v) noexcept { asm("" : "+v"(v)); }
UFB_KERNEL_INLINE void keep(integers& v) noexcept { asm("" : "+v"(v)); }

UFB_KERNEL_INLINE vector splat(float c) noexcept { return _mm512_set1_ps(c); }
UFB_KERNEL_INLINE vector load(const float* p) noexcept { return _mm512_loadu_ps(p); }
UFB_KERNEL_INLINE vector load_some(const float* p, std::size_t n) noexcept {
  return _mm512_maskz_loadu_ps(first_lanes(n), p);
}
UFB_KERNEL_INLINE void store(float* p, vector v) noexcept { _mm512_storeu_ps(p, v); }
UFB_KERNEL_INLINE void store_some(float* p, std::size_t n, vector v) noexcept {
  _mm512_mask_storeu_ps(p, first_lanes(n), v);
}
UFB_KERNEL_INLINE void stream(float* p, vector v) noexcept { _mm512_stream_ps(p, v); }
UFB_KERNEL_INLINE void fence() noexcept { _mm_sfence(); }

UFB_KERNEL_INLINE vector load_weights(const float* p) noexcept { return _mm512_load_ps(p); }
UFB_KERNEL_INLINE vector load_weights(const float16_bits* p) noexcept {
  return _mm512_cvtph_ps(_mm256_load_si256(reinterpret_cast<const __m256i*>(p)));
}
UFB_KERNEL_INLINE vector load_weights(const bfloat16_bits* p) noexcept {
  const __m256i bits = _mm256_load_si256(reinterpret_cast<const __m256i*>(p));
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
}
UFB_KERNEL_INLINE vector load_joined(const bfloat16_bits* upper, const std::int16_t* lower) noexcept {
  const __m512i high = _mm512_cvtepu16_epi32(_mm256_load_si256(reinterpret_cast<const __m256i*>(upper)));
  const __m512i low = _mm512_cvtepi16_epi32(_mm256_load_si256(reinterpret_cast<const __m256i*>(lower)));
  return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_slli_epi32(high, 16), low));
}
UFB_KERNEL_INLINE vector load_weights(const std::int8_t* p) noexcept {
  return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_load_si128(reinterpret_cast<const __m128i*>(p))));
}

UFB_KERNEL_INLINE vector first_of(vector v, std::size_t n, vector rest) noexcept {
  return _mm512_mask_mov_ps(rest, first_lanes(n), v);
}
UFB_KERNEL_INLINE vector add(vector a, vector b) noexcept { return _mm512_add_ps(a, b); }
UFB_KERNEL_INLINE vector subtract(vector a, vector b) noexcept { return _mm512_sub_ps(a, b); }
UFB_KERNEL_INLINE vector multiply(vector a, vector b) noexcept { return _mm512_mul_ps(a, b); }
UFB_KERNEL_INLINE vector divide(vector a, vector b) noexcept { return _mm512_div_ps(a, b); }
UFB_KERNEL_INLINE vector multiply_add(vector a, vector b, vector c) noexcept { return _mm512_fmadd_ps(a, b, c); }
UFB_KERNEL_INLINE vector subtract_product(vector c, vector a, vector b) noexcept { return _mm512_fnmadd_ps(a, b, c); }
UFB_KERNEL_INLINE vector rounded(vector v) noexcept {
  asm("" : "+v"(v));
  return v;
}
UFB_KERNEL_INLINE vector largest(vector a, vector b) noexcept { return _mm512_max_ps(a, b); }
UFB_KERNEL_INLINE vector smallest(vector a, vector b) noexcept { return _mm512_min_ps(a, b); }
UFB_KERNEL_INLINE vector magnitude(vector v) noexcept { return _mm512_abs_ps(v); }
UFB_KERNEL_INLINE vector positive_part(vector v) noexcept { return _mm512_max_ps(_mm512_setzero_ps(), v); }
UFB_KERNEL_INLINE vector with_sign_of(vector v, vector sign) noexcept {
  return _mm512_or_ps(v, _mm512_and_ps(sign, _mm512_set1_ps(-0.0F)));
}
UFB_KERNEL_INLINE vector choose_below(vector x, vector limit, vector below, vector otherwise) noexcept {
  return _mm512_mask_mov_ps(otherwise, _mm512_cmp_ps_mask(x, limit, _CMP_LT_OQ), below);
}
UFB_KERNEL_INLINE vector zero_below(vector x, vector limit, vector v) noexcept {
  return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, limit, _CMP_NLT_UQ), v);
}
UFB_KERNEL_INLINE vector nearest(vector v) noexcept {
  return _mm512_roundscale_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
UFB_KERNEL_INLINE vector add_to_exponent(vector v, vector n) noexcept {
  return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(v), _mm512_slli_epi32(_mm512_cvtps_epi32(n), 23)));
}
UFB_KERNEL_INLINE vector power_of_two(vector t) noexcept {
  const __m512i one = _mm512_castps_si512(splat(1.0F));
  return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_slli_epi32(_mm512_castps_si512(t), 23), one));
}

UFB_KERNEL_INLINE float lane_0(vector v) noexcept { return _mm512_cvtss_f32(v); }
// Lanes l, l + 4, l + 8 and l + 12 of a vector added to four sums: ((l) + (l + 8)) + ((l + 4) + (l + 12)).
UFB_KERNEL_INLINE __m128 quarter(vector v) noexcept {
  const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
  return _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
}
UFB_KERNEL_INLINE float sum_of(vector v) noexcept {
  const __m128 q = quarter(v);
  const __m128 pairs = _mm_add_ps(q, _mm_movehl_ps(q, q));
  return _mm_cvtss_f32(_mm_add_ss(pairs, _mm_movehdup_ps(pairs)));
}
UFB_KERNEL_INLINE float largest_of(vector v) noexcept {
  const __m256 half = _mm256_max_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
  const __m128 quarter = _mm_max_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
  const __m128 pairs = _mm_max_ps(quarter, _mm_movehl_ps(quarter, quarter));
  return _mm_cvtss_f32(_mm_max_ss(pairs, _mm_movehdup_ps(pairs)));
}
UFB_KERNEL_INLINE float dot_total(const vector* a) noexcept { return sum_of(*a); }
// As `sum_of` for each of the four.
UFB_KERNEL_INLINE void dot_totals(const vector* a, const vector* b, const vector* c, const vector* d,
                                  float* z) noexcept {
  const __m128 r0 = quarter(*a);
  const __m128 r1 = quarter(*b);
  const __m128 r2 = quarter(*c);
  const __m128 r3 = quarter(*d);
  const __m128 low01 = _mm_unpacklo_ps(r0, r1);
  const __m128 high01 = _mm_unpackhi_ps(r0, r1);
  const __m128 low23 = _mm_unpacklo_ps(r2, r3);
  const __m128 high23 = _mm_unpackhi_ps(r2, r3);
  const __m128 lanes02 = _mm_add_ps(_mm_movelh_ps(low01, low23), _mm_movelh_ps(high01, high23));
  const __m128 lanes13 = _mm_add_ps(_mm_movehl_ps(low23, low01), _mm_movehl_ps(high23, high01));
  _mm_storeu_ps(z, _mm_add_ps(lanes02, lanes13));
}

UFB_KERNEL_INLINE integers load_words(const std::uint32_t* p) noexcept { return _mm512_load_si512(p); }
UFB_KERNEL_INLINE integers load_words(const std::int32_t* p) noexcept { return _mm512_load_si512(p); }
UFB_KERNEL_INLINE integers splat_words(std::uint32_t word) noexcept {
  return _mm512_set1_epi32(static_cast<int>(word));
}
UFB_KERNEL_INLINE vector as_floats(integers words) noexcept { return _mm512_castsi512_ps(words); }
UFB_KERNEL_INLINE integers as_words(vector v) noexcept { return _mm512_castps_si512(v); }
UFB_KERNEL_INLINE vector to_floats(integers v) noexcept { return _mm512_cvtepi32_ps(v); }
UFB_KERNEL_INLINE integers nearest_integers(vector v) noexcept { return _mm512_cvtps_epi32(v); }
UFB_KERNEL_INLINE integers bits_and(integers a, integers b) noexcept { return _mm512_and_si512(a, b); }
UFB_KERNEL_INLINE integers bits_or(integers a, integers b) noexcept { return _mm512_or_si512(a, b); }
UFB_KERNEL_INLINE integers add(integers a, integers b) noexcept { return _mm512_add_epi32(a, b); }
UFB_KERNEL_INLINE integers largest(integers a, integers b) noexcept { return _mm512_max_epi32(a, b); }
UFB_KERNEL_INLINE integers up_16(integers v) noexcept { return _mm512_slli_epi32(v, 16); }
UFB_KERNEL_INLINE integers down_16(integers v) noexcept { return _mm512_srli_epi32(v, 16); }
UFB_KERNEL_INLINE integers choose_nan(vector v, integers if_nan, integers otherwise) noexcept {
  return _mm512_mask_mov_epi32(otherwise, _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q), if_nan);
}
UFB_KERNEL_INLINE std::uint32_t largest_of(integers v) noexcept {
  return static_cast<std::uint32_t>(_mm512_reduce_max_epi32(v));
}
// The low halves and the low bytes of sixteen words.
UFB_KERNEL_INLINE void store_halves(std::uint32_t* to, const integers (&words)[1]) noexcept {
  _mm256_store_si256(reinterpret_cast<__m256i*>(to), _mm512_cvtepi32_epi16(words[0]));
}
UFB_KERNEL_INLINE void store_bytes(std::uint32_t* to, const integers (&words)[1]) noexcept {
  _mm_store_si128(reinterpret_cast<__m128i*>(to), _mm512_cvtepi32_epi8(words[0]));
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
// clang-format on

// Words as they are, for instructions of extensions. These are written in assembler, so that the kernels around them
// are the same functions for every processor: the intrinsics ask for functions compiled for the extension.
struct whole_words {
  using word = std::uint32_t;
  using operand = integers;
  static constexpr std::size_t parts = 1;

  template <std::size_t Part>
  UFB_KERNEL_INLINE static operand load(const std::uint32_t* panel) noexcept {
    return load_words(panel);
  }
  template <std::size_t Part>
  UFB_KERNEL_INLINE static operand broadcast(const word* x) noexcept {
    return splat_words(*x);
  }
};

// AVX512-BF16: the product of the second terms is added by one fused operation, then that of the first ones, but
// subnormal operands and results count as zero. So the bits are those of `bfloat16_product` unless a number is
// subnormal.
struct native_bfloat16_product : whole_words, float_sums {
  UFB_KERNEL_INLINE static void accumulate(sum& s, const operand& x, const operand& b) noexcept {
    asm("{vdpbf16ps %2, %1, %0|vdpbf16ps %0, %1, %2}" : "+v"(s) : "v"(x), "v"(b));
  }
};

// AVX512-VNNI: unsigned times signed. Sums may wrap around on their way; the last one does not.
struct native_int8_product : whole_words, integer_sums {
  UFB_KERNEL_INLINE static void accumulate(sum& s, const operand& x, const operand& b) noexcept {
    asm("{vpdpbusd %2, %1, %0|vpdpbusd %0, %1, %2}" : "+v"(s) : "v"(x), "v"(b));
  }
};

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

// 24 of the 32 registers hold sums.
inline constexpr gemm_kernels float32_products =
    products_of<float32_product>({.name = "avx512"}, std::make_index_sequence<12>{}, std::make_index_sequence<6>{});
// Sums of 8 rows are 16 chains, enough to keep both multipliers busy.
inline constexpr gemm_kernels bfloat16_products =
    products_of<bfloat16_product>({.name = "avx512", .terms = 2, .convert = to_wide_bfloat16, .input_words = 2},
                                  std::make_index_sequence<8>{}, std::make_index_sequence<4>{});
inline constexpr gemm_kernels native_bfloat16_products =
    products_of<native_bfloat16_product>({.name = "avx512_bf16", .terms = 2, .convert = to_native_bfloat16},
                                         std::make_index_sequence<12>{}, std::make_index_sequence<6>{});
// Inputs are moved by 128, to be multiplied as unsigned.
inline constexpr gemm_kernels native_int8_products =
    products_of<native_int8_product>({.name = "avx512_vnni", .terms = 4, .convert = to_int8<128>, .shift = 128},
                                     std::make_index_sequence<12>{}, std::make_index_sequence<6>{});

}  // namespace ultrafastbert::kernels::avx512

#undef UFB_KERNEL
#undef UFB_KERNEL_INLINE
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#endif
