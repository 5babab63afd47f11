// SPDX-License-Identifier: MIT
//
// The stages between a text and its tokens: repair, normalizer steps and alignment, pre-tokenizer, WordPiece, added
// tokens.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fixtures.hpp"
#include "support/catch.hpp"

namespace {

namespace tokenizers = ultrafastbert::tokenizers;
using ufb_test::json;
using ufb_test::parse_changed;
using ufb_test::small_tokenizer;
using ufb_test::span_list;
using ufb_test::spans;
using ufb_test::strings;

struct aligned {
  std::string text;
  std::vector<std::uint32_t> origins;  // one per byte
  friend bool operator==(const aligned&, const aligned&) = default;
};

aligned normalized(std::string_view text, const tokenizers::normalizer& step) {
  tokenizers::normalized_text state;
  state.assign(text, 0);
  step.apply(state);
  aligned out{.text = std::string(state.text()), .origins = {}};
  for (std::size_t i = 0; i < state.text().size(); ++i) out.origins.push_back(state.origin(i));
  return out;
}

strings pieces(std::string_view text) {
  tokenizers::pre_tokenized_text state;
  state.text().assign(text, 0);
  state.join();
  tokenizers::whitespace_pre_tokenizer{}.apply(state);
  strings out;
  for (const auto& piece : state.pieces()) out.emplace_back(text.substr(piece.begin, piece.end - piece.begin));
  return out;
}

strings split_at(const std::vector<tokenizers::added_token>& tokens, std::string_view text) {
  strings out;
  tokenizers::added_token_matcher(tokens).split(
      text, [&](std::size_t begin, std::size_t end, std::optional<ultrafastbert::token_id> id) {
        out.push_back((id ? std::to_string(*id) + "=" : "") + std::string(text.substr(begin, end - begin)));
      });
  return out;
}

}  // namespace

TEST_CASE("A user-perceived character ends where the standard says") {
  const auto parts = [](std::string_view text) {
    strings out;
    for (std::size_t begin = 0; begin < text.size();) {
      const std::size_t end = tokenizers::end_of_user_character(text, begin);
      out.emplace_back(text.substr(begin, end - begin));
      begin = end;
    }
    return out;
  };
  CHECK(parts("ab\r\nc") == strings{"a", "b", "\r\n", "c"});
  CHECK(parts("e\u0301\u0323x") == strings{"e\u0301\u0323", "x"});
  CHECK(parts("\u0600a\u0600") == strings{"\u0600a", "\u0600"});
  // Syllables of Hangul: letters in a row, and letters behind a syllable, also behind a sign that begins a character.
  CHECK(parts("\u1112\u1166\u11bb\u1112") == strings{"\u1112\u1166\u11bb", "\u1112"});
  CHECK(parts("\u0600\u1112\u1166\u11bb") == strings{"\u0600\u1112\u1166\u11bb"});
  CHECK(parts("\uac00\u11a8\uac01\u1161") == strings{"\uac00\u11a8", "\uac01", "\u1161"});
  CHECK(parts("\uac00\u1161\u11a8\u11a8\u1161") == strings{"\uac00\u1161\u11a8\u11a8", "\u1161"});
  CHECK(parts("\u1112\u11bb") == strings{"\u1112", "\u11bb"});
  // A joiner joins pictures only.
  CHECK(parts("\u00a9\u200d\U0001f600") == strings{"\u00a9\u200d\U0001f600"});
  CHECK(parts("\u00ae\u200d\u00a9a") == strings{"\u00ae\u200d\u00a9", "a"});
  CHECK(parts("\u00a9\u200da") == strings{"\u00a9\u200d", "a"});
  CHECK(parts("a\u200d\U0001f600") == strings{"a\u200d", "\U0001f600"});
}

