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
#include <cstdint>
#include <utility>

#include "ultrafastbert/kernels/gemm_kernels.hpp"
#include "ultrafastbert/kernels/gemm_rows_avx512.hpp"

// See fff_avx512.hpp.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#endif

#define UFB_GEMM [[gnu::target("avx512f,avx512bw,avx512dq,avx512vl,fma,f16c")]]
#define UFB_GEMM_INLINE [[gnu::always_inline, gnu::target("avx512f,avx512bw,avx512dq,avx512vl,fma,f16c")]] inline

namespace ultrafastbert::kernels::gemm_avx512 {

inline constexpr std::size_t lanes = 16;
inline constexpr std::size_t columns = 2 * lanes;

// Keeps a vector in its register: g++ 12 would fold the load into each of its uses.
UFB_GEMM_INLINE void keep(__m512& v) noexcept { asm("" : "+v"(v)); }
UFB_GEMM_INLINE void keep(__m512i& v) noexcept { asm("" : "+v"(v)); }

// Sums in float, from their beginning to their end.
struct float_sums {
  using sum = __m512;

  UFB_GEMM_INLINE static sum begin(const gemm_tile& t, std::size_t row, std::size_t column) noexcept {
    return t.add ? _mm512_loadu_ps(t.y + row * t.y_stride + column) : _mm512_setzero_ps();
  }
  UFB_GEMM_INLINE static void end(const gemm_tile& t, std::size_t row, std::size_t column, sum s) noexcept {
    if (t.bias != nullptr) s = _mm512_add_ps(s, _mm512_loadu_ps(t.bias + column));
    _mm512_storeu_ps(t.y + row * t.y_stride + column, s);
  }
};

struct float32 : float_sums {
  using word = float;
  using vector = __m512;
  static constexpr std::size_t parts = 1;

  template <std::size_t Part>
  UFB_GEMM_INLINE static vector load(const std::uint32_t* panel) noexcept {
    return _mm512_load_ps(panel);
  }
  template <std::size_t Part>
  UFB_GEMM_INLINE static vector broadcast(const word* x) noexcept {
    return _mm512_set1_ps(*x);
  }
  UFB_GEMM_INLINE static void add(sum& s, const vector& x, const vector& b) noexcept { s = _mm512_fmadd_ps(x, b, s); }
};

// Widened to float. The second terms of the words come first, as `native_bfloat16` takes them.
struct bfloat16 : float_sums {
  using word = std::uint32_t;
  using vector = __m512;
  static constexpr std::size_t parts = 2;

  template <std::size_t Part>
  UFB_GEMM_INLINE static vector widen(__m512i words) noexcept {
    return _mm512_castsi512_ps(Part == 0 ? _mm512_and_si512(words, _mm512_set1_epi32(-0x10000))
                                         : _mm512_slli_epi32(words, 16));
  }
  template <std::size_t Part>
  UFB_GEMM_INLINE static vector load(const std::uint32_t* panel) noexcept {
    return widen<Part>(_mm512_load_si512(panel));
  }
  template <std::size_t Part>
  UFB_GEMM_INLINE static vector broadcast(const word* x) noexcept {
    return widen<Part>(_mm512_set1_epi32(static_cast<int>(*x)));
  }
  UFB_GEMM_INLINE static void add(sum& s, const vector& x, const vector& b) noexcept { s = _mm512_fmadd_ps(x, b, s); }
};

// Words as they are, for instructions of extensions. These are written in assembler, so that the kernels around them
// are the same functions for every processor: the intrinsics ask for functions compiled for the extension.
struct whole_words {
  using word = std::uint32_t;
  using vector = __m512i;
  static constexpr std::size_t parts = 1;

  template <std::size_t Part>
  UFB_GEMM_INLINE static vector load(const std::uint32_t* panel) noexcept {
    return _mm512_load_si512(panel);
  }
  template <std::size_t Part>
  UFB_GEMM_INLINE static vector broadcast(const word* x) noexcept {
    return _mm512_set1_epi32(static_cast<int>(*x));
  }
};

// AVX512-BF16: the product of the second terms is added by one fused operation, then that of the first ones, but
// subnormal operands and results count as zero. So the bits are those of `bfloat16` unless a number is subnormal.
struct native_bfloat16 : whole_words, float_sums {
  UFB_GEMM_INLINE static void add(sum& s, const vector& x, const vector& b) noexcept {
    asm("{vdpbf16ps %2, %1, %0|vdpbf16ps %0, %1, %2}" : "+v"(s) : "v"(x), "v"(b));
  }
};

// AVX512-VNNI: unsigned times signed. Sums may wrap around on their way; the last one does not.
struct native_int8 : whole_words {
  using sum = __m512i;

  UFB_GEMM_INLINE static sum begin(const gemm_tile& t, std::size_t /*row*/, std::size_t column) noexcept {
    return _mm512_load_si512(t.start + column);
  }
  UFB_GEMM_INLINE static void add(sum& s, const vector& x, const vector& b) noexcept {
    asm("{vpdpbusd %2, %1, %0|vpdpbusd %0, %1, %2}" : "+v"(s) : "v"(x), "v"(b));
  }
  UFB_GEMM_INLINE static void end(const gemm_tile& t, std::size_t row, std::size_t column, const sum& s) noexcept {
    __m512 v = _mm512_mul_ps(_mm512_cvtepi32_ps(s), _mm512_load_ps(t.column_scale + column));
    v = _mm512_mul_ps(v, _mm512_set1_ps(t.row_scale[row]));
    keep(v);  // rounded before it is added
    float* y = t.y + row * t.y_stride + column;
    if (t.add) v = _mm512_add_ps(_mm512_loadu_ps(y), v);
    if (t.bias != nullptr) v = _mm512_add_ps(v, _mm512_loadu_ps(t.bias + column));
    _mm512_storeu_ps(y, v);
  }
};

#include "ultrafastbert/kernels/gemm_tiles.inc"

inline constexpr gemm_kernels table =
    table_of<float32>({.name = "avx512"}, std::make_index_sequence<12>{}, std::make_index_sequence<6>{});
// Sums, and both parts of a word and of the vectors it is multiplied with, leave no more registers than for 8 rows.
inline constexpr gemm_kernels bfloat16_table =
    table_of<bfloat16>({.name = "avx512", .terms = 2, .convert = to_bfloat16}, std::make_index_sequence<8>{},
                       std::make_index_sequence<4>{});
inline constexpr gemm_kernels native_bfloat16_table =
    table_of<native_bfloat16>({.name = "avx512_bf16", .terms = 2, .convert = to_native_bfloat16},
                              std::make_index_sequence<12>{}, std::make_index_sequence<6>{});
inline constexpr gemm_kernels native_int8_table =
    table_of<native_int8>({.name = "avx512_vnni", .terms = 4, .convert = to_shifted_int8, .shift = 128},
                          std::make_index_sequence<12>{}, std::make_index_sequence<6>{});

}  // namespace ultrafastbert::kernels::gemm_avx512

#undef UFB_GEMM
#undef UFB_GEMM_INLINE
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#endif
