// SPDX-License-Identifier: MIT
//
// Text under normalization. Every byte remembers the code point of the original text it comes from, so that tokens
// can be located there whatever the normalizer replaced, decomposed or dropped.
// Layer: tokenizer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/tokenizer/encoding.hpp"
#include "ultrafastbert/tokenizer/utf8.hpp"

namespace ultrafastbert::tokenizers {

/// Valid UTF-8 with the origin of each byte. A rewrite reads the text and builds the next one beside it with `keep`
/// and `put`; `commit` makes that the text. Buffers are kept between texts.
class normalized_text {
 public:
  /// Starts with `text`, whose first code point is number `first_code_point` of the original.
  /// Pre: valid UTF-8.
  void assign(std::string_view text, std::uint32_t first_code_point) {
    text_.assign(text);
    ascii_ = ascii_prefix(text) == text.size();
    origin_.resize(text.size());
    if (ascii_) {
      std::iota(origin_.begin(), origin_.end(), first_code_point);
    } else {
      std::uint32_t next = first_code_point;
      for (std::size_t i = 0; i < text.size(); ++i) {
        if (!is_utf8_continuation(text[i])) ++next;
        origin_[i] = next - 1;
      }
    }
    most_bytes_ = growth * text.size() + allowance;
    next_text_.clear();
    next_origin_.clear();
  }

  [[nodiscard]] std::string_view text() const noexcept { return text_; }  ///< the text so far
  [[nodiscard]] bool ascii() const noexcept { return ascii_; }            ///< all bytes are ASCII
  [[nodiscard]] std::uint32_t origin(std::size_t byte) const noexcept {
    return origin_[byte];
  }  ///< original code point

  /// Original code points that the bytes [begin, end) come from.
  /// Pre: begin < end <= text().size().
  [[nodiscard]] text_span span(std::size_t begin, std::size_t end) const noexcept {
    return {.begin = origin_[begin], .end = origin_[end - 1] + 1};
  }

  [[nodiscard]] std::span<char> bytes() noexcept { return text_; }  ///< only to change ASCII into ASCII in place

  /// Next text: takes over the bytes [begin, end).
  void keep(std::size_t begin, std::size_t end) {
    next_text_.append(text_, begin, end - begin);
    next_origin_.insert(next_origin_.end(), origin_.data() + begin, origin_.data() + end);
  }

  /// Next text: new bytes that come from code point `origin`.
  /// Throws: limit_exceeded (replacements let the text grow out of proportion).
  void put(std::string_view bytes, std::uint32_t origin) {
    next_text_.append(bytes);
    next_origin_.resize(next_text_.size(), origin);
    if (next_text_.size() > most_bytes_) {
      fail(error_code::limit_exceeded,
           {.where = "$.normalizer",
            .expected = "at most " + std::to_string(most_bytes_) + " bytes of normalized text",
            .reason = "replacements let the text grow out of proportion"});
    }
  }

  /// Next text: one code point that comes from code point `origin`. Throws as the other `put`.
  void put(char32_t code_point, std::uint32_t origin) {
    encoded_.clear();
    append_utf8(encoded_, code_point);
    put(encoded_, origin);
  }

  /// Makes the next text the text.
  void commit() {
    std::swap(text_, next_text_);
    std::swap(origin_, next_origin_);
    next_text_.clear();
    next_origin_.clear();
    ascii_ = ascii_prefix(text_) == text_.size();
  }

 private:
  // No Unicode step grows a text more than fivefold; a hostile chain of replacements could do so without end.
  static constexpr std::size_t growth = 16;
  static constexpr std::size_t allowance = 4096;

  std::string text_{};
  std::vector<std::uint32_t> origin_{};
  std::string next_text_{};
  std::vector<std::uint32_t> next_origin_{};
  std::string encoded_{};
  std::size_t most_bytes_ = 0;
  bool ascii_ = true;
};

}  // namespace ultrafastbert::tokenizers
