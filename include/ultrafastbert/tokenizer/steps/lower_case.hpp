// SPDX-License-Identifier: MIT
//
// The normalizer `Lowercase`.
// Layer: tokenizer.
#pragma once

#include <cstddef>
#include <memory>

#include "ultrafastbert/io/json_document.hpp"
#include "ultrafastbert/tokenizer/steps/normalized_text.hpp"
#include "ultrafastbert/tokenizer/steps/normalizer.hpp"
#include "ultrafastbert/tokenizer/steps/unicode_categories.hpp"

namespace ultrafastbert::tokenizers {

/// Puts each code point into lower case by itself, without regard to its context.
class lower_case : public normalizer {
 public:
  [[nodiscard]] std::size_t cost() const noexcept override { return 8; }
  void apply(normalized_text& text) const override {
    for (char& c : text.bytes()) c = lower_ascii(c);
    if (text.ascii()) return;
    rewrite_non_ascii(text, [&text](char32_t c, const byte_range& place) {
      // This is the only code point whose lower case is two code points whatever its context.
      constexpr char32_t capital_i_with_dot = 0x130;
      if (c == capital_i_with_dot) {
        text.put("i\xCC\x87", text.origin(place.begin));
      } else {
        text.put(small_form(c), text.origin(place.begin));
      }
    });
  }

 private:
  static char lower_ascii(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
};

/// Reads a `Lowercase`, which has no options.
inline void read_lower_case(const json_value& /*value*/, normalizer_list& steps) {
  steps.push_back(std::make_unique<const lower_case>());
}

}  // namespace ultrafastbert::tokenizers
