// SPDX-License-Identifier: MIT
//
// AVX2 kernels of the packed matrix product: panels of two vectors, up to 6 rows, so that 12 of the 16 registers hold
// sums; up to 4 rows of narrow storage, which takes registers to multiply.
// Layer: kernels.
#pragma once

#include "ultrafastbert/kernels/isa.hpp"

#if UFB_KERNELS_X86

#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <utility>

#include "ultrafastbert/kernels/gemm_kernels.hpp"
#include "ultrafastbert/kernels/gemm_rows_avx2.hpp"

#define UFB_GEMM [[gnu::target("avx2,fma,f16c")]]
#define UFB_GEMM_INLINE [[gnu::always_inline, gnu::target("avx2,fma,f16c")]] inline

namespace ultrafastbert::kernels::gemm_avx2 {

inline constexpr std::size_t lanes = 8;
inline constexpr std::size_t columns = 2 * lanes;

// Keeps a vector in its register: g++ 12 would fold the load into each of its uses.
UFB_GEMM_INLINE void keep(__m256& v) noexcept { asm("" : "+x"(v)); }
UFB_GEMM_INLINE void keep(__m256i& v) noexcept { asm("" : "+x"(v)); }

UFB_GEMM_INLINE __m256i load_words(const std::uint32_t* panel) noexcept {
  return _mm256_load_si256(reinterpret_cast<const __m256i*>(panel));
}

// Sums in float, from their beginning to their end.
struct float_sums {
  using sum = __m256;
  using vector = __m256;

  UFB_GEMM_INLINE static sum begin(const gemm_tile& t, std::size_t row, std::size_t column) noexcept {
    return t.add ? _mm256_loadu_ps(t.y + row * t.y_stride + column) : _mm256_setzero_ps();
  }
  UFB_GEMM_INLINE static void add(sum& s, const vector& x, const vector& b) noexcept { s = _mm256_fmadd_ps(x, b, s); }
  UFB_GEMM_INLINE static void end(const gemm_tile& t, std::size_t row, std::size_t column, sum s) noexcept {
    if (t.bias != nullptr) s = _mm256_add_ps(s, _mm256_loadu_ps(t.bias + column));
    _mm256_storeu_ps(t.y + row * t.y_stride + column, s);
  }
};

struct float32 : float_sums {
  using word = float;
  static constexpr std::size_t parts = 1;

  template <std::size_t Part>
  UFB_GEMM_INLINE static vector load(const std::uint32_t* panel) noexcept {
    return _mm256_castsi256_ps(load_words(panel));
  }
  template <std::size_t Part>
  UFB_GEMM_INLINE static vector broadcast(const word* x) noexcept {
    return _mm256_set1_ps(*x);
  }
};

// Widened to float. The second terms of the words come first, as the AVX512-BF16 instruction takes them.
struct bfloat16 : float_sums {
  using word = std::uint32_t;
  static constexpr std::size_t parts = 2;

  template <std::size_t Part>
  UFB_GEMM_INLINE static vector widen(__m256i words) noexcept {
    return _mm256_castsi256_ps(Part == 0 ? _mm256_and_si256(words, _mm256_set1_epi32(-0x10000))
                                         : _mm256_slli_epi32(words, 16));
  }
  template <std::size_t Part>
  UFB_GEMM_INLINE static vector load(const std::uint32_t* panel) noexcept {
    return widen<Part>(load_words(panel));
  }
  template <std::size_t Part>
  UFB_GEMM_INLINE static vector broadcast(const word* x) noexcept {
    return widen<Part>(_mm256_set1_epi32(static_cast<int>(*x)));
  }
};

struct int8 {
  using word = std::uint32_t;
  using sum = __m256i;
  using vector = __m256i;
  static constexpr std::size_t parts = 1;

  template <std::size_t Part>
  UFB_GEMM_INLINE static vector load(const std::uint32_t* panel) noexcept {
    return load_words(panel);
  }
  template <std::size_t Part>
  UFB_GEMM_INLINE static vector broadcast(const word* x) noexcept {
    return _mm256_set1_epi32(static_cast<int>(*x));
  }
  UFB_GEMM_INLINE static sum begin(const gemm_tile& t, std::size_t /*row*/, std::size_t column) noexcept {
    return _mm256_load_si256(reinterpret_cast<const __m256i*>(t.start + column));
  }
  // Magnitudes of x times b with the signs of x: two products of at most 127 * 127 fit 16 bits.
  UFB_GEMM_INLINE static void add(sum& s, const vector& x, const vector& b) noexcept {
    const __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(x), _mm256_sign_epi8(b, x));
    s = _mm256_add_epi32(s, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
  }
  UFB_GEMM_INLINE static void end(const gemm_tile& t, std::size_t row, std::size_t column, const sum& s) noexcept {
    __m256 v = _mm256_mul_ps(_mm256_cvtepi32_ps(s), _mm256_load_ps(t.column_scale + column));
    v = _mm256_mul_ps(v, _mm256_set1_ps(t.row_scale[row]));
    keep(v);  // rounded before it is added
    float* y = t.y + row * t.y_stride + column;
    if (t.add) v = _mm256_add_ps(_mm256_loadu_ps(y), v);
    if (t.bias != nullptr) v = _mm256_add_ps(v, _mm256_loadu_ps(t.bias + column));
    _mm256_storeu_ps(y, v);
  }
};

#include "ultrafastbert/kernels/gemm_tiles.inc"

inline constexpr gemm_kernels table =
    table_of<float32>({.name = "avx2"}, std::make_index_sequence<6>{}, std::make_index_sequence<2>{});
// Sums, and both parts of a word and of the vectors it is multiplied with, leave no more registers than for 4 rows.
inline constexpr gemm_kernels bfloat16_table = table_of<bfloat16>(
    {.name = "avx2", .terms = 2, .convert = to_bfloat16}, std::make_index_sequence<4>{}, std::make_index_sequence<2>{});
inline constexpr gemm_kernels int8_table = table_of<int8>({.name = "avx2", .terms = 4, .convert = to_int8},
                                                          std::make_index_sequence<4>{}, std::make_index_sequence<1>{});

}  // namespace ultrafastbert::kernels::gemm_avx2

#undef UFB_GEMM
#undef UFB_GEMM_INLINE

#endif
