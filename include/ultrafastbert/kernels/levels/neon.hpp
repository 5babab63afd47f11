// SPDX-License-Identifier: MIT
//
// The NEON level of 64-bit ARM: its vector vocabulary, which the guide for maintainers explains, and its tables.
// Products of narrow storage are left to the portable level.
// Layer: kernels.
#pragma once

#include "ultrafastbert/kernels/isa.hpp"

#if UFB_KERNELS_NEON

#include <arm_neon.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>

#include "ultrafastbert/core/storage.hpp"
#include "ultrafastbert/kernels/constants.hpp"
#include "ultrafastbert/kernels/tables.hpp"

#define UFB_KERNEL
#define UFB_KERNEL_INLINE [[gnu::always_inline]] inline

namespace ultrafastbert::kernels::neon {

using vector = float32x4_t;
inline constexpr std::size_t lanes = 4;
inline constexpr std::size_t dot_vectors = 2;
inline constexpr std::size_t dot_chains = 1;
inline constexpr bool tiles_dots = true;
inline constexpr std::size_t rows_in_registers = 12;
inline constexpr bool prefetches = false;        // what comes next, within rows
inline constexpr bool prefetches_tiles = false;  // and within tiles of rows and inputs
inline constexpr bool streams = false;
inline constexpr std::size_t panel_vectors = 4;

UFB_KERNEL_INLINE void keep(vector& v) noexcept { asm("" : "+w"(v)); }

UFB_KERNEL_INLINE vector splat(float c) noexcept { return vdupq_n_f32(c); }
UFB_KERNEL_INLINE vector load(const float* p) noexcept { return vld1q_f32(p); }
UFB_KERNEL_INLINE void store(float* p, vector v) noexcept { vst1q_f32(p, v); }
UFB_KERNEL_INLINE vector load_some(const float* p, std::size_t n) noexcept {
  float some[lanes] = {};
  for (std::size_t l = 0; l < n; ++l) some[l] = p[l];
  return load(some);
}
UFB_KERNEL_INLINE void store_some(float* p, std::size_t n, vector v) noexcept {
  float some[lanes];
  store(some, v);
  for (std::size_t l = 0; l < n; ++l) p[l] = some[l];
}
UFB_KERNEL_INLINE void stream(float* p, vector v) noexcept { store(p, v); }
UFB_KERNEL_INLINE void fence() noexcept {}

UFB_KERNEL_INLINE vector load_weights(const float* p) noexcept { return vld1q_f32(p); }
UFB_KERNEL_INLINE vector load_weights(const float16_bits* p) noexcept {
  return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(reinterpret_cast<const std::uint16_t*>(p))));
}
UFB_KERNEL_INLINE vector load_weights(const bfloat16_bits* p) noexcept {
  return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(reinterpret_cast<const std::uint16_t*>(p)), 16));
}
UFB_KERNEL_INLINE vector load_joined(const bfloat16_bits* upper, const std::int16_t* lower) noexcept {
  const uint32x4_t high = vshll_n_u16(vld1_u16(reinterpret_cast<const std::uint16_t*>(upper)), 16);
  return vreinterpretq_f32_u32(vaddq_u32(high, vreinterpretq_u32_s32(vmovl_s16(vld1_s16(lower)))));
}
UFB_KERNEL_INLINE vector load_weights(const std::int8_t* p) noexcept {
  std::uint32_t bytes = 0;
  __builtin_memcpy(&bytes, p, sizeof bytes);
  return vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(vcreate_s8(bytes)))));
}

