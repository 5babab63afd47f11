// SPDX-License-Identifier: MIT
//
// Layers whose sizes are all static and small: the bits of dynamic layers, no workspace, no allocation, no options that
// they have no use for.
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "layers/support.hpp"
#include "support/allocation_counter.hpp"

using namespace ufb_test;

namespace {

// The level of a layer's kernels decides its bits, so that every level of the machine is compared.
std::vector<ufb::isa_level> levels_here() {
  std::vector<ufb::isa_level> levels;
  for (const auto level :
       {ufb::isa_level::portable, ufb::isa_level::avx2, ufb::isa_level::avx512, ufb::isa_level::neon}) {
    if (ufb::supported(level)) levels.push_back(level);
  }
  return levels;
}

template <std::size_t In, std::size_t Out, std::size_t Depth, std::size_t Trees, class TieRule>
void compare(ufb::activation_kind activation, bool with_bias) {
  using small_layer = ufb::fast_feedforward<float, In, Out, Depth, Trees, TieRule>;
  using dynamic_layer = ufb::fast_feedforward<float, ufb::dynamic_extent, ufb::dynamic_extent, ufb::dynamic_extent,
                                              ufb::dynamic_extent, TieRule>;
  static_assert(small_layer::is_small && !dynamic_layer::is_small);
  const ufb::fast_feedforward_shape shape{
      .input_width = In, .output_width = Out, .depth = Depth, .parallel_size = Trees, .activation = activation};
  random_numbers random(In * 1000 + Out * 10 + Depth + Trees);
  const fff_tensors<float> w(shape, random);
  guarded_matrix<float> x(37, In, 3, random);
  for (std::size_t k = 0; k < In; ++k) x(5, k) = 0.0F;  // logits of zero where there is no bias
  x(6, In - 1) = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> bias = with_bias ? w.bias_in : std::vector<float>();
  for (const auto level : levels_here()) {
    const small_layer fixed(shape, w.linear_in.view(), bias, w.linear_out.view(), {.isa = level});
    const dynamic_layer dynamic(shape, w.linear_in.view(), bias, w.linear_out.view(),
                                {.engine = ufb::fff_engine::fused, .isa = level});
    CHECK(fixed.isa() == level);
    guarded_matrix<float> y(x.rows(), Out, 5);
    guarded_matrix<float> expected(x.rows(), Out, 5);
    guarded_matrix<std::int32_t> path(x.rows(), fixed.path_length(), 1);
    guarded_matrix<std::int32_t> expected_path(x.rows(), fixed.path_length(), 1);
    ufb::workspace scratch;
    fixed.forward(x.view(), y.view(), path.view());
    dynamic.forward(x.view(), expected.view(), scratch, expected_path.view());
    INFO(In << ' ' << Out << ' ' << Depth << ' ' << Trees << ' ' << ufb::name(level) << ' ' << ufb::name(activation));
    CHECK(same_bits(y, expected));
    CHECK(same_bits(path, expected_path));
    CHECK(y.surroundings_intact());
    CHECK(path.surroundings_intact());
  }
}

}  // namespace

TEST_CASE("Small static layers give the bits and the paths of dynamic ones at every level", "[fff][small]") {
  for (const auto kind : {ufb::activation_kind::gelu, ufb::activation_kind::relu, ufb::activation_kind::silu,
                          ufb::activation_kind::tanh}) {
    compare<32, 32, 4, 1, ufb::positive_goes_right>(kind, true);
    compare<64, 64, 6, 1, ufb::non_negative_goes_right>(kind, false);
  }
  compare<1, 1, 0, 1, ufb::positive_goes_right>(ufb::activation_kind::gelu, true);
  compare<7, 64, 1, 3, ufb::positive_goes_right>(ufb::activation_kind::gelu, false);
  compare<33, 17, 5, 16, ufb::non_negative_goes_right>(ufb::activation_kind::gelu, false);
  compare<64, 3, 2, 2, ufb::positive_goes_right>(ufb::activation_kind::gelu, true);
  compare<16, 48, 3, 13, ufb::positive_goes_right>(ufb::activation_kind::gelu, true);
}

TEST_CASE("Small static layers neither allocate nor need a workspace", "[fff][small]") {
  constexpr ufb::fast_feedforward_shape shape{.input_width = 32, .output_width = 32, .depth = 4, .parallel_size = 1};
  random_numbers random(7);
  const fff_tensors<float> w(shape, random);
  const ufb::fast_feedforward<float, 32, 32, 4, 1> layer(shape, w.linear_in.view(), w.bias_in, w.linear_out.view());
  const guarded_matrix<float> x(9, 32, 0, random);
  guarded_matrix<float> y(9, 32, 0);
  guarded_matrix<float> with_workspace(9, 32, 0);
  if (allocations_are_counted()) {
    CHECK(allocations_in([&] { layer.forward(x.view(), y.view()); }) == 0);
    ufb::workspace scratch;
    CHECK(allocations_in([&] { layer.forward(x.view(), with_workspace.view(), scratch); }) == 0);
    CHECK(same_bits(y, with_workspace));
    CHECK(scratch.capacity() == 0);
  }
  CHECK(layer.workspace_bytes(1000) == 0);
}

TEST_CASE("Small static layers refuse options that they have no use for", "[fff][small][errors]") {
  constexpr ufb::fast_feedforward_shape shape{.input_width = 8, .output_width = 8, .depth = 2, .parallel_size = 1};
  random_numbers random(8);
  const fff_tensors<float> w(shape, random);
  const auto refused = [&](const ufb::fast_feedforward_options& options) {
    return error_text_of([&] {
      const ufb::fast_feedforward<float, 8, 8, 2, 1> layer(shape, w.linear_in.view(), w.bias_in, w.linear_out.view(),
                                                           options);
    });
  };
  const std::string who = " for a layer whose sizes are static and small: ";
  CHECK(refused({}) == "none");
  CHECK(refused({.isa = ufb::isa_level::portable}) == "none");
  CHECK(refused({.engine = ufb::fff_engine::blas}) == "invalid_input: fast_feedforward.engine: auto" + who + "blas");
  CHECK(refused({.storage_in = ufb::weight_storage::int8}) ==
        "invalid_input: fast_feedforward.storage_in: f32" + who + "int8");
  CHECK(refused({.storage_out = ufb::weight_storage::bfloat16}) ==
        "invalid_input: fast_feedforward.storage_out: f32" + who + "bf16");
}

TEST_CASE("Layers are small up to the documented sizes, and with the library's kernels alone", "[fff][small]") {
  using ufb::fast_feedforward;
  static_assert(fast_feedforward<float, 64, 64, 6, 16>::is_small);
  static_assert(!fast_feedforward<float, 65, 64, 6, 1>::is_small);
  static_assert(!fast_feedforward<float, 64, 65, 6, 1>::is_small);
  static_assert(!fast_feedforward<float, 64, 64, 7, 1>::is_small);
  static_assert(!fast_feedforward<float, 64, 64, 6, 17>::is_small);
  static_assert(!fast_feedforward<float, 64, 64, 6>::is_small);
  static_assert(!fast_feedforward<double, 64, 64, 6, 1>::is_small);
  static_assert(!fast_feedforward<float, 64, 64, 6, 1, ufb::positive_goes_right, ufb::plain_backend>::is_small);
  SUCCEED();
}
