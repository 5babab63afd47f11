// SPDX-License-Identifier: MIT
//
// Instruction set levels: their names, which of them the machine has, and the kernels they stand for.
#include <set>
#include <string>

#include "support.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"
#include "ultrafastbert/core/storage.hpp"
#include "ultrafastbert/kernels/activation.hpp"
#include "ultrafastbert/kernels/dispatch.hpp"

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

TEST_CASE("Every level has kernels of its own for every storage type, activation and operation on rows", "[kernels]") {
  std::set<const void*> kernels_seen;
  const auto see = [&](auto... kernel) { (kernels_seen.insert(reinterpret_cast<const void*>(kernel)), ...); };
  for (const isa_level level : levels_of_this_machine()) {
    for (const weight_storage storage :
         {weight_storage::float32, weight_storage::float16, weight_storage::bfloat16, weight_storage::int8}) {
      const kernels::dot_kernels& dots = kernels::dots_of(level, storage);
      see(dots.rows_3_inputs_4, dots.pairs_8, dots.pair, kernels::sums_of(level, storage).sum);
    }
    const kernels::activation_kernels& a = kernels::activations_of(level);
    see(a.gelu, a.relu, a.silu, a.tanh, a.gelu_tanh, a.relu_squared, a.identity);
    const kernels::row_kernels& r = kernels::rows_of(level);
    see(r.layer_norm, r.rms_norm, r.scale_norm, r.sum, r.product, r.scale, r.exp, r.softmax);
    see(kernels::float32_products_of(level).single[0]);
  }
  CHECK(kernels_seen.count(nullptr) == 0);
  CHECK(kernels_seen.size() == (4 * 4 + 7 + 8 + 1) * levels_of_this_machine().size());
}

TEST_CASE("The kernel of an activation is the one of its name", "[kernels]") {
  const kernels::activation_kernels& table = kernels::activations_of(isa_level::portable);
  CHECK(kernels::kernel_of(table, activation_kind::gelu) == table.gelu);
  CHECK(kernels::kernel_of(table, activation_kind::relu) == table.relu);
  CHECK(kernels::kernel_of(table, activation_kind::silu) == table.silu);
  CHECK(kernels::kernel_of(table, activation_kind::tanh) == table.tanh);
  CHECK(kernels::kernel_of(table, activation_kind::gelu_tanh) == table.gelu_tanh);
  CHECK(kernels::kernel_of(table, activation_kind::relu_squared) == table.relu_squared);
  CHECK(kernels::kernel_of(table, activation_kind::identity) == table.identity);
  CHECK(name(activation_kind::relu_squared) == "relu2");
  CHECK(name(activation_kind::identity) == "Identity");
  CHECK(name(activation_kind::gelu_tanh) == "gelu_new");
  CHECK(name(activation_kind::gelu) == "GELU");
  CHECK(name(activation_kind::relu) == "ReLU");
  CHECK(name(activation_kind::silu) == "SiLU");
  CHECK(name(activation_kind::tanh) == "Tanh");
}

}  // namespace ufb_test
