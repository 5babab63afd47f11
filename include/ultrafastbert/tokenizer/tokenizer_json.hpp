// SPDX-License-Identifier: MIT
//
// tokenizer.json to the components of a tokenizer. What is not implemented is refused with its JSON path; keys this
// version does not know are ignored, `truncation` and `padding` are checked for their type only.
// Layer: tokenizer.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/io/json_document.hpp"
#include "ultrafastbert/tokenizer/added_tokens.hpp"
#include "ultrafastbert/tokenizer/decoder.hpp"
#include "ultrafastbert/tokenizer/normaliser.hpp"
#include "ultrafastbert/tokenizer/post_processor.hpp"
#include "ultrafastbert/tokenizer/pre_tokeniser.hpp"
#include "ultrafastbert/tokenizer/vocabulary.hpp"
#include "ultrafastbert/tokenizer/wordpiece.hpp"

namespace ultrafastbert::detail {

/// Everything a tokenizer.json says, ready for use.
struct tokenizer_parts {
  std::string file{};
  std::shared_ptr<const vocabulary> tokens{};
  added_token_matcher raw_tokens{};         ///< looked for in the raw text
  added_token_matcher normalised_tokens{};  ///< looked for in what is left, after normalisation
  std::vector<token_id> special_ids{};      ///< ascending
  normaliser normalise{};
  pre_tokeniser pre_tokenise{};
  std::shared_ptr<const wordpiece> model{};
  template_processor post_process{};
  decoder decode{};
};

inline constexpr std::size_t largest_tokenizer_file = std::size_t{64} << 20U;
inline constexpr std::size_t longest_pattern = 1024;       // a search costs at most this much for each byte
inline constexpr std::size_t most_normaliser_steps = 256;  // each passes over the text

/// A member that may be absent or null.
[[nodiscard]] inline std::optional<json_value> find_non_null(const json_value& object, std::string_view key) {
  auto member = object.find(key);
  if (member && member->is_null()) member.reset();
  return member;
}

/// Refuses the component `value` because of its `type`.
[[noreturn]] inline void fail_component(const json_value& type, std::string accepted) {
  type.fail_unsupported(std::move(accepted), excerpt(type.as_string()));
}

[[nodiscard]] inline normaliser_step read_replace(const json_value& step) {
  const json_value pattern = step.at("pattern");
  std::string content = step.at("content").as_string();
  if (content.size() > longest_pattern) {
    fail_limit(step.file(), step.at("content").path(), "bytes", longest_pattern);
  }
  if (const auto text = pattern.find("String")) {
    const std::string& spelling = text->as_string();
    if (spelling.empty()) text->fail_unsupported("a string of at least one byte", "an empty string");
    if (spelling.size() > longest_pattern) fail_limit(step.file(), text->path(), "bytes", longest_pattern);
    return replace_string{.pattern = spelling, .content = std::move(content)};
  }
  const auto regex = pattern.find("Regex");
  if (!regex) pattern.fail_value("an object with the key String or Regex", "neither");
  const std::string& expression = regex->as_string();
  if (expression == " {2,}") return replace_space_runs{.content = std::move(content)};
  if (expression == "[^\\x00-\\x7F]+") return replace_non_ascii_runs{.content = std::move(content)};
  regex->fail_unsupported("' {2,}' or '[^\\x00-\\x7F]+'", excerpt(expression));
}

/// Appends the steps of a normaliser; sequences inside sequences are laid flat.
inline void read_normaliser(const json_value& value, std::vector<normaliser_step>& steps) {
  const json_value type = value.at("type");
  const std::string& name = type.as_string();
  if (name == "Sequence") {
    for (const json_value& step : value.at("normalizers").elements()) read_normaliser(step, steps);
    return;
  }
  if (steps.size() >= most_normaliser_steps) fail_limit(value.file(), value.path(), "steps", most_normaliser_steps);
  if (name == "Replace") {
    steps.push_back(read_replace(value));
  } else if (name == "NFD") {
    steps.push_back(canonical_decomposition{});
  } else if (name == "Lowercase") {
    steps.push_back(lower_case{});
  } else if (name == "StripAccents") {
    steps.push_back(strip_accents{});
  } else {
    fail_component(type, "Sequence, Replace, NFD, Lowercase or StripAccents");
  }
}

[[nodiscard]] inline pre_tokeniser read_pre_tokeniser(const json_value& root) {
  const auto value = find_non_null(root, "pre_tokenizer");
  if (!value) return whole_text{};
  const json_value type = value->at("type");
  if (type.as_string() != "Whitespace") fail_component(type, "null or Whitespace");
  return whitespace_split{};
}

[[nodiscard]] inline decoder read_decoder(const json_value& root) {
  const auto value = find_non_null(root, "decoder");
  if (!value) return spaced_decoder{};
  const json_value type = value->at("type");
  if (type.as_string() != "WordPiece") fail_component(type, "null or WordPiece");
  return wordpiece_decoder{.prefix = value->at("prefix").as_string(), .cleanup = value->at("cleanup").as_boolean()};
}

/// Ids of a template's special token, whose spellings must be the vocabulary's.
[[nodiscard]] inline std::vector<token_id> read_special_ids(const json_value& special, const vocabulary& tokens) {
  const auto ids = special.at("ids").elements();
  const auto spellings = special.at("tokens").elements();
  if (ids.size() != spellings.size()) {
    special.fail_value("as many ids as tokens",
                       std::to_string(ids.size()) + " ids, " + std::to_string(spellings.size()) + " tokens");
  }
  std::vector<token_id> out;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const std::uint64_t id = ids[i].as_unsigned();
    const std::string& spelling = spellings[i].as_string();
    const auto known = tokens.id(spelling);
    if (!known || static_cast<std::uint64_t>(*known) != id) {
      fail(error_code::bad_vocabulary,
           {.file = special.file(),
            .where = ids[i].path(),
            .expected = known ? "id " + std::to_string(*known) + ", the vocabulary's for " + excerpt(spelling)
                              : "the vocabulary to contain " + excerpt(spelling),
            .found = "id " + std::to_string(id)});
    }
    out.push_back(*known);
  }
  return out;
}

