// SPDX-License-Identifier: MIT
//
// AVX2 kernels of conditional matrix multiplication, with FMA and F16C. One accumulator of 8 lanes per dot product.
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

#define UFB_AVX2 [[gnu::target("avx2,fma,f16c")]]
#define UFB_AVX2_INLINE [[gnu::always_inline, gnu::target("avx2,fma,f16c")]] inline

namespace ultrafastbert::kernels::avx2 {

// Keeps a loaded vector in its register: g++ 12 would fold the load into each of its uses and read it several times.
UFB_AVX2_INLINE void keep(__m256& v) noexcept { asm("" : "+x"(v)); }

// Eight weights. Rows are aligned to 16 elements, so 8 of them are aligned to their size.
UFB_AVX2_INLINE __m256 load_row(const float* p) noexcept { return _mm256_load_ps(p); }
UFB_AVX2_INLINE __m256 load_row(const float16_bits* p) noexcept {
  return _mm256_cvtph_ps(_mm_load_si128(reinterpret_cast<const __m128i*>(p)));
}
UFB_AVX2_INLINE __m256 load_row(const bfloat16_bits* p) noexcept {
  const __m128i bits = _mm_load_si128(reinterpret_cast<const __m128i*>(p));
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
}
UFB_AVX2_INLINE __m256 load_row(const std::int8_t* p) noexcept {
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
}

// All bits set in the first n lanes, n < 8; none in the others.
UFB_AVX2_INLINE __m256i tail_mask(std::size_t n) noexcept {
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), lane);
}

// The sums of all lanes of four vectors, each in the order ((0 + 1) + (2 + 3)) + ((4 + 5) + (6 + 7)).
UFB_AVX2_INLINE __m128 sums_of_4(__m256 a, __m256 b, __m256 c, __m256 d) noexcept {
  const __m256 quads = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));
  return _mm_add_ps(_mm256_castps256_ps128(quads), _mm256_extractf128_ps(quads, 1));
}

UFB_AVX2_INLINE float sum_of(__m256 a) noexcept { return _mm_cvtss_f32(sums_of_4(a, a, a, a)); }

template <class Weight>
struct rows_3_inputs_4_step {
  __m256 a[12];

  // With 12 accumulators and 3 weights, one register is left, which the inputs pass through in turn.
  template <class Load>
  UFB_AVX2_INLINE void add(const Weight* w, std::size_t stride, const Load& input) noexcept {
    __m256 p = load_row(w);
    __m256 l = load_row(w + stride);
    __m256 r = load_row(w + 2 * stride);
    keep(p);
    keep(l);
    keep(r);
    for (std::size_t t = 0; t < 4; ++t) {
      __m256 x = input.load(t);
      keep(x);
      a[t] = _mm256_fmadd_ps(p, x, a[t]);
      a[4 + t] = _mm256_fmadd_ps(l, x, a[4 + t]);
      a[8 + t] = _mm256_fmadd_ps(r, x, a[8 + t]);
    }
  }
};

// Eight columns of four inputs, from column k on.
struct whole_inputs {
  const float* const* x;
  std::size_t k;
  UFB_AVX2_INLINE __m256 load(std::size_t t) const noexcept { return _mm256_loadu_ps(x[t] + k); }
};

struct cut_inputs {
  const float* const* x;
  std::size_t k;
  __m256i mask;
  UFB_AVX2_INLINE __m256 load(std::size_t t) const noexcept { return _mm256_maskload_ps(x[t] + k, mask); }
};

// Every dot product has two chains: columns before this one, and the others. A token alone waits half as long for each.
UFB_AVX2_INLINE std::size_t first_half(std::size_t width) noexcept { return width / 16 * 8; }

template <class Weight>
UFB_AVX2 void rows_3_inputs_4(const Weight* block, std::size_t stride, const float* const* inputs, std::size_t width,
                              float* z, const upcoming<Weight>& /*next*/) {
  const float* const x[4] = {inputs[0], inputs[1], inputs[2], inputs[3]};
  const std::size_t half = first_half(width);
  rows_3_inputs_4_step<Weight> s;
  for (__m256& a : s.a) a = _mm256_setzero_ps();
  std::size_t k = 0;
  for (; k < half; k += 8) s.add(block + k, stride, whole_inputs{x, k});
  __m256 first[12];  // in memory: the registers are full
  for (std::size_t i = 0; i < 12; ++i) {
    first[i] = s.a[i];
    s.a[i] = _mm256_setzero_ps();
  }
  for (; k + 8 <= width; k += 8) s.add(block + k, stride, whole_inputs{x, k});
  if (k < width) s.add(block + k, stride, cut_inputs{x, k, tail_mask(width - k)});
  for (std::size_t i = 0; i < 12; ++i) s.a[i] = _mm256_add_ps(first[i], s.a[i]);
  for (std::size_t i = 0; i < 12; i += 4) {
    _mm_storeu_ps(z + i, sums_of_4(s.a[i], s.a[i + 1], s.a[i + 2], s.a[i + 3]));
  }
}

