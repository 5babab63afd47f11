// SPDX-License-Identifier: MIT
//
// One program whose parts are compiled for different processors, and layers that give the same bits in all of them.
#include <cstdint>
#include <vector>

#define UFB_RESULTS_FUNCTION layer_results_of_this_build
#include "layer_results.hpp"
#include "support/catch.hpp"

namespace ufb_test {

std::vector<std::uint32_t> layer_results_of_native_build();
std::vector<std::uint32_t> layer_results_of_native_build_apart();
std::vector<std::uint32_t> layer_results_of_baseline_build_apart();

namespace {

// Apart from the assertion, which would print both on failure.
bool agree(const std::vector<std::uint32_t>& a, const std::vector<std::uint32_t>& b) { return a == b; }

}  // namespace

TEST_CASE("Layers compiled for different processors give equal bits, together in one program and apart", "[layers]") {
  const std::vector<std::uint32_t> expected = layer_results_of_this_build();
  REQUIRE(expected.size() >= 3 * 8 * 131 * (45 + 14));
  CHECK(agree(layer_results_of_native_build(), expected));
  CHECK(agree(layer_results_of_native_build_apart(), expected));
  CHECK(agree(layer_results_of_baseline_build_apart(), expected));
}

}  // namespace ufb_test
