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
#include <unordered_set>
#include <utility>
#include <variant>
#include <vector>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/io/json_document.hpp"
#include "ultrafastbert/tokenizer/added_tokens.hpp"
#include "ultrafastbert/tokenizer/component_json.hpp"
#include "ultrafastbert/tokenizer/decoder.hpp"
#include "ultrafastbert/tokenizer/normalized_text.hpp"
#include "ultrafastbert/tokenizer/normalizer.hpp"
#include "ultrafastbert/tokenizer/post_processor.hpp"
#include "ultrafastbert/tokenizer/pre_tokenizer.hpp"
#include "ultrafastbert/tokenizer/vocabulary.hpp"
#include "ultrafastbert/tokenizer/wordpiece.hpp"

namespace ultrafastbert::tokenizers {

/// Everything a tokenizer.json says, ready for use.
struct tokenizer_parts {
  std::string file{};
  std::shared_ptr<const vocabulary> tokens{};
  added_token_matcher raw_tokens{};         ///< looked for in the raw text
  added_token_matcher normalized_tokens{};  ///< looked for in what is left, after normalization
  std::vector<token_id> special_ids{};      ///< ascending
  normalizer normalize{};
  pre_tokenizer pre_tokenize{};
  std::shared_ptr<const wordpiece> model{};
  template_processor post_process{};
  decoder decode{};
};

inline constexpr std::size_t largest_tokenizer_file = std::size_t{64} << 20U;

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

/// An entry of `added_tokens`.
struct added_token_entry {
  added_token token{};   // its id is set once the vocabulary accepted it
  std::uint64_t id = 0;  // the vocabulary checks that it is a token_id
  bool normalized = false;
  bool special = false;
  std::string path{};
};

[[nodiscard]] inline added_token_entry read_added_token(const json_value& value, std::uint64_t id) {
  return {.token = {.content = value.at("content").as_string(),
                    .single_word = value.at("single_word").as_boolean(),
                    .lstrip = value.at("lstrip").as_boolean(),
                    .rstrip = value.at("rstrip").as_boolean()},
          .id = id,
          .normalized = value.at("normalized").as_boolean(),
          .special = value.at("special").as_boolean(),
          .path = value.path()};
}

[[nodiscard]] inline std::vector<added_token_entry> read_added_tokens(const json_value& root) {
  std::vector<added_token_entry> out;
  if (const auto list = root.find("added_tokens")) {
    for (const json_value& value : list->elements()) {
      out.push_back(read_added_token(value, value.at("id").as_unsigned()));
    }
  }
  return out;
}

/// Where the order in which the reference looks for added tokens would matter, it is not defined: refused.
/// Throws: unsupported.
inline void check_added_tokens(const std::vector<added_token_entry>& entries, const std::string& file) {
  std::unordered_set<std::string_view> normalized;
  const auto strips = std::find_if(entries.begin(), entries.end(), [](const auto& e) { return e.token.rstrip; });
  for (const auto& entry : entries) {
    const std::string& content = entry.token.content;
    const auto refuse = [&](std::string_view member, std::string expected, std::string found) {
      fail(error_code::unsupported, {.file = file,
                                     .where = entry.path + std::string(member),
                                     .expected = std::move(expected),
                                     .found = std::move(found)});
    };
    if (content.empty()) refuse(".normalized", "a token that the normalizer leaves something of", "nothing is left");
    if (strips != entries.end() && is_white_space(decode_utf8(content, 0).code_point)) {
      refuse(".content", "no white space at the start while " + strips->path + " has rstrip", excerpt(content));
    }
    if (entry.normalized && !normalized.insert(content).second) {
      refuse(".normalized", "a token that differs from the others after normalization", excerpt(content) + " again");
    }
  }
}

/// Distributes the added tokens over the two passes that look for them. Those of the second pass are normalized, too.
/// Pre: the vocabulary accepted them.
/// Throws: unsupported.
inline void place_added_tokens(std::vector<added_token_entry> entries, tokenizer_parts& parts) {
  normalized_text content;
  for (auto& entry : entries) {
    entry.token.id = static_cast<token_id>(entry.id);
    if (entry.special) parts.special_ids.push_back(entry.token.id);
    if (!entry.normalized) continue;
    content.assign(entry.token.content, 0);
    parts.normalize.apply(content);
    entry.token.content = content.text();
  }
  check_added_tokens(entries, parts.file);
  std::vector<added_token> raw;
  std::vector<added_token> normalized;
  for (auto& entry : entries) (entry.normalized ? normalized : raw).push_back(std::move(entry.token));
  std::sort(parts.special_ids.begin(), parts.special_ids.end());
  parts.raw_tokens = added_token_matcher(std::move(raw));
  parts.normalized_tokens = added_token_matcher(std::move(normalized));
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
  if (const auto normalize = find_non_null(root, "normalizer")) {
    std::vector<normalizer_step> steps;
    read_normalizer(*normalize, steps);
    parts.normalize = normalizer(std::move(steps));
  }
  auto added = read_added_tokens(root);
  for (const auto& entry : added) tokens.add_added_token(entry.token.content, entry.id);
  parts.tokens = std::make_shared<const vocabulary>(std::move(tokens).build());
  place_added_tokens(std::move(added), parts);
  parts.pre_tokenize = read_pre_tokenizer(root);
  parts.model = std::make_shared<const wordpiece>(model, parts.tokens, file);
  parts.post_process = read_post_processor(root, *parts.tokens);
  parts.decode = read_decoder(root);
  return parts;
}

}  // namespace ultrafastbert::tokenizers
