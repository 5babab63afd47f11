// SPDX-License-Identifier: MIT
//
// What a normalizer is, and the ways of rewriting a text that several of them share.
// Layer: tokenizer.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

#include "ultrafastbert/io/json_document.hpp"
#include "ultrafastbert/tokenizer/steps/normalized_text.hpp"
#include "ultrafastbert/tokenizer/steps/utf8.hpp"

namespace ultrafastbert::tokenizers {

/// One step of normalization, applied to a text as a whole. Immutable, so that threads can share it.
class normalizer {
 public:
  virtual ~normalizer() = default;

  /// Rewrites the text.
  /// Throws: limit_exceeded (replacements let the text grow out of proportion).
  /// Complexity: linear in the text, if the step does not say otherwise.
  virtual void apply(normalized_text& text) const = 0;

  /// Work for each byte of a text, of which the calls bound the sum. Units: about a nanosecond.
  [[nodiscard]] virtual std::size_t cost() const noexcept { return 4; }
};

/// Steps in the order in which they apply. Without any step a text stays as it is.
using normalizer_list = std::vector<std::unique_ptr<const normalizer>>;

/// Reads a normalizer of one type and appends the steps that it stands for.
/// Throws: bad_type, bad_value, missing_key, limit_exceeded, unsupported.
using normalizer_reader = void (*)(const json_value& value, normalizer_list& steps);

/// Applies the steps. Throws: limit_exceeded (they take more than the text's `restart` allows).
inline void apply_all(const normalizer_list& steps, normalized_text& text) {
  for (const auto& step : steps) {
    text.begin_step(step->cost());
    step->apply(text);
  }
}

/// Replaces the matches that `next_match(text, from)` finds by `content`, which takes the place of a match's last code
/// point. An empty range means that there is no further match.
template <class NextMatch>
void replace_matches(normalized_text& text, std::string_view content, const NextMatch& next_match) {
  byte_range match = next_match(text.text(), std::size_t{0});
  if (match.begin == match.end) return;
  std::size_t done = 0;
  while (match.begin != match.end) {
    text.keep(done, match.begin);
    text.put(content, text.origin(match.end - 1));
    done = match.end;
    match = next_match(text.text(), done);
  }
  text.keep(done, text.text().size());
  text.commit();
}

/// Keeps ASCII as it is and hands each other code point, with the range of its bytes, to `rewrite`, which may keep the
/// range, put something in its place, or drop it.
template <class Rewrite>
void rewrite_non_ascii(normalized_text& text, const Rewrite& rewrite) {
  const std::string_view all = text.text();
  for (std::size_t at = 0; at < all.size();) {
    if (const std::size_t plain = ascii_prefix(all.substr(at)); plain > 0) {
      text.keep(at, at + plain);
      at += plain;
    } else {
      const utf8_step step = decode_utf8(all, at);
      rewrite(step.code_point, byte_range{.begin = at, .end = at + step.length});
      at += step.length;
    }
  }
  text.commit();
}

}  // namespace ultrafastbert::tokenizers
