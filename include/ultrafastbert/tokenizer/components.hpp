// SPDX-License-Identifier: MIT
//
// The lists of everything that a tokenizer.json may name: one table for each kind of component, with the word that the
// file uses and the function that reads it. A new component is a file in models/ or steps/ and a line here. What is in
// no table is refused with its JSON path and with the words that are.
// Layer: tokenizer.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/io/json_document.hpp"
#include "ultrafastbert/tokenizer/models/bpe.hpp"
#include "ultrafastbert/tokenizer/models/token_model.hpp"
#include "ultrafastbert/tokenizer/models/unigram.hpp"
#include "ultrafastbert/tokenizer/models/word_level.hpp"
#include "ultrafastbert/tokenizer/models/wordpiece.hpp"
#include "ultrafastbert/tokenizer/steps/bert_normalizer.hpp"
#include "ultrafastbert/tokenizer/steps/bert_pre_tokenizer.hpp"
#include "ultrafastbert/tokenizer/steps/bert_processing.hpp"
#include "ultrafastbert/tokenizer/steps/byte_level.hpp"
#include "ultrafastbert/tokenizer/steps/byte_level_decoder.hpp"
#include "ultrafastbert/tokenizer/steps/byte_level_offsets.hpp"
#include "ultrafastbert/tokenizer/steps/character_splits.hpp"
#include "ultrafastbert/tokenizer/steps/decoder.hpp"
#include "ultrafastbert/tokenizer/steps/lower_case.hpp"
#include "ultrafastbert/tokenizer/steps/metaspace.hpp"
#include "ultrafastbert/tokenizer/steps/normalizer.hpp"
#include "ultrafastbert/tokenizer/steps/post_processor.hpp"
#include "ultrafastbert/tokenizer/steps/pre_tokenizer.hpp"
#include "ultrafastbert/tokenizer/steps/precompiled.hpp"
#include "ultrafastbert/tokenizer/steps/replace.hpp"
#include "ultrafastbert/tokenizer/steps/split.hpp"
#include "ultrafastbert/tokenizer/steps/strip.hpp"
#include "ultrafastbert/tokenizer/steps/strip_accents.hpp"
#include "ultrafastbert/tokenizer/steps/template_processing.hpp"
#include "ultrafastbert/tokenizer/steps/text_decoders.hpp"
#include "ultrafastbert/tokenizer/steps/unicode_form.hpp"
#include "ultrafastbert/tokenizer/steps/whitespace_pre_tokenizer.hpp"
#include "ultrafastbert/tokenizer/steps/wordpiece_decoder.hpp"
#include "ultrafastbert/tokenizer/tokenizer_files.hpp"
#include "ultrafastbert/tokenizer/vocabulary.hpp"

