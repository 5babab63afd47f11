// SPDX-License-Identifier: MIT
//
// The pre-tokenizer `BertPreTokenizer`: the words between white space, with each punctuation character by itself.
// Layer: tokenizer.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <string_view>

#include "ultrafastbert/io/json_document.hpp"
#include "ultrafastbert/tokenizer/steps/character_class.hpp"
#include "ultrafastbert/tokenizer/steps/pre_tokenizer.hpp"
#include "ultrafastbert/tokenizer/steps/unicode_categories.hpp"
#include "ultrafastbert/tokenizer/steps/utf8.hpp"

namespace ultrafastbert::tokenizers {

/// Classes of ASCII as BERT has them: it isolates the underscore, and takes control characters for parts of words.
[[nodiscard]] constexpr std::array<character_class, 128> make_bert_ascii_classes() noexcept {
  std::array<character_class, 128> classes = ascii_classes;
  for (std::size_t i = 0; i < classes.size(); ++i) {
    const bool control = i < ' ' || i == 0x7F;
    if (control && classes[i] == character_class::symbol) classes[i] = character_class::word;
    if (i == '_') classes[i] = character_class::symbol;
  }
  return classes;
}

inline constexpr std::array<character_class, 128> bert_ascii_classes = make_bert_ascii_classes();

class bert_pre_tokenizer : public pre_tokenizer {
 public:
  void apply(pre_tokenized_text& text) const override {
    text.cut_pieces([](std::string_view piece, const auto& part) { cut(piece, part); });
  }

 private:
  template <class Part>
  static void cut(std::string_view text, const Part& part) {
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
        if (begin < at) part(begin, at);
        if (next == character_class::symbol) part(at, at + length);
        begin = at + length;
      }
      at += length;
    }
    if (begin < text.size()) part(begin, text.size());
  }

  static character_class bert_class(char32_t c) noexcept {
    if (is_white_space(c)) return character_class::space;
    return is_punctuation(c) ? character_class::symbol : character_class::word;
  }
};

/// Reads a `BertPreTokenizer`, which has no options.
inline void read_bert_pre_tokenizer(const json_value& /*value*/, pre_tokenizer_list& steps) {
  steps.push_back(std::make_unique<const bert_pre_tokenizer>());
}

}  // namespace ultrafastbert::tokenizers
