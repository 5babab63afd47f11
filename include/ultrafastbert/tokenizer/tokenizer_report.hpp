// SPDX-License-Identifier: MIT
//
// What is odd about the files of a tokenizer, though they load: entries that can never match, and files that contradict
// each other. Published vocabularies have all of it.
// Layer: tokenizer.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ultrafastbert/core/token.hpp"
#include "ultrafastbert/tokenizer/special_role.hpp"

namespace ultrafastbert {

/// An entry of a vocabulary that no text can lead to.
struct unreachable_entry {
  token_id id = 0;      ///< the row of the word embedding that it takes
  std::string token{};  ///< its spelling; empty for a blank entry
  friend bool operator==(const unreachable_entry&, const unreachable_entry&) = default;
};

/// Entries of one kind: how many there are, and which the first of them are.
struct unreachable_entries {
  static constexpr std::size_t most_listed = 100;  ///< bounds what a hostile file can make the report hold

  std::size_t count = 0;
  std::vector<unreachable_entry> first{};  ///< the first `most_listed` of them, in the order of the file

  /// Notes one more. Throws: std::bad_alloc.
  void add(token_id id, std::string_view token) {
    ++count;
    if (first.size() < most_listed) first.push_back({.id = id, .token = std::string(token)});
  }
};

/// A special token that two files spell differently.
struct special_token_conflict {
  special_role role = special_role::mask;
  std::string used{};     ///< the spelling that counts
  std::string ignored{};  ///< the other spelling
  std::string file{};     ///< the file that has the other spelling
  friend bool operator==(const special_token_conflict&, const special_token_conflict&) = default;
};

/// A setting of tokenizer_config.json that a tokenizer.json contradicts, which counts.
struct setting_conflict {
  std::string key{};   ///< of tokenizer_config.json, which has the opposite of `used`
  bool used = false;   ///< what the tokenizer.json says
  std::string file{};  ///< the tokenizer_config.json
  friend bool operator==(const setting_conflict&, const setting_conflict&) = default;
};

/// What loading a tokenizer noticed. An unremarkable tokenizer has an empty report.
struct tokenizer_report {
  unreachable_entries blank{};     ///< entries of zero bytes: blank lines of a vocab.txt, and keys ""
  unreachable_entries repeated{};  ///< lines of a vocab.txt and Unigram tokens that a later, equal one replaces
  std::vector<special_token_conflict> conflicts{};
  std::vector<setting_conflict> settings{};

  /// Whether there is nothing to report.
  [[nodiscard]] bool empty() const noexcept {
    return blank.count == 0 && repeated.count == 0 && conflicts.empty() && settings.empty();
  }
};

}  // namespace ultrafastbert
