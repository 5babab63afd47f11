// SPDX-License-Identifier: MIT
//
// BERT's tokenizer from a vocab.txt: one token per line, its id the number of the line. tokenizer_config.json and
// special_tokens_map.json beside it may say what differs from the defaults, which are those of BERT uncased: control
// characters dropped, ideographs apart, lower case without accents, [UNK] [SEP] [PAD] [CLS] [MASK], words of at most
// 100 code points.
// Layer: tokenizer.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/io/file.hpp"
#include "ultrafastbert/io/json_document.hpp"
#include "ultrafastbert/tokenizer/tokenizer_json.hpp"
#include "ultrafastbert/tokenizer/utf8.hpp"

namespace ultrafastbert::tokenizers {

/// A JSON file that may stand beside a vocab.txt.
struct side_file {
  std::optional<json_document> document{};

  static side_file read(const std::filesystem::path& path) {
    std::error_code ignored;
    if (!std::filesystem::exists(path, ignored)) return {};
    constexpr std::size_t largest = std::size_t{1} << 20U;
    return {json_document::parse(read_text_file(path, largest), path.string(), {.max_bytes = largest})};
  }

  [[nodiscard]] std::optional<json_value> find(std::string_view key) const {
    return document ? find_non_null(document->root(), key) : std::nullopt;
  }

  [[nodiscard]] bool flag(std::string_view key, bool otherwise) const {
    const auto value = find(key);
    return value ? value->as_boolean() : otherwise;
  }
};

/// The files of a folder with vocab.txt.
struct vocabulary_folder {
  side_file config{};       ///< tokenizer_config.json
  side_file special_map{};  ///< special_tokens_map.json

