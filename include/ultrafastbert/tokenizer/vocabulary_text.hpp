// SPDX-License-Identifier: MIT
//
// A vocab.txt to the parts of a tokenizer: one token in each line, whose id is the number of the line. The normalizer,
// the pre-tokenizer and the model are BERT's; the class that tokenizer_config.json names decides about templates and
// customary tokens. What the files beside do not say is as in BERT uncased: control characters are dropped, ideographs
// set apart, letters put into lower case without accents, and words of more than 100 code points are unknown.
// Source: the classes of the same names in the Python package transformers.
// Layer: tokenizer.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/core/token.hpp"
#include "ultrafastbert/io/file.hpp"
#include "ultrafastbert/io/json_document.hpp"
#include "ultrafastbert/tokenizer/added_token_list.hpp"
#include "ultrafastbert/tokenizer/models/wordpiece.hpp"
#include "ultrafastbert/tokenizer/special_tokens.hpp"
#include "ultrafastbert/tokenizer/steps/bert_normalizer.hpp"
#include "ultrafastbert/tokenizer/steps/bert_pre_tokenizer.hpp"
#include "ultrafastbert/tokenizer/steps/bert_processing.hpp"
#include "ultrafastbert/tokenizer/steps/utf8.hpp"
#include "ultrafastbert/tokenizer/steps/wordpiece_decoder.hpp"
#include "ultrafastbert/tokenizer/tokenizer_files.hpp"
#include "ultrafastbert/tokenizer/tokenizer_parts.hpp"
#include "ultrafastbert/tokenizer/vocabulary.hpp"
#include "ultrafastbert/tokenizer/vocabulary_builder.hpp"

