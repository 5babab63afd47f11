// SPDX-License-Identifier: MIT
//
// A trie of spellings, such as the tokens of a vocabulary.
// Layer: tokenizer.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <string_view>
#include <vector>

#include "ultrafastbert/tokenizer/vocabulary.hpp"

namespace ultrafastbert::tokenizers {

/// Immutable. Nodes lie in the order of their depth, the children of a node side by side in the order of their bytes;
/// they end where those of the next node start.
class piece_trie {
 public:
  /// A trie of all tokens of the model. Of equal tokens the last one counts; an empty one is never found.
  /// Complexity: n log n in the bytes of the tokens.
  explicit piece_trie(const vocabulary& tokens)
      : piece_trie(tokens.model_size(), [&tokens](std::uint32_t i) { return tokens.model_token(i); }) {}

  /// A trie of `count` spellings, which `spelling(i)` gives as std::string_view. Of equal ones the last one counts; an
  /// empty one is never found. Complexity: n log n in their bytes.
  template <class Spelling>
  piece_trie(std::size_t count, const Spelling& spelling) {
    std::vector<std::uint32_t> sorted(count);
    for (std::size_t i = 0; i < sorted.size(); ++i) sorted[i] = static_cast<std::uint32_t>(i);
    std::sort(sorted.begin(), sorted.end(), [&spelling](std::uint32_t a, std::uint32_t b) {
      const int order = spelling(a).compare(spelling(b));
      return order != 0 ? order < 0 : a < b;
    });
    grow(spelling, sorted);
  }

  static constexpr std::uint32_t none = (std::numeric_limits<std::uint32_t>::max)();  ///< no node, or no token

  [[nodiscard]] std::size_t size() const noexcept { return bytes_.size(); }  ///< number of nodes; node 0 is the root

  /// The first child of a node; its last one is before the first child of the next node.
  [[nodiscard]] std::uint32_t first_child(std::uint32_t of) const noexcept { return nodes_[of].first_child; }
  [[nodiscard]] std::uint32_t token(std::uint32_t of) const noexcept { return nodes_[of].token; }  ///< or none
  [[nodiscard]] unsigned char byte(std::uint32_t of) const noexcept { return bytes_[of]; }         ///< that leads to it

  /// The child of a node for a byte, or none.
  [[nodiscard]] std::uint32_t child(std::uint32_t parent, unsigned char wanted) const noexcept {
    const unsigned char* const first = bytes_.data() + nodes_[parent].first_child;
    const unsigned char* const last = bytes_.data() + nodes_[parent + 1].first_child;
    const unsigned char* const found = std::lower_bound(first, last, wanted);
    return found == last || *found != wanted ? none : static_cast<std::uint32_t>(found - bytes_.data());
  }

 private:
  struct node {
    std::uint32_t first_child = 0;
    std::uint32_t token = none;
  };

  /// The sorted tokens that share their first bytes.
  struct group {
    std::size_t begin = 0;
    std::size_t end = 0;
    std::size_t depth = 0;
  };

  template <class Spelling>
  void grow(const Spelling& spelling, const std::vector<std::uint32_t>& sorted) {
    std::deque<group> groups{{.begin = 0, .end = sorted.size(), .depth = 0}};  // of the nodes that have no children yet
    nodes_.emplace_back();
    bytes_.push_back(0);
    for (std::size_t at = 0; !groups.empty(); ++at) {
      group rest = groups.front();
      groups.pop_front();
      const auto byte_of = [&](std::size_t i) { return static_cast<unsigned char>(spelling(sorted[i])[rest.depth]); };
      while (rest.begin < rest.end && spelling(sorted[rest.begin]).size() == rest.depth) {
        if (rest.depth > 0) nodes_[at].token = sorted[rest.begin];
        ++rest.begin;
      }
      nodes_[at].first_child = static_cast<std::uint32_t>(nodes_.size());
      while (rest.begin < rest.end) {
        const unsigned char byte = byte_of(rest.begin);
        std::size_t end = rest.begin + 1;
        while (end < rest.end && byte_of(end) == byte) ++end;
        nodes_.emplace_back();
        bytes_.push_back(byte);
        groups.push_back({.begin = rest.begin, .end = end, .depth = rest.depth + 1});
        rest.begin = end;
      }
    }
    nodes_.push_back({.first_child = static_cast<std::uint32_t>(nodes_.size())});  // where the last children end
  }

  std::vector<node> nodes_{};
  std::vector<unsigned char> bytes_{};  // the byte that leads to each node
};

}  // namespace ultrafastbert::tokenizers
