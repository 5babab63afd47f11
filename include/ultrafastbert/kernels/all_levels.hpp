// SPDX-License-Identifier: MIT
//
// The levels and the functions that choose among them. A level is one more header below levels/ and one more line here.
// Layer: kernels.
#pragma once

#include "ultrafastbert/core/compiled.hpp"
#include "ultrafastbert/core/storage.hpp"
#include "ultrafastbert/kernels/dispatch.hpp"
#include "ultrafastbert/kernels/isa.hpp"
#include "ultrafastbert/kernels/levels/avx2.hpp"
#include "ultrafastbert/kernels/levels/avx512.hpp"
#include "ultrafastbert/kernels/levels/neon.hpp"
#include "ultrafastbert/kernels/levels/portable.hpp"
#include "ultrafastbert/kernels/tables.hpp"

namespace ultrafastbert::kernels {

// `member` of the level's namespace.
#if UFB_KERNELS_X86
#define UFB_OF_LEVEL(level, member)                              \
  (level) == isa_level::avx512 ? avx512::member                  \
  : (level) == isa_level::avx2 ? avx2::member : portable::member
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
    case weight_storage::float32: break;
  }
  return UFB_OF_LEVEL(level, dots<float>);
}

UFB_FUNCTION const sum_kernels& sums_of(isa_level level, weight_storage storage) noexcept {
  switch (storage) {
    case weight_storage::float16: return UFB_OF_LEVEL(level, sums<float16_bits>);
    case weight_storage::bfloat16: return UFB_OF_LEVEL(level, sums<bfloat16_bits>);
    case weight_storage::int8: return UFB_OF_LEVEL(level, sums<std::int8_t>);
    case weight_storage::float32: break;
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

}  // namespace ultrafastbert::kernels
