// SPDX-License-Identifier: MIT
//
// Finds the longest spelling at every place of a text in time that does not depend on how long the spellings are, where
// a walk from each place would take the length of whatever almost fits.
// Source: the automaton of Aho & Corasick, Communications of the ACM 18 (1975), run over text and spellings from right
// to left: the longest spelling that ends there is then the longest one that starts there.
// Layer: tokenizer.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ultrafastbert/tokenizer/models/piece_trie.hpp"

namespace ultrafastbert::tokenizers {

/// Immutable, so that threads can share it.
class longest_matches {
 public:
  static constexpr std::uint32_t none = piece_trie::none;  ///< no spelling starts there

  /// Spellings are numbered in their order; an empty one is never found.
  /// Complexity: n log n in the bytes of the spellings; it keeps about 17 bytes for each of them.
  explicit longest_matches(std::vector<std::string> spellings) : trie_(make_trie(std::move(spellings))) {
    shorter_.assign(trie_.size(), 0);
    longest_.assign(trie_.size(), none);
    // Nodes lie in the order of their depth, so that what a node falls back to is known before it.
    for (std::uint32_t parent = 0; parent < trie_.size(); ++parent) {
      for (std::uint32_t node = trie_.first_child(parent); node < trie_.first_child(parent + 1); ++node) {
        shorter_[node] = parent == 0 ? 0 : step(shorter_[parent], trie_.byte(node));
        const std::uint32_t own = trie_.token(node);
        longest_[node] = own != none ? own : longest_[shorter_[node]];
      }
    }
  }

  /// Sets `found[i]` to the number of the longest spelling that starts at byte i of the text, or `none`.
  /// Complexity: linear in the text.
  void find(std::string_view text, std::vector<std::uint32_t>& found) const {
    found.resize(text.size());
    std::uint32_t node = 0;
    for (std::size_t at = text.size(); at > 0; --at) {
      node = step(node, static_cast<unsigned char>(text[at - 1]));
      found[at - 1] = longest_[node];
    }
  }

 private:
  static piece_trie make_trie(std::vector<std::string> spellings) {
    for (std::string& each : spellings) std::reverse(each.begin(), each.end());
    return {spellings.size(), [&spellings](std::uint32_t i) { return std::string_view(spellings[i]); }};
  }

  /// The node of the longest end of what was read that a spelling may go on from.
  [[nodiscard]] std::uint32_t step(std::uint32_t node, unsigned char byte) const noexcept {
    std::uint32_t next = trie_.child(node, byte);
    while (next == none && node != 0) {
      node = shorter_[node];
      next = trie_.child(node, byte);
    }
    return next == none ? 0 : next;
  }

  piece_trie trie_;
  std::vector<std::uint32_t> shorter_{};  // the node of the longest proper end of a node's bytes
  std::vector<std::uint32_t> longest_{};  // the longest spelling that a node's bytes end with
};

}  // namespace ultrafastbert::tokenizers
