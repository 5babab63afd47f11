// SPDX-License-Identifier: MIT
//
// What an encoding says about the places of its tokens, batches and their padding, and encodings as matrices.
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fixtures.hpp"
#include "support/catch.hpp"

namespace {

using ufb_test::error_of;
using ufb_test::json;
using ufb_test::parse_changed;
using ufb_test::small_tokenizer;
using ufb_test::strings;
using ultrafastbert::encoding;
using ultrafastbert::error_code;
using ultrafastbert::text_span;
using ultrafastbert::token_id;
using ultrafastbert::tokenizer;

tokenizer small() { return ufb_test::parse(small_tokenizer()); }

/// A tokenizer that drops nothing, so that every character is a token or a part of one.
tokenizer faithful() {
  return parse_changed([](json& d) {
    d["normalizer"] = {{"type", "NFD"}};
    d["pre_tokenizer"] = {{"type", "BertPreTokenizer"}};
  });
}

std::vector<std::pair<std::uint32_t, std::uint32_t>> byte_spans(const encoding& e) {
  std::vector<std::pair<std::uint32_t, std::uint32_t>> out;
  for (const auto& span : e.byte_offsets) out.emplace_back(span.begin, span.end);
  return out;
}

std::string_view part(std::string_view text, const text_span& bytes) {
  return text.substr(bytes.begin, bytes.end - bytes.begin);
}

template <class Tokenizer>
concept takes_two_strings_in_braces = requires(const Tokenizer& t) {
  t.encode({"a", "b"});
};
template <class Tokenizer>
concept takes_a_pair_of_braces = requires(const Tokenizer& t) {
  t.encode({"a", "b"}, "c");
};
template <class Tokenizer>
concept takes_braces_as_second_text = requires(const Tokenizer& t) {
  t.encode("c", {"a", "b"});
};
template <class Tokenizer>
concept takes_a_pair = requires(const Tokenizer& t) {
  t.encode("a", "b");
};

}  // namespace

TEST_CASE("Byte offsets cut the words out of the text as it was given", "[tokenizer][offsets]") {
  const auto t = faithful();
  const std::string text = "\xC3\xA9t\xC3\xA9 \xE2\x82\xAC a\xF0\x9F\x98\x80 cat";
  const auto got = t.encode(text, {.add_special_tokens = false});
  REQUIRE(got.size() == 4);
  CHECK(ufb_test::spans(got) == ufb_test::span_list{{0, 3}, {4, 5}, {6, 8}, {9, 12}});
  CHECK(byte_spans(got) == ufb_test::span_list{{0, 5}, {6, 9}, {10, 15}, {16, 19}});
  CHECK(part(text, got.byte_offsets[0]) == "\xC3\xA9t\xC3\xA9");
  CHECK(part(text, got.byte_offsets[1]) == "\xE2\x82\xAC");
  CHECK(part(text, got.byte_offsets[3]) == "cat");
}

TEST_CASE("Byte offsets count the bad bytes that are there, not those of the repair", "[tokenizer][offsets]") {
  const auto t = small();
  const std::string text = "a \xF0\x9F\x98 b\xFF\xFF cat";
  const auto got = t.encode(text, {.add_special_tokens = false});
  CHECK(got.tokens == strings{"a", "b", "cat"});
  CHECK(ufb_test::spans(got) == ufb_test::span_list{{0, 1}, {4, 5}, {8, 11}});
  CHECK(byte_spans(got) == ufb_test::span_list{{0, 1}, {6, 7}, {10, 13}});
  // A bad part that is a token of its own spans exactly its bytes.
  const auto kept = faithful().encode("\xE2\x82 \xE2\x82\xFF", {.add_special_tokens = false});
  CHECK(ufb_test::spans(kept) == ufb_test::span_list{{0, 1}, {2, 4}});
  CHECK(byte_spans(kept) == ufb_test::span_list{{0, 2}, {3, 6}});
}

