// SPDX-License-Identifier: MIT
//
// What the example programs do with texts that have too many tokens. Without --truncate such a text is an error, as a
// model would silently answer another question; with it the end is cut off, and the program says of which texts.
#pragma once

#include <CLI/CLI.hpp>
#include <cstddef>
#include <iostream>
#include <string>

#include "program.hpp"
#include "ultrafastbert/model/texts/text_options.hpp"
#include "ultrafastbert/tokenizer/tokenizer.hpp"

namespace examples {

struct truncation {
  bool wanted = false;
  std::size_t max_length = 0;  ///< 0: as many tokens as the model takes

  /// For a call of a model. `report` takes what was cut.
  [[nodiscard]] ultrafastbert::text_options options(ultrafastbert::text_report& report) const {
    return {.truncation = wanted, .max_length = max_length, .report = &report};
  }
};

/// Adds --truncate and --max-length, which needs it, and returns the first. `has_limit`: whether there is a model,
/// which says how many tokens there may be.
inline CLI::Option* add_truncation(CLI::App& app, truncation& to, bool has_limit) {
  auto* truncate = app.add_flag("--truncate", to.wanted, "cut the end off texts that have too many tokens");
  auto* length = app.add_option("--max-length", to.max_length,
                                std::string("tokens that are left of such a text, special ones included") +
                                    (has_limit ? " (as many as the model takes)" : ""));
  length->needs(truncate)->check(positive);
  if (!has_limit) truncate->needs(length);
  return truncate;
}

/// Whether a text loses tokens where at most `max_length` are left. Throws: what the tokenizer throws.
inline bool is_truncated(const ultrafastbert::tokenizer& tokenizer, const std::string& text, std::size_t max_length) {
  return tokenizer.encode(text, {.max_length = max_length}).truncated;
}

/// One line on standard error.
inline void print_truncated(std::size_t count, std::size_t texts) {
  std::cerr << "truncated: " << count << " of " << texts << (texts == 1 ? " text" : " texts") << '\n';
}

}  // namespace examples
