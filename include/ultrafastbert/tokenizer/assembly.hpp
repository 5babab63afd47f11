// SPDX-License-Identifier: MIT
//
// From the tokens of one text or two to encodings: truncation, and the template's own tokens around what is left.
// Layer: tokenizer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/core/token.hpp"
#include "ultrafastbert/tokenizer/encoding.hpp"
#include "ultrafastbert/tokenizer/steps/post_processor.hpp"
#include "ultrafastbert/tokenizer/text_tokens.hpp"
#include "ultrafastbert/tokenizer/truncation.hpp"
#include "ultrafastbert/tokenizer/vocabulary.hpp"

namespace ultrafastbert::tokenizers {

/// Builds encodings of one text, or of two, which must outlive it.
class assembly {
 public:
  /// `second` is null for a single text.
  assembly(const post_processor& templates, const vocabulary& known, const text_tokens& first,
           const text_tokens* second, const encode_options& options)
      : pieces_(second == nullptr ? templates.single : templates.pair),
        known_(known),
        first_(first),
        second_(second),
        options_(options),
        added_(options.add_special_tokens ? templates.added_tokens(second != nullptr) : 0) {}

  /// The encoding, with further ones in its `overflow` if the options ask for them.
  /// Throws: invalid_input (truncation cannot be done as the options say), limit_exceeded (more encodings than
  ///   `most_encodings`).
  /// Complexity: linear in the tokens of the texts and in those of the result.
  [[nodiscard]] encoding build() const {
    check_truncation(options_, added_);
    const text_lengths lengths{
        .first = first_.size(), .second = second_ == nullptr ? 0 : second_->size(), .is_pair = second_ != nullptr};
    text_lengths kept = lengths;
    if (options_.max_length != 0) kept = truncate_lengths(lengths, added_, options_);
    encoding out = assemble(first_window(lengths.first, kept.first, options_.direction),
                            first_window(lengths.second, kept.second, options_.direction));
    if (options_.overflow && out.truncated) add_overflow(out, lengths, kept);
    return out;
  }

 private:
  /// Adds the further encodings. Their order is that of the reference: the further parts of the first text come before
  /// those of the second.
  void add_overflow(encoding& out, const text_lengths& lengths, const text_lengths& kept) const {
    const auto of_first = all_windows(lengths.first, kept.first, lengths.is_pair ? "first text" : "text", options_);
    const auto of_second = all_windows(lengths.second, kept.second, "second text", options_);
    if (of_first.size() > most_encodings / of_second.size()) {
      fail(error_code::limit_exceeded,
           {.where = "overflow",
            .expected = "at most " + std::to_string(most_encodings) + " encodings of a text or pair",
            .found = std::to_string(of_first.size()) + " parts of the first text times " +
                     std::to_string(of_second.size()) + " of the second"});
    }
    out.overflow.reserve(of_first.size() * of_second.size() - 1);
    for (std::size_t a = 1; a < of_first.size(); ++a) {
      for (const token_window& part : of_second) out.overflow.push_back(assemble(of_first[a], part));
    }
    for (std::size_t b = 1; b < of_second.size(); ++b) {
      out.overflow.push_back(assemble(of_first.front(), of_second[b]));
    }
  }

  [[nodiscard]] encoding assemble(const token_window& of_first, const token_window& of_second) const {
    encoding out;
    const std::size_t held = of_first.end - of_first.begin + of_second.end - of_second.begin;
    out.left_out = first_.size() + (second_ == nullptr ? 0 : second_->size()) - held;
    out.truncated = out.left_out != 0;
    const std::size_t size = held + added_;
    out.ids.reserve(size);
    out.type_ids.reserve(size);
    out.sequence_ids.reserve(size);
    out.tokens.reserve(size);
    out.offsets.reserve(size);
    out.byte_offsets.reserve(size);
    out.special_tokens_mask.reserve(size);
    out.attention_mask.assign(size, 1);
    for (const auto& piece : pieces_) {
      if (piece.role == template_role::first_text) {
        append_text(out, first_, of_first, piece.type_id, 0);
      } else if (piece.role == template_role::second_text) {
        append_text(out, *second_, of_second, piece.type_id, 1);
      } else if (options_.add_special_tokens) {
        append_special(out, piece);
      }
    }
    return out;
  }

  void append_text(encoding& out, const text_tokens& text, const token_window& part, std::uint32_t type_id,
                   std::int8_t sequence) const {
    const std::size_t count = part.end - part.begin;
    for (std::size_t i = part.begin; i < part.end; ++i) {
      const located_token& token = text[i];
      out.ids.push_back(token.id);
      out.tokens.emplace_back(text.spelling(i, known_));
      out.offsets.push_back(token.span);
      out.byte_offsets.push_back(text.bytes(token.span));
    }
    out.type_ids.insert(out.type_ids.end(), count, type_id);
    out.sequence_ids.insert(out.sequence_ids.end(), count, sequence);
    out.special_tokens_mask.insert(out.special_tokens_mask.end(), count, 0);
  }

  void append_special(encoding& out, const template_piece& piece) const {
    for (const token_id id : piece.ids) {
      out.ids.push_back(id);
      out.tokens.emplace_back(known_.token(id).value_or(std::string_view{}));
      out.offsets.emplace_back();
      out.byte_offsets.emplace_back();
      out.type_ids.push_back(piece.type_id);
      out.sequence_ids.push_back(-1);
      out.special_tokens_mask.push_back(1);
    }
  }

  const std::vector<template_piece>& pieces_;
  const vocabulary& known_;
  const text_tokens& first_;
  const text_tokens* second_;
  const encode_options& options_;
  std::size_t added_;
};

}  // namespace ultrafastbert::tokenizers
