// SPDX-License-Identifier: MIT
//
// Everything a tokenizer consists of, and the way of a text through it up to the template.
// Source: the pipeline of the Rust crate `tokenizers`: added tokens, normalizer, pre-tokenizer, model.
// Layer: tokenizer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/core/token.hpp"
#include "ultrafastbert/tokenizer/added_tokens.hpp"
#include "ultrafastbert/tokenizer/call_defaults.hpp"
#include "ultrafastbert/tokenizer/encoding.hpp"
#include "ultrafastbert/tokenizer/models/token_model.hpp"
#include "ultrafastbert/tokenizer/special_tokens.hpp"
#include "ultrafastbert/tokenizer/steps/decoder.hpp"
#include "ultrafastbert/tokenizer/steps/normalized_text.hpp"
#include "ultrafastbert/tokenizer/steps/normalizer.hpp"
#include "ultrafastbert/tokenizer/steps/post_processor.hpp"
#include "ultrafastbert/tokenizer/steps/pre_tokenizer.hpp"
#include "ultrafastbert/tokenizer/steps/utf8.hpp"
#include "ultrafastbert/tokenizer/text_tokens.hpp"
#include "ultrafastbert/tokenizer/tokenizer_report.hpp"
#include "ultrafastbert/tokenizer/vocabulary.hpp"

namespace ultrafastbert::tokenizers {

/// The parts of a tokenizer, ready for use.
struct tokenizer_parts {
  std::string file{};
  std::shared_ptr<const vocabulary> tokens{};
  added_token_matcher raw_tokens{};         ///< added tokens that are looked for in the raw text
  added_token_matcher normalized_tokens{};  ///< those that are looked for in what is left, after normalization
  std::vector<token_id> special_ids{};      ///< added tokens that are marked as special, ascending
  normalizer_list normalizers{};
  pre_tokenizer_list pre_tokenizers{};
  std::unique_ptr<const token_model> model{};
  post_processor templates{};
  decoder_list decoders{};
  std::optional<encode_options> truncation{};  ///< what the file says about truncation
  std::optional<padding_options> padding{};    ///< what the file says about padding
  by_role<special_token> roles{};
  call_defaults defaults{};
  tokenizer_report report{};
};

/// Memory that one call, or one call with many texts, uses again and again.
struct call_scratch {
  explicit call_scratch(const tokenizer_parts& parts)
      : model(parts.model->make_scratch()), segment(parts.file), text(parts.file) {}

  std::unique_ptr<model_scratch> model;
  normalized_text segment;
  pre_tokenized_text text;
  std::string repaired{};
};

/// Cuts a normalized text, which is in `scratch.text`, into pieces, and appends their tokens.
inline void add_pieces(const tokenizer_parts& parts, call_scratch& scratch, text_tokens& out) {
  pre_tokenized_text& text = scratch.text;
  text.join();
  for (const auto& step : parts.pre_tokenizers) {
    constexpr std::size_t cost_of_byte = 4;
    text.text().begin_step(cost_of_byte);
    step->apply(text);
  }
  const normalized_text& bytes = text.text();
  for (const byte_range piece : text.pieces()) {
    const std::string_view written = bytes.text().substr(piece.begin, piece.end - piece.begin);
    parts.model->tokenize(written, *scratch.model);
    out.make_room(scratch.model->tokens.size());
    for (const auto& token : scratch.model->tokens) {
      const text_span span = bytes.span(piece.begin + token.begin, piece.begin + token.end);
      if (token.as_written) {
        out.add_spelled(token.id, span, written.substr(token.begin, token.end - token.begin), *parts.tokens);
      } else {
        out.add(token.id, span);
      }
    }
  }
}

/// Appends the tokens of a stretch of text between added tokens.
/// Pre: `first_code_point` is the number of its first code point in the text.
inline void add_segment(const tokenizer_parts& parts, std::string_view stretch, std::uint32_t first_code_point,
                        call_scratch& scratch, text_tokens& out) {
  if (parts.normalized_tokens.size() == 0) {
    scratch.text.text().assign(stretch, first_code_point);
    apply_all(parts.normalizers, scratch.text.text());
    add_pieces(parts, scratch, out);
    return;
  }
  scratch.segment.assign(stretch, first_code_point);
  apply_all(parts.normalizers, scratch.segment);
  const std::string_view text = scratch.segment.text();
  parts.normalized_tokens.split(text, [&](std::size_t begin, std::size_t end, std::optional<token_id> id) {
    if (id) {
      out.add_spelled(*id, scratch.segment.span(begin, end), text.substr(begin, end - begin), *parts.tokens);
    } else {
      scratch.text.text().assign(scratch.segment, {.begin = begin, .end = end});
      add_pieces(parts, scratch, out);
    }
  });
}

/// The tokens of a text, without those of the template. Invalid UTF-8 is read as U+FFFD, one for each maximal bad part.
/// Throws: invalid_input (4 GiB and more), missing_token (a word needs an unknown token, and there is none),
///   limit_exceeded (the steps let the text grow out of proportion, or take too much work for its size).
/// Complexity: linear in the text.
inline void tokenize_text(const tokenizer_parts& parts, std::string_view text, call_scratch& scratch,
                          text_tokens& out) {
  constexpr std::size_t longest = (std::numeric_limits<std::uint32_t>::max)() - 1;
  if (text.size() > longest) {
    fail_input("text", "at most " + std::to_string(longest) + " bytes", std::to_string(text.size()) + " bytes");
  }
  out.assign(text);
  scratch.segment.restart(text.size());
  scratch.text.text().restart(text.size());
  if (!is_valid_utf8(text)) {
    scratch.repaired = repair_utf8(text);
    text = scratch.repaired;
  }
  std::uint32_t code_points = 0;
  parts.raw_tokens.split(text, [&](std::size_t begin, std::size_t end, std::optional<token_id> id) {
    const std::string_view part = text.substr(begin, end - begin);
    const auto length = static_cast<std::uint32_t>(count_code_points(part));
    if (id) {
      out.add_spelled(*id, {.begin = code_points, .end = code_points + length}, part, *parts.tokens);
    } else {
      add_segment(parts, part, code_points, scratch, out);
    }
    code_points += length;
  });
}

}  // namespace ultrafastbert::tokenizers
