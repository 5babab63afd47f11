// SPDX-License-Identifier: MIT
//
// The decoder `WordPiece`: it joins continuing tokens to the ones before and may clean up the spaces between others.
// Layer: tokenizer.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ultrafastbert/io/json_document.hpp"
#include "ultrafastbert/tokenizer/steps/decoder.hpp"

namespace ultrafastbert::tokenizers {

/// Joins continuing tokens to the ones before, and puts a space in front of the others. With `cleanup` it then removes
/// the spaces that tokenization put before punctuation and English contractions. As in the reference, the clean-up sees
/// one token at a time, with the space before it: "don ' t" keeps its spaces.
class wordpiece_decoder : public decoder {
 public:
  wordpiece_decoder(std::string prefix, bool cleanup) : prefix_(std::move(prefix)), cleanup_(cleanup) {}

  void apply(std::vector<std::string>& parts) const override {
    for (std::size_t i = 0; i < parts.size(); ++i) {
      std::string& part = parts[i];
      if (i != 0) {
        if (part.compare(0, prefix_.size(), prefix_) == 0) {
          part.erase(0, prefix_.size());
        } else {
          part.insert(0, 1, ' ');
        }
      }
      if (!cleanup_ || part.find(' ') == std::string::npos) continue;
      for (const auto& [artifact, clean] : artifacts) replace_all(part, artifact, clean);
    }
  }

 private:
  // They apply in this order, and each sees the result of those before it.
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

  std::string prefix_;
  bool cleanup_;
};

/// Reads a `WordPiece` decoder. Throws: bad_type, missing_key.
inline void read_wordpiece_decoder(const json_value& value, decoder_list& steps) {
  std::string prefix = value.at("prefix").as_string();
  steps.push_back(std::make_unique<const wordpiece_decoder>(std::move(prefix), value.at("cleanup").as_boolean()));
}

}  // namespace ultrafastbert::tokenizers
