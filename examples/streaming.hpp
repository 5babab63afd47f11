// SPDX-License-Identifier: MIT
//
// Texts for the example programs as they come: answers are given before the input ends, and lines that are there
// already are computed together. What becomes of texts that cannot be computed, and how far the program is.
#pragma once

#include <unistd.h>
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <iomanip>
#include <iostream>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "program.hpp"
#include "ultrafastbert/core/error.hpp"

namespace examples {

inline constexpr const char* standard_input = "/dev/stdin";  ///< as the name of a file

/// Refuses to write over the file that texts are read from, of which nothing would be left.
/// Throws: std::runtime_error.
inline void refuse_overwriting(const std::string& output, const std::string& input) {
  std::error_code ignored;
  if (std::filesystem::equivalent(output, input, ignored) && std::filesystem::is_regular_file(output, ignored)) {
    throw std::runtime_error(output + " is what the texts are read from");
  }
}

/// Some neighboring texts of the input.
struct text_group {
  std::size_t first = 0;  ///< number of the first one, from 0
  std::vector<std::string> texts{};
};

/// Texts in groups: those that were given, or if there are none the lines of standard input, as many as are waiting, so
/// that whoever types a line gets its answer. An end of line may be that of Windows.
class text_reader {
 public:
  explicit text_reader(std::vector<std::string> given) : given_(std::move(given)) {}

  /// The next group, after the one that `group` holds; false at the end. Throws: std::system_error.
  [[nodiscard]] bool next(text_group& group) {
    group.first += group.texts.size();
    group.texts.clear();
    if (!given_.empty()) {
      const std::size_t end = std::min(group.first + most, given_.size());
      for (std::size_t i = group.first; i < end; ++i) group.texts.push_back(given_[i]);
      return !group.texts.empty();
    }
    do {
      take_lines(group.texts);
    } while (group.texts.empty() && read_more());
    if (group.texts.empty() && !waiting_.empty()) {
      group.texts.push_back(std::exchange(waiting_, {}));
      if (group.texts.back().ends_with('\r')) group.texts.back().pop_back();
    }
    return !group.texts.empty();
  }

  /// Whether the texts are read from standard input.
  [[nodiscard]] bool reads_input() const noexcept { return given_.empty(); }

  /// What messages call a text.
  [[nodiscard]] std::string name(std::size_t number) const {
    return (given_.empty() ? "line " : "text ") + std::to_string(number + 1);
  }

 private:
  static constexpr std::size_t most = 64;  // texts of a group

  void take_lines(std::vector<std::string>& to) {
    std::size_t begin = 0;
    while (to.size() < most) {
      const std::size_t end = waiting_.find('\n', std::max(begin, searched_));
      searched_ = std::min(end, waiting_.size());
      if (end == std::string::npos) break;
      to.push_back(waiting_.substr(begin, end - begin));
      if (to.back().ends_with('\r')) to.back().pop_back();
      begin = end + 1;
    }
    waiting_.erase(0, begin);
    searched_ -= std::min(begin, searched_);
  }

  // Waits for bytes. False at the end of the input.
  bool read_more() {
    constexpr std::size_t most_bytes = std::size_t{1} << 16U;
    const std::size_t before = waiting_.size();
    waiting_.resize(before + most_bytes);
    ssize_t count = 0;
    do {
      count = ::read(STDIN_FILENO, waiting_.data() + before, most_bytes);
    } while (count < 0 && errno == EINTR);
    if (count < 0) throw std::system_error(errno, std::generic_category(), "standard input");
    waiting_.resize(before + static_cast<std::size_t>(count));
    return count != 0;
  }

  std::vector<std::string> given_;
  std::string waiting_{};     // bytes that were read and not handed out
  std::size_t searched_ = 0;  // bytes at their beginning without an end of line
};

/// Whether standard error is a terminal that nothing else is written to meanwhile: neither results, which go to
/// standard output if there are any, nor what is typed there for a program that reads standard input.
inline bool has_terminal(bool prints_results, bool reads_input) {
  return ::isatty(STDERR_FILENO) == 1 && !(prints_results && ::isatty(STDOUT_FILENO) == 1) &&
         !(reads_input && ::isatty(STDIN_FILENO) == 1);
}

/// How far a program is, on standard error: one line that is written over, or lines now and then.
class progress {
 public:
  using milliseconds = std::chrono::milliseconds;

