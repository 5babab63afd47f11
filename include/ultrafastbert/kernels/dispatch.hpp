// SPDX-License-Identifier: MIT
//
// From an instruction set level to its kernels. A level that this architecture has no kernels for stands for portable;
// `resolve` never returns one.
// Layer: kernels.
#pragma once

#include "ultrafastbert/core/compiled.hpp"
#include "ultrafastbert/core/storage.hpp"
#include "ultrafastbert/kernels/isa.hpp"
#include "ultrafastbert/kernels/tables.hpp"

namespace ultrafastbert::kernels {

/// Dot products of rows of a storage type at a level. Pre: `level` comes from `resolve`.
[[nodiscard]] UFB_FUNCTION const dot_kernels& dots_of(isa_level level, weight_storage storage) noexcept;

/// Weighted sums of rows of a storage type at a level. Pre: `level` comes from `resolve`.
[[nodiscard]] UFB_FUNCTION const sum_kernels& sums_of(isa_level level, weight_storage storage) noexcept;

/// The activations at a level. Pre: `level` comes from `resolve`.
[[nodiscard]] UFB_FUNCTION const activation_kernels& activations_of(isa_level level) noexcept;

/// The row operations at a level. Pre: `level` comes from `resolve`.
[[nodiscard]] UFB_FUNCTION const row_kernels& rows_of(isa_level level) noexcept;

/// The packed product of float32 at a level. Pre: `level` comes from `resolve`.
[[nodiscard]] UFB_FUNCTION const gemm_kernels& float32_products_of(isa_level level) noexcept;

/// Instructions beyond a level that some of its processors have for narrow storage.
struct gemm_extensions {
  bool bfloat16 = false;  ///< AVX512-BF16
  bool int8 = false;      ///< AVX512-VNNI
};

/// Those of the processor the program runs on.
[[nodiscard]] inline gemm_extensions gemm_extensions_of_processor() noexcept {
#if UFB_KERNELS_X86
  if (supported(isa_level::avx512)) return {.bfloat16 = has_avx512_bf16(), .int8 = has_avx512_vnni()};
#endif
  return {};
}

/// The packed matrix product at a level. Its bits do not depend on the extensions, except for bfloat16 where a number
/// is subnormal. Pre: `level` comes from `resolve`; the processor has the extensions; storage is not float16.
[[nodiscard]] UFB_FUNCTION const gemm_kernels& products_of(isa_level level, weight_storage storage,
                                                           const gemm_extensions& extensions = {}) noexcept;

}  // namespace ultrafastbert::kernels

#if UFB_WITH_BODIES
#include "ultrafastbert/kernels/all_levels.hpp"
#endif
