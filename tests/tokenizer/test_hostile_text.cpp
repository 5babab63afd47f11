// SPDX-License-Identifier: MIT
//
// Texts and files made to be slow or to need much memory: a quadratic step anywhere would let these tests time out.
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "fixtures.hpp"
#include "support/catch.hpp"

namespace {

using ufb_test::error_of;
using ufb_test::json;
using ufb_test::parse_changed;
using ufb_test::repeat;
using ufb_test::small_tokenizer;
using ultrafastbert::encoding;
using ultrafastbert::error_code;
using ultrafastbert::tokenizer;

constexpr std::size_t million = 1'000'000;

std::size_t tokens(const tokenizer& t, const std::string& text) {
  return t.encode(text, {.add_special_tokens = false}).size();
}

}  // namespace

TEST_CASE("A million times the same character is done in one sweep", "[tokenizer][hostile]") {
  const auto t = ufb_test::parse(small_tokenizer());
  CHECK(tokens(t, std::string(million, 'a')) == 1);     // one unknown word
  CHECK(tokens(t, std::string(million, ' ')) == 0);     // collapses
  CHECK(tokens(t, std::string(million, '`')) == 1);     // half as many quotes
  CHECK(tokens(t, std::string(million, '\0')) == 1);    // controls are symbols
  CHECK(tokens(t, std::string(million, '\xFF')) == 0);  // replacement characters, dropped
  CHECK(tokens(t, std::string(million, '<')) == 1);
  CHECK(tokens(t, repeat("\xC3\xA9", million)) == 1);  // decomposes to e
  CHECK(tokens(t, repeat("\xC3\x9F", million)) == 0);  // dropped
}

TEST_CASE("A million combining marks are sorted and dropped", "[tokenizer][hostile]") {
  const auto t = ufb_test::parse(small_tokenizer());
  CHECK(tokens(t, "a" + repeat("\xCC\x81\xCC\xA3", million / 2) + "b") == 1);
  const auto marks_kept = parse_changed([](json& d) {
    d["normalizer"] = {{"type", "NFD"}};
    d["model"]["max_input_chars_per_word"] = 10 * million;
    d["model"]["vocab"]["##\xCC\x81"] = 20;
    d["model"]["vocab"]["##\xCC\xA3"] = 21;
  });
  const encoding got = marks_kept.encode("a" + repeat("\xCC\x81\xCC\xA3", million / 2), {.add_special_tokens = false});
  REQUIRE(got.size() == million + 1);
  CHECK(got.ids[1] == 21);
  CHECK(got.ids[million / 2] == 21);
  CHECK(got.ids[million / 2 + 1] == 20);
  CHECK(got.offsets[million / 2].begin == million / 2);
}

TEST_CASE("Beginnings of added tokens and added tokens by the hundred thousand", "[tokenizer][hostile]") {
  const auto t = ufb_test::parse(small_tokenizer());
  CHECK(tokens(t, repeat("<mas", million / 4)) == million / 2);
  const encoding masks = t.encode(repeat("<mask>", million / 6), {.add_special_tokens = false});
  CHECK(masks.size() == million / 6);
  CHECK(masks.offsets.back().end == million / 6 * 6);
  CHECK(tokens(t, repeat("<mask>a", million / 7)) == 2 * (million / 7));
}

TEST_CASE("A word of any length is covered piece by piece when the model allows it", "[tokenizer][hostile]") {
  const auto t = parse_changed([](json& d) { d["model"]["max_input_chars_per_word"] = std::uint64_t{1} << 40U; });
  CHECK(tokens(t, std::string(million, 'a')) == million);
  CHECK(tokens(t, std::string(million - 1, 'a') + "z") == 1);
}

TEST_CASE("Tokens that almost fit cost no more than their length", "[tokenizer][hostile]") {
  const auto t = parse_changed([](json& d) {
    d["model"]["max_input_chars_per_word"] = million;
    d["model"]["vocab"]["##" + std::string(1000, 'a') + "z"] = 20;
    d["normalizer"] = nullptr;
  });
  CHECK(tokens(t, std::string(million / 10, 'a')) == million / 10);
}

