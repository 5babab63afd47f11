// SPDX-License-Identifier: MIT
//
// Padding: to which length encodings are brought, and how.
// Layer: tokenizer.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/core/token.hpp"
#include "ultrafastbert/tokenizer/encoding.hpp"

namespace ultrafastbert::tokenizers {

/// What to pad with, and where.
struct pad_token {
  token_id id = 0;
  std::string_view spelling{};
  std::uint32_t type_id = 0;
  padding_direction direction = padding_direction::right;
};

/// Calls `each(encoding&)` for encodings and for those of their overflow, in order.
template <class Encoding, class Each>
void for_each_encoding(std::span<Encoding> encodings, const Each& each) {
  for (Encoding& one : encodings) {
    each(one);
    for (auto& further : one.overflow) each(further);
  }
}

/// Length of the longest and of the shortest encoding, overflow included.
struct length_range {
  std::size_t shortest = 0;
  std::size_t longest = 0;
};

/// Pre: `encodings` is not empty.
[[nodiscard]] inline length_range lengths_of(std::span<const encoding> encodings) noexcept {
  length_range out{.shortest = encodings.front().size()};
  for_each_encoding(encodings, [&out](const encoding& each) {
    out.shortest = (std::min)(out.shortest, each.size());
    out.longest = (std::max)(out.longest, each.size());
  });
  return out;
}

/// The length to which encodings are brought, but for longer ones where these are kept.
/// `longest` is the length of the longest encoding.
/// Throws: invalid_input (the wanted length is out of range or shorter than an encoding, or an option has no effect).
[[nodiscard]] inline std::size_t padded_length(std::size_t longest, const padding_options& padding) {
  if (padding.length > padding_options::max_length) {
    fail_input("padding.length", "at most " + std::to_string(padding_options::max_length),
               std::to_string(padding.length));
  }
  if (padding.multiple == 0 || padding.multiple > padding_options::max_length) {
    fail_input("padding.multiple", "from 1 to " + std::to_string(padding_options::max_length),
               std::to_string(padding.multiple));
  }
  if (padding.keep_longer && padding.length == 0) {
    fail_input("padding.keep_longer", "false where there is no length", "true");
  }
  const std::size_t wanted = padding.length == 0 ? longest : padding.length;
  const std::size_t length = (wanted + padding.multiple - 1) / padding.multiple * padding.multiple;
  if (longest > length && !padding.keep_longer) {
    fail_input("padding.length", "at least " + std::to_string(longest) + ", the length of the longest encoding",
               std::to_string(padding.length));
  }
  return length;
}

/// Refuses padding whose memory is out of proportion: a short file can ask for a long padding, of tokens that are
/// spelled with a thousand bytes, for each of many encodings. Thousands of tokens for each are fine, and millions
/// together. Throws: limit_exceeded.
inline void check_padding(std::span<const encoding> encodings, std::size_t length, const pad_token& token) {
  constexpr std::size_t bytes_of_token = 32;  // what an encoding keeps of it beside its spelling
  constexpr std::size_t free_bytes = std::size_t{1} << 27U;
  constexpr std::size_t bytes_of_encoding = std::size_t{1} << 19U;
  std::size_t missing = 0;
  std::size_t count = 0;
  for_each_encoding(encodings, [&](const encoding& each) {
    missing += length - (std::min)(length, each.size());
    ++count;
  });
  const std::size_t most = (free_bytes + count * bytes_of_encoding) / (bytes_of_token + token.spelling.size());
  if (missing <= most) return;
  fail(error_code::limit_exceeded, {.where = "padding",
                                    .expected = "at most " + std::to_string(most) + " tokens of padding for " +
                                                std::to_string(count) + (count == 1 ? " encoding" : " encodings"),
                                    .found = std::to_string(missing)});
}

/// Fills an encoding up to `length`, if it is shorter.
inline void pad_to(encoding& out, std::size_t length, const pad_token& token) {
  if (out.size() >= length) return;
  const std::size_t count = length - out.size();
  const bool behind = token.direction == padding_direction::right;
  if (!behind) out.tokens.push_front(count, token.spelling);
  for (std::size_t i = 0; behind && i < count; ++i) out.tokens.push_back(token.spelling);
  const auto fill = [&](auto& values, const auto& value) {
    values.insert(behind ? values.end() : values.begin(), count, value);
  };
  fill(out.ids, token.id);
  fill(out.type_ids, token.type_id);
  fill(out.sequence_ids, std::int8_t{-1});
  fill(out.offsets, text_span{});
  fill(out.byte_offsets, text_span{});
  fill(out.attention_mask, std::uint8_t{0});
  fill(out.special_tokens_mask, std::uint8_t{1});
}

}  // namespace ultrafastbert::tokenizers
