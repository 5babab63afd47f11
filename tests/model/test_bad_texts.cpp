// SPDX-License-Identifier: MIT
//
// Texts that cannot be computed among texts that can: the error names text and word, and the calls that begin with
// `try_` give everything else.
#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "model/support.hpp"
#include "ultrafastbert/ultrafastbert.hpp"

using namespace ultrafastbert;
using namespace ufb_test;

namespace {

// A published folder with two words too many, and numbers left out between them.
folder_copy with_words_too_many(const std::filesystem::path& from, std::size_t rows) {
  folder_copy folder(from);
  folder.add_words({{"zyzzyva", rows}, {"zythum", rows + 5}});
  return folder;
}

std::string without_row(const std::string& word, std::size_t id, std::size_t rows) {
  return "words with a row in the word matrix, ids below " + std::to_string(rows) + ": '" + word + "' with id " +
         std::to_string(id);
}

std::string text_of_problem(const std::optional<error>& problem) {
  if (!problem) return "none";
  return error_text_of([&] { throw error(*problem); });
}

bool equal(const std::vector<label_score>& a, const std::vector<label_score>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const label_score& x, const label_score& y) {
    return x.index == y.index && x.logit == y.logit && x.score == y.score;
  });
}

const std::filesystem::path classifier = std::filesystem::path(UFB_EXAMPLE_MODEL_DIR) / "tiny-classifier";

std::string of_words(std::size_t count) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i) text += "the ";
  return text;
}

}  // namespace

TEST_CASE("A vocabulary larger than the word matrix loads, and the report counts the words without a row") {
  const folder_copy folder = with_words_too_many(golden_model("e2e_fff"), 3000);
  load_report report;
  const auto model = masked_lm<float>::load(folder.path(), {.report = &report});
  CHECK(report.words_without_row == 2);
  static_cast<void>(masked_lm<float>::load(golden_model("e2e_fff"), {.strict = true, .report = &report}));
  CHECK(report.words_without_row == 0);
  const auto e = error_of([&] { static_cast<void>(masked_lm<float>::load(folder.path(), {.strict = true})); });
  REQUIRE(e);
  CHECK(name(e->code()) == "bad_vocabulary");
  CHECK(e->file() == (folder.path() / "tokenizer.json").string());
  CHECK(e->expected() == "words with a row in the word matrix, ids below 3000, as strict asks");
  CHECK(e->found() == "2 without one, the first of them 'zyzzyva' with id 3000");
}

TEST_CASE("A text that uses a word without a row is refused by text and word") {
  const folder_copy folder = with_words_too_many(golden_model("e2e_fff"), 3000);
  const auto model = masked_lm<float>::load(folder.path());
  auto scratch = model.make_workspace();
  const std::vector<std::string> texts{"the <mask>", "a <mask> zythum", "zyzzyva"};
  const auto e = error_of([&] { static_cast<void>(model.fill_mask(texts, {}, scratch)); });
  REQUIRE(e);
  CHECK(e->file() == (folder.path() / "tokenizer.json").string());
  CHECK(text_of_problem(e) == "bad_vocabulary: texts[1]: " + without_row("zythum", 3005, 3000));
  CHECK(error_text_of([&] { static_cast<void>(model.encode({"the zyzzyva"}, scratch)); }) ==
        "bad_vocabulary: texts[0]: " + without_row("zyzzyva", 3000, 3000));
  CHECK(error_text_of([&] {
          static_cast<void>(compare_models(model, model, {"a", "b zythum"}, scratch));
        }) == "bad_vocabulary: texts[1]: " + without_row("zythum", 3005, 3000));
  // Ids are the caller's own.
  const std::vector<token_id> ids{1, 3000};
  CHECK(error_text_of([&] {
          static_cast<void>(model.encode({ids.data(), {1, 2}}, {}, scratch));
        }) == "invalid_input: ids[1]: 0 to 2999: 3000");
}

TEST_CASE("One bad text spoils its own states alone") {
  const folder_copy folder = with_words_too_many(golden_model("e2e_fff"), 3000);
  const auto model = encoder_model<float>::load(folder.path(), {.token_budget = 30});
  auto scratch = model.make_workspace();
  const std::string long_one = of_words(80);
  const std::vector<std::string_view> texts{"the old bridge", long_one, "a zyzzyva", "in winter", "a", long_one};
  const auto got = model.try_encode(texts, scratch);
  REQUIRE(got.problems.size() == texts.size());
  CHECK(text_of_problem(got.problems[1]) == "invalid_input: texts[1]: at most 64 tokens, or truncation: 81");
  CHECK(text_of_problem(got.problems[2]) == "bad_vocabulary: texts[2]: " + without_row("zyzzyva", 3000, 3000));
  CHECK(got.problems[5]);
  for (const std::size_t good : {0U, 3U, 4U}) CHECK_FALSE(got.problems[good]);
  REQUIRE(got.texts == std::vector<std::size_t>{0, 3, 4});
  const auto expected = model.encode({texts[0], texts[3], texts[4]}, scratch);
  REQUIRE(got.offsets == expected.offsets);
  for (std::size_t r = 0; r < got.states.rows(); ++r) {
    CHECK(std::memcmp(got.states.row(r), expected.states.row(r), model.hidden_size() * sizeof(float)) == 0);
  }
}

