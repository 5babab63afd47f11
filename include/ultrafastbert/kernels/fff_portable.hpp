// SPDX-License-Identifier: MIT
//
// Kernels of conditional matrix multiplication in plain C++. Sixteen partial sums per dot product; a product is always
// rounded before it is added, whatever processor the including program is compiled for.
// Layer: kernels.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "ultrafastbert/core/storage.hpp"
#include "ultrafastbert/kernels/fff_kernels.hpp"
#include "ultrafastbert/kernels/gelu_constants.hpp"
#include "ultrafastbert/kernels/isa.hpp"

// Two ways to keep compilers from fusing a * b + c. On x86 the functions do without AVX, on which every fused
// instruction builds, so they are the same instructions in every program. Elsewhere g++ is asked per function and clang
// by the pragma at its start. Such functions call nothing but each other: what is compiled for more could not be
// inlined.
#if UFB_KERNELS_X86
#define UFB_PORTABLE [[gnu::target("no-avx")]]
#define UFB_PORTABLE_INLINE [[gnu::always_inline, gnu::target("no-avx")]] inline
#elif defined(__GNUC__) && !defined(__clang__)
#define UFB_PORTABLE [[gnu::optimize("fp-contract=off")]]
#define UFB_PORTABLE_INLINE [[gnu::always_inline, gnu::optimize("fp-contract=off")]] inline
#else
#define UFB_PORTABLE
#define UFB_PORTABLE_INLINE inline
#endif
#if defined(__clang__)
#define UFB_NOT_FUSED _Pragma("STDC FP_CONTRACT OFF")
#else
#define UFB_NOT_FUSED
#endif

namespace ultrafastbert::kernels::portable {

inline constexpr std::size_t lanes = 16;
static_assert(row_padding % lanes == 0);

UFB_PORTABLE_INLINE float from_bits(std::uint32_t bits) noexcept { return __builtin_bit_cast(float, bits); }
UFB_PORTABLE_INLINE std::uint32_t to_bits(float value) noexcept { return __builtin_bit_cast(std::uint32_t, value); }

// All bits or none: choices without branches, which compilers can vectorize. Numbers to compare are below 2^31.
UFB_PORTABLE_INLINE std::uint32_t all_if_negative(std::uint32_t bits) noexcept { return 0U - (bits >> 31U); }
UFB_PORTABLE_INLINE std::uint32_t all_if_below(std::uint32_t a, std::uint32_t b) noexcept {
  return all_if_negative(a - b);
}

UFB_PORTABLE_INLINE float widen(float w) noexcept { return w; }
UFB_PORTABLE_INLINE float widen(std::int8_t w) noexcept { return static_cast<float>(w); }
UFB_PORTABLE_INLINE float widen(bfloat16_bits w) noexcept { return from_bits(std::uint32_t{w.bits} << 16U); }
UFB_PORTABLE_INLINE float widen(float16_bits w) noexcept {
  constexpr std::uint32_t bias = 127 - 15;  // between the exponents of the two formats
  constexpr std::uint32_t first_normal = (bias + 1) << 23U;
  const std::uint32_t sign = (w.bits & 0x8000U) << 16U;
  const std::uint32_t magnitude = (w.bits & 0x7fffU) << 13U;
  // Infinity and NaN take the bias twice, from exponent 31 to 255.
  const std::uint32_t normal = magnitude + (bias << 23U) + (~all_if_below(magnitude, 31U << 23U) & (bias << 23U));
  // Subnormals count in units of 2^-24: made the fraction of a number from 2^-14 on, which is then taken off again.
  const std::uint32_t subnormal = to_bits(from_bits(magnitude + first_normal) - from_bits(first_normal));
  const std::uint32_t is_subnormal = all_if_below(magnitude, 1U << 23U);
  return from_bits(sign | (subnormal & is_subnormal) | (normal & ~is_subnormal));
}

// The partial sums of one dot product: column k is added to lane k % 16.
struct partial_sums {
  float a[lanes];

  template <class Weight>
  UFB_PORTABLE_INLINE void add(const Weight* w, const float* x) noexcept {
    UFB_NOT_FUSED
    for (std::size_t l = 0; l < lanes; ++l) a[l] += widen(w[l]) * x[l];
  }