TEST_CASE("Both kinds of offsets name the same part of any text", "[tokenizer][offsets]") {
  std::mt19937 random(23);
  const strings parts{"the",
                      "cats",
                      " ",
                      "``",
                      "<mask>",
                      "\xCC\x81",
                      "\xC3\xA9",
                      "\xFF",
                      "\xE2\x82",
                      "\xED\xA0\x80",
                      "\xF0\x9F\x98\x80",
                      "\xEA\xB0\x81",
                      ".",
                      std::string(1, '\0'),
                      "\xC2\xA0"};
  const tokenizer both[] = {small(), faithful()};
  for (int round = 0; round < 2000; ++round) {
    std::string text;
    const std::size_t count = random() % 16;
    for (std::size_t i = 0; i < count; ++i) text += parts[random() % parts.size()];
    const auto starts = ultrafastbert::tokenizers::code_point_starts(text);
    for (const tokenizer& t : both) {
      const auto got = t.encode(text);
      REQUIRE(got.byte_offsets.size() == got.size());
      for (std::size_t i = 0; i < got.size(); ++i) {
        if (got.special_tokens_mask[i] != 0) {
          REQUIRE(got.byte_offsets[i] == text_span{});
          continue;
        }
        REQUIRE(got.byte_offsets[i].begin == starts.at(got.offsets[i].begin));
        REQUIRE(got.byte_offsets[i].end == starts.at(got.offsets[i].end));
        REQUIRE(got.byte_offsets[i].end <= text.size());
      }
    }
  }
}

TEST_CASE("Every token says which text it comes from", "[tokenizer][offsets]") {
  const auto t = small();
  const auto pair = t.encode("the <mask>", "cats");
  CHECK(pair.tokens == strings{"<cls>", "the", "<mask>", "<sep>", "cat", "##s", "<sep>"});
  CHECK(pair.sequence_ids == std::vector<std::int8_t>{-1, 0, 0, -1, 1, 1, -1});
  CHECK(t.encode("the").sequence_ids == std::vector<std::int8_t>{0, -1});
  CHECK(t.encode("", "the", {.add_special_tokens = false}).sequence_ids == std::vector<std::int8_t>{1});
  CHECK(t.encode_batch({"the cat", "a"})[1].sequence_ids == std::vector<std::int8_t>{0, -1, -1});
}

TEST_CASE("Two strings in braces are never taken for the ends of one", "[tokenizer][batch]") {
  STATIC_REQUIRE_FALSE(takes_two_strings_in_braces<tokenizer>);
  STATIC_REQUIRE_FALSE(takes_a_pair_of_braces<tokenizer>);
  STATIC_REQUIRE_FALSE(takes_braces_as_second_text<tokenizer>);
  STATIC_REQUIRE(takes_a_pair<tokenizer>);
  const auto t = small();
  const auto batch = t.encode_batch({"the", "cat"});
  REQUIRE(batch.size() == 2);
  CHECK(batch[0].tokens == strings{"the", "<sep>"});
  CHECK(batch[1].tokens == strings{"cat", "<sep>"});
}

TEST_CASE("A batch may be given as strings, views or a list", "[tokenizer][batch]") {
  const auto t = small();
  const strings owned{"the cat", "a"};
  const std::vector<std::string_view> views{"the cat", "a"};
  const std::string first = "the cat";
  for (const auto& batch : {t.encode_batch(owned), t.encode_batch(std::span<const std::string>(owned)),
                            t.encode_batch(views), t.encode_batch(std::span<const std::string_view>(views)),
                            t.encode_batch({"the cat", "a"}), t.encode_batch({first, std::string("a")})}) {
    REQUIRE(batch.size() == 2);
    CHECK(batch[0].tokens == strings{"the", "cat", "<sep>"});
    CHECK(batch[1].tokens == strings{"a", "<sep>", "<pad>"});
  }
  CHECK(t.encode_batch({"the cat"}).size() == 1);
  CHECK(t.encode_batch(strings{}).empty());
}

TEST_CASE("Batches are padded with the tokenizer's own pad token, whatever its spelling and id", "[tokenizer][batch]") {
  const auto bert = tokenizer::load(std::string(UFB_TEST_DATA_DIR) + "/tokenizers/bert_uncased");
  const auto batch = bert.encode_batch({"a", "a b c"});
  CHECK(batch[0].tokens == strings{"[CLS]", "a", "[SEP]", "[PAD]", "[PAD]"});
  const auto moved = parse_changed([](json& d) {
    std::swap(d["model"]["vocab"]["<pad>"], d["model"]["vocab"]["##s"]);
    d["added_tokens"][0]["id"] = d["model"]["vocab"]["<pad>"];
  });
  CHECK(moved.encode_batch({"a", "a b"})[0].ids == std::vector<token_id>{16, 3, 7});
}

