// SPDX-License-Identifier: MIT
//
// Added tokens: spellings that are cut from the raw text before anything else happens, exactly as written.
// Layer: tokenizer.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ultrafastbert/core/token.hpp"

namespace ultrafastbert::detail {

/// A spelling and its id.
struct added_token {
  std::string content{};
  token_id id = 0;
};

/// Finds added tokens in text: leftmost first, the longest of those that start at one place. Immutable.
class added_token_matcher {
 public:
  added_token_matcher() = default;

  /// Pre: spellings are not empty and differ.
  explicit added_token_matcher(std::vector<added_token> tokens) : tokens_(std::move(tokens)) {
    std::sort(tokens_.begin(), tokens_.end(),
              [](const added_token& a, const added_token& b) { return a.content < b.content; });
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
      range& same_start = by_first_byte_[static_cast<unsigned char>(tokens_[i].content[0])];
      if (same_start.begin == same_start.end) same_start.begin = i;
      same_start.end = i + 1;
    }
  }

  [[nodiscard]] std::size_t size() const noexcept { return tokens_.size(); }  ///< number of added tokens

  /// Calls `part(begin, end, id)` for the parts of the text in order: bytes of an added token with its id, bytes
  /// between added tokens with nothing. Parts are not empty.
  /// Complexity: linear in the text, at most times the longest added token.
  template <class Part>
  void split(std::string_view text, const Part& part) const {
    std::size_t done = 0;
    for (std::size_t at = 0; !tokens_.empty() && at < text.size();) {
      const added_token* token = match(text, at);
      if (token == nullptr) {
        ++at;
        continue;
      }
      if (done < at) part(done, at, std::optional<token_id>{});
      done = at + token->content.size();
      part(at, done, std::optional<token_id>(token->id));
      at = done;
    }
    if (done < text.size()) part(done, text.size(), std::optional<token_id>{});
  }

 private:
  struct range {  // of tokens_
    std::size_t begin = 0;
    std::size_t end = 0;
  };

  /// The longest token at `at`, or null. Narrows the sorted spellings byte by byte; a spelling that ends here is the
  /// first of those that remain.
  [[nodiscard]] const added_token* match(std::string_view text, std::size_t at) const noexcept {
    range candidates = by_first_byte_[static_cast<unsigned char>(text[at])];
    const added_token* longest = nullptr;
    for (std::size_t depth = 1; candidates.begin != candidates.end; ++depth) {
      if (tokens_[candidates.begin].content.size() == depth) longest = &tokens_[candidates.begin++];
      if (at + depth >= text.size()) break;
      candidates = narrow(candidates, depth, static_cast<unsigned char>(text[at + depth]));
    }
    return longest;
  }

  /// Those of `candidates` whose byte number `depth` is `wanted`.
  /// Pre: all are longer than `depth` and agree before it.
  [[nodiscard]] range narrow(range candidates, std::size_t depth, unsigned char wanted) const noexcept {
    const auto byte_of = [depth](const added_token& token) { return static_cast<unsigned char>(token.content[depth]); };
    const auto first = tokens_.begin() + static_cast<std::ptrdiff_t>(candidates.begin);
    const auto last = tokens_.begin() + static_cast<std::ptrdiff_t>(candidates.end);
    const auto begin = std::lower_bound(first, last, wanted,
                                        [&](const added_token& token, unsigned char b) { return byte_of(token) < b; });
    const auto end = std::upper_bound(begin, last, wanted,
                                      [&](unsigned char b, const added_token& token) { return b < byte_of(token); });
    return {.begin = static_cast<std::size_t>(begin - tokens_.begin()),
            .end = static_cast<std::size_t>(end - tokens_.begin())};
  }

  std::vector<added_token> tokens_{};  // ordered by spelling
  std::array<range, 256> by_first_byte_{};
};

}  // namespace ultrafastbert::detail
