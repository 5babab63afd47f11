// SPDX-License-Identifier: MIT
//
// Fuzz target: the first byte of an input chooses a tokenizer, the others are a text. Tokens and places are those of a
// plain tokenizer wherever it knows the text; places rise, and byte-level tokens give the text back.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz/plain_tokenizers.hpp"
#include "fuzz/tokenizer_checks.hpp"

namespace {

using namespace ufb_fuzz;

struct pair_of_tokenizers {
  pair_of_tokenizers(plain::form which, const char* folder)
      : kind(which), words(ufb::tokenizer::load(file(folder))), slow(which, file(folder).string()) {}

  static std::filesystem::path file(const char* folder) {
    return std::filesystem::path(UFB_TEST_DATA_DIR) / "tokenizers" / folder / "tokenizer.json";
  }

  plain::form kind;
  ufb::tokenizer words;
  plain::tokenizer slow;
};

void compare(const pair_of_tokenizers& both, std::string_view text, const ufb::encoding& row) {
  const auto expected = both.slow.encode(text);
  if (!expected) return;
  const bool places = both.slow.compares_places(text);
  const auto say = [&](std::string_view what, std::size_t t) {
    fault(std::string(what) + " at token " + std::to_string(t) + " of " + ufb::excerpt(text, 400));
  };
  for (std::size_t t = 0; t < std::max(row.size(), expected->size()); ++t) {
    if (t >= row.size() || t >= expected->size()) say("the plain tokenizer has another number of tokens", t);
    const plain::token& token = (*expected)[t];
    if (row.ids[t] != token.id) say("the plain tokenizer has another token", t);
    if (places && (row.offsets[t].begin != token.begin || row.offsets[t].end != token.end)) {
      say("the plain tokenizer has another place", t);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::array<pair_of_tokenizers, 3> all{{
      {plain::form::crammed, "crammed_wordpiece"},
      {plain::form::bert, "bert_uncased"},
      {plain::form::byte_level, "crammed_bytebpe"},
  }};
  byte_stream input(data, size);
  const pair_of_tokenizers& both = all[input.size(0, all.size() - 1)];
  const std::string_view text = input.rest();
  const auto problem = attempt([&] {
    const auto row = both.words.encode(text, {.add_special_tokens = false});
    check_encoding(both.words, row, text, {});
    for (std::size_t t = 1; t < row.size(); ++t) {
      require(row.offsets[t].begin >= row.offsets[t - 1].begin, "places do not rise");
    }
    compare(both, text, row);
    check_text(both.words, text, "a b", hash_of(data, size));
    // Bytes that the vocabulary lacks are dropped, and added tokens stand without a space before them.
    const bool covered = std::all_of(text.begin(), text.end(), [&](char c) {
      return c == ' ' || (c != '<' && both.words.token_to_id(std::string(1, c)).has_value());
    });
    if (both.kind == plain::form::byte_level && !text.empty() && covered && both.slow.compares_places(text)) {
      const std::string given = both.words.decode(row.ids, {.skip_special_tokens = false});
      require(given == (text.starts_with(' ') ? "" : " ") + std::string(text), "byte-level tokens lose the text");
    }
  });
  require(!problem, "a text is refused");
  return 0;
}