[[nodiscard]] inline template_piece read_template_piece(const json_value& piece, const json_value& processor,
                                                        const vocabulary& tokens) {
  const auto type_id = [](const json_value& body) {
    return static_cast<std::uint32_t>(body.at("type_id").as_unsigned(0, std::numeric_limits<std::uint32_t>::max()));
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

/// Reads the template `key`, which must use each of its texts once, so that no text is dropped or repeated silently.
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

[[nodiscard]] inline template_processor read_post_processor(const json_value& root, const vocabulary& tokens) {
  const auto value = find_non_null(root, "post_processor");
  if (!value) return {};
  const json_value type = value->at("type");
  if (type.as_string() != "TemplateProcessing") fail_component(type, "null or TemplateProcessing");
  return {.single = read_template(*value, "single", tokens), .pair = read_template(*value, "pair", tokens)};
}

/// What `model` says beside its vocabulary. Files of early versions name no type; their WordPiece models are told
/// from others by a key that only WordPiece has.
[[nodiscard]] inline wordpiece_options read_wordpiece(const json_value& model) {
  constexpr std::string_view limit_key = "max_input_chars_per_word";
  if (const auto type = model.find("type"); type || !model.find(limit_key)) {
    if (model.at("type").as_string() != "WordPiece") fail_component(*type, "WordPiece");
  }
  if (const json_value tokens = model.at("vocab"); !tokens.is_streamed()) tokens.fail_type("an object");
  return {.unknown_token = model.at("unk_token").as_string(),
          .continuing_prefix = model.at("continuing_subword_prefix").as_string(),
          .max_code_points = model.at(limit_key).as_unsigned()};
}

/// An entry of `added_tokens`, checked for what this version can do.
struct added_token_entry {
  std::string content{};
  std::uint64_t id = 0;  // the vocabulary checks that it is a token_id
  bool normalised = false;
  bool special = false;
};

[[nodiscard]] inline added_token_entry read_added_token(const json_value& value, bool has_normaliser) {
  for (const std::string_view flag : {"single_word", "lstrip", "rstrip"}) {
    if (const json_value set = value.at(flag); set.as_boolean()) set.fail_unsupported("false", "true");
  }
  const json_value normalised = value.at("normalized");
  if (normalised.as_boolean() && has_normaliser) {
    normalised.fail_unsupported("false, unless the normalizer is null", "true");
  }
  return {.content = value.at("content").as_string(),
          .id = value.at("id").as_unsigned(),
          .normalised = normalised.as_boolean(),
          .special = value.at("special").as_boolean()};
}

[[nodiscard]] inline std::vector<added_token_entry> read_added_tokens(const json_value& root, bool has_normaliser) {
  std::vector<added_token_entry> out;
  if (const auto list = root.find("added_tokens")) {
    for (const json_value& value : list->elements()) out.push_back(read_added_token(value, has_normaliser));
  }
  return out;
}

/// Distributes the added tokens over the two passes that look for them.
/// Pre: the vocabulary accepted them.
inline void place_added_tokens(const std::vector<added_token_entry>& entries, tokenizer_parts& parts) {
  std::vector<added_token> raw;
  std::vector<added_token> normalised;
  for (const auto& entry : entries) {
    const auto id = static_cast<token_id>(entry.id);
    (entry.normalised ? normalised : raw).push_back({.content = entry.content, .id = id});
    if (entry.special) parts.special_ids.push_back(id);
  }
  std::sort(parts.special_ids.begin(), parts.special_ids.end());
  parts.raw_tokens = added_token_matcher(std::move(raw));
  parts.normalised_tokens = added_token_matcher(std::move(normalised));
}

/// Receiver of the vocabulary's members.
inline void add_vocabulary_member(vocabulary::builder& tokens, const std::string& file, std::string_view token,
                                  const json_scalar& id) {
  const auto where = [token] { return "$.model.vocab[" + excerpt(token) + ']'; };
  if (const auto* value = std::get_if<std::uint64_t>(&id)) {
    tokens.add_model_token(token, *value);
  } else if (const auto* negative = std::get_if<std::int64_t>(&id)) {
    fail(error_code::bad_vocabulary,
         {.file = file, .where = where(), .expected = "an id of at least 0", .found = std::to_string(*negative)});
  } else {
    constexpr std::array names{"null", "a boolean", "an integer", "a negative integer", "a fraction", "a string"};
    fail(error_code::bad_type,
         {.file = file, .where = where(), .expected = "an integer", .found = names.at(id.index())});
  }
}

/// Checks members that have no effect here: calls say themselves how to truncate and pad.
inline void check_ignored_members(const json_value& root) {
  for (const std::string_view key : {"truncation", "padding"}) {
    if (const auto value = find_non_null(root, key); value && !value->is_object())
      value->fail_type("null or an object");
  }
  if (const auto version = root.find("version"); version && version->as_string() != "1.0") {
    version->fail_unsupported("'1.0'", excerpt(version->as_string()));
  }
}

/// Reads the text of a tokenizer.json that is called `file` in errors.
/// Throws: bad_json, duplicate_key, limit_exceeded, bad_type, bad_value, missing_key, bad_vocabulary, unsupported.
/// Complexity: n log n in the number of tokens; memory about three times the text.
[[nodiscard]] inline tokenizer_parts read_tokenizer_json(std::string_view json, std::string file) {
  vocabulary::builder tokens(file, "$.model.vocab", "$.added_tokens");
  const std::vector<json_stream> streams{
      {.path = "$.model.vocab", .sink = [&tokens, &file](std::string_view token, const json_scalar& id) {
         add_vocabulary_member(tokens, file, token, id);
       }}};
  const auto document = json_document::parse(json, file, {.max_bytes = largest_tokenizer_file}, streams);
  const json_value root = document.root();
  check_ignored_members(root);
  const wordpiece_options model = read_wordpiece(root.at("model"));
  tokenizer_parts parts;
  parts.file = file;
  const auto normalise = find_non_null(root, "normalizer");
  if (normalise) {
    std::vector<normaliser_step> steps;
    read_normaliser(*normalise, steps);
    parts.normalise = normaliser(std::move(steps));
  }
  const auto added = read_added_tokens(root, normalise.has_value());
  for (const auto& entry : added) tokens.add_added_token(entry.content, entry.id);
  parts.tokens = std::make_shared<const vocabulary>(std::move(tokens).build());
  place_added_tokens(added, parts);
  parts.pre_tokenise = read_pre_tokeniser(root);
  parts.model = std::make_shared<const wordpiece>(model, parts.tokens, file);
  parts.post_process = read_post_processor(root, *parts.tokens);
  parts.decode = read_decoder(root);
  return parts;
}

}  // namespace ultrafastbert::detail
