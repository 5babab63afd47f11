// SPDX-License-Identifier: MIT
//
// What the steps ask about a code point. The answers are those of the reference, whose parts know several versions of
// the Unicode standard; they stand in fixed tables, so that no installed library shifts them.
// Layer: tokenizer.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <iterator>

#include "ultrafastbert/tokenizer/unicode/code_point_range.hpp"
#include "ultrafastbert/tokenizer/unicode/lower_case_table.hpp"
#include "ultrafastbert/tokenizer/unicode/property_tables.hpp"

namespace ultrafastbert::tokenizers {

/// Whether a code point has the property White_Space.
[[nodiscard]] constexpr bool is_white_space(char32_t c) noexcept {
  constexpr char32_t next_line = 0x85;
  constexpr char32_t no_break_space = 0xA0;
  if (c < 0x80) return c == ' ' || (c >= '\t' && c <= '\r');
  if (c < 0x1680) return c == next_line || c == no_break_space;
  return c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

/// Whether BERT's clean-up drops a code point: NUL, U+FFFD and the categories Cc, Cf and Co, except for tab, line feed
/// and carriage return.
[[nodiscard]] inline bool is_bert_control(char32_t c) noexcept {
  if (c < 0x80) return (c < ' ' && c != '\t' && c != '\n' && c != '\r') || c == 0x7F;
  return contains(control_ranges, c);
}

/// Whether a code point is punctuation: all ASCII that is no letter, digit, blank or control, and the categories P.
[[nodiscard]] inline bool is_punctuation(char32_t c) noexcept {
  if (c < 0x80) {
    const bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    return c > ' ' && c < 0x7F && !letter && (c < '0' || c > '9');
  }
  return contains(punctuation_ranges, c);
}

/// Whether a code point is a number of any kind: the categories N.
[[nodiscard]] inline bool is_numeric(char32_t c) noexcept {
  return c < 0x80 ? c >= '0' && c <= '9' : contains(numeric_ranges, c);
}

/// Whether BERT drops a code point as an accent: category Mn.
[[nodiscard]] inline bool is_bert_accent(char32_t c) noexcept { return c >= 0x80 && contains(accent_ranges, c); }

/// Whether a code point is a combining mark: categories Mn, Mc and Me.
[[nodiscard]] inline bool is_mark(char32_t c) noexcept { return c >= 0x80 && contains(mark_ranges, c); }

/// The small form of a code point outside ASCII, or the code point itself if it has none that is one code point.
[[nodiscard]] inline char32_t small_form(char32_t c) noexcept {
  const auto after = std::upper_bound(lower_case_rules.begin(), lower_case_rules.end(), c,
                                      [](char32_t value, const lower_case_rule& rule) { return value < rule.first; });
  if (after == lower_case_rules.begin()) return c;
  const lower_case_rule& rule = *std::prev(after);
  if (c > rule.last || (c - rule.first) % rule.step != 0) return c;
  return static_cast<char32_t>(static_cast<std::int32_t>(c) + rule.distance);
}

/// Whether BERT surrounds a code point with spaces. The block that starts at U+2B820 is covered from U+2B920 on only,
/// as it is in the reference.
[[nodiscard]] inline bool is_bert_ideograph(char32_t c) noexcept {
  constexpr std::array<code_point_range, 8> blocks{{{0x3400, 0x4DBF},
                                                    {0x4E00, 0x9FFF},
                                                    {0xF900, 0xFAFF},
                                                    {0x20000, 0x2A6DF},
                                                    {0x2A700, 0x2B73F},
                                                    {0x2B740, 0x2B81F},
                                                    {0x2B920, 0x2CEAF},
                                                    {0x2F800, 0x2FA1F}}};
  return c >= blocks.front().first && contains(blocks, c);
}

}  // namespace ultrafastbert::tokenizers
