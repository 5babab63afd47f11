// SPDX-License-Identifier: MIT
//
// Texts for the example programs, exactly as they were typed on the command line or piped in. A positional list of
// CLI11 will not do for them: it takes "[CLS] a [SEP]" for a list in brackets and "{}" for an empty one.
#pragma once

#include <CLI/CLI.hpp>
#include <algorithm>
#include <string>
#include <vector>

namespace examples {

/// Describes the texts in the help. CLI11 shows this list but puts nothing into it, because it expects no value of its
/// own accord; the texts stay among what CLI11 did not recognize, untouched.
inline void add_texts(CLI::App& app, const std::string& name, const std::string& description) {
  app.add_option(name, CLI::callback_t{}, description)->expected(0, -1)->type_name("TEXT");
  app.allow_extras();
}

/// The texts on the command line, to be asked for in the final callback of the parser. What begins with a dash, numbers
/// apart, is a text only after a "--". Throws: CLI::ExtrasError if an option before it is unknown.
inline std::vector<std::string> texts_of(const CLI::App& app) {
  std::vector<std::string> texts = app.remaining();
  const auto mark = std::find(texts.begin(), texts.end(), "--");
  const auto unknown = std::find_if(texts.begin(), mark, [](const std::string& text) {
    return text.size() > 1 && text.front() == '-' && (text[1] < '0' || text[1] > '9');
  });
  if (unknown != mark) {
    throw CLI::ExtrasError("no such option: " + *unknown + " (write -- before texts that begin with a dash)",
                           CLI::ExitCodes::ExtrasError);
  }
  if (mark != texts.end()) texts.erase(mark);
  return texts;
}

}  // namespace examples