UFB_KERNEL_INLINE vector first_of(vector v, std::size_t n, vector rest) noexcept {
  constexpr std::uint32_t lane[lanes] = {0, 1, 2, 3};
  return vbslq_f32(vcltq_u32(vld1q_u32(lane), vdupq_n_u32(static_cast<std::uint32_t>(n))), v, rest);
}
UFB_KERNEL_INLINE vector add(vector a, vector b) noexcept { return vaddq_f32(a, b); }
UFB_KERNEL_INLINE vector subtract(vector a, vector b) noexcept { return vsubq_f32(a, b); }
UFB_KERNEL_INLINE vector multiply(vector a, vector b) noexcept { return vmulq_f32(a, b); }
UFB_KERNEL_INLINE vector divide(vector a, vector b) noexcept { return vdivq_f32(a, b); }
UFB_KERNEL_INLINE vector multiply_add(vector a, vector b, vector c) noexcept { return vfmaq_f32(c, a, b); }
UFB_KERNEL_INLINE vector subtract_product(vector c, vector a, vector b) noexcept { return vfmsq_f32(c, a, b); }
UFB_KERNEL_INLINE vector rounded(vector v) noexcept {
  asm("" : "+w"(v));
  return v;
}
UFB_KERNEL_INLINE vector largest(vector a, vector b) noexcept { return vmaxq_f32(a, b); }
UFB_KERNEL_INLINE vector smallest(vector a, vector b) noexcept { return vminq_f32(a, b); }
UFB_KERNEL_INLINE vector magnitude(vector v) noexcept { return vabsq_f32(v); }
UFB_KERNEL_INLINE vector positive_part(vector v) noexcept {
  return vreinterpretq_f32_u32(vbicq_u32(vreinterpretq_u32_f32(v), vcltzq_f32(v)));
}
UFB_KERNEL_INLINE vector with_sign_of(vector v, vector sign) noexcept {
  return vbslq_f32(vdupq_n_u32(0x80000000U), sign, v);
}
UFB_KERNEL_INLINE vector choose_below(vector x, vector limit, vector below, vector otherwise) noexcept {
  return vbslq_f32(vcltq_f32(x, limit), below, otherwise);
}
UFB_KERNEL_INLINE vector zero_below(vector x, vector limit, vector v) noexcept {
  return vreinterpretq_f32_u32(vbicq_u32(vreinterpretq_u32_f32(v), vcltq_f32(x, limit)));
}
UFB_KERNEL_INLINE vector nearest(vector v) noexcept { return vrndnq_f32(v); }
UFB_KERNEL_INLINE vector add_to_exponent(vector v, vector n) noexcept {
  const int32x4_t exponent = vshlq_n_s32(vcvtnq_s32_f32(n), 23);
  return vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(v), exponent));
}
UFB_KERNEL_INLINE vector power_of_two(vector t) noexcept {
  const uint32x4_t one = vreinterpretq_u32_f32(splat(1.0F));
  return vreinterpretq_f32_u32(vaddq_u32(vshlq_n_u32(vreinterpretq_u32_f32(t), 23), one));
}

UFB_KERNEL_INLINE float lane_0(vector v) noexcept { return vgetq_lane_f32(v, 0); }
UFB_KERNEL_INLINE float sum_of(vector v) noexcept { return vaddvq_f32(v); }
UFB_KERNEL_INLINE float largest_of(vector v) noexcept { return vmaxvq_f32(v); }
// The sums of eight lanes each, in the order ((0 + 1) + (2 + 3)) + ((4 + 5) + (6 + 7)).
UFB_KERNEL_INLINE vector totals_of_4(const vector* a, const vector* b, const vector* c, const vector* d) noexcept {
  const float32x4_t low = vpaddq_f32(vpaddq_f32(a[0], b[0]), vpaddq_f32(c[0], d[0]));
  const float32x4_t high = vpaddq_f32(vpaddq_f32(a[1], b[1]), vpaddq_f32(c[1], d[1]));
  return vaddq_f32(low, high);
}
UFB_KERNEL_INLINE void dot_totals(const vector* a, const vector* b, const vector* c, const vector* d,
                                  float* z) noexcept {
  store(z, totals_of_4(a, b, c, d));
}
UFB_KERNEL_INLINE float dot_total(const vector* a) noexcept { return lane_0(totals_of_4(a, a, a, a)); }

UFB_KERNEL_INLINE uint32x4_t load_words(const std::uint32_t* p) noexcept { return vld1q_u32(p); }
UFB_KERNEL_INLINE vector as_floats(uint32x4_t words) noexcept { return vreinterpretq_f32_u32(words); }

// In this order: some build on others.
// clang-format off
#include "ultrafastbert/kernels/algorithms/dots.inc"
#include "ultrafastbert/kernels/algorithms/sums.inc"
#include "ultrafastbert/kernels/algorithms/rows.inc"
#include "ultrafastbert/kernels/algorithms/activations.inc"
#include "ultrafastbert/kernels/algorithms/small_walk.inc"
#include "ultrafastbert/kernels/algorithms/products.inc"
// clang-format on

// 24 of the 32 registers hold sums.
inline constexpr gemm_kernels float32_products =
    products_of<float32_product>({.name = "neon"}, std::make_index_sequence<6>{}, std::make_index_sequence<2>{});

}  // namespace ultrafastbert::kernels::neon

#undef UFB_KERNEL
#undef UFB_KERNEL_INLINE

#endif
