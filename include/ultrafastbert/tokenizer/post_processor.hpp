// SPDX-License-Identifier: MIT
//
// Post-processors: put the tokens of one text or two together with the template's own tokens.
// Layer: tokenizer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ultrafastbert/core/token.hpp"
#include "ultrafastbert/tokenizer/encoding.hpp"
#include "ultrafastbert/tokenizer/vocabulary.hpp"

namespace ultrafastbert::tokenizers {

/// A token and its place in the original text.
struct located_token {
  token_id id = 0;
  text_span span{};
  std::uint32_t spelling = 0;  ///< number of an own spelling, from 1; 0: the vocabulary's
};

/// The tokens of a text. Added tokens that took in white space or were found in normalized text have own spellings.
struct located_tokens {
  std::vector<located_token> tokens{};
  std::vector<std::string> spellings{};

  [[nodiscard]] std::size_t size() const noexcept { return tokens.size(); }  ///< number of tokens

  /// Adds an added token that stands as `text` in its text.
  void add_spelled(token_id id, const text_span& span, std::string_view text, const vocabulary& known) {
    std::uint32_t spelling = 0;
    if (known.token(id) != text) {
      spellings.emplace_back(text);
      spelling = static_cast<std::uint32_t>(spellings.size());
    }
    tokens.push_back({.id = id, .span = span, .spelling = spelling});
  }
};

/// What a template piece stands for.
enum class template_role : std::uint8_t { first_text, second_text, special };

/// One piece of a template.
struct template_piece {
  template_role role = template_role::special;
  std::uint32_t type_id = 0;
  std::vector<token_id> ids{};  ///< of a special piece
};

/// The templates for one text and for two. The default adds nothing and gives the second text type 1, as the
/// reference does without a post-processor.
struct template_processor {
  std::vector<template_piece> single{{.role = template_role::first_text}};
  std::vector<template_piece> pair{{.role = template_role::first_text},
                                   {.role = template_role::second_text, .type_id = 1}};

  /// Number of tokens the template adds.
  [[nodiscard]] std::size_t added_tokens(bool is_pair) const noexcept {
    std::size_t count = 0;
    for (const auto& piece : is_pair ? pair : single) count += piece.ids.size();
    return count;
  }

  /// Builds the encoding from the tokens that truncation left.
  /// Pre: all ids are the vocabulary's; second is empty unless `is_pair`.
  [[nodiscard]] encoding assemble(const vocabulary& tokens, const located_tokens& first, const located_tokens& second,
                                  bool is_pair, bool add_special_tokens) const {
    encoding out;
    const std::size_t size = first.size() + second.size() + (add_special_tokens ? added_tokens(is_pair) : 0);
    out.ids.reserve(size);
    out.tokens.reserve(size);
    out.offsets.reserve(size);
    out.type_ids.reserve(size);
    out.special_tokens_mask.reserve(size);
    out.attention_mask.assign(size, 1);
    const auto add = [&](const located_token& token, std::uint32_t type_id, bool special) {
      out.ids.push_back(token.id);
      out.tokens.emplace_back(tokens.token(token.id).value_or(std::string_view{}));
      out.offsets.push_back(token.span);
      out.type_ids.push_back(type_id);
      out.special_tokens_mask.push_back(special ? 1 : 0);
    };
    for (const auto& piece : is_pair ? pair : single) {
      if (piece.role == template_role::special) {
        if (!add_special_tokens) continue;
        for (const token_id id : piece.ids) add({.id = id}, piece.type_id, true);
      } else {
        const auto& text = piece.role == template_role::first_text ? first : second;
        for (const located_token& token : text.tokens) {
          add(token, piece.type_id, false);
          if (token.spelling != 0) out.tokens.back() = text.spellings[token.spelling - 1];
        }
      }
    }
    return out;
  }
};

/// The tokens that BERT's template adds.
struct bert_specials {
  token_id cls = 0;
  token_id sep = 0;
};

/// `[CLS] A [SEP]`, and `[CLS] A [SEP] B [SEP]` with type 1 from B on (`BertProcessing`).
[[nodiscard]] inline template_processor bert_template(const bert_specials& tokens) {
  const template_piece cls{.role = template_role::special, .ids = {tokens.cls}};
  const template_piece sep{.role = template_role::special, .ids = {tokens.sep}};
  const template_piece last{.role = template_role::special, .type_id = 1, .ids = {tokens.sep}};
  const template_piece first{.role = template_role::first_text};
  const template_piece second{.role = template_role::second_text, .type_id = 1};
  return {.single = {cls, first, sep}, .pair = {cls, first, sep, second, last}};
}

}  // namespace ultrafastbert::tokenizers
