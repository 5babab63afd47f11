// SPDX-License-Identifier: MIT
//
// Every bit pattern of the narrow storage types becomes exactly the number it stands for.
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "support.hpp"
#include "support/catch.hpp"
#include "ultrafastbert/kernels/dispatch.hpp"

namespace ufb_test {

using namespace ultrafastbert;

namespace {

/// The number with the given bits; bits beyond the type's are dropped.
template <class Weight>
Weight pattern(std::size_t bits) {
  if constexpr (sizeof(Weight) == 1) {
    return static_cast<Weight>(static_cast<int>(bits % 256) - 128);
  } else {
    return {static_cast<std::uint16_t>(bits)};
  }
}

/// A value passed on unchanged; zeros may lose their sign, NaN its payload.
bool same(float found, double expected) {
  return std::isnan(expected) ? std::isnan(found) : static_cast<double>(found) == expected;
}

}  // namespace

TEMPLATE_TEST_CASE("All patterns of a narrow type widen exactly", "[kernels]", float16_bits, bfloat16_bits,
                   std::int8_t) {
  constexpr std::size_t patterns = std::size_t{1} << (8 * sizeof(TestType));
  fenced<TestType> row(patterns, placement::at_end);
  for (std::size_t i = 0; i < patterns; ++i) row[i] = pattern<TestType>(i);
  const std::byte* const rows = bytes_of(row.data());
  constexpr float one = 1;
  for (const isa_level level : levels_of_this_machine()) {
    CAPTURE(std::string(name(level)));
    std::vector<float> sums(patterns);
    kernels::sums_of(level, storage_of<TestType>)
        .sum(&rows, &one, 1, {0, patterns}, kernels::sum_target::overwrite, sums.data(), {});
    const kernels::dot_kernels& dots = kernels::dots_of(level, storage_of<TestType>);
    for (std::size_t i = 0; i < patterns; ++i) {
      CAPTURE(i);
      const double expected = exact(row[i]);
      if (!same(sums[i], expected)) REQUIRE(exact(sums[i]) == expected);
      alignas(64) std::array<TestType, 48> block{};  // three rows with the pattern in one column
      const std::size_t column = i % 11;
      for (std::size_t r = 0; r < 3; ++r) block[16 * r + column] = row[i];
      std::array<float, 11> x{};
      x[column] = 1;
      const std::array<const float*, 4> inputs{x.data(), x.data(), x.data(), x.data()};
      std::array<float, 12> z{};
      dots.rows_3_inputs_4(bytes_of(block.data()), 16 * sizeof(TestType), inputs.data(), x.size(), z.data(), {});
      for (const float found : z) {
        if (!same(found, expected)) REQUIRE(exact(found) == expected);
      }
    }
  }
}

TEST_CASE("The two halves of a float are its nearest bfloat16 number and what is missing, and give every bit back",
          "[kernels]") {
  constexpr std::size_t at_once = 1024;
  alignas(64) std::array<bfloat16_bits, at_once> upper{};
  alignas(64) std::array<std::int16_t, at_once> lower{};
  alignas(64) std::array<float, at_once> joined{};
  std::array<std::uint32_t, at_once> bits{};
  std::size_t wrong = 0;
  // Every upper half with every kind of lower one: zero, the ends, and those beside the middle.
  for (std::uint32_t first = 0; first < 0x10000U; first += at_once) {
    for (const std::uint32_t low : {0x0000U, 0x0001U, 0x7fffU, 0x8000U, 0x8001U, 0xffffU}) {
      for (std::uint32_t i = 0; i < at_once; ++i) {
        bits[i] = (first + i) << 16U | low;
        const auto value = std::bit_cast<float>(bits[i]);
        const kernels::split_float parts = kernels::split(value);
        upper[i] = parts.upper;
        lower[i] = parts.lower;
        const double error = std::abs(exact(parts.upper) - static_cast<double>(value));
        const double nearest = std::abs(exact(kernels::round_to_bfloat16(value)) - static_cast<double>(value));
        if (std::isfinite(value) && error != nearest) ++wrong;
      }
      for (const isa_level level : levels_of_this_machine()) {
        kernels::rows_of(level).join(at_once, upper.data(), lower.data(), joined.data());
        if (std::memcmp(joined.data(), bits.data(), sizeof bits) != 0) ++wrong;
      }
    }
  }
  CHECK(wrong == 0);
}

}  // namespace ufb_test
