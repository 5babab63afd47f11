// SPDX-License-Identifier: MIT
//
// From an instruction set level and a storage to the kernels of the packed matrix product. A level that this
// architecture has no kernels for stands for portable; `resolve` never returns one.
// Layer: kernels.
#pragma once

#include "ultrafastbert/core/storage.hpp"
#include "ultrafastbert/kernels/gemm_avx2.hpp"
#include "ultrafastbert/kernels/gemm_avx512.hpp"
#include "ultrafastbert/kernels/gemm_kernels.hpp"
#include "ultrafastbert/kernels/gemm_neon.hpp"
#include "ultrafastbert/kernels/gemm_portable.hpp"
#include "ultrafastbert/kernels/isa.hpp"

namespace ultrafastbert::kernels {

/// Instructions beyond a level that some of its processors have for narrow storage.
struct gemm_extensions {
  bool bfloat16 = false;  ///< AVX512-BF16
  bool int8 = false;      ///< AVX512-VNNI
};

/// Those of the processor the program runs on.
[[nodiscard]] inline gemm_extensions gemm_extensions_of_processor() noexcept {
#if UFB_KERNELS_X86
  if (supported(isa_level::avx512)) {
    return {.bfloat16 = ultrafastbert::kernels::has_avx512_bf16(), .int8 = ultrafastbert::kernels::has_avx512_vnni()};
  }
#endif
  return {};
}

/// The packed matrix product at a level. Its bits do not depend on the extensions, except for bfloat16 where a number
/// is subnormal. Pre: `level` comes from `resolve`; the processor has the extensions; storage is not float16.
[[nodiscard]] inline const gemm_kernels& gemm_of(isa_level level, weight_storage storage = weight_storage::float32,
                                                 const gemm_extensions& extensions = {}) noexcept {
  const bool bfloat16 = storage == weight_storage::bfloat16;
  const bool int8 = storage == weight_storage::int8;
#if UFB_KERNELS_X86
  if (level == isa_level::avx512) {
    if (bfloat16) {
      return extensions.bfloat16 ? gemm_avx512::native_bfloat16_table : gemm_avx512::bfloat16_table;
    }
    if (int8) return extensions.int8 ? gemm_avx512::native_int8_table : gemm_avx2::int8_table;
    return gemm_avx512::table;
  }
  if (level == isa_level::avx2) {
    if (bfloat16) return gemm_avx2::bfloat16_table;
    return int8 ? gemm_avx2::int8_table : gemm_avx2::table;
  }
#endif
#if UFB_KERNELS_NEON
  if (level == isa_level::neon && !bfloat16 && !int8) return gemm_neon::table;
#endif
  static_cast<void>(level);
  static_cast<void>(extensions);
  if (bfloat16) return gemm_portable::bfloat16_table;
  return int8 ? gemm_portable::int8_table : gemm_portable::table;
}

}  // namespace ultrafastbert::kernels
