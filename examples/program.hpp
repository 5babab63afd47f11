// SPDX-License-Identifier: MIT
//
// What the example programs do alike: options that most of them have, and how they start and end.
#pragma once

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <initializer_list>
#include <ios>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

#include "ultrafastbert/core/version.hpp"

namespace examples {

/// Checks of options: a number from 1 on, which takes no "-1" for a large one, and a value that is not empty, which
/// `parse` asks of every option without a default.
inline const auto positive = [](const std::string& value) {
  constexpr std::uint64_t most = 1'000'000'000'000'000;
  std::uint64_t number = 0;
  const char* const end = value.data() + value.size();
  const auto read = std::from_chars(value.data(), end, number);
  const bool is_number = !value.empty() && read.ec == std::errc{} && read.ptr == end;
  return is_number && number > 0 && number <= most ? std::string{}
                                                   : "expected a number from 1 to " + std::to_string(most);
};
inline const auto not_empty = [](const std::string& value) {
  return value.empty() ? std::string("expected a value that is not empty") : std::string{};
};

/// Adds --threads.
inline CLI::Option* add_threads(CLI::App& app, std::size_t& to) {
  return app.add_option("--threads", to, "threads that share the work")->check(positive)->capture_default_str();
}

/// Adds an option that takes words. `find(word)` gives what a word stands for; what it throws says which words there
/// are, and refuses the command line. `shown` is the word of what `to` holds now.
template <class Value, class Find>
CLI::Option* add_word(CLI::App& app, const std::string& option, Value& to, const std::string& shown,
                      const std::string& text, const Find& find) {
  const auto set = [&to, option, find](const std::string& word) {
    try {
      to = find(word);
    } catch (const std::exception& problem) {
      throw CLI::ValidationError(option, problem.what());
    }
  };
  return app.add_option_function<std::string>(option, set, text)->default_str(shown);
}

/// One line on standard output, at once. Bytes that are no UTF-8 become U+FFFD.
inline void print_line(const nlohmann::ordered_json& line) {
  std::cout << line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << '\n' << std::flush;
}

/// How the programs end, which each says at the end of its help.
struct exit_status {
  static constexpr int done = 0;
  static constexpr int failed = 1;
  static constexpr int wrong_command_line = 2;
};

inline constexpr const char* unwritten = "standard output cannot be written";

/// Refuses "--option=" with nothing behind it, as the parser would take the next argument for the value.
/// Throws: CLI::ValidationError.
inline void refuse_open_ends(std::span<char* const> arguments) {
  for (const std::string_view argument : arguments) {
    if (argument == "--") return;
    if (argument.starts_with("--") && argument.find('=') == argument.size() - 1) {
      throw CLI::ValidationError(std::string(argument.substr(0, argument.size() - 1)), "expected a value behind =");
    }
  }
}

/// Reads the command line, with --version, and with a help that ends with examples of calls, in which "@" stands for
/// the program's name, and with the exit statuses. Refuses empty values, but of options that have a default. Returns
/// the status if there is nothing left to do.
inline std::optional<int> parse(CLI::App& app, int argc, char** argv, std::initializer_list<std::string_view> calls) {
  using version = ultrafastbert::version;
  app.name(std::filesystem::path(argc > 0 ? argv[0] : app.get_name().c_str()).filename().string());
  app.set_version_flag("--version",
                       app.get_name() + " (ultrafastbert) " + std::to_string(version::major_number) + "." +
                           std::to_string(version::minor_number) + "." + std::to_string(version::patch_number),
                       "Print the version and exit");
  std::string footer = "Examples:\n";
  for (const std::string_view call : calls) {
    const std::size_t name = call.find('@');
    footer.append("  ").append(call.substr(0, name)).append(app.get_name()).append(call.substr(name + 1)).append("\n");
  }
  // What has no default names something, a folder say, and would be looked for by an empty name, too.
  for (CLI::Option* option : app.get_options()) {
    if (option->get_items_expected_max() > 0 && option->get_default_str().empty()) option->check(not_empty);
  }
  app.footer(footer +
             "\nExit status:\n  0  done\n  1  failed, behind a message on standard error\n  2  wrong command line");
  try {
    refuse_open_ends({argv, static_cast<std::size_t>(std::max(argc, 0))});
    app.parse(argc, argv);
    return std::nullopt;
  } catch (const CLI::ParseError& end) {
    const int status = app.exit(end) == 0 ? exit_status::done : exit_status::wrong_command_line;
    if (std::cout.flush()) return status;
    std::cerr << app.get_name() << ": " << unwritten << '\n';
    return exit_status::failed;
  }
}

/// Calls `run`. Returns what went wrong, which may be that an output cannot be written, or nothing.
template <class Run>
std::string message_of(const Run& run) {
  std::string message;
  try {
    std::cout.exceptions(std::ios::badbit);  // nothing is computed for an output that takes no more
    run();
    std::cout.flush();
  } catch (const std::ios_base::failure&) {
    message = unwritten;
  } catch (const std::exception& problem) {
    message = problem.what();
    if (message.empty()) message = "an error without a message";
  }
  std::cout.exceptions(std::ios::goodbit);
  std::cout.flush();  // what was answered before stands before the message
  return message;
}

/// Reads the command line and calls `run`. Returns the exit status: not 0, behind a message on standard error, if
/// something is wrong, which includes an output that cannot be written.
template <class Run>
int run_program(CLI::App& app, int argc, char** argv, std::initializer_list<std::string_view> calls, const Run& run) {
  if (const auto status = parse(app, argc, argv, calls)) return *status;
  const std::string message = message_of(run);
  if (message.empty()) return exit_status::done;
  std::cerr << app.get_name() << ": " << message << '\n';
  return exit_status::failed;
}

}  // namespace examples
