// SPDX-License-Identifier: MIT
//
// The normalizers `Strip` and `Prepend`, which change the ends of a text.
// Layer: tokenizer.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "ultrafastbert/io/json_document.hpp"
#include "ultrafastbert/tokenizer/regex/regex_parser.hpp"
#include "ultrafastbert/tokenizer/steps/normalized_text.hpp"
#include "ultrafastbert/tokenizer/steps/normalizer.hpp"
#include "ultrafastbert/tokenizer/steps/unicode_categories.hpp"
#include "ultrafastbert/tokenizer/steps/utf8.hpp"

namespace ultrafastbert::tokenizers {

/// From which ends white space is dropped.
struct strip_options {
  bool left = true;
  bool right = true;
};

/// Drops the white space at the ends of a text.
class strip_white_space : public normalizer {
 public:
  explicit strip_white_space(const strip_options& options) : options_(options) {}

  void apply(normalized_text& text) const override {
    const std::string_view all = text.text();
    std::size_t begin = 0;
    std::size_t end = options_.right ? 0 : all.size();
    bool at_start = options_.left;
    for (std::size_t at = 0; at < all.size();) {
      const utf8_step step = decode_utf8(all, at);
      const bool white = is_white_space(step.code_point);
      at += step.length;
      at_start = at_start && white;
      if (at_start) begin = at;
      if (options_.right && !white) end = at;
    }
    if (begin == 0 && end == all.size()) return;
    if (begin < end) text.keep(begin, end);
    text.commit();
  }

 private:
  strip_options options_;
};

/// Puts a string in front of a text that is not empty. It shares the place of the first character.
class prepend_string : public normalizer {
 public:
  explicit prepend_string(std::string content) : content_(std::move(content)) {}

  void apply(normalized_text& text) const override {
    if (text.text().empty() || content_.empty()) return;
    text.put(content_, text.origin(0));
    text.keep(0, text.text().size());
    text.commit();
  }

 private:
  std::string content_;
};

/// Reads a `Strip`. Throws: bad_type, missing_key.
inline void read_strip(const json_value& value, normalizer_list& steps) {
  steps.push_back(std::make_unique<const strip_white_space>(
      strip_options{.left = value.at("strip_left").as_boolean(), .right = value.at("strip_right").as_boolean()}));
}

/// Reads a `Prepend`. Throws: bad_type, missing_key, limit_exceeded.
inline void read_prepend(const json_value& value, normalizer_list& steps) {
  steps.push_back(std::make_unique<const prepend_string>(bounded_string(value.at("prepend"))));
}

}  // namespace ultrafastbert::tokenizers
