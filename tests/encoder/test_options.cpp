// SPDX-License-Identifier: MIT
//
// What an encoder is asked to be: one level for all layers, refusals of what contradicts itself, and moves.
#include <cstddef>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

#include "encoder/support.hpp"
#include "ultrafastbert/blas/plain_backend.hpp"

using namespace ufb_test;

namespace {

using kernels_problem = encoder_problem<float, ufb::default_backend<float>>;

template <class Backend, class Scalar = float>
std::string refusal(const ufb::encoder_options& options, bool fast = true) {
  return error_text_of([&] { static_cast<void>(ufb::encoder<Scalar, Backend>(small_config(fast), options)); });
}

}  // namespace

TEST_CASE("One level is that of every layer, and a layer may repeat it", "[encoder]") {
  const auto level_of = [](const kernels_problem& problem) {
    return std::get<0>(problem.model.layers()[1].ffn()).isa();
  };
  for (const auto isa :
       {ufb::isa_level::portable, ufb::isa_level::neon, ufb::isa_level::avx2, ufb::isa_level::avx512}) {
    if (!ufb::supported(isa)) {
      CHECK(refusal<ufb::default_backend<float>>({.isa = isa}).substr(0, 12) == "unsupported:");
      continue;
    }
    const kernels_problem problem(small_config(true), 401, {.isa = isa});
    CHECK(level_of(problem) == isa);
    CHECK(problem.model.options().projections.isa == isa);
    CHECK(level_of(kernels_problem(small_config(true), 401, {.fast_feedforward = {.isa = isa}, .isa = isa})) == isa);
  }
  CHECK(refusal<ufb::default_backend<float>>(
            {.fast_feedforward = {.isa = ufb::isa_level::avx2}, .isa = ufb::isa_level::portable}) ==
        "invalid_input: fast_feedforward.isa: automatic or portable, the level of the whole model: avx2");
  CHECK(refusal<ufb::default_backend<float>>(
            {.projections = {.isa = ufb::isa_level::avx2}, .isa = ufb::isa_level::portable}) ==
        "invalid_input: projections.isa: automatic or portable, the level of the whole model: avx2");
}

TEST_CASE("A level of all layers does not reach those that a BLAS computes", "[encoder]") {
  const kernels_problem problem(
      small_config(true), 402,
      {.fast_feedforward = {.engine = ufb::fff_engine::blas}, .isa = ufb::isa_level::portable});
  CHECK(problem.model.options().fast_feedforward.isa == ufb::isa_level::automatic);
  CHECK(problem.model.options().projections.isa == ufb::isa_level::portable);
}

TEST_CASE("What the backend or the engine has no use for is refused", "[encoder]") {
  using plain = ufb::plain_backend;
  CHECK(refusal<plain>({.isa = ufb::isa_level::portable}) ==
        "invalid_input: isa: automatic with the backend plain, which has no levels: portable");
  CHECK(refusal<plain, double>({.isa = ufb::isa_level::portable}) ==
        "invalid_input: isa: automatic with the backend plain, which has no levels: portable");
  CHECK(refusal<plain>({.fast_feedforward = {.storage_in = ufb::weight_storage::int8}}) ==
        "invalid_input: fast_feedforward.storage_in: f32 with the backend plain, which rounds nothing: int8");
  CHECK(refusal<plain>({.fast_feedforward = {.engine = ufb::fff_engine::grouped}}) ==
        "invalid_input: fast_feedforward.engine: auto or blas with the backend plain: grouped");
  CHECK(refusal<plain>({.projections = {.engine = ufb::projection_engine::packed}}) ==
        "invalid_input: projections.engine: automatic or blas with the backend plain: packed");
  CHECK(refusal<plain>({.projections = {.storage = ufb::weight_storage::int8}}, false) ==
        "invalid_input: projections.storage: f32 with the backend plain, which rounds nothing: int8");
  using kernels = ufb::default_backend<float>;
  CHECK(refusal<kernels>(
            {.projections = {.engine = ufb::projection_engine::blas, .storage = ufb::weight_storage::bfloat16}}) ==
        "invalid_input: projections.storage: f32 with the engine blas, which rounds nothing: bf16");
  CHECK(refusal<kernels>(
            {.fast_feedforward = {.engine = ufb::fff_engine::dense, .storage_out = ufb::weight_storage::float16}}) ==
        "invalid_input: fast_feedforward.storage_out: f32 with the engine dense, which rounds nothing: f16");
  CHECK(refusal<kernels>({.token_budget = 0}) == "invalid_input: token_budget: at least 1: 0");
  CHECK(refusal<kernels>({}) == "none");
}

TEST_CASE("The backend in the type computes the encoder, and the BLAS of the engine is a word away", "[encoder]") {
  random_numbers random(403);
  const auto batch = joined(random_sequences(6, random));
  ufb::workspace scratch;
  for (const bool fast : {true, false}) {
    const kernels_problem by_word(small_config(fast), 404,
                                  {.fast_feedforward = {.engine = ufb::fff_engine::blas},
                                   .projections = {.engine = ufb::projection_engine::blas}});
    const encoder_problem<float, ufb::default_blas> by_type(small_config(fast), 404);
    CHECK(same_bits(states_of(by_word.model, batch, scratch), states_of(by_type.model, batch, scratch)));
  }
}

TEST_CASE("An encoder that is moved keeps its bits, also when it is moved onto itself", "[encoder]") {
  using encoder_type = kernels_problem::encoder_type;
  STATIC_REQUIRE(std::is_nothrow_move_constructible_v<encoder_type>);
  STATIC_REQUIRE(std::is_nothrow_move_assignable_v<encoder_type>);
  STATIC_REQUIRE_FALSE(std::is_copy_constructible_v<encoder_type>);
  random_numbers random(405);
  const auto batch = joined(random_sequences(3, random));
  ufb::workspace scratch;
  kernels_problem problem(small_config(true), 406);
  kernels_problem other(small_config(false), 407);
  const auto expected = states_of(problem.model, batch, scratch);
  encoder_type& same = problem.model;
  problem.model = std::move(same);
  CHECK(same_bits(states_of(problem.model, batch, scratch), expected));
  other.model = std::move(problem.model);
  CHECK(same_bits(states_of(other.model, batch, scratch), expected));
  const encoder_type last(std::move(other.model));
  CHECK(same_bits(states_of(last, batch, scratch), expected));
}

TEST_CASE("Weights that a storage cannot hold are refused by tensor, row and column", "[encoder]") {
  const auto config = small_config(true);
  auto source = random_source(kernels_problem::list(config), 408);
  const std::string tensor = "encoder.layers.1.ffn.linear_in.weight";
  auto values = source.at(tensor).values;
  const auto shape = source.at(tensor).shape;
  values[3 * 16 + 5] = 70000.0F;
  source.remove(tensor);
  source.add(tensor, shape, values);
  const auto text = [&](ufb::weight_storage storage) {
    return error_text_of([&] {
      static_cast<void>(ufb::encoder<float>::load(source, encoder_prefix, word_name, config,
                                                  {.fast_feedforward = {.storage_in = storage}}));
    });
  };
  CHECK(text(ufb::weight_storage::float16) ==
        "non_finite: " + tensor + ": weights that f16 storage can hold: 70000.000000 at row 3, column 5");
  CHECK(text(ufb::weight_storage::bfloat16) == "none");
}
