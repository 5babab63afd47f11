// SPDX-License-Identifier: MIT
//
// Lines for the example programs as they come: answers are given before the input ends, and lines that are there
// already are computed together. On a terminal a line on standard error says how far the program is.
#pragma once

#include <unistd.h>
#include <chrono>
#include <cstddef>
#include <iomanip>
#include <iostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace examples {

/// Some neighboring lines of the input.
struct line_group {
  std::size_t first = 0;  ///< number of the first one, from 0
  std::vector<std::string> lines{};
};

/// The lines of standard input in groups: as many as are waiting, at most `most`. A group ends where the reader would
/// have to wait, so that whoever types a line gets its answer. Without lines of input it hands out those it was given.
class line_reader {
 public:
  explicit line_reader(std::vector<std::string> given, std::size_t most = 64) : given_(std::move(given)), most_(most) {
    std::ios::sync_with_stdio(false);  // only so does the stream know what is waiting
  }

  /// The next group; false at the end of the input. An end of line may be that of Windows.
  [[nodiscard]] bool next(line_group& group) {
    group.first += group.lines.size();
    group.lines.clear();
    if (!given_.empty()) {
      while (taken_ < given_.size() && group.lines.size() < most_) group.lines.push_back(given_[taken_++]);
      return !group.lines.empty();
    }
    for (std::string line; group.lines.size() < most_ && std::getline(std::cin, line);) {
      if (line.ends_with('\r')) line.pop_back();
      group.lines.push_back(std::move(line));
      if (std::cin.rdbuf()->in_avail() <= 0) break;
    }
    return !group.lines.empty();
  }

 private:
  std::vector<std::string> given_;
  std::size_t taken_ = 0;
  std::size_t most_;
};

/// How far a program is, on one line of standard error that is written over; only if that is a terminal and standard
/// output is none, as the two would mix.
class progress {
 public:
  progress() : shown_(::isatty(STDERR_FILENO) == 1 && ::isatty(STDOUT_FILENO) == 0) {}
  progress(const progress&) = delete;
  progress& operator=(const progress&) = delete;
  ~progress() {
    if (shown_ && count_ != 0) std::cerr << '\n';
  }

  void add(std::size_t texts) {
    count_ += texts;
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    if (!shown_ || seconds - last_ < 0.1) return;
    last_ = seconds;
    std::cerr << '\r' << count_ << " texts, " << std::fixed << std::setprecision(1)
              << static_cast<double>(count_) / seconds << " a second" << std::flush;
  }

 private:
  bool shown_;
  std::size_t count_ = 0;
  double last_ = 0.0;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// Lines that were passed over, where the caller wants that; else the first one ends the program.
class bad_lines {
 public:
  explicit bad_lines(bool skip) : skip_(skip) {}

  /// Throws std::runtime_error naming the line unless such lines are passed over.
  void note(std::size_t line, std::string_view message) {
    const std::string text = "line " + std::to_string(line + 1) + ": " + std::string(message);
    if (!skip_) throw std::runtime_error(text);
    ++count_;
    std::cerr << "skipped " << text << '\n';
  }

  /// Says how many there were, if any.
  void report() const {
    if (count_ != 0) std::cerr << "skipped: " << count_ << (count_ == 1 ? " line" : " lines") << '\n';
  }

 private:
  bool skip_;
  std::size_t count_ = 0;
};

}  // namespace examples
