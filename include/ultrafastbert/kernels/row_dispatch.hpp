// SPDX-License-Identifier: MIT
//
// From an instruction set level to its row kernels. A level that this architecture has no kernels for stands for
// portable; `resolve` never returns one.
// Layer: kernels.
#pragma once

#include "ultrafastbert/kernels/isa.hpp"
#include "ultrafastbert/kernels/row_avx2.hpp"
#include "ultrafastbert/kernels/row_avx512.hpp"
#include "ultrafastbert/kernels/row_kernels.hpp"
#include "ultrafastbert/kernels/row_neon.hpp"
#include "ultrafastbert/kernels/row_portable.hpp"

namespace ultrafastbert::kernels {

/// The row operations at a level. Pre: `level` comes from `resolve`.
[[nodiscard]] inline const row_kernels& rows_of(isa_level level) noexcept {
#if UFB_KERNELS_X86
  if (level == isa_level::avx512) return row_avx512::table;
  if (level == isa_level::avx2) return row_avx2::table;
#endif
#if UFB_KERNELS_NEON
  if (level == isa_level::neon) return row_neon::table;
#endif
  static_cast<void>(level);
  return row_portable::table;
}

}  // namespace ultrafastbert::kernels
