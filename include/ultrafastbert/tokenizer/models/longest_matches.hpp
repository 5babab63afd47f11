// SPDX-License-Identifier: MIT
//
// Finds the longest spelling at every place of a text, in time linear in the text. Text and spellings are read from
// right to left: the longest spelling that ends at a place is then the longest one that starts there.
// Layer: tokenizer.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ultrafastbert/tokenizer/models/piece_automaton.hpp"
#include "ultrafastbert/tokenizer/models/piece_trie.hpp"

namespace ultrafastbert::tokenizers {

/// Immutable, so that threads can share it.
class longest_matches {
 public:
  static constexpr std::uint32_t none = piece_automaton::none;  ///< no spelling starts there

  /// Spellings are numbered in their order; an empty one is never found.
  /// Throws: limit_exceeded (more than `piece_trie::most_nodes` different ends; `source` is named).
  /// Complexity: n log n in the bytes of the spellings; it keeps about 17 bytes for each of them.
  explicit longest_matches(std::vector<std::string> spellings, const spelling_source& source = {})
      : automaton_(make_trie(std::move(spellings), source)) {}

  /// Sets `found[i]` to the number of the longest spelling that starts at byte i of the text, or `none`.
  /// Complexity: linear in the text.
  void find(std::string_view text, std::vector<std::uint32_t>& found) const {
    found.resize(text.size());
    std::uint32_t node = piece_automaton::start;
    for (std::size_t at = text.size(); at > 0; --at) {
      node = automaton_.step(node, static_cast<unsigned char>(text[at - 1]));
      found[at - 1] = automaton_.longest(node);
    }
  }

 private:
  static piece_trie make_trie(std::vector<std::string> spellings, const spelling_source& source) {
    for (std::string& each : spellings) std::reverse(each.begin(), each.end());
    return {spellings.size(), [&spellings](std::uint32_t i) { return std::string_view(spellings[i]); }, source};
  }

  piece_automaton automaton_;
};

}  // namespace ultrafastbert::tokenizers
