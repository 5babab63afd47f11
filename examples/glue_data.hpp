// SPDX-License-Identifier: MIT
//
// The tasks of GLUE and their files as they are published: lines of fields with tabs between them. Quotes are ordinary
// characters, a line ends in LF or CR LF and nowhere else, and a byte order mark in front of the file is no part of it.
// Source: Wang et al., arXiv 1804.07461, and the columns that published readers of these files take.
#pragma once

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <fstream>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lists.hpp"
#include "ultrafastbert/core/error.hpp"

namespace examples {

/// Where the parts of an example stand. Columns count from 0.
struct glue_columns {
  static constexpr std::size_t none = static_cast<std::size_t>(-1);
  static constexpr std::size_t last = static_cast<std::size_t>(-2);  ///< the last one of the header

  std::size_t first = 0;
  std::size_t second = none;
  std::size_t label = none;
};

/// A task of GLUE.
struct glue_task {
  std::string_view name{};
  glue_columns columns{};                    ///< of training and development files
  glue_columns test_columns{};               ///< of files without labels
  std::array<std::string_view, 3> labels{};  ///< in the order of their numbers; none for scores
  std::array<std::string_view, 2> words{};   ///< what models call labels that are numbers
  bool has_header = true;
  bool skips_short_lines = false;  ///< whether lines with too few fields are passed over, as some are published

