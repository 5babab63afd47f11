// SPDX-License-Identifier: MIT
//
// How floats are rounded to narrow storage: one number at a time, for what is rounded once or in plain C++.
// Layer: kernels.
#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>

#include "ultrafastbert/core/storage.hpp"

namespace ultrafastbert::kernels {

/// To nearest even; NaN stays NaN.
[[nodiscard]] constexpr bfloat16_bits round_to_bfloat16(float value) noexcept {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7fffffffU) > 0x7f800000U) return {static_cast<std::uint16_t>(bits >> 16U | 0x40U)};
  return {static_cast<std::uint16_t>((bits + 0x7fffU + (bits >> 16U & 1U)) >> 16U)};
}

/// A float in two halves: its bits are upper * 2^16 + lower, modulo 2^32.
struct split_float {
  bfloat16_bits upper{};   ///< the number to the nearest bfloat16, ties up; of NaN anything
  std::int16_t lower = 0;  ///< what is missing, in units of the last place
};

/// The halves of any float, NaN and infinity among them.
[[nodiscard]] constexpr split_float split(float value) noexcept {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto upper = static_cast<std::uint16_t>((bits + 0x8000U) >> 16U);
  return {.upper = {upper}, .lower = static_cast<std::int16_t>(static_cast<std::uint16_t>(bits & 0xffffU))};
}

/// To nearest even; NaN stays NaN, and what is too large becomes infinite.
[[nodiscard]] constexpr float16_bits round_to_float16(float value) noexcept {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = bits >> 16U & 0x8000U;
  const std::uint32_t magnitude = bits & 0x7fffffffU;
  constexpr std::uint32_t bias = 127 - 15;  // between the exponents of the two formats
  std::uint32_t rounded = 0;
  if (magnitude > 0x7f800000U) {
    rounded = 0x7e00U;
  } else if (magnitude >= (31U + bias) << 23U) {
    rounded = 0x7c00U;
  } else if (magnitude >= (bias + 1) << 23U) {
    rounded = (magnitude - (bias << 23U) + 0xfffU + (magnitude >> 13U & 1U)) >> 13U;  // may round up to infinity
  } else if (magnitude > (bias - 11) << 23U) {
    // A subnormal number: a multiple of 2^-24.
    const std::uint32_t fraction = (magnitude & 0x7fffffU) | 0x800000U;
    const std::uint32_t shift = bias + 14 - (magnitude >> 23U);  // 14 to 25
    const std::uint32_t kept = fraction >> shift;
    const std::uint32_t rest = fraction & ((1U << shift) - 1U);
    const std::uint32_t half = 1U << (shift - 1U);
    rounded = kept + (rest > half || (rest == half && (kept & 1U) != 0) ? 1U : 0U);
  }
  return {static_cast<std::uint16_t>(sign | rounded)};
}

/// The number itself. Source: IEEE 754, binary16.
[[nodiscard]] inline float widened(float16_bits value) noexcept {
  const std::uint32_t sign = std::uint32_t{value.bits & 0x8000U} << 16U;
  const std::uint32_t magnitude = value.bits & 0x7fffU;
  if (magnitude >= 0x7c00U) return std::bit_cast<float>(sign | 0x7f800000U | (magnitude & 0x3ffU) << 13U);
  if (magnitude >= 0x400U) return std::bit_cast<float>(sign | ((magnitude << 13U) + (112U << 23U)));
  const float subnormal = static_cast<float>(magnitude) * 0x1p-24F;
  return sign != 0 ? -subnormal : subnormal;
}

/// The number itself.
[[nodiscard]] constexpr float widened(bfloat16_bits value) noexcept {
  return std::bit_cast<float>(std::uint32_t{value.bits} << 16U);
}

/// Bytes of a weight in storage, which is not certified.
[[nodiscard]] constexpr std::size_t bytes_of(weight_storage storage) noexcept {
  switch (storage) {
    case weight_storage::float16:
    case weight_storage::bfloat16: return 2;
    case weight_storage::int8: return 1;
    default: return 4;
  }
}

