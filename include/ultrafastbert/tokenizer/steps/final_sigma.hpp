// SPDX-License-Identifier: MIT
//
// The one letter whose small form depends on its neighbors: a sigma at the end of a word.
// Layer: tokenizer.
#pragma once

#include <utf8proc.h>

#include <cstddef>
#include <string>
#include <string_view>

#include "ultrafastbert/tokenizer/steps/utf8.hpp"

namespace ultrafastbert::tokenizers {

/// Whether Unicode passes over a character when it asks which letters stand beside another one.
[[nodiscard]] inline bool is_case_ignorable(char32_t c) noexcept {
  constexpr std::u32string_view inside_words =
      U"'.:^`\u00B7\u0387\u055F\u05F4\u2018\u2019\u2024\u2027\uFE13\uFE52\uFE55";
  if (inside_words.find(c) != std::u32string_view::npos || c == U'\uFF07' || c == U'\uFF0E' || c == U'\uFF1A') {
    return true;
  }
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK: return true;
    default: return false;
  }
}

/// Whether a character is a large or small letter, or a number or symbol that has both forms.
[[nodiscard]] inline bool is_cased(char32_t c) noexcept {
  if (c == U'\u00AA' || c == U'\u00BA' || (c >= U'\u2160' && c <= U'\u217F') || (c >= U'\u24B6' && c <= U'\u24E9') ||
      (c >= U'\U0001F130' && c <= U'\U0001F149') || (c >= U'\U0001F150' && c <= U'\U0001F169') ||
      (c >= U'\U0001F170' && c <= U'\U0001F189')) {
    return true;
  }
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT: return true;
    default: return false;
  }
}

/// Makes the large sigmas at the ends of words small final ones, which putting other letters into lower case leaves as
/// they are. Source: the rule Final_Sigma of the Unicode standard, section 3.13, as Python's `str.lower` has it.
[[nodiscard]] inline std::string with_final_sigmas(std::string_view text) {
  constexpr char32_t large_sigma = U'\u03A3';
  constexpr std::string_view final_sigma = "\xCF\x82";
  std::string out;
  std::size_t copied = 0;
  bool behind_letter = false;  // but for characters that are passed over
  for (std::size_t at = 0; at < text.size();) {
    const utf8_step step = decode_utf8(text, at);
    const std::size_t end = at + step.length;
    if (step.code_point == large_sigma && behind_letter) {
      std::size_t next = end;
      while (next < text.size() && is_case_ignorable(decode_utf8(text, next).code_point)) {
        next += decode_utf8(text, next).length;
      }
      if (next == text.size() || !is_cased(decode_utf8(text, next).code_point)) {
        out.append(text.substr(copied, at - copied)).append(final_sigma);
        copied = end;
      }
    }
    if (!is_case_ignorable(step.code_point)) behind_letter = is_cased(step.code_point);
    at = end;
  }
  return out.append(text.substr(copied));
}

}  // namespace ultrafastbert::tokenizers
