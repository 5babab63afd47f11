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

#define UFB_AVX2 [[gnu::target("avx2,fma,f16c")]]
#define UFB_AVX2_INLINE [[gnu::always_inline, gnu::target("avx2,fma,f16c")]] inline

namespace ultrafastbert::kernels::detail::gemm_avx2 {

inline constexpr std::size_t lanes = 8;
inline constexpr std::size_t columns = 2 * lanes;

// Keeps a vector in its register: g++ 12 would fold the load into each of its uses.
UFB_AVX2_INLINE void keep(__m256& v) noexcept { asm("" : "+x"(v)); }
UFB_AVX2_INLINE void keep(__m256i& v) noexcept { asm("" : "+x"(v)); }

UFB_AVX2_INLINE __m256i load_words(const std::uint32_t* panel) noexcept {
  return _mm256_load_si256(reinterpret_cast<const __m256i*>(panel));
}

// Sums in float, from their beginning to their end.
struct float_sums {
  using sum = __m256;
  using vector = __m256;

  UFB_AVX2_INLINE static sum begin(const gemm_tile& t, std::size_t row, std::size_t column) noexcept {
    return t.add ? _mm256_loadu_ps(t.y + row * t.y_stride + column) : _mm256_setzero_ps();
  }
  UFB_AVX2_INLINE static void add(sum& s, const vector& x, const vector& b) noexcept { s = _mm256_fmadd_ps(x, b, s); }
  UFB_AVX2_INLINE static void end(const gemm_tile& t, std::size_t row, std::size_t column, sum s) noexcept {
    if (t.bias != nullptr) s = _mm256_add_ps(s, _mm256_loadu_ps(t.bias + column));
    _mm256_storeu_ps(t.y + row * t.y_stride + column, s);
  }
};

struct float32 : float_sums {
  using word = float;
  static constexpr std::size_t parts = 1;

  template <std::size_t Part>
  UFB_AVX2_INLINE static vector load(const std::uint32_t* panel) noexcept {
    return _mm256_castsi256_ps(load_words(panel));
  }
  template <std::size_t Part>
  UFB_AVX2_INLINE static vector broadcast(const word* x) noexcept {
    return _mm256_set1_ps(*x);
  }
};

// Widened to float. The second terms of the words come first, as the AVX512-BF16 instruction takes them.
struct bfloat16 : float_sums {
  using word = std::uint32_t;
  static constexpr std::size_t parts = 2;

  template <std::size_t Part>
  UFB_AVX2_INLINE static vector widen(__m256i words) noexcept {
    return _mm256_castsi256_ps(Part == 0 ? _mm256_and_si256(words, _mm256_set1_epi32(-0x10000))
                                         : _mm256_slli_epi32(words, 16));
  }
  template <std::size_t Part>
  UFB_AVX2_INLINE static vector load(const std::uint32_t* panel) noexcept {
    return widen<Part>(load_words(panel));
  }
  template <std::size_t Part>
  UFB_AVX2_INLINE static vector broadcast(const word* x) noexcept {
    return widen<Part>(_mm256_set1_epi32(static_cast<int>(*x)));
  }
};

struct int8 {
  using word = std::uint32_t;
  using sum = __m256i;
  using vector = __m256i;
  static constexpr std::size_t parts = 1;

  template <std::size_t Part>
  UFB_AVX2_INLINE static vector load(const std::uint32_t* panel) noexcept {
    return load_words(panel);
  }
  template <std::size_t Part>
  UFB_AVX2_INLINE static vector broadcast(const word* x) noexcept {
    return _mm256_set1_epi32(static_cast<int>(*x));
  }
  UFB_AVX2_INLINE static sum begin(const gemm_tile& t, std::size_t /*row*/, std::size_t column) noexcept {
    return _mm256_load_si256(reinterpret_cast<const __m256i*>(t.start + column));
  }
  // Magnitudes of x times b with the signs of x: two products of at most 127 * 127 fit 16 bits.
  UFB_AVX2_INLINE static void add(sum& s, const vector& x, const vector& b) noexcept {
    const __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(x), _mm256_sign_epi8(b, x));
    s = _mm256_add_epi32(s, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
  }
  UFB_AVX2_INLINE static void end(const gemm_tile& t, std::size_t row, std::size_t column, const sum& s) noexcept {
    __m256 v = _mm256_mul_ps(_mm256_cvtepi32_ps(s), _mm256_load_ps(t.column_scale + column));
    v = _mm256_mul_ps(v, _mm256_set1_ps(t.row_scale[row]));
    keep(v);  // rounded before it is added
    float* y = t.y + row * t.y_stride + column;
    if (t.add) v = _mm256_add_ps(_mm256_loadu_ps(y), v);
    if (t.bias != nullptr) v = _mm256_add_ps(v, _mm256_loadu_ps(t.bias + column));
    _mm256_storeu_ps(y, v);
  }
};

// A tile of `Vectors` vectors a row. Sum I is that of row I / Vectors and vector I % Vectors. Written out by packs
// instead of loops: g++ 12 unrolls nested loops too late to keep the sums in registers.
template <class Operation, std::size_t Vectors, class Sums>
struct tile;

template <class Operation, std::size_t Vectors, std::size_t... I>
struct tile<Operation, Vectors, std::index_sequence<I...>> {
  using word = typename Operation::word;
  using vector = typename Operation::vector;
  using sum = typename Operation::sum;

