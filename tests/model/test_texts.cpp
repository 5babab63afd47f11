// SPDX-License-Identifier: MIT
//
// States of texts: strings, views and braces, offsets of rows, truncation with overflow, passes, threads.
#include <algorithm>
#include <cstddef>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/support.hpp"
#include "ultrafastbert/ultrafastbert.hpp"

using namespace ultrafastbert;
using namespace ufb_test;

namespace {

using model_type = encoder_model<float>;

const std::vector<std::string> texts{"the old bridge", "a", "she went to the market every day", "In winter!"};

// Of words that are one token each, with <sep> behind them.
std::string long_text(std::size_t words) {
  std::string text;
  const char* const some[] = {"the ", "old ", "bridge ", "a ", "day ", "market "};
  for (std::size_t i = 0; i < words; ++i) text += some[i * i % 6];
  return text;
}

bool same_rows(const matrix_view<const float>& a, const matrix_view<const float>& b) {
  bool same = a.rows() == b.rows() && a.cols() == b.cols();
  for (std::size_t r = 0; same && r < a.rows(); ++r) {
    same = std::memcmp(a.row(r), b.row(r), a.cols() * sizeof(float)) == 0;
  }
  return same;
}

// Whether every row has the states that its ids have alone.
bool rows_are_those_of_ids(const model_type& model, const text_states<float>& got) {
  auto scratch = model.make_workspace();
  for (std::size_t r = 0; r < got.texts.size(); ++r) {
    const auto& ids = got.encodings[r].ids;
    if (!same_rows(got.row(r), model.encode({ids.data(), {1, ids.size()}}, {}, scratch).view())) return false;
  }
  return got.states.rows() == got.offsets.back() && got.offsets.size() == got.texts.size() + 1;
}

bool equal(const text_states<float>& a, const text_states<float>& b) {
  return a.offsets == b.offsets && a.texts == b.texts && same_rows(a.states.view(), b.states.view());
}

template <class Model>
concept takes_pairs_in_braces = requires(const Model& model, workspace& scratch) {
  model.encode({{"a", "b"}, {"c", "d"}}, scratch);
};

}  // namespace

TEST_CASE("Every row of the states of texts belongs to a text, and says where its tokens stand") {
  const auto model = model_type::load(golden_model("e2e_fff"));
  auto scratch = model.make_workspace();
  const auto got = model.encode(texts, scratch);
  REQUIRE(got.texts == std::vector<std::size_t>{0, 1, 2, 3});
  CHECK(rows_are_those_of_ids(model, got));
  CHECK(got.problems.empty());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const auto expected = model.text_tokenizer().encode(texts[i]);
    CHECK(got.encodings[i].ids == expected.ids);
    CHECK(got.encodings[i].offsets == expected.offsets);
    CHECK(got.offsets[i + 1] - got.offsets[i] == expected.size());
  }
  const text_span second = got.encodings[0].byte_offsets[1];
  CHECK(texts[0].substr(second.begin, second.end - second.begin) == "old");
}

TEST_CASE("Texts in strings, in views and in braces are the same call") {
  const auto model = model_type::load(golden_model("e2e_fff"));
  auto scratch = model.make_workspace();
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  const auto expected = model.encode(texts, scratch);
  CHECK(equal(model.encode(views, scratch), expected));
  CHECK(equal(model.encode(std::span<const std::string_view>(views), scratch), expected));
  CHECK(equal(model.encode({texts[0], texts[1], texts[2], texts[3]}, scratch), expected));
  CHECK(equal(model.encode({"the old bridge", "a"}, scratch), model.encode(std::span(texts).first(2), scratch)));
  CHECK(model.encode({"the old bridge"}, scratch).texts.size() == 1);
  CHECK(model.encode(std::vector<std::string>{}, scratch).states.rows() == 0);
  CHECK(model.encode(std::vector<std::string>{}, scratch).offsets == std::vector<std::size_t>{0});
  STATIC_REQUIRE_FALSE(takes_pairs_in_braces<model_type>);  // each would be read as the two ends of one text
}

TEST_CASE("Texts are spread over threads and cut into passes without a trace in the states") {
  const auto model = model_type::load(golden_model("e2e_fff"));
  const auto cut = model_type::load(golden_model("e2e_fff"), {.token_budget = 20});
  std::vector<std::string> many;
  for (std::size_t i = 0; i < 60; ++i) many.push_back(i % 7 == 3 ? long_text(50) : texts[i % texts.size()]);
  auto scratch = model.make_workspace();
  const auto expected = model.encode(many, scratch);
  CHECK(rows_are_those_of_ids(model, expected));
  CHECK(equal(cut.encode(many, scratch), expected));
  for (const std::size_t threads : {2U, 3U}) {
    thread_pool pool(threads);
    CHECK(equal(model.encode(many, scratch, {}, pool), expected));
    CHECK(equal(cut.encode(many, scratch, {}, pool), expected));
  }
}

