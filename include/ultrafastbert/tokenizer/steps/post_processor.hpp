// SPDX-License-Identifier: MIT
//
// What a post-processor is: two templates, which say how the tokens of one text or of two stand between the tokens that
// every encoding gets.
// Layer: tokenizer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/core/token.hpp"
#include "ultrafastbert/io/json_document.hpp"
#include "ultrafastbert/tokenizer/vocabulary.hpp"

namespace ultrafastbert::tokenizers {

/// What a piece of a template stands for.
enum class template_role : std::uint8_t { first_text, second_text, special };

/// One piece of a template: the place of a text, or special tokens.
struct template_piece {
  template_role role = template_role::special;
  std::uint32_t type_id = 0;
  std::vector<token_id> ids{};  ///< the tokens of a special piece
};

/// Places of tokens leave out the blanks that the tokens hold.
struct offset_trim {
  bool add_prefix_space = true;  ///< whether the pre-tokenizer put a space in front of the text
};

/// The templates for one text and for two. As in the reference, the default adds no tokens and gives the second text
/// type 1.
struct post_processor {
  std::vector<template_piece> single{{.role = template_role::first_text}};
  std::vector<template_piece> pair{{.role = template_role::first_text},
                                   {.role = template_role::second_text, .type_id = 1}};
  std::vector<offset_trim> trims{};  ///< what happens to the places of tokens, in this order
  std::optional<token_id> cls{};     ///< the token at the start, where the post-processor says which it is
  std::optional<token_id> sep{};     ///< the token behind each text, where the post-processor says which it is

  /// Number of tokens that the template adds.
  [[nodiscard]] std::size_t added_tokens(bool is_pair) const noexcept {
    std::size_t count = 0;
    for (const auto& piece : is_pair ? pair : single) count += piece.ids.size();
    return count;
  }
};

/// Reads a post-processor of one type.
/// Throws: bad_type, bad_value, missing_key, bad_vocabulary (a token that the vocabulary lacks), limit_exceeded (a
///   template that adds thousands of tokens), unsupported.
using post_processor_reader = post_processor (*)(const json_value& value, const vocabulary& tokens);

/// The id of a token that a post-processor adds, which must be the vocabulary's.
/// Throws: bad_vocabulary, bad_type, bad_value.
[[nodiscard]] inline token_id read_special_id(const json_value& spelling, const json_value& id,
                                              const vocabulary& tokens) {
  const std::uint64_t wanted = id.as_unsigned();
  const auto known = tokens.id(spelling.as_string());
  if (known && static_cast<std::uint64_t>(*known) == wanted) return *known;
  const std::string token = excerpt(spelling.as_string());
  fail(error_code::bad_vocabulary,
       {.file = id.file(),
        .where = id.path(),
        .expected = known ? "id " + std::to_string(*known) + ", the vocabulary's for " + token
                          : "the vocabulary to contain " + token,
        .found = "id " + std::to_string(wanted)});
}

}  // namespace ultrafastbert::tokenizers
