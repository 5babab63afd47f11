// SPDX-License-Identifier: MIT
//
// User-perceived characters: a letter with the marks that belong to it. Rules that join code points of more than five
// bytes in all, such as Hangul letters, flags and emoji, are left out, because nobody asks for such characters as
// wholes.
// Source: Unicode standard annex 29, section 3.
// Layer: tokenizer.
#pragma once

#include <cstddef>
#include <string_view>

#include "ultrafastbert/tokenizer/steps/unicode_categories.hpp"
#include "ultrafastbert/tokenizer/steps/utf8.hpp"
#include "ultrafastbert/tokenizer/unicode/code_point_range.hpp"
#include "ultrafastbert/tokenizer/unicode/form_tables.hpp"

namespace ultrafastbert::tokenizers {

/// Whether a code point belongs to the character behind it, such as U+0600, the Arabic number sign.
[[nodiscard]] inline bool starts_user_character(char32_t c) noexcept {
  return (c >= 0x600 && c <= 0x605) || c == 0x6DD || c == 0x70F || c == 0x890 || c == 0x891 || c == 0x8E2 ||
         c == 0x110BD || c == 0x110CD;
}

/// Whether a code point stands by itself whatever is beside it: controls, and what separates lines.
[[nodiscard]] inline bool is_control_character(char32_t c) noexcept {
  if (c < 0x80) return c < ' ' || c == 0x7F;
  if (starts_user_character(c) || contains(joining_ranges, c)) return false;
  const bool private_use = (c >= 0xE000 && c <= 0xF8FF) || c >= 0xF0000 || c == 0xFFFD;
  const bool ignorable = c == 0x2065 || (c >= 0xFFF0 && c <= 0xFFF8) || c == 0x2028 || c == 0x2029;
  return ignorable || (!private_use && is_bert_control(c));
}

/// Where the user-perceived character that starts at `begin` ends.
/// Pre: begin < text.size(); `text` is valid UTF-8.
[[nodiscard]] inline std::size_t end_of_user_character(std::string_view text, std::size_t begin) noexcept {
  utf8_step step = decode_utf8(text, begin);
  std::size_t end = begin + step.length;
  if (end == text.size() || (step.code_point < 0x80 && static_cast<unsigned char>(text[end]) < 0x80U)) {
    return end + (text.substr(begin).starts_with("\r\n") ? 1U : 0U);
  }
  while (end < text.size()) {
    const utf8_step next = decode_utf8(text, end);
    if (is_control_character(step.code_point) || is_control_character(next.code_point)) break;
    if (!starts_user_character(step.code_point) && !contains(joining_ranges, next.code_point)) break;
    end += next.length;
    step = next;
  }
  return end;
}

}  // namespace ultrafastbert::tokenizers
