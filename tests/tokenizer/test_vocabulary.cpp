// SPDX-License-Identifier: MIT
//
// The vocabulary: lookup in both directions, and which vocabularies are refused.
#include <cstddef>
#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "fixtures.hpp"
#include "support/catch.hpp"

namespace {

namespace tokenizers = ultrafastbert::tokenizers;
using ufb_test::error_of;
using ufb_test::json;
using ultrafastbert::error_code;
using entries = std::vector<std::pair<std::string, std::uint64_t>>;

tokenizers::vocabulary build(const entries& model, const entries& added = {},
                             const tokenizers::vocabulary_limits& limits = {},
                             tokenizers::repeated_tokens repeats = tokenizers::repeated_tokens::refused) {
  tokenizers::vocabulary::builder builder({.file = "file", .repeats = repeats, .limits = limits});
  for (const auto& [token, id] : model) builder.add_model_token(token, id);
  for (const auto& [token, id] : added) builder.add_added_token(token, id);
  return std::move(builder).build();
}

void check_refusal(const entries& model, const entries& added, error_code code, const std::string& where,
                   const std::string& expected, const std::string& found) {
  const auto error = error_of([&] { (void)build(model, added); });
  REQUIRE(error);
  INFO(error->what());
  CHECK(error->code() == code);
  CHECK(error->file() == "file");
  CHECK(error->where() == where);
  CHECK(error->expected() == expected);
  CHECK(error->found() == found);
}

}  // namespace

TEST_CASE("An empty vocabulary finds nothing", "[tokenizer][vocabulary]") {
  const auto v = build({});
  CHECK(v.size() == 0);
  CHECK(v.id_bound() == 0);
  CHECK_FALSE(v.id(""));
  CHECK_FALSE(v.id("a"));
  CHECK_FALSE(v.token(0));
}

TEST_CASE("A vocabulary of any size agrees with a map", "[tokenizer][vocabulary]") {
  std::mt19937 random(3);
  for (const std::size_t size : {1U, 2U, 3U, 17U, 64U, 65U, 1000U, 20000U}) {
    std::map<std::string, std::uint64_t> expected;
    while (expected.size() < size) {
      std::string token;
      const std::size_t length = 1 + random() % 6;
      for (std::size_t i = 0; i < length; ++i) token += static_cast<char>(static_cast<unsigned char>(random() >> 5U));
      expected.emplace(token, expected.size());
    }
    const auto v = build({expected.begin(), expected.end()});
    CHECK(v.size() == size);
    CHECK(v.id_bound() == size);
    for (const auto& [token, id] : expected) {
      REQUIRE(v.id(token) == static_cast<ultrafastbert::token_id>(id));
      REQUIRE(v.token(static_cast<ultrafastbert::token_id>(id)) == token);
      REQUIRE(v.id(token + "x").has_value() == (expected.count(token + "x") != 0));
    }
  }
}

TEST_CASE("Tokens with NUL bytes, long tokens and tokens with a common start are told apart",
          "[tokenizer][vocabulary]") {
  const std::string nul("a\0b", 3);
  const std::string longest(1024, 'x');
  const auto v = build({{"a", 0}, {nul, 1}, {"ab", 2}, {longest, 3}, {longest.substr(1), 4}});
  CHECK(v.id("a") == 0);
  CHECK(v.id(nul) == 1);
  CHECK(v.id("ab") == 2);
  CHECK(v.id(longest) == 3);
  CHECK(v.id(longest.substr(1)) == 4);
  CHECK_FALSE(v.id(longest.substr(2)));
}

TEST_CASE("A token of the model may be written in two parts", "[tokenizer][vocabulary]") {
  const auto v = build({{"##ing", 0}}, {{"extra", 1}});
  const auto find = [&v](std::string_view head, std::string_view tail) {
    tokenizers::token_hash hash(head);
    hash.add(tail);
    return v.model_id(hash, head, tail);
  };
  CHECK(find("##", "ing") == 0);
  CHECK(find("", "##ing") == 0);
  CHECK(find("##ing", "") == 0);
  CHECK_FALSE(find("##", "in"));
  CHECK_FALSE(find("", "extra"));  // added tokens are none of the model's
  CHECK(v.id("extra") == 1);
}