TEST_CASE("A pad token is missed only where it is needed", "[tokenizer][batch]") {
  const auto t = parse_changed([](json& d) {
    d["added_tokens"].erase(0);
    d["model"]["vocab"].erase("<pad>");
  });
  CHECK(t.encode_batch({"a", "b"}).size() == 2);
  CHECK(t.to_matrices(t.encode_batch({"a", "b"})).rows() == 2);
  const auto error = error_of([&] { (void)t.encode_batch({"a", "a b"}); });
  REQUIRE(error);
  CHECK(error->code() == error_code::missing_token);
  CHECK(error->file() == "tokenizer.json");
  CHECK(error->where() == "pad_token");
  CHECK(error->expected() == "'[PAD]' or '<pad>' in the vocabulary");
}

TEST_CASE("A length beyond all bounds is a typed error", "[tokenizer][batch]") {
  const auto t = small();
  constexpr std::size_t most = std::numeric_limits<std::size_t>::max();
  for (const std::size_t length : {most, most - 1, most / 2, std::size_t{1} << 31U}) {
    const auto batch = error_of([&] { (void)t.encode_batch({"a"}, {}, {.length = length}); });
    REQUIRE(batch);
    CHECK(batch->code() == error_code::invalid_input);
    CHECK(batch->where() == "padding.length");
    CHECK(batch->expected() == "at most 2147483647");
    CHECK(batch->found() == std::to_string(length));
    const std::vector<encoding> one{t.encode("a")};
    const auto matrices = error_of([&] { (void)t.to_matrices(one, {.length = length}); });
    REQUIRE(matrices);
    CHECK(matrices->where() == "padding.length");
  }
  for (const std::size_t multiple : {std::size_t{0}, std::size_t{1} << 31U, most}) {
    const auto batch = error_of([&] { (void)t.encode_batch({"a"}, {}, {.multiple = multiple}); });
    REQUIRE(batch);
    CHECK(batch->code() == error_code::invalid_input);
    CHECK(batch->where() == "padding.multiple");
    CHECK(batch->found() == std::to_string(multiple));
  }
}

TEST_CASE("An error of a batch names the text", "[tokenizer][batch]") {
  const auto t = parse_changed([](json& d) { d["model"]["unk_token"] = "[UNK]"; });
  const auto error = error_of([&] { (void)t.encode_batch({"the", "the dog", "cat"}); });
  REQUIRE(error);
  CHECK(error->code() == error_code::missing_token);
  CHECK(error->file() == "tokenizer.json");
  CHECK(error->where() == "texts[1]: $.model.unk_token");
  // What is wrong with the options is not the fault of a text.
  const auto options = error_of([&] { (void)t.encode_batch({"the"}, {.max_length = 3, .stride = 1}); });
  REQUIRE(options);
  CHECK(options->where() == "stride");
}

TEST_CASE("Overflow is padded like everything else", "[tokenizer][batch]") {
  const auto t = small();
  const auto batch = t.encode_batch({"a b a b a", "cat"}, {.max_length = 3, .overflow = true});
  REQUIRE(batch.size() == 2);
  REQUIRE(batch[0].overflow.size() == 2);
  CHECK(batch[0].tokens == strings{"a", "b", "<sep>"});
  CHECK(batch[0].overflow[0].tokens == strings{"a", "b", "<sep>"});
  CHECK(batch[0].overflow[1].tokens == strings{"a", "<sep>", "<pad>"});
  CHECK(batch[0].overflow[1].attention_mask == std::vector<std::uint8_t>{1, 1, 0});
  CHECK(batch[0].overflow[1].byte_offsets[2] == text_span{});
  CHECK(batch[1].tokens == strings{"cat", "<sep>", "<pad>"});
}

