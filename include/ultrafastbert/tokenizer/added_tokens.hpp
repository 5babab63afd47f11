// SPDX-License-Identifier: MIT
//
// Added tokens: spellings that are cut from a text as wholes, exactly as written, before the model sees it.
// Layer: tokenizer.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ultrafastbert/core/token.hpp"
#include "ultrafastbert/tokenizer/models/longest_matches.hpp"
#include "ultrafastbert/tokenizer/steps/character_class.hpp"
#include "ultrafastbert/tokenizer/steps/unicode_categories.hpp"
#include "ultrafastbert/tokenizer/steps/utf8.hpp"

namespace ultrafastbert::tokenizers {

/// A spelling and its id.
struct added_token {
  std::string content{};
  token_id id = 0;
  bool single_word = false;  ///< only where no word character stands before or behind
  bool lstrip = false;       ///< takes in the white space before
  bool rstrip = false;       ///< takes in the white space behind
};

/// Finds added tokens in text: the leftmost first, and of those that start at one place the longest. Immutable.
class added_token_matcher {
 public:
  added_token_matcher() = default;

  /// Pre: the spellings are not empty and differ from each other; none starts with white space if any token has
  ///   `rstrip`.
  /// Throws: limit_exceeded (very many long tokens; `file` is named).
  explicit added_token_matcher(std::vector<added_token> tokens, std::string_view file = {})
      : tokens_(std::move(tokens)) {
    std::sort(tokens_.begin(), tokens_.end(),
              [](const added_token& a, const added_token& b) { return a.content < b.content; });
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
      range& same_start = by_first_byte_[static_cast<unsigned char>(tokens_[i].content[0])];
      if (same_start.begin == same_start.end) same_start.begin = i;
      same_start.end = i + 1;
    }
    one_start_ = !tokens_.empty() && tokens_.front().content[0] == tokens_.back().content[0];
    make_table(file);
  }

  [[nodiscard]] std::size_t size() const noexcept { return tokens_.size(); }  ///< number of added tokens

  /// Calls `part(begin, end, id)` for the parts of the text in order: for the bytes of an added token with its id, and
  /// for those between added tokens with nothing. No part is empty.
  /// Pre: `text` is valid UTF-8.
  /// Complexity: linear in the text.
  template <class Part>
  void split(std::string_view text, const Part& part) const {
    std::size_t done = 0;
    match_search search(*this, text);
    for (std::size_t at = next_start(text, 0); at < text.size(); at = next_start(text, at)) {
      const added_token* token = search.match(at);
      if (token == nullptr) {
        ++at;
        continue;
      }
      const std::size_t begin = at;
      at += token->content.size();
      if (token->single_word && (ends_with_word(text.substr(0, begin)) || starts_with_word(text.substr(at)))) continue;
      const std::size_t first = token->lstrip ? begin - blanks_at_end(text.substr(done, begin - done)) : begin;
      if (token->rstrip) at += blanks_at_start(text.substr(at));
      if (done < first) part(done, first, std::optional<token_id>{});
      part(first, at, std::optional<token_id>(token->id));
      done = at;
    }
    if (done < text.size()) part(done, text.size(), std::optional<token_id>{});
  }

 private:
  struct range {  // of elements of tokens_
    std::size_t begin = 0;
    std::size_t end = 0;
  };

  /// The first place from `at` on where an added token may start, or the end of the text.
  [[nodiscard]] std::size_t next_start(std::string_view text, std::size_t at) const noexcept {
    if (tokens_.empty()) return text.size();
    // Most often all of them start with the same bracket.
    if (one_start_) return (std::min)(text.find(tokens_.front().content[0], at), text.size());
    while (at < text.size()) {
      const range& same_start = by_first_byte_[static_cast<unsigned char>(text[at])];
      if (same_start.begin != same_start.end) break;
      ++at;
    }
    return at;
  }

  static std::size_t last_code_point(std::string_view text) noexcept {
    std::size_t at = text.size() - 1;
    while (at > 0 && is_utf8_continuation(text[at])) --at;
    return at;
  }

  static bool starts_with_word(std::string_view text) noexcept {
    return !text.empty() && class_of(decode_utf8(text, 0).code_point) == character_class::word;
  }

  static bool ends_with_word(std::string_view text) noexcept {
    return !text.empty() && starts_with_word(text.substr(last_code_point(text)));
  }

