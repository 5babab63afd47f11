// SPDX-License-Identifier: MIT
//
// NEON kernels of conditional matrix multiplication for 64-bit ARM. Two accumulators of 4 lanes per dot product.
// Layer: kernels.
#pragma once

#include "ultrafastbert/kernels/isa.hpp"

#if UFB_KERNELS_NEON

#include <arm_neon.h>

#include <cstddef>
#include <cstdint>

#include "ultrafastbert/core/storage.hpp"
#include "ultrafastbert/kernels/fff_kernels.hpp"
#include "ultrafastbert/kernels/gelu_constants.hpp"

#define UFB_NEON_INLINE [[gnu::always_inline]] inline

namespace ultrafastbert::kernels::neon {

// Eight columns.
struct octet {
  float32x4_t low;
  float32x4_t high;
};

UFB_NEON_INLINE octet zeros() noexcept { return {vdupq_n_f32(0.0F), vdupq_n_f32(0.0F)}; }
UFB_NEON_INLINE octet add_product(octet a, octet w, octet x) noexcept {
  return {vfmaq_f32(a.low, w.low, x.low), vfmaq_f32(a.high, w.high, x.high)};
}
UFB_NEON_INLINE octet add_product(octet a, octet w, float c) noexcept {
  return {vfmaq_n_f32(a.low, w.low, c), vfmaq_n_f32(a.high, w.high, c)};
}

// Four weights.
UFB_NEON_INLINE float32x4_t load_quad(const float* p) noexcept { return vld1q_f32(p); }
UFB_NEON_INLINE float32x4_t load_quad(const float16_bits* p) noexcept {
  return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(reinterpret_cast<const std::uint16_t*>(p))));
}
UFB_NEON_INLINE float32x4_t load_quad(const bfloat16_bits* p) noexcept {
  return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(reinterpret_cast<const std::uint16_t*>(p)), 16));
}
UFB_NEON_INLINE float32x4_t load_quad(const std::int8_t* p) noexcept {
  std::uint32_t bytes = 0;
  __builtin_memcpy(&bytes, p, sizeof bytes);
  return vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(vcreate_s8(bytes)))));
}

template <class Weight>
UFB_NEON_INLINE octet load_row(const Weight* p) noexcept {
  return {load_quad(p), load_quad(p + 4)};
}
UFB_NEON_INLINE octet load_row(const std::int8_t* p) noexcept {
  const int16x8_t wide = vmovl_s8(vld1_s8(p));
  return {vcvtq_f32_s32(vmovl_s16(vget_low_s16(wide))), vcvtq_f32_s32(vmovl_high_s16(wide))};
}

UFB_NEON_INLINE octet load(const float* x) noexcept { return {vld1q_f32(x), vld1q_f32(x + 4)}; }
UFB_NEON_INLINE void store(float* y, octet v) noexcept {
  vst1q_f32(y, v.low);
  vst1q_f32(y + 4, v.high);
}
// The first n columns, n < 8, and zeros.
UFB_NEON_INLINE octet load_cut(const float* x, std::size_t n) noexcept {
  float whole[8] = {};
  for (std::size_t i = 0; i < n; ++i) whole[i] = x[i];
  return load(whole);
}
UFB_NEON_INLINE void store_cut(float* y, octet v, std::size_t n) noexcept {
  float whole[8];
  store(whole, v);
  for (std::size_t i = 0; i < n; ++i) y[i] = whole[i];
}

// The sums of all lanes of four accumulators, each in the order ((0 + 1) + (2 + 3)) + ((4 + 5) + (6 + 7)).
UFB_NEON_INLINE float32x4_t sums_of_4(octet a, octet b, octet c, octet d) noexcept {
  const float32x4_t low = vpaddq_f32(vpaddq_f32(a.low, b.low), vpaddq_f32(c.low, d.low));
  const float32x4_t high = vpaddq_f32(vpaddq_f32(a.high, b.high), vpaddq_f32(c.high, d.high));
  return vaddq_f32(low, high);
}

UFB_NEON_INLINE float sum_of(octet a) noexcept { return vgetq_lane_f32(sums_of_4(a, a, a, a), 0); }

