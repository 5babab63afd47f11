// SPDX-License-Identifier: MIT
//
// NEON kernels of single rows for 64-bit ARM.
// Layer: kernels.
#pragma once

#include "ultrafastbert/kernels/isa.hpp"

#if UFB_KERNELS_NEON

#include <arm_neon.h>

#include <cstddef>
#include <cstdint>
#include <limits>

#include "ultrafastbert/kernels/exp_constants.hpp"
#include "ultrafastbert/kernels/row_kernels.hpp"

#define UFB_ROW
#define UFB_ROW_INLINE [[gnu::always_inline]] inline

namespace ultrafastbert::kernels::row_neon {

using vector = float32x4_t;
inline constexpr std::size_t lanes = 4;

UFB_ROW_INLINE vector splat(float c) noexcept { return vdupq_n_f32(c); }
UFB_ROW_INLINE vector load(const float* p) noexcept { return vld1q_f32(p); }
UFB_ROW_INLINE void store(float* p, vector v) noexcept { vst1q_f32(p, v); }
UFB_ROW_INLINE vector load_some(const float* p, std::size_t n) noexcept {
  float some[lanes] = {};
  for (std::size_t l = 0; l < n; ++l) some[l] = p[l];
  return load(some);
}
UFB_ROW_INLINE void store_some(float* p, std::size_t n, vector v) noexcept {
  float some[lanes];
  store(some, v);
  for (std::size_t l = 0; l < n; ++l) p[l] = some[l];
}
UFB_ROW_INLINE vector first_of(vector v, std::size_t n, vector rest) noexcept {
  constexpr std::uint32_t lane[lanes] = {0, 1, 2, 3};
  return vbslq_f32(vcltq_u32(vld1q_u32(lane), vdupq_n_u32(static_cast<std::uint32_t>(n))), v, rest);
}
UFB_ROW_INLINE vector add(vector a, vector b) noexcept { return vaddq_f32(a, b); }
UFB_ROW_INLINE vector subtract(vector a, vector b) noexcept { return vsubq_f32(a, b); }
UFB_ROW_INLINE vector multiply(vector a, vector b) noexcept { return vmulq_f32(a, b); }
UFB_ROW_INLINE vector largest(vector a, vector b) noexcept { return vmaxq_f32(a, b); }
UFB_ROW_INLINE vector multiply_add(vector a, vector b, vector c) noexcept { return vfmaq_f32(c, a, b); }
UFB_ROW_INLINE vector subtract_product(vector c, vector a, vector b) noexcept { return vfmsq_f32(c, a, b); }
UFB_ROW_INLINE vector rounded(vector v) noexcept {
  asm("" : "+w"(v));
  return v;
}
UFB_ROW_INLINE vector power_of_two(vector t) noexcept {
  const uint32x4_t one = vreinterpretq_u32_f32(splat(1.0F));
  return vreinterpretq_f32_u32(vaddq_u32(vshlq_n_u32(vreinterpretq_u32_f32(t), 23), one));
}
UFB_ROW_INLINE vector zero_below(vector x, vector limit, vector v) noexcept {
  return vreinterpretq_f32_u32(vbicq_u32(vreinterpretq_u32_f32(v), vcltq_f32(x, limit)));
}
UFB_ROW_INLINE float lane_0(vector v) noexcept { return vgetq_lane_f32(v, 0); }
UFB_ROW_INLINE float sum_of(vector v) noexcept { return vaddvq_f32(v); }
UFB_ROW_INLINE float largest_of(vector v) noexcept { return vmaxvq_f32(v); }

#include "ultrafastbert/kernels/row_algorithms.inc"

}  // namespace ultrafastbert::kernels::row_neon

#undef UFB_ROW
#undef UFB_ROW_INLINE

#endif