// Lane sums of several pairs, the chains of both halves side by side.
template <std::size_t Pairs, class Weight>
UFB_AVX2_INLINE void multiply_pairs(const Weight* const* rows, const float* const* x, std::size_t width,
                                    __m256* sums) noexcept {
  __m256 a[2 * Pairs];
  for (__m256& sum : a) sum = _mm256_setzero_ps();
  const std::size_t half = first_half(width);
  std::size_t k = 0;
  for (; k < half; k += 8) {
    for (std::size_t i = 0; i < Pairs; ++i) {
      a[i] = _mm256_fmadd_ps(load_row(rows[i] + k), _mm256_loadu_ps(x[i] + k), a[i]);
      a[Pairs + i] = _mm256_fmadd_ps(load_row(rows[i] + half + k), _mm256_loadu_ps(x[i] + half + k), a[Pairs + i]);
    }
  }
  for (k += half; k + 8 <= width; k += 8) {
    for (std::size_t i = 0; i < Pairs; ++i) {
      a[Pairs + i] = _mm256_fmadd_ps(load_row(rows[i] + k), _mm256_loadu_ps(x[i] + k), a[Pairs + i]);
    }
  }
  if (k < width) {
    const __m256i m = tail_mask(width - k);
    for (std::size_t i = 0; i < Pairs; ++i) {
      a[Pairs + i] = _mm256_fmadd_ps(load_row(rows[i] + k), _mm256_maskload_ps(x[i] + k, m), a[Pairs + i]);
    }
  }
  for (std::size_t i = 0; i < Pairs; ++i) sums[i] = _mm256_add_ps(a[i], a[Pairs + i]);
}

// Four at a time: more pointers than that do not fit the integer registers.
template <class Weight>
UFB_AVX2 void pairs_8(const Weight* const* rows, const float* const* x, std::size_t width, float* z) {
  for (std::size_t i = 0; i < 8; i += 4) {
    const Weight* const w[4] = {rows[i], rows[i + 1], rows[i + 2], rows[i + 3]};
    const float* const v[4] = {x[i], x[i + 1], x[i + 2], x[i + 3]};
    __m256 sums[4];
    multiply_pairs<4>(w, v, width, sums);
    _mm_storeu_ps(z + i, sums_of_4(sums[0], sums[1], sums[2], sums[3]));
  }
}

template <class Weight>
UFB_AVX2 void pair(const Weight* row, const float* x, std::size_t width, float* z) {
  __m256 sum;
  multiply_pairs<1>(&row, &x, width, &sum);
  *z = sum_of(sum);
}

struct cached_store {
  UFB_AVX2_INLINE void operator()(float* y, __m256 v) const noexcept { _mm256_storeu_ps(y, v); }
};
struct streaming_store {
  UFB_AVX2_INLINE void operator()(float* y, __m256 v) const noexcept { _mm256_stream_ps(y, v); }
};

// to = (from or 0) + the sum of some rows from a column on. Column by column, so that each row is read in one go, which
// is what the processor's prefetchers wait for; the coefficients stay in registers.
template <std::size_t Rows, class Store, class Weight>
UFB_AVX2_INLINE void add_rows(const Weight* const* rows, const float* coefficients, const column_range& columns,
                              const float* from, float* to, const Store& store) noexcept {
  const Weight* w[Rows];
  __m256 c[Rows];
  for (std::size_t r = 0; r < Rows; ++r) {
    w[r] = rows[r] + columns.first;
    c[r] = _mm256_set1_ps(coefficients[r]);
  }
  const std::size_t count = columns.last - columns.first;
  std::size_t k = 0;
  for (; k + 8 <= count; k += 8) {
    __m256 a = from != nullptr ? _mm256_loadu_ps(from + k) : _mm256_setzero_ps();
    for (std::size_t r = 0; r < Rows; ++r) a = _mm256_fmadd_ps(c[r], load_row(w[r] + k), a);
    store(to + k, a);
  }
  if (k < count) {
    const __m256i m = tail_mask(count - k);
    __m256 a = from != nullptr ? _mm256_maskload_ps(from + k, m) : _mm256_setzero_ps();
    for (std::size_t r = 0; r < Rows; ++r) a = _mm256_fmadd_ps(c[r], load_row(w[r] + k), a);
    _mm256_maskstore_ps(to + k, m, a);
  }
}

