// SPDX-License-Identifier: MIT
//
// The calls of a tokenizer: templates, truncation, padding, decoding, lookup.
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "fixtures.hpp"
#include "support/catch.hpp"

namespace {

using ufb_test::error_of;
using ufb_test::json;
using ufb_test::parse_changed;
using ufb_test::small_tokenizer;
using ufb_test::span_list;
using ufb_test::spans;
using ufb_test::strings;
using ultrafastbert::encode_options;
using ultrafastbert::error_code;
using ultrafastbert::token_id;
using ultrafastbert::truncation_strategy;
using ids = std::vector<token_id>;
using mask = std::vector<std::uint8_t>;
using types = std::vector<std::uint32_t>;

json special(const char* id, int type) { return {{"SpecialToken", {{"id", id}, {"type_id", type}}}}; }
json sequence(const char* id, int type) { return {{"Sequence", {{"id", id}, {"type_id", type}}}}; }

/// Numbers of tokens that stay of texts with `first` and `second` tokens.
std::pair<std::size_t, std::size_t> kept(std::size_t first, std::size_t second, std::size_t room,
                                         truncation_strategy strategy) {
  static const auto t = ufb_test::parse(small_tokenizer());
  const auto got = t.encode(ufb_test::repeat("a ", first), ufb_test::repeat("b ", second),
                            {.max_length = room, .strategy = strategy, .add_special_tokens = false});
  std::pair<std::size_t, std::size_t> out{0, 0};
  for (const auto& token : got.tokens) ++(token == "a" ? out.first : out.second);
  CHECK(got.truncated == (first + second > room));
  return out;
}

}  // namespace

TEST_CASE("The template places its tokens and type ids around the texts", "[tokenizer][template]") {
  const auto t = parse_changed([](json& d) {
    d["post_processor"]["pair"] =
        json::array({special("<cls>", 7), sequence("B", 2), special("both", 3), sequence("A", 1)});
    d["post_processor"]["special_tokens"]["both"] = {{"id", "both"}, {"ids", {4, 3}}, {"tokens", {"<mask>", "<sep>"}}};
  });
  const auto got = t.encode("cat", "the <mask>");
  CHECK(got.tokens == strings{"<cls>", "the", "<mask>", "<mask>", "<sep>", "cat"});
  CHECK(got.ids == ids{2, 5, 4, 4, 3, 6});
  CHECK(got.type_ids == types{7, 2, 2, 3, 3, 1});
  CHECK(got.special_tokens_mask == mask{1, 0, 0, 1, 1, 0});
  CHECK(got.attention_mask == mask{1, 1, 1, 1, 1, 1});
  CHECK(spans(got) == span_list{{0, 0}, {0, 3}, {4, 10}, {0, 0}, {0, 0}, {0, 3}});
  const auto bare = t.encode("cat", "the", {.add_special_tokens = false});
  CHECK(bare.tokens == strings{"the", "cat"});
  CHECK(bare.type_ids == types{2, 1});
}

TEST_CASE("Without a post-processor nothing is added and the second text has type 1", "[tokenizer][template]") {
  const auto t = parse_changed([](json& d) { d["post_processor"] = nullptr; });
  const auto got = t.encode("cat", "the");
  CHECK(got.tokens == strings{"cat", "the"});
  CHECK(got.type_ids == types{0, 1});
  CHECK(got.special_tokens_mask == mask{0, 0});
  CHECK(t.encode("cat").type_ids == types{0});
  CHECK(t.encode("").size() == 0);
}

TEST_CASE("A text without a pre-tokenizer is one piece", "[tokenizer]") {
  const auto t = parse_changed([](json& d) {
    d["pre_tokenizer"] = nullptr;
    d["model"]["vocab"]["## on"] = 20;
  });
  CHECK(t.encode("cat on", {.add_special_tokens = false}).tokens == strings{"cat", "## on"});
  CHECK(t.encode("cat  on", {.add_special_tokens = false}).tokens == strings{"cat", "## on"});
  CHECK(t.encode("\xC3\x9F", {.add_special_tokens = false}).size() == 0);
}

TEST_CASE("A single text is cut to the room the template leaves", "[tokenizer][truncation]") {
  const auto t = ufb_test::parse(small_tokenizer());
  const auto cut = t.encode("the cat sat on", {.max_length = 3});
  CHECK(cut.tokens == strings{"the", "cat", "<sep>"});
  CHECK(cut.truncated);
  CHECK_FALSE(t.encode("the cat sat on", {.max_length = 5}).truncated);
  CHECK(t.encode("the cat sat on", {.max_length = 1}).tokens == strings{"<sep>"});
  CHECK(t.encode("the cat", {.max_length = 1, .strategy = truncation_strategy::only_first, .add_special_tokens = false})
            .tokens == strings{"the"});
}

