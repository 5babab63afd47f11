// SPDX-License-Identifier: MIT
//
// The alphabet of byte-level tokenizers: every byte is written as one character that can be seen.
// Source: `bytes_to_unicode` of the published GPT-2 code: bytes that are visible Latin-1 characters stand for
// themselves; the others get the code points from U+0100 on, in order.
// Layer: tokenizer.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ultrafastbert/tokenizer/steps/utf8.hpp"

namespace ultrafastbert::tokenizers {

/// Whether a byte stands for itself.
[[nodiscard]] constexpr bool is_visible_byte(unsigned byte) noexcept {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

/// The UTF-8 of the characters that stand for bytes; they have one or two bytes.
struct byte_character {
  std::array<char, 2> text{};
  std::uint8_t length = 0;
};

inline constexpr char32_t end_of_byte_characters = 0x144;

/// The characters by byte, and the bytes by character, plus one, where 0 is none.
struct byte_alphabet {
  std::array<byte_character, 256> characters{};
  std::array<std::uint16_t, end_of_byte_characters> bytes{};
};

[[nodiscard]] constexpr byte_alphabet make_byte_alphabet() noexcept {
  byte_alphabet out;
  char32_t next = 0x100;
  for (unsigned byte = 0; byte < 256; ++byte) {
    const char32_t c = is_visible_byte(byte) ? byte : next++;
    out.bytes[c] = static_cast<std::uint16_t>(byte + 1);
    if (c < 0x80) {
      out.characters[byte] = {{static_cast<char>(c), 0}, 1};
    } else {
      out.characters[byte] = {{static_cast<char>(0xC0U | (c >> 6U)), static_cast<char>(0x80U | (c & 0x3FU))}, 2};
    }
  }
  return out;
}

inline constexpr byte_alphabet gpt2_alphabet = make_byte_alphabet();

/// The character that stands for a byte, in UTF-8.
[[nodiscard]] inline std::string_view byte_as_text(char byte) noexcept {
  const byte_character& c = gpt2_alphabet.characters[static_cast<unsigned char>(byte)];
  return {c.text.data(), c.length};
}

/// The byte that a character stands for, or nothing.
[[nodiscard]] inline std::optional<char> text_as_byte(char32_t c) noexcept {
  const unsigned byte = c < end_of_byte_characters ? gpt2_alphabet.bytes[c] : 0U;
  return byte == 0 ? std::nullopt : std::optional(static_cast<char>(static_cast<unsigned char>(byte - 1)));
}

}  // namespace ultrafastbert::tokenizers
