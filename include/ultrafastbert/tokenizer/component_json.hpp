// SPDX-License-Identifier: MIT
//
// The normalizer, pre-tokenizer, decoder and post-processor that a tokenizer.json names. What is not implemented is
// refused with its JSON path.
// Layer: tokenizer.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/core/token.hpp"
#include "ultrafastbert/io/json_document.hpp"
#include "ultrafastbert/tokenizer/decoder.hpp"
#include "ultrafastbert/tokenizer/normalizer.hpp"
#include "ultrafastbert/tokenizer/post_processor.hpp"
#include "ultrafastbert/tokenizer/pre_tokenizer.hpp"
#include "ultrafastbert/tokenizer/vocabulary.hpp"

namespace ultrafastbert::tokenizers {

inline constexpr std::size_t longest_pattern = 1024;       // a search costs at most this much for each byte
inline constexpr std::size_t most_normalizer_steps = 256;  // each passes over the text

/// What `BertNormalizer` says. Accents follow the case where nothing is said about them.
struct bert_options {
  bool clean_text = true;
  bool handle_chinese_chars = true;
  std::optional<bool> strip_accents{};
  bool lowercase = true;
};

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

[[nodiscard]] inline normalizer_step read_replace(const json_value& step) {
  const json_value pattern = step.at("pattern");
  std::string content = step.at("content").as_string();
  if (content.size() > longest_pattern) {
    io::fail_limit(step.file(), step.at("content").path(), "bytes", longest_pattern);
  }
  if (const auto text = pattern.find("String")) {
    const std::string& spelling = text->as_string();
    if (spelling.empty()) text->fail_unsupported("a string of at least one byte", "an empty string");
    if (spelling.size() > longest_pattern) io::fail_limit(step.file(), text->path(), "bytes", longest_pattern);
    return replace_string{.pattern = spelling, .content = std::move(content)};
  }
  const auto regex = pattern.find("Regex");
  if (!regex) pattern.fail_value("an object with the key String or Regex", "neither");
  const std::string& expression = regex->as_string();
  if (expression == " ") return replace_string{.pattern = expression, .content = std::move(content)};
  if (expression == " {2,}") return replace_space_runs{.content = std::move(content)};
  if (expression == "[^\\x00-\\x7F]+") return replace_non_ascii_runs{.content = std::move(content)};
  regex->fail_unsupported("' ', ' {2,}' or '[^\\x00-\\x7F]+'", excerpt(expression));
}

/// Appends the steps of a `BertNormalizer`, in the order in which they apply.
inline void append_bert_steps(const bert_options& options, std::vector<normalizer_step>& steps) {
  if (options.clean_text) steps.push_back(clean_bert_text{});
  if (options.handle_chinese_chars) steps.push_back(space_bert_ideographs{});
  if (options.strip_accents.value_or(options.lowercase)) {
    steps.push_back(unicode_form{});
    steps.push_back(strip_bert_accents{});
  }
  if (options.lowercase) steps.push_back(lower_case{});
}

[[nodiscard]] inline bert_options read_bert_options(const json_value& step) {
  bert_options out{.clean_text = step.at("clean_text").as_boolean(),
                   .handle_chinese_chars = step.at("handle_chinese_chars").as_boolean(),
                   .lowercase = step.at("lowercase").as_boolean()};
  if (const auto strip = find_non_null(step, "strip_accents")) out.strip_accents = strip->as_boolean();
  return out;
}

/// The step of a type that takes no options, or nothing.
[[nodiscard]] inline std::optional<normalizer_step> plain_step(std::string_view type) {
  if (type == "NFC") return unicode_form{.composed = true};
  if (type == "NFD") return unicode_form{};
  if (type == "NFKC") return unicode_form{.compatibility = true, .composed = true};
  if (type == "NFKD") return unicode_form{.compatibility = true};
  if (type == "Lowercase") return lower_case{};
  if (type == "StripAccents") return strip_accents{};
  return std::nullopt;
}

/// Appends the steps of a normalizer; sequences inside sequences are laid flat.
inline void read_normalizer(const json_value& value, std::vector<normalizer_step>& steps) {
  const json_value type = value.at("type");
  const std::string& name = type.as_string();
  if (name == "Sequence") {
    for (const json_value& step : value.at("normalizers").elements()) read_normalizer(step, steps);
    return;
  }
  if (steps.size() >= most_normalizer_steps) io::fail_limit(value.file(), value.path(), "steps", most_normalizer_steps);
  if (name == "Replace") {
    steps.push_back(read_replace(value));
  } else if (name == "BertNormalizer") {
    append_bert_steps(read_bert_options(value), steps);
  } else if (const auto step = plain_step(name)) {
    steps.push_back(*step);
  } else {
    fail_component(type, "Sequence, Replace, BertNormalizer, NFC, NFD, NFKC, NFKD, Lowercase or StripAccents");
  }
}

[[nodiscard]] inline pre_tokenizer read_pre_tokenizer(const json_value& root) {
  const auto value = find_non_null(root, "pre_tokenizer");
  if (!value) return whole_text{};
  const json_value type = value->at("type");
  if (type.as_string() == "BertPreTokenizer") return bert_split{};
  if (type.as_string() != "Whitespace") fail_component(type, "null, Whitespace or BertPreTokenizer");
  return whitespace_split{};
}

[[nodiscard]] inline decoder read_decoder(const json_value& root) {
  const auto value = find_non_null(root, "decoder");
  if (!value) return spaced_decoder{};
  const json_value type = value->at("type");
  if (type.as_string() != "WordPiece") fail_component(type, "null or WordPiece");
  return wordpiece_decoder{.prefix = value->at("prefix").as_string(), .cleanup = value->at("cleanup").as_boolean()};
}

/// Id of a token that a post-processor adds, which must be the vocabulary's.
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

/// Ids of a template's special token.
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

/// A token of `BertProcessing`: a list of spelling and id.
[[nodiscard]] inline token_id read_bert_token(const json_value& pair, const vocabulary& tokens) {
  const auto parts = pair.elements();
  if (parts.size() != 2) pair.fail_value("a list of a token and its id", std::to_string(parts.size()) + " elements");
  return read_special_id(parts[0], parts[1], tokens);
}

[[nodiscard]] inline template_processor read_post_processor(const json_value& root, const vocabulary& tokens) {
  const auto value = find_non_null(root, "post_processor");
  if (!value) return {};
  const json_value type = value->at("type");
  if (type.as_string() == "BertProcessing") {
    const token_id sep = read_bert_token(value->at("sep"), tokens);
    return bert_template({.cls = read_bert_token(value->at("cls"), tokens), .sep = sep});
  }
  if (type.as_string() != "TemplateProcessing") fail_component(type, "null, TemplateProcessing or BertProcessing");
  return {.single = read_template(*value, "single", tokens), .pair = read_template(*value, "pair", tokens)};
}

}  // namespace ultrafastbert::tokenizers
