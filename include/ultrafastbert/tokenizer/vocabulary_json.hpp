// SPDX-License-Identifier: MIT
//
// A vocab.json with the merges.txt beside it to the parts of a tokenizer: byte-level BPE as RoBERTa's and GPT-2's
// folders have it. The class that tokenizer_config.json names decides about templates and customary tokens; where it
// names none, it is RoBERTa if the vocabulary has <s> and </s>, and GPT-2 otherwise.
// Source: the classes of the same names in the Python package transformers, and its converters to tokenizer.json.
// Layer: tokenizer.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/io/file.hpp"
#include "ultrafastbert/io/json_document.hpp"
#include "ultrafastbert/tokenizer/models/bpe.hpp"
#include "ultrafastbert/tokenizer/steps/bert_processing.hpp"
#include "ultrafastbert/tokenizer/steps/byte_level.hpp"
#include "ultrafastbert/tokenizer/steps/byte_level_decoder.hpp"
#include "ultrafastbert/tokenizer/tokenizer_files.hpp"
#include "ultrafastbert/tokenizer/tokenizer_json.hpp"
#include "ultrafastbert/tokenizer/tokenizer_parts.hpp"
#include "ultrafastbert/tokenizer/vocabulary.hpp"
#include "ultrafastbert/tokenizer/vocabulary_builder.hpp"
#include "ultrafastbert/tokenizer/vocabulary_text.hpp"

namespace ultrafastbert::tokenizers {

/// The classes that read a vocab.json.
[[nodiscard]] inline std::span<const vocabulary_class> byte_level_classes() {
  static constexpr by_role<std::string_view> roberta{"<mask>", "<pad>", "<s>", "</s>", "<unk>", "<s>", "</s>"};
  static constexpr by_role<std::string_view> gpt2{"", "", "", "", "<|endoftext|>", "<|endoftext|>", "<|endoftext|>"};
  static constexpr vocabulary_class table[] = {
      vocabulary_class{"RobertaTokenizer", roberta, roberta_pairs, true},
      vocabulary_class{"GPT2Tokenizer", gpt2, {}, false},
  };
  return table;
}

/// The vocabulary of a vocab.json and of added tokens.
/// Throws: bad_json, bad_type, bad_vocabulary, duplicate_key, limit_exceeded.
[[nodiscard]] inline vocabulary read_vocabulary_object(std::string_view text, const std::string& file,
                                                       std::span<const added_token_entry> added) {
  vocabulary::builder tokens({.file = file, .model_path = "$", .added_path = "$.added_tokens_decoder"});
  const std::vector<json_stream> streams{{.path = "$", .sink = [&](std::string_view token, const json_scalar& id) {
                                            add_vocabulary_member(tokens, file, token, id, "$");
                                          }}};
  const auto document = json_document::parse(text, file, {.max_bytes = largest_tokenizer_file}, streams);
  if (!document.root().is_streamed()) document.root().fail_type("an object");
  for (const auto& entry : added) tokens.add_added_token(entry.token.content, entry.id);
  return std::move(tokens).build();
}

/// Reads a merges.txt: a merge in each line, but for lines that start with the word `#version`.
/// Throws: io_error, truncated, limit_exceeded, bad_vocabulary (a line that is no merge, or one of a token that there
///   is not).
[[nodiscard]] inline bpe_merge_table read_merges_text(const std::filesystem::path& file, const vocabulary& tokens) {
  const std::string text = read_text_file(file, largest_tokenizer_file);
  const auto lines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')) + 1;
  if (lines > most_merges)
    io::fail_limit(file.string(), "line " + std::to_string(most_merges + 1), "lines", most_merges);
  bpe_merge_reader reader(tokens, {}, lines);
  std::size_t number = 0;
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t end = (std::min)(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix((std::min)(end + 1, rest.size()));
    ++number;
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (line.starts_with("#version")) continue;
    const auto refuse = [&](std::string expected, std::string found) {
      fail(error_code::bad_vocabulary, {.file = file.string(),
                                        .where = "line " + std::to_string(number),
                                        .expected = std::move(expected),
                                        .found = std::move(found)});
    };
    const auto pair = split_merge(line);
    if (!pair) refuse("two tokens with one space between them", excerpt(line));
    reader.add(*pair, refuse);
  }
  return reader.take();
}

/// Reads a vocab.json and the files beside it.
/// Throws: io_error (also without merges.txt), truncated, bad_json, duplicate_key, limit_exceeded, bad_type, bad_value,
///   missing_key, bad_vocabulary, missing_token (no token for the start or the end of a text), unsupported.
/// Complexity: n log n in the number of tokens.
[[nodiscard]] inline std::shared_ptr<const tokenizer_parts> read_vocabulary_json(const std::filesystem::path& file) {
  const side_files beside = side_files::beside_vocabulary(file);
  const auto out = std::make_shared<tokenizer_parts>();
  tokenizer_parts& parts = *out;
  parts.file = file.string();
  parts.defaults = read_call_defaults(beside.config);
  const std::string text = read_text_file(file, largest_tokenizer_file);
  const vocabulary known = read_vocabulary_object(text, parts.file, {});
  const bool has_ends = known.id("<s>") && known.id("</s>");
  const vocabulary_class& kind = beside.config.find("tokenizer_class") || has_ends
                                     ? find_vocabulary_class(beside.config, byte_level_classes())
                                     : byte_level_classes().back();
  auto added = added_vocabulary_tokens(beside, kind, known);
  parts.tokens = std::make_shared<const vocabulary>(read_vocabulary_object(text, parts.file, added));
  place_added_tokens(std::move(added), parts);
  parts.roles = choose_special_tokens({.customary = kind.customary, .files = &beside}, *parts.tokens, parts.special_ids,
                                      parts.report.conflicts);
  const bool prefix = beside.config.flag("add_prefix_space", false);
  parts.pre_tokenizers.push_back(
      std::make_unique<const byte_level_pre_tokenizer>(byte_level_options{.add_prefix_space = prefix}));
  parts.model = std::make_unique<const bpe>(
      bpe_options{}, read_merges_text(file.parent_path() / "merges.txt", *parts.tokens), parts.tokens, parts.file);
  if (kind.pair.separators == roberta_pairs.separators) {
    parts.templates = enclosing_templates(
        {.cls = template_token(special_role::cls, parts), .sep = template_token(special_role::sep, parts)}, kind.pair);
    parts.templates.trims.push_back({.add_prefix_space = prefix});
  } else if (beside.config.flag("add_bos_token", false)) {
    for (auto* pieces : {&parts.templates.single, &parts.templates.pair}) {
      pieces->insert(pieces->begin(), {.ids = {template_token(special_role::bos, parts)}});
    }
  }
  parts.decoders.push_back(std::make_unique<const byte_level_decoder>());
  parts.report.blank = parts.tokens->blank();
  return out;
}

}  // namespace ultrafastbert::tokenizers
