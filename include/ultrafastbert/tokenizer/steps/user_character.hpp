// SPDX-License-Identifier: MIT
//
// User-perceived characters: a letter with the marks that belong to it. Rules that cannot end a character of up to five
// bytes, such as those of flags, are left out, because nobody asks for longer ones as wholes.
// Source: Unicode standard annex 29, section 3.
// Layer: tokenizer.
#pragma once

#include <utf8proc.h>

#include <cstddef>
#include <cstdint>
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

/// What a code point is in a syllable of Hangul.
enum class hangul_part : std::uint8_t { none, leading, vowel, trailing, open_syllable, closed_syllable };

/// Source: Hangul_Syllable_Type of the Unicode character database.
[[nodiscard]] inline hangul_part hangul_part_of(char32_t c) noexcept {
  const auto within = [c](char32_t first, char32_t last) { return first <= c && c <= last; };
  if (within(0x1100, 0x115F) || within(0xA960, 0xA97C)) return hangul_part::leading;
  if (within(0x1160, 0x11A7) || within(0xD7B0, 0xD7C6)) return hangul_part::vowel;
  if (within(0x11A8, 0x11FF) || within(0xD7CB, 0xD7FB)) return hangul_part::trailing;
  if (!within(0xAC00, 0xD7A3)) return hangul_part::none;
  constexpr char32_t trailing_letters = 28;  // counting none
  return (c - 0xAC00) % trailing_letters == 0 ? hangul_part::open_syllable : hangul_part::closed_syllable;
}

/// Whether two neighbors belong to one syllable of Hangul.
[[nodiscard]] inline bool is_one_syllable(char32_t before, char32_t behind) noexcept {
  const hangul_part first = hangul_part_of(before);
  if (first == hangul_part::none) return false;
  const hangul_part second = hangul_part_of(behind);
  if (second == hangul_part::none) return false;
  if (first == hangul_part::leading) return second != hangul_part::trailing;
  if (second == hangul_part::trailing) return true;
  return second == hangul_part::vowel && (first == hangul_part::vowel || first == hangul_part::open_syllable);
}

/// Whether a joiner joins two pictures. The first one has to be a sign of two bytes, for copyright or a trade mark:
/// every other picture has three, and six with the joiner.
[[nodiscard]] inline bool joins_pictures(std::string_view before, char32_t behind) noexcept {
  constexpr std::string_view copyright = "\xC2\xA9\xE2\x80\x8D";
  constexpr std::string_view trade_mark = "\xC2\xAE\xE2\x80\x8D";
  return (before == copyright || before == trade_mark) &&
         ::utf8proc_get_property(static_cast<utf8proc_int32_t>(behind))->boundclass ==
             UTF8PROC_BOUNDCLASS_EXTENDED_PICTOGRAPHIC;
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
    if (!starts_user_character(step.code_point) && !contains(joining_ranges, next.code_point) &&
        !is_one_syllable(step.code_point, next.code_point) &&
        !joins_pictures(text.substr(begin, end - begin), next.code_point)) {
      break;
    }
    end += next.length;
    step = next;
  }
  return end;
}

}  // namespace ultrafastbert::tokenizers