  [[nodiscard]] UFB_PORTABLE_INLINE float total() noexcept {
    for (std::size_t half = lanes / 2; half > 0; half /= 2) {
      for (std::size_t l = 0; l < half; ++l) a[l] += a[l + half];
    }
    return a[0];
  }
};

template <class Weight>
UFB_PORTABLE_INLINE float dot(const Weight* row, const float* x, std::size_t width) noexcept {
  partial_sums s{};
  std::size_t k = 0;
  for (; k + lanes <= width; k += lanes) s.add(row + k, x + k);
  if (k < width) {
    float rest[lanes] = {};
    for (std::size_t l = 0; k + l < width; ++l) rest[l] = x[k + l];
    s.add(row + k, rest);
  }
  return s.total();
}

template <class Weight>
UFB_PORTABLE void rows_3_inputs_4(const Weight* block, std::size_t stride, const float* const* x, std::size_t width,
                                  float* z, const upcoming<Weight>& /*next*/) {
  for (std::size_t r = 0; r < 3; ++r) {
    for (std::size_t t = 0; t < 4; ++t) z[r * 4 + t] = dot(block + r * stride, x[t], width);
  }
}

template <class Weight>
UFB_PORTABLE void pairs_8(const Weight* const* rows, const float* const* x, std::size_t width, float* z) {
  for (std::size_t i = 0; i < 8; ++i) z[i] = dot(rows[i], x[i], width);
}

template <class Weight>
UFB_PORTABLE void pair(const Weight* row, const float* x, std::size_t width, float* z) {
  *z = dot(row, x, width);
}

// Up to 16 columns of `sum`, from the pointers on.
template <class Weight>
UFB_PORTABLE_INLINE void sum_strip(const Weight* const* rows, const float* coefficients, std::size_t count,
                                   std::size_t k, std::size_t columns, bool add, float* y) noexcept {
  UFB_NOT_FUSED
  float a[lanes] = {};
  if (add) {
    for (std::size_t l = 0; l < columns; ++l) a[l] = y[k + l];
  }
  for (std::size_t r = 0; r < count; ++r) {
    const float c = coefficients[r];
    const Weight* w = rows[r] + k;
    for (std::size_t l = 0; l < lanes; ++l) a[l] += c * widen(w[l]);
  }
  for (std::size_t l = 0; l < columns; ++l) y[k + l] = a[l];
}

template <class Weight>
UFB_PORTABLE void sum(const Weight* const* rows, const float* coefficients, std::size_t count,
                      const column_range& columns, bool add, float* y) {
  std::size_t k = columns.first;
  for (; k + lanes <= columns.last; k += lanes) sum_strip(rows, coefficients, count, k, lanes, add, y);
  if (k < columns.last) sum_strip(rows, coefficients, count, k, columns.last - k, add, y);
}

// Of two numbers below 2^31, such as the bits of non-negative floats, which are ordered like the floats.
UFB_PORTABLE_INLINE std::uint32_t smaller(std::uint32_t a, std::uint32_t b) noexcept {
  return b ^ ((a ^ b) & all_if_below(a, b));
}

UFB_PORTABLE_INLINE float gelu_of(float x) noexcept {
  UFB_NOT_FUSED
  namespace c = gelu_constants;
  constexpr const float* q_series = c::q.data();
  constexpr const float* exp_series = c::exp_series.data();
  const std::uint32_t magnitude = to_bits(x) & 0x7fffffffU;
  const float u = from_bits(smaller(magnitude, to_bits(c::saturation)));
  const float t = 1.0F / (1.0F + u * c::t_slope);
  float q = q_series[0];
  for (std::size_t i = 1; i < c::q.size(); ++i) q = q * t + q_series[i];
  const float v = -from_bits(smaller(to_bits(u * u * 0.5F), to_bits(-c::smallest_exponent)));
  // Added to 1.5 * 2^23, a number leaves its nearest integer in the low bits.
  constexpr float shifter = 12'582'912.0F;
  const std::uint32_t shifted = to_bits(v * c::log2_e + shifter);
  const float n = from_bits(shifted) - shifter;
  const float r = (v - n * c::ln2_high) - n * c::ln2_low;
  float e = exp_series[0];
  for (std::size_t i = 1; i < c::exp_series.size(); ++i) e = e * r + exp_series[i];
  const float h = from_bits(to_bits(e) + (shifted << 23U)) * t * q;
  // Zero for negative numbers; NaN, whatever its sign, passes through.
  const std::uint32_t is_negative = all_if_negative(to_bits(x)) & all_if_below(magnitude, 0x7f800001U);
  const float positive = from_bits(to_bits(x) & ~is_negative);
  return positive - u * h;
}

UFB_PORTABLE inline void gelu(std::size_t n, float* values) {
  for (std::size_t k = 0; k < n; ++k) values[k] = gelu_of(values[k]);
}

template <class Weight>
inline constexpr dot_kernels<Weight> dots{rows_3_inputs_4<Weight>, pairs_8<Weight>, pair<Weight>};

template <class Weight>
inline constexpr sum_kernels<Weight> sums{sum<Weight>};

}  // namespace ultrafastbert::kernels::portable

#undef UFB_PORTABLE
#undef UFB_PORTABLE_INLINE
#undef UFB_NOT_FUSED
