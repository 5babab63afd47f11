// SPDX-License-Identifier: MIT
//
// BERT's stages, the composed Unicode forms, and added tokens with flags: expected values are the reference's.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fixtures.hpp"
#include "support/catch.hpp"

namespace {

namespace tokenizers = ultrafastbert::tokenizers;
using ufb_test::json;
using ufb_test::parse_changed;
using ufb_test::span_list;
using ufb_test::spans;
using ufb_test::strings;
using ultrafastbert::encoding;
using ultrafastbert::tokenizer;

struct bert {
  bool clean_text = true;
  bool handle_chinese_chars = true;
  std::optional<bool> strip_accents{};
  bool lowercase = true;
};

/// Normalizes and splits as BERT does; every code point that occurs in the tests is a token.
tokenizer bert_tokenizer(const bert& options) {
  return parse_changed([&](json& d) {
    d["normalizer"] = {{"type", "BertNormalizer"},
                       {"clean_text", options.clean_text},
                       {"handle_chinese_chars", options.handle_chinese_chars},
                       {"strip_accents", nullptr},
                       {"lowercase", options.lowercase}};
    if (options.strip_accents) d["normalizer"]["strip_accents"] = *options.strip_accents;
    d["pre_tokenizer"] = {{"type", "BertPreTokenizer"}};
    d["post_processor"] = {{"type", "BertProcessing"}, {"sep", {"<sep>", 3}}, {"cls", {"<cls>", 2}}};
    int next = 20;
    for (const char* c : {"A", "e", "E", "\xC3\xA9", "\xC3\x89", "\xCC\x81", "\xE6\xBC\xA2", "z", "-", "_",
                          "\xE2\x80\x94", "\xE2\x82\xAC"}) {
      for (const char* head : {"", "##"}) {
        const std::string token = std::string(head) + c;
        if (!d["model"]["vocab"].contains(token)) d["model"]["vocab"][token] = next++;
      }
    }
  });
}

encoding bare(const tokenizer& t, std::string_view text) { return t.encode(text, {.add_special_tokens = false}); }

std::string form(std::string_view text, const tokenizers::unicode_form& how) {
  tokenizers::normalized_text state;
  state.assign(text, 0);
  how.apply(state);
  return std::string(state.text());
}

std::vector<std::uint32_t> origins(std::string_view text, const tokenizers::unicode_form& how) {
  tokenizers::normalized_text state;
  state.assign(text, 0);
  how.apply(state);
  std::vector<std::uint32_t> out;
  for (std::size_t i = 0; i < state.text().size(); ++i) out.push_back(state.origin(i));
  return out;
}

const tokenizers::unicode_form nfc{{.composed = true}};
const tokenizers::unicode_form nfkc{{.compatibility = true, .composed = true}};
const tokenizers::unicode_form nfkd{{.compatibility = true}};

/// The small tokenizer with one more added token, number 20.
tokenizer with_token(const char* content, const std::vector<const char*>& flags) {
  return parse_changed([&](json& d) {
    json token = ufb_test::added_token(20, content);
    for (const char* flag : flags) token[flag] = true;
    d["added_tokens"].push_back(token);
  });
}

}  // namespace

TEST_CASE("BERT drops controls and keeps places", "[tokenizer][bert]") {
  const auto t = bert_tokenizer({});
  const auto got = bare(t, std::string_view("a\0b\x01 \x7F\xEF\xBF\xBDz\xE2\x80\x8B\x61\tb\x0B\xC2\x85", 19));
  CHECK(got.tokens == strings{"<unk>", "z", "##a", "b"});
  CHECK(spans(got) == span_list{{0, 3}, {7, 8}, {9, 10}, {11, 12}});
  CHECK(bare(t, "a\xE2\x80\x8B\x61").tokens == strings{"a", "##a"});
  CHECK(spans(bare(t, "a\xE2\x80\x8B\x61")) == span_list{{0, 1}, {2, 3}});
  CHECK(bare(t, "a\xC2\xA0z\nz").tokens == strings{"a", "z", "z"});
  CHECK(bare(bert_tokenizer({.clean_text = false}), "a\xE2\x80\x8B\x61").tokens == strings{"<unk>"});
}

TEST_CASE("BERT puts ideographs apart unless told not to", "[tokenizer][bert]") {
  const auto got = bare(bert_tokenizer({}), "a\xE6\xBC\xA2z");
  CHECK(got.tokens == strings{"a", "\xE6\xBC\xA2", "z"});
  CHECK(spans(got) == span_list{{0, 1}, {1, 2}, {2, 3}});
  const auto joined = bare(bert_tokenizer({.handle_chinese_chars = false}), "a\xE6\xBC\xA2z");
  CHECK(joined.tokens == strings{"a", "##\xE6\xBC\xA2", "##z"});
}

TEST_CASE("Accents follow the case unless something is said about them", "[tokenizer][bert]") {
  const std::string text = "\xC3\x89";
  CHECK(bare(bert_tokenizer({}), text).tokens == strings{"e"});
  CHECK(bare(bert_tokenizer({.lowercase = false}), text).tokens == strings{"\xC3\x89"});
  CHECK(bare(bert_tokenizer({.strip_accents = true, .lowercase = false}), text).tokens == strings{"E"});
  CHECK(bare(bert_tokenizer({.strip_accents = false}), text).tokens == strings{"\xC3\xA9"});
}

TEST_CASE("BERT isolates every punctuation character and nothing else", "[tokenizer][bert]") {
  const auto t = bert_tokenizer({});
  const auto got = bare(t, "a--_z.\xE2\x80\x94\x61\xE2\x82\xACz");
  CHECK(got.tokens == strings{"a", "-", "-", "_", "z", ".", "\xE2\x80\x94", "a", "##\xE2\x82\xAC", "##z"});
  CHECK(got.offsets.back() == ultrafastbert::text_span{9, 10});
}

