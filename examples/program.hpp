// SPDX-License-Identifier: MIT
//
// What the example programs do alike: options that most of them have, and how they start and end.
#pragma once

#include <CLI/CLI.hpp>
#include <cstddef>
#include <exception>
#include <ios>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

namespace examples {

/// Checks of options: a number from 1 on, which takes no "-1" for a large one, and a value that is not empty.
inline const auto positive = [](const std::string& value) {
  const bool is_number = value.find_first_not_of("0123456789") == std::string::npos;
  const bool is_positive = is_number && value.find_first_not_of('0') != std::string::npos;
  return is_positive ? std::string{} : std::string("expected a number from 1 on");
};
inline const auto not_empty = [](const std::string& value) {
  return value.empty() ? std::string("expected a value that is not empty") : std::string{};
};

/// Adds --threads.
inline CLI::Option* add_threads(CLI::App& app, std::size_t& to) {
  return app.add_option("--threads", to, "threads that share the work")->check(positive)->capture_default_str();
}

/// One line on standard output, at once. Bytes that are no UTF-8 become U+FFFD.
inline void print_line(const nlohmann::ordered_json& line) {
  std::cout << line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << '\n' << std::flush;
}

/// Reads the command line and calls `run`. Returns the exit status: not 0, behind a message on standard error, if
/// something is wrong, which includes an output that cannot be written.
template <class Run>
int run_program(CLI::App& app, int argc, char** argv, const Run& run) {
  CLI11_PARSE(app, argc, argv);
  std::string message;
  try {
    std::cout.exceptions(std::ios::badbit);  // nothing is computed for an output that takes no more
    run();
    std::cout.flush();
    return 0;
  } catch (const std::ios_base::failure&) {
    message = "standard output cannot be written";
  } catch (const std::exception& problem) {
    message = problem.what();
  }
  std::cout.exceptions(std::ios::goodbit);
  std::cout.flush();  // what was answered before stands before the message
  std::cerr << app.get_name() << ": " << message << '\n';
  return 1;
}

}  // namespace examples
