// SPDX-License-Identifier: MIT
//
// The pre-tokenizer `Split`: it cuts pieces at the matches of a fixed string or of a regular expression.
// Layer: tokenizer.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "ultrafastbert/io/json_document.hpp"
#include "ultrafastbert/tokenizer/regex/regex.hpp"
#include "ultrafastbert/tokenizer/steps/pre_tokenizer.hpp"
#include "ultrafastbert/tokenizer/steps/split_behavior.hpp"

namespace ultrafastbert::tokenizers {

/// Cuts at a fixed string.
class split_at_string : public pre_tokenizer {
 public:
  /// Pre: `pattern` is not empty.
  split_at_string(std::string pattern, const piece_splitter& splitter)
      : pattern_(std::move(pattern)), splitter_(splitter) {}

  void apply(pre_tokenized_text& text) const override {
    piece_splitter splitter = splitter_;
    text.cut_pieces([&](std::string_view piece, const auto& part) {
      for (std::size_t at = piece.find(pattern_); at != std::string_view::npos;
           at = piece.find(pattern_, at + pattern_.size())) {
        splitter.match(at, at + pattern_.size());
      }
      splitter.finish(piece.size(), part);
    });
  }

 private:
  std::string pattern_;
  piece_splitter splitter_;
};

/// Cuts at the matches of a regular expression.
class split_at_regex : public pre_tokenizer {
 public:
  split_at_regex(regex expression, const piece_splitter& splitter)
      : expression_(std::move(expression)), splitter_(splitter) {}

  /// Throws: limit_exceeded (the expression takes too many steps).
  void apply(pre_tokenized_text& text) const override {
    piece_splitter splitter = splitter_;
    regex::search search(expression_, text.text());
    text.cut_pieces([&](std::string_view piece, const auto& part) {
      for (byte_range match = search.next(piece, 0); match.begin != match.end; match = search.next(piece, match.end)) {
        splitter.match(match.begin, match.end);
      }
      splitter.finish(piece.size(), part);
    });
  }

 private:
  regex expression_;
  piece_splitter splitter_;
};

/// Reads a `Split`. Throws: bad_type, bad_value, missing_key, limit_exceeded, unsupported.
inline void read_split(const json_value& value, pre_tokenizer_list& steps) {
  auto pattern = read_pattern(value.at("pattern"));
  const piece_splitter splitter(read_split_behavior(value.at("behavior")), value.at("invert").as_boolean());
  if (auto* text = std::get_if<std::string>(&pattern)) {
    steps.push_back(std::make_unique<const split_at_string>(std::move(*text), splitter));
  } else {
    steps.push_back(std::make_unique<const split_at_regex>(std::get<regex>(std::move(pattern)), splitter));
  }
}

/// Reads a `CharDelimiterSplit`, which drops one character. Throws: bad_type, bad_value, missing_key.
inline void read_delimiter_split(const json_value& value, pre_tokenizer_list& steps) {
  const json_value delimiter = value.at("delimiter");
  const std::string& text = delimiter.as_string();
  if (count_code_points(text) != 1) delimiter.fail_value("one character", excerpt(text));
  steps.push_back(std::make_unique<const split_at_string>(text, piece_splitter(split_behavior::removed)));
}

}  // namespace ultrafastbert::tokenizers