namespace ultrafastbert::tokenizers {

/// A component's word in the files, and what reads it.
template <class Reader>
struct component {
  std::string_view type;
  Reader read;
};

/// Models. The first line that recognizes a model without a type reads it.
inline constexpr component<model_reader> model_components[] = {
    {"BPE", {is_untyped_bpe, expect_vocabulary_object, read_bpe}},
    {"Unigram", {is_untyped_unigram, read_unigram_vocabulary, read_unigram}},
    {"WordPiece", {is_untyped_wordpiece, expect_vocabulary_object, read_wordpiece}},
    {"WordLevel", {is_untyped_word_level, expect_vocabulary_object, read_word_level}},
};

// clang-format off
inline constexpr component<normalizer_reader> normalizer_components[] = {
    {"Replace", read_replace},
    {"BertNormalizer", read_bert_normalizer},
    {"NFC", read_unicode_form},
    {"NFD", read_unicode_form},
    {"NFKC", read_unicode_form},
    {"NFKD", read_unicode_form},
    {"Lowercase", read_lower_case},
    {"StripAccents", read_strip_accents},
    {"Strip", read_strip},
    {"Prepend", read_prepend},
    {"Precompiled", read_precompiled},
    {"ByteLevel", read_byte_level_normalizer},
};
// clang-format on

inline constexpr component<pre_tokenizer_reader> pre_tokenizer_components[] = {
    {"Whitespace", read_whitespace_pre_tokenizer},
    {"BertPreTokenizer", read_bert_pre_tokenizer},
    {"ByteLevel", read_byte_level_pre_tokenizer},
    {"Metaspace", read_metaspace_pre_tokenizer},
    {"Split", read_split},
    {"CharDelimiterSplit", read_delimiter_split},
    {"WhitespaceSplit", read_whitespace_split},
    {"Punctuation", read_punctuation},
    {"Digits", read_digits},
};

inline constexpr component<post_processor_reader> post_processor_components[] = {
    {"TemplateProcessing", read_template_processing},
    {"BertProcessing", read_bert_processing},
    {"RobertaProcessing", read_roberta_processing},
    {"ByteLevel", read_byte_level_processing},
};

inline constexpr component<decoder_reader> decoder_components[] = {
    {"WordPiece", read_wordpiece_decoder},
    {"ByteLevel", read_byte_level_decoder},
    {"BPEDecoder", read_bpe_decoder},
    {"Metaspace", read_metaspace_decoder},
    {"ByteFallback", read_byte_fallback_decoder},
    {"Fuse", read_fuse_decoder},
    {"Strip", read_strip_decoder},
    {"Replace", read_replace_decoder},
};

/// Most steps of a normalizer or a pre-tokenizer; each of them passes over the text.
inline constexpr std::size_t most_steps = 256;

/// Most steps of a decoder, each of which passes over the spelling of every token; published ones have up to five.
inline constexpr std::size_t most_decoders = 32;

/// Most steps of a post-processor that trim the places of tokens; each of them looks at every token.
inline constexpr std::size_t most_trims = 8;

/// Most regular expressions among the steps of one of the three; a short one may hold large sets. Counted is what a
/// file calls so, also where it turns out to be a fixed text.
inline constexpr std::size_t most_expressions = 32;

/// Refuses a type that is in no table. `accepted` is a list of the words that are, each followed by a comma.
[[noreturn, gnu::cold, gnu::noinline]] inline void fail_component(const json_value& type, std::string accepted) {
  accepted.erase(accepted.size() - 2);
  if (const std::size_t last = accepted.rfind(", "); last != std::string::npos) accepted.replace(last, 2, " or ");
  type.fail_unsupported(std::move(accepted), excerpt(type.as_string()));
}

/// The reader for a type. `also` is the word for what may stand there beside the components, or empty.
/// Throws: bad_type (the type is no string), unsupported (it is in no line of the table).
template <class Reader, std::size_t Count>
[[nodiscard]] Reader reader_of(const component<Reader> (&table)[Count], const json_value& type,
                               std::string_view also = {}) {
  const std::string& word = type.as_string();
  std::string accepted;
  if (!also.empty()) accepted.append(also).append(", ");
  for (const auto& each : table) {
    if (each.type == word) return each.read;
    accepted.append(each.type).append(", ");
  }
  fail_component(type, std::move(accepted));
}

/// The reader of the model `json`. Throws: bad_type, missing_key, unsupported.
[[nodiscard]] inline model_reader find_model_reader(const json_value& json) {
  if (!json.find("type")) {
    for (const auto& each : model_components) {
      if (each.read.recognizes(json)) return each.read;
    }
    json.fail_unsupported("the key type, or the keys of a BPE, Unigram, WordPiece or WordLevel model",
                          "neither type nor merges nor vocab");
  }
  return reader_of(model_components, json.at("type"));
}

/// Steps while they are read.
template <class List>
struct step_list {
  List steps{};
  std::size_t expressions = 0;  ///< regular expressions so far
};

/// Appends the steps of a component. Sequences, also those inside sequences, are laid flat; their steps stand under the
/// key `list`. `also` is the word for what may stand there beside the components.
/// Throws: limit_exceeded (too many steps or regular expressions), missing_key, and what the readers of the table may
/// throw.
template <class Reader, std::size_t Count, class List>
void read_steps(const component<Reader> (&table)[Count], const json_value& value, std::string_view list,
                std::string_view also, step_list<List>& out) {
  const json_value type = value.at("type");
  if (type.as_string() == "Sequence") {
    for (const json_value& step : value.at(list).elements()) read_steps(table, step, list, also, out);
    return;
  }
  if (out.steps.size() >= most_steps) io::fail_limit(value.file(), value.path(), "steps", most_steps);
  const auto pattern = value.find("pattern");
  if (pattern && pattern->is_object() && pattern->find("Regex") && ++out.expressions > most_expressions) {
    io::fail_limit(value.file(), value.path(), "regular expressions", most_expressions);
  }
  reader_of(table, type, also)(value, out.steps);
}

/// The steps of `normalizer`, of which there are none if it is null.
[[nodiscard]] inline normalizer_list read_normalizers(const json_value& root) {
  step_list<normalizer_list> out;
  if (const auto value = find_non_null(root, "normalizer")) {
    read_steps(normalizer_components, *value, "normalizers", "Sequence", out);
  }
  return std::move(out.steps);
}

/// The steps of `pre_tokenizer`, of which there are none if it is null.
[[nodiscard]] inline pre_tokenizer_list read_pre_tokenizers(const json_value& root) {
  step_list<pre_tokenizer_list> out;
  if (const auto value = find_non_null(root, "pre_tokenizer")) {
    read_steps(pre_tokenizer_components, *value, "pretokenizers", "null, Sequence", out);
  }
  return std::move(out.steps);
}

/// Adds what a post-processor of a sequence does to what those before it do. The tokens of a text can stand between
/// those of one template only.
/// Throws: unsupported (a second template), and what a `post_processor_reader` may throw.
inline void read_processor(const json_value& value, const vocabulary& tokens, bool& has_template, post_processor& out) {
  const json_value type = value.at("type");
  if (type.as_string() == "Sequence") {
    for (const json_value& step : value.at("processors").elements()) read_processor(step, tokens, has_template, out);
    return;
  }
  post_processor next = reader_of(post_processor_components, type, "null, Sequence")(value, tokens);
  std::vector<offset_trim> trims = std::move(out.trims);
  trims.insert(trims.end(), next.trims.begin(), next.trims.end());
  if (trims.size() > most_trims) io::fail_limit(value.file(), value.path(), "steps that trim places", most_trims);
  if (type.as_string() != "ByteLevel") {
    if (has_template)
      type.fail_unsupported("one template in a sequence", excerpt(type.as_string()) + " as a second one");
    has_template = true;
    out = std::move(next);
  }
  out.trims = std::move(trims);
}

/// The templates of `post_processor`, or those that add nothing if it is null.
[[nodiscard]] inline post_processor read_post_processor(const json_value& root, const vocabulary& tokens) {
  post_processor out;
  bool has_template = false;
  if (const auto value = find_non_null(root, "post_processor")) read_processor(*value, tokens, has_template, out);
  return out;
}

/// The steps of `decoder`. If it is null, tokens are joined with spaces.
[[nodiscard]] inline decoder_list read_decoders(const json_value& root) {
  step_list<decoder_list> out;
  if (const auto value = find_non_null(root, "decoder")) {
    read_steps(decoder_components, *value, "decoders", "null, Sequence", out);
    if (out.steps.size() > most_decoders) io::fail_limit(value->file(), value->path(), "steps", most_decoders);
  } else {
    out.steps.push_back(std::make_unique<const spaced_decoder>());
  }
  return std::move(out.steps);
}

}  // namespace ultrafastbert::tokenizers
