// SPDX-License-Identifier: MIT
//
// AVX-512 kernels of conditional matrix multiplication.
// Layer: kernels.
#pragma once

#include "ultrafastbert/kernels/isa.hpp"

#if UFB_KERNELS_X86

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "ultrafastbert/core/storage.hpp"
#include "ultrafastbert/kernels/fff_kernels.hpp"
#include "ultrafastbert/kernels/gelu_constants.hpp"

// g++ 12 takes the undefined vectors inside its own intrinsics for uninitialized variables, and without optimization
// some intrinsics are macros that convert masks with a change of sign.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#endif

#define UFB_AVX512 [[gnu::target("avx512f,avx512bw,avx512dq,avx512vl,fma,f16c")]]
#define UFB_AVX512_INLINE [[gnu::always_inline, gnu::target("avx512f,avx512bw,avx512dq,avx512vl,fma,f16c")]] inline

namespace ultrafastbert::kernels::avx512 {

// Keeps a loaded vector in its register: g++ 12 would fold the load into each of its uses and read it several times.
UFB_AVX512_INLINE void keep(__m512& v) noexcept { asm("" : "+v"(v)); }

UFB_AVX512_INLINE __m512 load_row(const float* p) noexcept { return _mm512_load_ps(p); }
UFB_AVX512_INLINE __m512 load_row(const float16_bits* p) noexcept {
  return _mm512_cvtph_ps(_mm256_load_si256(reinterpret_cast<const __m256i*>(p)));
}
UFB_AVX512_INLINE __m512 load_row(const bfloat16_bits* p) noexcept {
  const __m256i bits = _mm256_load_si256(reinterpret_cast<const __m256i*>(p));
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
}
UFB_AVX512_INLINE __m512 load_row(const std::int8_t* p) noexcept {
  return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_load_si128(reinterpret_cast<const __m128i*>(p))));
}

UFB_AVX512_INLINE __mmask16 tail_mask(std::size_t n) noexcept {
  return static_cast<__mmask16>((1U << static_cast<unsigned>(n)) - 1U);
}

// Lanes l, l + 4, l + 8 and l + 12 of a vector added to four sums: ((l) + (l + 8)) + ((l + 4) + (l + 12)).
UFB_AVX512_INLINE __m128 quarter(__m512 a) noexcept {
  const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
  return _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
}

// The sums of all lanes of four vectors, each in the order (0 + 2) + (1 + 3) of its quarter.
UFB_AVX512_INLINE __m128 sums_of_4(__m512 a, __m512 b, __m512 c, __m512 d) noexcept {
  const __m128 r0 = quarter(a);
  const __m128 r1 = quarter(b);
  const __m128 r2 = quarter(c);
  const __m128 r3 = quarter(d);
  const __m128 low01 = _mm_unpacklo_ps(r0, r1);
  const __m128 high01 = _mm_unpackhi_ps(r0, r1);
  const __m128 low23 = _mm_unpacklo_ps(r2, r3);
  const __m128 high23 = _mm_unpackhi_ps(r2, r3);
  const __m128 lanes02 = _mm_add_ps(_mm_movelh_ps(low01, low23), _mm_movelh_ps(high01, high23));
  const __m128 lanes13 = _mm_add_ps(_mm_movehl_ps(low23, low01), _mm_movehl_ps(high23, high01));
  return _mm_add_ps(lanes02, lanes13);
}

UFB_AVX512_INLINE float sum_of(__m512 a) noexcept {
  const __m128 q = quarter(a);
  const __m128 pairs = _mm_add_ps(q, _mm_movehl_ps(q, q));
  return _mm_cvtss_f32(_mm_add_ss(pairs, _mm_movehdup_ps(pairs)));
}

// Every dot product has two chains: columns before this one, and the others. A token alone waits half as long for each.
UFB_AVX512_INLINE std::size_t first_half(std::size_t width) noexcept { return width / 32 * 16; }

// The twelve sums of `rows_3_inputs_4` over some of the columns.
template <class Weight>
struct twelve_sums {
  __m512 a[12];