TEST_CASE("One bad text or pair spoils its own scores alone") {
  const folder_copy folder = with_words_too_many(classifier, 8192);
  const auto model = sequence_classifier<float>::load(folder.path(), {.token_budget = 50});
  auto scratch = model.make_workspace();
  thread_pool pool(2);
  const std::string long_one = of_words(130);
  const std::vector<std::string_view> texts{"play some jazz", long_one, "rain zythum?", "book a table"};
  const auto got = model.try_classify(texts, scratch);
  const auto threaded = model.try_classify(texts, scratch, {}, pool);
  REQUIRE(got.size() == 4);
  CHECK(text_of_problem(got[1].problem) == "invalid_input: texts[1]: at most 128 tokens, or truncation: 131");
  CHECK(text_of_problem(got[2].problem) == "bad_vocabulary: texts[2]: " + without_row("zythum", 8197, 8192));
  for (const std::size_t i : {0U, 3U}) {
    CHECK_FALSE(got[i].problem);
    REQUIRE(got[i].result);
    CHECK(equal(*got[i].result, model.classify(texts[i], scratch)));
    CHECK(equal(*threaded.at(i).result, *got[i].result));
  }
  CHECK_FALSE(got[1].result);
  CHECK_FALSE(got[2].result);
  // What can be cut is no bad text.
  text_report report;
  const auto cut = model.try_classify(texts, scratch, {.truncation = true, .report = &report});
  CHECK(cut.at(1).result);
  CHECK(cut.at(2).problem);
  CHECK(report.truncated == 1);

  std::vector<text_pair> pairs{{.first = "play", .second = "jazz"}, {.first = "zythum", .second = "a"}};
  const auto paired = model.try_classify(pairs, scratch);
  REQUIRE(paired.size() == 2);
  REQUIRE(paired[0].result);
  CHECK(equal(*paired[0].result, model.classify("play", "jazz", scratch)));
  CHECK(text_of_problem(paired[1].problem) == "bad_vocabulary: texts[1]: " + without_row("zythum", 8197, 8192));
  const std::vector<std::string_view> none;
  CHECK(model.try_classify(none, scratch).empty());
}

TEST_CASE("One bad text spoils its own masks alone") {
  const folder_copy folder = with_words_too_many(golden_model("e2e_fff"), 3000);
  const auto model = masked_lm<float>::load(folder.path());
  auto scratch = model.make_workspace();
  const std::vector<std::string_view> texts{"the <mask> bridge", "zyzzyva <mask>", "no mask", "<mask> <mask>", ""};
  const auto got = model.try_fill_mask(texts, {.top_k = 2}, scratch);
  REQUIRE(got.size() == texts.size());
  CHECK(text_of_problem(got[1].problem) == "bad_vocabulary: texts[1]: " + without_row("zyzzyva", 3000, 3000));
  CHECK_FALSE(got[1].result);
  const std::size_t counts[] = {2, 0, 0, 4, 0};
  for (const std::size_t i : {0U, 2U, 3U, 4U}) {
    REQUIRE(got[i].result);
    const auto alone = model.fill_mask(texts[i], {.top_k = 2}, scratch);
    REQUIRE(got[i].result->size() == counts[i]);
    REQUIRE(alone.size() == counts[i]);
    for (std::size_t c = 0; c < counts[i]; ++c) CHECK(got[i].result->at(c).logit == alone[c].logit);
  }
  CHECK(error_text_of([&] { static_cast<void>(model.try_fill_mask(texts, {.top_k = 0}, scratch)); }) ==
        "invalid_input: top_k: at least 1: 0");
}

TEST_CASE("A mask that was cut off has no candidates, and its text is counted") {
  const auto model = masked_lm<float>::load(golden_model("e2e_fff"));
  auto scratch = model.make_workspace();
  const std::vector<std::string> texts{"the <mask> bridge", of_words(70) + "<mask>", of_words(20)};
  text_report report;
  const auto got = model.fill_mask(texts, {.top_k = 2, .texts = {.truncation = true, .report = &report}}, scratch);
  REQUIRE(got.size() == 3);
  CHECK(got[0].size() == 2);
  CHECK(got[1].empty());
  CHECK(report.truncated == 1);
  CHECK(report.left_out == 72 - 64);
  const auto kept = model.fill_mask(
      texts, {.top_k = 2, .texts = {.truncation = true, .direction = truncation_direction::left, .report = &report}},
      scratch);
  CHECK(kept[1].size() == 2);
  CHECK(kept[1][0].position == 62);
  CHECK(error_text_of([&] {
          static_cast<void>(
              model.fill_mask(texts, {.texts = {.truncation = true, .overflow = true, .report = &report}}, scratch));
        }).find("invalid_input: overflow: false") == 0);
}
