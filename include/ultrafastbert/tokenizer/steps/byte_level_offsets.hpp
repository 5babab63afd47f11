// SPDX-License-Identifier: MIT
//
// `ByteLevel` as a post-processor, and what it has in common with `RobertaProcessing`: the places of tokens leave out
// the spaces that the tokens hold.
// Layer: tokenizer.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "ultrafastbert/io/json_document.hpp"
#include "ultrafastbert/tokenizer/encoding.hpp"
#include "ultrafastbert/tokenizer/steps/post_processor.hpp"
#include "ultrafastbert/tokenizer/steps/unicode_categories.hpp"
#include "ultrafastbert/tokenizer/steps/utf8.hpp"
#include "ultrafastbert/tokenizer/vocabulary.hpp"

namespace ultrafastbert::tokenizers {

/// Numbers of blanks at the ends of a token.
struct blank_ends {
  std::uint32_t leading = 0;
  std::uint32_t trailing = 0;
};

/// Counts the blanks at the ends of a spelling: white space, and the character that stands for the byte U+0020.
[[nodiscard]] inline blank_ends count_blank_ends(std::string_view spelling) noexcept {
  constexpr char32_t visible_space = 0x120;
  blank_ends out;
  bool at_start = true;
  for (std::size_t at = 0; at < spelling.size();) {
    const utf8_step step = decode_utf8(spelling, at);
    const bool blank = step.code_point == visible_space || is_white_space(step.code_point);
    at_start = at_start && blank;
    if (at_start) ++out.leading;
    out.trailing = blank ? out.trailing + 1 : 0;
    at += step.length;
  }
  return out;
}

/// The place of a token without its blanks, of which its spelling has so many. `is_first` says that it is the first
/// token of an encoding's part of a text; where `trim` says that a space was added, the only blank of that one is taken
/// for it, and not counted. Source: the reference, step by step.
[[nodiscard]] inline text_span trimmed(text_span span, blank_ends blanks, bool is_first,
                                       const offset_trim& trim) noexcept {
  if (blanks.leading > 0) {
    const bool was_added = trim.add_prefix_space && blanks.leading == 1 && (is_first || span.begin == 0);
    if (was_added) blanks.leading = 0;
    span.begin = (std::min)(span.begin + blanks.leading, span.end);
  }
  if (blanks.trailing > 0 && span.end >= blanks.trailing) {
    span.end = (std::max)(span.end - blanks.trailing, span.begin);
  }
  return span;
}

/// Reads a `ByteLevel` post-processor, which adds no tokens. Throws: bad_type, missing_key.
[[nodiscard]] inline post_processor read_byte_level_processing(const json_value& value, const vocabulary& /*tokens*/) {
  post_processor out;
  const offset_trim trim{.add_prefix_space = value.at("add_prefix_space").as_boolean()};
  if (value.at("trim_offsets").as_boolean()) out.trims.push_back(trim);
  return out;
}

}  // namespace ultrafastbert::tokenizers