TEST_CASE("Vocabularies that contradict themselves are refused", "[tokenizer][vocabulary]") {
  check_refusal({{"a", 0}, {"b", 1}, {"a", 2}}, {}, error_code::duplicate_key, "$.model.vocab", "", "'a' twice");
  check_refusal({{"a", 0}, {"b", 1}, {"c", 1}}, {}, error_code::bad_vocabulary, "$.model.vocab['c']",
                "an id of its own", "id 1, which is that of 'b'");
  check_refusal({{"a", 0}, {"b", 1}}, {{"b", 1}, {"c", 0}}, error_code::bad_vocabulary, "$.added_tokens[1]",
                "an id of its own", "id 0, which is that of 'a'");
  check_refusal({{"a", 0}, {"b", 1}}, {{"a", 0}, {"b", 2}}, error_code::bad_vocabulary, "$.added_tokens[1]",
                "id 1, the vocabulary's", "id 2");
  check_refusal({{"a", 0}}, {{"b", 1}, {"b", 1}}, error_code::bad_vocabulary, "$.added_tokens[1]", "each token once",
                "'b' again");
  check_refusal({{"a", 0}}, {{"a", 0}, {"a", 0}}, error_code::bad_vocabulary, "$.added_tokens[1]", "each token once",
                "'a' again");
  check_refusal({{"a", 2147483647}}, {}, error_code::bad_vocabulary, "$.model.vocab['a']", "an id below 2147483647",
                "2147483647");
  check_refusal({{"a", 0}}, {{"b", 18446744073709551615U}}, error_code::bad_vocabulary, "$.added_tokens[0]",
                "an id below 2147483647", "18446744073709551615");
}

TEST_CASE("An empty token takes its id, is named by it, and is reported", "[tokenizer][vocabulary]") {
  const auto model = build({{"a", 0}, {"", 1}});
  CHECK(model.size() == 2);
  CHECK(model.id_bound() == 2);
  CHECK(model.token(1) == "");
  CHECK(model.blank().count == 1);
  CHECK(model.blank().first == std::vector<ultrafastbert::unreachable_entry>{{1, ""}});
  CHECK(model.repeated().count == 0);
  CHECK(build({{"a", 0}}, {{"", 1}}).blank().first == std::vector<ultrafastbert::unreachable_entry>{{1, ""}});
  CHECK(build({{"a", 0}, {"", 1}}, {{"", 1}}).blank().count == 1);
  CHECK(build({{"a", 0}}).blank().count == 0);
}

TEST_CASE("Where repeats are allowed, the last one is found and the others keep their ids", "[tokenizer][vocabulary]") {
  const auto v = build({{"a", 0}, {"b", 1}, {"a", 2}, {"", 3}, {"b", 4}, {"a", 5}, {"", 6}}, {{"a", 5}, {"c", 7}}, {},
                       tokenizers::repeated_tokens::last_wins);
  CHECK(v.size() == 4);
  CHECK(v.id_bound() == 8);
  CHECK(v.id("a") == 5);
  CHECK(v.id("b") == 4);
  CHECK(v.id("c") == 7);
  for (const int id : {0, 2, 5}) CHECK(v.token(id) == "a");
  CHECK(v.token(1) == "b");
  CHECK(v.token(3) == "");
  CHECK(v.model_id(tokenizers::token_hash("a"), "", "a") == 5);
  using list = std::vector<ultrafastbert::unreachable_entry>;
  CHECK(v.repeated().first == list{{0, "a"}, {1, "b"}, {2, "a"}});
  CHECK(v.blank().first == list{{3, ""}, {6, ""}});
  const auto wrong = error_of([] {
    (void)build({{"a", 0}, {"a", 1}}, {{"a", 0}}, {}, tokenizers::repeated_tokens::last_wins);
  });
  REQUIRE(wrong);
  CHECK(wrong->expected() == "id 1, the vocabulary's");
}

