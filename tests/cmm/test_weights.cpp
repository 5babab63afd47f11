// SPDX-License-Identifier: MIT
//
// The weights behind an FFF layer: which engine computes what, each against the reference, and the choices that are
// refused because nothing would come of them.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cmm/support.hpp"
#include "support/backends.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"
#include "ultrafastbert/cmm/make_weights.hpp"
#include "ultrafastbert/core/cache_sizes.hpp"

using namespace ufb_test;
using ufb::fff_engine;
using ufb::weight_storage;

namespace {

constexpr ufb::cmm::fff_shape shape_of(std::size_t depth, std::size_t trees,
                                       weight_storage in = weight_storage::float32,
                                       weight_storage out = weight_storage::float32) {
  return {.input_width = 8,
          .output_width = 8,
          .depth = depth,
          .parallel_size = trees,
          .storage_in = in,
          .storage_out = out};
}

// The one place where an engine is chosen. Shallow trees are dense whatever the number of tokens, if nothing is rounded
// and there are enough nodes; the others walk by the number of tokens, and in groups where that saves more than sorting
// costs: many tokens and long rows, or weights far beyond the caches.
constexpr std::size_t cache = std::size_t{1} << 20U;
constexpr fff_engine choose_engine(const ufb::cmm::fff_shape& shape, std::size_t tokens,
                                   std::size_t cache_bytes = cache) {
  if (ufb::cmm::is_dense_by_choice(shape)) return fff_engine::dense;
  return ufb::cmm::choose_walk(shape, tokens, cache_bytes);
}
constexpr fff_engine choose_wide(std::size_t width, std::size_t depth, std::size_t tokens,
                                 weight_storage storage = weight_storage::float32) {
  auto shape = shape_of(depth, 1, storage, storage);
  shape.input_width = shape.output_width = width;
  return choose_engine(shape, tokens);
}
static_assert(choose_engine(shape_of(0, 32), 1) == fff_engine::dense);
static_assert(choose_engine(shape_of(0, 31), 1) == fff_engine::fused);
static_assert(choose_engine(shape_of(2, 5), 100'000) == fff_engine::dense);
static_assert(choose_engine(shape_of(2, 4), 100'000) == fff_engine::interleaved);
static_assert(choose_engine(shape_of(3, 100), 1) == fff_engine::fused);
static_assert(choose_engine(shape_of(1, 100, weight_storage::float16), 1) == fff_engine::fused);
static_assert(choose_engine(shape_of(1, 100, weight_storage::float32, weight_storage::int8), 1) == fff_engine::fused);
static_assert(choose_engine(shape_of(11, 1), 0) == fff_engine::fused);
static_assert(choose_engine(shape_of(11, 1), 3) == fff_engine::fused);
static_assert(choose_engine(shape_of(11, 1), 4) == fff_engine::interleaved);
static_assert(choose_engine(shape_of(3, 1), 5) == fff_engine::fused);
static_assert(choose_engine(shape_of(3, 1), 6) == fff_engine::interleaved);
static_assert(choose_wide(192, 7, 100'000) == fff_engine::interleaved);
static_assert(choose_wide(192, 11, 4096) == fff_engine::grouped);
static_assert(choose_wide(192, 11, 4095) == fff_engine::interleaved);
static_assert(choose_wide(768, 11, 511) == fff_engine::interleaved);
static_assert(choose_wide(768, 11, 512) == fff_engine::grouped);
static_assert(choose_wide(768, 6, 100'000) == fff_engine::interleaved);
static_assert(choose_wide(768, 11, 100'000, weight_storage::float16) == fff_engine::interleaved);
static_assert(choose_wide(768, 13, 4096, weight_storage::float16) == fff_engine::grouped);
static_assert(ufb::cmm::choose_walk(shape_of(0, 32), 1, cache) == fff_engine::fused);

template <class Scalar>
ufb::cmm::fff_shape packed_shape(const cmm_problem<Scalar>& problem, bool zero_goes_right) {
  return {.input_width = problem.sizes.input_width,
          .output_width = problem.sizes.output_width,
          .depth = problem.sizes.depth,
          .parallel_size = problem.sizes.parallel_size,
          .activation = problem.activation,
          .zero_goes_right = zero_goes_right,
          .with_bias = !problem.bias_in.empty()};
}

template <class Scalar>
void fill(ufb::cmm::fff_weights<Scalar>& weights, const cmm_problem<Scalar>& problem) {
  for (std::size_t node = 0; node < problem.nodes; ++node) {
    weights.store_in(node, problem.linear_in.row(node));
    weights.store_out(node, problem.linear_out.row(node));
    if (!problem.bias_in.empty()) weights.store_bias(node, problem.bias_in[node]);
  }
}

template <class Scalar>
cmm_run<Scalar> run(const ufb::cmm::fff_weights<Scalar>& weights, const cmm_problem<Scalar>& problem,
                    ufb::workspace& scratch) {
  cmm_run<Scalar> out{.y = guarded_matrix<Scalar>(problem.sizes.tokens, problem.sizes.output_width, 2),
                      .path = reference::grid<std::int32_t>(problem.sizes.tokens, problem.path_length())};
  weights.multiply(problem.x.view(), out.y.view(), scratch, {out.path.cells.data(), {out.path.rows, out.path.cols}});
  return out;
}

/// Weights for a layer over the backend, filled and finished.
template <class Scalar, class Backend>
std::unique_ptr<ufb::cmm::fff_weights<Scalar>> weights_of(const cmm_problem<Scalar>& problem,
                                                          const ufb::cmm::fff_shape& shape, fff_engine engine) {
  auto weights = ufb::cmm::make_weights<Scalar, Backend>(shape, engine);
  fill(*weights, problem);
  auto others = weights->replacement();
  return others ? std::move(others) : std::move(weights);
}

/// How far a run is from the reference, at most 1 if it is right, and that it took no more memory than it announced.
template <class Scalar>
double judge(const ufb::cmm::fff_weights<Scalar>& weights, const cmm_problem<Scalar>& problem, bool zero_goes_right) {
  ufb::workspace scratch;
  const auto got = run(weights, problem, scratch);
  CHECK(scratch.needed().bytes <= weights.workspace_bytes(problem.sizes.tokens));
  CHECK(got.y.surroundings_intact());
  const auto expected = reference::arithmetic::of<Scalar>().fff(
      reference::table_of(reference::exact_of(problem.x.view())), problem.reference_weights(zero_goes_right), got.path);
  CHECK(expected.wrong_turns == 0);
  return reference::worst_ratio(got.y.view(), expected.y);
}

ufb::activation_kind random_activation(random_numbers& random) {
  return random.pick(
      {ufb::activation_kind::gelu, ufb::activation_kind::relu, ufb::activation_kind::silu, ufb::activation_kind::tanh});
}

cmm_sizes shallow_sizes(random_numbers& random) {
  return {.tokens = random.pick<std::size_t>({1, 65, 193, 400}),
          .input_width = random.size(1, 40),
          .output_width = random.size(1, 40),
          .depth = random.size(0, 2),
          .parallel_size = random.size(32, 40)};
}

}  // namespace

TEST_CASE("Every engine of the kernels follows the reference, ties either way, within the memory it announces",
          "[cmm]") {
  random_numbers random(61);
  for (int round = 0; round < 60; ++round) {
    const cmm_sizes sizes = random.coin() ? random_cmm_sizes(random) : shallow_sizes(random);
    const cmm_problem<float> problem(sizes, random.coin(), random_activation(random), random);
    const bool zero_goes_right = random.coin();
    const auto shape = packed_shape(problem, zero_goes_right);
    for (const fff_engine engine : {fff_engine::automatic, fff_engine::fused, fff_engine::interleaved,
                                    fff_engine::grouped, fff_engine::dense, fff_engine::blas}) {
      CAPTURE(std::string(name(engine)), sizes.tokens, sizes.depth, sizes.parallel_size);
      const auto weights = weights_of<float, ufb::kernel_backend>(problem, shape, engine);
      const fff_engine expected = engine == fff_engine::automatic
                                      ? choose_engine(shape, sizes.tokens, ufb::core::second_level_cache())
                                      : engine;
      CHECK(weights->engine(sizes.tokens) == expected);
      REQUIRE(judge(*weights, problem, zero_goes_right) <= 1);
    }
  }
}

TEMPLATE_LIST_TEST_CASE("A BLAS computes in its own precision, ties either way", "[cmm]", every_backend) {
  using Scalar = typename TestType::scalar;
  random_numbers random(62);
  for (int round = 0; round < 30; ++round) {
    const cmm_problem<Scalar> problem{random_cmm_sizes(random), random.coin(), random_activation(random), random};
    const bool zero_goes_right = random.coin();
    const auto shape = packed_shape(problem, zero_goes_right);
    const auto engine = random.pick({fff_engine::automatic, fff_engine::blas});
    const auto weights = weights_of<Scalar, typename TestType::backend>(problem, shape, engine);
    CHECK(weights->engine(problem.sizes.tokens) == fff_engine::blas);
    CHECK(weights->isa() == ufb::isa_level::portable);
    REQUIRE(judge(*weights, problem, zero_goes_right) <= 1);
  }
}

TEST_CASE("Weights that are no numbers at nodes that nobody visits reach no output, if the engine is chosen", "[cmm]") {
  constexpr std::array special{std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                               -std::numeric_limits<float>::infinity()};
  random_numbers random(63);
  ufb::workspace scratch;
  for (int round = 0; round < 24; ++round) {
    cmm_sizes sizes = shallow_sizes(random);
    sizes.tokens = 1;
    sizes.depth = random.size(1, 2);
    cmm_problem<float> problem(sizes, true, random_activation(random), random);
    const auto shape = packed_shape(problem, false);
    const auto clean = weights_of<float, ufb::kernel_backend>(problem, shape, fff_engine::automatic);
    CHECK(clean->engine(1) == fff_engine::dense);
    const auto expected =
        run(*weights_of<float, ufb::kernel_backend>(problem, shape, fff_engine::fused), problem, scratch);
    // The leaf beside the one that the token takes in the first tree.
    const std::size_t leaf = static_cast<std::size_t>(expected.path(0, sizes.depth));
    const std::size_t other = leaf % 2 == 1 ? leaf + 1 : leaf - 1;
    const float poison = special[static_cast<std::size_t>(round) % special.size()];
    const std::size_t where = static_cast<std::size_t>(round) % 4;
    if (where == 0) problem.linear_in(other, 0) = poison;
    if (where == 1) problem.bias_in[other] = poison;
    if (where >= 2) problem.linear_out(other, sizes.output_width - 1) = poison;
    const auto chosen = weights_of<float, ufb::kernel_backend>(problem, shape, fff_engine::automatic);
    // Only the second matrix spoils the product of a dense engine; then the weights walk.
    CHECK(chosen->engine(1) == (where >= 2 ? fff_engine::fused : fff_engine::dense));
    const auto got = run(*chosen, problem, scratch);
    CHECK(got.path.cells == expected.path.cells);
    for (std::size_t k = 0; k < sizes.output_width; ++k) REQUIRE(std::isfinite(got.y(0, k)));
    if (where >= 2) {
      CHECK(std::equal(got.y.row(0), got.y.row(0) + sizes.output_width, expected.y.row(0)));  // walking, bit by bit
    } else {
      const auto dense = run(*clean, problem, scratch);
      CHECK(std::equal(got.y.row(0), got.y.row(0) + sizes.output_width, dense.y.row(0)));
    }
    // Asked for by name, the dense engine multiplies all nodes: the poisoned column is NaN, and no other one.
    const auto named = weights_of<float, ufb::kernel_backend>(problem, shape, fff_engine::dense);
    CHECK(named->engine(1) == fff_engine::dense);
    const auto spoilt = run(*named, problem, scratch);
    CHECK(spoilt.path.cells == expected.path.cells);
    for (std::size_t k = 0; k < sizes.output_width; ++k) {
      CHECK(std::isnan(spoilt.y(0, k)) == (where >= 2 && k + 1 == sizes.output_width));
    }
  }
}

TEST_CASE("Dense weights that others replace are handed over as they were given, biases and all", "[cmm]") {
  random_numbers random(64);
  ufb::workspace scratch;
  for (const bool with_bias : {false, true}) {
    cmm_sizes sizes = shallow_sizes(random);
    sizes.tokens = 200;
    const cmm_problem<float> problem(sizes, with_bias, ufb::activation_kind::gelu, random);
    const auto shape = packed_shape(problem, true);
    ufb::cmm::dense_fff dense(shape, fff_engine::automatic);
    fill(dense, problem);
    CHECK(dense.replacement() == nullptr);
    // One weight that is not finite, and the last node's again as it was: the others are what is copied.
    const std::vector<float> poisoned(sizes.output_width, std::numeric_limits<float>::infinity());
    const std::size_t last = shape.nodes() - 1;
    dense.store_out(last, poisoned.data());
    dense.store_out(last, problem.linear_out.view().row(last));
    const auto copied = dense.replacement();
    REQUIRE(copied != nullptr);
    ufb::cmm::packed_fff direct(shape, fff_engine::automatic);
    fill(direct, problem);
    const auto a = run(*copied, problem, scratch);
    const auto b = run(direct, problem, scratch);
    CHECK(a.path.cells == b.path.cells);
    std::size_t different = 0;
    for (std::size_t t = 0; t < sizes.tokens; ++t) {
      if (!std::equal(a.y.row(t), a.y.row(t) + sizes.output_width, b.y.row(t))) ++different;
    }
    CHECK(different == 0);
    // An engine that was asked for by name stays.
    ufb::cmm::dense_fff named(shape, fff_engine::dense);
    named.store_out(last, poisoned.data());
    CHECK(named.replacement() == nullptr);
  }
}

TEST_CASE("The second matrix can be filled in place where it is kept as it is given", "[cmm]") {
  const auto shape = shape_of(3, 2);
  ufb::cmm::packed_fff walking(shape, fff_engine::fused);
  CHECK(walking.plain_out().rows() == 30);
  CHECK(walking.plain_out().cols() == 8);
  CHECK(ufb::cmm::packed_fff(shape_of(3, 2, weight_storage::float32, weight_storage::float16), fff_engine::fused)
            .plain_out()
            .data() == nullptr);
  CHECK(ufb::cmm::dense_fff(shape, fff_engine::dense).plain_out().data() == nullptr);
  CHECK(ufb::cmm::backend_fff<double, ufb::plain_backend>(shape).plain_out().rows() == 30);
}

TEST_CASE("Choices that nothing would come of are refused, each by its name", "[cmm]") {
  using ufb::cmm::runs_kernels;
  const auto kernels = [](const ufb::cmm::fff_shape& shape, fff_engine engine) {
    return error_text_of([&] {
      const bool own = runs_kernels<ufb::kernel_backend>(shape, engine);
      CHECK(own == (engine != fff_engine::blas));
    });
  };
  const auto plain = [](const ufb::cmm::fff_shape& shape, fff_engine engine) {
    return error_text_of([&] {
      const bool own = runs_kernels<ufb::plain_backend>(shape, engine);
      CHECK_FALSE(own);
    });
  };
  const auto at = [](ufb::isa_level isa) {
    auto shape = shape_of(3, 1);
    shape.isa = isa;
    return shape;
  };
  for (const fff_engine engine : {fff_engine::automatic, fff_engine::blas, fff_engine::fused, fff_engine::interleaved,
                                  fff_engine::grouped, fff_engine::dense}) {
    CHECK(kernels(shape_of(3, 1), engine) == "none");
  }
  const auto narrow_in = shape_of(3, 1, weight_storage::int8);
  const auto narrow_out = shape_of(3, 1, weight_storage::float32, weight_storage::bfloat16);
  CHECK(kernels(narrow_in, fff_engine::grouped) == "none");
  CHECK(kernels(narrow_out, fff_engine::automatic) == "none");
  CHECK(kernels(narrow_in, fff_engine::dense) ==
        "invalid_input: fast_feedforward.storage_in: f32 with the engine dense, which rounds nothing: int8");
  CHECK(kernels(narrow_out, fff_engine::dense) ==
        "invalid_input: fast_feedforward.storage_out: f32 with the engine dense, which rounds nothing: bf16");
  CHECK(kernels(narrow_in, fff_engine::blas) ==
        "invalid_input: fast_feedforward.storage_in: f32 with the engine blas, which rounds nothing: int8");
  CHECK(kernels(at(ufb::isa_level::portable), fff_engine::dense) == "none");
  CHECK(kernels(at(ufb::isa_level::portable), fff_engine::blas) ==
        "invalid_input: fast_feedforward.isa: automatic with the engine blas, which has no levels: portable");

  CHECK(plain(shape_of(3, 1), fff_engine::automatic) == "none");
  CHECK(plain(shape_of(3, 1), fff_engine::blas) == "none");
  for (const fff_engine engine : {fff_engine::fused, fff_engine::interleaved, fff_engine::grouped, fff_engine::dense}) {
    CHECK(plain(shape_of(3, 1), engine) ==
          "invalid_input: fast_feedforward.engine: auto or blas with the backend plain: " + std::string(name(engine)));
  }
  CHECK(plain(narrow_in, fff_engine::automatic) ==
        "invalid_input: fast_feedforward.storage_in: f32 with the backend plain, which rounds nothing: int8");
  CHECK(plain(narrow_out, fff_engine::blas) ==
        "invalid_input: fast_feedforward.storage_out: f32 with the backend plain, which rounds nothing: bf16");
  CHECK(plain(at(ufb::isa_level::avx2), fff_engine::automatic) ==
        "invalid_input: fast_feedforward.isa: automatic with the backend plain, which has no levels: avx2");
}