// Loads stay behind it: g++ 12 would do all loads of a step first, for which there are not enough registers.
UFB_NEON_INLINE void load_no_earlier() noexcept { asm volatile("" ::: "memory"); }

// Four lanes of the twelve sums of `rows_3_inputs_4`. Both halves fill 24 of the 32 registers.
struct twelve_quads {
  float32x4_t a[12];

  // The next four columns, in the inputs from column k on.
  template <class Weight>
  UFB_NEON_INLINE void add(const Weight* w, std::size_t stride, const float* const* x, std::size_t k) noexcept {
    load_no_earlier();
    const float32x4_t p = load_quad(w);
    const float32x4_t l = load_quad(w + stride);
    const float32x4_t r = load_quad(w + 2 * stride);
    add_input<0>(p, l, r, x[0] + k);
    add_input<1>(p, l, r, x[1] + k);
    add_input<2>(p, l, r, x[2] + k);
    add_input<3>(p, l, r, x[3] + k);
  }

  // Written out: g++ 12 unrolls a loop over the inputs too late to keep the sums in registers.
  template <std::size_t T>
  UFB_NEON_INLINE void add_input(float32x4_t p, float32x4_t l, float32x4_t r, const float* x) noexcept {
    const float32x4_t v = vld1q_f32(x);
    a[T] = vfmaq_f32(a[T], p, v);
    a[4 + T] = vfmaq_f32(a[4 + T], l, v);
    a[8 + T] = vfmaq_f32(a[8 + T], r, v);
  }
};

template <std::size_t Row>
UFB_NEON_INLINE void store_sums(const twelve_quads& low, const twelve_quads& high, float* z) noexcept {
  constexpr std::size_t i = 4 * Row;
  vst1q_f32(z + i, sums_of_4({low.a[i], high.a[i]}, {low.a[i + 1], high.a[i + 1]}, {low.a[i + 2], high.a[i + 2]},
                             {low.a[i + 3], high.a[i + 3]}));
}

template <class Weight>
void rows_3_inputs_4(const Weight* block, std::size_t stride, const float* const* inputs, std::size_t width, float* z,
                     const upcoming<Weight>& /*next*/) {
  const float* const x[4] = {inputs[0], inputs[1], inputs[2], inputs[3]};
  twelve_quads low{};
  twelve_quads high{};
  std::size_t k = 0;
  for (; k + 8 <= width; k += 8) {
    low.add(block + k, stride, x, k);
    high.add(block + k + 4, stride, x, k + 4);
  }
  if (k < width) {
    float rest[4][8];
    for (std::size_t t = 0; t < 4; ++t) store(rest[t], load_cut(x[t] + k, width - k));
    const float* const cut[4] = {rest[0], rest[1], rest[2], rest[3]};
    low.add(block + k, stride, cut, 0);
    high.add(block + k + 4, stride, cut, 4);
  }
  store_sums<0>(low, high, z);
  store_sums<1>(low, high, z);
  store_sums<2>(low, high, z);
}

template <class Weight>
UFB_NEON_INLINE void pairs_4(const Weight* const* rows, const float* const* x, std::size_t width, float* z) noexcept {
  octet a[4] = {zeros(), zeros(), zeros(), zeros()};
  std::size_t k = 0;
  for (; k + 8 <= width; k += 8) {
    for (std::size_t i = 0; i < 4; ++i) a[i] = add_product(a[i], load_row(rows[i] + k), load(x[i] + k));
  }
  if (k < width) {
    for (std::size_t i = 0; i < 4; ++i) a[i] = add_product(a[i], load_row(rows[i] + k), load_cut(x[i] + k, width - k));
  }
  vst1q_f32(z, sums_of_4(a[0], a[1], a[2], a[3]));
}

// In two halves: the pointers of one fit the integer registers.
template <class Weight>
void pairs_8(const Weight* const* rows, const float* const* x, std::size_t width, float* z) {
  pairs_4(rows, x, width, z);
  pairs_4(rows + 4, x + 4, width, z + 4);
}

template <class Weight>
void pair(const Weight* row, const float* x, std::size_t width, float* z) {
  octet a = zeros();
  std::size_t k = 0;
  for (; k + 8 <= width; k += 8) a = add_product(a, load_row(row + k), load(x + k));
  if (k < width) a = add_product(a, load_row(row + k), load_cut(x + k, width - k));
  *z = sum_of(a);
}

