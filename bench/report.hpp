// SPDX-License-Identifier: MIT
//
// What the benchmark prints: Markdown tables on standard output as the measurements come in, and JSON at the end.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "timing.hpp"

namespace ufb_bench {

/// A ratio to reach.
struct ratio_goal {
  double ratio = 0;
  bool of_limit = false;  ///< it is a share of what the machine allows, because that is less than what was aimed at
};

/// How outputs compare with the same layer in double precision.
struct row_accuracy {
  std::size_t tokens = 0;       ///< that were compared
  std::size_t other_paths = 0;  ///< tokens on another path, near-ties apart
  std::size_t near_ties = 0;    ///< tokens that took the other way where double precision cannot tell
  double error = 0.0;           ///< |y - reference| / |reference| over the tokens on the same path
};

/// One line of a table: an engine at one batch size.
struct report_row {
  std::string group{};
  std::string case_name{};
  std::size_t batch = 0;
  std::size_t threads = 0;
  std::string storage{};
  std::string engine{};
  std::string isa{};
  timing time{};                       ///< microseconds per token
  std::optional<double> dense_time{};  ///< of the fastest external dense layer, microseconds per token
  std::string dense_backend{};
  std::optional<double> own_dense_time{};  ///< of the library's own prepacked dense layer
  std::optional<double> limit{};  ///< the least that the machine's arithmetic and memory allow, microseconds per token
  std::optional<double> chain{};  ///< of the loads that wait for each other, microseconds per token; for few tokens
  bool verified = false;
  std::optional<ratio_goal> goal{};
  std::optional<row_accuracy> accuracy{};  ///< stands in the JSON only

  [[nodiscard]] std::optional<double> ratio() const;
  [[nodiscard]] std::optional<double> ratio_own() const;
  [[nodiscard]] std::optional<double> share_of_limit() const;
};

/// Collects rows and prints them.
class report {
 public:
  /// Starts a table of report_rows under a heading.
  void begin_table(const std::string& heading);
  void add(const report_row& row);
  /// Starts a table of other columns.
  void begin_table(const std::string& heading, const std::vector<std::string>& columns);
  /// A row of such a table, and the JSON object that it becomes in the file.
  void add(const std::vector<std::string>& cells, std::string json, bool verified);
  /// A line below the current table.
  void note(std::string text) { notes_.push_back(std::move(text)); }
  void end_table();

  [[nodiscard]] bool all_verified() const noexcept { return all_verified_; }
  /// Of the report_row added last, 0 if it has none.
  [[nodiscard]] double last_ratio() const noexcept { return last_ratio_; }
  /// An array of objects. Throws: std::runtime_error if the file cannot be written.
  void write_json(const std::filesystem::path& file) const;

 private:
  std::vector<std::string> json_objects_{};
  double last_ratio_ = 0.0;
  bool all_verified_ = true;
  std::vector<std::string> notes_{};
};

/// A number with about three digits that matter.
[[nodiscard]] std::string short_number(double value);

}  // namespace ufb_bench
