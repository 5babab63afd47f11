// SPDX-License-Identifier: MIT
//
// The post-processor `TemplateProcessing`, whose templates stand in the file piece by piece.
// Layer: tokenizer.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/core/token.hpp"
#include "ultrafastbert/io/json_document.hpp"
#include "ultrafastbert/tokenizer/steps/post_processor.hpp"
#include "ultrafastbert/tokenizer/vocabulary.hpp"

namespace ultrafastbert::tokenizers {

/// Most pieces of a template, and most tokens that it adds to a text. Published templates add a handful; without a
/// bound, a short file could add many tokens many times, in every encoding.
inline constexpr std::size_t most_template_tokens = 4096;

/// The ids of one of the special tokens that a template declares.
[[nodiscard]] inline std::vector<token_id> read_special_ids(const json_value& special, const vocabulary& tokens) {
  const auto ids = special.at("ids").elements();
  if (ids.size() > most_template_tokens) {
    io::fail_limit(special.file(), special.at("ids").path(), "tokens of a template", most_template_tokens);
  }
  const auto spellings = special.at("tokens").elements();
  if (ids.size() != spellings.size()) {
    special.fail_value("as many ids as tokens",
                       std::to_string(ids.size()) + " ids, " + std::to_string(spellings.size()) + " tokens");
  }
  std::vector<token_id> out;
  for (std::size_t i = 0; i < ids.size(); ++i) out.push_back(read_special_id(spellings[i], ids[i], tokens));
  return out;
}

/// The special tokens that a post-processor declares, by name. Each is read once, when a template first uses it.
class template_specials {
 public:
  /// Pre: both outlive this.
  template_specials(const json_value& processor, const vocabulary& tokens) : processor_(processor), tokens_(tokens) {}

  /// The ids of a token. Throws: missing_key, bad_type, bad_value, bad_vocabulary, limit_exceeded.
  [[nodiscard]] const std::vector<token_id>& ids(const std::string& name) {
    if (!declared_) {
      declared_ = processor_.at("special_tokens");
      for (auto& [key, value] : declared_->members()) specials_.try_emplace(std::move(key), std::move(value));
    }
    const auto found = specials_.find(name);
    if (found == specials_.end()) declared_->fail_missing(name);
    description& special = found->second;
    if (!special.ids) special.ids = read_special_ids(special.value, tokens_);
    return *special.ids;
  }

 private:
  struct description {
    explicit description(json_value place) : value(std::move(place)) {}
    json_value value;
    std::optional<std::vector<token_id>> ids{};
  };

  const json_value& processor_;
  const vocabulary& tokens_;
  std::optional<json_value> declared_{};
  std::map<std::string, description, std::less<>> specials_{};
};

[[nodiscard]] inline template_piece read_template_piece(const json_value& piece, template_specials& specials) {
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
  return {
      .role = template_role::special, .type_id = type_id(*special), .ids = specials.ids(special->at("id").as_string())};
}

/// Reads the template `key`. It must use each of its texts once, so that no text is dropped or repeated silently.
/// Throws: limit_exceeded (it adds too many tokens), and what a `post_processor_reader` may throw.
[[nodiscard]] inline std::vector<template_piece> read_template(const json_value& processor, std::string_view key,
                                                               template_specials& specials) {
  const json_value value = processor.at(key);
  std::vector<template_piece> out;
  std::size_t added = 0;
  for (const json_value& piece : value.elements()) {
    if (out.size() == most_template_tokens) {
      io::fail_limit(value.file(), piece.path(), "pieces of a template", most_template_tokens);
    }
    out.push_back(read_template_piece(piece, specials));
    added += out.back().ids.size();
    if (added > most_template_tokens) {
      io::fail_limit(value.file(), piece.path(), "tokens of a template", most_template_tokens);
    }
  }
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
  template_specials specials(value, tokens);
  return {.single = read_template(value, "single", specials), .pair = read_template(value, "pair", specials)};
}

}  // namespace ultrafastbert::tokenizers
