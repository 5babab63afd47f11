// SPDX-License-Identifier: MIT
//
// Pre-tokenizers: cut normalized text into the pieces that the model sees one at a time.
// Layer: tokenizer.
#pragma once

#include <utf8proc.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <variant>

#include "ultrafastbert/tokenizer/unicode_categories.hpp"
#include "ultrafastbert/tokenizer/utf8.hpp"

namespace ultrafastbert::tokenizers {

enum class character_class : std::uint8_t { space, word, symbol };

/// Class outside ASCII. Word characters are those of `\w` in the Unicode standard's technical report 18, annex C.
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
  // Zero-width joiners, and the alphabetic symbols: circled and squared Latin letters.
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

/// The whole text is one piece (`pre_tokenizer: null`).
struct whole_text {
  /// Calls `piece(begin, end)` with byte positions, unless the text is empty.
  template <class Piece>
  void split(std::string_view text, const Piece& piece) const {
    if (!text.empty()) piece(std::size_t{0}, text.size());
  }
};

/// Runs of word characters and runs of other characters that are not white space (`Whitespace`).
struct whitespace_split {
  /// Calls `piece(begin, end)` with the byte positions of each run, in order. Linear.
  /// Pre: valid UTF-8.
  template <class Piece>
  void split(std::string_view text, const Piece& piece) const {
    std::size_t begin = 0;
    auto run = character_class::space;
    for (std::size_t at = 0; at < text.size();) {
      const auto byte = static_cast<unsigned char>(text[at]);
      std::size_t length = 1;
      character_class next = character_class::space;
      if (byte < ascii_classes.size()) {
        next = ascii_classes[byte];
      } else {
        const utf8_step step = decode_utf8(text, at);
        length = step.length;
        next = unicode_class(step.code_point);
      }
      if (next != run) {
        if (run != character_class::space) piece(begin, at);
        begin = at;
        run = next;
      }
      at += length;
    }
    if (run != character_class::space) piece(begin, text.size());
  }
};

/// Words between white space, with each punctuation character on its own (`BertPreTokenizer`).
struct bert_split {
  /// Calls `piece(begin, end)` with the byte positions of each word and punctuation character, in order. Linear.
  /// Pre: valid UTF-8.
  template <class Piece>
  void split(std::string_view text, const Piece& piece) const {
    std::size_t begin = 0;
    for (std::size_t at = 0; at < text.size();) {
      const auto byte = static_cast<unsigned char>(text[at]);
      std::size_t length = 1;
      character_class next = character_class::space;
      if (byte < bert_ascii_classes.size()) {
        next = bert_ascii_classes[byte];
      } else {
        const utf8_step step = decode_utf8(text, at);
        length = step.length;
        next = bert_class(step.code_point);
      }
      if (next != character_class::word) {
        if (begin < at) piece(begin, at);
        if (next == character_class::symbol) piece(at, at + length);
        begin = at + length;
      }
      at += length;
    }
    if (begin < text.size()) piece(begin, text.size());
  }

 private:
  static character_class bert_class(char32_t c) noexcept {
    if (is_white_space(c)) return character_class::space;
    return is_bert_punctuation(c) ? character_class::symbol : character_class::word;
  }

  static constexpr std::array<character_class, 128> bert_ascii_classes = [] {
    auto classes = ascii_classes;
    for (std::size_t i = 0; i < classes.size(); ++i) {
      const bool control = i < ' ' || i == 0x7F;
      if (control && classes[i] == character_class::symbol) classes[i] = character_class::word;
      if (i == '_') classes[i] = character_class::symbol;
    }
    return classes;
  }();
};

using pre_tokenizer = std::variant<whole_text, whitespace_split, bert_split>;

}  // namespace ultrafastbert::tokenizers
