// SPDX-License-Identifier: MIT
//
// White space, word characters and symbols: the classes by which pre-tokenizers cut a text and by which added tokens
// tell where a word ends.
// Layer: tokenizer.
#pragma once

#include <utf8proc.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include "ultrafastbert/tokenizer/steps/unicode_categories.hpp"

namespace ultrafastbert::tokenizers {

enum class character_class : std::uint8_t { space, word, symbol };

/// The class of a code point outside ASCII. Word characters are those of `\w` in the Unicode standard's technical
/// report 18, annex C.
[[nodiscard]] inline character_class unicode_class(char32_t c) noexcept {
  if (is_white_space(c)) return character_class::space;
  switch (category(c)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_PC: return character_class::word;
    default: break;
  }
  const auto in = [c](char32_t first, char32_t last) { return c >= first && c <= last; };
  // Zero-width joiners, and the symbols that count as letters: circled and squared Latin letters.
  const bool word =
      in(0x200C, 0x200D) || in(0x24B6, 0x24E9) || in(0x1F130, 0x1F149) || in(0x1F150, 0x1F169) || in(0x1F170, 0x1F189);
  return word ? character_class::word : character_class::symbol;
}

[[nodiscard]] constexpr std::array<character_class, 128> make_ascii_classes() noexcept {
  std::array<character_class, 128> classes{};
  for (std::size_t i = 0; i < classes.size(); ++i) {
    const char c = static_cast<char>(i);
    const bool space = c == ' ' || (c >= '\t' && c <= '\r');
    const bool word = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
    classes[i] = space ? character_class::space : word ? character_class::word : character_class::symbol;
  }
  return classes;
}

inline constexpr std::array<character_class, 128> ascii_classes = make_ascii_classes();

[[nodiscard]] inline character_class class_of(char32_t c) noexcept {
  return c < ascii_classes.size() ? ascii_classes[c] : unicode_class(c);
}

}  // namespace ultrafastbert::tokenizers
