// SPDX-License-Identifier: MIT
//
// Finds spellings in a text in time that does not depend on how long the spellings are, where a walk through a trie
// from each place would take the length of whatever almost fits.
// Source: the automaton of Aho & Corasick, Communications of the ACM 18 (1975).
// Layer: tokenizer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "ultrafastbert/tokenizer/models/piece_trie.hpp"

namespace ultrafastbert::tokenizers {

/// A trie whose nodes know where to go on when no spelling goes on as the text does. It reads a text byte by byte; the
/// node it is at is the longest end of what was read that some spelling starts with. Immutable.
class piece_automaton {
 public:
  static constexpr std::uint32_t none = piece_trie::none;  ///< no spelling
  static constexpr std::uint32_t start = 0;                ///< the node before anything is read

  /// Complexity: linear in the bytes of the spellings; it keeps 8 bytes for each node beside the trie.
  explicit piece_automaton(piece_trie trie) : trie_(std::move(trie)), links_(trie_.size()) {
    // Nodes lie in the order of their depth, so that what a node falls back to is known before it.
    for (std::uint32_t parent = 0; parent < trie_.size(); ++parent) {
      for (std::uint32_t node = trie_.first_child(parent); node < trie_.first_child(parent + 1); ++node) {
        const std::uint32_t shorter = parent == start ? start : step(links_[parent].shorter, trie_.byte(node));
        const bool ends = trie_.token(shorter) != none;
        links_[node] = {.shorter = shorter, .ending = ends ? shorter : links_[shorter].ending};
      }
    }
  }

  /// The node behind `node` and a further byte.
  [[nodiscard]] std::uint32_t step(std::uint32_t node, unsigned char byte) const noexcept {
    std::uint32_t next = trie_.child(node, byte);
    while (next == none && node != start) {
      node = links_[node].shorter;
      next = trie_.child(node, byte);
    }
    return next == none ? start : next;
  }

  /// The longest spelling that ends where `node` is, or `none`.
  [[nodiscard]] std::uint32_t longest(std::uint32_t node) const noexcept {
    const std::uint32_t own = trie_.token(node);
    return own != none ? own : trie_.token(links_[node].ending);
  }

  /// Calls `ended(index)` for each spelling that ends where `node` is, the longest first.
  template <class Ended>
  void endings(std::uint32_t node, const Ended& ended) const {
    if (trie_.token(node) != none) ended(trie_.token(node));
    for (std::uint32_t at = links_[node].ending; at != start; at = links_[at].ending) ended(trie_.token(at));
  }

 private:
  struct link {
    std::uint32_t shorter = start;  // the node of the longest proper end of a node's bytes
    std::uint32_t ending = start;   // the node of the longest proper end that is a spelling; at the start there is none
  };

  piece_trie trie_;
  std::vector<link> links_;
};

}  // namespace ultrafastbert::tokenizers