namespace ultrafastbert::tokenizers {

/// What distinguishes the classes that read a vocab.txt.
struct vocabulary_class {
  std::string_view name;                ///< as in `tokenizer_class`, where "Fast" may follow
  by_role<std::string_view> customary;  ///< its special tokens, in the order of the roles
  pair_form pair;                       ///< how it puts two texts together
  bool mask_takes_space;                ///< whether its mask token takes in the white space before it
};

/// The classes. The first one counts where nothing names a class.
[[nodiscard]] inline std::span<const vocabulary_class> vocabulary_classes() {
  static constexpr by_role<std::string_view> bert{"[MASK]", "[PAD]", "[CLS]", "[SEP]", "[UNK]", "", ""};
  static constexpr by_role<std::string_view> mpnet{"<mask>", "<pad>", "<s>", "</s>", "[UNK]", "<s>", "</s>"};
  static constexpr pair_form mpnet_pairs{.separators = 2, .second_type = 0};
  static constexpr vocabulary_class table[] = {
      vocabulary_class{"BertTokenizer", bert, bert_pairs, false},
      vocabulary_class{"DistilBertTokenizer", bert, bert_pairs, false},
      vocabulary_class{"MPNetTokenizer", mpnet, mpnet_pairs, true},
      vocabulary_class{"ConvBertTokenizer", bert, bert_pairs, false},
      vocabulary_class{"DPRContextEncoderTokenizer", bert, bert_pairs, false},
      vocabulary_class{"DPRQuestionEncoderTokenizer", bert, bert_pairs, false},
      vocabulary_class{"DPRReaderTokenizer", bert, bert_pairs, false},
      vocabulary_class{"ElectraTokenizer", bert, bert_pairs, false},
      vocabulary_class{"LayoutLMTokenizer", bert, bert_pairs, false},
      vocabulary_class{"LxmertTokenizer", bert, bert_pairs, false},
      vocabulary_class{"MobileBertTokenizer", bert, bert_pairs, false},
      vocabulary_class{"RetriBertTokenizer", bert, bert_pairs, false},
      vocabulary_class{"SqueezeBertTokenizer", bert, bert_pairs, false},
  };
  return table;
}

/// The class that tokenizer_config.json names.
/// Throws: bad_type, unsupported (another class).
[[nodiscard]] inline const vocabulary_class& find_vocabulary_class(
    const side_file& config, std::span<const vocabulary_class> classes = vocabulary_classes()) {
  const auto value = config.find("tokenizer_class");
  if (!value) return classes.front();
  const std::string& wanted = value->as_string();
  std::string accepted;
  for (const auto& each : classes) {
    if (wanted == each.name || wanted == std::string(each.name) + "Fast") return each;
    accepted += std::string(each.name) + ", ";
  }
  value->fail_unsupported(accepted + "or one of these with Fast behind it; other classes need a tokenizer.json",
                          excerpt(wanted));
}

/// Refuses what tokenizer_config.json may ask for and this version does not do.
/// Throws: bad_type, unsupported.
inline void check_vocabulary_config(const side_file& config) {
  if (const auto basic = config.find("do_basic_tokenize"); basic && !basic->as_boolean()) {
    basic->fail_unsupported("true", "false");
  }
  if (const auto never = config.find("never_split"); never && !never->elements().empty()) {
    never->fail_unsupported("null or an empty list", std::to_string(never->elements().size()) + " tokens");
  }
}

/// The vocabulary of the lines of a vocab.txt and of added tokens. Lines end in LF or CR LF, and the last one may lack
/// its end; blank lines count, too.
/// Throws: bad_vocabulary (invalid UTF-8, or what the builder refuses), limit_exceeded.
[[nodiscard]] inline vocabulary read_vocabulary_lines(std::string_view text, const std::string& file,
                                                      std::span<const added_token_entry> added) {
  if (!is_valid_utf8(text)) {
    std::size_t at = 0;
    while (decode_utf8(text, at).valid) at += decode_utf8(text, at).length;
    fail(error_code::bad_vocabulary,
         {.file = file, .expected = "UTF-8", .found = "bytes that are no UTF-8", .byte_offset = at});
  }
  vocabulary::builder tokens({.file = file,
                              .model_path = "vocabulary",
                              .added_path = "$.added_tokens_decoder",
                              .repeats = repeated_tokens::last_wins});
  std::uint64_t id = 0;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    tokens.add_model_token(line, id++);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  for (const auto& entry : added) tokens.add_added_token(entry.token.content, entry.id);
  return std::move(tokens).build();
}

/// The added tokens: those that tokenizer_config.json lists, or else those of an added_tokens.json; then the special
/// tokens that the vocabulary has, and all of `additional_special_tokens`, of which those that no file gives an id
/// follow behind all others.
/// Throws: bad_type, bad_value, missing_key.
[[nodiscard]] inline std::vector<added_token_entry> added_vocabulary_tokens(const side_files& beside,
                                                                            const vocabulary_class& kind,
                                                                            const vocabulary& lines) {
  std::vector<added_token_entry> listed;
  if (const auto list = beside.config.find("added_tokens_decoder")) {
    listed = read_added_tokens_decoder(*list);
  } else if (const auto ids = beside.added.root()) {
    listed = read_added_tokens_object(*ids);
  }
  added_token_collection out(std::move(listed));
  std::vector<special_token_conflict> ignored;  // they are noted when the roles are settled
  std::set<std::string> missing;                // the reference gives these ids of their own, before those below
  for (const special_role role : special_roles) {
    auto token = choose_special_token(role, {.customary = kind.customary, .files = &beside}, lines, {}, ignored);
    if (!token) continue;
    const auto id = lines.id(token->spelling);
    if (!id && !out.has(token->spelling)) {
      missing.insert(token->spelling);
      continue;
    }
    token->lstrip = token->lstrip || (role == special_role::mask && kind.mask_takes_space);
    token->path = "$." + std::string(name(role)) + "_token";
    out.add_special(*token, static_cast<std::uint64_t>(id.value_or(0)));
  }
  std::uint64_t next = lines.id_bound();
  for (const auto& entry : out.entries()) next = (std::max)(next, entry.id + 1);
  next += missing.size();
  for (const described_token& token : beside.further_tokens()) {
    const auto id = lines.id(token.spelling);
    const bool is_new = out.add_special(token, id ? static_cast<std::uint64_t>(*id) : next);
    if (!id && is_new) ++next;
  }
  return out.take();
}

/// The id of a token that the template needs.
/// Throws: missing_token.
[[nodiscard]] inline token_id template_token(special_role role, const tokenizer_parts& parts) {
  const special_token& token = parts.roles[index_of(role)];
  if (!token.id) {
    fail(error_code::missing_token,
         {.file = parts.file,
          .where = std::string(name(role)) + "_token",
          .expected = "the vocabulary to contain " +
                      (token.spelling.empty() ? list_common_spellings(role) : excerpt(token.spelling)),
          .found = "no such token",
          .reason = "every text gets this token"});
  }
  return *token.id;
}

/// Reads a vocab.txt and the files beside it.
/// Throws: io_error, truncated, bad_json, duplicate_key, limit_exceeded, bad_type, bad_value, missing_key,
///   bad_vocabulary, missing_token (no token for the start or the end of a text), unsupported.
/// Complexity: n log n in the number of tokens.
[[nodiscard]] inline std::shared_ptr<const tokenizer_parts> read_vocabulary_text(const std::filesystem::path& file) {
  const side_files beside = side_files::beside_vocabulary(file);
  const vocabulary_class& kind = find_vocabulary_class(beside.config);
  check_vocabulary_config(beside.config);
  const auto out = std::make_shared<tokenizer_parts>();
  tokenizer_parts& parts = *out;
  parts.file = file.string();
  parts.defaults = read_call_defaults(beside.config);
  const std::string text = read_text_file(file, largest_tokenizer_file);
  // The lines alone decide which special tokens there are, and these are then added to the lines.
  auto added = added_vocabulary_tokens(beside, kind, read_vocabulary_lines(text, parts.file, {}));
  parts.tokens = std::make_shared<const vocabulary>(read_vocabulary_lines(text, parts.file, added));

  bert_options options{.handle_chinese_chars = beside.config.flag("tokenize_chinese_chars", true),
                       .lowercase = beside.config.flag("do_lower_case", true)};
  if (const auto strip = beside.config.find("strip_accents")) options.strip_accents = strip->as_boolean();
  append_bert_steps(options, parts.normalizers);
  place_added_tokens(std::move(added), parts);
  parts.roles = choose_special_tokens({.customary = kind.customary, .files = &beside}, *parts.tokens, parts.special_ids,
                                      parts.report.conflicts);
  parts.pre_tokenizers.push_back(std::make_unique<const bert_pre_tokenizer>());
  std::string unknown = parts.roles[index_of(special_role::unk)].spelling;
  if (unknown.empty()) unknown = kind.customary[index_of(special_role::unk)];
  parts.model = std::make_unique<const wordpiece>(
      wordpiece_options{.unknown_token = std::move(unknown), .unknown_place = "unk_token", .continuing_prefix = "##"},
      parts.tokens, parts.file);
  parts.templates = enclosing_templates(
      {.cls = template_token(special_role::cls, parts), .sep = template_token(special_role::sep, parts)}, kind.pair);
  parts.decoders.push_back(std::make_unique<const wordpiece_decoder>("##", true));
  parts.report.blank = parts.tokens->blank();
  parts.report.repeated = parts.tokens->repeated();
  return out;
}

}  // namespace ultrafastbert::tokenizers