TEST_CASE("Texts that are too long are refused by number, or cut where that is asked for, and counted") {
  const auto model = model_type::load(golden_model("e2e_fff"));
  auto scratch = model.make_workspace();
  const std::vector<std::string> some{"a", long_text(80), "the day", long_text(70), long_text(63)};
  CHECK(error_text_of([&] { static_cast<void>(model.encode(some, scratch)); }) ==
        "invalid_input: texts[1]: at most 64 tokens, or truncation: 81");

  text_report report;
  const auto got = model.encode(some, scratch, {.truncation = true, .report = &report});
  CHECK(rows_are_those_of_ids(model, got));
  CHECK(report.truncated == 2);
  CHECK(report.left_out == 81 - 64 + 71 - 64);
  CHECK(report.texts == std::vector<std::size_t>{0, 1, 2, 3, 4});
  CHECK(report.tokens == std::vector<std::size_t>{2, 64, 3, 64, 64});
  CHECK(got.encodings[1].ids == model.text_tokenizer().encode(some[1], {.max_length = 64}).ids);
  CHECK(got.encodings[1].truncated);
  CHECK(got.encodings[4].size() == 64);

  const auto left =
      model.encode(some, scratch, {.truncation = true, .max_length = 10, .direction = truncation_direction::left});
  CHECK(left.encodings[3].ids ==
        model.text_tokenizer().encode(some[3], {.max_length = 10, .direction = truncation_direction::left}).ids);
  CHECK(left.offsets == std::vector<std::size_t>{0, 2, 12, 15, 25, 35});
}

TEST_CASE("What was cut off comes back as further rows, which the report tells apart") {
  const auto model = model_type::load(golden_model("e2e_fff"), {.token_budget = 100});
  auto scratch = model.make_workspace();
  const std::vector<std::string> some{"a", long_text(150), "the market", long_text(70)};
  for (const std::size_t stride : {0U, 5U}) {
    text_report report;
    const auto got =
        model.encode(some, scratch, {.truncation = true, .stride = stride, .overflow = true, .report = &report});
    CHECK(rows_are_those_of_ids(model, got));
    CHECK(report.truncated == 2);
    CHECK(report.left_out == 0);
    CHECK(report.texts == got.texts);
    CHECK(got.texts == std::vector<std::size_t>{0, 1, 1, 1, 2, 3, 3});
    std::vector<token_id> joined;
    for (std::size_t r = 1; r < 4; ++r) {
      auto ids = got.encodings[r].ids;
      ids.pop_back();  // the template's <sep>
      joined.insert(joined.end(), ids.begin() + static_cast<std::ptrdiff_t>(r == 1 ? 0 : stride), ids.end());
    }
    joined.push_back(*model.text_tokenizer().special_id(special_role::sep));
    CHECK(joined == model.text_tokenizer().encode(some[1]).ids);
  }
}

TEST_CASE("Options of truncation that contradict each other are refused") {
  const auto model = model_type::load(golden_model("e2e_fff"));
  auto scratch = model.make_workspace();
  const auto text = [&](const text_options& options) {
    return error_text_of([&] { static_cast<void>(model.encode({"a", "b"}, scratch, options)); });
  };
  const std::string without = "invalid_input: truncation: true, as other members ask for a truncation: false";
  text_report report;
  CHECK(text({.max_length = 10}) == without);
  CHECK(text({.strategy = truncation_strategy::only_first}) == without);
  CHECK(text({.direction = truncation_direction::left}) == without);
  CHECK(text({.stride = 2}) == without);
  CHECK(text({.overflow = true, .report = &report}) == without);
  CHECK(text({.truncation = true, .max_length = 65}) ==
        "invalid_input: max_length: at most 64, the positions of the model: 65");
  CHECK(text({.truncation = true, .stride = 2}) == "invalid_input: overflow: true, as there is a stride: false");
  CHECK(text({.truncation = true, .overflow = true}) ==
        "invalid_input: report: one, which tells the rows of a text apart: none");
  report.truncated = 7;
  CHECK(text({.truncation = true, .max_length = 65, .report = &report}) != "none");
  CHECK(report.truncated == 7);  // a failed call leaves it alone
  CHECK(text({.truncation = true, .max_length = 64, .report = &report}) == "none");
  CHECK(report.truncated == 0);
}

TEST_CASE("A call with texts needs a tokenizer, and says which folder has none") {
  const auto model = model_type::load(golden_model("mlm_fff_d4_p1"));
  auto scratch = model.make_workspace();
  const auto check = [](const std::optional<error>& e) {
    REQUIRE(e);
    CHECK(e->where() == "tokenizer");
    CHECK(e->file() == golden_model("mlm_fff_d4_p1").string());
    CHECK(e->found() == "none");
  };
  check(error_of([&] { static_cast<void>(model.encode({"a", "b"}, scratch)); }));
  check(error_of([&] { static_cast<void>(model.encode(std::vector<std::string>{}, scratch)); }));
  const std::vector<std::string_view> views{"a"};
  check(error_of([&] { static_cast<void>(model.try_encode(views, scratch)); }));
}