  /// `bytes`: of the whole input, or 0 if nobody knows. `on_terminal`: whether there is a line to write over. Elsewhere
  /// a line follows another one when `pause` is over and the percent is a new one; without a pause there are none.
  progress(std::size_t bytes, bool on_terminal, milliseconds pause = milliseconds(0))
      : bytes_(bytes),
        on_terminal_(on_terminal),
        silent_(!on_terminal && pause == milliseconds(0)),
        pause_(on_terminal ? milliseconds(100) : pause),
        next_(start_ + pause_) {}
  progress(const progress&) = delete;
  progress& operator=(const progress&) = delete;
  ~progress() { end(); }

  /// `bytes_read`: of the input so far.
  void add(std::size_t texts, std::size_t bytes_read = 0) {
    count_ += texts;
    const auto now = clock::now();
    if (silent_ || now < next_) return;
    std::optional<std::size_t> percent;
    if (bytes_ != 0) percent = 100 * std::min(bytes_read, bytes_) / bytes_;
    if (!on_terminal_ && percent && percent == percent_) return;
    percent_ = percent;
    next_ = now + pause_;
    std::ostringstream line;  // written at once, as ranks write to one log
    const double seconds = std::chrono::duration<double>(now - start_).count();
    line << count_ << (count_ == 1 ? " text, " : " texts, ") << std::fixed << std::setprecision(1)
         << static_cast<double>(count_) / seconds << " a second";
    if (percent) line << ", " << *percent << " %";
    print(line.str());
  }

  /// Empties the line, which the next call of `add` fills again, for a message to stand there.
  void clear() {
    if (width_ != 0) write('\r' + std::string(std::exchange(width_, 0), ' ') + '\r');
  }
  /// Leaves the line as it is, and says no more.
  void end() {
    if (std::exchange(width_, 0) != 0) write("\n");
    silent_ = true;
  }

 private:
  using clock = std::chrono::steady_clock;

  void print(const std::string& line) {
    if (!on_terminal_) return write(line + '\n');
    const std::size_t before = std::exchange(width_, line.size());
    write('\r' + line + std::string(before > width_ ? before - width_ : 0, ' '));
  }

  // Not through the stream: it would first flush standard output, which throws if that takes no more.
  static void write(const std::string& text) {
    std::cerr.rdbuf()->sputn(text.data(), static_cast<std::streamsize>(text.size()));
  }

  std::size_t bytes_;
  bool on_terminal_;
  bool silent_;
  milliseconds pause_;
  std::size_t count_ = 0;
  std::optional<std::size_t> percent_{};  // that was said last
  std::size_t width_ = 0;                 // of the line that is on the terminal
  clock::time_point start_ = clock::now();
  clock::time_point next_;
};

/// Texts that cannot be computed: the first of them ends the program, or with --skip-bad they are counted.
class bad_texts {
 public:
  static CLI::Option* add_option(CLI::App& app, bool& skip) {
    return app.add_flag("--skip-bad", skip, "go on behind texts that cannot be computed, and count them");
  }

  /// `in_place`: whether a JSON line with the error stands in the text's place, as answers have no numbers.
  explicit bad_texts(bool skip, bool in_place = false) : skip_(skip), in_place_(in_place) {}

  /// Notes the error of a text, or throws it, with the text's name in front unless the error says where it is.
  /// Throws: std::runtime_error.
  void add(const ultrafastbert::error& problem, const std::string& name = {}) {
    const std::string message = name + (name.empty() ? "" : ": ") + problem.what();
    if (!skip_) throw std::runtime_error(message);
    ++count_;
    if (in_place_) {
      print_line({{"error", ultrafastbert::name(problem.code())}, {"message", problem.what()}});
    } else {
      std::cerr << "skipped " << message << '\n';
    }
  }

  /// One line on standard error, if texts were to be skipped.
  void print(std::size_t texts) const {
    if (skip_) std::cerr << "skipped: " << count_ << " of " << texts << (texts == 1 ? " text\n" : " texts\n");
  }

  [[nodiscard]] std::size_t count() const noexcept { return count_; }  ///< so far

 private:
  bool skip_;
  bool in_place_;
  std::size_t count_ = 0;
};

/// Calls `answer` with each text and its number, from 0, and notes the texts for which it throws
/// ultrafastbert::error. Returns how many texts there were. Throws: what `next` and `add` throw.
template <class Answer>
std::size_t answer_each(std::vector<std::string> given, bad_texts& bad, const Answer& answer) {
  text_reader reader(std::move(given));
  progress shown(0, has_terminal(true, reader.reads_input()));
  std::size_t texts = 0;
  for (text_group group; reader.next(group);) {
    for (const std::string& text : group.texts) {
      const std::size_t number = texts++;
      try {
        answer(text, number);
      } catch (const ultrafastbert::error& problem) {
        shown.clear();
        bad.add(problem, reader.name(number));
      }
      shown.add(1);
    }
  }
  return texts;
}

}  // namespace examples