TEST_CASE("The longer text is cut down to half the room before both are", "[tokenizer][truncation]") {
  const auto strategy = truncation_strategy::longest_first;
  CHECK(kept(3, 5, 8, strategy) == std::pair<std::size_t, std::size_t>{3, 5});
  CHECK(kept(3, 9, 8, strategy) == std::pair<std::size_t, std::size_t>{3, 5});
  CHECK(kept(9, 3, 8, strategy) == std::pair<std::size_t, std::size_t>{5, 3});
  CHECK(kept(9, 6, 8, strategy) == std::pair<std::size_t, std::size_t>{4, 4});
  CHECK(kept(6, 9, 7, strategy) == std::pair<std::size_t, std::size_t>{3, 4});
  CHECK(kept(9, 6, 7, strategy) == std::pair<std::size_t, std::size_t>{4, 3});
  CHECK(kept(6, 6, 7, strategy) == std::pair<std::size_t, std::size_t>{3, 4});
  CHECK(kept(0, 9, 4, strategy) == std::pair<std::size_t, std::size_t>{0, 4});
  CHECK(kept(4, 4, 1, strategy) == std::pair<std::size_t, std::size_t>{0, 1});
}

TEST_CASE("A named text alone is cut, and a cut that cannot suffice is refused", "[tokenizer][truncation]") {
  CHECK(kept(9, 3, 8, truncation_strategy::only_first) == std::pair<std::size_t, std::size_t>{5, 3});
  CHECK(kept(3, 9, 8, truncation_strategy::only_second) == std::pair<std::size_t, std::size_t>{3, 5});
  CHECK(kept(3, 3, 8, truncation_strategy::only_second) == std::pair<std::size_t, std::size_t>{3, 3});
  for (const auto strategy : {truncation_strategy::only_first, truncation_strategy::only_second}) {
    const auto error = error_of([&] { (void)kept(6, 6, 6, strategy); });
    REQUIRE(error);
    CHECK(error->code() == error_code::invalid_input);
    CHECK(error->where() == "max_length");
    CHECK(error->found() == "6, which leaves room for 6 tokens of 6 + 6");
  }
  const auto t = ufb_test::parse(small_tokenizer());
  const encode_options second{.max_length = 2, .strategy = truncation_strategy::only_second};
  CHECK(t.encode("the", second).size() == 2);
  const auto error = error_of([&] { (void)t.encode("the cat", second); });
  REQUIRE(error);
  CHECK(error->code() == error_code::invalid_input);
  CHECK(error->where() == "strategy");
  CHECK(error->found() == "only_second, a single text of 2 tokens and room for 1");
}

TEST_CASE("A length below the template's own tokens is refused", "[tokenizer][truncation]") {
  const auto t = ufb_test::parse(small_tokenizer());
  CHECK(t.encode("cat", "cat", {.max_length = 3}).tokens == strings{"<cls>", "<sep>", "<sep>"});
  const auto error = error_of([&] { (void)t.encode("cat", "cat", {.max_length = 2}); });
  REQUIRE(error);
  CHECK(error->code() == error_code::invalid_input);
  CHECK(error->where() == "max_length");
  CHECK(error->expected() == "0 or at least 3, the tokens of the template");
  CHECK(error->found() == "2");
}

TEST_CASE("A batch is padded on the right to its longest encoding or to a fixed length", "[tokenizer][padding]") {
  const auto t = ufb_test::parse(small_tokenizer());
  const std::vector<std::string> texts{"the cat", "", "cats"};
  for (const std::size_t length : {std::size_t{0}, std::size_t{6}}) {
    const auto batch = t.encode_batch(texts, {}, {.length = length});
    const std::size_t width = length == 0 ? 3 : length;
    REQUIRE(batch.size() == 3);
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const auto alone = t.encode(texts[i]);
      const auto& row = batch[i];
      REQUIRE(row.size() == width);
      for (std::size_t k = 0; k < width; ++k) {
        const bool real = k < alone.size();
        CHECK(row.ids[k] == (real ? alone.ids[k] : 0));
        CHECK(row.tokens[k] == (real ? alone.tokens[k] : "<pad>"));
        CHECK(row.type_ids[k] == 0);
        CHECK(row.offsets[k] == (real ? alone.offsets[k] : ultrafastbert::text_span{}));
        CHECK(row.attention_mask[k] == (real ? 1 : 0));
        CHECK(row.special_tokens_mask[k] == (real ? alone.special_tokens_mask[k] : 1));
      }
    }
  }
}

TEST_CASE("Padding never cuts an encoding", "[tokenizer][padding]") {
  const auto t = ufb_test::parse(small_tokenizer());
  const std::vector<std::string> texts{"the", "the cat sat"};
  const auto error = error_of([&] { (void)t.encode_batch(texts, {}, {.length = 3}); });
  REQUIRE(error);
  CHECK(error->code() == error_code::invalid_input);
  CHECK(error->where() == "padding.length");
  CHECK(error->expected() == "at least 4, the length of the longest encoding");
  CHECK(error->found() == "3");
  const auto batch = t.encode_batch(texts, {.max_length = 3}, {.length = 3});
  CHECK(batch[1].truncated);
  CHECK(batch[1].tokens == strings{"the", "cat", "<sep>"});
}