TEST_CASE("A token's place leaves its blanks out, but for one that was added") {
  constexpr tokenizers::offset_trim added{.add_prefix_space = true};
  constexpr tokenizers::offset_trim plain{.add_prefix_space = false};
  const auto place = [](std::uint32_t begin, std::uint32_t end, std::string_view token, bool first,
                        const tokenizers::offset_trim& trim) {
    const auto span = tokenizers::trimmed({begin, end}, tokenizers::count_blank_ends(token), first, trim);
    return std::pair(span.begin, span.end);
  };
  CHECK(place(0, 4, "\u0120the", true, added) == std::pair(0U, 4U));
  CHECK(place(0, 4, "\u0120the", true, plain) == std::pair(1U, 4U));
  CHECK(place(3, 7, "\u0120the", false, added) == std::pair(4U, 7U));
  CHECK(place(0, 4, "\u0120the", false, added) == std::pair(0U, 4U));
  CHECK(place(0, 9, "   <mask>", true, added) == std::pair(3U, 9U));
  CHECK(place(0, 8, "\n\n<mask>", true, added) == std::pair(2U, 8U));
  CHECK(place(0, 7, " <mask>", true, added) == std::pair(0U, 7U));
  CHECK(place(2, 6, "a \u0120", false, added) == std::pair(2U, 4U));
  CHECK(place(5, 6, "\u0120", false, added) == std::pair(6U, 6U));
}

TEST_CASE("Each maximal bad part of invalid UTF-8 becomes one replacement character", "[tokenizer][utf8]") {
  const std::string r = "\xEF\xBF\xBD";
  const std::vector<std::pair<std::string, std::string>> cases{
      {"a\x80z", "a" + r + "z"},                     // continuation alone
      {"\xC0\xAF", r + r},                           // overlong two-byte form
      {"\xE0\x80\xAF", r + r + r},                   // overlong three-byte form
      {"\xED\xA0\x80", r + r + r},                   // surrogate
      {"\xF4\x90\x80\x80", r + r + r + r},           // beyond U+10FFFF
      {"\xF5\xFE\xFF", r + r + r},                   // bytes that never occur
      {"\xE2\x82z", r + "z"},                        // three-byte form cut after two bytes
      {"\xF0\x9F\x98", r},                           // cut by the end of the text
      {"\xF0\x9F\xE2\x82\xAC", r + "\xE2\x82\xAC"},  // cut by the start of another character
      {"\xC3\xA9\xF0\x9F\x98\x80", "\xC3\xA9\xF0\x9F\x98\x80"},
  };
  for (const auto& [bad, good] : cases) {
    CHECK(tokenizers::repair_utf8(bad) == good);
    CHECK(tokenizers::is_valid_utf8(bad) == (bad == good));
    CHECK(tokenizers::is_valid_utf8(good));
  }
}

TEST_CASE("Repaired bytes are always valid and valid text is left alone", "[tokenizer][utf8]") {
  std::mt19937 random(7);
  for (int round = 0; round < 2000; ++round) {
    std::string bytes;
    for (std::size_t i = 0; i < 12; ++i) bytes += static_cast<char>(static_cast<unsigned char>(random() >> 7U));
    const std::string repaired = tokenizers::repair_utf8(bytes);
    CHECK(tokenizers::is_valid_utf8(repaired));
    CHECK(tokenizers::repair_utf8(repaired) == repaired);
  }
}

TEST_CASE("A bad part counts as one code point of the original text", "[tokenizer][utf8]") {
  const auto t = ufb_test::parse(small_tokenizer());
  const auto got = t.encode("a \xF0\x9F\x98 b\xFF\xFF cat", {.add_special_tokens = false});
  CHECK(got.tokens == strings{"a", "b", "cat"});
  CHECK(spans(got) == span_list{{0, 1}, {4, 5}, {8, 11}});
}

TEST_CASE("A replacement stands for the last character of what it replaces", "[tokenizer][normalizer]") {
  const tokenizers::replace_string quote{"``", "\""};
  CHECK(normalized("a``b", quote) == aligned{"a\"b", {0, 2, 3}});
  CHECK(normalized("```", quote) == aligned{"\"`", {1, 2}});
  CHECK(normalized("ab", quote) == aligned{"ab", {0, 1}});
  CHECK(normalized("", quote) == aligned{"", {}});
  const tokenizers::replace_string grow{"\xC3\xA9", "xyz"};
  CHECK(normalized("\xC3\xA9!", grow) == aligned{"xyz!", {0, 0, 0, 1}});
  const tokenizers::replace_string drop{"b", ""};
  CHECK(normalized("abbc", drop) == aligned{"ac", {0, 3}});
}