TEST_CASE("BERT's template has both ends and two types", "[tokenizer][bert]") {
  const auto t = bert_tokenizer({});
  CHECK(t.encode("a").tokens == strings{"<cls>", "a", "<sep>"});
  const auto pair = t.encode("a", "z z");
  CHECK(pair.tokens == strings{"<cls>", "a", "<sep>", "z", "z", "<sep>"});
  CHECK(pair.type_ids == std::vector<std::uint32_t>{0, 0, 0, 1, 1, 1});
  CHECK(pair.special_tokens_mask == std::vector<std::uint8_t>{1, 0, 1, 0, 0, 1});
  CHECK(t.encode("a", "z", {.add_special_tokens = false}).type_ids == std::vector<std::uint32_t>{0, 1});
}

TEST_CASE("Composed forms join what belongs together and respect exclusions and blocking", "[tokenizer][forms]") {
  CHECK(form("e\xCC\x81", nfc) == "\xC3\xA9");
  CHECK(form("a\xCC\xA3\xCC\x82", nfc) == "\xE1\xBA\xAD");                     // both marks
  CHECK(form("a\xCC\x82\xCC\xA3", nfc) == "\xE1\xBA\xAD");                     // in canonical order first
  CHECK(form("a\xCC\x82\xCC\x82", nfc) == "\xC3\xA2\xCC\x82");                 // the second is blocked
  CHECK(form("\xE0\xA4\x95\xE0\xA4\xBC", nfc) == "\xE0\xA4\x95\xE0\xA4\xBC");  // excluded from composition
  CHECK(form("\xE1\x84\x80\xE1\x85\xA1\xE1\x86\xA8", nfc) == "\xEA\xB0\x81");  // Hangul syllable
  CHECK(form("\xCC\x81"
             "e",
             nfc) ==
        "\xCC\x81"
        "e");                                          // a mark without a starter
  CHECK(form("\xEF\xAC\x81", nfc) == "\xEF\xAC\x81");  // ligature fi
  CHECK(form("\xEF\xAC\x81", nfkc) == "fi");
  CHECK(form("\xEF\xBC\xA1\xC2\xBD", nfkc) ==
        "A1\xE2\x81\x84"
        "2");
  CHECK(form("\xC3\xA9", nfkd) == "e\xCC\x81");
  CHECK(form("\xE1\xBA\x9B\xCC\xA3", nfkc) == "\xE1\xB9\xA9");  // long s with two dots
}

TEST_CASE("A composed character stands where its starter stood", "[tokenizer][forms]") {
  CHECK(origins("xe\xCC\x81z", nfc) == std::vector<std::uint32_t>{0, 1, 1, 3});
  CHECK(origins("\xEF\xAC\x81z", nfkc) == std::vector<std::uint32_t>{0, 0, 1});
  CHECK(origins("\xEA\xB0\x81z", nfc) == std::vector<std::uint32_t>{0, 0, 0, 1});
}

TEST_CASE("Marks that are younger than the reference's tables are no marks", "[tokenizer][forms]") {
  CHECK_FALSE(tokenizers::is_mark(0x1ABF));
  CHECK(tokenizers::is_mark(0x1ABE));
  CHECK_FALSE(tokenizers::is_bert_accent(0x1ABF));
  CHECK_FALSE(tokenizers::is_punctuation(0x2E43));
  CHECK(tokenizers::is_punctuation(0x2E42));
  CHECK(tokenizers::combining_class(0x1ABF) == 0);
}

TEST_CASE("An added token may ask for a word of its own", "[tokenizer][added_tokens]") {
  const auto t = with_token("on the", {"single_word"});
  CHECK(bare(t, "on the cat").ids == std::vector<ultrafastbert::token_id>{20, 6});
  CHECK(bare(t, "on theb").ids == std::vector<ultrafastbert::token_id>{9, 1});
  CHECK(bare(t, "\xC3\xA9on the").ids == std::vector<ultrafastbert::token_id>{1, 5});
  CHECK(bare(t, ".on the.").ids == std::vector<ultrafastbert::token_id>{10, 20, 10});
}

TEST_CASE("An added token may take in the white space beside it", "[tokenizer][added_tokens]") {
  const auto left = bare(with_token("<new>", {"lstrip"}), "cat \xC2\xA0 <new> cat");
  CHECK(left.tokens == strings{"cat", " \xC2\xA0 <new>", "cat"});
  CHECK(spans(left) == span_list{{0, 3}, {3, 11}, {12, 15}});
  const auto right = bare(with_token("<new>", {"rstrip"}), "cat <new>\t\n cat<new>");
  CHECK(right.tokens == strings{"cat", "<new>\t\n ", "cat", "<new>"});
  CHECK(spans(right) == span_list{{0, 3}, {4, 12}, {12, 15}, {15, 20}});
  const auto both = bare(with_token("<new>", {"lstrip", "rstrip"}), "<new>  <new>  <new>");
  CHECK(both.tokens == strings{"<new>  ", "<new>  ", "<new>"});
}

TEST_CASE("A normalized added token is looked for in normalized text", "[tokenizer][added_tokens]") {
  const auto t = with_token("N\xC3\x89W", {"normalized"});
  const auto got = bare(t, "cat new NEW n\xC3\xA9w");
  CHECK(got.ids == std::vector<ultrafastbert::token_id>{6, 20, 20, 20});
  CHECK(got.tokens == strings{"cat", "new", "new", "new"});
  CHECK(t.id_to_token(20) == "N\xC3\x89W");
}