  /// Its labels, without the places that it leaves empty.
  [[nodiscard]] std::span<const std::string_view> label_names() const {
    const auto end = std::find(labels.begin(), labels.end(), std::string_view{});
    return {labels.begin(), end};
  }
  [[nodiscard]] bool is_regression() const { return labels.front().empty(); }
  [[nodiscard]] bool has_numbers() const { return labels.front() == "0"; }  ///< whether its labels are "0" and "1"
};

/// All tasks.
inline std::span<const glue_task> glue_tasks() {
  constexpr std::size_t none = glue_columns::none;
  constexpr std::size_t last = glue_columns::last;
  static constexpr std::array<glue_task, 9> table{{
      {"CoLA", {3, none, 1}, {1, none, none}, {"0", "1"}, {"unacceptable", "acceptable"}, false},
      {"MNLI", {8, 9, last}, {8, 9, none}, {"contradiction", "entailment", "neutral"}},
      {"MRPC", {3, 4, 0}, {3, 4, none}, {"0", "1"}, {"not_equivalent", "equivalent"}},
      {"QNLI", {1, 2, last}, {1, 2, none}, {"entailment", "not_entailment"}},
      {"QQP", {3, 4, 5}, {1, 2, none}, {"0", "1"}, {"not_duplicate", "duplicate"}, true, true},
      {"RTE", {1, 2, last}, {1, 2, none}, {"entailment", "not_entailment"}},
      {"SST-2", {0, none, 1}, {1, none, none}, {"0", "1"}, {"negative", "positive"}},
      {"STS-B", {7, 8, last}, {7, 8, none}, {}},
      {"WNLI", {1, 2, last}, {1, 2, none}, {"0", "1"}, {"not_entailment", "entailment"}},
  }};
  return table;
}

/// The task of a name in any case, with or without hyphen or underscore. Throws: ultrafastbert::error.
inline const glue_task& find_glue_task(std::string_view wanted) {
  const auto plain = [](std::string_view name) {
    std::string out;
    for (const char c : name) {
      if (c != '-' && c != '_') out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
    return out;
  };
  std::vector<std::string_view> known;
  for (const glue_task& task : glue_tasks()) {
    if (plain(task.name) == plain(wanted)) return task;
    known.push_back(task.name);
  }
  ultrafastbert::fail_input("task", join(known, ", "), ultrafastbert::excerpt(wanted));
}

/// One example of a task.
struct glue_example {
  std::string first{};
  std::optional<std::string> second{};
  std::optional<std::string> label{};  ///< none in test files, and where the annotators did not agree ("-")
  std::size_t line = 0;                ///< of the file, from 1 on
};

/// Reads the examples of a file one after the other.
class glue_reader {
 public:
  /// Opens a file and reads its header. Throws: ultrafastbert::error (it cannot be read, it has no header).
  glue_reader(const glue_task& task, const std::string& file)
      : task_(&task), file_(file), stream_(file, std::ios::binary), columns_(task.columns) {
    using enum ultrafastbert::error_code;
    if (!stream_ || stream_.peek() == std::ifstream::traits_type::eof()) {
      const bool opened = stream_.is_open() && !stream_.bad() && stream_.eof();
      ultrafastbert::fail(io_error, {.file = file, .expected = "lines", .found = opened ? "none" : "no readable file"});
    }
    read_header();
  }

  /// The next example, or nothing behind the last one.
  /// Throws: ultrafastbert::error (a line with too few fields, or not as many as the header has where the label is the
  ///   last one; it cannot be read).
  [[nodiscard]] std::optional<glue_example> next() {
    while (read_line()) {
      if (text_.empty()) {
        ++skipped_;
        continue;
      }
      const auto fields = split(text_, '\t');
      if (!has_all(fields.size())) {
        if (!task_->skips_short_lines) fail_count(fields.size());
        ++skipped_;
        continue;
      }
      return example_of(fields);
    }
    if (stream_.bad())
      ultrafastbert::fail(ultrafastbert::error_code::io_error, {.file = file_, .found = "no next line"});
    return std::nullopt;
  }

  [[nodiscard]] std::size_t skipped() const { return skipped_; }  ///< blank lines, and short ones where they may be
  [[nodiscard]] bool has_labels() const {
    return columns_.label != glue_columns::none;
  }                                                                ///< whether it is no test file
  [[nodiscard]] std::size_t bytes_read() const { return bytes_; }  ///< so far

 private:
  bool read_line() {
    if (std::exchange(is_held_, false)) return true;
    if (!std::getline(stream_, text_)) return false;
    bytes_ += text_.size() + 1;
    if (++line_ == 1 && text_.starts_with("\xEF\xBB\xBF")) text_.erase(0, 3);
    if (text_.ends_with('\r')) text_.pop_back();
    return true;
  }

  // A header tells files without labels apart. CoLA has one in test files alone.
  void read_header() {
    static_cast<void>(read_line());
    const auto names = split(text_, '\t');
    const bool is_test = names.front() == "index" && names.size() == 2;
    if (!task_->has_header && !is_test) {
      is_held_ = true;  // a pipe cannot be read twice
      return;
    }
    width_ = names.size();
    const std::size_t label = columns_.label == glue_columns::last ? width_ - 1 : columns_.label;
    // The names that stand where labels would be if the file had any.
    constexpr std::array<std::string_view, 7> others{"index",     "id",        "sentence", "sentence1",
                                                     "sentence2", "question2", "#2 String"};
    const bool labeled = label < width_ && std::find(others.begin(), others.end(), names[label]) == others.end();
    if (label < width_ && is_label(names[label])) {
      ultrafastbert::fail(
          ultrafastbert::error_code::bad_value,
          {.file = file_, .where = "line 1", .expected = "the header of the published files", .found = "an example"});
    }
    if (!labeled) columns_ = task_->test_columns;
    if (columns_.label == glue_columns::last) columns_.label = label;
    exact_ = labeled && task_->columns.label == glue_columns::last;
    // Lines are as wide as such a header, so that a narrow one would let in lines without the columns that are read.
    if (exact_ && width_ < needed()) {
      ultrafastbert::fail(
          ultrafastbert::error_code::bad_value,
          {.file = file_,
           .where = "line 1",
           .expected = "a header of at least " + std::to_string(needed()) + " fields with tabs between them",
           .found = std::to_string(width_)});
    }
  }

  [[nodiscard]] bool is_label(std::string_view word) const {
    const auto known = task_->label_names();
    if (!task_->is_regression()) return std::find(known.begin(), known.end(), word) != known.end();
    return !word.empty() &&
           std::all_of(word.begin(), word.end(), [](char c) { return c == '.' || (c >= '0' && c <= '9'); });
  }

  [[nodiscard]] std::size_t needed() const {
    std::size_t most = columns_.first;
    for (const std::size_t column : {columns_.second, columns_.label}) {
      if (column != glue_columns::none) most = std::max(most, column);
    }
    return most + 1;
  }

  [[nodiscard]] bool has_all(std::size_t count) const { return exact_ ? count == width_ : count >= needed(); }

  [[noreturn]] void fail_count(std::size_t found) const {
    ultrafastbert::fail(
        ultrafastbert::error_code::bad_value,
        {.file = file_,
         .where = "line " + std::to_string(line_),
         .expected = exact_ ? std::to_string(width_) + " fields with tabs between them, as the header has"
                            : "at least " + std::to_string(needed()) + " fields with tabs between them",
         .found = std::to_string(found)});
  }

  [[nodiscard]] glue_example example_of(const std::vector<std::string_view>& fields) const {
    glue_example out{.first = std::string(fields[columns_.first]), .line = line_};
    if (columns_.second != glue_columns::none) out.second = std::string(fields[columns_.second]);
    if (has_labels() && fields[columns_.label] != "-") out.label = std::string(fields[columns_.label]);
    return out;
  }

  const glue_task* task_;
  std::string file_;
  std::ifstream stream_;
  glue_columns columns_;
  std::string text_{};
  std::size_t line_ = 0;
  std::size_t bytes_ = 0;
  std::size_t width_ = 0;
  std::size_t skipped_ = 0;
  bool exact_ = false;
  bool is_held_ = false;  // the line in text_ is yet to be read
};

}  // namespace examples
