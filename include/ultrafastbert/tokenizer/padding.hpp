// SPDX-License-Identifier: MIT
//
// Padding: to which length encodings are brought, and how.
// Layer: tokenizer.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/core/token.hpp"
#include "ultrafastbert/tokenizer/encoding.hpp"

namespace ultrafastbert::tokenizers {

/// The token to pad with.
struct pad_token {
  token_id id = 0;
  std::string_view spelling{};
};

/// Length of the longest and of the shortest encoding, overflow included.
struct length_range {
  std::size_t shortest = 0;
  std::size_t longest = 0;
};

/// Pre: `encodings` is not empty.
[[nodiscard]] inline length_range lengths_of(std::span<const encoding> encodings) noexcept {
  length_range out{.shortest = encodings.front().size()};
  const auto note = [&out](const encoding& each) {
    out.shortest = (std::min)(out.shortest, each.size());
    out.longest = (std::max)(out.longest, each.size());
  };
  for (const encoding& each : encodings) {
    note(each);
    for (const encoding& further : each.overflow) note(further);
  }
  return out;
}

/// The length to which encodings are brought.
/// Pre: `encodings` is not empty.
/// Throws: invalid_input (the wanted length is out of range or shorter than an encoding).
[[nodiscard]] inline std::size_t padded_length(std::span<const encoding> encodings, const padding_options& padding) {
  if (padding.length > padding_options::max_length) {
    fail_input("padding.length", "at most " + std::to_string(padding_options::max_length),
               std::to_string(padding.length));
  }
  const std::size_t longest = lengths_of(encodings).longest;
  if (padding.length == 0) return longest;
  if (longest > padding.length) {
    fail_input("padding.length", "at least " + std::to_string(longest) + ", the length of the longest encoding",
               std::to_string(padding.length));
  }
  return padding.length;
}

/// Whether an encoding is shorter than `length`. Pre: `encodings` is not empty.
[[nodiscard]] inline bool is_shorter(std::span<const encoding> encodings, std::size_t length) noexcept {
  return lengths_of(encodings).shortest < length;
}

/// Fills an encoding up on the right. Pre: it is not longer than `length`.
inline void pad_to(encoding& out, std::size_t length, const pad_token& token) {
  out.ids.resize(length, token.id);
  out.type_ids.resize(length, 0);
  out.sequence_ids.resize(length, -1);
  out.tokens.resize(length, std::string(token.spelling));
  out.offsets.resize(length);
  out.byte_offsets.resize(length);
  out.attention_mask.resize(length, 0);
  out.special_tokens_mask.resize(length, 1);
}

}  // namespace ultrafastbert::tokenizers
