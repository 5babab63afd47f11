// SPDX-License-Identifier: MIT
//
// Truncation: which tokens stay, which the further encodings hold, and which wishes are refused. Expected values are
// the reference's where it has them.
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "fixtures.hpp"
#include "support/catch.hpp"

namespace {

namespace tokenizers = ultrafastbert::tokenizers;
using tokenizers::text_lengths;
using ufb_test::error_of;
using ufb_test::json;
using ufb_test::strings;
using ultrafastbert::encode_options;
using ultrafastbert::encoding;
using ultrafastbert::error_code;
using ultrafastbert::tokenizer;
using ultrafastbert::truncation_direction;
using ultrafastbert::truncation_strategy;

/// BERT's template around words of one letter.
const tokenizer& letters() {
  static const tokenizer t = ufb_test::parse_changed([](json& d) {
    json vocabulary = {{"<pad>", 0}, {"<unk>", 1}, {"<cls>", 2}, {"<sep>", 3}, {"<mask>", 4}};
    int next = 5;
    for (char c = 'a'; c <= 'z'; ++c) vocabulary[std::string(1, c)] = next++;
    d["model"]["vocab"] = vocabulary;
    d["post_processor"] = {{"type", "BertProcessing"}, {"sep", {"<sep>", 3}}, {"cls", {"<cls>", 2}}};
  });
  return t;
}

/// The tokens of an encoding and of its further ones, written behind each other.
strings rows(const encoding& e) {
  strings out;
  const auto add = [&out](const encoding& each) {
    std::string row;
    for (const auto& token : each.tokens) row += token == "<cls>" ? "[" : token == "<sep>" ? "|" : token;
    out.push_back(row);
  };
  add(e);
  for (const auto& further : e.overflow) add(further);
  return out;
}

text_lengths cut(const text_lengths& lengths, std::size_t added, const encode_options& options) {
  return tokenizers::truncate_lengths(lengths, added, options);
}

constexpr auto left = truncation_direction::left;
constexpr auto only_first = truncation_strategy::only_first;
constexpr auto only_second = truncation_strategy::only_second;

void check_refusal(const encode_options& options, bool is_pair, const std::string& where, const std::string& expected,
                   const std::string& found) {
  const auto error = error_of([&] {
    if (is_pair) {
      (void)letters().encode("a b c d e", "v w x y z", options);
    } else {
      (void)letters().encode("a b c d e", options);
    }
  });
  REQUIRE(error);
  INFO(error->what());
  CHECK(error->code() == error_code::invalid_input);
  CHECK(error->where() == where);
  CHECK(error->expected() == expected);
  CHECK(error->found() == found);
}

}  // namespace

TEST_CASE("Both texts are first cut to max_length, which decides which one counts as the shorter",
          "[tokenizer][truncation]") {
  // The example of the format's description: 5 + 4 words, max_length 4, three tokens of the template.
  CHECK(rows(letters().encode("a b c d e", "w x y z", {.max_length = 4})) == strings{"[|w|"});
  const auto kept = [](std::size_t first, std::size_t second, std::size_t max_length) {
    return cut({.first = first, .second = second, .is_pair = true}, 3, {.max_length = max_length});
  };
  const auto lengths = [](std::size_t first, std::size_t second) {
    return text_lengths{.first = first, .second = second, .is_pair = true};
  };
  CHECK(kept(9, 6, 8) == lengths(3, 2));  // 8 and 6: the second is the shorter
  CHECK(kept(9, 6, 6) == lengths(1, 2));  // 6 and 6: the first counts as the shorter
  CHECK(kept(6, 9, 6) == lengths(1, 2));
  CHECK(kept(9, 5, 6) == lengths(2, 1));
  CHECK(kept(1000, 999, 512) == lengths(254, 255));
  CHECK(kept(999, 1000, 512) == lengths(254, 255));
  CHECK(kept(600, 511, 512) == lengths(255, 254));
  CHECK(kept(9, 2, 8) == lengths(3, 2));
  CHECK(kept(2, 9, 8) == lengths(2, 3));
  CHECK(kept(9, 9, 3) == lengths(0, 0));
}

TEST_CASE("The length that is kept is the reference's for all small pairs", "[tokenizer][truncation]") {
  for (std::size_t max_length = 3; max_length < 14; ++max_length) {
    for (std::size_t first = 0; first < 14; ++first) {
      for (std::size_t second = 0; second < 14; ++second) {
        const auto got = cut({.first = first, .second = second, .is_pair = true}, 3, {.max_length = max_length});
        // The reference's own steps, one after the other.
        const std::size_t room = max_length - 3;
        std::size_t a = std::min(first, max_length);
        std::size_t b = std::min(second, max_length);
        if (a + b > room) {
          const bool swapped = a > b;
          if (swapped) std::swap(a, b);
          b = a > room ? a : std::max(a, room - a);
          if (a + b > room) {
            a = room / 2;
            b = a + room % 2;
          }
          if (swapped) std::swap(a, b);
        }
        INFO(first << " + " << second << " with " << max_length);
        CHECK(got == text_lengths{.first = a, .second = b, .is_pair = true});
      }
    }
  }
}

