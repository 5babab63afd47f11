// SPDX-License-Identifier: MIT
//
// From the tokens of one text or two to encodings: truncation, and the template's own tokens around what is left.
// Layer: tokenizer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/core/token.hpp"
#include "ultrafastbert/tokenizer/encoding.hpp"
#include "ultrafastbert/tokenizer/steps/byte_level_offsets.hpp"
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
        trims_(templates.trims),
        known_(known),
        first_(first),
        second_(second),
        options_(options),
        added_(options.add_special_tokens ? templates.added_tokens(second != nullptr) : 0),
        text_bytes_(first.text_bytes() + (second == nullptr ? 0 : second->text_bytes())) {}

  /// The encoding, with further ones in its `overflow` if the options ask for them. To be called once.
  /// Throws: invalid_input (truncation cannot be done as the options say), limit_exceeded (more encodings than
  ///   `most_encodings`, very many tokens in them, or spellings out of proportion to the text).
  /// Complexity: linear in the tokens of the texts and in those of the result.
  [[nodiscard]] encoding build() {
    check_truncation(options_, added_);
    const text_lengths lengths{
        .first = first_.size(), .second = second_ == nullptr ? 0 : second_->size(), .is_pair = second_ != nullptr};
    text_lengths kept = lengths;
    if (options_.max_length != 0) kept = truncate_lengths(lengths, added_, options_);
    encoding out;
    assemble(first_window(lengths.first, kept.first, options_.direction),
             first_window(lengths.second, kept.second, options_.direction), out);
    if (options_.overflow && out.truncated) add_overflow(out, lengths, kept);
    return out;
  }

 private:
  /// Adds the further encodings. Their order is that of the reference: the further parts of the first text come before
  /// those of the second.
  void add_overflow(encoding& out, const text_lengths& lengths, const text_lengths& kept) {
    const auto of_first = all_windows(lengths.first, kept.first, lengths.is_pair ? "first text" : "text", options_);
    const auto of_second = all_windows(lengths.second, kept.second, "second text", options_);
    if (of_first.size() > most_encodings / of_second.size()) {
      fail(error_code::limit_exceeded,
           {.where = "overflow",
            .expected = "at most " + std::to_string(most_encodings) + " encodings of a text or pair",
            .found = std::to_string(of_first.size()) + " parts of the first text times " +
                     std::to_string(of_second.size()) + " of the second"});
    }
    check_overflow(of_first.size() * of_second.size() * (kept.first + kept.second + added_),
                   lengths.first + lengths.second);
    std::vector<encoding> further(of_first.size() * of_second.size() - 1);
    auto next = further.begin();
    for (std::size_t a = 1; a < of_first.size(); ++a) {
      for (const token_window& part : of_second) assemble(of_first[a], part, *next++);
    }
    for (std::size_t b = 1; b < of_second.size(); ++b) assemble(of_first.front(), of_second[b], *next++);
    out.overflow = std::move(further);
  }

  /// Refuses encodings that hold so many tokens together: short texts and templates of thousands of tokens, or a stride
  /// that repeats almost all of each, would multiply without end.
  /// `of_texts`: those of the texts. Throws: limit_exceeded.
  static void check_overflow(std::size_t tokens, std::size_t of_texts) {
    constexpr std::size_t allowance = std::size_t{1} << 22U;
    const std::size_t most = allowance + 64 * of_texts;
    if (tokens <= most) return;
    fail(error_code::limit_exceeded,
         {.where = "overflow",
          .expected = "encodings of a text or pair with at most " + std::to_string(most) + " tokens together",
          .found = std::to_string(tokens)});
  }

  /// Appends a spelling. A token may stand for one character and be a thousand bytes long, so that a short vocabulary
  /// could make gigabytes of a short text: in the mean of a text and of its tokens they are bounded.
  /// Throws: limit_exceeded.
  void put_spelling(std::string_view spelling, token_spellings& to) {
    constexpr std::size_t allowance = std::size_t{1} << 20U;
    constexpr std::size_t bytes_of_each = 64;
    spelled_ += spelling.size();
    ++tokens_;
    if (spelled_ > allowance + bytes_of_each * (text_bytes_ + tokens_)) {
      fail(error_code::limit_exceeded, {.where = "tokens",
                                        .expected = "spellings of " + std::to_string(bytes_of_each) +
                                                    " bytes for each byte of a text and each token",
                                        .found = std::to_string(spelled_) + " bytes for " +
                                                 std::to_string(text_bytes_) + " and " + std::to_string(tokens_)});
    }
    to.push_back(spelling);
  }

  /// Fills an empty encoding.
  void assemble(const token_window& of_first, const token_window& of_second, encoding& out) {
    const std::size_t held = of_first.end - of_first.begin + of_second.end - of_second.begin;
    out.left_out = first_.size() + (second_ == nullptr ? 0 : second_->size()) - held;
    out.truncated = out.left_out != 0;
    const std::size_t size = held + added_;
    out.ids.resize(size);
    out.type_ids.resize(size);
    out.sequence_ids.resize(size, -1);
    out.tokens.reserve(size);
    out.offsets.resize(size);
    out.byte_offsets.resize(size);
    out.attention_mask.resize(size, 1);
    out.special_tokens_mask.resize(size);
    std::size_t at = 0;
    for (const auto& piece : pieces_) {
      if (piece.role == template_role::first_text) {
        put_text(out, at, first_, of_first, {.type_id = piece.type_id, .sequence = 0});
      } else if (piece.role == template_role::second_text) {
        put_text(out, at, *second_, of_second, {.type_id = piece.type_id, .sequence = 1});
      } else if (options_.add_special_tokens) {
        put_special(out, at, piece);
      }
    }
  }

  /// What all tokens of a text have in common.
  struct text_marks {
    std::uint32_t type_id = 0;
    std::int8_t sequence = 0;
  };

  /// Writes the tokens of a part of a text from place `at` on, which it moves behind them.
  void put_text(encoding& out, std::size_t& at, const text_tokens& text, const token_window& part,
                const text_marks& marks) {
    for (std::size_t i = part.begin; i < part.end; ++i, ++at) {
      const located_token& token = text[i];
      out.ids[at] = token.id;
      out.type_ids[at] = marks.type_id;
      out.sequence_ids[at] = marks.sequence;
      put_spelling(text.spelling(i, known_), out.tokens);
      text_span span = token.span;
      if (!trims_.empty()) {
        const blank_ends blanks = count_blank_ends(out.tokens.back());
        for (const offset_trim& trim : trims_) span = trimmed(span, blanks, i == part.begin, trim);
      }
      out.offsets[at] = span;
      out.byte_offsets[at] = text.bytes(span);
    }
  }

  /// Writes special tokens from place `at` on, which it moves behind them.
  void put_special(encoding& out, std::size_t& at, const template_piece& piece) {
    for (const token_id id : piece.ids) {
      out.ids[at] = id;
      out.type_ids[at] = piece.type_id;
      put_spelling(known_.token(id).value_or(std::string_view{}), out.tokens);
      out.special_tokens_mask[at] = 1;
      ++at;
    }
  }

  const std::vector<template_piece>& pieces_;
  const std::vector<offset_trim>& trims_;
  const vocabulary& known_;
  const text_tokens& first_;
  const text_tokens* second_;
  const encode_options& options_;
  std::size_t added_;
  std::size_t text_bytes_;
  std::size_t spelled_ = 0;  // bytes of all spellings so far
  std::size_t tokens_ = 0;   // and their number
};

}  // namespace ultrafastbert::tokenizers
