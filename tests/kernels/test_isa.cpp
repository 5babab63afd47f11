// SPDX-License-Identifier: MIT
//
// Instruction set levels: their names, which of them the machine has, and the kernels they stand for.
#include <cstdint>
#include <set>
#include <string>

#include "support.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"
#include "ultrafastbert/kernels/fff_dispatch.hpp"

namespace ufb_test {

using namespace ultrafastbert;

TEST_CASE("Levels are spelled like their enumerators", "[kernels]") {
  REQUIRE(name(isa_level::automatic) == "automatic");
  REQUIRE(name(isa_level::portable) == "portable");
  REQUIRE(name(isa_level::neon) == "neon");
  REQUIRE(name(isa_level::avx2) == "avx2");
  REQUIRE(name(isa_level::avx512) == "avx512");
}

TEST_CASE("Every machine runs the portable level, and the automatic one is the last of those it has", "[kernels]") {
  REQUIRE(supported(isa_level::automatic));
  REQUIRE(supported(isa_level::portable));
  REQUIRE(resolve(isa_level::automatic) == levels_of_this_machine().back());
  for (const isa_level level : levels_of_this_machine()) REQUIRE(resolve(level) == level);
  if (supported(isa_level::avx512)) REQUIRE(supported(isa_level::avx2));
  REQUIRE_FALSE((supported(isa_level::neon) && supported(isa_level::avx2)));
}

TEST_CASE("A level that the machine lacks is refused by name", "[kernels]") {
  std::size_t refused = 0;
  for (const isa_level level : {isa_level::neon, isa_level::avx2, isa_level::avx512}) {
    if (supported(level)) continue;
    const auto problem = error_of([level] { static_cast<void>(resolve(level)); });
    REQUIRE(problem);
    REQUIRE(problem->code() == error_code::unsupported);
    REQUIRE(problem->where() == "isa");
    REQUIRE(problem->expected() == "a level of this processor");
    REQUIRE(problem->found() == name(level));
    ++refused;
  }
  REQUIRE(refused >= 1);  // no machine has both NEON and AVX
}

TEST_CASE("Every level has kernels of its own for every storage type", "[kernels]") {
  std::set<const void*> kernels_seen;
  for (const isa_level level : levels_of_this_machine()) {
    kernels_seen.insert(reinterpret_cast<const void*>(kernels::dots_of<float>(level).pair));
    kernels_seen.insert(reinterpret_cast<const void*>(kernels::dots_of<float16_bits>(level).pair));
    kernels_seen.insert(reinterpret_cast<const void*>(kernels::dots_of<bfloat16_bits>(level).pair));
    kernels_seen.insert(reinterpret_cast<const void*>(kernels::dots_of<std::int8_t>(level).pair));
    kernels_seen.insert(reinterpret_cast<const void*>(kernels::sums_of<float>(level).sum));
    kernels_seen.insert(reinterpret_cast<const void*>(kernels::sums_of<float16_bits>(level).sum));
    kernels_seen.insert(reinterpret_cast<const void*>(kernels::sums_of<bfloat16_bits>(level).sum));
    kernels_seen.insert(reinterpret_cast<const void*>(kernels::sums_of<std::int8_t>(level).sum));
    kernels_seen.insert(reinterpret_cast<const void*>(kernels::gelu_of(level)));
  }
  REQUIRE(kernels_seen.size() == 9 * levels_of_this_machine().size());
}

}  // namespace ufb_test