TEST_CASE("Either end of a text can be cut off", "[tokenizer][truncation]") {
  CHECK(rows(letters().encode("a b c d e", {.max_length = 5})) == strings{"[abc|"});
  const auto got = letters().encode("a b c d e", {.max_length = 5, .direction = left});
  CHECK(rows(got) == strings{"[cde|"});
  CHECK(ufb_test::spans(got) == ufb_test::span_list{{0, 0}, {4, 5}, {6, 7}, {8, 9}, {0, 0}});
  CHECK(got.truncated);
  CHECK(got.left_out == 2);
  CHECK(rows(letters().encode("a b c d e", "v w x y z", {.max_length = 8, .direction = left})) == strings{"[de|xyz|"});
  CHECK(rows(letters().encode("a b c d e", "y z", {.max_length = 7, .strategy = only_first, .direction = left})) ==
        strings{"[de|yz|"});
  CHECK(rows(letters().encode("a b", "v w x y z", {.max_length = 7, .strategy = only_second})) == strings{"[ab|vw|"});
}

TEST_CASE("What is cut off comes back in further encodings", "[tokenizer][truncation]") {
  const std::string_view text = "a b c d e f g h";
  CHECK(rows(letters().encode(text, {.max_length = 5, .overflow = true})) == strings{"[abc|", "[def|", "[gh|"});
  CHECK(rows(letters().encode(text, {.max_length = 5, .overflow = true, .stride = 1})) ==
        strings{"[abc|", "[cde|", "[efg|", "[gh|"});
  CHECK(rows(letters().encode(text, {.max_length = 5, .overflow = true, .stride = 2})) ==
        strings{"[abc|", "[bcd|", "[cde|", "[def|", "[efg|", "[fgh|"});
  CHECK(rows(letters().encode(text, {.max_length = 5, .direction = left, .overflow = true})) ==
        strings{"[fgh|", "[cde|", "[ab|"});
  CHECK(rows(letters().encode(text, {.max_length = 5, .direction = left, .overflow = true, .stride = 1})) ==
        strings{"[fgh|", "[def|", "[bcd|", "[ab|"});
  CHECK(rows(letters().encode(text, {.max_length = 10, .overflow = true})) == strings{"[abcdefgh|"});
  CHECK(rows(letters().encode("", {.max_length = 5, .overflow = true})) == strings{"[|"});
  CHECK(letters().encode(text, {.max_length = 5}).overflow.empty());
}

TEST_CASE("Further encodings are complete encodings", "[tokenizer][truncation]") {
  const auto got =
      letters().encode("a b", "v w x y z", {.max_length = 7, .strategy = only_second, .overflow = true, .stride = 1});
  REQUIRE(rows(got) == strings{"[ab|vw|", "[ab|wx|", "[ab|xy|", "[ab|yz|"});
  const auto& last = got.overflow.back();
  CHECK(last.ids == std::vector<ultrafastbert::token_id>{2, 5, 6, 3, 29, 30, 3});
  CHECK(last.type_ids == std::vector<std::uint32_t>{0, 0, 0, 0, 1, 1, 1});
  CHECK(last.sequence_ids == std::vector<std::int8_t>{-1, 0, 0, -1, 1, 1, -1});
  CHECK(last.special_tokens_mask == std::vector<std::uint8_t>{1, 0, 0, 1, 0, 0, 1});
  CHECK(last.attention_mask == std::vector<std::uint8_t>(7, 1));
  CHECK(ufb_test::spans(last) == ufb_test::span_list{{0, 0}, {0, 1}, {2, 3}, {0, 0}, {6, 7}, {8, 9}, {0, 0}});
  CHECK(last.byte_offsets == last.offsets);
  CHECK(last.truncated);
  CHECK(last.left_out == 3);
  CHECK(last.overflow.empty());
}

TEST_CASE("Where both texts are cut, each part of one stands with each of the other", "[tokenizer][truncation]") {
  CHECK(rows(letters().encode("a b c", "w x y z", {.max_length = 6, .overflow = true})) ==
        strings{"[a|wx|", "[b|wx|", "[b|yz|", "[c|wx|", "[c|yz|", "[a|yz|"});
  CHECK(
      rows(letters().encode("a b c", "w x y z", {.max_length = 7, .direction = left, .overflow = true, .stride = 1})) ==
      strings{"[bc|yz|", "[ab|yz|", "[ab|xy|", "[ab|wx|", "[bc|xy|", "[bc|wx|"});
}

