// SPDX-License-Identifier: MIT
//
// A tokenizer.json to the parts of a tokenizer. What is not implemented is refused with its JSON path. Keys that this
// version does not know are ignored.
// Layer: tokenizer.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/io/json_document.hpp"
#include "ultrafastbert/tokenizer/added_token_list.hpp"
#include "ultrafastbert/tokenizer/components.hpp"
#include "ultrafastbert/tokenizer/file_settings.hpp"
#include "ultrafastbert/tokenizer/special_tokens.hpp"
#include "ultrafastbert/tokenizer/tokenizer_files.hpp"
#include "ultrafastbert/tokenizer/tokenizer_parts.hpp"
#include "ultrafastbert/tokenizer/vocabulary.hpp"
#include "ultrafastbert/tokenizer/vocabulary_builder.hpp"

namespace ultrafastbert::tokenizers {

/// Receives the members of the vocabulary at `path` where it is an object of ids.
/// Throws: bad_vocabulary, bad_type, limit_exceeded.
inline void add_vocabulary_member(vocabulary::builder& tokens, const std::string& file, std::string_view token,
                                  const json_scalar& id, std::string_view path = "$.model.vocab") {
  const auto where = [&] { return std::string(path).append("[").append(excerpt(token)).append("]"); };
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

/// Refuses a file of another version. Throws: bad_type, unsupported.
inline void check_version(const json_value& root) {
  if (const auto version = root.find("version"); version && version->as_string() != "1.0") {
    version->fail_unsupported("'1.0'", excerpt(version->as_string()));
  }
}

/// The spellings of the special tokens that the parts themselves use.
[[nodiscard]] inline by_role<std::string> used_spellings(const tokenizer_parts& parts) {
  by_role<std::string> out;
  out[index_of(special_role::unk)] = parts.model->unknown_token().value_or(std::string());
  const auto note = [&](special_role role, const std::optional<token_id>& id) {
    if (id) out[index_of(role)] = parts.tokens->token(*id).value_or(std::string_view{});
  };
  note(special_role::cls, parts.templates.cls);
  note(special_role::sep, parts.templates.sep);
  return out;
}

/// Special tokens of the files beside a tokenizer.json that it does not list as added, but has in its vocabulary: texts
/// may have them, too. Throws: bad_type, missing_key.
[[nodiscard]] inline std::vector<added_token_entry> with_tokens_beside(const side_files& beside,
                                                                       const vocabulary& tokens,
                                                                       std::vector<added_token_entry> listed) {
  added_token_collection all(std::move(listed));
  const auto add = [&](const std::optional<described_token>& token) {
    if (!token || all.has(token->spelling)) return;
    if (const auto id = tokens.id(token->spelling)) all.add_special(*token, static_cast<std::uint64_t>(*id));
  };
  for (const special_role role : special_roles) {
    auto token = beside.special_map.token(role);
    add(token ? token : beside.config.token(role));
  }
  for (const described_token& token : beside.further_tokens()) add(token);
  return all.take();
}

/// Notes settings of tokenizer_config.json that a tokenizer.json contradicts. Throws: std::bad_alloc, and the codes of
/// steps that are none, which were read before.
inline void note_contradictions(const json_value& root, const side_file& config,
                                std::vector<setting_conflict>& conflicts) {
  struct setting {
    std::string_view step;  // member of the tokenizer.json
    std::string_view type;
    std::string_view key;
    std::string_view beside;  // key of tokenizer_config.json
  };
  constexpr std::string_view bert = "BertNormalizer";
  constexpr std::array<setting, 4> settings{
      setting{"normalizer", bert, "lowercase", "do_lower_case"},
      setting{"normalizer", bert, "strip_accents", "strip_accents"},
      setting{"normalizer", bert, "handle_chinese_chars", "tokenize_chinese_chars"},
      setting{"pre_tokenizer", "ByteLevel", "add_prefix_space", "add_prefix_space"}};
  for (const setting& each : settings) {
    const auto step = find_non_null(root, each.step);
    const auto other = config.find(each.beside);
    if (!step || !other || step->at("type").as_string() != each.type) continue;
    const auto own = find_non_null(*step, each.key);
    if (!own || !other->is_boolean() || own->as_boolean() == other->as_boolean()) continue;
    conflicts.push_back({.key = std::string(each.beside), .used = own->as_boolean(), .file = other->file()});
  }
}

/// Reads the text of a tokenizer.json, which is called `file` in errors. The files beside it only say which token plays
/// which role and how models call it; how a text becomes tokens stands in the tokenizer.json alone.
/// Throws: bad_json, duplicate_key, limit_exceeded, bad_type, bad_value, missing_key, bad_vocabulary, unsupported.
/// Complexity: n log n in the number of tokens; the memory is about three times the text.
[[nodiscard]] inline std::shared_ptr<const tokenizer_parts> read_tokenizer_json(std::string_view json, std::string file,
                                                                                const side_files* beside) {
  vocabulary::builder tokens(vocabulary_form{.file = file});
  const std::vector<json_stream> streams{
      {.path = "$.model.vocab",
       .sink = [&tokens, &file](std::string_view token,
                                const json_scalar& id) { add_vocabulary_member(tokens, file, token, id); }},
      {.path = "$.model.merges"}};
  const auto document = json_document::parse(json, file, {.max_bytes = largest_tokenizer_file}, streams);
  const json_value root = document.root();
  check_version(root);
  const json_value model = root.at("model");
  const model_reader reader = find_model_reader(model);
  const auto out = std::make_shared<tokenizer_parts>();
  tokenizer_parts& parts = *out;
  parts.file = std::move(file);
  parts.truncation = read_file_truncation(root);
  parts.padding = read_file_padding(root);
  parts.normalizers = read_normalizers(root);
  parts.pre_tokenizers = read_pre_tokenizers(root);
  parts.decoders = read_decoders(root);
  reader.read_vocabulary(model, tokens);
  auto added = read_added_tokens(root);
  for (const auto& entry : added) tokens.add_added_token(entry.token.content, entry.id);
  parts.tokens = std::make_shared<const vocabulary>(std::move(tokens).build());
  if (beside != nullptr) {
    added = with_tokens_beside(*beside, *parts.tokens, std::move(added));
    note_contradictions(root, beside->config, parts.report.settings);
    parts.defaults = read_call_defaults(beside->config);
  }
  place_added_tokens(std::move(added), parts);
  parts.model = reader.read({.json = model, .tokens = parts.tokens, .file = parts.file});
  parts.templates = read_post_processor(root, *parts.tokens);
  parts.report.blank = parts.tokens->blank();
  parts.report.repeated = parts.tokens->repeated();
  parts.roles = choose_special_tokens({.used = used_spellings(parts), .files = beside}, *parts.tokens,
                                      parts.special_ids, parts.report.conflicts);
  return out;
}

}  // namespace ultrafastbert::tokenizers
