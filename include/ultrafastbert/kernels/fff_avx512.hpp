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

// g++ 12 takes the undefined vectors inside its own intrinsics for uninitialised variables, and without optimisation
// some intrinsics are macros that convert masks with a change of sign.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#endif

#define UFB_AVX512 [[gnu::target("avx512f,avx512bw,avx512dq,avx512vl,fma,f16c")]]
#define UFB_AVX512_INLINE [[gnu::always_inline, gnu::target("avx512f,avx512bw,avx512dq,avx512vl,fma,f16c")]] inline

namespace ultrafastbert::kernels::detail::avx512 {

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

template <class Weight>
struct rows_3_inputs_4_step {
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
};

template <class Weight>
UFB_AVX512 void rows_3_inputs_4(const Weight* block, std::size_t stride, const float* const* x, std::size_t width,
                                float* z) {
  const float* x0 = x[0];
  const float* x1 = x[1];
  const float* x2 = x[2];
  const float* x3 = x[3];
  rows_3_inputs_4_step<Weight> s;
  for (__m512& a : s.a) a = _mm512_setzero_ps();
  std::size_t k = 0;
  for (; k + 16 <= width; k += 16) {
    __m512 v0 = _mm512_loadu_ps(x0 + k);
    __m512 v1 = _mm512_loadu_ps(x1 + k);
    __m512 v2 = _mm512_loadu_ps(x2 + k);
    __m512 v3 = _mm512_loadu_ps(x3 + k);
    keep(v0);
    keep(v1);
    keep(v2);
    keep(v3);
    s.add(block + k, stride, v0, v1, v2, v3);
  }
  if (k < width) {
    const __mmask16 m = tail_mask(width - k);
    s.add(block + k, stride, _mm512_maskz_loadu_ps(m, x0 + k), _mm512_maskz_loadu_ps(m, x1 + k),
          _mm512_maskz_loadu_ps(m, x2 + k), _mm512_maskz_loadu_ps(m, x3 + k));
  }
  _mm_storeu_ps(z, sums_of_4(s.a[0], s.a[1], s.a[2], s.a[3]));
  _mm_storeu_ps(z + 4, sums_of_4(s.a[4], s.a[5], s.a[6], s.a[7]));
  _mm_storeu_ps(z + 8, sums_of_4(s.a[8], s.a[9], s.a[10], s.a[11]));
}

template <class Weight>
UFB_AVX512 void rows_3_inputs_1(const Weight* block, std::size_t stride, const float* const* inputs, std::size_t width,
                                float* z) {
  const float* x = inputs[0];
  __m512 a0 = _mm512_setzero_ps();
  __m512 a1 = a0;
  __m512 a2 = a0;
  std::size_t k = 0;
  for (; k + 16 <= width; k += 16) {
    const __m512 v = _mm512_loadu_ps(x + k);
    a0 = _mm512_fmadd_ps(load_row(block + k), v, a0);
    a1 = _mm512_fmadd_ps(load_row(block + stride + k), v, a1);
    a2 = _mm512_fmadd_ps(load_row(block + 2 * stride + k), v, a2);
  }
  if (k < width) {
    const __m512 v = _mm512_maskz_loadu_ps(tail_mask(width - k), x + k);
    a0 = _mm512_fmadd_ps(load_row(block + k), v, a0);
    a1 = _mm512_fmadd_ps(load_row(block + stride + k), v, a1);
    a2 = _mm512_fmadd_ps(load_row(block + 2 * stride + k), v, a2);
  }
  z[0] = sum_of(a0);
  z[1] = sum_of(a1);
  z[2] = sum_of(a2);
}

template <class Weight>
UFB_AVX512 void pairs_8(const Weight* const* rows, const float* const* x, std::size_t width, float* z) {
  __m512 a[8];
  for (__m512& sum : a) sum = _mm512_setzero_ps();
  std::size_t k = 0;
  for (; k + 16 <= width; k += 16) {
    for (std::size_t i = 0; i < 8; ++i) a[i] = _mm512_fmadd_ps(load_row(rows[i] + k), _mm512_loadu_ps(x[i] + k), a[i]);
  }
  if (k < width) {
    const __mmask16 m = tail_mask(width - k);
    for (std::size_t i = 0; i < 8; ++i)
      a[i] = _mm512_fmadd_ps(load_row(rows[i] + k), _mm512_maskz_loadu_ps(m, x[i] + k), a[i]);
  }
  _mm_storeu_ps(z, sums_of_4(a[0], a[1], a[2], a[3]));
  _mm_storeu_ps(z + 4, sums_of_4(a[4], a[5], a[6], a[7]));
}

template <class Weight>
UFB_AVX512 void pair(const Weight* row, const float* x, std::size_t width, float* z) {
  __m512 a = _mm512_setzero_ps();
  std::size_t k = 0;
  for (; k + 16 <= width; k += 16) a = _mm512_fmadd_ps(load_row(row + k), _mm512_loadu_ps(x + k), a);
  if (k < width) {
    a = _mm512_fmadd_ps(load_row(row + k), _mm512_maskz_loadu_ps(tail_mask(width - k), x + k), a);
  }
  *z = sum_of(a);
}

// One strip of Vectors * 16 columns of `one`; the last vector may be cut.
template <std::size_t Vectors, class Weight>
UFB_AVX512_INLINE void sum_strip(const Weight* const* rows, const float* coefficients, std::size_t count, std::size_t k,
                                 __mmask16 last, bool add, float* y) noexcept {
  __m512 a[Vectors];
  for (std::size_t i = 0; i < Vectors; ++i) {
    const __mmask16 m = i + 1 < Vectors ? static_cast<__mmask16>(0xffff) : last;
    a[i] = add ? _mm512_maskz_loadu_ps(m, y + k + 16 * i) : _mm512_setzero_ps();
  }
  for (std::size_t r = 0; r < count; ++r) {
    const __m512 c = _mm512_set1_ps(coefficients[r]);
    const Weight* w = rows[r] + k;
    for (std::size_t i = 0; i < Vectors; ++i) a[i] = _mm512_fmadd_ps(c, load_row(w + 16 * i), a[i]);
  }
  for (std::size_t i = 0; i < Vectors; ++i) {
    const __mmask16 m = i + 1 < Vectors ? static_cast<__mmask16>(0xffff) : last;
    _mm512_mask_storeu_ps(y + k + 16 * i, m, a[i]);
  }
}

template <class Weight>
UFB_AVX512 void sum_one(const Weight* const* rows, const float* coefficients, std::size_t count, std::size_t width,
                        bool add, float* y) {
  constexpr __mmask16 all = 0xffff;
  std::size_t k = 0;
  for (; k + 256 <= width; k += 256) sum_strip<16>(rows, coefficients, count, k, all, add, y);
  for (; k + 64 <= width; k += 64) sum_strip<4>(rows, coefficients, count, k, all, add, y);
  for (; k + 16 <= width; k += 16) sum_strip<1>(rows, coefficients, count, k, all, add, y);
  if (k < width) sum_strip<1>(rows, coefficients, count, k, tail_mask(width - k), add, y);
}

// One strip of Vectors * 16 columns of `four`.
template <std::size_t Vectors, class Weight>
UFB_AVX512_INLINE void sum_four_strip(const Weight* const* const* rows, const float* const* coefficients,
                                      std::size_t shared, std::size_t count, std::size_t k, __mmask16 last, bool add,
                                      float* const* y) noexcept {
  __m512 a[4][Vectors];
  for (std::size_t t = 0; t < 4; ++t) {
    for (std::size_t i = 0; i < Vectors; ++i) {
      const __mmask16 m = i + 1 < Vectors ? static_cast<__mmask16>(0xffff) : last;
      a[t][i] = add ? _mm512_maskz_loadu_ps(m, y[t] + k + 16 * i) : _mm512_setzero_ps();
    }
  }
  for (std::size_t r = 0; r < shared; ++r) {
    const Weight* w = rows[0][r] + k;
    __m512 v[Vectors];
    for (std::size_t i = 0; i < Vectors; ++i) {
      v[i] = load_row(w + 16 * i);
      keep(v[i]);
    }
    for (std::size_t t = 0; t < 4; ++t) {
      const __m512 c = _mm512_set1_ps(coefficients[t][r]);
      for (std::size_t i = 0; i < Vectors; ++i) a[t][i] = _mm512_fmadd_ps(c, v[i], a[t][i]);
    }
  }
  for (std::size_t r = shared; r < count; ++r) {
    for (std::size_t t = 0; t < 4; ++t) {
      const Weight* w = rows[t][r] + k;
      const __m512 c = _mm512_set1_ps(coefficients[t][r]);
      for (std::size_t i = 0; i < Vectors; ++i) a[t][i] = _mm512_fmadd_ps(c, load_row(w + 16 * i), a[t][i]);
    }
  }
  for (std::size_t t = 0; t < 4; ++t) {
    for (std::size_t i = 0; i < Vectors; ++i) {
      const __mmask16 m = i + 1 < Vectors ? static_cast<__mmask16>(0xffff) : last;
      _mm512_mask_storeu_ps(y[t] + k + 16 * i, m, a[t][i]);
    }
  }
}

template <class Weight>
UFB_AVX512 void sum_four(const Weight* const* const* rows, const float* const* coefficients, std::size_t shared,
                         std::size_t count, std::size_t width, bool add, float* const* y) {
  constexpr __mmask16 all = 0xffff;
  std::size_t k = 0;
  for (; k + 64 <= width; k += 64) sum_four_strip<4>(rows, coefficients, shared, count, k, all, add, y);
  for (; k + 16 <= width; k += 16) sum_four_strip<1>(rows, coefficients, shared, count, k, all, add, y);
  if (k < width) sum_four_strip<1>(rows, coefficients, shared, count, k, tail_mask(width - k), add, y);
}

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
inline constexpr dot_kernels<Weight> dots{rows_3_inputs_4<Weight>, rows_3_inputs_1<Weight>, pairs_8<Weight>,
                                          pair<Weight>};

template <class Weight>
inline constexpr sum_kernels<Weight> sums{sum_one<Weight>, sum_four<Weight>};

}  // namespace ultrafastbert::kernels::detail::avx512

#undef UFB_AVX512
#undef UFB_AVX512_INLINE
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#endif
