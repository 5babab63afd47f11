// SPDX-License-Identifier: MIT
//
// Transposing a few rows: pure copies, so the vectors that every processor of an architecture has will do.
// Layer: kernels.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "ultrafastbert/kernels/isa.hpp"

#if UFB_KERNELS_X86
#include <emmintrin.h>
#elif UFB_KERNELS_NEON
#include <arm_neon.h>
#endif

namespace ultrafastbert::kernels {

// to[k * stride + r] = rows[r][k] for r, k < 4.
inline void transpose_4_by_4(const float* const* rows, std::uint32_t* to, std::size_t stride) noexcept {
#if UFB_KERNELS_X86
  const __m128 a = _mm_loadu_ps(rows[0]);
  const __m128 b = _mm_loadu_ps(rows[1]);
  const __m128 c = _mm_loadu_ps(rows[2]);
  const __m128 d = _mm_loadu_ps(rows[3]);
  const __m128 low_ab = _mm_unpacklo_ps(a, b);
  const __m128 low_cd = _mm_unpacklo_ps(c, d);
  const __m128 high_ab = _mm_unpackhi_ps(a, b);
  const __m128 high_cd = _mm_unpackhi_ps(c, d);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm_castps_si128(_mm_movelh_ps(low_ab, low_cd)));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to + stride), _mm_castps_si128(_mm_movehl_ps(low_cd, low_ab)));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to + 2 * stride), _mm_castps_si128(_mm_movelh_ps(high_ab, high_cd)));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to + 3 * stride), _mm_castps_si128(_mm_movehl_ps(high_cd, high_ab)));
#elif UFB_KERNELS_NEON
  const float32x4x2_t ac = vzipq_f32(vld1q_f32(rows[0]), vld1q_f32(rows[2]));
  const float32x4x2_t bd = vzipq_f32(vld1q_f32(rows[1]), vld1q_f32(rows[3]));
  const float32x4x2_t low = vzipq_f32(ac.val[0], bd.val[0]);
  const float32x4x2_t high = vzipq_f32(ac.val[1], bd.val[1]);
  vst1q_u32(to, vreinterpretq_u32_f32(low.val[0]));
  vst1q_u32(to + stride, vreinterpretq_u32_f32(low.val[1]));
  vst1q_u32(to + 2 * stride, vreinterpretq_u32_f32(high.val[0]));
  vst1q_u32(to + 3 * stride, vreinterpretq_u32_f32(high.val[1]));
#else
  for (std::size_t k = 0; k < 4; ++k) {
    for (std::size_t r = 0; r < 4; ++r) to[k * stride + r] = std::bit_cast<std::uint32_t>(rows[r][k]);
  }
#endif
}

/// to[k * stride + r] = the bits of rows[r][k]. Shapes: rows: four pointers to (width) each; to: (width, 4) of that
/// stride.
inline void transpose_4_rows(const float* const* rows, std::size_t width, std::uint32_t* to,
                             std::size_t stride) noexcept {
  std::size_t k = 0;
  for (; k + 4 <= width; k += 4) {
    const float* const block[4] = {rows[0] + k, rows[1] + k, rows[2] + k, rows[3] + k};
    transpose_4_by_4(block, to + k * stride, stride);
  }
  for (; k < width; ++k) {
    for (std::size_t r = 0; r < 4; ++r) to[k * stride + r] = std::bit_cast<std::uint32_t>(rows[r][k]);
  }
}

}  // namespace ultrafastbert::kernels
