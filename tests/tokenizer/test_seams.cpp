// SPDX-License-Identifier: MIT
//
// What the interfaces between the parts carry: a byte-level pre-tokenizer that rewrites its text, a model that knows
// whole words only, and a decoder that needs several tokens at once, all of them written here.
#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fixtures.hpp"
#include "support/catch.hpp"

namespace {

namespace tokenizers = ultrafastbert::tokenizers;
using ufb_test::json;
using ufb_test::strings;
using ultrafastbert::text_span;
using ultrafastbert::token_id;

/// Writes every byte as two hexadecimal digits, as a byte-level tokenizer writes it as a character.
class hex_pre_tokenizer : public tokenizers::pre_tokenizer {
 public:
  void apply(tokenizers::pre_tokenized_text& pieces) const override {
    pieces.rewrite_pieces([](tokenizers::normalized_text& text, const tokenizers::byte_range& piece) {
      for (std::size_t i = piece.begin; i < piece.end; ++i) {
        constexpr std::string_view digits = "0123456789abcdef";
        const auto byte = static_cast<unsigned char>(text.text()[i]);
        const std::array<char, 2> spelled{digits[byte >> 4U], digits[byte & 15U]};
        text.put(std::string_view(spelled.data(), 2), text.origin(i));
      }
    });
  }
};

/// A token for every two bytes of a piece; it counts the pieces in its scratch.
class pair_model : public tokenizers::token_model {
 public:
  struct scratch : tokenizers::model_scratch {
    int pieces = 0;
  };
  [[nodiscard]] std::unique_ptr<tokenizers::model_scratch> make_scratch() const override {
    return std::make_unique<scratch>();
  }
  void tokenize(std::string_view piece, tokenizers::model_scratch& memory) const override {
    ++static_cast<scratch&>(memory).pieces;
    memory.tokens.clear();
    for (std::size_t i = 0; i + 2 <= piece.size(); i += 2) {
      memory.tokens.emplace_back(static_cast<token_id>(piece[i]), tokenizers::byte_range{.begin = i, .end = i + 2});
    }
  }
  [[nodiscard]] std::optional<std::string> unknown_token() const override { return std::nullopt; }
};

/// Joins every two parts.
class pair_decoder : public tokenizers::decoder {
 public:
  void apply(std::vector<std::string>& parts) const override {
    std::vector<std::string> out;
    for (std::size_t i = 0; i < parts.size(); i += 2) {
      out.push_back(parts[i] + (i + 1 < parts.size() ? parts[i + 1] : "") + "/");
    }
    parts = std::move(out);
  }
};

/// A tokenizer with the normalizer and the added tokens of a document, and the parts from above.
std::unique_ptr<tokenizers::tokenizer_parts> parts_of(const json& document) {
  auto parts = std::make_unique<tokenizers::tokenizer_parts>();
  const auto read = ultrafastbert::json_document::parse(document.dump(), "tokenizer.json");
  tokenizers::vocabulary::builder tokens({.file = "tokenizer.json"});
  auto added = tokenizers::read_added_tokens(read.root());
  for (const auto& entry : added) tokens.add_added_token(entry.token.content, entry.id);
  parts->tokens = std::make_shared<const tokenizers::vocabulary>(std::move(tokens).build());
  parts->normalizers = tokenizers::read_normalizers(read.root());
  tokenizers::place_added_tokens(std::move(added), *parts);
  parts->pre_tokenizers.push_back(std::make_unique<const hex_pre_tokenizer>());
  parts->model = std::make_unique<const pair_model>();
  return parts;
}

std::vector<text_span> spans_of(const tokenizers::text_tokens& tokens) {
  std::vector<text_span> out;
  for (std::size_t i = 0; i < tokens.size(); ++i) out.push_back(tokens[i].span);
  return out;
}

}  // namespace

TEST_CASE("Pieces may differ from the normalized text, and their tokens keep their places", "[tokenizer][seams]") {
  json document = ufb_test::small_tokenizer();
  document["normalizer"] = {{"type", "NFD"}};
  // White space is cut away before the bytes are rewritten.
  const auto parts = parts_of(document);
  parts->pre_tokenizers.insert(parts->pre_tokenizers.begin(),
                               std::make_unique<const tokenizers::whitespace_pre_tokenizer>());
  tokenizers::call_scratch scratch(*parts);
  tokenizers::text_tokens tokens;
  // Two words; the composed letter is decomposed and becomes three bytes, all of them at its place.
  tokenizers::tokenize_text(*parts, "a\xC3\xA9 b<mask>b", scratch, tokens);
  CHECK(spans_of(tokens) == std::vector<text_span>{{0, 1}, {1, 2}, {1, 2}, {1, 2}, {3, 4}, {4, 10}, {10, 11}});
  CHECK(tokens[0].id == '6');
  CHECK(tokens[2].id == 'c');
  CHECK(tokens[5].id == 4);
  CHECK(tokens.bytes(tokens[5].span) == text_span{5, 11});
  CHECK(static_cast<pair_model::scratch&>(*scratch.model).pieces == 3);
}

TEST_CASE("Normalized added tokens stand between texts that are rewritten by themselves", "[tokenizer][seams]") {
  json document = ufb_test::small_tokenizer();
  json token = ufb_test::added_token(20, "New");
  token["normalized"] = true;
  document["added_tokens"].push_back(token);
  const auto parts = parts_of(document);
  parts->pre_tokenizers.insert(parts->pre_tokenizers.begin(),
                               std::make_unique<const tokenizers::whitespace_pre_tokenizer>());
  tokenizers::call_scratch scratch(*parts);
  tokenizers::text_tokens tokens;
  tokenizers::tokenize_text(*parts, "ab NEW c", scratch, tokens);
  CHECK(spans_of(tokens) == std::vector<text_span>{{0, 1}, {1, 2}, {3, 6}, {7, 8}});
  CHECK(tokens[2].id == 20);
}

TEST_CASE("A decoder sees all tokens at once", "[tokenizer][seams]") {
  tokenizers::decoder_list steps;
  steps.push_back(std::make_unique<const pair_decoder>());
  steps.push_back(std::make_unique<const tokenizers::spaced_decoder>());
  CHECK(tokenizers::join_decoded(steps, {"a", "b", "c"}, "tests") == "ab/ c/");
  CHECK(tokenizers::join_decoded(steps, {}, "tests") == "");
}

TEST_CASE("The lists of components name each type once", "[tokenizer][seams]") {
  const auto check = [](const auto& table) {
    for (std::size_t i = 0; i < std::size(table); ++i) {
      for (std::size_t k = 0; k < i; ++k) CHECK(table[i].type != table[k].type);
    }
  };
  check(tokenizers::model_components);
  check(tokenizers::normalizer_components);
  check(tokenizers::pre_tokenizer_components);
  check(tokenizers::post_processor_components);
  check(tokenizers::decoder_components);
}
