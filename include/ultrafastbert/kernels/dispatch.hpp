// SPDX-License-Identifier: MIT
//
// From an instruction set level to its kernels. A level that this architecture has no kernels for stands for portable;
// `resolve` never returns one. A new level is a header below levels/ and a line here.
// Layer: kernels.
#pragma once

#include "ultrafastbert/core/compiled.hpp"
#include "ultrafastbert/core/storage.hpp"
#include "ultrafastbert/kernels/isa.hpp"
#include "ultrafastbert/kernels/tables.hpp"
#if UFB_WITH_BODIES
#include "ultrafastbert/kernels/levels/avx2.hpp"
#include "ultrafastbert/kernels/levels/avx512.hpp"
#include "ultrafastbert/kernels/levels/neon.hpp"
#include "ultrafastbert/kernels/levels/portable.hpp"
#endif

namespace ultrafastbert::kernels {

/// Dot products of rows of a storage type at a level. Pre: `level` comes from `resolve`; storage is not certified.
[[nodiscard]] UFB_FUNCTION const dot_kernels& dots_of(isa_level level, weight_storage storage) noexcept;

/// Weighted sums of rows of a storage type at a level. Pre: `level` comes from `resolve`; storage is not certified.
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

#if UFB_WITH_BODIES

// `member` of the level's namespace.
#if UFB_KERNELS_X86
#define UFB_OF_LEVEL(level, member) \
  (level) == isa_level::avx512 ? avx512::member : (level) == isa_level::avx2 ? avx2::member : portable::member
#elif UFB_KERNELS_NEON
#define UFB_OF_LEVEL(level, member) (level) == isa_level::neon ? neon::member : portable::member
#else
#define UFB_OF_LEVEL(level, member) static_cast<void>(level), portable::member
#endif

UFB_FUNCTION const dot_kernels& dots_of(isa_level level, weight_storage storage) noexcept {
  switch (storage) {
    case weight_storage::float16: return UFB_OF_LEVEL(level, dots<float16_bits>);
    case weight_storage::bfloat16: return UFB_OF_LEVEL(level, dots<bfloat16_bits>);
    case weight_storage::int8: return UFB_OF_LEVEL(level, dots<std::int8_t>);
    default: break;
  }
  return UFB_OF_LEVEL(level, dots<float>);
}

UFB_FUNCTION const sum_kernels& sums_of(isa_level level, weight_storage storage) noexcept {
  switch (storage) {
    case weight_storage::float16: return UFB_OF_LEVEL(level, sums<float16_bits>);
    case weight_storage::bfloat16: return UFB_OF_LEVEL(level, sums<bfloat16_bits>);
    case weight_storage::int8: return UFB_OF_LEVEL(level, sums<std::int8_t>);
    default: break;
  }
  return UFB_OF_LEVEL(level, sums<float>);
}

UFB_FUNCTION const activation_kernels& activations_of(isa_level level) noexcept {
  return UFB_OF_LEVEL(level, activations);
}

UFB_FUNCTION const row_kernels& rows_of(isa_level level) noexcept { return UFB_OF_LEVEL(level, rows); }

UFB_FUNCTION const gemm_kernels& float32_products_of(isa_level level) noexcept {
  return UFB_OF_LEVEL(level, float32_products);
}

UFB_FUNCTION const gemm_kernels& products_of(isa_level level, weight_storage storage,
                                             const gemm_extensions& extensions) noexcept {
  if (storage == weight_storage::float32) return float32_products_of(level);
  const bool bfloat16 = storage == weight_storage::bfloat16;
#if UFB_KERNELS_X86
  if (level == isa_level::avx512 && bfloat16) {
    return extensions.bfloat16 ? avx512::native_bfloat16_products : avx512::bfloat16_products;
  }
  if (level == isa_level::avx512 && extensions.int8) return avx512::native_int8_products;
  if (level == isa_level::avx512 || level == isa_level::avx2) {
    return bfloat16 ? avx2::bfloat16_products : avx2::int8_products;
  }
#endif
  static_cast<void>(extensions);
  return bfloat16 ? portable::bfloat16_products : portable::int8_products;
}

#undef UFB_OF_LEVEL

#endif  // UFB_WITH_BODIES

}  // namespace ultrafastbert::kernels