  UFB_AVX512_INLINE void add(const Weight* w, std::size_t stride, __m512 x0, __m512 x1, __m512 x2, __m512 x3) noexcept {
    __m512 p = load_row(w);
    __m512 l = load_row(w + stride);
    __m512 r = load_row(w + 2 * stride);
    keep(p);
    keep(l);
    keep(r);
    const __m512 x[4] = {x0, x1, x2, x3};
    for (std::size_t t = 0; t < 4; ++t) {
      a[t] = _mm512_fmadd_ps(p, x[t], a[t]);
      a[4 + t] = _mm512_fmadd_ps(l, x[t], a[4 + t]);
      a[8 + t] = _mm512_fmadd_ps(r, x[t], a[8 + t]);
    }
  }

  // Columns [k, last). What comes next is asked for line by line between the products, where load units are idle.
  template <bool WithBlock>
  UFB_AVX512_INLINE void multiply(const Weight* block, std::size_t stride, const float* const* x, std::size_t k,
                                  std::size_t last, const upcoming<Weight>& next) noexcept {
    for (__m512& sum : a) sum = _mm512_setzero_ps();
    for (; k + 16 <= last; k += 16) {
      __m512 v0 = _mm512_loadu_ps(x[0] + k);
      __m512 v1 = _mm512_loadu_ps(x[1] + k);
      __m512 v2 = _mm512_loadu_ps(x[2] + k);
      __m512 v3 = _mm512_loadu_ps(x[3] + k);
      keep(v0);
      keep(v1);
      keep(v2);
      keep(v3);
      for (std::size_t t = 0; t < 4; ++t) __builtin_prefetch(next.x[t] + k);
      if (WithBlock) {
        for (std::size_t r = 0; r < 3; ++r) __builtin_prefetch(next.block + r * stride + k);
      }
      add(block + k, stride, v0, v1, v2, v3);
    }
    if (k < last) {
      const __mmask16 m = tail_mask(last - k);
      add(block + k, stride, _mm512_maskz_loadu_ps(m, x[0] + k), _mm512_maskz_loadu_ps(m, x[1] + k),
          _mm512_maskz_loadu_ps(m, x[2] + k), _mm512_maskz_loadu_ps(m, x[3] + k));
    }
  }
};

template <bool WithBlock, class Weight>
UFB_AVX512_INLINE void multiply_block(const Weight* block, std::size_t stride, const float* const* inputs,
                                      std::size_t width, float* z, const upcoming<Weight>& next) noexcept {
  const float* const x[4] = {inputs[0], inputs[1], inputs[2], inputs[3]};
  const float* const* n = next.x != nullptr ? next.x : inputs;
  const float* const next_x[4] = {n[0], n[1], n[2], n[3]};
  const upcoming<Weight> coming{.block = next.block, .x = next_x};
  const std::size_t half = first_half(width);
  twelve_sums<Weight> s;
  twelve_sums<Weight> t;
  s.template multiply<WithBlock>(block, stride, x, 0, half, coming);
  t.template multiply<WithBlock>(block, stride, x, half, width, coming);
  for (std::size_t i = 0; i < 12; ++i) s.a[i] = _mm512_add_ps(s.a[i], t.a[i]);
  for (std::size_t i = 0; i < 12; i += 4) {
    _mm_storeu_ps(z + i, sums_of_4(s.a[i], s.a[i + 1], s.a[i + 2], s.a[i + 3]));
  }
}

template <class Weight>
UFB_AVX512 void rows_3_inputs_4(const Weight* block, std::size_t stride, const float* const* x, std::size_t width,
                                float* z, const upcoming<Weight>& next) {
  if (next.block != nullptr) {
    multiply_block<true>(block, stride, x, width, z, next);
  } else {
    multiply_block<false>(block, stride, x, width, z, next);
  }
}