/// Index of the first finite element of a row that storage would make infinite, or n. Shapes: row: (n).
[[nodiscard]] inline std::size_t find_overflow(weight_storage storage, const float* row, std::size_t n) noexcept {
  const std::uint32_t limit = storage == weight_storage::float16    ? std::bit_cast<std::uint32_t>(65520.0F)
                              : storage == weight_storage::bfloat16 ? 0x7f7f8000U
                                                                    : 0x7f800000U;
  for (std::size_t k = 0; k < n; ++k) {
    const std::uint32_t magnitude = std::bit_cast<std::uint32_t>(row[k]) & 0x7fffffffU;
    if (magnitude >= limit && magnitude < 0x7f800000U) return k;
  }
  return n;
}

/// Whether all elements of a row are finite. Shapes: row: (n).
[[nodiscard]] inline bool all_finite(const float* row, std::size_t n) noexcept {
  std::uint32_t special = 0;  // no early exit: vectorized, and bad values are the exception
  for (std::size_t k = 0; k < n; ++k) {
    special |= (std::bit_cast<std::uint32_t>(row[k]) & 0x7fffffffU) >= 0x7f800000U ? 1U : 0U;
  }
  return special == 0;
}

/// The scale of a row in int8: its largest magnitude / 127; NaN or infinite if an element is.
/// Shapes: row: (n). Complexity: linear.
[[nodiscard]] inline float int8_scale(const float* row, std::size_t n) noexcept {
  // Magnitudes are ordered like their bits, NaN above all.
  std::uint32_t largest = 0;
  for (std::size_t k = 0; k < n; ++k) {
    const std::uint32_t magnitude = std::bit_cast<std::uint32_t>(row[k]) & 0x7fffffffU;
    if (magnitude > largest) largest = magnitude;
  }
  return std::bit_cast<float>(largest) / 127.0F;
}

/// The integer of -127 to 127 that stands for an element of a row; 0 in rows of zeros and in those with NaN or
/// infinity, whose scale makes every product NaN.
[[nodiscard]] inline std::int8_t round_to_int8(float value, float scale) noexcept {
  if (!(scale <= (std::numeric_limits<float>::max)()) || value == 0.0F) return 0;
  const float ratio = value / scale;  // a scale may have been rounded down to 0
  if (!(ratio < 127.0F)) return 127;
  if (!(ratio > -127.0F)) return -127;
  return static_cast<std::int8_t>(std::lrint(ratio));
}

/// Rounds a row into storage, which is not certified; returns the factor that its products have to be multiplied by, 1
/// but for int8. Shapes: from: (n); to: n weights of the storage, on a boundary of their size.
inline float round_row(weight_storage storage, const float* from, std::size_t n, std::byte* to) noexcept {
  switch (storage) {
    case weight_storage::float16: {
      auto* const halves = reinterpret_cast<float16_bits*>(to);
      for (std::size_t k = 0; k < n; ++k) halves[k] = round_to_float16(from[k]);
      return 1.0F;
    }
    case weight_storage::bfloat16: {
      auto* const halves = reinterpret_cast<bfloat16_bits*>(to);
      for (std::size_t k = 0; k < n; ++k) halves[k] = round_to_bfloat16(from[k]);
      return 1.0F;
    }
    case weight_storage::int8: {
      auto* const bytes = reinterpret_cast<std::int8_t*>(to);
      const float scale = int8_scale(from, n);
      for (std::size_t k = 0; k < n; ++k) bytes[k] = round_to_int8(from[k], scale);
      return scale;
    }
    default: std::memcpy(to, from, n * sizeof(float)); return 1.0F;
  }
}

/// How a row of inputs is taken to int8: an element times `inverse` is rounded, a sum is multiplied by `scale`.
struct int8_factors {
  float scale = 0.0F;
  float inverse = 0.0F;
};

/// The factors of a row from the bits of its largest magnitude, NaN above all. A row with NaN or infinity has scale
/// NaN.
[[nodiscard]] inline int8_factors int8_factors_of(std::uint32_t largest_bits) noexcept {
  if (largest_bits == 0) return {};
  if (largest_bits >= 0x7f800000U) return {.scale = std::numeric_limits<float>::quiet_NaN(), .inverse = 0.0F};
  const auto largest = std::bit_cast<float>(largest_bits);
  const float inverse = 127.0F / largest;
  constexpr float most = (std::numeric_limits<float>::max)();
  return {.scale = largest / 127.0F, .inverse = inverse < most ? inverse : most};
}

}  // namespace ultrafastbert::kernels
