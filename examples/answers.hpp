// SPDX-License-Identifier: MIT
//
// Texts that are answered one by one as they come, so that the first answer is there before the last text, and what
// becomes of texts that cannot be computed: the first of them ends the program, or with --skip-bad they are counted.
#pragma once

#include <CLI/CLI.hpp>
#include <cstddef>
#include <iostream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "ultrafastbert/core/error.hpp"

namespace examples {

/// One line on standard output, at once.
inline void print_line(const nlohmann::ordered_json& line) {
  std::cout << line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << '\n' << std::flush;
}

/// Bad texts: how many there were, and what is done about them.
class bad_texts {
 public:
  static void add_option(CLI::App& app, bool& skip) {
    app.add_flag("--skip-bad", skip, "go on behind texts that cannot be computed, and count them");
  }

  bad_texts(bool skip, bool json) : skip_(skip), json_(json) {}

  /// Notes the error of a text and prints it in its place, or throws it with the text's name in front.
  void add(const ultrafastbert::error& problem, const std::string& text) {
    if (!skip_) throw std::runtime_error(text + ": " + problem.what());
    ++count_;
    if (json_) {
      print_line({{"error", ultrafastbert::name(problem.code())}, {"message", problem.what()}});
    } else {
      std::cerr << text << ": " << problem.what() << '\n';
    }
  }

  /// One line on standard error, if texts were to be skipped.
  void print(std::size_t texts) const {
    if (skip_) std::cerr << "skipped: " << count_ << " of " << texts << (texts == 1 ? " text\n" : " texts\n");
  }

  [[nodiscard]] std::size_t count() const noexcept { return count_; }  ///< so far

 private:
  bool skip_;
  bool json_;
  std::size_t count_ = 0;
};

/// Calls `answer` with each text and its name for errors: the given ones, or the lines of standard input if there are
/// none. Returns how many there were.
template <class Answer>
std::size_t for_each_text(const std::vector<std::string>& texts, const Answer& answer) {
  std::size_t number = 0;
  if (!texts.empty()) {
    for (const std::string& text : texts) answer(text, "text " + std::to_string(++number));
    return number;
  }
  for (std::string line; std::getline(std::cin, line);) answer(line, "line " + std::to_string(++number));
  return number;
}

}  // namespace examples
