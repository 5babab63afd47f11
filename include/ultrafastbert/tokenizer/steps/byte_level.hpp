// SPDX-License-Identifier: MIT
//
// `ByteLevel` as a pre-tokenizer: words, numbers and symbols with the space before them, written byte by byte.
// Source: the published GPT-2 code.
// Layer: tokenizer.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <string_view>

#include "ultrafastbert/io/json_document.hpp"
#include "ultrafastbert/tokenizer/regex/character_set.hpp"
#include "ultrafastbert/tokenizer/steps/byte_alphabet.hpp"
#include "ultrafastbert/tokenizer/steps/normalizer.hpp"
#include "ultrafastbert/tokenizer/steps/pre_tokenizer.hpp"
#include "ultrafastbert/tokenizer/steps/utf8.hpp"

namespace ultrafastbert::tokenizers {

/// Cuts as GPT-2's expression does, by one character at a time:
///
///     's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
class gpt2_words {
 public:
  gpt2_words() {
    for (character_set* each : {&letters_, &numbers_, &spaces_}) each->finish();
    for (std::size_t i = 0; i < ascii_.size(); ++i) ascii_[i] = find_kind(static_cast<char32_t>(i));
  }

  /// Calls `part(begin, end)` for the parts of a piece, which leave nothing out.
  /// Complexity: linear in the piece.
  template <class Part>
  void cut(std::string_view piece, const Part& part) const {
    for (std::size_t begin = 0, end = 0; begin < piece.size(); begin = end) {
      end = end_of_part(piece, begin);
      part(begin, end);
    }
  }

 private:
  enum class kind : std::uint8_t { letter, number, space, symbol };

  struct character {
    kind what = kind::symbol;
    std::size_t length = 1;
  };

  [[nodiscard]] kind find_kind(char32_t c) const noexcept {
    if (letters_.contains(c)) return kind::letter;
    if (numbers_.contains(c)) return kind::number;
    return spaces_.contains(c) ? kind::space : kind::symbol;
  }

  [[nodiscard]] character at(std::string_view piece, std::size_t place) const noexcept {
    const auto byte = static_cast<unsigned char>(piece[place]);
    if (byte < ascii_.size()) return {ascii_[byte], 1};
    const utf8_step step = decode_utf8(piece, place);
    return {find_kind(step.code_point), step.length};
  }

  /// Length of a contraction at the start of a text, or 0.
  static std::size_t contraction(std::string_view text) noexcept {
    for (const std::string_view each : {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"}) {
      if (text.starts_with(each)) return each.size();
    }
    return 0;
  }

  [[nodiscard]] std::size_t end_of_part(std::string_view piece, std::size_t begin) const {
    if (piece[begin] == '\'') {
      if (const std::size_t length = contraction(piece.substr(begin)); length > 0) return begin + length;
    }
    character next = at(piece, begin);
    std::size_t end = begin + next.length;
    if (piece[begin] == ' ' && end < piece.size()) {
      const character behind = at(piece, end);
      if (behind.what != kind::space) {
        next = behind;
        end += behind.length;
      }
    }
    std::size_t last_length = next.length;
    while (end < piece.size()) {
      const character further = at(piece, end);
      if (further.what != next.what) break;
      end += further.length;
      last_length = further.length;
    }
    // A run of white space leaves its last character to the word behind it, if there is more than that one.
    if (next.what == kind::space && end < piece.size() && end - last_length > begin) end -= last_length;
    return end;
  }

  character_set letters_ = characters_of("L");
  character_set numbers_ = characters_of("N");
  character_set spaces_ = white_space_characters();
  std::array<kind, 128> ascii_{};
};

/// What a `ByteLevel` pre-tokenizer says.
struct byte_level_options {
  bool add_prefix_space = true;  ///< each piece that does not start with a space gets one
  bool use_regex = true;         ///< whether pieces are cut as GPT-2 does
};

class byte_level_pre_tokenizer : public pre_tokenizer {
 public:
  explicit byte_level_pre_tokenizer(const byte_level_options& options) : options_(options) {
    if (options_.use_regex) words_.emplace();
  }

  void apply(pre_tokenized_text& text) const override {
    if (options_.add_prefix_space) add_spaces(text);
    if (words_) text.cut_pieces([this](std::string_view piece, const auto& part) { words_->cut(piece, part); });
    text.rewrite_pieces([](normalized_text& all, const byte_range& piece) {
      const std::string_view bytes = all.text();
      std::size_t done = piece.begin;
      for (std::size_t i = piece.begin; i < piece.end; ++i) {
        if (bytes[i] >= 0x21 && bytes[i] <= 0x7E) continue;
        if (done < i) all.keep(done, i);
        all.put(byte_as_text(bytes[i]), all.origin(i));
        done = i + 1;
      }
      all.keep(done, piece.end);
    });
  }

 private:
  static void add_spaces(pre_tokenized_text& text) {
    text.rewrite_pieces([](normalized_text& all, const byte_range& piece) {
      if (all.text()[piece.begin] != ' ') all.put(" ", all.origin(piece.begin));
      all.keep(piece.begin, piece.end);
    });
  }

  byte_level_options options_;
  std::optional<gpt2_words> words_{};
};

/// Reads a `ByteLevel` pre-tokenizer. Its `trim_offsets` is for post-processors and has no effect.
/// Throws: bad_type, missing_key.
inline void read_byte_level_pre_tokenizer(const json_value& value, pre_tokenizer_list& steps) {
  byte_level_options options{.add_prefix_space = value.at("add_prefix_space").as_boolean()};
  static_cast<void>(value.at("trim_offsets").as_boolean());
  if (const auto use = value.find("use_regex")) options.use_regex = use->as_boolean();
  steps.push_back(std::make_unique<const byte_level_pre_tokenizer>(options));
}

/// `ByteLevel` as a normalizer: the text byte by byte, as characters.
class byte_level_normalizer : public normalizer {
 public:
  void apply(normalized_text& text) const override {
    const std::string_view bytes = text.text();
    for (std::size_t i = 0; i < bytes.size(); ++i) text.put(byte_as_text(bytes[i]), text.origin(i));
    text.commit();
  }
};

/// Reads a `ByteLevel` normalizer, which has no options.
inline void read_byte_level_normalizer(const json_value& /*value*/, normalizer_list& steps) {
  steps.push_back(std::make_unique<const byte_level_normalizer>());
}

}  // namespace ultrafastbert::tokenizers
