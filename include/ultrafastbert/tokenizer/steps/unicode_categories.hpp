// SPDX-License-Identifier: MIT
//
// What the steps ask about a code point. The categories come from utf8proc. The reference's tables are older than those
// of utf8proc: code points that were assigned since then are no marks, punctuation or controls there, nor are they
// here.
// Layer: tokenizer.
#pragma once

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <iterator>

namespace ultrafastbert::tokenizers {

/// The code points from `first` to `last`, both included.
struct code_point_range {
  char32_t first = 0;
  char32_t last = 0;
};

template <std::size_t Count>
[[nodiscard]] bool contains(const std::array<code_point_range, Count>& ranges, char32_t c) noexcept {
  const auto after =
      std::upper_bound(ranges.begin(), ranges.end(), c,
                       [](char32_t value, const code_point_range& range) { return value < range.first; });
  return after != ranges.begin() && c <= std::prev(after)->last;
}

/// Marks (Mn), punctuation and format characters that the reference's BERT steps do not know. Whatever else lies in
/// these ranges has none of these categories.
inline constexpr std::array<code_point_range, 39> unknown_to_bert{
    {{0x61D, 0x61D},     {0x7FD, 0x7FD},     {0x890, 0x8E2},     {0x9FD, 0x9FE},     {0xA76, 0xA76},
     {0xAFA, 0xAFF},     {0xB55, 0xB55},     {0xC04, 0xC3C},     {0xC77, 0xC77},     {0xC84, 0xC84},
     {0xD00, 0xD00},     {0xD3B, 0xD3C},     {0xD81, 0xD81},     {0xEBA, 0xEBA},     {0x180F, 0x1886},
     {0x1ABF, 0x1ACE},   {0x1B7D, 0x1B7E},   {0x1DF6, 0x1DFB},   {0x2E43, 0x2E5D},   {0xA82C, 0xA82C},
     {0xA8C5, 0xA8C5},   {0xA8FF, 0xA8FF},   {0xA9BD, 0xA9BD},   {0x10D24, 0x10F89}, {0x11070, 0x11074},
     {0x110C2, 0x110CD}, {0x111CF, 0x111CF}, {0x1123E, 0x1123E}, {0x1133B, 0x1133B}, {0x11438, 0x1145E},
     {0x11660, 0x1166C}, {0x116B9, 0x116B9}, {0x1182F, 0x11FFF}, {0x12FF1, 0x13438}, {0x16E97, 0x16F4F},
     {0x16FE2, 0x16FE4}, {0x1CF00, 0x1CF46}, {0x1E000, 0x1E2EF}, {0x1E944, 0x1E95F}}};

/// Marks (Mn, Mc, Me) that the reference's `StripAccents` does not know.
inline constexpr std::array<code_point_range, 32> unknown_marks{
    {{0x7FD, 0x7FD},     {0x898, 0x8D3},     {0x9FE, 0x9FE},     {0xAFA, 0xAFF},     {0xB55, 0xB55},
     {0xC04, 0xC3C},     {0xD00, 0xD00},     {0xD3B, 0xD3C},     {0xD81, 0xD81},     {0xEBA, 0xEBA},
     {0x1715, 0x1715},   {0x180F, 0x180F},   {0x1ABF, 0x1ACE},   {0x1CF7, 0x1CF7},   {0x1DF6, 0x1DFA},
     {0xA82C, 0xA82C},   {0xA8FF, 0xA8FF},   {0x10D24, 0x10F85}, {0x11070, 0x11074}, {0x110C2, 0x110C2},
     {0x11145, 0x11146}, {0x111C9, 0x111C9}, {0x111CE, 0x111CF}, {0x1133B, 0x1133B}, {0x1145E, 0x1145E},
     {0x1182C, 0x11A99}, {0x11D31, 0x11EF6}, {0x16F4F, 0x16F4F}, {0x16F7F, 0x16F87}, {0x16FE4, 0x16FF1},
     {0x1CF00, 0x1CF46}, {0x1E130, 0x1E2EF}}};

/// Code points whose decomposition the reference does not know.
inline constexpr std::array<code_point_range, 7> unknown_decompositions{{{0x32FF, 0x32FF},
                                                                         {0xA7F2, 0xA7F4},
                                                                         {0xAB69, 0xAB69},
                                                                         {0x10781, 0x107BA},
                                                                         {0x11938, 0x11938},
                                                                         {0x1F16C, 0x1F16C},
                                                                         {0x1FBF0, 0x1FBF9}}};

[[nodiscard]] inline utf8proc_category_t category(char32_t c) noexcept {
  return ::utf8proc_category(static_cast<utf8proc_int32_t>(c));
}

/// Whether a code point has the property White_Space.
[[nodiscard]] inline bool is_white_space(char32_t c) noexcept {
  constexpr char32_t next_line = 0x85;
  if (c < 0x80) return c == ' ' || (c >= '\t' && c <= '\r');
  const auto kind = category(c);
  return c == next_line || kind == UTF8PROC_CATEGORY_ZS || kind == UTF8PROC_CATEGORY_ZL || kind == UTF8PROC_CATEGORY_ZP;
}

/// Whether BERT's clean-up drops a code point: NUL, U+FFFD and the categories Cc, Cf and Co, except for tab, line feed
/// and carriage return.
[[nodiscard]] inline bool is_bert_control(char32_t c) noexcept {
  constexpr char32_t replacement = 0xFFFD;
  if (c < 0x80) return (c < ' ' && c != '\t' && c != '\n' && c != '\r') || c == 0x7F;
  const auto kind = category(c);
  if (kind == UTF8PROC_CATEGORY_CF) return !contains(unknown_to_bert, c);
  return kind == UTF8PROC_CATEGORY_CC || kind == UTF8PROC_CATEGORY_CO || c == replacement;
}

/// Whether BERT isolates a code point: all ASCII that is no letter, digit, blank or control, and the categories P.
[[nodiscard]] inline bool is_bert_punctuation(char32_t c) noexcept {
  if (c < 0x80) {
    const bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    return c > ' ' && c < 0x7F && !letter && (c < '0' || c > '9');
  }
  constexpr char32_t chi_sign = 0x166D;  // punctuation until Unicode 12
  constexpr char32_t sandhi = 0x111C9;   // punctuation until Unicode 11
  if (c == chi_sign || c == sandhi) return true;
  switch (category(c)) {
    case UTF8PROC_CATEGORY_PC:
    case UTF8PROC_CATEGORY_PD:
    case UTF8PROC_CATEGORY_PS:
    case UTF8PROC_CATEGORY_PE:
    case UTF8PROC_CATEGORY_PI:
    case UTF8PROC_CATEGORY_PF:
    case UTF8PROC_CATEGORY_PO: return !contains(unknown_to_bert, c);
    default: return false;
  }
}

/// Whether BERT drops a code point as an accent: category Mn.
[[nodiscard]] inline bool is_bert_accent(char32_t c) noexcept {
  constexpr char32_t hanunoo_pamudpod = 0x1734;  // Mn until Unicode 14
  constexpr char32_t sandhi = 0x111C9;           // punctuation until Unicode 11
  if (c < 0x80 || c == sandhi) return false;
  return c == hanunoo_pamudpod || (category(c) == UTF8PROC_CATEGORY_MN && !contains(unknown_to_bert, c));
}

/// Whether a code point is a combining mark: categories Mn, Mc and Me.
[[nodiscard]] inline bool is_mark(char32_t c) noexcept {
  if (c < 0x80) return false;
  if (c == 0x1CF2 || c == 0x1CF3) return true;  // Vedic ardhavisarga, Mc until Unicode 12
  const auto kind = category(c);
  const bool mark = kind == UTF8PROC_CATEGORY_MN || kind == UTF8PROC_CATEGORY_MC || kind == UTF8PROC_CATEGORY_ME;
  return mark && !contains(unknown_marks, c);
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
