// SPDX-License-Identifier: MIT
//
// Decoders of tokenizers that write bytes: `ByteLevel` and `ByteFallback`.
// Layer: tokenizer.
#pragma once

#include <charconv>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ultrafastbert/io/json_document.hpp"
#include "ultrafastbert/tokenizer/steps/byte_alphabet.hpp"
#include "ultrafastbert/tokenizer/steps/decoder.hpp"
#include "ultrafastbert/tokenizer/steps/utf8.hpp"

namespace ultrafastbert::tokenizers {

/// Turns the characters of the byte alphabet into the bytes that they stand for, and all parts into one. A part with
/// any other character stays as it is.
class byte_level_decoder : public decoder {
 public:
  void apply(std::vector<std::string>& parts) const override {
    std::string text;
    for (const std::string& part : parts) {
      const std::size_t begin = text.size();
      for (std::size_t at = 0; at < part.size();) {
        const utf8_step step = decode_utf8(part, at);
        const auto byte = text_as_byte(step.code_point);
        if (!byte) {
          text.resize(begin);
          text.append(part);
          break;
        }
        text += *byte;
        at += step.length;
      }
    }
    if (!is_valid_utf8(text)) text = repair_utf8(text);
    parts.clear();
    parts.push_back(std::move(text));
  }
};

/// Turns runs of tokens for bytes into the text that they spell. Where that is no UTF-8, each byte becomes U+FFFD.
class byte_fallback_decoder : public decoder {
 public:
  void apply(std::vector<std::string>& parts) const override {
    std::vector<std::string> out;
    std::string bytes;
    const auto flush = [&] {
      if (is_valid_utf8(bytes)) {
        if (!bytes.empty()) out.push_back(bytes);
      } else {
        out.insert(out.end(), bytes.size(), "\xEF\xBF\xBD");
      }
      bytes.clear();
    };
    for (std::string& part : parts) {
      if (const auto byte = byte_of(part)) {
        bytes += *byte;
        continue;
      }
      flush();
      out.push_back(std::move(part));
    }
    flush();
    parts = std::move(out);
  }

 private:
  /// The byte that a token such as <0x0A> stands for.
  static std::optional<char> byte_of(std::string_view token) noexcept {
    if (token.size() != 6 || !token.starts_with("<0x") || token.back() != '>') return std::nullopt;
    unsigned value = 0;
    const char* const end = token.data() + 5;
    // As in the reference, a plus sign may stand in the place of the first digit.
    const auto [stop, status] = std::from_chars(token.data() + (token[3] == '+' ? 4 : 3), end, value, 16);
    if (status != std::errc{} || stop != end) return std::nullopt;
    return static_cast<char>(static_cast<unsigned char>(value));
  }
};

/// Reads a `ByteLevel` decoder, whose options are for other steps and have no effect. Throws: bad_type, missing_key.
inline void read_byte_level_decoder(const json_value& value, decoder_list& steps) {
  for (const std::string_view key : {"add_prefix_space", "trim_offsets"}) {
    static_cast<void>(value.at(key).as_boolean());
  }
  steps.push_back(std::make_unique<const byte_level_decoder>());
}

/// Reads a `ByteFallback`, which has no options.
inline void read_byte_fallback_decoder(const json_value& /*value*/, decoder_list& steps) {
  steps.push_back(std::make_unique<const byte_fallback_decoder>());
}

}  // namespace ultrafastbert::tokenizers
