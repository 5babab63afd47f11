// SPDX-License-Identifier: MIT
//
// What a tokenizer returns and what its calls may ask for: encodings, truncation, padding, decoding.
// Layer: tokenizer.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/core/token.hpp"

namespace ultrafastbert {

/// Code points [begin, end) of a text. {0, 0} where a token stands for no text.
struct text_span {
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
  friend bool operator==(const text_span&, const text_span&) = default;
};

/// A tokenized text or pair of texts. All vectors have one element per token.
struct encoding {
  std::vector<token_id> ids{};                      ///< rows of the word embedding
  std::vector<std::uint32_t> type_ids{};            ///< which of the two texts, as the template says
  std::vector<std::string> tokens{};                ///< spelling of the ids; of added tokens as the text has it
  std::vector<text_span> offsets{};                 ///< place in its own text; {0, 0} for template tokens and padding
  std::vector<std::uint8_t> attention_mask{};       ///< 0 for padding, else 1
  std::vector<std::uint8_t> special_tokens_mask{};  ///< 1 for template tokens and padding, else 0
  bool truncated = false;                           ///< tokens were left out to respect `max_length`

  [[nodiscard]] std::size_t size() const noexcept { return ids.size(); }  ///< number of tokens
};

/// Which text loses tokens when there are too many.
enum class truncation_strategy : std::uint8_t {
  longest_first,  ///< the longer one down to half the room, then both
  only_first,     ///< the first text
  only_second,    ///< the second text
};

/// How to encode a text.
struct encode_options {
  std::size_t max_length = 0;  ///< most tokens of an encoding, template tokens included; 0: no truncation
  truncation_strategy strategy = truncation_strategy::longest_first;
  bool add_special_tokens = true;  ///< whether the template's own tokens are added
};

/// How to bring the encodings of a batch to one length.
struct padding_options {
  std::size_t length = 0;           ///< length of every encoding; 0: that of the longest
  std::string pad_token = "<pad>";  ///< spelling of the token to pad with
};

/// How to turn ids into text.
struct decode_options {
  bool skip_special_tokens = true;  ///< whether added tokens marked as special are left out
};

namespace tokenizers {

/// Numbers of tokens of a first and a second text.
struct pair_lengths {
  std::size_t first = 0;
  std::size_t second = 0;
};

/// How many tokens of each text stay when both together may have `room`.
/// Throws: invalid_input (the text that `strategy` names is absent, or losing all its tokens would not be enough).
/// Source: the reference cuts both texts to nothing when there is no room at all, whatever the strategy.
[[nodiscard]] inline pair_lengths truncate_lengths(pair_lengths lengths, std::size_t room, truncation_strategy strategy,
                                                   bool is_pair) {
  const std::size_t total = lengths.first + lengths.second;
  if (total <= room) return lengths;
  if (room == 0) return {};
  if (strategy == truncation_strategy::longest_first) {
    if (!is_pair) return {.first = room};
    const bool first_is_shorter = lengths.first <= lengths.second;
    const std::size_t shorter = std::min({lengths.first, lengths.second, room / 2});
    return first_is_shorter ? pair_lengths{.first = shorter, .second = room - shorter}
                            : pair_lengths{.first = room - shorter, .second = shorter};
  }
  const bool first = strategy == truncation_strategy::only_first;
  if (!first && !is_pair) fail_input("strategy", "only_first or longest_first for a single text", "only_second");
  const std::size_t excess = total - room;
  std::size_t& cut = first ? lengths.first : lengths.second;
  if (cut <= excess) {
    fail_input("max_length",
               first ? "room for the second text and a token of the first"
                     : "room for the first text and a token of the second",
               "room for " + std::to_string(room) + " tokens");
  }
  cut -= excess;
  return lengths;
}

}  // namespace tokenizers

}  // namespace ultrafastbert