TEST_CASE("Together the encodings hold every token, however long the text is", "[tokenizer][truncation]") {
  // The reference stops tokenizing a text at max_length tokens; here nothing is lost.
  std::string text;
  for (std::size_t i = 0; i < 1000; ++i) text += std::string(1, static_cast<char>('a' + i % 26)) + ' ';
  const auto whole = letters().encode(text, {.add_special_tokens = false});
  for (const auto direction : {truncation_direction::right, left}) {
    for (const std::size_t stride : {0U, 3U, 6U}) {
      const auto got =
          letters().encode(text, {.max_length = 9, .direction = direction, .overflow = true, .stride = stride});
      std::vector<bool> seen(1000, false);
      const auto note = [&](const encoding& each) {
        REQUIRE(each.size() <= 9);
        for (std::size_t t = 1; t + 1 < each.size(); ++t) {
          const std::size_t word = each.offsets[t].begin / 2;
          CHECK(each.ids[t] == whole.ids[word]);
          seen[word] = true;
        }
      };
      note(got);
      for (const auto& further : got.overflow) note(further);
      CHECK(std::count(seen.begin(), seen.end(), false) == 0);
      CHECK(got.overflow.size() == (1000 - 7 + 7 - stride - 1) / (7 - stride));
    }
  }
}

TEST_CASE("Truncation that cannot be done as wished is refused with the numbers", "[tokenizer][truncation]") {
  check_refusal(
      {.max_length = 6, .strategy = only_second}, true, "max_length",
      "at least 9 for the 5 tokens of the first text, the 3 tokens of the template and one token of the second "
      "text",
      "6, which leaves room for 3 tokens of 5 + 5");
  check_refusal(
      {.max_length = 8, .strategy = only_first}, true, "max_length",
      "at least 9 for the 5 tokens of the second text, the 3 tokens of the template and one token of the first "
      "text",
      "8, which leaves room for 5 tokens of 5 + 5");
  check_refusal({.max_length = 6, .strategy = only_second}, false, "strategy",
                "longest_first or only_first for a single text",
                "only_second, a single text of 5 tokens and room for 4");
  check_refusal({.max_length = 4, .strategy = only_second, .add_special_tokens = false}, false, "strategy",
                "longest_first or only_first for a single text",
                "only_second, a single text of 5 tokens and room for 4");
}

TEST_CASE("A stride must leave room for progress and serve a purpose", "[tokenizer][truncation]") {
  check_refusal({.max_length = 5, .overflow = true, .stride = 3}, false, "stride",
                "less than 3, the room for tokens of the texts", "3");
  check_refusal({.max_length = 9, .overflow = true, .stride = 6}, true, "stride",
                "less than 6, the room for tokens of the texts", "6");
  check_refusal({.max_length = 9, .overflow = true, .stride = 3}, true, "stride",
                "less than 3, the room for tokens of the first text", "3");
  check_refusal({.max_length = 5, .stride = 1}, false, "stride", "0, unless overflow is asked for", "1");
  check_refusal({.overflow = true, .stride = 1}, false, "stride", "0 where there is no max_length", "1");
  for (const encode_options& options :
       {encode_options{.overflow = true}, encode_options{.direction = left}, encode_options{.strategy = only_first}}) {
    check_refusal(options, true, "max_length", "a limit, as other options say how to cut a text", "0");
  }
  check_refusal({.max_length = 2, .overflow = true}, false, "max_length", "at least 3, as overflow is asked for",
                "2, all of it for the tokens of the template");
  check_refusal({.max_length = 4, .overflow = true}, true, "max_length",
                "room for at least one token of the first text, as overflow is asked for",
                "4, which leaves none for its 5 tokens");
  // The options are refused whether or not the text needs to be cut.
  const auto short_text =
      error_of([] { (void)letters().encode("", {.max_length = 5, .overflow = true, .stride = 3}); });
  REQUIRE(short_text);
  CHECK(short_text->where() == "stride");
}

TEST_CASE("Any max_length is a length or a typed error", "[tokenizer][truncation]") {
  constexpr std::size_t most = std::numeric_limits<std::size_t>::max();
  for (const std::size_t max_length : {most, most - 1, most / 2, most / 4}) {
    CHECK(rows(letters().encode("a b", "z", {.max_length = max_length})) == strings{"[ab|z|"});
    const auto got = letters().encode(
        "a b", {.max_length = max_length, .direction = left, .overflow = true, .stride = max_length - 3});
    CHECK(rows(got) == strings{"[ab|"});
  }
}

TEST_CASE("More encodings than anybody can hold are refused", "[tokenizer][truncation]") {
  const std::string text = ufb_test::repeat("a ", 2000);
  const auto error = error_of([&] { (void)letters().encode(text, text, {.max_length = 5, .overflow = true}); });
  REQUIRE(error);
  CHECK(error->code() == error_code::limit_exceeded);
  CHECK(error->expected() == "at most 1048576 encodings of a text or pair");
  CHECK(error->found() == "2000 parts of the first text times 2000 of the second");
}
