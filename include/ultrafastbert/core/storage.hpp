// SPDX-License-Identifier: MIT
//
// How weights are stored, apart from how they are computed with: in float, unless a class says otherwise.
// Layer: core.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "ultrafastbert/core/ieee_arithmetic.hpp"

namespace ultrafastbert {

/// Storage of one weight matrix, chosen when a layer is built.
enum class weight_storage : std::uint8_t {
  float32,   ///< IEEE binary32
  float16,   ///< IEEE binary16, rounded to nearest even
  bfloat16,  ///< the upper half of binary32, rounded to nearest even
  int8,      ///< integers of -127 to 127 with one float scale per row, the row's largest magnitude / 127
  /// float16, and float32 beside it for the decisions that rounding could change: the paths are those of float32. For
  /// the first matrix of an FFF layer alone. 6 bytes a weight, of which 2 are read for nearly all of them.
  certified_float16,
  certified_int8,  ///< the same with int8: 5 bytes a weight, of which 1 is read for most of them
  /// float32 in two halves, for decisions like the certified ones: the upper halves are bfloat16, and the lower ones
  /// give the float32 row back, bit by bit. 4 bytes a weight, of which 2 are read for most of them.
  split_float32,
};

/// Stable spelling of a storage type: "f32", "f16", "bf16", "int8", "cf16", "ci8", "split".
[[nodiscard]] constexpr std::string_view name(weight_storage storage) noexcept {
  switch (storage) {
    case weight_storage::float32: return "f32";
    case weight_storage::float16: return "f16";
    case weight_storage::bfloat16: return "bf16";
    case weight_storage::int8: return "int8";
    case weight_storage::certified_float16: return "cf16";
    case weight_storage::certified_int8: return "ci8";
    case weight_storage::split_float32: return "split";
  }
  return "unknown";
}

/// Whether float32 rows can be had beside the narrow ones, so that paths are those of float32.
[[nodiscard]] constexpr bool is_certified(weight_storage storage) noexcept {
  return storage == weight_storage::certified_float16 || storage == weight_storage::certified_int8 ||
         storage == weight_storage::split_float32;
}

/// The storage of the rows that are read first: float16, int8 or bfloat16 for certified storage, else the storage
/// itself.
[[nodiscard]] constexpr weight_storage first_rows_of(weight_storage storage) noexcept {
  switch (storage) {
    case weight_storage::certified_float16: return weight_storage::float16;
    case weight_storage::certified_int8: return weight_storage::int8;
    case weight_storage::split_float32: return weight_storage::bfloat16;
    default: return storage;
  }
}

/// An IEEE binary16 number as bits; kernels widen it.
struct float16_bits {
  std::uint16_t bits = 0;
};

/// A bfloat16 number as bits; kernels widen it.
struct bfloat16_bits {
  std::uint16_t bits = 0;
};

}  // namespace ultrafastbert
