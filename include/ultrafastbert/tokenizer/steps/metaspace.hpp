// SPDX-License-Identifier: MIT
//
// `Metaspace` as a pre-tokenizer: spaces become a character that can be seen, U+2581 as a rule, with which words start.
// Source: SentencePiece, arXiv 1808.06226.
// Layer: tokenizer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/io/json_document.hpp"
#include "ultrafastbert/tokenizer/steps/pre_tokenizer.hpp"
#include "ultrafastbert/tokenizer/steps/split.hpp"
#include "ultrafastbert/tokenizer/steps/split_behavior.hpp"
#include "ultrafastbert/tokenizer/steps/utf8.hpp"

namespace ultrafastbert::tokenizers {

/// Which pieces get the replacement in front if they do not start with it.
enum class prepend_scheme : std::uint8_t {
  always,  ///< all
  first,   ///< the one at the very start of the text
  never,   ///< none
};

/// What a `Metaspace` says, as a pre-tokenizer or as a decoder.
struct metaspace_options {
  std::string replacement{};  ///< one character
  prepend_scheme prepend = prepend_scheme::always;
  bool split = true;  ///< whether a word that the replacement starts is a piece of its own
};

/// Replaces the spaces, and cuts nothing.
class metaspace_pre_tokenizer : public pre_tokenizer {
 public:
  explicit metaspace_pre_tokenizer(metaspace_options options) : options_(std::move(options)) {}

  void apply(pre_tokenized_text& text) const override {
    text.rewrite_pieces([this](normalized_text& all, const byte_range& piece) { replace_spaces(all, piece); });
  }

 private:
  void replace_spaces(normalized_text& all, const byte_range& piece) const {
    const std::string_view written = all.text().substr(piece.begin, piece.end - piece.begin);
    const bool marked = written.front() == ' ' || written.starts_with(options_.replacement);
    const bool wanted = options_.prepend == prepend_scheme::always ||
                        (options_.prepend == prepend_scheme::first && all.origin(piece.begin) == 0);
    if (wanted && !marked) all.put(options_.replacement, all.origin(piece.begin));
    std::size_t done = 0;
    for (std::size_t at = written.find(' '); at != std::string_view::npos; at = written.find(' ', done)) {
      all.keep(piece.begin + done, piece.begin + at);
      all.put(options_.replacement, all.origin(piece.begin + at));
      done = at + 1;
    }
    all.keep(piece.begin + done, piece.end);
  }

  metaspace_options options_;
};

/// Reads the options of a `Metaspace`. Old files say `add_prefix_space`, which has to agree with `prepend_scheme`, and
/// `str_rep`, which says nothing new.
/// Throws: bad_type, bad_value, missing_key.
[[nodiscard]] inline metaspace_options read_metaspace_options(const json_value& value) {
  const json_value replacement = value.at("replacement");
  metaspace_options out{.replacement = replacement.as_string()};
  if (count_code_points(out.replacement) != 1) replacement.fail_value("one character", excerpt(out.replacement));
  if (const auto scheme = value.find("prepend_scheme")) {
    const std::string& word = scheme->as_string();
    if (word == "first") {
      out.prepend = prepend_scheme::first;
    } else if (word == "never") {
      out.prepend = prepend_scheme::never;
    } else if (word != "always") {
      scheme->fail_value("always, first or never", excerpt(word));
    }
  }
  if (const auto add = value.find("add_prefix_space"); add && !add->is_null()) {
    if (!add->as_boolean() && out.prepend != prepend_scheme::never) {
      add->fail_value("true, or never as prepend_scheme", "false");
    }
  }
  if (const auto split = value.find("split"); split && !split->is_null()) out.split = split->as_boolean();
  return out;
}

/// Reads a `Metaspace` pre-tokenizer. Throws: bad_type, bad_value, missing_key.
inline void read_metaspace_pre_tokenizer(const json_value& value, pre_tokenizer_list& steps) {
  metaspace_options options = read_metaspace_options(value);
  auto words =
      std::make_unique<const split_at_string>(options.replacement, piece_splitter(split_behavior::merged_with_next));
  const bool split = options.split;
  steps.push_back(std::make_unique<const metaspace_pre_tokenizer>(std::move(options)));
  if (split) steps.push_back(std::move(words));
}

}  // namespace ultrafastbert::tokenizers
