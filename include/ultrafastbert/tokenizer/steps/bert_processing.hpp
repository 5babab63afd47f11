// SPDX-License-Identifier: MIT
//
// The post-processor `BertProcessing`, whose templates are always BERT's; the file only names the two tokens.
// Layer: tokenizer.
#pragma once

#include <string>

#include "ultrafastbert/core/token.hpp"
#include "ultrafastbert/io/json_document.hpp"
#include "ultrafastbert/tokenizer/steps/post_processor.hpp"
#include "ultrafastbert/tokenizer/vocabulary.hpp"

namespace ultrafastbert::tokenizers {

/// The tokens that BERT's templates add.
struct bert_specials {
  token_id cls = 0;
  token_id sep = 0;
};

/// `[CLS] A [SEP]` for one text, and `[CLS] A [SEP] B [SEP]` with type 1 from B on for two.
[[nodiscard]] inline post_processor bert_templates(const bert_specials& tokens) {
  const template_piece cls{.role = template_role::special, .ids = {tokens.cls}};
  const template_piece sep{.role = template_role::special, .ids = {tokens.sep}};
  const template_piece last{.role = template_role::special, .type_id = 1, .ids = {tokens.sep}};
  const template_piece first{.role = template_role::first_text};
  const template_piece second{.role = template_role::second_text, .type_id = 1};
  return {.single = {cls, first, sep}, .pair = {cls, first, sep, second, last}, .cls = tokens.cls, .sep = tokens.sep};
}

/// Reads a `BertProcessing`. Throws: what a `post_processor_reader` may throw.
[[nodiscard]] inline post_processor read_bert_processing(const json_value& value, const vocabulary& tokens) {
  const auto read_token = [&tokens](const json_value& pair) {
    const auto parts = pair.elements();
    if (parts.size() != 2) {
      pair.fail_value("a list of a token and its id", std::to_string(parts.size()) + " elements");
    }
    return read_special_id(parts[0], parts[1], tokens);
  };
  const token_id sep = read_token(value.at("sep"));
  return bert_templates({.cls = read_token(value.at("cls")), .sep = sep});
}

}  // namespace ultrafastbert::tokenizers
