// SPDX-License-Identifier: MIT
//
// White space, word characters and symbols: the classes by which pre-tokenizers cut a text and by which added tokens
// tell where a word ends.
// Layer: tokenizer.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "ultrafastbert/tokenizer/steps/unicode_categories.hpp"
#include "ultrafastbert/tokenizer/unicode/code_point_range.hpp"
#include "ultrafastbert/tokenizer/unicode/word_table.hpp"

namespace ultrafastbert::tokenizers {

enum class character_class : std::uint8_t { space, word, symbol };

/// The class of a code point outside ASCII. Word characters are those of `\w` in the Unicode standard's technical
/// report 18, annex C.
[[nodiscard]] inline character_class unicode_class(char32_t c) noexcept {
  if (is_white_space(c)) return character_class::space;
  return contains(word_ranges, c) ? character_class::word : character_class::symbol;
}

[[nodiscard]] constexpr std::array<character_class, 128> make_ascii_classes() noexcept {
  std::array<character_class, 128> classes{};
  for (std::size_t i = 0; i < classes.size(); ++i) {
    const char c = static_cast<char>(i);
    const bool word = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
    classes[i] = is_white_space(static_cast<char32_t>(i)) ? character_class::space
                 : word                                   ? character_class::word
                                                          : character_class::symbol;
  }
  return classes;
}

inline constexpr std::array<character_class, 128> ascii_classes = make_ascii_classes();

[[nodiscard]] inline character_class class_of(char32_t c) noexcept {
  return c < ascii_classes.size() ? ascii_classes[c] : unicode_class(c);
}

}  // namespace ultrafastbert::tokenizers
