// SPDX-License-Identifier: MIT
//
// Comparing whole models: equal ones differ nowhere, narrow ones a little, and only models of equal sizes are compared.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include "model/support.hpp"
#include "ultrafastbert/model/compare_models.hpp"
#include "ultrafastbert/model/tasks/masked_lm.hpp"

using namespace ultrafastbert;
using namespace ufb_test;

namespace {

const std::filesystem::path folder = std::filesystem::path(UFB_EXAMPLE_MODEL_DIR) / "tiny-mlm";

const std::vector<std::string> compared_texts{
    "she went to the market every day and bought <mask> for her mother and her sister .",
    "The old bridge across the river was closed for repairs all summer.",
    "yes",
    "In winter the village is cut off from the valley for several weeks, and nobody minds.",
};

std::size_t total(const std::vector<std::size_t>& counts) {
  std::size_t sum = 0;
  for (const std::size_t count : counts) sum += count;
  return sum;
}

}  // namespace

TEST_CASE("A model differs nowhere from the same model") {
  const auto model = masked_lm<float>::load(folder);
  auto workspace = model.make_workspace();
  const auto same = compare_models(model, masked_lm<float>::load(folder), compared_texts, workspace);
  std::size_t tokens = 0;
  for (const auto& text : compared_texts) tokens += model.text_tokenizer().encode(text).size();
  CHECK(same.tokens == tokens);
  CHECK(same.tokens_on_other_paths == std::vector<std::size_t>(5));
  CHECK(same.largest_state_difference == 0.0);
  CHECK(same.mean_state_difference == 0.0);
  CHECK(same.same_best == tokens);
  CHECK(same.top_1_agreement() == 1.0);
  CHECK(same.largest_logit_difference == 0.0);
}

TEST_CASE("Narrow weights cost a little, and the more the narrower") {
  const auto exact = masked_lm<float>::load(folder);
  auto workspace = exact.make_workspace();
  const auto cost_of = [&](weight_storage storage) {
    const load_options how{.fast_feedforward = {.storage_in = storage, .storage_out = storage}};
    return compare_models(exact, masked_lm<float>::load(folder, how), compared_texts, workspace);
  };
  const auto narrow = cost_of(weight_storage::int8);
  REQUIRE(narrow.tokens_on_other_paths.size() == 5);
  CHECK(total(narrow.tokens_on_other_paths) < narrow.tokens);
  CHECK(narrow.largest_state_difference > 0.0);
  CHECK(narrow.largest_state_difference < 1.0);
  CHECK(narrow.mean_state_difference > 0.0);
  CHECK(narrow.mean_state_difference < 0.05);
  CHECK(narrow.mean_state_difference < narrow.largest_state_difference);
  CHECK(narrow.top_1_agreement() >= 0.9);
  CHECK(narrow.top_1_agreement() <= 1.0);
  CHECK(narrow.largest_logit_difference > 0.0);
  CHECK(narrow.largest_logit_difference < 2.0);
  // The checkpoint is float16 already: only the order of summation differs, if anything.
  const auto half = cost_of(weight_storage::float16);
  CHECK(half.largest_state_difference < narrow.mean_state_difference);
  CHECK(half.same_best == half.tokens);
}

TEST_CASE("Flips are counted by token and in the layer where they happen") {
  const auto exact = masked_lm<float>::load(folder);
  const folder_copy copy(folder);
  copy.edit_header([](ordered_json& header) {
    // Layers 3 and 4 swap their biases: the layers before them notice nothing.
    const std::string name = "encoder.layers.3.ffn.linear_in.bias";
    const std::string other = "encoder.layers.4.ffn.linear_in.bias";
    std::swap(header.at(name).at("data_offsets"), header.at(other).at("data_offsets"));
  });
  auto workspace = exact.make_workspace();
  const auto cost = compare_models(exact, masked_lm<float>::load(copy.path()), compared_texts, workspace);
  for (std::size_t i = 0; i < 3; ++i) CHECK(cost.tokens_on_other_paths[i] == 0);
  CHECK(cost.tokens_on_other_paths[3] > 0);
  CHECK(cost.tokens_on_other_paths[3] <= cost.tokens);
  CHECK(cost.largest_state_difference > 0.0);
}

TEST_CASE("A state that is not a number shows in the differences") {
  models::difference_sums sums;
  const std::vector<float> a{1.0F, std::numeric_limits<float>::quiet_NaN(), 3.0F};
  const std::vector<double> b{1.5, 2.0, 3.0};
  sums.add(a.data(), b.data(), 1);
  CHECK(sums.largest() == 0.5);
  CHECK(sums.mean() == 0.5);
  sums.add(a.data(), b.data(), 3);
  CHECK(std::isnan(sums.largest()));
  CHECK(std::isnan(sums.mean()));
}

TEST_CASE("No texts are compared to an empty report, bad ones and models of other sizes to an error") {
  const auto model = masked_lm<float>::load(folder);
  auto workspace = model.make_workspace();
  const auto none = compare_models(model, model, std::vector<std::string>{}, workspace);
  CHECK(none.tokens == 0);
  CHECK(none.top_1_agreement() == 1.0);
  CHECK(none.tokens_on_other_paths == std::vector<std::size_t>(5));

  std::string long_text = "the";
  for (int i = 0; i < 200; ++i) long_text += " the";
  const auto too_long = error_of([&] {
    static_cast<void>(compare_models(model, model, std::vector<std::string>{"yes", long_text}, workspace));
  });
  REQUIRE(too_long);
  CHECK(name(too_long->code()) == "invalid_input");
  CHECK(too_long->where() == "texts[1]");

  const folder_copy shorter(folder);
  shorter.edit_json("config.json", [](ordered_json& config) { config["arch"]["embedding"]["max_seq_length"] = 8; });
  const auto candidate = masked_lm<float>::load(shorter.path());
  const auto beyond = error_of([&] { static_cast<void>(compare_models(model, candidate, compared_texts, workspace)); });
  REQUIRE(beyond);
  CHECK(name(beyond->code()) == "invalid_input");
  CHECK(beyond->where() == "texts[0]");
  CHECK(beyond->expected() == "at most 8 tokens, the positions of the candidate");

  const auto other = masked_lm<float>::load(golden_model("e2e_fff"));
  const auto sizes = error_of([&] { static_cast<void>(compare_models(model, other, compared_texts, workspace)); });
  REQUIRE(sizes);
  CHECK(name(sizes->code()) == "shape_mismatch");
  CHECK(sizes->expected() == "5 layers of width 192, 1x7 trees, 8192 words");
}
