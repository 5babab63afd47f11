// SPDX-License-Identifier: MIT
//
// What the kernel tests share: the levels of this machine, and random weights of every storage type with their exact
// values, in memory that ends where the operating system watches.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <vector>

#include "support/fenced.hpp"
#include "support/random.hpp"
#include "ultrafastbert/core/storage.hpp"
#include "ultrafastbert/kernels/dispatch.hpp"
#include "ultrafastbert/kernels/isa.hpp"
#include "ultrafastbert/kernels/tables.hpp"

namespace ufb_test {

using ultrafastbert::bfloat16_bits;
using ultrafastbert::float16_bits;
using ultrafastbert::isa_level;

[[nodiscard]] inline std::vector<isa_level> levels_of_this_machine() {
  std::vector<isa_level> levels;
  for (const isa_level level : {isa_level::portable, isa_level::neon, isa_level::avx2, isa_level::avx512}) {
    if (ultrafastbert::supported(level)) levels.push_back(level);
  }
  return levels;
}

/// The storage type of weights.
template <class Weight>
inline constexpr ultrafastbert::weight_storage storage_of = ultrafastbert::weight_storage::float32;
template <>
inline constexpr auto storage_of<float16_bits> = ultrafastbert::weight_storage::float16;
template <>
inline constexpr auto storage_of<bfloat16_bits> = ultrafastbert::weight_storage::bfloat16;
template <>
inline constexpr auto storage_of<std::int8_t> = ultrafastbert::weight_storage::int8;

/// Weights as kernels take them.
template <class Weight>
[[nodiscard]] const std::byte* bytes_of(const Weight* weights) {
  return reinterpret_cast<const std::byte*>(weights);
}

/// Around every boundary of vectors, strips and padding.
inline constexpr std::size_t widths[] = {1, 2, 7, 8, 15, 16, 17, 24, 31, 33, 48, 64, 97, 100, 255, 256, 257, 768};

[[nodiscard]] inline std::size_t padded(std::size_t width) {
  constexpr std::size_t unit = ultrafastbert::kernels::row_padding;
  return (width + unit - 1) / unit * unit;
}

[[nodiscard]] inline bool equal_bits(float a, float b) {
  return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b);
}
[[nodiscard]] inline bool equal_bits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

// Exact values, by the definition of each format.
[[nodiscard]] inline double exact(float w) { return static_cast<double>(w); }
[[nodiscard]] inline double exact(std::int8_t w) { return static_cast<double>(w); }
[[nodiscard]] inline double exact_binary(unsigned bits, int exponent_bits, int fraction_bits) {
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const int exponent = static_cast<int>((bits >> static_cast<unsigned>(fraction_bits)) &
                                        ((1U << static_cast<unsigned>(exponent_bits)) - 1U));
  const auto fraction = static_cast<double>(bits & ((1U << static_cast<unsigned>(fraction_bits)) - 1U));
  const double sign = (bits & 0x8000U) != 0 ? -1 : 1;
  if (exponent == 2 * bias + 1) {
    return fraction != 0 ? std::numeric_limits<double>::quiet_NaN() : sign * std::numeric_limits<double>::infinity();
  }
  const double one = exponent == 0 ? 0 : std::ldexp(1.0, fraction_bits);
  return sign * std::ldexp(one + fraction, std::max(exponent, 1) - bias - fraction_bits);
}
[[nodiscard]] inline double exact(float16_bits w) { return exact_binary(w.bits, 5, 10); }
[[nodiscard]] inline double exact(bfloat16_bits w) { return exact_binary(w.bits, 8, 7); }

// Random finite weights; every eighth is tiny, of half precision even subnormal.
inline void draw(random_numbers& random, float& w) {
  w = random.real<float>();
  if (random.bits() % 8 == 0) w *= 0x1p-30F;
}
inline void draw(random_numbers& random, float16_bits& w) {
  const std::uint64_t bits = random.bits();
  const std::uint64_t exponent = bits % 8 == 0 ? 0 : 10 + (bits >> 20U) % 6;
  w.bits = static_cast<std::uint16_t>((bits >> 40U & 0x83ffU) | exponent << 10U);
}
inline void draw(random_numbers& random, bfloat16_bits& w) {
  float value = 0;
  draw(random, value);
  w.bits = static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(value) >> 16U);
}
inline void draw(random_numbers& random, std::int8_t& w) {
  w = static_cast<std::int8_t>(static_cast<int>(random.bits() % 255) - 127);
}

/// Weight rows padded with zeros, the last of them before unmapped memory: aligned to 16 elements and to no more.
template <class Weight>
class weight_rows {
 public:
  weight_rows(std::size_t rows, std::size_t width, random_numbers& random)
      : stride_(padded(width)), memory_(rows * stride_, placement::at_end) {
    for (std::size_t i = 0; i < memory_.size(); ++i) {
      memory_[i] = Weight{};
      if (i % stride_ < width) draw(random, memory_[i]);
    }
  }
  [[nodiscard]] std::size_t stride() const { return stride_ * sizeof(Weight); }  ///< bytes from row to row
  [[nodiscard]] Weight* row(std::size_t r) { return memory_.data() + r * stride_; }

 private:
  std::size_t stride_;
  fenced<Weight> memory_;
};

}  // namespace ufb_test