  // One vector of each row and panel after the other; a word of x serves all vectors of its row.
  template <std::size_t Part>
  UFB_AVX2_INLINE static void add(sum* a, const word* x, std::size_t x_stride, const std::uint32_t* panel,
                                  std::size_t panel_stride) noexcept {
    vector b[Vectors];
    ((I < Vectors ? load<Part>(b[I % Vectors], panel + I / 2 * panel_stride + I % 2 * lanes) : void()), ...);
    vector c;
    ((I % Vectors == 0 ? broadcast<Part>(c, x + I / Vectors * x_stride) : void(),
      Operation::add(a[I], c, b[I % Vectors])),
     ...);
  }
  template <std::size_t Part>
  UFB_AVX2_INLINE static void load(vector& b, const std::uint32_t* panel) noexcept {
    b = Operation::template load<Part>(panel);
    keep(b);
  }
  template <std::size_t Part>
  UFB_AVX2_INLINE static void broadcast(vector& c, const word* x) noexcept {
    c = Operation::template broadcast<Part>(x);
    keep(c);
  }

  UFB_AVX2 static void run(const gemm_tile& tile) {
    const gemm_tile t = tile;
    sum a[] = {Operation::begin(t, I / Vectors, I % Vectors * lanes)...};
    const word* x = static_cast<const word*>(t.x);
    const std::uint32_t* panel = t.panel;
    const std::uint32_t* next = t.next;
    for (std::size_t k = 0; k < t.inner; ++k, ++x, panel += columns, next += t.next_step) {
      __builtin_prefetch(next, 0, 2);
      add<0>(a, x, t.x_stride, panel, t.panel_stride);
      if constexpr (Operation::parts == 2) add<1>(a, x, t.x_stride, panel, t.panel_stride);
    }
    (Operation::end(t, I / Vectors, I % Vectors * lanes, a[I]), ...);
  }
};

template <class Operation, std::size_t Rows, std::size_t Panels>
inline constexpr gemm_kernel kernel = tile<Operation, 2 * Panels, std::make_index_sequence<2 * Panels * Rows>>::run;

// Of the numbers of rows - 1 that there are kernels for, with one panel and with two. `rest`: what else makes a table.
template <class Operation, std::size_t... Single, std::size_t... Pair>
constexpr gemm_kernels table_of(const gemm_kernels& rest, std::index_sequence<Single...> /*single*/,
                                std::index_sequence<Pair...> /*pair*/) noexcept {
  gemm_kernels table = rest;
  table.columns = columns;
  table.rows = sizeof...(Single);
  table.single = {kernel<Operation, Single + 1, 1>...};
  table.pair = {kernel<Operation, Pair + 1, 2>...};
  return table;
}

inline constexpr gemm_kernels table =
    table_of<float32>({.name = "avx2"}, std::make_index_sequence<6>{}, std::make_index_sequence<2>{});
// Sums, and both parts of a word and of the vectors it is multiplied with, leave no more registers than for 4 rows.
inline constexpr gemm_kernels bfloat16_table = table_of<bfloat16>(
    {.name = "avx2", .terms = 2, .convert = to_bfloat16}, std::make_index_sequence<4>{}, std::make_index_sequence<2>{});
inline constexpr gemm_kernels int8_table = table_of<int8>({.name = "avx2", .terms = 4, .convert = to_int8},
                                                          std::make_index_sequence<4>{}, std::make_index_sequence<1>{});

}  // namespace ultrafastbert::kernels::detail::gemm_avx2

#undef UFB_AVX2
#undef UFB_AVX2_INLINE

#endif
