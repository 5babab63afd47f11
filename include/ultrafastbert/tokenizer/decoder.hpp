// SPDX-License-Identifier: MIT
//
// Decoders: join the spellings of tokens to text.
// Layer: tokenizer.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace ultrafastbert::tokenizers {

/// Tokens with a space between them (`decoder: null`).
struct spaced_decoder {
  static void append(std::string& out, std::string_view token, bool first) {
    if (!first) out += ' ';
    out += token;
  }
};

/// Joins continuing tokens to the ones before and, with `cleanup`, removes the spaces that tokenization put before
/// punctuation and English contractions. The clean-up sees one token at a time, with the space before it, as the
/// reference does: "don ' t" keeps its spaces.
struct wordpiece_decoder {
  std::string prefix{};
  bool cleanup = true;

  void append(std::string& out, std::string_view token, bool first) const {
    if (!first && token.substr(0, prefix.size()) == prefix) {
      token.remove_prefix(prefix.size());
      first = true;
    }
    if (!cleanup || (first && token.find(' ') == std::string_view::npos)) {
      spaced_decoder::append(out, token, first);
      return;
    }
    std::string text(first ? "" : " ");
    text += token;
    for (const auto& [artifact, clean] : artifacts) replace_all(text, artifact, clean);
    out += text;
  }

 private:
  // In the order in which they apply; each sees the result of those before.
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 11> artifacts{{
      {" .", "."},
      {" ?", "?"},
      {" !", "!"},
      {" ,", ","},
      {" ' ", "'"},
      {" n't", "n't"},
      {" 'm", "'m"},
      {" do not", " don't"},
      {" 's", "'s"},
      {" 've", "'ve"},
      {" 're", "'re"},
  }};

  static void replace_all(std::string& text, std::string_view from, std::string_view to) {
    std::size_t at = text.find(from);
    if (at == std::string::npos) return;
    std::string out;
    std::size_t done = 0;
    for (; at != std::string::npos; at = text.find(from, done)) {
      out.append(text, done, at - done).append(to);
      done = at + from.size();
    }
    text = out.append(text, done);
  }
};

using decoder = std::variant<spaced_decoder, wordpiece_decoder>;

}  // namespace ultrafastbert::tokenizers
