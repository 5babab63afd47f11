// SPDX-License-Identifier: MIT
//
// Base64, in which tokenizer.json stores bytes.
// Source: RFC 4648, section 4, with padding.
// Layer: tokenizer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ultrafastbert::tokenizers {

/// The value of one of the 64 characters, or 64 for any other.
[[nodiscard]] constexpr std::uint32_t base64_value(char c) noexcept {
  if (c >= 'A' && c <= 'Z') return static_cast<std::uint32_t>(c - 'A');
  if (c >= 'a' && c <= 'z') return static_cast<std::uint32_t>(c - 'a' + 26);
  if (c >= '0' && c <= '9') return static_cast<std::uint32_t>(c - '0' + 52);
  if (c == '+') return 62;
  return c == '/' ? 63 : 64;
}

/// The bytes that a text stands for, or nothing if it is no base64.
/// Complexity: linear in the text.
[[nodiscard]] inline std::optional<std::string> decode_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::size_t digits = text.size();
  while (digits > 0 && text.size() - digits < 2 && text[digits - 1] == '=') --digits;
  std::string out;
  out.reserve(text.size() / 4 * 3);
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (const char c : text.substr(0, digits)) {
    const std::uint32_t value = base64_value(c);
    if (value == 64) return std::nullopt;
    bits = (bits << 6U) | value;
    count += 6;
    if (count < 8) continue;
    count -= 8;
    out += static_cast<char>(static_cast<unsigned char>((bits >> count) & 0xFFU));
  }
  const bool clean = (bits & ((1U << count) - 1)) == 0;
  return clean ? std::optional(std::move(out)) : std::nullopt;
}

}  // namespace ultrafastbert::tokenizers
