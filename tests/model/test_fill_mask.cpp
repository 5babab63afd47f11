// SPDX-License-Identifier: MIT
//
// Filling masks: order and number of candidates, batches, limits.
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "model/support.hpp"
#include "ultrafastbert/ultrafastbert.hpp"

using namespace ultrafastbert;
using namespace ufb_test;

namespace {

const std::filesystem::path folder = std::filesystem::path(UFB_EXAMPLE_MODEL_DIR) / "tiny-mlm";

std::string mask_token(const masked_lm<float>& model) {
  return std::string(model.text_tokenizer().special_token(special_role::mask).value_or("none"));
}

bool equal(const mask_candidate& a, const mask_candidate& b) {
  return a.position == b.position && a.id == b.id && a.token == b.token && a.logit == b.logit &&
         a.probability == b.probability;
}

}  // namespace

TEST_CASE("Top-k is in falling order, ties by index, NaN last, probabilities over the whole row") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> logits{1.0F, 3.0F, nan, 3.0F, -1.0F};
  const auto best = top_k<float>(logits, 9);
  REQUIRE(best.size() == 5);
  CHECK(best[0].index == 1);
  CHECK(best[1].index == 3);
  CHECK(best[2].index == 0);
  CHECK(best[3].index == 4);
  CHECK(best[4].index == 2);
  const std::vector<float> finite{0.0F, 1.0F, 2.0F};
  double sum = 0;
  for (const auto& entry : top_k<float>(finite, 3)) sum += entry.probability;
  CHECK(sum == Approx(1.0).epsilon(1e-6));  // summed up in float
  CHECK(top_k<float>(finite, 1).front().probability == Approx(1.0 / (1.0 + std::exp(-1.0) + std::exp(-2.0))));
  CHECK(top_k<float>(std::vector<float>{}, 3).empty());
}

TEST_CASE("Every mask of a text gets its candidates, from left to right") {
  const auto model = masked_lm<float>::load(folder);
  auto workspace = model.make_workspace();
  const auto found = model.fill_mask("She opened the <mask> and walked into the <mask> .", {.top_k = 3}, workspace);
  REQUIRE(found.size() == 6);
  CHECK(found[0].token == "door");
  for (std::size_t i = 0; i < found.size(); ++i) {
    CHECK(found[i].position == (i < 3 ? 3U : 8U));
    if (i % 3 != 0) CHECK(found[i].probability <= found[i - 1].probability);
  }
}

TEST_CASE("A text without a mask has no candidates, an empty text and an empty batch neither") {
  const auto model = masked_lm<float>::load(folder);
  auto workspace = model.make_workspace();
  CHECK(model.fill_mask("nothing is hidden here", {}, workspace).empty());
  CHECK(model.fill_mask("", {}, workspace).empty());
  CHECK(model.fill_mask(std::vector<std::string>{}, {}, workspace).empty());
}

TEST_CASE("A batch gives every text the candidates that it gets alone, bit by bit on the plain backend") {
  const auto model = masked_lm<float, plain_backend>::load(folder);
  auto workspace = model.make_workspace();
  std::vector<std::string> texts{"I would like a cup of <mask>, please.", "no mask", "<mask>",
                                 "He has been living in London <mask> three <mask>.", ""};
  const auto together = model.fill_mask(texts, {.top_k = 4}, workspace);
  REQUIRE(together.size() == texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const auto alone = model.fill_mask(texts[i], {.top_k = 4}, workspace);
    REQUIRE(alone.size() == together[i].size());
    for (std::size_t c = 0; c < alone.size(); ++c) CHECK(equal(alone[c], together[i][c]));
  }
}

