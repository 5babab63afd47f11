// SPDX-License-Identifier: MIT
//
// The normalizer `Replace`: a fixed string or a regular expression. Those of the crammed normalizer have classes of
// their own, which are faster.
// Layer: tokenizer.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/io/json_document.hpp"
#include "ultrafastbert/tokenizer/regex/regex.hpp"
#include "ultrafastbert/tokenizer/steps/normalized_text.hpp"
#include "ultrafastbert/tokenizer/steps/normalizer.hpp"
#include "ultrafastbert/tokenizer/steps/utf8.hpp"

namespace ultrafastbert::tokenizers {

/// Replaces a fixed string (`Replace` with a `String` pattern).
class replace_string : public normalizer {
 public:
  [[nodiscard]] std::size_t cost() const noexcept override { return 8; }
  /// Pre: `pattern` is not empty.
  replace_string(std::string pattern, std::string content)
      : pattern_(std::move(pattern)), content_(std::move(content)) {}

  void apply(normalized_text& text) const override {
    replace_matches(text, content_, [this](std::string_view all, std::size_t from) -> byte_range {
      const std::size_t at = all.find(pattern_, from);
      return at == std::string_view::npos ? byte_range{} : byte_range{.begin = at, .end = at + pattern_.size()};
    });
  }

 private:
  std::string pattern_;
  std::string content_;
};

/// Replaces each run of two or more U+0020 (`Replace` with the pattern ` {2,}`).
class replace_space_runs : public normalizer {
 public:
  explicit replace_space_runs(std::string content) : content_(std::move(content)) {}

  void apply(normalized_text& text) const override {
    replace_matches(text, content_, [](std::string_view all, std::size_t from) -> byte_range {
      const std::size_t at = all.find("  ", from);
      if (at == std::string_view::npos) return {};
      return {.begin = at, .end = (std::min)(all.find_first_not_of(' ', at), all.size())};
    });
  }

 private:
  std::string content_;
};

/// Replaces each run of code points outside ASCII (`Replace` with the pattern `[^\x00-\x7F]+`).
class replace_non_ascii_runs : public normalizer {
 public:
  explicit replace_non_ascii_runs(std::string content) : content_(std::move(content)) {}

  void apply(normalized_text& text) const override {
    if (text.ascii()) return;
    replace_matches(text, content_, [](std::string_view all, std::size_t from) -> byte_range {
      const std::size_t begin = from + ascii_prefix(all.substr(from));
      std::size_t end = begin;
      while (end < all.size() && static_cast<unsigned char>(all[end]) >= 0x80U) ++end;
      return begin == end ? byte_range{} : byte_range{.begin = begin, .end = end};
    });
  }

 private:
  std::string content_;
};

/// Replaces the matches of any other expression.
class replace_regex : public normalizer {
 public:
  replace_regex(regex expression, std::string content)
      : expression_(std::move(expression)), content_(std::move(content)) {}

  /// Throws: limit_exceeded (the expression takes too many steps, or the text grows out of proportion).
  void apply(normalized_text& text) const override {
    regex::search search(expression_, text);
    replace_matches(text, content_,
                    [&search](std::string_view all, std::size_t from) { return search.next(all, from); });
  }

 private:
  regex expression_;
  std::string content_;
};

/// Reads a `Replace`. Throws: bad_type, bad_value, missing_key, limit_exceeded, unsupported (another expression).
inline void read_replace(const json_value& value, normalizer_list& steps) {
  const json_value place = value.at("pattern");
  std::string content = bounded_string(value.at("content"));
  const auto expression = place.find("Regex");
  const auto is = [&expression](std::string_view text) { return expression && expression->as_string() == text; };
  if (is(" ")) {
    steps.push_back(std::make_unique<const replace_string>(" ", std::move(content)));
  } else if (is(" {2,}")) {
    steps.push_back(std::make_unique<const replace_space_runs>(std::move(content)));
  } else if (is("[^\\x00-\\x7F]+")) {
    steps.push_back(std::make_unique<const replace_non_ascii_runs>(std::move(content)));
  } else if (auto pattern = read_pattern(place); auto* text = std::get_if<std::string>(&pattern)) {
    steps.push_back(std::make_unique<const replace_string>(std::move(*text), std::move(content)));
  } else {
    steps.push_back(std::make_unique<const replace_regex>(std::get<regex>(std::move(pattern)), std::move(content)));
  }
}

}  // namespace ultrafastbert::tokenizers
