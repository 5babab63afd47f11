// SPDX-License-Identifier: MIT
//
// Small files that ask for much: each is refused with limit_exceeded, or takes work that its size accounts for. A step
// that multiplied would let these tests time out or run out of memory.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fixtures.hpp"
#include "support/catch.hpp"
#include "support/sanitizers.hpp"
#include "ultrafastbert/tokenizer/added_tokens.hpp"
#include "ultrafastbert/tokenizer/models/longest_matches.hpp"
#include "ultrafastbert/tokenizer/models/piece_trie.hpp"

namespace {

using ufb_test::added_token;
using ufb_test::error_of;
using ufb_test::json;
using ufb_test::parse_changed;
using ufb_test::repeat;
using ultrafastbert::error_code;

json special(const std::string& id) { return {{"SpecialToken", {{"id", id}, {"type_id", 0}}}}; }

json replace(const char* kind, const std::string& pattern, const std::string& content) {
  return {{"type", "Replace"}, {"pattern", {{kind, pattern}}}, {"content", content}};
}

json sequence(const char* key, const json& steps) { return {{"type", "Sequence"}, {key, steps}}; }

void check_limit(const std::function<void(json&)>& change, const std::string& where) {
  const auto error = error_of([&] { static_cast<void>(parse_changed(change)); });
  REQUIRE(error);
  CHECK(name(error->code()) == name(error_code::limit_exceeded));
  CHECK(error->where() == where);
}

/// Makes the document one of a model and no steps around it.
void set_model(json model, json& document) {
  document["model"] = std::move(model);
  document["added_tokens"] = json::array();
  for (const char* step : {"normalizer", "pre_tokenizer", "post_processor"}) document[step] = nullptr;
}

ultrafastbert::tokenizer with_model(const json& model) {
  return parse_changed([&](json& d) { set_model(model, d); });
}

/// Makes the separator a special token of `ids` ids that the template for one text names `uses` times.
std::function<void(json&)> with_template(std::size_t ids, std::size_t uses) {
  return [ids, uses](json& d) {
    json& processor = d["post_processor"];
    processor["special_tokens"]["<sep>"]["ids"] = json(ids, 3);
    processor["special_tokens"]["<sep>"]["tokens"] = json(ids, "<sep>");
    processor["pair"] = json::array({processor["pair"][1], processor["pair"][3]});
    json single = json::array({processor["single"][0]});
    for (std::size_t i = 0; i < uses; ++i) single.push_back(special("<sep>"));
    processor["single"] = single;
  };
}

}  // namespace

TEST_CASE("A template adds thousands of tokens at most", "[tokenizer][limits]") {
  CHECK(parse_changed(with_template(64, 64)).encode("the").size() == 1 + 4096);
  check_limit(with_template(64, 65), "$.post_processor.single[65]");
  check_limit(with_template(4000, 4000), "$.post_processor.single[2]");
  check_limit(with_template(4097, 1), "$.post_processor.special_tokens['<sep>'].ids");
  check_limit(with_template(0, 4096), "$.post_processor.single[4096]");
}