// Lane sums of several pairs, the chains of both halves side by side.
template <std::size_t Pairs, class Weight>
UFB_AVX512_INLINE void multiply_pairs(const Weight* const* rows, const float* const* x, std::size_t width,
                                      __m512* sums) noexcept {
  __m512 a[2 * Pairs];
  for (__m512& sum : a) sum = _mm512_setzero_ps();
  const std::size_t half = first_half(width);
  std::size_t k = 0;
  for (; k < half; k += 16) {
    for (std::size_t i = 0; i < Pairs; ++i) {
      a[i] = _mm512_fmadd_ps(load_row(rows[i] + k), _mm512_loadu_ps(x[i] + k), a[i]);
      a[Pairs + i] = _mm512_fmadd_ps(load_row(rows[i] + half + k), _mm512_loadu_ps(x[i] + half + k), a[Pairs + i]);
    }
  }
  for (k += half; k + 16 <= width; k += 16) {
    for (std::size_t i = 0; i < Pairs; ++i) {
      a[Pairs + i] = _mm512_fmadd_ps(load_row(rows[i] + k), _mm512_loadu_ps(x[i] + k), a[Pairs + i]);
    }
  }
  if (k < width) {
    const __mmask16 m = tail_mask(width - k);
    for (std::size_t i = 0; i < Pairs; ++i) {
      a[Pairs + i] = _mm512_fmadd_ps(load_row(rows[i] + k), _mm512_maskz_loadu_ps(m, x[i] + k), a[Pairs + i]);
    }
  }
  for (std::size_t i = 0; i < Pairs; ++i) sums[i] = _mm512_add_ps(a[i], a[Pairs + i]);
}

// Four at a time: more pointers than that do not fit the integer registers.
template <class Weight>
UFB_AVX512 void pairs_8(const Weight* const* rows, const float* const* x, std::size_t width, float* z) {
  for (std::size_t i = 0; i < 8; i += 4) {
    const Weight* const w[4] = {rows[i], rows[i + 1], rows[i + 2], rows[i + 3]};
    const float* const v[4] = {x[i], x[i + 1], x[i + 2], x[i + 3]};
    __m512 sums[4];
    multiply_pairs<4>(w, v, width, sums);
    _mm_storeu_ps(z + i, sums_of_4(sums[0], sums[1], sums[2], sums[3]));
  }
}

template <class Weight>
UFB_AVX512 void pair(const Weight* row, const float* x, std::size_t width, float* z) {
  __m512 sum;
  multiply_pairs<1>(&row, &x, width, &sum);
  *z = sum_of(sum);
}

struct cached_store {
  UFB_AVX512_INLINE void operator()(float* y, __m512 v) const noexcept { _mm512_storeu_ps(y, v); }
};
struct streaming_store {
  UFB_AVX512_INLINE void operator()(float* y, __m512 v) const noexcept { _mm512_stream_ps(y, v); }
};

// to = (from or 0) + the sum of some rows from a column on. Column by column, so that each row is read in one go, which
// is what the processor's prefetchers wait for; the coefficients stay in registers.
template <std::size_t Rows, class Store, class Weight>
UFB_AVX512_INLINE void add_rows(const Weight* const* rows, const float* coefficients, const column_range& columns,
                                const float* from, float* to, const Store& store) noexcept {
  const Weight* w[Rows];
  __m512 c[Rows];
  for (std::size_t r = 0; r < Rows; ++r) {
    w[r] = rows[r] + columns.first;
    c[r] = _mm512_set1_ps(coefficients[r]);
  }
  const std::size_t count = columns.last - columns.first;
  std::size_t k = 0;
  for (; k + 16 <= count; k += 16) {
    __m512 a = from != nullptr ? _mm512_loadu_ps(from + k) : _mm512_setzero_ps();
    for (std::size_t r = 0; r < Rows; ++r) a = _mm512_fmadd_ps(c[r], load_row(w[r] + k), a);
    store(to + k, a);
  }
  if (k < count) {
    const __mmask16 m = tail_mask(count - k);
    __m512 a = from != nullptr ? _mm512_maskz_loadu_ps(m, from + k) : _mm512_setzero_ps();
    for (std::size_t r = 0; r < Rows; ++r) a = _mm512_fmadd_ps(c[r], load_row(w[r] + k), a);
    _mm512_mask_storeu_ps(to + k, m, a);
  }
}

// Of `left` rows, as many as are added in one go.
UFB_AVX512_INLINE std::size_t rows_at_once(std::size_t left) noexcept {
  return left >= 12 ? 12 : left >= 6 ? 6 : left >= 4 ? 4 : left >= 2 ? 2 : 1;
}

