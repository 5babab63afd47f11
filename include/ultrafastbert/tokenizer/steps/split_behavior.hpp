// SPDX-License-Identifier: MIT
//
// What becomes of the matches at which a pre-tokenizer cuts a piece.
// Layer: tokenizer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/io/json_document.hpp"
#include "ultrafastbert/tokenizer/steps/normalized_text.hpp"

namespace ultrafastbert::tokenizers {

/// What becomes of a match.
enum class split_behavior : std::uint8_t {
  removed,               ///< it is dropped
  isolated,              ///< it is a piece
  merged_with_previous,  ///< it ends the piece before it
  merged_with_next,      ///< it starts the piece behind it
  contiguous,            ///< it is a piece together with the matches beside it
};

/// Reads the name of a behavior. Throws: bad_type, bad_value.
[[nodiscard]] inline split_behavior read_split_behavior(const json_value& value) {
  const std::string& word = value.as_string();
  if (word == "Removed") return split_behavior::removed;
  if (word == "Isolated") return split_behavior::isolated;
  if (word == "MergedWithPrevious") return split_behavior::merged_with_previous;
  if (word == "MergedWithNext") return split_behavior::merged_with_next;
  if (word == "Contiguous") return split_behavior::contiguous;
  value.fail_value("Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous", excerpt(word));
}

/// Collects the parts of a piece from left to right, matches and what lies between them, and hands on what the behavior
/// makes of them. One object serves one piece after the other.
class piece_splitter {
 public:
  /// With `invert`, what lies between the matches counts as the matches.
  explicit piece_splitter(split_behavior behavior, bool invert = false) : behavior_(behavior), invert_(invert) {}

  /// Notes the match [begin, end). Pre: it is not empty and not before the end of the one before it.
  void match(std::size_t begin, std::size_t end) {
    if (done_ < begin) add(begin, invert_);
    done_ = begin;
    add(end, !invert_);
  }

  /// Ends the piece, which has `size` bytes, and calls `part(begin, end)` for what it is cut into.
  template <class Part>
  void finish(std::size_t size, const Part& part) {
    if (done_ < size) add(size, invert_);
    if (behavior_ == split_behavior::merged_with_next) merge_with_next();
    for (const piece_part& each : parts_) part(each.range.begin, each.range.end);
    parts_.clear();
    done_ = 0;
    previous_ = false;
  }

 private:
  struct piece_part {
    byte_range range{};
    bool is_match = false;
  };

  void add(std::size_t end, bool is_match) {
    const byte_range range{.begin = done_, .end = end};
    done_ = end;
    bool joins = false;
    if (behavior_ == split_behavior::contiguous) joins = is_match == previous_;
    if (behavior_ == split_behavior::merged_with_previous) joins = is_match && !previous_;
    previous_ = is_match;
    if (behavior_ == split_behavior::removed && is_match) return;
    if (joins && !parts_.empty()) {
      parts_.back().range.end = end;
    } else {
      parts_.push_back({.range = range, .is_match = is_match});
    }
  }

  /// Lets each match that has no match behind it start the part behind it.
  void merge_with_next() {
    std::size_t kept = 0;
    for (std::size_t i = 0; i < parts_.size(); ++i) {
      const bool joins = parts_[i].is_match && i + 1 < parts_.size() && !parts_[i + 1].is_match;
      if (joins) {
        parts_[i + 1].range.begin = parts_[i].range.begin;
      } else {
        parts_[kept++] = parts_[i];
      }
    }
    parts_.resize(kept);
  }

  split_behavior behavior_;
  bool invert_;
  std::vector<piece_part> parts_{};
  std::size_t done_ = 0;
  bool previous_ = false;
};

}  // namespace ultrafastbert::tokenizers
