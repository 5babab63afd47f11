// SPDX-License-Identifier: MIT
//
// The pre-tokenizer `Whitespace`: runs of word characters, and runs of other characters that are not white space.
// Layer: tokenizer.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

#include "ultrafastbert/io/json_document.hpp"
#include "ultrafastbert/tokenizer/steps/character_class.hpp"
#include "ultrafastbert/tokenizer/steps/pre_tokenizer.hpp"
#include "ultrafastbert/tokenizer/steps/utf8.hpp"

namespace ultrafastbert::tokenizers {

class whitespace_pre_tokenizer : public pre_tokenizer {
 public:
  void apply(pre_tokenized_text& text) const override {
    text.cut_pieces([](std::string_view piece, const auto& part) { cut(piece, part); });
  }

 private:
  template <class Part>
  static void cut(std::string_view text, const Part& part) {
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
        if (run != character_class::space) part(begin, at);
        begin = at;
        run = next;
      }
      at += length;
    }
    if (run != character_class::space) part(begin, text.size());
  }
};

/// Reads a `Whitespace`, which has no options.
inline void read_whitespace_pre_tokenizer(const json_value& /*value*/, pre_tokenizer_list& steps) {
  steps.push_back(std::make_unique<const whitespace_pre_tokenizer>());
}

}  // namespace ultrafastbert::tokenizers
