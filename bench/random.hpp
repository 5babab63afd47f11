// SPDX-License-Identifier: MIT
//
// Normally distributed numbers that can be read from any position on, so that large matrices need not be kept.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <random>
#include <span>

namespace ufb_bench {

/// A stream of independent normal numbers: each of them picks one of 65,536 normal draws by 16 hashed bits.
class normal_stream {
 public:
  normal_stream(std::uint64_t seed, float scale) : seed_(seed * 0x9E3779B97F4A7C15U), scale_(scale) {}

  /// Element `index` of the stream.
  [[nodiscard]] float operator[](std::size_t index) const noexcept {
    return scale_ * draws()[bits(index / 4) >> (index % 4 * 16) & 0xFFFFU];
  }

  /// Elements from `first` on.
  void read(std::size_t first, std::span<float> out) const noexcept {
    const auto& table = draws();
    std::uint64_t word = 0;
    for (std::size_t i = 0; i < out.size(); ++i) {
      const std::size_t part = (first + i) % 4;
      if (i == 0 || part == 0) word = bits((first + i) / 4);
      out[i] = scale_ * table[word >> (part * 16) & 0xFFFFU];
    }
  }

 private:
  using draw_table = std::array<float, 65'536>;

  static const draw_table& draws() {
    static const draw_table values = [] {
      draw_table made{};
      std::mt19937 generator(20'231'115);
      std::normal_distribution<float> normal;
      for (float& value : made) value = normal(generator);
      return made;
    }();
    return values;
  }

  [[nodiscard]] std::uint64_t bits(std::uint64_t counter) const noexcept {  // the finalizer of splitmix64
    std::uint64_t z = seed_ + (counter + 1) * 0x9E3779B97F4A7C15U;
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBU;
    return z ^ (z >> 31U);
  }

  std::uint64_t seed_;
  float scale_;
};

}  // namespace ufb_bench
