// SPDX-License-Identifier: MIT
//
// What a tokenizer returns and what its calls may ask for: encodings, truncation, padding, decoding.
// Layer: tokenizer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ultrafastbert/core/token.hpp"
#include "ultrafastbert/tokenizer/token_spellings.hpp"

namespace ultrafastbert {

/// A part of a text, from `begin` to `end` without `end` itself. It is {0, 0} where a token stands for no text.
struct text_span {
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
  friend bool operator==(const text_span&, const text_span&) = default;
};

/// A tokenized text or pair of texts. All vectors but `overflow` have one element for each token.
///
/// Both kinds of offsets locate a token in its own text as the caller gave it, also where the normalizer changed the
/// text. Where a text is no valid UTF-8, each maximal bad part of it, of one to three bytes, is read as one code point
/// U+FFFD: `offsets` count it as one code point, and `byte_offsets` count the bytes that are really there.
struct encoding {
  std::vector<token_id> ids{};                 ///< rows of the word embedding
  std::vector<std::uint32_t> type_ids{};       ///< types as the template gives them to texts and special tokens
  std::vector<std::int8_t> sequence_ids{};     ///< 0 for the first text, 1 for the second, -1 for neither
  token_spellings tokens{};                    ///< spellings of the ids; those of added tokens as the text has them
  std::vector<text_span> offsets{};            ///< code points of the text; {0, 0} for tokens of neither text
  std::vector<text_span> byte_offsets{};       ///< bytes of the text; {0, 0} for tokens of neither text
  std::vector<std::uint8_t> attention_mask{};  ///< 0 for padding and 1 for all other tokens
  std::vector<std::uint8_t> special_tokens_mask{};  ///< 1 for the tokens of the template and for padding, else 0
  bool truncated = false;                           ///< whether tokens were left out to respect `max_length`
  std::size_t left_out = 0;                         ///< number of tokens of the texts that are not in this encoding
  std::vector<encoding> overflow{};                 ///< further encodings with what was left out, if asked for

  [[nodiscard]] std::size_t size() const noexcept { return ids.size(); }  ///< number of tokens
};

/// Which text of a pair loses tokens when there are too many.
enum class truncation_strategy : std::uint8_t {
  longest_first,  ///< the longer text until it fills half of the room, then both
  only_first,     ///< the first text
  only_second,    ///< the second text
};

/// Which end of a text is cut off.
enum class truncation_direction : std::uint8_t {
  right,  ///< the end; the beginning stays
  left,   ///< the beginning; the end stays
};

/// How to encode a text or a pair of texts. The room for tokens of the texts is `max_length` without the tokens that
/// the template adds.
struct encode_options {
  /// Most tokens of an encoding, those of the template included; 0 for no limit, where the next four have no effect:
  /// they are refused then.
  std::size_t max_length = 0;
  truncation_strategy strategy = truncation_strategy::longest_first;
  truncation_direction direction = truncation_direction::right;
  /// Whether what is cut off is returned as well, in `encoding::overflow`. The further encodings continue where the one
  /// before them ends, so that together they hold every token. Where both texts of a pair are cut, they hold each part
  /// of the first text with each part of the second.
  bool overflow = false;
  /// How many tokens each further encoding repeats of the one before it. It must be smaller than the room.
  std::size_t stride = 0;
  bool add_special_tokens = true;  ///< whether the tokens of the template are added
};

/// At which end an encoding is padded.
enum class padding_direction : std::uint8_t {
  right,  ///< behind the tokens
  left,   ///< before them
};

/// How to bring the encodings of a batch to one length.
struct padding_options {
  static constexpr std::size_t max_length = 2'147'483'647;  ///< largest `length` and `multiple`

  std::size_t length = 0;   ///< length of every encoding; 0 for that of the longest
  std::string pad_token{};  ///< spelling of the token to pad with; empty for the tokenizer's own pad token
  padding_direction direction = padding_direction::right;
  std::size_t multiple = 1;          ///< the length is rounded up to a multiple of this
  std::uint32_t type_id = 0;         ///< type of the padding
  std::optional<token_id> pad_id{};  ///< id to pad with; nothing for that of the pad token
  bool keep_longer = false;          ///< encodings over a `length` stay as they are, instead of being refused
};

/// How to turn ids into text.
struct decode_options {
  bool skip_special_tokens = true;  ///< whether added tokens that are marked as special are left out
};

}  // namespace ultrafastbert
