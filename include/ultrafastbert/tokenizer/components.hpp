// SPDX-License-Identifier: MIT
//
// The lists of everything that a tokenizer.json may name: one table for each kind of component, with the word that the
// file uses and the function that reads it. A new component is a file in models/ or steps/ and a line here. What is in
// no table is refused with its JSON path and with the words that are.
// Layer: tokenizer.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

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
inline constexpr std::array model_components{
    component<model_reader>{"WordPiece", wordpiece_reader},
};

inline constexpr std::array normalizer_components{
    component<normalizer_reader>{"Replace", read_replace},
    component<normalizer_reader>{"BertNormalizer", read_bert_normalizer},
    component<normalizer_reader>{"NFC", read_unicode_form},
    component<normalizer_reader>{"NFD", read_unicode_form},
    component<normalizer_reader>{"NFKC", read_unicode_form},
    component<normalizer_reader>{"NFKD", read_unicode_form},
    component<normalizer_reader>{"Lowercase", read_lower_case},
    component<normalizer_reader>{"StripAccents", read_strip_accents},
};

inline constexpr std::array pre_tokenizer_components{
    component<pre_tokenizer_reader>{"Whitespace", read_whitespace_pre_tokenizer},
    component<pre_tokenizer_reader>{"BertPreTokenizer", read_bert_pre_tokenizer},
};

inline constexpr std::array post_processor_components{
    component<post_processor_reader>{"TemplateProcessing", read_template_processing},
    component<post_processor_reader>{"BertProcessing", read_bert_processing},
};

inline constexpr std::array decoder_components{
    component<decoder_reader>{"WordPiece", read_wordpiece_decoder},
};

/// Most steps of a normalizer; each of them passes over the text.
inline constexpr std::size_t most_normalizer_steps = 256;

/// The reader for a type. `also` is the word for what may stand there beside the components, or empty.
/// Throws: bad_type (the type is no string), unsupported (it is in no line of the table).
template <class Reader>
[[nodiscard]] Reader reader_of(std::span<const component<Reader>> table, const json_value& type,
                               std::string_view also = {}) {
  const std::string& word = type.as_string();
  const auto found = std::find_if(table.begin(), table.end(), [&word](const auto& each) { return each.type == word; });
  if (found != table.end()) return found->read;
  std::vector<std::string_view> accepted;
  if (!also.empty()) accepted.push_back(also);
  for (const auto& each : table) accepted.push_back(each.type);
  std::string list;
  for (std::size_t i = 0; i < accepted.size(); ++i) {
    if (i != 0) list += i + 1 == accepted.size() ? " or " : ", ";
    list += accepted[i];
  }
  type.fail_unsupported(std::move(list), excerpt(word));
}

/// The reader of the model `json`. Throws: bad_type, missing_key, unsupported.
[[nodiscard]] inline model_reader find_model_reader(const json_value& json) {
  if (!json.find("type")) {
    for (const auto& each : model_components) {
      if (each.read.recognizes(json)) return each.read;
    }
  }
  return reader_of<model_reader>(model_components, json.at("type"));
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
  reader_of<normalizer_reader>(normalizer_components, type, "Sequence")(value, steps);
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
    reader_of<pre_tokenizer_reader>(pre_tokenizer_components, value->at("type"), "null")(*value, steps);
  }
  return steps;
}

/// The templates of `post_processor`, or those that add nothing if it is null.
[[nodiscard]] inline post_processor read_post_processor(const json_value& root, const vocabulary& tokens) {
  const auto value = find_non_null(root, "post_processor");
  if (!value) return {};
  return reader_of<post_processor_reader>(post_processor_components, value->at("type"), "null")(*value, tokens);
}

/// The steps of `decoder`. If it is null, tokens are joined with spaces.
[[nodiscard]] inline decoder_list read_decoders(const json_value& root) {
  decoder_list steps;
  if (const auto value = find_non_null(root, "decoder")) {
    reader_of<decoder_reader>(decoder_components, value->at("type"), "null")(*value, steps);
  } else {
    steps.push_back(std::make_shared<const spaced_decoder>());
  }
  return steps;
}

}  // namespace ultrafastbert::tokenizers
