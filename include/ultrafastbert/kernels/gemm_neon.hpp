// SPDX-License-Identifier: MIT
//
// NEON kernels of the packed matrix product for 64-bit ARM: panels of four vectors, up to 6 rows, so that 24 of the 32
// registers hold sums. Narrow storage is left to the portable kernels.
// Layer: kernels.
#pragma once

#include "ultrafastbert/kernels/isa.hpp"

#if UFB_KERNELS_NEON

#include <arm_neon.h>

#include <cstddef>
#include <cstdint>
#include <utility>

#include "ultrafastbert/kernels/gemm_kernels.hpp"

#define UFB_NEON_INLINE [[gnu::always_inline]] inline

namespace ultrafastbert::kernels::gemm_neon {

inline constexpr std::size_t lanes = 4;
inline constexpr std::size_t columns = 4 * lanes;

// Functions, because clang's intrinsics are macros, inside which packs are not found.
UFB_NEON_INLINE float32x4_t load(const float* p) noexcept { return vld1q_f32(p); }
UFB_NEON_INLINE float32x4_t load(const std::uint32_t* p) noexcept { return vreinterpretq_f32_u32(vld1q_u32(p)); }
UFB_NEON_INLINE void store(float* p, float32x4_t v) noexcept { vst1q_f32(p, v); }

template <class Rows, class Vectors>
struct sums;

// Written out by packs instead of loops: g++ 12 unrolls nested loops too late to keep the sums in registers.
template <std::size_t... R, std::size_t... V>
struct sums<std::index_sequence<R...>, std::index_sequence<V...>> {
  static constexpr std::size_t vectors = sizeof...(V);
  float32x4_t a[sizeof...(R) * vectors];

  template <std::size_t Row>
  UFB_NEON_INLINE void begin(const gemm_tile& t) noexcept {
    const float* y = t.y + Row * t.y_stride;
    ((a[Row * vectors + V] = t.add ? load(y + V * lanes) : vdupq_n_f32(0.0F)), ...);
  }
  template <std::size_t Row>
  UFB_NEON_INLINE void add(const float32x4_t* b, const float* x) noexcept {
    const float32x4_t c = vld1q_dup_f32(x);
    ((a[Row * vectors + V] = vfmaq_f32(a[Row * vectors + V], c, b[V])), ...);
  }
  template <std::size_t Row>
  UFB_NEON_INLINE void add_bias(const float* bias) noexcept {
    ((a[Row * vectors + V] = vaddq_f32(a[Row * vectors + V], load(bias + V * lanes))), ...);
  }
  template <std::size_t Row>
  UFB_NEON_INLINE void end(float* y) const noexcept {
    (store(y + V * lanes, a[Row * vectors + V]), ...);
  }

  static void run(const gemm_tile& tile) {
    const gemm_tile t = tile;
    sums s;
    (s.template begin<R>(t), ...);
    const float* x = static_cast<const float*>(t.x);
    const std::uint32_t* panel = t.panel;
    const std::uint32_t* next = t.next;
    for (std::size_t k = 0; k < t.inner; ++k, ++x, panel += columns, next += t.next_step) {
      __builtin_prefetch(next, 0, 2);
      const float32x4_t b[vectors] = {load(panel + V / 4 * t.panel_stride + V % 4 * lanes)...};
      (s.template add<R>(b, x + R * t.x_stride), ...);
    }
    if (t.bias != nullptr) (s.template add_bias<R>(t.bias), ...);
    (s.template end<R>(t.y + R * t.y_stride), ...);
  }
};

template <std::size_t Rows, std::size_t Panels>
inline constexpr gemm_kernel kernel = sums<std::make_index_sequence<Rows>, std::make_index_sequence<4 * Panels>>::run;

inline constexpr gemm_kernels table{
    .name = "neon",
    .columns = columns,
    .rows = 6,
    .single = {kernel<1, 1>, kernel<2, 1>, kernel<3, 1>, kernel<4, 1>, kernel<5, 1>, kernel<6, 1>},
    .pair = {kernel<1, 2>, kernel<2, 2>}};

}  // namespace ultrafastbert::kernels::gemm_neon

#undef UFB_NEON_INLINE

#endif