TEST_CASE("The pad token may have any name and is missed only by batches", "[tokenizer][padding]") {
  const auto t = ufb_test::parse(small_tokenizer());
  const std::vector<std::string> texts{"the", "the cat"};
  CHECK(t.encode_batch(texts, {}, {.pad_token = "<mask>"})[0].ids == ids{5, 3, 4});
  CHECK(t.encode_batch({}, {}, {.pad_token = "[PAD]"}).empty());
  const auto error = error_of([&] { (void)t.encode_batch(texts, {}, {.pad_token = "[PAD]"}); });
  REQUIRE(error);
  CHECK(error->code() == error_code::missing_token);
  CHECK(error->file() == "tokenizer.json");
  CHECK(error->where() == "padding.pad_token");
  CHECK(error->found() == "'[PAD]'");
}

TEST_CASE("A missing unknown token matters only to texts that need it", "[tokenizer]") {
  const auto t = parse_changed([](json& d) { d["model"]["unk_token"] = "[UNK]"; });
  CHECK(t.encode("the cat").size() == 3);
  const auto error = error_of([&] { (void)t.encode("the dog"); });
  REQUIRE(error);
  CHECK(error->code() == error_code::missing_token);
  CHECK(error->file() == "tokenizer.json");
  CHECK(error->where() == "$.model.unk_token");
  CHECK(error->expected() == "the vocabulary to contain '[UNK]'");
}

TEST_CASE("Decoding joins word pieces, cleans up and skips special tokens", "[tokenizer][decode]") {
  const auto t = ufb_test::parse(small_tokenizer());
  CHECK(t.decode(ids{}) == "");
  CHECK(t.decode(ids{2, 5, 6, 7, 10, 3}) == "the cats.");
  CHECK(t.decode(ids{2, 5, 6, 7, 10, 3}, {.skip_special_tokens = false}) == "<cls> the cats. <sep>");
  CHECK(t.decode(ids{7, 6, 4, 7}) == "##s cats");  // a continuation needs something before it
  CHECK(t.decode(ids{16, 18, 17}) == "a ' b");     // the apostrophe keeps its spaces
  const auto plain = parse_changed([](json& d) { d["decoder"]["cleanup"] = false; });
  CHECK(plain.decode(ids{5, 6, 7, 10}) == "the cats .");
  const auto none = parse_changed([](json& d) { d["decoder"] = nullptr; });
  CHECK(none.decode(ids{5, 6, 7, 10}) == "the cat ##s .");
}

TEST_CASE("Clean-up works within a token and in its fixed order", "[tokenizer][decode]") {
  const auto t = parse_changed([](json& d) {
    int next = 20;
    for (const char* token : {"n't", "'m", "do not", "'s", "'ve", "'re", "?", "!", ",", "x ' y", "a . . b"}) {
      d["added_tokens"].push_back(ufb_test::added_token(next++, token, false));
    }
  });
  CHECK(t.decode(ids{16, 20, 21, 22, 23, 24, 25, 26, 27, 28}) == "an't'm don't's've're?!,");
  CHECK(t.decode(ids{22, 22}) == "do not don't");  // the first token has no space before it
  CHECK(t.decode(ids{29, 30}) == "x'y a.. b");
}

TEST_CASE("Ids that no token has are refused", "[tokenizer][decode]") {
  const auto t = parse_changed([](json& d) { d["model"]["vocab"]["far"] = 30; });
  CHECK(t.decode(ids{30}) == "far");
  CHECK(t.id_bound() == 31);
  CHECK(t.vocabulary_size() == 21);
  for (const token_id bad : {-1, 25, 31, 2147483647, -2147483647 - 1}) {
    CHECK_FALSE(t.id_to_token(bad));
    const auto error = error_of([&] { (void)t.decode(ids{5, bad}); });
    REQUIRE(error);
    CHECK(error->code() == error_code::invalid_input);
    CHECK(error->where() == "ids[1]");
    CHECK(error->found() == std::to_string(bad));
  }
}

TEST_CASE("Tokens and ids are found in both directions", "[tokenizer]") {
  const auto t = ufb_test::parse(small_tokenizer());
  for (token_id id = 0; id < 20; ++id) {
    const auto token = t.id_to_token(id);
    REQUIRE(token);
    CHECK(t.token_to_id(*token) == id);
  }
  CHECK_FALSE(t.token_to_id("dog"));
  CHECK_FALSE(t.token_to_id(""));
  CHECK(t.is_special(4));
  CHECK_FALSE(t.is_special(5));
  CHECK(t.name() == "tokenizer.json");
}

TEST_CASE("A copy lives on when the original is gone", "[tokenizer]") {
  auto original = std::make_unique<ultrafastbert::tokenizer>(ufb_test::parse(small_tokenizer()));
  const ultrafastbert::tokenizer copy = *original;
  original.reset();
  CHECK(copy.encode("the cat").tokens == strings{"the", "cat", "<sep>"});
}
