// SPDX-License-Identifier: MIT
//
// What is chosen at load about projections and passes: it reaches every layer, costs what it says, and is refused where
// there is no such thing.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include "model/support.hpp"
#include "ultrafastbert/ultrafastbert.hpp"

using namespace ultrafastbert;
using namespace ufb_test;

namespace {

using model_type = masked_lm<float>;

const std::filesystem::path folder = std::filesystem::path(UFB_EXAMPLE_MODEL_DIR) / "tiny-mlm";

const std::vector<std::string> texts{"She opened the door and walked into the room .",
                                     "I would like a cup of tea , please .", "he has been living in London ."};

model_type load(const projection_options& choices) { return model_type::load(folder, {.projections = choices}); }

}  // namespace

TEST_CASE("The shipped model keeps most of its words with narrow projections") {
  const auto exact = load({.engine = projection_engine::packed});
  auto workspace = exact.make_workspace();
  const auto compare = [&](weight_storage storage) {
    return compare_models(exact, load({.storage = storage}), texts, workspace);
  };
  // Its checkpoint is float16, of which bfloat16 keeps 8 significant bits. Once a token leaves its path the difference
  // is that of a neuron, which no rounding bounds: agreement is counted, and the mean says how small most of them are.
  const auto half = compare(weight_storage::bfloat16);
  const auto narrow = compare(weight_storage::int8);
  for (const auto& cost : {half, narrow}) {
    CHECK(cost.top_1_agreement() >= 0.9);
    CHECK(cost.largest_state_difference > 0.0);
    CHECK(cost.largest_logit_difference < 5.0);
  }
  CHECK(half.mean_state_difference < 0.02);
  CHECK(narrow.mean_state_difference < 0.05);
  CHECK(half.mean_state_difference < narrow.mean_state_difference);
  const auto same = compare(weight_storage::float32);
  CHECK(same.largest_logit_difference == 0.0);
}

TEST_CASE("Projections are stored as chosen in every layer, heads and words as ever") {
  const auto exact = load({.engine = projection_engine::packed});
  const std::size_t width = exact.hidden_size();
  const std::size_t weights = (3 * width + width) * width;  // of one layer's attention
  const auto saved = [&](weight_storage storage) {
    const auto narrow = load({.storage = storage});
    REQUIRE(narrow.stack().layers().size() == exact.stack().layers().size());
    const std::size_t first = exact.stack().layers()[0].bytes() - narrow.stack().layers()[0].bytes();
    for (std::size_t i = 0; i < exact.stack().layers().size(); ++i) {
      CHECK(exact.stack().layers()[i].bytes() - narrow.stack().layers()[i].bytes() == first);
    }
    CHECK(exact.bytes() - narrow.bytes() == first * exact.stack().layers().size());
    return first;
  };
  CHECK(saved(weight_storage::bfloat16) == 2 * weights);
  CHECK(saved(weight_storage::int8) == 3 * weights - 4 * width * (sizeof(float) + sizeof(std::int32_t)));
  CHECK(load({}).stack().options().projections.storage == weight_storage::float32);
  CHECK(load({.storage = weight_storage::int8}).stack().options().projections.storage == weight_storage::int8);
}

TEST_CASE("Dense feedforward layers are stored like the projections") {
  const auto path = golden_model("mlm_ff_gelu");
  const auto exact = model_type::load(path, {.projections = {.engine = projection_engine::packed}});
  const auto narrow = model_type::load(path, {.projections = {.storage = weight_storage::bfloat16}});
  const auto& dense = std::get<feedforward_shape>(exact.stack().config().block.feedforward);
  const std::size_t width = exact.hidden_size();
  const std::size_t weights = (4 * width + 2 * dense.intermediate) * width * exact.stack().layers().size();
  // Rows are filled up to whole panels, so that a little more may be saved.
  CHECK(exact.bytes() - narrow.bytes() >= 2 * weights);
  CHECK(exact.bytes() - narrow.bytes() < 3 * weights);
}

TEST_CASE("The backend's projections give what the packed ones give, but for rounding") {
  const auto exact = load({.engine = projection_engine::packed});
  auto workspace = exact.make_workspace();
  const auto cost = compare_models(exact, load({.engine = projection_engine::blas}), texts, workspace);
  CHECK(cost.same_best == cost.tokens);
  CHECK(cost.mean_state_difference < 1e-4);
}

TEST_CASE("A storage or level that there is not is an error of loading") {
  const auto code = [](const projection_options& choices) {
    const auto e = error_of([&] { static_cast<void>(load(choices)); });
    return e ? std::string(name(e->code())) : std::string("none");
  };
  CHECK(code({.storage = weight_storage::float16}) == "unsupported");
  for (const isa_level isa : {isa_level::portable, isa_level::neon, isa_level::avx2, isa_level::avx512}) {
    CHECK(code({.isa = isa}) == (supported(isa) ? "none" : "unsupported"));
  }
}

TEST_CASE("The token budget of the load is that of every call, and changes no result") {
  const std::vector<std::string> masked(30, "she went to the market every <mask> and bought bread for her mother .");
  const auto whole = model_type::load(folder, {.token_budget = 100000});
  const auto cut = model_type::load(folder, {.token_budget = 20});
  CHECK(whole.stack().options().token_budget == 100000);
  CHECK(cut.stack().options().token_budget == 20);
  CHECK(model_type::load(folder).stack().options().token_budget == encoder_options{}.token_budget);
  const auto run = [&](const model_type& model, workspace& scratch) {
    static_cast<void>(model.fill_mask(masked, {.top_k = 3}, scratch));
    return model.fill_mask(masked, {.top_k = 3}, scratch);
  };
  workspace large;
  workspace small;
  const auto expected = run(whole, large);
  const auto got = run(cut, small);
  REQUIRE(got.size() == expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    REQUIRE(got[i].size() == 3);
    for (std::size_t c = 0; c < 3; ++c) {
      CHECK(got[i][c].id == expected[i][c].id);
      CHECK(got[i][c].logit == expected[i][c].logit);
    }
  }
  CHECK(2 * small.capacity() < large.capacity());
}
