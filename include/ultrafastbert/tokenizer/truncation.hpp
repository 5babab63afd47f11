// SPDX-License-Identifier: MIT
//
// Truncation: how many tokens of each text stay, and which parts of a text the further encodings hold.
// Layer: tokenizer.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/tokenizer/encoding.hpp"

namespace ultrafastbert::tokenizers {

/// Numbers of tokens of a first and of a second text. A single text has no second one.
struct text_lengths {
  std::size_t first = 0;
  std::size_t second = 0;
  bool is_pair = false;
  friend bool operator==(const text_lengths&, const text_lengths&) = default;
};

/// The tokens [begin, end) of a text.
struct token_window {
  std::size_t begin = 0;
  std::size_t end = 0;
  friend bool operator==(const token_window&, const token_window&) = default;
};

/// Most encodings that a call returns for one text or pair. The parts of two long texts multiply.
inline constexpr std::size_t most_encodings = std::size_t{1} << 20U;

[[nodiscard]] inline std::string count_of(std::size_t count, std::string_view what) {
  return std::to_string(count) + ' ' + std::string(what) + (count == 1 ? "" : "s");
}

/// Refuses options that no text could obey. `added` is the number of tokens that the template adds.
/// Throws: invalid_input.
inline void check_truncation(const encode_options& options, std::size_t added) {
  const std::string_view stride = "stride";
  if (options.stride != 0 && !options.overflow) {
    fail_input(stride, "0, unless overflow is asked for", std::to_string(options.stride));
  }
  if (options.max_length == 0) {
    const encode_options none;
    if (options.stride != 0) fail_input(stride, "0 where there is no max_length", std::to_string(options.stride));
    if (options.overflow || options.strategy != none.strategy || options.direction != none.direction) {
      fail_input("max_length", "a limit, as other options say how to cut a text", "0");
    }
    return;
  }
  if (options.max_length < added) {
    fail_input("max_length", "0 or at least " + std::to_string(added) + ", the tokens of the template",
               std::to_string(options.max_length));
  }
  const std::size_t room = options.max_length - added;
  if (options.overflow && room == 0) {
    fail_input("max_length", "at least " + std::to_string(added + 1) + ", as overflow is asked for",
               std::to_string(options.max_length) + ", all of it for the tokens of the template");
  }
  if (options.overflow && options.stride >= room) {
    fail_input(stride, "less than " + std::to_string(room) + ", the room for tokens of the texts",
               std::to_string(options.stride));
  }
}

/// Refuses a cut for which the text that `strategy` names is too short or absent.
[[noreturn]] inline void fail_cut(const text_lengths& lengths, std::size_t room, const encode_options& options) {
  const bool first = options.strategy == truncation_strategy::only_first;
  if (!lengths.is_pair) {
    fail_input(
        "strategy", "longest_first or only_first for a single text",
        "only_second, a single text of " + count_of(lengths.first, "token") + " and room for " + std::to_string(room));
  }
  const std::size_t uncut = first ? lengths.second : lengths.first;
  const std::size_t added = options.max_length - room;
  fail_input("max_length",
             "at least " + std::to_string(uncut + added + 1) + " for the " + count_of(uncut, "token") + " of the " +
                 (first ? "second" : "first") + " text, the " + count_of(added, "token") +
                 " of the template and one token of the " + (first ? "first" : "second") + " text",
             std::to_string(options.max_length) + ", which leaves room for " + count_of(room, "token") + " of " +
                 std::to_string(lengths.first) + " + " + std::to_string(lengths.second));
}

/// How many tokens of each text stay with `longest_first` where there is room for `room` of them.
/// Source: the reference, which first cuts each text to `max_length` tokens by itself, and takes the first text for the
///   shorter one where they are then equal.
[[nodiscard]] inline text_lengths cut_longest(const text_lengths& lengths, std::size_t room, std::size_t max_length) {
  if (!lengths.is_pair) return {.first = (std::min)(lengths.first, room)};
  const std::size_t first = (std::min)(lengths.first, max_length);
  const std::size_t second = (std::min)(lengths.second, max_length);
  const std::size_t shorter = (std::min)({first, second, room / 2});
  return first <= second ? text_lengths{.first = shorter, .second = room - shorter, .is_pair = true}
                         : text_lengths{.first = room - shorter, .second = shorter, .is_pair = true};
}

/// How many tokens of each text stay.
/// Pre: `check_truncation` accepted the options, and `max_length` is not 0.
/// Throws: invalid_input (the text that `strategy` names is absent, or is too short for what has to go).
/// Source: the reference, which cuts both texts to nothing where there is no room at all, whatever the strategy.
[[nodiscard]] inline text_lengths truncate_lengths(const text_lengths& lengths, std::size_t added,
                                                   const encode_options& options) {
  const std::size_t room = options.max_length - added;
  if (lengths.first <= room && lengths.second <= room - lengths.first) return lengths;
  if (room == 0) return {.is_pair = lengths.is_pair};
  if (options.strategy == truncation_strategy::longest_first) return cut_longest(lengths, room, options.max_length);
  const bool cuts_first = options.strategy == truncation_strategy::only_first;
  const std::size_t uncut = cuts_first ? lengths.second : lengths.first;
  if (uncut >= room || (!cuts_first && !lengths.is_pair)) fail_cut(lengths, room, options);
  return {.first = cuts_first ? room - uncut : uncut,
          .second = cuts_first ? uncut : room - uncut,
          .is_pair = lengths.is_pair};
}

/// The part of a text of `count` tokens that stays where `kept` have room.
[[nodiscard]] inline token_window first_window(std::size_t count, std::size_t kept, truncation_direction direction) {
  kept = (std::min)(kept, count);
  if (direction == truncation_direction::right) return {.begin = 0, .end = kept};
  return {.begin = count - kept, .end = count};
}

/// All parts of a text of `count` tokens of which `kept` have room at a time, in the order in which the text is cut.
/// The first part is `first_window`.
/// Throws: invalid_input (nothing of the text would stay, or `stride` is not below what stays).
/// Complexity: linear in the number of parts.
[[nodiscard]] inline std::vector<token_window> all_windows(std::size_t count, std::size_t kept, std::string_view text,
                                                           const encode_options& options) {
  if (kept >= count) return {{.begin = 0, .end = count}};
  if (kept == 0) {
    fail_input("max_length", "room for at least one token of the " + std::string(text) + ", as overflow is asked for",
               std::to_string(options.max_length) + ", which leaves none for its " + count_of(count, "token"));
  }
  if (options.stride >= kept) {
    fail_input("stride", "less than " + std::to_string(kept) + ", the room for tokens of the " + std::string(text),
               std::to_string(options.stride));
  }
  std::vector<token_window> out;
  const std::size_t step = kept - options.stride;
  for (std::size_t cut = 0;; cut += step) {
    const std::size_t end = (std::min)(cut + kept, count);
    const bool right = options.direction == truncation_direction::right;
    out.push_back(right ? token_window{cut, end} : token_window{count - end, count - cut});
    if (end == count) return out;
  }
}

}  // namespace ultrafastbert::tokenizers