  /// Spelling of the special token that the files call `key`.
  /// Throws: bad_type, missing_key, bad_value (the files disagree).
  [[nodiscard]] std::string special_token(std::string_view key, std::string_view otherwise) const {
    const auto spelling = [](const json_value& value) -> json_value {
      return value.is_object() ? value.at("content") : value;
    };
    const auto said = config.find(key);
    const auto mapped = special_map.find(key);
    if (!said && !mapped) return std::string(otherwise);
    const json_value token = spelling(said ? *said : *mapped);
    if (said && mapped && spelling(*mapped).as_string() != token.as_string()) {
      spelling(*mapped).fail_value(excerpt(token.as_string()) + " as in tokenizer_config.json",
                                   excerpt(spelling(*mapped).as_string()));
    }
    return token.as_string();
  }
};

/// Refuses what tokenizer_config.json may ask for and this version does not do.
inline void check_bert_config(const side_file& config) {
  if (const auto kind = config.find("tokenizer_class")) {
    const std::string& name = kind->as_string();
    if (name != "BertTokenizer" && name != "BertTokenizerFast") {
      kind->fail_unsupported("BertTokenizer or BertTokenizerFast; other classes need a tokenizer.json", excerpt(name));
    }
  }
  if (const auto basic = config.find("do_basic_tokenize"); basic && !basic->as_boolean()) {
    basic->fail_unsupported("true", "false");
  }
  if (const auto never = config.find("never_split"); never && !never->elements().empty()) {
    never->fail_unsupported("null or an empty list", std::to_string(never->elements().size()) + " tokens");
  }
}

/// Adds the lines of a vocab.txt. Lines end in LF or CR LF; the last line may lack its end.
/// Throws: bad_vocabulary (an empty line, invalid UTF-8), limit_exceeded.
inline void add_vocabulary_lines(std::string_view text, const std::string& file, vocabulary::builder& tokens) {
  if (!is_valid_utf8(text)) {
    fail(error_code::bad_vocabulary, {.file = file, .expected = "UTF-8", .found = "bytes that are no UTF-8"});
  }
  std::uint64_t id = 0;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    tokens.add_model_token(line, id++);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
}

/// The added tokens that tokenizer_config.json lists by id, if it does.
[[nodiscard]] inline std::vector<added_token_entry> read_listed_tokens(const side_file& config) {
  std::vector<added_token_entry> out;
  const auto list = config.find("added_tokens_decoder");
  if (!list) return out;
  for (const auto& [key, value] : list->members()) {
    const bool number = !key.empty() && key.size() < 10 && key.find_first_not_of("0123456789") == std::string::npos;
    if (!number) value.fail_value("an id as key", excerpt(key));
    out.push_back(read_added_token(value, std::stoull(key)));
  }
  return out;
}

/// Names of the special tokens in the files, and their spellings where nothing is said.
inline constexpr std::array<std::pair<std::string_view, std::string_view>, 5> bert_special_tokens{
    {{"unk_token", "[UNK]"},
     {"sep_token", "[SEP]"},
     {"pad_token", "[PAD]"},
     {"cls_token", "[CLS]"},
     {"mask_token", "[MASK]"}}};

/// The added tokens: those listed, and the special tokens of the vocabulary.
inline std::vector<added_token_entry> added_bert_tokens(const vocabulary_folder& folder, const vocabulary& model) {
  std::vector<added_token_entry> out = read_listed_tokens(folder.config);
  for (const auto& [key, otherwise] : bert_special_tokens) {
    const std::string spelling = folder.special_token(key, otherwise);
    const auto id = model.id(spelling);
    const bool listed =
        std::any_of(out.begin(), out.end(), [&](const auto& entry) { return entry.token.content == spelling; });
    if (!id || listed) continue;
    added_token_entry& entry = out.emplace_back();
    entry.token.content = spelling;
    entry.id = static_cast<std::uint64_t>(*id);
    entry.special = true;
    entry.path = "$." + std::string(key);
  }
  return out;
}

/// The id of a token that the template adds.
/// Throws: missing_token.
[[nodiscard]] inline token_id template_token(const std::string& spelling, std::string_view key,
                                             const tokenizer_parts& parts) {
  const auto id = parts.tokens->id(spelling);
  if (!id) {
    fail(error_code::missing_token, {.file = parts.file,
                                     .where = std::string(key),
                                     .expected = "the vocabulary to contain " + excerpt(spelling),
                                     .reason = "every text gets this token"});
  }
  return *id;
}

/// Reads a vocab.txt and the files beside it.
/// Throws: io_error, truncated, bad_json, duplicate_key, limit_exceeded, bad_type, bad_value, missing_key,
///   bad_vocabulary, missing_token (no token for the start or the end of a text), unsupported.
/// Complexity: n log n in the number of tokens.
/// Source: BertTokenizer and BertTokenizerFast of the Python package transformers.
[[nodiscard]] inline tokenizer_parts read_vocabulary_text(const std::filesystem::path& file) {
  const vocabulary_folder folder{.config = side_file::read(file.parent_path() / "tokenizer_config.json"),
                                 .special_map = side_file::read(file.parent_path() / "special_tokens_map.json")};
  check_bert_config(folder.config);
  tokenizer_parts parts;
  parts.file = file.string();
  const std::string text = read_text_file(file, largest_tokenizer_file);
  vocabulary::builder lines(parts.file, "vocabulary", "$.added_tokens_decoder");
  add_vocabulary_lines(text, parts.file, lines);
  vocabulary::builder all = lines;
  auto added = added_bert_tokens(folder, std::move(lines).build());
  for (const auto& entry : added) all.add_added_token(entry.token.content, entry.id);
  parts.tokens = std::make_shared<const vocabulary>(std::move(all).build());

  bert_options options{.handle_chinese_chars = folder.config.flag("tokenize_chinese_chars", true),
                       .lowercase = folder.config.flag("do_lower_case", true)};
  if (const auto strip = folder.config.find("strip_accents")) options.strip_accents = strip->as_boolean();
  std::vector<normalizer_step> steps;
  append_bert_steps(options, steps);
  parts.normalize = normalizer(std::move(steps));
  place_added_tokens(std::move(added), parts);
  parts.pre_tokenize = bert_split{};
  const std::string unknown = folder.special_token("unk_token", "[UNK]");
  parts.model = std::make_shared<const wordpiece>(
      wordpiece_options{.unknown_token = unknown, .continuing_prefix = "##"}, parts.tokens, parts.file);
  const std::string cls = folder.special_token("cls_token", "[CLS]");
  const std::string sep = folder.special_token("sep_token", "[SEP]");
  parts.post_process =
      bert_template({.cls = template_token(cls, "cls_token", parts), .sep = template_token(sep, "sep_token", parts)});
  parts.decode = wordpiece_decoder{.prefix = "##"};
  return parts;
}

}  // namespace ultrafastbert::tokenizers
