// SPDX-License-Identifier: MIT
//
// A trie of spellings, such as the tokens of a vocabulary.
// Layer: tokenizer.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/tokenizer/vocabulary.hpp"

namespace ultrafastbert::tokenizers {

/// Where spellings come from, as errors name it.
struct spelling_source {
  std::string_view file{};
  std::string_view where{};
};

/// Immutable. Nodes lie in the order of their depth, the children of a node side by side in the order of their bytes;
/// they end where those of the next node start.
class piece_trie {
 public:
  /// Most nodes, beside the root. There is one for each different beginning of a spelling.
  static constexpr std::size_t most_nodes = std::size_t{1} << 22U;

  /// A trie of all tokens of the model of the tokenizer `file`. Of equal tokens the last one counts; an empty one is
  /// never found. Throws: limit_exceeded (more than `most_nodes`).
  /// Complexity: n log n in the bytes of the tokens.
  piece_trie(const vocabulary& tokens, std::string_view file)
      : piece_trie(tokens.model_size(), [&tokens](std::uint32_t i) { return tokens.model_token(i); },
                   {.file = file, .where = "$.model.vocab"}) {}

  /// A trie of `count` spellings, which `spelling(i)` gives as std::string_view. Of equal ones the last one counts; an
  /// empty one is never found. Throws: limit_exceeded (more than `most_nodes`). Complexity: n log n in their bytes.
  /// Pre: count < 2^32.
  template <class Spelling>
  piece_trie(std::size_t count, const Spelling& spelling, const spelling_source& source) {
    std::vector<std::uint32_t> sorted(count);
    for (std::size_t i = 0; i < sorted.size(); ++i) sorted[i] = static_cast<std::uint32_t>(i);
    std::sort(sorted.begin(), sorted.end(), [&spelling](std::uint32_t a, std::uint32_t b) {
      const int order = spelling(a).compare(spelling(b));
      return order != 0 ? order < 0 : a < b;
    });
    const std::size_t nodes = count_nodes(spelling, sorted);
    if (nodes > most_nodes) fail_size(source);
    nodes_.reserve(nodes + 2);
    bytes_.reserve(nodes + 1);
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

  /// The sorted spellings that share their first bytes.
  struct group {
    std::uint32_t begin = 0;
    std::uint32_t end = 0;
  };

  /// Number of nodes beside the root.
  template <class Spelling>
  [[nodiscard]] static std::size_t count_nodes(const Spelling& spelling, const std::vector<std::uint32_t>& sorted) {
    std::size_t count = 0;
    std::string_view last;
    for (const std::uint32_t each : sorted) {
      const std::string_view now = spelling(each);
      const auto shared = std::mismatch(last.begin(), last.end(), now.begin(), now.end()).second - now.begin();
      count += now.size() - static_cast<std::size_t>(shared);
      last = now;
    }
    return count;
  }

  [[noreturn, gnu::cold, gnu::noinline]] static void fail_size(const spelling_source& source) {
    fail(error_code::limit_exceeded,
         {.file = std::string(source.file),
          .where = std::string(source.where),
          .expected = "tokens with at most " + std::to_string(most_nodes) + " different beginnings together",
          .found = "more"});
  }

  template <class Spelling>
  void grow(const Spelling& spelling, const std::vector<std::uint32_t>& sorted) {
    std::vector<group> groups{
        {.begin = 0, .end = static_cast<std::uint32_t>(sorted.size())}};  // of the nodes of a depth
    std::vector<group> deeper;
    nodes_.emplace_back();
    bytes_.push_back(0);
    std::size_t at = 0;
    for (std::size_t depth = 0; !groups.empty(); ++depth) {
      const auto byte_of = [&](std::uint32_t i) { return static_cast<unsigned char>(spelling(sorted[i])[depth]); };
      deeper.clear();
      for (group rest : groups) {
        while (rest.begin < rest.end && spelling(sorted[rest.begin]).size() == depth) {
          if (depth > 0) nodes_[at].token = sorted[rest.begin];
          ++rest.begin;
        }
        nodes_[at++].first_child = static_cast<std::uint32_t>(nodes_.size());
        while (rest.begin < rest.end) {
          const unsigned char byte = byte_of(rest.begin);
          std::uint32_t end = rest.begin + 1;
          while (end < rest.end && byte_of(end) == byte) ++end;
          nodes_.emplace_back();
          bytes_.push_back(byte);
          deeper.push_back({.begin = rest.begin, .end = end});
          rest.begin = end;
        }
      }
      std::swap(groups, deeper);
    }
    nodes_.push_back({.first_child = static_cast<std::uint32_t>(nodes_.size())});  // where the last children end
  }

  std::vector<node> nodes_{};
  std::vector<unsigned char> bytes_{};  // the byte that leads to each node
};

}  // namespace ultrafastbert::tokenizers
