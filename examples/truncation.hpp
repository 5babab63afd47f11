// SPDX-License-Identifier: MIT
//
// What the example programs do with texts that have too many tokens. Without --truncate such a text is an error, as a
// model would silently answer another question; with it the end is cut off, and the program says of which texts.
#pragma once

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstddef>
#include <iostream>
#include <string>
#include <vector>

#include "ultrafastbert/tokenizer/tokenizer.hpp"

namespace examples {

struct truncation {
  bool wanted = false;
  std::size_t max_length = 0;  ///< 0: as many tokens as the model takes
};

/// Adds --truncate and --max-length. `has_limit`: whether there is a model, which says how many tokens there may be.
inline void add_truncation(CLI::App& app, truncation& to, bool has_limit) {
  auto* truncate = app.add_flag("--truncate", to.wanted, "cut the end off texts that have too many tokens");
  auto* length = app.add_option("--max-length", to.max_length,
                                std::string("tokens that are left of such a text, special ones included") +
                                    (has_limit ? " (as many as the model takes)" : ""));
  length->needs(truncate)->check(CLI::PositiveNumber);
  if (!has_limit) truncate->needs(length);
}

/// Which texts lose tokens where at most `max_length` are left. Throws: what the tokenizer throws.
inline std::vector<bool> find_truncated(const ultrafastbert::tokenizer& tokenizer,
                                        const std::vector<std::string>& texts, std::size_t max_length) {
  std::vector<bool> truncated;
  for (const std::string& text : texts) {
    truncated.push_back(tokenizer.encode(text, {.max_length = max_length}).truncated);
  }
  return truncated;
}

/// One line on standard error.
inline void print_truncated(std::size_t count, std::size_t texts) {
  std::cerr << "truncated: " << count << " of " << texts << (texts == 1 ? " text" : " texts") << '\n';
}
inline void print_truncated(const std::vector<bool>& truncated) {
  print_truncated(static_cast<std::size_t>(std::count(truncated.begin(), truncated.end(), true)), truncated.size());
}

}  // namespace examples
