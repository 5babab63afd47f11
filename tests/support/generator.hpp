// SPDX-License-Identifier: MIT
//
// The deterministic generator of the reference's real-size weights: splitmix64 in counter form, uniform on [-2^e, 2^e).
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace ufb_test {

/// FNV-1a over the bytes of `text`. The seed of a tensor is that of "LABEL/TENSOR NAME".
[[nodiscard]] inline std::uint64_t seed_of(std::string_view text) {
  std::uint64_t hash = 0xCBF29CE484222325U;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3U;
  return hash;
}

/// Output number `index` of the generator with the given seed.
[[nodiscard]] inline std::uint64_t splitmix64(std::uint64_t seed, std::uint64_t index) {
  std::uint64_t z = seed + (index + 1) * 0x9E3779B97F4A7C15U;
  z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9U;
  z = (z ^ (z >> 27U)) * 0x94D049BB133111EBU;
  return z ^ (z >> 31U);
}

/// `count` numbers, exact in float32, uniform on [-2^exponent, 2^exponent).
[[nodiscard]] inline std::vector<float> uniform(std::uint64_t seed, std::size_t count, int exponent) {
  std::vector<float> out(count);
  const float unit = std::ldexp(1.0F, exponent - 23);
  for (std::size_t i = 0; i < count; ++i) {
    const auto k = static_cast<std::int64_t>(splitmix64(seed, i) >> 40U) - (std::int64_t{1} << 23U);
    out[i] = static_cast<float>(k) * unit;
  }
  return out;
}

}  // namespace ufb_test
