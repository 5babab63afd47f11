// SPDX-License-Identifier: MIT
//
// The normalizer `StripAccents`, which drops combining marks. Published tokenizers put NFD or NFKD in front of it, so
// that the accents of composed letters are marks of their own.
// Layer: tokenizer.
#pragma once

#include <cstddef>
#include <memory>

#include "ultrafastbert/io/json_document.hpp"
#include "ultrafastbert/tokenizer/steps/normalized_text.hpp"
#include "ultrafastbert/tokenizer/steps/normalizer.hpp"
#include "ultrafastbert/tokenizer/steps/unicode_categories.hpp"

namespace ultrafastbert::tokenizers {

/// Drops combining marks: the categories Mn, Mc and Me.
class strip_accents : public normalizer {
 public:
  [[nodiscard]] std::size_t cost() const noexcept override { return 16; }
  void apply(normalized_text& text) const override {
    if (text.ascii()) return;
    rewrite_non_ascii(text, [&text](char32_t c, const byte_range& place) {
      if (!is_mark(c)) text.keep(place.begin, place.end);
    });
  }
};

/// Reads a `StripAccents`, which has no options.
inline void read_strip_accents(const json_value& /*value*/, normalizer_list& steps) {
  steps.push_back(std::make_unique<const strip_accents>());
}

}  // namespace ultrafastbert::tokenizers
