// SPDX-License-Identifier: MIT
//
// Tokens that stand for single bytes, spelled <0x00> to <0xFF>: with `byte_fallback` a model writes what it lacks byte
// by byte.
// Layer: tokenizer.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "ultrafastbert/core/token.hpp"
#include "ultrafastbert/tokenizer/vocabulary.hpp"

namespace ultrafastbert::tokenizers {

/// The spelling of the token for a byte.
[[nodiscard]] inline std::string byte_token_spelling(unsigned char byte) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  return {'<', '0', 'x', digits[byte >> 4U], digits[byte & 0xFU], '>'};
}

/// The ids of the tokens for bytes, as far as a vocabulary has them.
class byte_tokens {
 public:
  byte_tokens() = default;
  explicit byte_tokens(const vocabulary& tokens) {
    for (std::size_t i = 0; i < ids_.size(); ++i) {
      const std::string spelling = byte_token_spelling(static_cast<unsigned char>(i));
      ids_[i] = tokens.model_id(token_hash(spelling), {}, spelling);
    }
  }

  /// Whether each byte of a text has its token. Without any vocabulary none has.
  [[nodiscard]] bool cover(std::string_view text) const noexcept {
    return std::all_of(text.begin(), text.end(),
                       [this](char c) { return ids_[static_cast<unsigned char>(c)].has_value(); });
  }

  /// The id for a byte. Pre: `cover` is true of a text with it.
  [[nodiscard]] token_id id(char c) const noexcept { return *ids_[static_cast<unsigned char>(c)]; }

 private:
  std::array<std::optional<token_id>, 256> ids_{};
};

}  // namespace ultrafastbert::tokenizers