TEST_CASE("Runs of spaces and of non-ASCII characters are replaced as wholes", "[tokenizer][normalizer]") {
  const tokenizers::replace_space_runs spaces{" "};
  CHECK(normalized("a b  c    ", spaces) == aligned{"a b c ", {0, 1, 2, 4, 5, 9}});
  CHECK(normalized(" a \t b", spaces) == aligned{" a \t b", {0, 1, 2, 3, 4, 5}});
  const tokenizers::replace_non_ascii_runs drop{""};
  CHECK(normalized("\xC2\xA0\x61\xE2\x80\x94\xC3\x9F\x62\xC3\xA9", drop) == aligned{"ab", {1, 4}});
  const tokenizers::replace_non_ascii_runs mark{"?"};
  CHECK(normalized("a\xC3\xA9\xC3\xA9z", mark) == aligned{"a?z", {0, 2, 3}});
}

TEST_CASE("Decomposition shares the place of the composed character and orders marks by class",
          "[tokenizer][normalizer]") {
  const tokenizers::unicode_form nfd{};
  CHECK(normalized("x\xC3\xA9", nfd) == aligned{"xe\xCC\x81", {0, 1, 1, 1}});
  // U+0301 (class 230) before U+0323 (class 220): they change places, their origins stay in order.
  CHECK(normalized("e\xCC\x81\xCC\xA3!", nfd) == aligned{"e\xCC\xA3\xCC\x81!", {0, 1, 1, 2, 2, 3}});
  // The inserted accent goes behind the dot below and takes the place that the dot was given.
  CHECK(normalized("\xC3\xA9\xCC\xA3", nfd) == aligned{"e\xCC\xA3\xCC\x81", {0, 1, 1, 1, 1}});
  CHECK(normalized("\xEA\xB0\x81", nfd) ==
        aligned{"\xE1\x84\x80\xE1\x85\xA1\xE1\x86\xA8", {0, 0, 0, 0, 0, 0, 0, 0, 0}});
}

TEST_CASE("Lower case works on single code points", "[tokenizer][normalizer]") {
  const tokenizers::lower_case lower{};
  CHECK(normalized("ABCxyz[`{@", lower) == aligned{"abcxyz[`{@", {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}});
  CHECK(normalized("\xC4\xB0Z", lower) == aligned{"i\xCC\x87z", {0, 0, 0, 1}});  // capital I with dot
  CHECK(normalized("\xCE\xA3", lower).text == "\xCF\x83");                       // no final sigma
  CHECK(normalized("\xC3\x9F", lower).text == "\xC3\x9F");                       // sharp s
  CHECK(normalized("\xE2\x84\xAA", lower).text == "k");                          // Kelvin sign
}

TEST_CASE("Accents are marks of every kind and nothing else", "[tokenizer][normalizer]") {
  const tokenizers::strip_accents strip{};
  CHECK(normalized("a\xCC\x81\xE0\xA4\x83z\xE2\x83\x9D!\xC3\xA9", strip) == aligned{"az!\xC3\xA9", {0, 3, 5, 6, 6}});
}

TEST_CASE("The crammed normalizer drops what is not ASCII without leaving a space", "[tokenizer][normalizer]") {
  const auto t = parse_changed([](json& d) {
    d["model"]["vocab"]["ab"] = 20;
    d["model"]["vocab"]["hlle"] = 21;
  });
  const auto got = t.encode("a\xC2\xA0\x62 Hll\xC3\x89\xE2\x80\x8B a\xE6\xBC\xA2 b", {.add_special_tokens = false});
  CHECK(got.tokens == strings{"ab", "hlle", "a", "b"});
  CHECK(spans(got) == span_list{{0, 3}, {4, 8}, {10, 11}, {13, 14}});
}