TEST_CASE("Long lists of texts are cut into passes without a visible seam") {
  const auto model = masked_lm<float>::load(folder);
  auto workspace = model.make_workspace();
  const std::string long_text = "she went to the market every day and bought <mask> for her mother and her sister .";
  const std::vector<std::string> texts(150, long_text);
  const auto results = model.fill_mask(texts, {.top_k = 2}, workspace);
  REQUIRE(results.size() == 150);
  for (const auto& result : results) {
    REQUIRE(result.size() == 2);
    CHECK(result[0].id == results[0][0].id);
    CHECK(result[0].logit == Approx(results[0][0].logit).margin(1e-4));
  }
}

TEST_CASE("Texts over the model's positions are refused, never cut") {
  const auto model = masked_lm<float>::load(folder);
  auto workspace = model.make_workspace();
  std::string text = "<mask>";
  for (int i = 0; i < 126; ++i) text += " the";
  CHECK(model.fill_mask(text, {}, workspace).size() == 5);
  const auto e = error_of([&] { static_cast<void>(model.fill_mask(text + " the", {}, workspace)); });
  REQUIRE(e);
  CHECK(name(e->code()) == "invalid_input");
  CHECK(e->found() == "129");
}

TEST_CASE("No candidates can be asked for neither by zero nor beyond the vocabulary") {
  const auto model = masked_lm<float>::load(folder);
  auto workspace = model.make_workspace();
  CHECK(error_of([&] { static_cast<void>(model.fill_mask("<mask>", {.top_k = 0}, workspace)); })->code() ==
        error_code::invalid_input);
  CHECK(model.fill_mask("<mask>", {.top_k = 1'000'000}, workspace).size() == model.vocabulary_size());
}

TEST_CASE("A mask token that the vocabulary lacks is an error of the call, not of loading") {
  const folder_copy copy(folder);
  copy.edit_json("special_tokens_map.json", [](ordered_json& map) { map["mask_token"] = "[GAP]"; });
  const auto model = masked_lm<float>::load(copy.path());
  CHECK(mask_token(model) == "[GAP]");
  auto workspace = model.make_workspace();
  const auto e = error_of([&] { static_cast<void>(model.fill_mask("a [GAP]", {}, workspace)); });
  REQUIRE(e);
  CHECK(name(e->code()) == "missing_token");
}

TEST_CASE("The mask token's name may be an object, stand in the tokenizer's configuration, or nowhere") {
  const folder_copy copy(folder);
  copy.edit_json("special_tokens_map.json", [](ordered_json& map) { map["mask_token"] = {{"content", "<pad>"}}; });
  CHECK(mask_token(masked_lm<float>::load(copy.path())) == "<pad>");
  std::filesystem::remove(copy.path() / "special_tokens_map.json");
  copy.edit_json("tokenizer_config.json", [](ordered_json& map) { map["mask_token"] = "<sep>"; });
  CHECK(mask_token(masked_lm<float>::load(copy.path())) == "<sep>");
  std::filesystem::remove(copy.path() / "tokenizer_config.json");
  CHECK(mask_token(masked_lm<float>::load(copy.path())) == "<mask>");
}

TEST_CASE("A folder with a vocab.txt fills the masks of either spelling, without any file beside it") {
  for (const bool brackets : {true, false}) {
    const folder_copy copy(folder);
    const auto vocabulary = ordered_json::parse(text_of(folder / "tokenizer.json")).at("model").at("vocab");
    std::vector<std::string> lines(vocabulary.size());
    for (const auto& [token, id] : vocabulary.items()) lines.at(id.get<std::size_t>()) = token;
    const std::size_t mask = vocabulary.at("<mask>").get<std::size_t>();
    if (brackets) lines[mask] = "[MASK]";
    std::string text;
    for (const auto& line : lines) text += line + '\n';
    for (const char* file : {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"}) {
      std::filesystem::remove(copy.path() / file);
    }
    copy.write("vocab.txt", text);
    const auto model = masked_lm<float>::load(copy.path());
    CHECK(mask_token(model) == lines[mask]);
    auto workspace = model.make_workspace();
    const auto candidates = model.fill_mask("the " + lines[mask], {.top_k = 3}, workspace);
    CHECK(candidates.size() == 3);
  }
}
