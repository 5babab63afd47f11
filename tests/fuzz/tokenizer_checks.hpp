// SPDX-License-Identifier: MIT
//
// What holds for every tokenizer and every text: arrays of one length, places that lie in the text, ids that there are,
// cuts that respect their limit, and a decoder that gives text or the library's error.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz/fuzz_input.hpp"
#include "ultrafastbert/tokenizer/tokenizer.hpp"

namespace ufb_fuzz {

/// A code point, and where its bytes begin. A maximal bad part of a text is one U+FFFD.
struct code_point {
  std::uint32_t value = 0;
  std::size_t begin = 0;
  bool valid = true;
};

/// The code points of a text, read straight from table 3-7 of the Unicode standard, version 15.
inline std::vector<code_point> code_points_of(std::string_view text) {
  std::vector<code_point> out;
  const auto byte = [&](std::size_t i) -> unsigned {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0;
  };
  for (std::size_t at = 0; at < text.size();) {
    const unsigned first = byte(at);
    std::size_t length = 1;
    unsigned lowest = 0x80;
    unsigned highest = 0xBF;
    if (first < 0x80) {
      out.push_back({first, at, true});
      ++at;
      continue;
    }
    if (first >= 0xC2 && first <= 0xDF) length = 2;
    if (first >= 0xE0 && first <= 0xEF) length = 3;
    if (first >= 0xF0 && first <= 0xF4) length = 4;
    if (first == 0xE0) lowest = 0xA0;
    if (first == 0xED) highest = 0x9F;
    if (first == 0xF0) lowest = 0x90;
    if (first == 0xF4) highest = 0x8F;
    std::uint32_t value = length == 2 ? first & 0x1FU : length == 3 ? first & 0x0FU : first & 0x07U;
    std::size_t read = 1;
    for (; read < length; ++read) {
      const unsigned next = byte(at + read);
      if (next < lowest || next > highest) break;
      value = (value << 6U) | (next & 0x3FU);
      lowest = 0x80;
      highest = 0xBF;
    }
    const bool valid = length > 1 && read == length;
    out.push_back({valid ? value : 0xFFFDU, at, valid});
    at += read;
  }
  return out;
}

/// Checks one encoding of `text`, or of `text` and `pair`.
inline void check_encoding(const ufb::tokenizer& words, const ufb::encoding& row, std::string_view text,
                           std::string_view pair) {
  const std::size_t size = row.size();
  require(row.type_ids.size() == size && row.sequence_ids.size() == size && row.tokens.size() == size &&
              row.offsets.size() == size && row.byte_offsets.size() == size && row.attention_mask.size() == size &&
              row.special_tokens_mask.size() == size,
          "arrays of several lengths");
  const std::vector<code_point> places[] = {code_points_of(text), code_points_of(pair)};
  for (std::size_t t = 0; t < size; ++t) {
    require(row.ids[t] >= 0 && static_cast<std::size_t>(row.ids[t]) < words.id_bound(), "an id out of range");
    require(words.id_to_token(row.ids[t]).has_value(), "an id without a token");
    const ufb::text_span span = row.offsets[t];
    const ufb::text_span bytes = row.byte_offsets[t];
    if (row.sequence_ids[t] < 0) {
      require(span == ufb::text_span{} && bytes == ufb::text_span{}, "a place of a token that stands for no text");
      continue;
    }
    const std::string_view own = row.sequence_ids[t] == 0 ? text : pair;
    const auto& points = places[row.sequence_ids[t] == 0 ? 0 : 1];
    require(span.begin <= span.end && span.end <= points.size(), "a place outside of the text");
    const auto byte_of = [&](std::uint32_t i) { return i == points.size() ? own.size() : points[i].begin; };
    require(bytes.begin == byte_of(span.begin) && bytes.end == byte_of(span.end), "places in bytes and code points");
  }
  static_cast<void>(attempt([&] { static_cast<void>(words.decode(row.ids)); }));
  static_cast<void>(attempt([&] { static_cast<void>(words.decode(row.ids, {.skip_special_tokens = false})); }));
}

/// Encodes a text in several ways and checks what comes of it. `choice` varies the limits.
inline void check_text(const ufb::tokenizer& words, std::string_view text, std::string_view pair,
                       std::uint64_t choice) {
  attempt([&] { check_encoding(words, words.encode(text), text, {}); });
  attempt([&] { check_encoding(words, words.encode(text, pair), text, pair); });
  const bool two = choice % 2 != 0;
  const ufb::encode_options cut{
      .max_length = 1 + choice / 2 % 16,
      .strategy = static_cast<ufb::truncation_strategy>(choice / 32 % 3),
      .direction = static_cast<ufb::truncation_direction>(choice / 128 % 2),
      .overflow = choice / 256 % 2 != 0,
      .stride = choice / 256 % 2 != 0 ? choice / 512 % 4 : 0,
      .add_special_tokens = choice / 2048 % 4 != 0,
  };
  attempt([&] {
    const ufb::encoding row = two ? words.encode(text, pair, cut) : words.encode(text, cut);
    require(row.size() <= cut.max_length, "more tokens than asked for");
    check_encoding(words, row, text, two ? pair : std::string_view{});
    for (const ufb::encoding& further : row.overflow) {
      require(further.size() <= cut.max_length, "more tokens than asked for in a further row");
      check_encoding(words, further, text, two ? pair : std::string_view{});
    }
  });
  attempt([&] {
    const auto batch = words.encode_batch({text, pair}, {}, {.multiple = 1 + choice % 5});
    require(batch.size() == 2 && batch[0].size() == batch[1].size(), "a batch of several lengths");
    require(batch[0].size() % (1 + choice % 5) == 0, "a length that is no multiple");
  });
}

}  // namespace ufb_fuzz
