// SPDX-License-Identifier: MIT
//
// The post-processor `TemplateProcessing`, whose templates stand in the file piece by piece.
// Layer: tokenizer.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/core/token.hpp"
#include "ultrafastbert/io/json_document.hpp"
#include "ultrafastbert/tokenizer/steps/post_processor.hpp"
#include "ultrafastbert/tokenizer/vocabulary.hpp"

namespace ultrafastbert::tokenizers {

/// The ids of one of the special tokens that a template declares.
[[nodiscard]] inline std::vector<token_id> read_special_ids(const json_value& special, const vocabulary& tokens) {
  const auto ids = special.at("ids").elements();
  const auto spellings = special.at("tokens").elements();
  if (ids.size() != spellings.size()) {
    special.fail_value("as many ids as tokens",
                       std::to_string(ids.size()) + " ids, " + std::to_string(spellings.size()) + " tokens");
  }
  std::vector<token_id> out;
  for (std::size_t i = 0; i < ids.size(); ++i) out.push_back(read_special_id(spellings[i], ids[i], tokens));
  return out;
}

[[nodiscard]] inline template_piece read_template_piece(const json_value& piece, const json_value& processor,
                                                        const vocabulary& tokens) {
  const auto type_id = [](const json_value& body) {
    return static_cast<std::uint32_t>(body.at("type_id").as_unsigned(0, (std::numeric_limits<std::uint32_t>::max)()));
  };
  if (const auto text = piece.find("Sequence")) {
    const json_value id = text->at("id");
    if (id.as_string() != "A" && id.as_string() != "B") id.fail_value("A or B", excerpt(id.as_string()));
    return {.role = id.as_string() == "A" ? template_role::first_text : template_role::second_text,
            .type_id = type_id(*text)};
  }
  const auto special = piece.find("SpecialToken");
  if (!special) piece.fail_value("an object with the key Sequence or SpecialToken", "neither");
  const json_value description = processor.at("special_tokens").at(special->at("id").as_string());
  return {.role = template_role::special, .type_id = type_id(*special), .ids = read_special_ids(description, tokens)};
}

/// Reads the template `key`. It must use each of its texts once, so that no text is dropped or repeated silently.
[[nodiscard]] inline std::vector<template_piece> read_template(const json_value& processor, std::string_view key,
                                                               const vocabulary& tokens) {
  const json_value value = processor.at(key);
  std::vector<template_piece> out;
  for (const json_value& piece : value.elements()) out.push_back(read_template_piece(piece, processor, tokens));
  const auto uses = [&out](template_role role) {
    return std::count_if(out.begin(), out.end(), [role](const template_piece& piece) { return piece.role == role; });
  };
  const auto first = uses(template_role::first_text);
  const auto second = uses(template_role::second_text);
  const bool is_pair = key == "pair";
  if (first != 1 || second != (is_pair ? 1 : 0)) {
    value.fail_unsupported(is_pair ? "A and B once each" : "A once and no B",
                           "A " + std::to_string(first) + " times, B " + std::to_string(second) + " times");
  }
  return out;
}

/// Reads a `TemplateProcessing`. Throws: what a `post_processor_reader` may throw.
[[nodiscard]] inline post_processor read_template_processing(const json_value& value, const vocabulary& tokens) {
  return {.single = read_template(value, "single", tokens), .pair = read_template(value, "pair", tokens)};
}

}  // namespace ultrafastbert::tokenizers
