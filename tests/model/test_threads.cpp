// SPDX-License-Identifier: MIT
//
// Calls with texts and padded batches over a pool of threads: the results of one thread, bit by bit.
#include <cstddef>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

#include "model/support.hpp"
#include "ultrafastbert/ultrafastbert.hpp"

using namespace ultrafastbert;
using namespace ufb_test;

namespace {

const std::filesystem::path examples = UFB_EXAMPLE_MODEL_DIR;

// One long text and many short ones, some of them in a call by themselves.
std::vector<std::vector<std::string>> calls() {
  std::string long_text = "<mask>";
  for (int i = 0; i < 60; ++i) long_text += " the <mask>";
  std::vector<std::string> many(40, "I would like a cup of <mask> , please .");
  many[7] = "no mask here";
  many[20] = "He has been living in London <mask> three years <mask>";
  return {{long_text}, many, {long_text, "<mask>", many[20]}, {many[0]}, {}};
}

bool equal(const mask_candidate& a, const mask_candidate& b) {
  return a.position == b.position && a.id == b.id && a.token == b.token && a.logit == b.logit &&
         a.probability == b.probability;
}

struct failing_executor {
  [[nodiscard]] static std::size_t concurrency() { return 2; }
  template <class Task>
  static void run(std::size_t, const Task&) {
    throw std::runtime_error("no threads today");
  }
};

}  // namespace

TEST_CASE("Masks are filled with the same words, logits and probabilities by any number of threads") {
  for (const auto storage : {weight_storage::float32, weight_storage::int8}) {
    const auto model = masked_lm<float>::load(examples / "tiny-mlm", {.projections = {.storage = storage}});
    for (const auto& texts : calls()) {
      auto alone = model.make_workspace();
      const auto expected = model.fill_mask(texts, {.top_k = 4}, alone);
      for (const std::size_t threads : {1U, 2U, 3U, 4U}) {
        thread_pool pool(threads);
        auto workspace = model.make_workspace();
        const auto got = model.fill_mask(texts, {.top_k = 4}, workspace, pool);
        REQUIRE(got.size() == expected.size());
        std::size_t different = 0;
        for (std::size_t i = 0; i < got.size(); ++i) {
          REQUIRE(got[i].size() == expected[i].size());
          for (std::size_t c = 0; c < got[i].size(); ++c) different += equal(got[i][c], expected[i][c]) ? 0U : 1U;
        }
        CHECK(different == 0);
      }
    }
  }
}

TEST_CASE("Texts are classified with the same scores by any number of threads") {
  const auto model = sequence_classifier<float>::load(examples / "tiny-classifier", {.token_budget = 100});
  std::vector<std::string> texts(30, "Will it rain in London tomorrow?");
  texts[3] = "play";
  texts[11] = "book a table for two at a restaurant near the station that serves fish and is not too expensive";
  auto alone = model.make_workspace();
  const auto expected = model.classify(texts, alone);
  for (const std::size_t threads : {2U, 3U, 4U}) {
    thread_pool pool(threads);
    auto workspace = model.make_workspace();
    const auto got = model.classify(texts, workspace, {}, pool);
    REQUIRE(got.size() == texts.size());
    for (std::size_t i = 0; i < texts.size(); ++i) {
      REQUIRE(got[i].size() == expected[i].size());
      for (std::size_t c = 0; c < got[i].size(); ++c) {
        CHECK(got[i][c].index == expected[i][c].index);
        CHECK(got[i][c].score == expected[i][c].score);
      }
    }
    const auto one = model.classify(texts[11], workspace, {}, pool);
    CHECK(one.front().score == expected[11].front().score);
  }
}

TEST_CASE("A padded batch has the same states by any number of threads, zeros where nothing is computed") {
  const auto model = masked_lm<float>::load(examples / "tiny-mlm");
  constexpr std::size_t rows = 6;
  constexpr std::size_t length = 70;
  std::vector<token_id> ids(rows * length);
  std::vector<float> mask(ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    ids[i] = static_cast<token_id>(7 + i * 31 % 8000);
    mask[i] = i % length <= 11 * (i / length) ? 1.0F : 0.0F;
  }
  const matrix_view<const token_id> ids_view(ids.data(), {rows, length});
  const matrix_view<const float> mask_view(mask.data(), {rows, length});
  workspace alone;
  const auto with = model.encode(ids_view, mask_view, alone, {.padding_states = true});
  const auto without = model.encode(ids_view, mask_view, alone);
  const std::vector<float> zeros(model.hidden_size());
  const auto same = [&](const float* a, const float* b) {
    return std::memcmp(a, b, model.hidden_size() * sizeof(float)) == 0;
  };
  for (std::size_t r = 0; r < ids.size(); ++r) {
    const bool is_token = mask[r] != 0.0F;
    CHECK(same(without.row(r), is_token ? with.row(r) : zeros.data()));
    if (!is_token) CHECK_FALSE(same(with.row(r), zeros.data()));
  }
  for (const std::size_t threads : {2U, 4U}) {
    thread_pool pool(threads);
    workspace scratch;
    for (const bool padding : {false, true}) {
      const auto got = model.encode(ids_view, mask_view, scratch, {.padding_states = padding}, pool);
      std::size_t different = 0;
      for (std::size_t r = 0; r < ids.size(); ++r)
        different += same(got.row(r), (padding ? with : without).row(r)) ? 0U : 1U;
      CHECK(different == 0);
    }
  }
}

TEST_CASE("What an executor throws leaves calls with texts, and the workspace can be used again") {
  const auto model = masked_lm<float>::load(examples / "tiny-mlm");
  auto workspace = model.make_workspace();
  const auto expected = model.fill_mask("a cup of <mask> , please", {}, workspace);
  failing_executor failing;
  CHECK_THROWS_AS(model.fill_mask("a cup of <mask> , please", {}, workspace, failing), std::runtime_error);
  const auto got = model.fill_mask("a cup of <mask> , please", {}, workspace);
  REQUIRE(got.size() == expected.size());
  for (std::size_t c = 0; c < got.size(); ++c) CHECK(equal(got[c], expected[c]));
}
