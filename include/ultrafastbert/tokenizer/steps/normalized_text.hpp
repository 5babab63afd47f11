// SPDX-License-Identifier: MIT
//
// A text under normalization. Every byte remembers the code point of the original text that it comes from, so that
// tokens can be located there whatever a normalizer or a pre-tokenizer replaced, decomposed or dropped.
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
#include "ultrafastbert/tokenizer/steps/utf8.hpp"

namespace ultrafastbert::tokenizers {

/// The bytes from `begin` to `end` of a text, without the one at `end`.
struct byte_range {
  std::size_t begin = 0;
  std::size_t end = 0;
  friend bool operator==(const byte_range&, const byte_range&) = default;
};

/// Valid UTF-8 with the origin of each byte. A rewrite reads the text and builds the next one beside it with `keep` and
/// `put`; `commit` then makes that the text. The buffers are kept from text to text.
class normalized_text {
 public:
  /// `owner` names the tokenizer in errors and must outlive this.
  explicit normalized_text(std::string_view owner = {}) : owner_(owner) {}

  /// Starts with `text`, whose first code point is number `first_code_point` of the original.
  /// Pre: `text` is valid UTF-8.
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
    start();
  }

  /// Starts with a part of another text, which keeps its origins.
  /// Pre: `part` lies within `whole` and starts and ends between code points.
  void assign(const normalized_text& whole, const byte_range& part) {
    text_.assign(whole.text_, part.begin, part.end - part.begin);
    origin_.assign(whole.origin_.data() + part.begin, whole.origin_.data() + part.end);
    ascii_ = whole.ascii_ || ascii_prefix(text_) == text_.size();
    start();
  }

  [[nodiscard]] std::string_view text() const noexcept { return text_; }  ///< the text as it is so far
  [[nodiscard]] bool ascii() const noexcept { return ascii_; }            ///< whether all bytes are ASCII

  /// Number of the original code point that a byte comes from.
  [[nodiscard]] std::uint32_t origin(std::size_t byte) const noexcept { return origin_[byte]; }

  /// The original code points that the bytes [begin, end) come from.
  /// Pre: begin < end <= text().size().
  [[nodiscard]] text_span span(std::size_t begin, std::size_t end) const noexcept {
    return {.begin = origin_[begin], .end = origin_[end - 1] + 1};
  }

  /// The bytes themselves, for changes of ASCII into ASCII that need no next text.
  [[nodiscard]] std::span<char> bytes() noexcept { return text_; }

  /// Appends the bytes [begin, end) of the text, with their origins, to the next text.
  void keep(std::size_t begin, std::size_t end) {
    next_text_.append(text_, begin, end - begin);
    next_origin_.insert(next_origin_.end(), origin_.data() + begin, origin_.data() + end);
  }

  /// Appends new bytes, which come from code point `origin`, to the next text.
  /// Throws: limit_exceeded (replacements let the text grow out of proportion).
  void put(std::string_view bytes, std::uint32_t origin) {
    next_text_.append(bytes);
    next_origin_.resize(next_text_.size(), origin);
    if (next_text_.size() > most_bytes_) {
      fail(error_code::limit_exceeded,
           {.file = std::string(owner_),
            .where = "$.normalizer",
            .expected = "at most " + std::to_string(most_bytes_) + " bytes of normalized text",
            .found = std::to_string(next_text_.size()) + " bytes",
            .reason = "replacements let the text grow out of proportion"});
    }
  }

  /// Appends one code point, which comes from code point `origin`, to the next text. Throws as the other `put`.
  void put(char32_t code_point, std::uint32_t origin) {
    encoded_.clear();
    append_utf8(encoded_, code_point);
    put(encoded_, origin);
  }

  /// Number of bytes of the next text so far.
  [[nodiscard]] std::size_t next_size() const noexcept { return next_text_.size(); }

  /// Makes the next text the text.
  void commit() {
    std::swap(text_, next_text_);
    std::swap(origin_, next_origin_);
    next_text_.clear();
    next_origin_.clear();
    ascii_ = ascii_prefix(text_) == text_.size();
  }

 private:
  // No Unicode step grows a text more than fivefold, but a hostile chain of replacements could grow it without end.
  static constexpr std::size_t growth = 16;
  static constexpr std::size_t allowance = 4096;

  void start() {
    most_bytes_ = growth * text_.size() + allowance;
    next_text_.clear();
    next_origin_.clear();
  }

  std::string_view owner_;
  std::string text_{};
  std::vector<std::uint32_t> origin_{};
  std::string next_text_{};
  std::vector<std::uint32_t> next_origin_{};
  std::string encoded_{};
  std::size_t most_bytes_ = 0;
  bool ascii_ = true;
};

}  // namespace ultrafastbert::tokenizers
