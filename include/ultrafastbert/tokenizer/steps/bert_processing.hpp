// SPDX-License-Identifier: MIT
//
// The post-processors `BertProcessing` and `RobertaProcessing`, whose templates are always those of the models; the
// file only names the two tokens.
// Layer: tokenizer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "ultrafastbert/core/token.hpp"
#include "ultrafastbert/io/json_document.hpp"
#include "ultrafastbert/tokenizer/steps/post_processor.hpp"
#include "ultrafastbert/tokenizer/vocabulary.hpp"

namespace ultrafastbert::tokenizers {

/// The token at the start of every encoding, and the one behind every text.
struct enclosing_tokens {
  token_id cls = 0;
  token_id sep = 0;
};

/// How two texts stand together.
struct pair_form {
  std::size_t separators = 1;     ///< number of tokens between them
  std::uint32_t second_type = 1;  ///< type of the second text and of the token behind it
};

/// BERT's form: `[CLS] A [SEP] B [SEP]` with type 1 from B on.
inline constexpr pair_form bert_pairs{};

/// Templates with one token in front and one behind each text: `[CLS] A [SEP]` for one text, and what `pair` says for
/// two.
[[nodiscard]] inline post_processor enclosing_templates(const enclosing_tokens& tokens, const pair_form& pair) {
  post_processor out;
  out.cls = tokens.cls;
  out.sep = tokens.sep;
  for (auto* pieces : {&out.single, &out.pair}) {
    pieces->clear();
    pieces->push_back({.ids = {tokens.cls}});
    pieces->push_back({.role = template_role::first_text});
    pieces->push_back({.ids = {tokens.sep}});
  }
  out.pair.back().ids.assign(pair.separators, tokens.sep);
  out.pair.push_back({.role = template_role::second_text, .type_id = pair.second_type});
  out.pair.push_back({.type_id = pair.second_type, .ids = {tokens.sep}});
  return out;
}

/// RoBERTa's form: `<s> A </s></s> B </s>` with type 0 throughout.
inline constexpr pair_form roberta_pairs{.separators = 2, .second_type = 0};

/// Reads the two tokens that `sep` and `cls` name, each with its id. Throws: what a `post_processor_reader` may throw.
[[nodiscard]] inline enclosing_tokens read_enclosing_tokens(const json_value& value, const vocabulary& tokens) {
  const auto read_token = [&tokens](const json_value& pair) {
    const auto parts = pair.elements();
    if (parts.size() != 2) {
      pair.fail_value("a list of a token and its id", std::to_string(parts.size()) + " elements");
    }
    return read_special_id(parts[0], parts[1], tokens);
  };
  const token_id sep = read_token(value.at("sep"));
  return {.cls = read_token(value.at("cls")), .sep = sep};
}

/// Reads a `BertProcessing`. Throws: what a `post_processor_reader` may throw.
[[nodiscard]] inline post_processor read_bert_processing(const json_value& value, const vocabulary& tokens) {
  return enclosing_templates(read_enclosing_tokens(value, tokens), bert_pairs);
}

/// Reads a `RobertaProcessing`. Throws: what a `post_processor_reader` may throw.
[[nodiscard]] inline post_processor read_roberta_processing(const json_value& value, const vocabulary& tokens) {
  post_processor out = enclosing_templates(read_enclosing_tokens(value, tokens), roberta_pairs);
  const offset_trim trim{.add_prefix_space = value.at("add_prefix_space").as_boolean()};
  if (value.at("trim_offsets").as_boolean()) out.trims.push_back(trim);
  return out;
}

}  // namespace ultrafastbert::tokenizers
