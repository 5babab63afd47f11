// SPDX-License-Identifier: MIT
//
// From an instruction set level to its kernels. A level that this architecture has no kernels for stands for portable;
// `resolve` never returns one.
// Layer: kernels.
#pragma once

#include "ultrafastbert/kernels/fff_avx2.hpp"
#include "ultrafastbert/kernels/fff_avx512.hpp"
#include "ultrafastbert/kernels/fff_kernels.hpp"
#include "ultrafastbert/kernels/fff_neon.hpp"
#include "ultrafastbert/kernels/fff_portable.hpp"
#include "ultrafastbert/kernels/isa.hpp"

namespace ultrafastbert::kernels {

/// Dot products at a level. Pre: `level` comes from `resolve`.
template <class Weight>
[[nodiscard]] inline dot_kernels<Weight> dots_of(isa_level level) noexcept {
#if UFB_KERNELS_X86
  if (level == isa_level::avx512) return avx512::dots<Weight>;
  if (level == isa_level::avx2) return avx2::dots<Weight>;
#endif
#if UFB_KERNELS_NEON
  if (level == isa_level::neon) return neon::dots<Weight>;
#endif
  static_cast<void>(level);
  return portable::dots<Weight>;
}

/// Weighted sums at a level. Pre: `level` comes from `resolve`.
template <class Weight>
[[nodiscard]] inline sum_kernels<Weight> sums_of(isa_level level) noexcept {
#if UFB_KERNELS_X86
  if (level == isa_level::avx512) return avx512::sums<Weight>;
  if (level == isa_level::avx2) return avx2::sums<Weight>;
#endif
#if UFB_KERNELS_NEON
  if (level == isa_level::neon) return neon::sums<Weight>;
#endif
  static_cast<void>(level);
  return portable::sums<Weight>;
}

/// GELU at a level. Pre: `level` comes from `resolve`.
[[nodiscard]] inline gelu_kernel gelu_of(isa_level level) noexcept {
#if UFB_KERNELS_X86
  if (level == isa_level::avx512) return avx512::gelu;
  if (level == isa_level::avx2) return avx2::gelu;
#endif
#if UFB_KERNELS_NEON
  if (level == isa_level::neon) return neon::gelu;
#endif
  static_cast<void>(level);
  return portable::gelu;
}

}  // namespace ultrafastbert::kernels