// Of `left` rows, as many as are added in one go.
UFB_AVX2_INLINE std::size_t rows_at_once(std::size_t left) noexcept {
  return left >= 12 ? 12 : left >= 6 ? 6 : left >= 4 ? 4 : left >= 2 ? 2 : 1;
}

template <class Store, class Weight>
UFB_AVX2_INLINE void add_some(std::size_t count, const Weight* const* rows, const float* coefficients,
                              const column_range& columns, const float* from, float* to, const Store& store) noexcept {
  if (count == 12) return add_rows<12>(rows, coefficients, columns, from, to, store);
  if (count == 6) return add_rows<6>(rows, coefficients, columns, from, to, store);
  if (count == 4) return add_rows<4>(rows, coefficients, columns, from, to, store);
  if (count == 2) return add_rows<2>(rows, coefficients, columns, from, to, store);
  add_rows<1>(rows, coefficients, columns, from, to, store);
}

template <class Weight>
UFB_AVX2 void sum(const Weight* const* rows, const float* coefficients, std::size_t count, const column_range& columns,
                  bool add, float* y) {
  float* const to = y + columns.first;
  const float* from = add ? to : nullptr;
  for (std::size_t r = 0; r < count; r += rows_at_once(count - r)) {
    add_some(rows_at_once(count - r), rows + r, coefficients + r, columns, from, to, cached_store{});
    from = to;
  }
}

// What is not the end result stays on the stack: no line of y enters a cache.
template <class Weight>
UFB_AVX2 void stream(const Weight* const* rows, const float* coefficients, std::size_t count,
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

UFB_AVX2 inline void finish() { _mm_sfence(); }

UFB_AVX2_INLINE __m256 gelu_of(__m256 x) noexcept {
  namespace c = gelu_constants;
  // The constants come first in min and max, so that NaN, the second operand, passes through.
  const __m256 magnitude = _mm256_andnot_ps(_mm256_set1_ps(-0.0F), x);
  const __m256 u = _mm256_min_ps(_mm256_set1_ps(c::saturation), magnitude);
  const __m256 one = _mm256_set1_ps(1.0F);
  const __m256 t = _mm256_div_ps(one, _mm256_fmadd_ps(u, _mm256_set1_ps(c::t_slope), one));
  __m256 q = _mm256_set1_ps(c::q[0]);
  for (std::size_t i = 1; i < c::q.size(); ++i) q = _mm256_fmadd_ps(q, t, _mm256_set1_ps(c::q[i]));
  const __m256 v =
      _mm256_max_ps(_mm256_set1_ps(c::smallest_exponent), _mm256_mul_ps(_mm256_mul_ps(u, u), _mm256_set1_ps(-0.5F)));
  const __m256 n =
      _mm256_round_ps(_mm256_mul_ps(v, _mm256_set1_ps(c::log2_e)), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  __m256 r = _mm256_fnmadd_ps(n, _mm256_set1_ps(c::ln2_high), v);
  r = _mm256_fnmadd_ps(n, _mm256_set1_ps(c::ln2_low), r);
  __m256 e = _mm256_set1_ps(c::exp_series[0]);
  for (std::size_t i = 1; i < c::exp_series.size(); ++i) e = _mm256_fmadd_ps(e, r, _mm256_set1_ps(c::exp_series[i]));
  const __m256i exponent = _mm256_slli_epi32(_mm256_cvtps_epi32(n), 23);
  e = _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(e), exponent));
  const __m256 h = _mm256_mul_ps(_mm256_mul_ps(e, t), q);
  return _mm256_fnmadd_ps(u, h, _mm256_max_ps(_mm256_setzero_ps(), x));
}

UFB_AVX2 inline void gelu(std::size_t n, float* values) {
  std::size_t k = 0;
  for (; k + 8 <= n; k += 8) _mm256_storeu_ps(values + k, gelu_of(_mm256_loadu_ps(values + k)));
  if (k < n) {
    const __m256i m = tail_mask(n - k);
    _mm256_maskstore_ps(values + k, m, gelu_of(_mm256_maskload_ps(values + k, m)));
  }
}

template <class Weight>
inline constexpr dot_kernels<Weight> dots{rows_3_inputs_4<Weight>, pairs_8<Weight>, pair<Weight>};

template <class Weight>
inline constexpr sum_kernels<Weight> sums{sum<Weight>, stream<Weight>, finish};

}  // namespace ultrafastbert::kernels::avx2

#undef UFB_AVX2
#undef UFB_AVX2_INLINE

#endif