TEST_CASE("A report lists the first entries of a kind and counts the others", "[tokenizer][vocabulary]") {
  entries model;
  for (std::uint64_t id = 0; id < 100'000; ++id) model.emplace_back(id % 2 == 0 ? "" : "same", id);
  const auto v = build(model, {}, {}, tokenizers::repeated_tokens::last_wins);
  CHECK(v.size() == 2);
  CHECK(v.id("same") == 99'999);
  CHECK(v.blank().count == 50'000);
  CHECK(v.repeated().count == 49'999);
  CHECK(v.blank().first.size() == ultrafastbert::unreachable_entries::most_listed);
  CHECK(v.repeated().first.size() == ultrafastbert::unreachable_entries::most_listed);
  CHECK(v.repeated().first.back() == ultrafastbert::unreachable_entry{199, "same"});
}

TEST_CASE("Ids may leave gaps but not be hugely sparse", "[tokenizer][vocabulary]") {
  const auto v = build({{"a", 5}, {"b", 1031}});
  CHECK(v.id_bound() == 1032);
  CHECK(v.size() == 2);
  CHECK_FALSE(v.token(0));
  CHECK(v.token(1031) == "b");
  check_refusal({{"a", 0}, {"b", 1032}}, {}, error_code::bad_vocabulary, "$.model.vocab['b']",
                "ids below 1032 for 2 tokens", "id 1032");
  check_refusal({{"a", 0}}, {{"b", 2000000000}}, error_code::bad_vocabulary, "$.added_tokens[0]",
                "ids below 1032 for 2 tokens", "id 2000000000");
}

TEST_CASE("The number and the length of tokens are limited", "[tokenizer][vocabulary]") {
  const auto many = error_of([] { (void)build({{"a", 0}, {"b", 1}, {"c", 2}}, {}, {.max_tokens = 2}); });
  REQUIRE(many);
  CHECK(many->code() == error_code::limit_exceeded);
  CHECK(many->where() == "$.model.vocab");
  CHECK(many->expected() == "at most 2 tokens");
  const auto wide = error_of([] { (void)build({{std::string(1025, 'x'), 0}}); });
  REQUIRE(wide);
  CHECK(wide->code() == error_code::limit_exceeded);
  CHECK(wide->where() == "$.model.vocab");
  CHECK(wide->expected() == "at most 1024 bytes in a token");
  CHECK_THAT(wide->found(), ufb_test::StartsWith("1025 bytes that start with 'xxx"));
}

TEST_CASE("A vocabulary in a file is refused with the file's name and the member's path", "[tokenizer][vocabulary]") {
  const auto refused = [](const std::string& members) {
    std::string text = ufb_test::small_tokenizer().dump();
    const std::string key = "\"vocab\":{";
    const std::size_t at = text.find(key);
    REQUIRE(at != std::string::npos);
    text.insert(at + key.size(), members + ",");
    auto error = error_of([&] { (void)ultrafastbert::tokenizer::parse(text, "tokenizer.json"); });
    REQUIRE(error);
    CHECK(error->file() == "tokenizer.json");
    return *error;
  };
  CHECK(refused(R"("dog":40,"dog":41)").code() == error_code::duplicate_key);
  CHECK(refused(R"("":40,"":41)").code() == error_code::duplicate_key);
  CHECK(refused(R"("":5)").code() == error_code::bad_vocabulary);
  CHECK(refused(R"("dog":5)").code() == error_code::bad_vocabulary);
  const auto negative = refused(R"("dog":-1)");
  CHECK(negative.code() == error_code::bad_vocabulary);
  CHECK(negative.where() == "$.model.vocab['dog']");
  CHECK(negative.expected() == "an id of at least 0");
  CHECK(negative.found() == "-1");
  const auto sparse = refused(R"("d\u00f6g":2000000)");
  CHECK(sparse.code() == error_code::bad_vocabulary);
  CHECK(sparse.where() == "$.model.vocab['d\\xc3\\xb6g']");
  CHECK(refused(R"("dog":99999999999999999999)").code() == error_code::bad_type);
}
