// SPDX-License-Identifier: MIT
//
// UTF-8: decoding, encoding, counting, and the repair of invalid text. The repair follows the Unicode standard, section
// 3.9: each maximal part of an ill-formed sequence becomes one U+FFFD.
// Layer: tokenizer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace ultrafastbert::tokenizers {

/// One step through UTF-8: a code point, or a bad part that stands for U+FFFD.
struct utf8_step {
  char32_t code_point = 0;
  std::size_t length = 1;  ///< number of bytes, at least 1
  bool valid = true;
};

[[nodiscard]] inline bool is_utf8_continuation(char c) noexcept {
  return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U;
}

/// Decodes the code point at `at`, or finds the maximal bad part there.
/// Pre: at < text.size().
[[nodiscard]] inline utf8_step decode_utf8(std::string_view text, std::size_t at) noexcept {
  constexpr char32_t replacement = 0xFFFD;
  const auto byte = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = byte(at);
  if (first < 0x80U) return {.code_point = first};
  std::size_t length = 0;
  if (first >= 0xC2U && first <= 0xDFU) length = 2;
  if (first >= 0xE0U && first <= 0xEFU) length = 3;
  if (first >= 0xF0U && first <= 0xF4U) length = 4;
  if (length == 0) return {.code_point = replacement, .length = 1, .valid = false};
  // The range of the second byte excludes overlong forms, surrogates and values over U+10FFFF.
  unsigned low = first == 0xE0U ? 0xA0U : first == 0xF0U ? 0x90U : 0x80U;
  unsigned high = first == 0xEDU ? 0x9FU : first == 0xF4U ? 0x8FU : 0xBFU;
  char32_t code_point = first & (0x7FU >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if (at + i >= text.size() || byte(at + i) < low || byte(at + i) > high) {
      return {.code_point = replacement, .length = i, .valid = false};
    }
    code_point = (code_point << 6U) | (byte(at + i) & 0x3FU);
    low = 0x80U;
    high = 0xBFU;
  }
  return {.code_point = code_point, .length = length, .valid = true};
}

/// Appends a code point.
/// Pre: `c` is a Unicode scalar value.
inline void append_utf8(std::string& out, char32_t c) {
  const auto put = [&out](char32_t byte) { out += static_cast<char>(static_cast<unsigned char>(byte)); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0U | (c >> 6U));
    put(0x80U | (c & 0x3FU));
  } else if (c < 0x10000) {
    put(0xE0U | (c >> 12U));
    put(0x80U | ((c >> 6U) & 0x3FU));
    put(0x80U | (c & 0x3FU));
  } else {
    put(0xF0U | (c >> 18U));
    put(0x80U | ((c >> 12U) & 0x3FU));
    put(0x80U | ((c >> 6U) & 0x3FU));
    put(0x80U | (c & 0x3FU));
  }
}

/// Length of the longest prefix of `text` that is ASCII.
[[nodiscard]] inline std::size_t ascii_prefix(std::string_view text) noexcept {
  std::size_t at = 0;
  for (; at + sizeof(std::uint64_t) <= text.size(); at += sizeof(std::uint64_t)) {
    std::uint64_t block = 0;
    std::memcpy(&block, text.data() + at, sizeof(block));
    if ((block & 0x8080808080808080U) != 0) break;
  }
  while (at < text.size() && static_cast<unsigned char>(text[at]) < 0x80U) ++at;
  return at;
}

[[nodiscard]] inline bool is_valid_utf8(std::string_view text) noexcept {
  std::size_t at = ascii_prefix(text);
  while (at < text.size()) {
    const utf8_step step = decode_utf8(text, at);
    if (!step.valid) return false;
    at += step.length;
  }
  return true;
}

/// Returns `text` with every maximal bad part replaced by U+FFFD.
[[nodiscard]] inline std::string repair_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const utf8_step step = decode_utf8(text, at);
    append_utf8(out, step.code_point);
    at += step.length;
  }
  return out;
}

/// Number of code points.
/// Pre: `text` is valid UTF-8.
[[nodiscard]] inline std::size_t count_code_points(std::string_view text) noexcept {
  std::size_t count = 0;
  for (const char c : text) count += is_utf8_continuation(c) ? 0U : 1U;
  return count;
}

/// Where each code point of a text starts, in bytes, and behind the last one where the text ends. A maximal bad part
/// counts as one code point, as it does for `repair_utf8`.
/// Pre: the text has fewer than 2^32 bytes.
[[nodiscard]] inline std::vector<std::uint32_t> code_point_starts(std::string_view text) {
  std::vector<std::uint32_t> starts;
  starts.reserve(text.size() + 1);
  for (std::size_t at = 0; at < text.size(); at += decode_utf8(text, at).length) {
    starts.push_back(static_cast<std::uint32_t>(at));
  }
  starts.push_back(static_cast<std::uint32_t>(text.size()));
  return starts;
}

}  // namespace ultrafastbert::tokenizers
