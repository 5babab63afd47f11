// SPDX-License-Identifier: MIT
//
// Lower case before the tokenizer, which some folders ask for beside their tokenizer's own.
// Layer: model.
#pragma once

#include <string>
#include <string_view>

#include "ultrafastbert/tokenizer/steps/lower_case.hpp"
#include "ultrafastbert/tokenizer/steps/normalized_text.hpp"
#include "ultrafastbert/tokenizer/steps/utf8.hpp"

namespace ultrafastbert::models {

/// A text in lower case, code point by code point as the tokenizers' step `Lowercase` does it; what is no valid UTF-8
/// becomes U+FFFD. Throws: std::bad_alloc. Complexity: linear.
[[nodiscard]] inline std::string lower_text(std::string_view text) {
  tokenizers::normalized_text lowered;
  lowered.assign(tokenizers::is_valid_utf8(text) ? std::string(text) : tokenizers::repair_utf8(text), 0);
  tokenizers::lower_case{}.apply(lowered);
  return std::string(lowered.text());
}

}  // namespace ultrafastbert::models