TEST_CASE("Many short words with as many tokens as fit", "[tokenizer][hostile]") {
  const auto t = ufb_test::parse(small_tokenizer());
  CHECK(tokens(t, repeat("a ", million / 2)) == million / 2);
  CHECK(tokens(t, repeat(std::string(100, 'a') + " ", million / 100)) == million);
  CHECK(tokens(t, repeat("a.", million / 2)) == million);
}

TEST_CASE("Decoding and pairs keep up with long texts", "[tokenizer][hostile]") {
  const auto t = ufb_test::parse(small_tokenizer());
  const std::string text = repeat("cats on . ", million / 10);
  const encoding got = t.encode(text, text, {.max_length = million / 5});
  CHECK(got.size() == million / 5);
  CHECK(got.truncated);
  CHECK(t.decode(got.ids).size() > million / 5);
}

TEST_CASE("Replacements that multiply their own output are stopped", "[tokenizer][hostile]") {
  const auto t = parse_changed([](json& d) {
    json double_a = {{"type", "Replace"}, {"pattern", {{"String", "a"}}}, {"content", "aa"}};
    d["normalizer"] = {{"type", "Sequence"}, {"normalizers", json(200, double_a)}};
  });
  CHECK(tokens(t, "the cot") == 2);
  const auto error = error_of([&] { (void)t.encode("the cat"); });
  REQUIRE(error);
  CHECK(error->code() == error_code::limit_exceeded);
  CHECK(error->where() == "$.normalizer");
}

TEST_CASE("Any bytes are a text: the encoding is aligned and its places are in order", "[tokenizer][hostile]") {
  const auto t = ufb_test::parse(small_tokenizer());
  std::mt19937 random(5);
  const std::vector<std::string> parts{"the",
                                       "cats",
                                       " ",
                                       "  ",
                                       "``",
                                       "''",
                                       "<mask>",
                                       "<ma",
                                       "\xCC\x81",
                                       "\xC3\xA9",
                                       "\xFF",
                                       "\xE2\x82",
                                       std::string(1, '\0'),
                                       "\xC2\xA0",
                                       ".",
                                       "\n"};
  for (int round = 0; round < 3000; ++round) {
    std::string text;
    const std::size_t count = random() % 20;
    for (std::size_t i = 0; i < count; ++i) text += parts[random() % parts.size()];
    const encoding got = t.encode(text, {.add_special_tokens = false});
    const std::size_t length =
        ultrafastbert::tokenizers::count_code_points(ultrafastbert::tokenizers::repair_utf8(text));
    std::uint32_t last = 0;
    for (const auto& span : got.offsets) {
      REQUIRE(span.begin >= last);
      REQUIRE(span.begin < span.end);
      last = span.end;
    }
    REQUIRE(last <= length);
  }
}

TEST_CASE("A file with very many tokens is read or refused without ado", "[tokenizer][hostile]") {
  const auto with_vocabulary = [](std::size_t count) {
    std::string members;
    for (std::size_t i = 0; i < count; ++i) {
      if (i != 0) members += ',';
      members += "\"t" + std::to_string(i) + "\":" + std::to_string(i);
    }
    return R"({"model":{"type":"WordPiece","unk_token":"t0","continuing_subword_prefix":"##",)"
           R"("max_input_chars_per_word":100,"vocab":{)" +
           members + "}}}";
  };
  const auto t = tokenizer::parse(with_vocabulary(300'000), "memory");
  CHECK(t.vocabulary_size() == 300'000);
  CHECK(t.token_to_id("t299999") == 299'999);
  const auto error = error_of([&] { (void)tokenizer::parse(with_vocabulary((std::size_t{1} << 21U) + 1), "memory"); });
  REQUIRE(error);
  CHECK(error->code() == error_code::limit_exceeded);
  CHECK(error->where() == "$.model.vocab");
  CHECK(error->expected() == "at most 2097152 tokens");
}
