// SPDX-License-Identifier: MIT
//
// Options that take words.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "ultrafastbert/kernels/isa.hpp"

namespace ufb_bench {

template <class Value>
using word_map = std::map<std::string, Value, std::less<>>;

/// The levels of the library's kernels.
inline const word_map<ultrafastbert::isa_level> isa_levels{{"automatic", ultrafastbert::isa_level::automatic},
                                                           {"portable", ultrafastbert::isa_level::portable},
                                                           {"neon", ultrafastbert::isa_level::neon},
                                                           {"avx2", ultrafastbert::isa_level::avx2},
                                                           {"avx512", ultrafastbert::isa_level::avx512}};

/// What a word stands for. Throws: CLI::ValidationError, which names the words that there are.
template <class Value>
[[nodiscard]] Value value_of(const std::string& option, const word_map<Value>& words, std::string_view word) {
  const auto found = words.find(word);
  if (found != words.end()) return found->second;
  std::string names;
  for (const auto& [name, value] : words) names.append(names.empty() ? "" : ", ").append(name);
  throw CLI::ValidationError(option, "takes one of " + names);
}

/// Adds an option that takes a word.
template <class Value>
CLI::Option* add_word(CLI::App& app, const std::string& option, Value& to, const word_map<Value>& words,
                      const std::string& text) {
  const auto set = [&to, &words, option](const std::string& word) { to = value_of(option, words, word); };
  return app.add_option_function<std::string>(option, set, text);
}

/// Adds an option that takes words with commas between them.
template <class Value>
CLI::Option* add_words(CLI::App& app, const std::string& option, std::vector<Value>& to, const word_map<Value>& words,
                       const std::string& text) {
  const auto set = [&to, &words, option](const std::vector<std::string>& given) {
    to.clear();
    for (const std::string& word : given) to.push_back(value_of(option, words, word));
  };
  return app.add_option_function<std::vector<std::string>>(option, set, text)->delimiter(',');
}

}  // namespace ufb_bench