TEST_CASE("Encodings that were made one by one can be padded together", "[tokenizer][batch]") {
  const auto t = small();
  std::vector<encoding> pairs{t.encode("the", "cat"), t.encode("a", "b a b")};
  t.pad(pairs);
  CHECK(pairs[0].size() == 7);
  CHECK(pairs[0].tokens.back() == "<pad>");
  t.pad(pairs, {.length = 9, .pad_token = "<mask>"});
  CHECK(pairs[1].ids == std::vector<token_id>{2, 16, 3, 17, 16, 17, 3, 4, 4});
  const auto copy = pairs;
  const auto error = error_of([&] { t.pad(pairs, {.length = 8}); });
  REQUIRE(error);
  CHECK(error->expected() == "at least 9, the length of the longest encoding");
  CHECK(pairs[1].ids == copy[1].ids);
}

TEST_CASE("Encodings become matrices with a row for each, overflow behind its first", "[tokenizer][matrices]") {
  const auto t = parse_changed([](json& d) {
    d["post_processor"] = {{"type", "BertProcessing"}, {"sep", {"<sep>", 3}}, {"cls", {"<cls>", 2}}};
  });
  const std::vector<encoding> encodings{
      t.encode("a b a", "the cat",
               {.max_length = 6, .strategy = ultrafastbert::truncation_strategy::only_first, .overflow = true}),
      t.encode("b")};
  const auto m = t.to_matrices(encodings);
  REQUIRE(m.rows() == 4);
  REQUIRE(m.length() == 6);
  CHECK(m.ids().rows() == 4);
  CHECK(m.ids().cols() == 6);
  CHECK(m.ids().stride() == 6);
  const std::vector<token_id> expected_ids{2, 16, 3, 5, 6, 3, 2, 17, 3, 5, 6, 3, 2, 16, 3, 5, 6, 3, 2, 17, 3, 0, 0, 0};
  const std::vector<float> expected_mask{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0};
  const std::vector<std::uint32_t> expected_types{0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1,
                                                  0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0};
  CHECK(std::vector<token_id>(m.ids().data(), m.ids().data() + 24) == expected_ids);
  CHECK(std::vector<float>(m.mask().data(), m.mask().data() + 24) == expected_mask);
  CHECK(std::vector<std::uint32_t>(m.type_ids().data(), m.type_ids().data() + 24) == expected_types);
  CHECK(std::vector<std::size_t>(m.texts().begin(), m.texts().end()) == std::vector<std::size_t>{0, 0, 0, 1});
}

TEST_CASE("Matrices of padded encodings and of unpadded ones are the same", "[tokenizer][matrices]") {
  const auto t = small();
  const strings texts{"the cat", "", "cats on a"};
  std::vector<encoding> alone;
  for (const auto& text : texts) alone.push_back(t.encode(text));
  const auto padded = t.to_matrices(t.encode_batch(texts, {}, {.length = 6}));
  const auto direct = t.to_matrices(alone, {.length = 6});
  REQUIRE(padded.length() == 6);
  for (std::size_t r = 0; r < 3; ++r) {
    for (std::size_t c = 0; c < 6; ++c) {
      CHECK(padded.ids()(r, c) == direct.ids()(r, c));
      CHECK(padded.mask()(r, c) == direct.mask()(r, c));
      CHECK(padded.type_ids()(r, c) == direct.type_ids()(r, c));
    }
  }
  CHECK(direct.mask()(1, 0) == 1.0F);
  CHECK(direct.mask()(1, 1) == 0.0F);
  CHECK(t.to_matrices({}).rows() == 0);
  CHECK(t.to_matrices({}).ids().empty());
}

TEST_CASE("Encodings whose vectors disagree are refused", "[tokenizer][matrices]") {
  const auto t = small();
  std::vector<encoding> broken{t.encode("a"), t.encode("b")};
  broken[1].attention_mask.resize(40, 1);
  const auto error = error_of([&] { (void)t.to_matrices(broken); });
  REQUIRE(error);
  CHECK(error->code() == error_code::invalid_input);
  CHECK(error->where() == "encodings[1]");
  CHECK(error->found() == "2 ids, 40 masks, 2 types");
}

TEST_CASE("A tokenizer that was moved from can still be used", "[tokenizer]") {
  tokenizer first = small();
  const tokenizer second = std::move(first);
  CHECK(first.encode("cat").ids == second.encode("cat").ids);  // NOLINT(bugprone-use-after-move): that is the point
}
