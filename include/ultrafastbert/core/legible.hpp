// SPDX-License-Identifier: MIT
//
// Text that can be shown on a terminal or in a log, whatever bytes it was made of.
// Layer: core.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace ultrafastbert::core {

/// Bytes of the UTF-8 character that `text` begins with, 0 where it begins with none that can be seen: control
/// characters, what is no UTF-8, and characters that show nothing or turn the direction of what follows.
[[nodiscard]] inline std::size_t legible_length(std::string_view text) noexcept {
  const auto byte = [text](std::size_t i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(text[i])); };
  if (text.empty()) return 0;
  const std::uint32_t lead = byte(0);
  if (lead < 0x80) return lead >= 0x20 && lead != 0x7f ? 1 : 0;
  const std::size_t length = lead < 0xc0 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf8 ? 4 : 0;
  if (length == 0 || text.size() < length) return 0;
  std::uint32_t code = lead & (0x7fU >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0U) != 0x80) return 0;
    code = code << 6U | (byte(i) & 0x3fU);
  }
  const auto within = [code](std::uint32_t first, std::uint32_t last) { return code >= first && code <= last; };
  const std::uint32_t smallest = length == 2 ? 0xa0 : length == 3 ? 0x800 : 0x10000;  // U+0080 to U+009F are controls
  if (!within(smallest, 0x10ffff) || within(0xd800, 0xdfff)) return 0;
  const bool unseen = within(0x200b, 0x200f) || within(0x2028, 0x202e) || within(0x2060, 0x206f) || code == 0xfeff ||
                      within(0xfff9, 0xfffb) || within(0xe0000, 0xe007f);
  return unseen ? 0 : length;
}

/// Adds a byte as `\x` and two digits.
inline void append_escaped(std::string& out, char byte) {
  constexpr std::string_view digits = "0123456789abcdef";
  out += "\\x";
  out += digits[static_cast<unsigned char>(byte) >> 4U];
  out += digits[static_cast<unsigned char>(byte) & 15U];
}

/// A text, with all bytes escaped that are no part of a character that can be seen.
[[nodiscard]] inline std::string legible(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t length = legible_length(text);
    if (length == 0) {
      append_escaped(out, text.front());
    } else {
      out.append(text.substr(0, length));
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return out;
}

}  // namespace ultrafastbert::core