template <class Store, class Weight>
UFB_AVX512_INLINE void add_some(std::size_t count, const Weight* const* rows, const float* coefficients,
                                const column_range& columns, const float* from, float* to,
                                const Store& store) noexcept {
  if (count == 12) return add_rows<12>(rows, coefficients, columns, from, to, store);
  if (count == 6) return add_rows<6>(rows, coefficients, columns, from, to, store);
  if (count == 4) return add_rows<4>(rows, coefficients, columns, from, to, store);
  if (count == 2) return add_rows<2>(rows, coefficients, columns, from, to, store);
  add_rows<1>(rows, coefficients, columns, from, to, store);
}

template <class Weight>
UFB_AVX512 void sum(const Weight* const* rows, const float* coefficients, std::size_t count,
                    const column_range& columns, bool add, float* y) {
  float* const to = y + columns.first;
  const float* from = add ? to : nullptr;
  for (std::size_t r = 0; r < count; r += rows_at_once(count - r)) {
    add_some(rows_at_once(count - r), rows + r, coefficients + r, columns, from, to, cached_store{});
    from = to;
  }
}

// What is not the end result stays on the stack: no line of y enters a cache.
template <class Weight>
UFB_AVX512 void stream(const Weight* const* rows, const float* coefficients, std::size_t count,
                       const column_range& columns, float* y) {
  alignas(64) float partial[streamed_columns];
  const float* from = nullptr;
  std::size_t r = 0;
  for (; rows_at_once(count - r) < count - r; r += rows_at_once(count - r)) {
    add_some(rows_at_once(count - r), rows + r, coefficients + r, columns, from, partial, cached_store{});
    from = partial;
  }
  add_some(count - r, rows + r, coefficients + r, columns, from, y + columns.first, streaming_store{});
}

UFB_AVX512 inline void finish() { _mm_sfence(); }

UFB_AVX512_INLINE __m512 gelu_of(__m512 x) noexcept {
  namespace c = gelu_constants;
  // The constants come first in min and max, so that NaN, the second operand, passes through.
  const __m512 u = _mm512_min_ps(_mm512_set1_ps(c::saturation), _mm512_abs_ps(x));
  const __m512 one = _mm512_set1_ps(1.0F);
  const __m512 t = _mm512_div_ps(one, _mm512_fmadd_ps(u, _mm512_set1_ps(c::t_slope), one));
  __m512 q = _mm512_set1_ps(c::q[0]);
  for (std::size_t i = 1; i < c::q.size(); ++i) q = _mm512_fmadd_ps(q, t, _mm512_set1_ps(c::q[i]));
  const __m512 v =
      _mm512_max_ps(_mm512_set1_ps(c::smallest_exponent), _mm512_mul_ps(_mm512_mul_ps(u, u), _mm512_set1_ps(-0.5F)));
  const __m512 n =
      _mm512_roundscale_ps(_mm512_mul_ps(v, _mm512_set1_ps(c::log2_e)), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(c::ln2_high), v);
  r = _mm512_fnmadd_ps(n, _mm512_set1_ps(c::ln2_low), r);
  __m512 e = _mm512_set1_ps(c::exp_series[0]);
  for (std::size_t i = 1; i < c::exp_series.size(); ++i) e = _mm512_fmadd_ps(e, r, _mm512_set1_ps(c::exp_series[i]));
  e = _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(e), _mm512_slli_epi32(_mm512_cvtps_epi32(n), 23)));
  const __m512 h = _mm512_mul_ps(_mm512_mul_ps(e, t), q);
  return _mm512_fnmadd_ps(u, h, _mm512_max_ps(_mm512_setzero_ps(), x));
}

UFB_AVX512 inline void gelu(std::size_t n, float* values) {
  std::size_t k = 0;
  for (; k + 16 <= n; k += 16) _mm512_storeu_ps(values + k, gelu_of(_mm512_loadu_ps(values + k)));
  if (k < n) {
    const __mmask16 m = tail_mask(n - k);
    _mm512_mask_storeu_ps(values + k, m, gelu_of(_mm512_maskz_loadu_ps(m, values + k)));
  }
}

template <class Weight>
inline constexpr dot_kernels<Weight> dots{rows_3_inputs_4<Weight>, pairs_8<Weight>, pair<Weight>};

template <class Weight>
inline constexpr sum_kernels<Weight> sums{sum<Weight>, stream<Weight>, finish};

}  // namespace ultrafastbert::kernels::avx512

#undef UFB_AVX512
#undef UFB_AVX512_INLINE
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#endif
