// SPDX-License-Identifier: MIT
//
// Every bit pattern of the narrow storage types becomes exactly the number it stands for.
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
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

}  // namespace ufb_test
