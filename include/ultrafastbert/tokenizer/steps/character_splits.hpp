// SPDX-License-Identifier: MIT
//
// The pre-tokenizers that cut at characters of one kind: `WhitespaceSplit`, `Punctuation` and `Digits`.
// Layer: tokenizer.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

#include "ultrafastbert/io/json_document.hpp"
#include "ultrafastbert/tokenizer/steps/pre_tokenizer.hpp"
#include "ultrafastbert/tokenizer/steps/split_behavior.hpp"
#include "ultrafastbert/tokenizer/steps/unicode_categories.hpp"
#include "ultrafastbert/tokenizer/steps/utf8.hpp"

namespace ultrafastbert::tokenizers {

/// Cuts at every character of which a function is true.
class split_at_characters : public pre_tokenizer {
 public:
  using predicate = bool (*)(char32_t c) noexcept;

  split_at_characters(predicate matches, split_behavior behavior) : matches_(matches), behavior_(behavior) {}

  void apply(pre_tokenized_text& text) const override {
    piece_splitter splitter(behavior_);
    text.cut_pieces([&](std::string_view piece, const auto& part) {
      for (std::size_t at = 0, end = 0; at < piece.size(); at = end) {
        const utf8_step step = decode_utf8(piece, at);
        end = at + step.length;
        if (matches_(step.code_point)) splitter.match(at, end);
      }
      splitter.finish(piece.size(), part);
    });
  }

 private:
  predicate matches_;
  split_behavior behavior_;
};

/// Reads a `WhitespaceSplit`, which has no options.
inline void read_whitespace_split(const json_value& /*value*/, pre_tokenizer_list& steps) {
  steps.push_back(std::make_unique<const split_at_characters>(is_white_space, split_behavior::removed));
}

/// Reads a `Punctuation`. Throws: bad_type, bad_value.
inline void read_punctuation(const json_value& value, pre_tokenizer_list& steps) {
  const auto behavior = value.find("behavior");
  steps.push_back(std::make_unique<const split_at_characters>(
      is_punctuation, behavior ? read_split_behavior(*behavior) : split_behavior::isolated));
}

/// Reads a `Digits`. Throws: bad_type, missing_key.
inline void read_digits(const json_value& value, pre_tokenizer_list& steps) {
  const bool individual = value.at("individual_digits").as_boolean();
  steps.push_back(std::make_unique<const split_at_characters>(
      is_numeric, individual ? split_behavior::isolated : split_behavior::contiguous));
}

}  // namespace ultrafastbert::tokenizers
