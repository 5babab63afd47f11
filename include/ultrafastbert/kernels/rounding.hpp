// SPDX-License-Identifier: MIT
//
// How floats are rounded to narrow storage: one number at a time, for what is rounded once or in plain C++.
// Layer: kernels.
#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "ultrafastbert/core/storage.hpp"

namespace ultrafastbert::kernels {

/// To nearest even; NaN stays NaN.
[[nodiscard]] constexpr bfloat16_bits round_to_bfloat16(float value) noexcept {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7fffffffU) > 0x7f800000U) return {static_cast<std::uint16_t>(bits >> 16U | 0x40U)};
  return {static_cast<std::uint16_t>((bits + 0x7fffU + (bits >> 16U & 1U)) >> 16U)};
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
  if (!(scale <= std::numeric_limits<float>::max()) || value == 0.0F) return 0;
  const float ratio = value / scale;  // a scale may have been rounded down to 0
  if (!(ratio < 127.0F)) return 127;
  if (!(ratio > -127.0F)) return -127;
  return static_cast<std::int8_t>(std::lrint(ratio));
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
  constexpr float most = std::numeric_limits<float>::max();
  return {.scale = largest / 127.0F, .inverse = inverse < most ? inverse : most};
}

}  // namespace ultrafastbert::kernels
