// SPDX-License-Identifier: MIT
//
// From an instruction set level to its kernels of the packed matrix product. A level that this architecture has no
// kernels for stands for portable; `resolve` never returns one.
// Layer: kernels.
#pragma once

#include "ultrafastbert/kernels/gemm_avx2.hpp"
#include "ultrafastbert/kernels/gemm_avx512.hpp"
#include "ultrafastbert/kernels/gemm_kernels.hpp"
#include "ultrafastbert/kernels/gemm_neon.hpp"
#include "ultrafastbert/kernels/gemm_portable.hpp"
#include "ultrafastbert/kernels/isa.hpp"

namespace ultrafastbert::kernels {

/// The packed matrix product at a level. Pre: `level` comes from `resolve`.
[[nodiscard]] inline const gemm_kernels& gemm_of(isa_level level) noexcept {
#if UFB_KERNELS_X86
  if (level == isa_level::avx512) return detail::gemm_avx512::table;
  if (level == isa_level::avx2) return detail::gemm_avx2::table;
#endif
#if UFB_KERNELS_NEON
  if (level == isa_level::neon) return detail::gemm_neon::table;
#endif
  static_cast<void>(level);
  return detail::gemm_portable::table;
}

}  // namespace ultrafastbert::kernels