TEST_CASE("Added tokens that go through many steps of normalization are bounded together", "[tokenizer][limits]") {
  const auto with_tokens = [](std::size_t tokens, std::size_t steps) {
    return [tokens, steps](json& d) {
      for (std::size_t i = 0; i < tokens; ++i) {
        json token = added_token(static_cast<int>(20 + i), "t" + std::to_string(i), false);
        token["normalized"] = true;
        d["added_tokens"].push_back(token);
      }
      d["normalizer"] = sequence("normalizers", json(steps, {{"type", "NFKC"}}));
    };
  };
  CHECK(parse_changed(with_tokens(20'000, 8)).token_to_id("t19999") == 20'019);
  check_limit(with_tokens(20'000, 256), "$.added_tokens");
  check_limit(
      [](json& d) {
        json token = added_token(20, "aaaa", false);
        token["normalized"] = true;
        d["added_tokens"].push_back(token);
        d["normalizer"] = sequence("normalizers", json(30, replace("String", "a", "aa")));
      },
      "$.normalizer");
}

TEST_CASE("Many stretches of a text share what it may grow to", "[tokenizer][limits]") {
  const auto t = parse_changed([](json& d) {
    d["normalizer"] = {{"type", "Prepend"}, {"prepend", std::string(200, 'b')}};
  });
  CHECK(t.encode("<mask>a").size() > 1);
  CHECK(t.encode(repeat("<mask>a", 15)).size() > 15);
  const auto error = error_of([&] { static_cast<void>(t.encode(repeat("<mask>a", 10'000))); });
  REQUIRE(error);
  CHECK(error->code() == error_code::limit_exceeded);
  CHECK(error->where() == "$.normalizer");
  const auto spaced = parse_changed([](json& d) { d["normalizer"] = {{"type", "Prepend"}, {"prepend", "b"}}; });
  CHECK(spaced.encode(repeat("<mask>a", 100'000), {.add_special_tokens = false}).size() == 300'000);
}

TEST_CASE("Steps that let a text grow out of proportion are stopped", "[tokenizer][limits]") {
  const auto stopped = [](const json& steps, const std::string& text) {
    const auto t = parse_changed([&](json& d) { d["normalizer"] = sequence("normalizers", steps); });
    const auto error = error_of([&] { static_cast<void>(t.encode(text)); });
    if (error) {
      CHECK(error->code() == error_code::limit_exceeded);
      CHECK(error->where() == "$.normalizer");
    }
    return error.has_value();
  };
  const json doubles{{"type", "ByteLevel"}};
  CHECK_FALSE(stopped(json(4, doubles), repeat("\xC3\xA9", 10'000)));
  CHECK(stopped(json(8, doubles), repeat("\xC3\xA9", 10'000)));
  // The second step writes code points one by one.
  const json longer = replace("String", "a", repeat("\xC3\xA9", 11));
  CHECK_FALSE(stopped(json::array({longer}), repeat("a", 10'000)));
  CHECK(stopped(json::array({longer, {{"type", "NFD"}}}), repeat("a", 10'000)));
}

TEST_CASE("A text of 4 GiB is refused before it is read", "[tokenizer][limits]") {
  if (UFB_UNDER_SANITIZER) return;  // they touch what they note of all that memory
  constexpr std::size_t bytes = std::size_t{1} << 32U;
  const std::unique_ptr<char, void (*)(void*)> zeros(static_cast<char*>(std::calloc(bytes, 1)), std::free);
  if (!zeros) {
    WARN("not checked: no such text has room");
    return;
  }
  const auto t = parse_changed([](json&) {});
  const auto error = error_of([&] { static_cast<void>(t.encode(std::string_view(zeros.get(), bytes))); });
  REQUIRE(error);
  CHECK(error->code() == error_code::invalid_input);
  CHECK(error->where() == "text");
  CHECK(error->expected() == "at most 4294967294 bytes");
}

TEST_CASE("The character that compatibility forms lengthen most is read whatever stands behind them",
          "[tokenizer][limits]") {
  const auto t = parse_changed([](json& d) {
    d["normalizer"] = {{"type", "NFKC"}};
    d["pre_tokenizer"] = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}};
  });
  CHECK_FALSE(t.encode(repeat("\xEF\xB7\xBA", 10'000)).ids.empty());
}

TEST_CASE("Regular expressions are bounded in number and in what their sets hold", "[tokenizer][limits]") {
  const auto with_expressions = [](std::size_t count) {
    return [count](json& d) { d["normalizer"] = sequence("normalizers", json(count, replace("Regex", "x+y", "z"))); };
  };
  CHECK(parse_changed(with_expressions(32)).encode("the").size() == 2);
  check_limit(with_expressions(33), "$.normalizer.normalizers[32]");
  check_limit([](json& d) { d["normalizer"] = replace("Regex", repeat("\\w", 500), "z"); },
              "$.normalizer.pattern.Regex");
  check_limit([](json& d) { d["normalizer"] = replace("Regex", "[" + repeat("\\w", 500) + "]", "z"); },
              "$.normalizer.pattern.Regex");
  // One of the largest that are published.
  const std::string published =
      "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+(?i:'s|'t|'re|'ve|'m|'"
      "ll|'d)?|"
      "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*(?i:'s|'t|'re|'ve|'m|'"
      "ll|'d)?|"
      "\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
  const auto t = parse_changed([&](json& d) {
    d["normalizer"] = nullptr;
    d["pre_tokenizer"] = {
        {"type", "Split"}, {"pattern", {{"Regex", published}}}, {"behavior", "Isolated"}, {"invert", false}};
  });
  CHECK(t.encode("the", {.add_special_tokens = false}).ids == std::vector<ultrafastbert::token_id>{5});
}

TEST_CASE("A decoder is stopped before it multiplies a text", "[tokenizer][limits]") {
  for (const char* kind : {"String", "Regex"}) {
    const auto t = parse_changed([kind](json& d) { d["decoder"] = replace(kind, "a", std::string(1000, 'b')); });
    CHECK(t.join({"the"}) == "the");
    CHECK(t.join({"cat"}).size() == 1002);
    const auto error = error_of([&] { static_cast<void>(t.join({std::string(10'000, 'a')})); });
    REQUIRE(error);
    CHECK(error->code() == error_code::limit_exceeded);
    CHECK(error->where() == "$.decoder");
    CHECK(error->found() == "10000000 bytes");
  }
}

TEST_CASE("Deep sequences of many steps take no more memory than their text", "[tokenizer][limits]") {
  check_limit(
      [](json& d) {
        json steps = sequence("normalizers", json(40'000, {{"type", "Lowercase"}}));
        for (int i = 0; i < 28; ++i) steps = sequence("normalizers", json::array({steps}));
        d["normalizer"] = steps;
      },
      "$.normalizer" + repeat(".normalizers[0]", 28) + ".normalizers[256]");
}

TEST_CASE("Byte fallback writes few tokens for a byte", "[tokenizer][limits]") {
  const auto with_prefix = [](std::size_t length) {
    return [length](json& d) {
      d["model"] = {{"type", "BPE"},
                    {"vocab", {{"a", 0}}},
                    {"merges", json::array()},
                    {"byte_fallback", true},
                    {"continuing_subword_prefix", std::string(length, 'p')}};
      d["added_tokens"] = json::array();
      d["post_processor"] = nullptr;
    };
  };
  CHECK(parse_changed(with_prefix(8)).vocabulary_size() == 1);
  check_limit(with_prefix(9), "$.model.continuing_subword_prefix");
}

TEST_CASE("The longest spelling at each place is found as by looking at each", "[tokenizer][limits]") {
  std::mt19937 random(11);
  const auto word = [&random](std::size_t most) {
    std::string out;
    for (std::size_t i = 0, size = 1 + random() % most; i < size; ++i) out += static_cast<char>('a' + random() % 2);
    return out;
  };
  for (int round = 0; round < 200; ++round) {
    std::vector<std::string> spellings;
    for (std::size_t i = 0, count = 1 + random() % 12; i < count; ++i) spellings.push_back(word(8));
    const std::string text = word(200);
    std::vector<std::uint32_t> found;
    ultrafastbert::tokenizers::longest_matches(spellings).find(text, found);
    REQUIRE(found.size() == text.size());
    for (std::size_t at = 0; at < text.size(); ++at) {
      std::size_t longest = 0;
      for (const std::string& each : spellings) {
        if (text.compare(at, each.size(), each) == 0) longest = std::max(longest, each.size());
      }
      const bool none = found[at] == ultrafastbert::tokenizers::longest_matches::none;
      REQUIRE((none ? 0 : spellings[found[at]].size()) == longest);
    }
  }
}

TEST_CASE("Texts that almost have a long added token are searched in linear time, with the same result",
          "[tokenizer][limits]") {
  using ultrafastbert::tokenizers::added_token_matcher;
  const std::string almost(500, 'a');
  const added_token_matcher matcher(
      {{.content = almost + "b", .id = 1}, {.content = "aab", .id = 2}, {.content = "c", .id = 3}});
  const std::string text = std::string(300'000, 'a') + "b" + std::string(100, 'a') + "bcc" + almost;
  std::vector<ultrafastbert::token_id> ids;
  std::size_t end_of_last = 0;
  matcher.split(text, [&](std::size_t begin, std::size_t end, std::optional<ultrafastbert::token_id> id) {
    REQUIRE(begin == end_of_last);
    end_of_last = end;
    ids.push_back(id.value_or(0));
  });
  CHECK(end_of_last == text.size());
  CHECK(ids == std::vector<ultrafastbert::token_id>{0, 1, 0, 2, 3, 3, 0});
}

TEST_CASE("Long words that almost have a long token are covered as by a walk", "[tokenizer][limits]") {
  const auto with_tokens = [](std::size_t filler) {
    return parse_changed([filler](json& d) {
      d["model"]["max_input_chars_per_word"] = 1'000'000;
      d["model"]["vocab"]["##aaab"] = 20;
      d["model"]["vocab"]["##ab"] = 21;
      d["model"]["vocab"]["##" + std::string(60, 'a')] = 22;
      d["model"]["vocab"]["##" + std::string(filler, 'z')] = 23;  // the longest token decides how words are covered
      d["normalizer"] = nullptr;
    });
  };
  const auto walks = with_tokens(20);
  const auto looks_up = with_tokens(1000);
  std::mt19937 random(3);
  for (int round = 0; round < 300; ++round) {
    std::string text = "a";
    for (std::size_t i = 0, count = random() % 12; i < count; ++i) {
      text += std::string(random() % 80, 'a') + (random() % 3 == 0 ? "s" : "ab");
    }
    const auto expected = walks.encode(text);
    const auto got = looks_up.encode(text);
    REQUIRE(got.ids == expected.ids);
    REQUIRE(got.offsets == expected.offsets);
  }
  CHECK(looks_up.encode(std::string(1'000'000, 'a'), {.add_special_tokens = false}).ids.back() == 15);
}

TEST_CASE("Vocabularies and merges in arrays may be as long as those of multilingual models", "[tokenizer][limits]") {
  constexpr std::size_t count = 260'000;
  json pairs = json::array({json::array({"<unk>", 0.0})});
  for (std::size_t i = 1; i < count; ++i) pairs.push_back(json::array({"t" + std::to_string(i), -1.0}));
  const auto unigram = with_model({{"type", "Unigram"}, {"unk_id", 0}, {"vocab", std::move(pairs)}});
  CHECK(unigram.encode("t259999t17").ids == std::vector<ultrafastbert::token_id>{259'999, 17});

  for (const bool arrays : {false, true}) {
    json words = json::object({{"a", 0}});
    json merges = json::array();
    const auto add = [&](const std::string& right) {
      words[right] = words.size();
      words["a" + right] = words.size();
      merges.push_back(arrays ? json::array({"a", right}) : json("a " + right));
    };
    for (std::size_t i = 1; i < count; ++i) add("b" + std::to_string(i));
    add("b");  // the last one, which a text of single characters needs
    const auto bpe = with_model({{"type", "BPE"}, {"vocab", std::move(words)}, {"merges", std::move(merges)}});
    CHECK(bpe.encode("ab").ids == std::vector<ultrafastbert::token_id>{2 * count});
  }
}

TEST_CASE("Tokens are refused whose beginnings would take memory beyond their file", "[tokenizer][limits]") {
  constexpr std::size_t length = 1000;
  const auto token = [](std::size_t number) {
    std::string digits = std::to_string(number);
    digits.insert(0, 5 - digits.size(), '0');
    return digits + std::string(length - 10, 'a') + digits;
  };
  const auto most = ultrafastbert::tokenizers::piece_trie::most_nodes / length;
  json pairs = json::array();
  json added = json::array();
  for (std::size_t i = 0; i <= most + 60; ++i) {  // a few beginnings and ends are shared
    pairs.push_back(json::array({token(i), -1.0}));
    added.push_back(added_token(static_cast<int>(100 + i), token(i)));
  }
  const auto unigram = [&](json& d) { set_model({{"type", "Unigram"}, {"unk_id", 0}, {"vocab", pairs}}, d); };
  check_limit(unigram, "$.model.vocab");
  pairs.erase(pairs.end() - 120, pairs.end());
  CHECK(parse_changed(unigram).encode(token(17)).ids == std::vector<ultrafastbert::token_id>{17});
  check_limit(
      [&](json& d) {
        for (const json& each : added) d["added_tokens"].push_back(each);
      },
      "added tokens");
  check_limit(
      [&](json& d) {
        d["model"]["max_input_chars_per_word"] = 2000;
        for (std::size_t i = 0; i <= most + 60; ++i) d["model"]["vocab"]["##" + token(i)] = 1000 + i;
      },
      "tokens that continue a word");
}

TEST_CASE("Unigram covers are those of a walk from every place, also among equal sums", "[tokenizer][limits]") {
  std::mt19937 random(20);
  const auto word = [&random](std::size_t longest) {
    std::string out;
    for (std::size_t i = 0, length = 1 + random() % longest; i < length; ++i) {
      constexpr const char* characters[] = {"a", "b", "\xC3\xA9"};
      out += characters[random() % 3];
    }
    return out;
  };
  for (int round = 0; round < 300; ++round) {
    std::map<std::string, std::pair<std::size_t, double>> known;  // id and score
    json pairs = json::array({json::array({"<unk>", -9.0})});
    for (std::size_t i = 0, count = 1 + random() % 12; i < count; ++i) {
      const std::string token = word(6);
      const double score = -static_cast<double>(random() % 4);
      known[token] = {pairs.size(), score};
      pairs.push_back(json::array({token, score}));
    }
    const auto tokenizer = with_model({{"type", "Unigram"}, {"unk_id", 0}, {"vocab", pairs}});
    const std::string text = word(40);
    struct place {
      double sum = -1e300;
      std::size_t begin = 0;
      std::size_t id = 0;
    };
    std::vector<place> best(text.size() + 1);
    best[0].sum = 0;
    const auto offer = [&best](std::size_t begin, std::size_t end, double score, std::size_t id) {
      if (best[begin].sum + score > best[end].sum) best[end] = {best[begin].sum + score, begin, id};
    };
    for (std::size_t begin = 0; begin < text.size();) {
      const std::size_t next = begin + (text[begin] == '\xC3' ? 2 : 1);
      for (const auto& [token, entry] : known) {
        if (text.compare(begin, token.size(), token) == 0) {
          offer(begin, begin + token.size(), entry.second, entry.first);
        }
      }
      if (known.count(text.substr(begin, next - begin)) == 0) offer(begin, next, -19.0, 0);
      begin = next;
    }
    std::vector<ultrafastbert::token_id> expected;
    for (std::size_t end = text.size(); end > 0; end = best[end].begin) {
      const auto id = static_cast<ultrafastbert::token_id>(best[end].id);
      if (id != 0 || expected.empty() || expected.back() != 0) expected.push_back(id);
    }
    std::reverse(expected.begin(), expected.end());
    CHECK(tokenizer.encode(text).ids == expected);
  }
}

TEST_CASE("Spellings of a thousand bytes for single characters are bounded together", "[tokenizer][limits]") {
  const auto t = parse_changed([](json& d) {
    const std::string prefix(1000, '#');
    d["model"] = {{"type", "WordPiece"},
                  {"unk_token", "<unk>"},
                  {"continuing_subword_prefix", prefix},
                  {"max_input_chars_per_word", 1'000'000},
                  {"vocab", {{"<unk>", 0}, {"a", 1}, {prefix + "a", 2}}}};
    d["added_tokens"] = json::array();
    d["post_processor"] = nullptr;
    d["normalizer"] = nullptr;
  });
  CHECK(t.encode(std::string(1000, 'a')).tokens.back().size() == 1001);
  const auto error = error_of([&] { static_cast<void>(t.encode(std::string(100'000, 'a'))); });
  REQUIRE(error);
  CHECK(error->code() == error_code::limit_exceeded);
  CHECK(error->where() == "tokens");
}

TEST_CASE("Further encodings with long templates, or that repeat almost all, hold a bounded number of tokens",
          "[tokenizer][limits]") {
  const auto t = parse_changed(with_template(4000, 1));
  const auto parts = [&](const std::string& text, std::size_t room, std::size_t stride) {
    return error_of(
        [&] { static_cast<void>(t.encode(text, {.max_length = 4000 + room, .overflow = true, .stride = stride})); });
  };
  CHECK_FALSE(parts(repeat("the ", 1000), 4, 0));
  const auto many = parts(repeat("the ", 3000), 2, 0);
  REQUIRE(many);
  CHECK(many->code() == error_code::limit_exceeded);
  CHECK(many->where() == "overflow");
  CHECK(parts(repeat("the ", 6000), 2000, 1999));
}

TEST_CASE("Steps that take long for each byte may pass over a text a few times only", "[tokenizer][limits]") {
  const auto passes = [](std::size_t steps, const char* form) {
    const auto t = parse_changed([&](json& d) {
      d["normalizer"] = sequence("normalizers", json(steps, {{"type", form}}));
    });
    return !error_of([&] { static_cast<void>(t.encode(std::string(1'000'000, 'a'))); });
  };
  CHECK(passes(16, "NFKC"));
  CHECK_FALSE(passes(40, "NFKC"));
  CHECK(passes(60, "Lowercase"));
}

TEST_CASE("Padding that takes memory out of proportion is refused, and leaves what was to be padded",
          "[tokenizer][limits]") {
  const auto t = parse_changed([](json& d) {
    d["padding"] = {{"strategy", {{"Fixed", 1'048'576}}},
                    {"direction", "Left"},
                    {"pad_to_multiple_of", nullptr},
                    {"pad_id", 0},
                    {"pad_type_id", 0},
                    {"pad_token", std::string(1024, 'p')}};
  });
  std::vector<ultrafastbert::encoding> one{t.encode("the")};
  const auto error = error_of([&] { t.pad(one, *t.file_padding()); });
  REQUIRE(error);
  CHECK(error->code() == error_code::limit_exceeded);
  CHECK(error->where() == "padding");
  CHECK(one.front().size() == t.encode("the").size());
  CHECK(error_of([&] { static_cast<void>(t.to_matrices(one, *t.file_padding())); }));
  t.pad(one, {.length = 1'048'576});
  CHECK(one.front().size() == 1'048'576);
  std::vector<ultrafastbert::encoding> many(2000, t.encode("the"));
  t.pad(many, {.length = 512});
  CHECK(many.back().size() == 512);
}

TEST_CASE("Spellings of 4 GiB together are refused", "[tokenizer][limits]") {
  constexpr std::size_t most = 0xffffffff;
  CHECK_FALSE(error_of([] { ultrafastbert::tokenizers::check_spelling_room(most - 3, 3); }));
  const auto error = error_of([] { ultrafastbert::tokenizers::check_spelling_room(most - 3, 4); });
  REQUIRE(error);
  CHECK(error->code() == error_code::limit_exceeded);
  CHECK(error->where() == "tokens");
}

TEST_CASE("Spellings are read like a vector of strings and become one", "[tokenizer]") {
  ultrafastbert::token_spellings some;
  CHECK(some.empty());
  const std::vector<std::string> words{"a", "", "##b", std::string("\0c", 2)};
  for (const std::string& word : words) some.push_back(word);
  CHECK(some == words);
  CHECK(std::vector<std::string>(some) == words);
  CHECK(std::vector<std::string>(some.begin(), some.end()) == words);
  CHECK(some.front() == "a");
  CHECK(some.back() == words.back());
  CHECK(some.end() - some.begin() == 4);
  CHECK(some.begin()[2] == "##b");
  const std::string copy = some[2];
  some.push_front(2, "[PAD]");
  CHECK(some.size() == 6);
  CHECK(some[1] == "[PAD]");
  CHECK(some[4] == copy);
  CHECK_FALSE(some == words);
  CHECK(ultrafastbert::token_spellings(words) == words);
}