TEST_CASE("Pieces are runs of word characters and runs of symbols", "[tokenizer][pre_tokenizer]") {
  CHECK(pieces("") == strings{});
  CHECK(pieces(" \t\n\v\f\r ") == strings{});
  CHECK(pieces("it's a_b2 --x.") == strings{"it", "'", "s", "a_b2", "--", "x", "."});
  CHECK(pieces(std::string_view("a\0b\x1F \x7F", 6)) == strings{"a", std::string(1, '\0'), "b", "\x1F", "\x7F"});
}

TEST_CASE("Pieces outside ASCII follow the Unicode word and white space classes", "[tokenizer][pre_tokenizer]") {
  CHECK(pieces("\xC3\xA9\x61^\xCC\x81") == strings{"\xC3\xA9\x61", "^", "\xCC\x81"});
  // Spaces: no-break, em, ideographic, next line, line separator.
  CHECK(pieces("a\xC2\xA0\x62\xE2\x80\x83\x63\xE3\x80\x80\x64\xC2\x85\x65\xE2\x80\xA8\x66") ==
        strings{"a", "b", "c", "d", "e", "f"});
  // Word characters: Roman numeral, circled letter, joiner, undertie, Arabic digit, squared letter.
  CHECK(pieces("\xE2\x85\xA0\xE2\x92\xB6\xE2\x80\x8D\xE2\x80\xBF\xD9\xA0\xF0\x9F\x84\xB0").size() == 1);
  // Symbols: superscript two, zero-width space, circled digit, emoji.
  CHECK(pieces("\xC2\xB2\xE2\x80\x8B\xE2\x91\xA0\xF0\x9F\x98\x80").size() == 1);
  CHECK(pieces("a\xC2\xB2") == strings{"a", "\xC2\xB2"});
}

TEST_CASE("WordPiece takes the longest token at every place", "[tokenizer][wordpiece]") {
  const auto t = ufb_test::parse(small_tokenizer());
  const auto got = t.encode("Unbelievable cats", {.add_special_tokens = false});
  CHECK(got.tokens == strings{"un", "##believ", "##able", "cat", "##s"});
  CHECK(spans(got) == span_list{{0, 2}, {2, 8}, {8, 12}, {13, 16}, {16, 17}});
}

TEST_CASE("A word that cannot be covered is unknown as a whole", "[tokenizer][wordpiece]") {
  const auto t = ufb_test::parse(small_tokenizer());
  const auto got = t.encode("cat catz z", {.add_special_tokens = false});
  CHECK(got.tokens == strings{"cat", "<unk>", "<unk>"});
  CHECK(spans(got) == span_list{{0, 3}, {4, 8}, {9, 10}});
}

TEST_CASE("A word may have as many code points as the model says and not one more", "[tokenizer][wordpiece]") {
  const auto t = ufb_test::parse(small_tokenizer());
  CHECK(t.encode(std::string(100, 'a'), {.add_special_tokens = false}).size() == 100);
  CHECK(t.encode(std::string(101, 'a'), {.add_special_tokens = false}).tokens == strings{"<unk>"});
  const auto wide = parse_changed([](json& d) {
    d["normalizer"] = nullptr;
    d["model"]["max_input_chars_per_word"] = 3;
    d["model"]["vocab"]["\xC3\xA9"] = 20;
    d["model"]["vocab"]["##\xC3\xA9"] = 21;
  });
  CHECK(wide.encode(ufb_test::repeat("\xC3\xA9", 3), {.add_special_tokens = false}).size() == 3);
  CHECK(wide.encode(ufb_test::repeat("\xC3\xA9", 4), {.add_special_tokens = false}).tokens == strings{"<unk>"});
}

