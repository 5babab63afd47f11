// SPDX-License-Identifier: MIT
//
// One program whose parts are compiled for different processors, and one level that means the same on all of them.
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#define UFB_RESULTS_FUNCTION results_of_this_build
#include "kernel_results.hpp"
#include "support.hpp"
#include "support/catch.hpp"

namespace ufb_test {

std::vector<float> results_of_native_build();
std::vector<float> results_of_native_build_apart();
std::vector<float> results_of_baseline_build_apart();

TEST_CASE("Kernels compiled for different processors give equal bits, together in one program and apart", "[kernels]") {
  const std::vector<float> expected = results_of_this_build();
  REQUIRE(expected.size() > 8 * 1003);
  REQUIRE(equal_bits(results_of_native_build(), expected));
  REQUIRE(equal_bits(results_of_native_build_apart(), expected));
  REQUIRE(equal_bits(results_of_baseline_build_apart(), expected));
}

TEST_CASE("The portable level gives the same bits on every processor and with every compiler", "[kernels]") {
  const std::vector<float> all = results_of_this_build();
  const std::size_t share = all.size() / levels_of_this_machine().size();
  std::uint64_t hash = 0xCBF29CE484222325U;
  for (const float value : std::span(all).first(share)) {
    hash = (hash ^ std::bit_cast<std::uint32_t>(value)) * 0x100000001B3U;
  }
  REQUIRE(hash == 0xA7D505CE7AB91B38U);  // on x86-64 and on aarch64, by g++ and clang
}

}  // namespace ufb_test
