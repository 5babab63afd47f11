// SPDX-License-Identifier: MIT
//
// The tokens of a text between the model and the template: each with its place in the text.
// Layer: tokenizer.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ultrafastbert/core/token.hpp"
#include "ultrafastbert/tokenizer/encoding.hpp"
#include "ultrafastbert/tokenizer/steps/utf8.hpp"
#include "ultrafastbert/tokenizer/vocabulary.hpp"

namespace ultrafastbert::tokenizers {

/// A token and the code points of the text that it stands for.
struct located_token {
  token_id id = 0;
  text_span span{};
  std::uint32_t spelling = 0;  ///< number of a spelling of its own, from 1 on; 0 for that of the vocabulary
};

/// The tokens of a text.
class text_tokens {
 public:
  /// Starts with a text as the caller gave it.
  /// Pre: it has fewer than 2^32 bytes.
  void assign(std::string_view text) {
    bytes_ = text.size();
    tokens_.clear();
    spellings_.clear();
    byte_starts_.clear();
    if (ascii_prefix(text) < text.size()) byte_starts_ = code_point_starts(text);
    // Few texts have more than a token for every four bytes.
    tokens_.reserve(text.size() / 4 + 4);
  }

  /// Makes room for `count` further tokens. A piece may be as long as the text: memory is then set aside once.
  void make_room(std::size_t count) {
    const std::size_t need = tokens_.size() + count;
    if (need > tokens_.capacity()) tokens_.reserve((std::max)(need, tokens_.capacity() + tokens_.capacity() / 2));
  }

  void add(token_id id, const text_span& span) { tokens_.push_back({.id = id, .span = span}); }

  /// Adds an added token that stands as `text` in its text. It gets a spelling of its own where it took in white space
  /// or was found in normalized text.
  void add_spelled(token_id id, const text_span& span, std::string_view text, const vocabulary& known) {
    std::uint32_t spelling = 0;
    if (known.token(id) != text) {
      spellings_.emplace_back(text);
      spelling = static_cast<std::uint32_t>(spellings_.size());
    }
    tokens_.push_back({.id = id, .span = span, .spelling = spelling});
  }

  [[nodiscard]] std::size_t text_bytes() const noexcept { return bytes_; }                            ///< of the text
  [[nodiscard]] std::size_t size() const noexcept { return tokens_.size(); }                          ///< tokens
  [[nodiscard]] const located_token& operator[](std::size_t i) const noexcept { return tokens_[i]; }  ///< token i

  /// The spelling of token `i`.
  [[nodiscard]] std::string_view spelling(std::size_t i, const vocabulary& known) const noexcept {
    const located_token& token = tokens_[i];
    if (token.spelling != 0) return spellings_[token.spelling - 1];
    return known.token(token.id).value_or(std::string_view{});
  }

  /// The bytes of the text as the caller gave it that some of its code points occupy.
  [[nodiscard]] text_span bytes(const text_span& code_points) const noexcept {
    if (byte_starts_.empty()) return code_points;  // in ASCII both are the same
    return {.begin = byte_starts_[code_points.begin], .end = byte_starts_[code_points.end]};
  }

 private:
  std::size_t bytes_ = 0;
  std::vector<located_token> tokens_{};
  std::vector<std::string> spellings_{};
  std::vector<std::uint32_t> byte_starts_{};  // of each code point; empty for an ASCII text
};

}  // namespace ultrafastbert::tokenizers
