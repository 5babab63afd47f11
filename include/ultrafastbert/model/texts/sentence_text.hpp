// SPDX-License-Identifier: MIT
//
// What the sentence-transformers package does to a text before the tokenizer: tokenizers that keep the spaces at the
// ends of a text would give it other tokens.
// Layer: model.
#pragma once

#include <string>
#include <string_view>

#include "ultrafastbert/tokenizer/steps/final_sigma.hpp"
#include "ultrafastbert/tokenizer/steps/lower_case.hpp"
#include "ultrafastbert/tokenizer/steps/normalized_text.hpp"
#include "ultrafastbert/tokenizer/steps/strip.hpp"
#include "ultrafastbert/tokenizer/steps/utf8.hpp"

namespace ultrafastbert::models {

/// A text without the white space at its ends and, where `lower` asks for it, in lower case as Python has it: code
/// point by code point as the tokenizers' step `Lowercase` does it, but for sigmas at the ends of words. What is no
/// valid UTF-8 becomes U+FFFD. Throws: std::bad_alloc. Complexity: linear. Source: `Transformer.tokenize` of the
/// sentence-transformers package.
[[nodiscard]] inline std::string sentence_text(std::string_view text, bool lower) {
  tokenizers::normalized_text prepared;
  const std::string valid = tokenizers::is_valid_utf8(text) ? std::string(text) : tokenizers::repair_utf8(text);
  prepared.assign(lower ? tokenizers::with_final_sigmas(valid) : valid, 0);
  tokenizers::strip_white_space({}).apply(prepared);
  if (lower) tokenizers::lower_case{}.apply(prepared);
  return std::string(prepared.text());
}

}  // namespace ultrafastbert::models
