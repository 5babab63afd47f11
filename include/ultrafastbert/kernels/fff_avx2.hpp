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

namespace ultrafastbert::kernels::detail::avx2 {

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

template <class Weight>
UFB_AVX2 void rows_3_inputs_4(const Weight* block, std::size_t stride, const float* const* inputs, std::size_t width,
                              float* z) {
  const float* const x[4] = {inputs[0], inputs[1], inputs[2], inputs[3]};
  rows_3_inputs_4_step<Weight> s;
  for (__m256& a : s.a) a = _mm256_setzero_ps();
  std::size_t k = 0;
  for (; k + 8 <= width; k += 8) s.add(block + k, stride, whole_inputs{x, k});
  if (k < width) s.add(block + k, stride, cut_inputs{x, k, tail_mask(width - k)});
  _mm_storeu_ps(z, sums_of_4(s.a[0], s.a[1], s.a[2], s.a[3]));
  _mm_storeu_ps(z + 4, sums_of_4(s.a[4], s.a[5], s.a[6], s.a[7]));
  _mm_storeu_ps(z + 8, sums_of_4(s.a[8], s.a[9], s.a[10], s.a[11]));
}

template <class Weight>
UFB_AVX2 void rows_3_inputs_1(const Weight* block, std::size_t stride, const float* const* inputs, std::size_t width,
                              float* z) {
  const float* x = inputs[0];
  __m256 a0 = _mm256_setzero_ps();
  __m256 a1 = a0;
  __m256 a2 = a0;
  std::size_t k = 0;
  for (; k + 8 <= width; k += 8) {
    const __m256 v = _mm256_loadu_ps(x + k);
    a0 = _mm256_fmadd_ps(load_row(block + k), v, a0);
    a1 = _mm256_fmadd_ps(load_row(block + stride + k), v, a1);
    a2 = _mm256_fmadd_ps(load_row(block + 2 * stride + k), v, a2);
  }
  if (k < width) {
    const __m256 v = _mm256_maskload_ps(x + k, tail_mask(width - k));
    a0 = _mm256_fmadd_ps(load_row(block + k), v, a0);
    a1 = _mm256_fmadd_ps(load_row(block + stride + k), v, a1);
    a2 = _mm256_fmadd_ps(load_row(block + 2 * stride + k), v, a2);
  }
  const __m128 sums = sums_of_4(a0, a1, a2, a2);
  _mm_storel_pi(reinterpret_cast<__m64*>(z), sums);
  _mm_store_ss(z + 2, _mm_movehl_ps(sums, sums));
}

template <class Weight>
UFB_AVX2 void pairs_8(const Weight* const* rows, const float* const* x, std::size_t width, float* z) {
  __m256 a[8];
  for (__m256& sum : a) sum = _mm256_setzero_ps();
  std::size_t k = 0;
  // Sixteen pointers fill the integer registers: four vectors for each time one is fetched.
  for (; k + 32 <= width; k += 32) {
    for (std::size_t i = 0; i < 8; ++i) {
      const Weight* w = rows[i] + k;
      const float* v = x[i] + k;
      for (std::size_t j = 0; j < 32; j += 8) a[i] = _mm256_fmadd_ps(load_row(w + j), _mm256_loadu_ps(v + j), a[i]);
    }
  }
  for (; k + 8 <= width; k += 8) {
    for (std::size_t i = 0; i < 8; ++i) a[i] = _mm256_fmadd_ps(load_row(rows[i] + k), _mm256_loadu_ps(x[i] + k), a[i]);
  }
  if (k < width) {
    const __m256i m = tail_mask(width - k);
    for (std::size_t i = 0; i < 8; ++i) {
      a[i] = _mm256_fmadd_ps(load_row(rows[i] + k), _mm256_maskload_ps(x[i] + k, m), a[i]);
    }
  }
  _mm_storeu_ps(z, sums_of_4(a[0], a[1], a[2], a[3]));
  _mm_storeu_ps(z + 4, sums_of_4(a[4], a[5], a[6], a[7]));
}

template <class Weight>
UFB_AVX2 void pair(const Weight* row, const float* x, std::size_t width, float* z) {
  __m256 a = _mm256_setzero_ps();
  std::size_t k = 0;
  for (; k + 8 <= width; k += 8) a = _mm256_fmadd_ps(load_row(row + k), _mm256_loadu_ps(x + k), a);
  if (k < width) a = _mm256_fmadd_ps(load_row(row + k), _mm256_maskload_ps(x + k, tail_mask(width - k)), a);
  *z = sum_of(a);
}

// How a strip of columns enters and leaves the registers: whole, or cut in a single vector.
struct whole_strip {
  UFB_AVX2_INLINE __m256 load(const float* y) const noexcept { return _mm256_loadu_ps(y); }
  UFB_AVX2_INLINE void store(float* y, __m256 v) const noexcept { _mm256_storeu_ps(y, v); }
};

struct cut_strip {
  __m256i mask;
  UFB_AVX2_INLINE __m256 load(const float* y) const noexcept { return _mm256_maskload_ps(y, mask); }
  UFB_AVX2_INLINE void store(float* y, __m256 v) const noexcept { _mm256_maskstore_ps(y, mask, v); }
};

// One strip of Vectors * 8 columns of `one`.
template <std::size_t Vectors, class Weight, class Strip>
UFB_AVX2_INLINE void sum_strip(const Weight* const* rows, const float* coefficients, std::size_t count, std::size_t k,
                               const Strip& strip, bool add, float* y) noexcept {
  __m256 a[Vectors];
  for (std::size_t i = 0; i < Vectors; ++i) a[i] = add ? strip.load(y + k + 8 * i) : _mm256_setzero_ps();
  for (std::size_t r = 0; r < count; ++r) {
    const __m256 c = _mm256_broadcast_ss(coefficients + r);
    const Weight* w = rows[r] + k;
    for (std::size_t i = 0; i < Vectors; ++i) a[i] = _mm256_fmadd_ps(c, load_row(w + 8 * i), a[i]);
  }
  for (std::size_t i = 0; i < Vectors; ++i) strip.store(y + k + 8 * i, a[i]);
}

template <class Weight>
UFB_AVX2 void sum_one(const Weight* const* rows, const float* coefficients, std::size_t count, std::size_t width,
                      bool add, float* y) {
  std::size_t k = 0;
  for (; k + 96 <= width; k += 96) sum_strip<12>(rows, coefficients, count, k, whole_strip{}, add, y);
  for (; k + 32 <= width; k += 32) sum_strip<4>(rows, coefficients, count, k, whole_strip{}, add, y);
  for (; k + 8 <= width; k += 8) sum_strip<1>(rows, coefficients, count, k, whole_strip{}, add, y);
  if (k < width) sum_strip<1>(rows, coefficients, count, k, cut_strip{tail_mask(width - k)}, add, y);
}

// One strip of Vectors * 8 columns of `four`.
template <std::size_t Vectors, class Weight, class Strip>
UFB_AVX2_INLINE void sum_four_strip(const Weight* const* const* rows, const float* const* coefficients,
                                    std::size_t shared, std::size_t count, std::size_t k, const Strip& strip, bool add,
                                    float* const* y) noexcept {
  __m256 a[4][Vectors];
  for (std::size_t t = 0; t < 4; ++t) {
    for (std::size_t i = 0; i < Vectors; ++i) a[t][i] = add ? strip.load(y[t] + k + 8 * i) : _mm256_setzero_ps();
  }
  for (std::size_t r = 0; r < shared; ++r) {
    const Weight* w = rows[0][r] + k;
    __m256 v[Vectors];
    for (std::size_t i = 0; i < Vectors; ++i) {
      v[i] = load_row(w + 8 * i);
      keep(v[i]);
    }
    for (std::size_t t = 0; t < 4; ++t) {
      const __m256 c = _mm256_broadcast_ss(coefficients[t] + r);
      for (std::size_t i = 0; i < Vectors; ++i) a[t][i] = _mm256_fmadd_ps(c, v[i], a[t][i]);
    }
  }
  for (std::size_t r = shared; r < count; ++r) {
    for (std::size_t t = 0; t < 4; ++t) {
      const Weight* w = rows[t][r] + k;
      const __m256 c = _mm256_broadcast_ss(coefficients[t] + r);
      for (std::size_t i = 0; i < Vectors; ++i) a[t][i] = _mm256_fmadd_ps(c, load_row(w + 8 * i), a[t][i]);
    }
  }
  for (std::size_t t = 0; t < 4; ++t) {
    for (std::size_t i = 0; i < Vectors; ++i) strip.store(y[t] + k + 8 * i, a[t][i]);
  }
}

template <class Weight>
UFB_AVX2 void sum_four(const Weight* const* const* rows, const float* const* coefficients, std::size_t shared,
                       std::size_t count, std::size_t width, bool add, float* const* y) {
  std::size_t k = 0;
  for (; k + 24 <= width; k += 24) sum_four_strip<3>(rows, coefficients, shared, count, k, whole_strip{}, add, y);
  for (; k + 8 <= width; k += 8) sum_four_strip<1>(rows, coefficients, shared, count, k, whole_strip{}, add, y);
  if (k < width) sum_four_strip<1>(rows, coefficients, shared, count, k, cut_strip{tail_mask(width - k)}, add, y);
}

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
inline constexpr dot_kernels<Weight> dots{rows_3_inputs_4<Weight>, rows_3_inputs_1<Weight>, pairs_8<Weight>,
                                          pair<Weight>};

template <class Weight>
inline constexpr sum_kernels<Weight> sums{sum_one<Weight>, sum_four<Weight>};

}  // namespace ultrafastbert::kernels::detail::avx2

#undef UFB_AVX2
#undef UFB_AVX2_INLINE

#endif