  static std::size_t blanks_at_start(std::string_view text) noexcept {
    std::size_t at = 0;
    while (at < text.size()) {
      const utf8_step step = decode_utf8(text, at);
      if (!is_white_space(step.code_point)) break;
      at += step.length;
    }
    return at;
  }

  static std::size_t blanks_at_end(std::string_view text) noexcept {
    std::size_t end = text.size();
    while (end > 0) {
      const std::size_t last = last_code_point(text.substr(0, end));
      if (!is_white_space(decode_utf8(text, last).code_point)) break;
      end = last;
    }
    return text.size() - end;
  }

  /// Finds the longest token at places of a text, from left to right. It walks along the tokens, until texts that
  /// almost fit have cost it more than a few steps for each byte; then it asks the table.
  class match_search {
   public:
    match_search(const added_token_matcher& matcher, std::string_view text) : matcher_(matcher), text_(text) {}

    /// The longest token at `at`, or null.
    [[nodiscard]] const added_token* match(std::size_t at) {
      constexpr std::size_t steps_per_byte = 8;
      constexpr std::size_t free_steps = 4096;
      if (found_.empty()) {
        if (!matcher_.table_ || steps_ <= steps_per_byte * at + free_steps) return matcher_.match(text_, at, steps_);
        begin_ = at;
        matcher_.table_->find(text_.substr(at), found_);
      }
      const std::uint32_t token = found_[at - begin_];
      return token == longest_matches::none ? nullptr : &matcher_.tokens_[token];
    }

   private:
    const added_token_matcher& matcher_;
    std::string_view text_;
    std::size_t steps_ = 0;
    std::size_t begin_ = 0;               // of the part of the text that the table saw
    std::vector<std::uint32_t> found_{};  // for each of its bytes
  };

  /// Short tokens need no table: a walk costs no more than their length.
  void make_table(std::string_view file) {
    constexpr std::size_t short_token = 16;
    const bool needed = std::any_of(tokens_.begin(), tokens_.end(),
                                    [](const added_token& token) { return token.content.size() > short_token; });
    if (!needed) return;
    std::vector<std::string> spellings;
    spellings.reserve(tokens_.size());
    for (const added_token& token : tokens_) spellings.push_back(token.content);
    table_.emplace(std::move(spellings), spelling_source{.file = file, .where = "added tokens"});
  }

  /// The longest token at `at`, or null. Byte by byte it narrows the sorted spellings to those that go on like the
  /// text; a spelling that ends here is the first of those that remain.
  [[nodiscard]] const added_token* match(std::string_view text, std::size_t at, std::size_t& steps) const noexcept {
    range candidates = by_first_byte_[static_cast<unsigned char>(text[at])];
    const added_token* longest = nullptr;
    for (std::size_t depth = 1; candidates.begin != candidates.end; ++depth, ++steps) {
      if (tokens_[candidates.begin].content.size() == depth) longest = &tokens_[candidates.begin++];
      if (at + depth >= text.size()) break;
      candidates = narrow(candidates, depth, static_cast<unsigned char>(text[at + depth]));
    }
    return longest;
  }

  /// Those of `candidates` whose byte number `depth` is `wanted`.
  /// Pre: all of them are longer than `depth` and agree in the bytes before it.
  [[nodiscard]] range narrow(range candidates, std::size_t depth, unsigned char wanted) const noexcept {
    const auto byte_of = [depth](const added_token& token) { return static_cast<unsigned char>(token.content[depth]); };
    const auto first = tokens_.begin() + static_cast<std::ptrdiff_t>(candidates.begin);
    const auto last = tokens_.begin() + static_cast<std::ptrdiff_t>(candidates.end);
    const auto begin = std::lower_bound(first, last, wanted,
                                        [&](const added_token& token, unsigned char b) { return byte_of(token) < b; });
    const auto end = std::upper_bound(begin, last, wanted,
                                      [&](unsigned char b, const added_token& token) { return b < byte_of(token); });
    return {.begin = static_cast<std::size_t>(begin - tokens_.begin()),
            .end = static_cast<std::size_t>(end - tokens_.begin())};
  }

  std::vector<added_token> tokens_{};  // ordered by spelling
  std::array<range, 256> by_first_byte_{};
  bool one_start_ = false;                  // all spellings start with the same byte
  std::optional<longest_matches> table_{};  // where there are long tokens
};

}  // namespace ultrafastbert::tokenizers
