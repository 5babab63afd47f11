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

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/io/json_document.hpp"
#include "ultrafastbert/tokenizer/models/token_model.hpp"
#include "ultrafastbert/tokenizer/models/wordpiece.hpp"
#include "ultrafastbert/tokenizer/steps/bert_normalizer.hpp"
#include "ultrafastbert/tokenizer/steps/bert_pre_tokenizer.hpp"
#include "ultrafastbert/tokenizer/steps/bert_processing.hpp"
#include "ultrafastbert/tokenizer/steps/decoder.hpp"
#include "ultrafastbert/tokenizer/steps/lower_case.hpp"
#include "ultrafastbert/tokenizer/steps/normalizer.hpp"
#include "ultrafastbert/tokenizer/steps/post_processor.hpp"
#include "ultrafastbert/tokenizer/steps/pre_tokenizer.hpp"
#include "ultrafastbert/tokenizer/steps/replace.hpp"
#include "ultrafastbert/tokenizer/steps/strip_accents.hpp"
#include "ultrafastbert/tokenizer/steps/template_processing.hpp"
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
    {"WordPiece", {is_untyped_wordpiece, expect_vocabulary_object, read_wordpiece}},
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
};
// clang-format on

inline constexpr component<pre_tokenizer_reader> pre_tokenizer_components[] = {
    {"Whitespace", read_whitespace_pre_tokenizer},
    {"BertPreTokenizer", read_bert_pre_tokenizer},
};

inline constexpr component<post_processor_reader> post_processor_components[] = {
    {"TemplateProcessing", read_template_processing},
    {"BertProcessing", read_bert_processing},
};

inline constexpr component<decoder_reader> decoder_components[] = {
    {"WordPiece", read_wordpiece_decoder},
};

/// Most steps of a normalizer; each of them passes over the text.
inline constexpr std::size_t most_normalizer_steps = 256;

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
  }
  return reader_of(model_components, json.at("type"));
}

/// Appends the steps of a normalizer. Sequences, also those inside sequences, are laid flat.
/// Throws: what a `normalizer_reader` may throw.
inline void read_normalizer(const json_value& value, normalizer_list& steps) {
  const json_value type = value.at("type");
  if (type.as_string() == "Sequence") {
    for (const json_value& step : value.at("normalizers").elements()) read_normalizer(step, steps);
    return;
  }
  if (steps.size() >= most_normalizer_steps) io::fail_limit(value.file(), value.path(), "steps", most_normalizer_steps);
  reader_of(normalizer_components, type, "Sequence")(value, steps);
}

/// The steps of `normalizer`, of which there are none if it is null.
[[nodiscard]] inline normalizer_list read_normalizers(const json_value& root) {
  normalizer_list steps;
  if (const auto value = find_non_null(root, "normalizer")) read_normalizer(*value, steps);
  return steps;
}

/// The steps of `pre_tokenizer`, of which there are none if it is null.
[[nodiscard]] inline pre_tokenizer_list read_pre_tokenizers(const json_value& root) {
  pre_tokenizer_list steps;
  if (const auto value = find_non_null(root, "pre_tokenizer")) {
    reader_of(pre_tokenizer_components, value->at("type"), "null")(*value, steps);
  }
  return steps;
}

/// The templates of `post_processor`, or those that add nothing if it is null.
[[nodiscard]] inline post_processor read_post_processor(const json_value& root, const vocabulary& tokens) {
  const auto value = find_non_null(root, "post_processor");
  if (!value) return {};
  return reader_of(post_processor_components, value->at("type"), "null")(*value, tokens);
}

/// The steps of `decoder`. If it is null, tokens are joined with spaces.
[[nodiscard]] inline decoder_list read_decoders(const json_value& root) {
  decoder_list steps;
  if (const auto value = find_non_null(root, "decoder")) {
    reader_of(decoder_components, value->at("type"), "null")(*value, steps);
  } else {
    steps.push_back(std::make_unique<const spaced_decoder>());
  }
  return steps;
}

}  // namespace ultrafastbert::tokenizers
