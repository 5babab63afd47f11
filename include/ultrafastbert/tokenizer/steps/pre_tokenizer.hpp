// SPDX-License-Identifier: MIT
//
// What a pre-tokenizer is: it cuts a normalized text into the pieces that the model sees one at a time. It may also
// rewrite the text, as byte-level tokenizers do; the origins of the bytes then still say where each piece comes from.
// Layer: tokenizer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "ultrafastbert/io/json_document.hpp"
#include "ultrafastbert/tokenizer/steps/normalized_text.hpp"

namespace ultrafastbert::tokenizers {

/// A piece of a text: the bytes from `begin` to `end` without the one at `end`. A text may have one for each byte, and
/// has fewer than 2^32 of them, so that pieces are small.
struct text_piece {
  std::uint32_t begin = 0;
  std::uint32_t end = 0;

  text_piece(std::size_t first, std::size_t last) noexcept
      : begin(static_cast<std::uint32_t>(first)), end(static_cast<std::uint32_t>(last)) {}
  operator byte_range() const noexcept { return {.begin = begin, .end = end}; }  ///< the same as a range
};

/// A text on its way to the model: the normalized text and the pieces it is cut into so far. Pieces are ranges of its
/// bytes, in order; what lies between two pieces, such as white space, never reaches the model.
class pre_tokenized_text {
 public:
  /// `owner` names the tokenizer in errors and must outlive this.
  explicit pre_tokenized_text(std::string_view owner = {}) : text_(owner) {}

  [[nodiscard]] normalized_text& text() noexcept { return text_; }              ///< to read or to rewrite
  [[nodiscard]] const normalized_text& text() const noexcept { return text_; }  ///< to read

  [[nodiscard]] std::span<const text_piece> pieces() const noexcept { return pieces_; }  ///< to read

  /// Makes the whole text one piece, or no piece if it is empty.
  void join() {
    pieces_.clear();
    if (!text_.text().empty()) pieces_.emplace_back(std::size_t{0}, text_.text().size());
  }

  /// Cuts every piece into smaller ones. `cut(piece, part)` gets the bytes of a piece and calls `part(begin, end)`,
  /// with positions in the piece, for what is to be left of it.
  template <class Cut>
  void cut_pieces(const Cut& cut) {
    next_.clear();
    for (const byte_range piece : pieces_) {
      cut(text_.text().substr(piece.begin, piece.end - piece.begin),
          [&](std::size_t begin, std::size_t end) { next_.emplace_back(piece.begin + begin, piece.begin + end); });
    }
    std::swap(pieces_, next_);
  }

  /// Writes every piece anew. `rewrite(text, piece)` puts what is to become of a piece into the next text, with `keep`
  /// and `put`. Pieces of which nothing is left are dropped.
  template <class Rewrite>
  void rewrite_pieces(const Rewrite& rewrite) {
    next_.clear();
    for (const byte_range piece : pieces_) {
      const std::size_t begin = text_.next_size();
      rewrite(text_, piece);
      if (begin < text_.next_size()) next_.emplace_back(begin, text_.next_size());
    }
    text_.commit();
    std::swap(pieces_, next_);
  }

 private:
  normalized_text text_;
  std::vector<text_piece> pieces_{};
  std::vector<text_piece> next_{};  // kept, so that its memory serves the next text
};

/// One step of cutting. Immutable, so that threads can share it.
class pre_tokenizer {
 public:
  virtual ~pre_tokenizer() = default;

  /// Cuts the pieces further, and rewrites the text where the step does so.
  /// Throws: limit_exceeded (a rewrite lets the text grow out of proportion, an expression takes too many steps).
  /// Complexity: linear in the text.
  virtual void apply(pre_tokenized_text& text) const = 0;
};

/// Steps in the order in which they apply. Without any step a text is one piece.
using pre_tokenizer_list = std::vector<std::unique_ptr<const pre_tokenizer>>;

/// Reads a pre-tokenizer of one type and appends the steps that it stands for.
/// Throws: bad_type, bad_value, missing_key, limit_exceeded, unsupported.
using pre_tokenizer_reader = void (*)(const json_value& value, pre_tokenizer_list& steps);

}  // namespace ultrafastbert::tokenizers