// One strip of Octets * 8 columns of `sum`, the last octet holding `last` of its columns.
template <std::size_t Octets, class Weight>
UFB_NEON_INLINE void sum_strip(const Weight* const* rows, const float* coefficients, std::size_t count, std::size_t k,
                               std::size_t last, bool add, float* y) noexcept {
  octet a[Octets];
  for (std::size_t i = 0; i < Octets; ++i) {
    const bool whole = i + 1 < Octets || last == 8;
    a[i] = !add ? zeros() : whole ? load(y + k + 8 * i) : load_cut(y + k + 8 * i, last);
  }
  for (std::size_t r = 0; r < count; ++r) {
    const Weight* w = rows[r] + k;
    for (std::size_t i = 0; i < Octets; ++i) a[i] = add_product(a[i], load_row(w + 8 * i), coefficients[r]);
  }
  for (std::size_t i = 0; i < Octets; ++i) {
    const bool whole = i + 1 < Octets || last == 8;
    whole ? store(y + k + 8 * i, a[i]) : store_cut(y + k + 8 * i, a[i], last);
  }
}

template <class Weight>
void sum(const Weight* const* rows, const float* coefficients, std::size_t count, const column_range& columns, bool add,
         float* y) {
  std::size_t k = columns.first;
  for (; k + 64 <= columns.last; k += 64) sum_strip<8>(rows, coefficients, count, k, 8, add, y);
  for (; k + 8 <= columns.last; k += 8) sum_strip<1>(rows, coefficients, count, k, 8, add, y);
  if (k < columns.last) sum_strip<1>(rows, coefficients, count, k, columns.last - k, add, y);
}

UFB_NEON_INLINE float32x4_t gelu_of(float32x4_t x) noexcept {
  namespace c = gelu_constants;
  const float32x4_t u = vminq_f32(vdupq_n_f32(c::saturation), vabsq_f32(x));
  const float32x4_t one = vdupq_n_f32(1.0F);
  const float32x4_t t = vdivq_f32(one, vfmaq_n_f32(one, u, c::t_slope));
  float32x4_t q = vdupq_n_f32(c::q[0]);
  for (std::size_t i = 1; i < c::q.size(); ++i) q = vfmaq_f32(vdupq_n_f32(c::q[i]), q, t);
  const float32x4_t v = vmaxq_f32(vdupq_n_f32(c::smallest_exponent), vmulq_n_f32(vmulq_f32(u, u), -0.5F));
  const float32x4_t n = vrndnq_f32(vmulq_n_f32(v, c::log2_e));
  float32x4_t r = vfmsq_f32(v, n, vdupq_n_f32(c::ln2_high));
  r = vfmsq_f32(r, n, vdupq_n_f32(c::ln2_low));
  float32x4_t e = vdupq_n_f32(c::exp_series[0]);
  for (std::size_t i = 1; i < c::exp_series.size(); ++i) e = vfmaq_f32(vdupq_n_f32(c::exp_series[i]), e, r);
  const int32x4_t exponent = vshlq_n_s32(vcvtnq_s32_f32(n), 23);
  e = vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(e), exponent));
  const float32x4_t h = vmulq_f32(vmulq_f32(e, t), q);
  // Zero for negative numbers; NaN, which is none, passes through.
  const float32x4_t positive = vreinterpretq_f32_u32(vbicq_u32(vreinterpretq_u32_f32(x), vcltzq_f32(x)));
  return vfmsq_f32(positive, u, h);
}

inline void gelu(std::size_t n, float* values) {
  std::size_t k = 0;
  for (; k + 4 <= n; k += 4) vst1q_f32(values + k, gelu_of(vld1q_f32(values + k)));
  if (k < n) {
    const octet rest = load_cut(values + k, n - k);
    store_cut(values + k, {gelu_of(rest.low), rest.high}, n - k);
  }
}

template <class Weight>
inline constexpr dot_kernels<Weight> dots{rows_3_inputs_4<Weight>, pairs_8<Weight>, pair<Weight>};

template <class Weight>
inline constexpr sum_kernels<Weight> sums{sum<Weight>};

}  // namespace ultrafastbert::kernels::neon

#undef UFB_NEON_INLINE

#endif