TEST_CASE("WordPiece agrees with trying every length", "[tokenizer][wordpiece]") {
  std::mt19937 random(11);
  const auto word = [&](std::size_t longest) {
    std::string out;
    const std::size_t size = 1 + random() % longest;
    for (std::size_t i = 0; i < size; ++i) out += static_cast<char>('a' + random() % 3);
    return out;
  };
  for (int round = 0; round < 40; ++round) {
    json document = small_tokenizer();
    json& vocabulary = document["model"]["vocab"];
    int next = 20;
    for (int i = 0; i < 30; ++i) {
      const std::string token = (random() % 2 == 0 ? "##" : "") + word(5);
      if (!vocabulary.contains(token)) vocabulary[token] = next++;
    }
    const auto t = ufb_test::parse(document);
    for (int i = 0; i < 50; ++i) {
      const std::string text = word(14);
      strings expected;
      for (std::size_t begin = 0; begin < text.size();) {
        std::size_t end = text.size();
        const auto spelling = [&] { return (begin == 0 ? "" : "##") + text.substr(begin, end - begin); };
        while (end > begin && !vocabulary.contains(spelling())) --end;
        if (end == begin) {
          expected = {"<unk>"};
          break;
        }
        expected.push_back(spelling());
        begin = end;
      }
      CHECK(t.encode(text, {.add_special_tokens = false}).tokens == expected);
    }
  }
}

TEST_CASE("Added tokens are found leftmost first and longest first", "[tokenizer][added_tokens]") {
  const std::vector<tokenizers::added_token> tokens{{"ab", 1}, {"abcd", 2}, {"bcde", 3}, {"\xC3\xA9", 4}, {"ac", 5}};
  CHECK(split_at(tokens, "") == strings{});
  CHECK(split_at(tokens, "xyz") == strings{"xyz"});
  CHECK(split_at(tokens, "abcde") == strings{"2=abcd", "e"});
  CHECK(split_at(tokens, "abce") == strings{"1=ab", "ce"});
  CHECK(split_at(tokens, "xbcdeab") == strings{"x", "3=bcde", "1=ab"});
  CHECK(split_at(tokens,
                 "aab\xC3\xA9\xC3"
                 "ac") == strings{"a", "1=ab", "4=\xC3\xA9", "\xC3", "5=ac"});
  CHECK(split_at({}, "ab") == strings{"ab"});
}

TEST_CASE("Added tokens are cut from the raw text in their exact case and next to anything",
          "[tokenizer][added_tokens]") {
  const auto t = ufb_test::parse(small_tokenizer());
  const auto got = t.encode("cat<mask>s <MASK> ``<mask>", {.add_special_tokens = false});
  CHECK(got.tokens == strings{"cat", "<mask>", "<unk>", "<unk>", "<unk>", "<unk>", "\"", "<mask>"});
  CHECK(spans(got) == span_list{{0, 3}, {3, 9}, {9, 10}, {11, 12}, {12, 16}, {16, 17}, {19, 20}, {20, 26}});
}

TEST_CASE("Added tokens that the model lacks extend the vocabulary but not the model", "[tokenizer][added_tokens]") {
  const auto t = parse_changed([](json& d) { d["added_tokens"].push_back(ufb_test::added_token(20, "DOG", false)); });
  CHECK(t.vocabulary_size() == 21);
  CHECK(t.token_to_id("DOG") == 20);
  CHECK(t.id_to_token(20) == "DOG");
  CHECK(t.encode("DOG", {.add_special_tokens = false}).tokens == strings{"DOG"});
  CHECK(t.encode("dog", {.add_special_tokens = false}).tokens == strings{"<unk>"});
  CHECK(t.decode(std::vector<ultrafastbert::token_id>{20, 4, 6}) == "DOG cat");
}

TEST_CASE("Normalized added tokens come after the raw ones when there is no normalizer", "[tokenizer][added_tokens]") {
  const auto t = parse_changed([](json& d) {
    d["normalizer"] = nullptr;
    json token = ufb_test::added_token(20, "a <mask> b");
    token["normalized"] = true;
    d["added_tokens"].push_back(token);
    token = ufb_test::added_token(21, "cat s");
    token["normalized"] = true;
    d["added_tokens"].push_back(token);
  });
  CHECK(t.encode("cat s a <mask> b", {.add_special_tokens = false}).tokens == strings{"cat s", "a", "<mask>", "b"});
}
