// SPDX-License-Identifier: MIT
#include "report.hpp"

#include <array>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <utility>

namespace ufb_bench {

namespace {

std::optional<double> quotient(const std::optional<double>& dense, double own) {
  if (!dense) return std::nullopt;
  return *dense / own;
}

std::string cell(const std::optional<double>& value) { return value ? short_number(*value) : "-"; }

std::string goal_cell(const std::optional<ratio_goal>& goal) {
  if (!goal) return "-";
  return short_number(goal->ratio) + (goal->of_limit ? " (of limit)" : "");
}

std::string json_number(const std::optional<double>& value) {
  if (!value || !std::isfinite(*value)) return "null";
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.6g", *value);
  return text.data();
}

// Names of this program and of libraries: quotes and backslashes are all that could disturb.
std::string json_string(const std::string& text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + '"';
}

// The keys of an accuracy, which are null where nothing was compared.
std::string json_accuracy(const std::optional<row_accuracy>& accuracy) {
  const auto number = [&](auto member) {
    return json_number(accuracy ? std::optional<double>(static_cast<double>((*accuracy).*member)) : std::nullopt);
  };
  return "\"tokens\": " + number(&row_accuracy::tokens) + ", \"other_paths\": " + number(&row_accuracy::other_paths) +
         ", \"near_ties\": " + number(&row_accuracy::near_ties) + ", \"error\": " + number(&row_accuracy::error);
}

std::string json_object(const report_row& row) {
  return "{\"group\": " + json_string(row.group) + ", \"case\": " + json_string(row.case_name) +
         ", \"batch\": " + std::to_string(row.batch) + ", \"threads\": " + std::to_string(row.threads) +
         ", \"storage\": " + json_string(row.storage) + ", \"engine\": " + json_string(row.engine) +
         ", \"isa\": " + json_string(row.isa) + ", \"us_per_token\": " + json_number(row.time.median) +
         ", \"dense_us_per_token\": " + json_number(row.dense_time) +
         ", \"dense_backend\": " + (row.dense_backend.empty() ? "null" : json_string(row.dense_backend)) +
         ", \"ratio\": " + json_number(row.ratio()) + ", \"ratio_own\": " + json_number(row.ratio_own()) +
         ", \"limit_us\": " + json_number(row.limit) + ", \"share_of_limit\": " + json_number(row.share_of_limit()) +
         ", \"chain_us\": " + json_number(row.chain) + ", \"verified\": " + (row.verified ? "true" : "false") +
         ", \"goal\": " + json_number(row.goal ? std::optional(row.goal->ratio) : std::nullopt) +
         ", \"goal_of_limit\": " + (row.goal && row.goal->of_limit ? "true" : "false") + ", " +
         json_accuracy(row.accuracy) + '}';
}

std::string line_of(const std::vector<std::string>& cells) {
  std::string line = "|";
  for (const auto& each : cells) line += ' ' + each + " |";
  return line + '\n';
}

}  // namespace

std::string short_number(double value) {
  const int decimals = value < 10.0 ? 3 : value < 100.0 ? 2 : value < 1000.0 ? 1 : 0;
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.*f", decimals, value);
  return text.data();
}

std::optional<double> report_row::ratio() const { return quotient(dense_time, time.median); }

std::optional<double> report_row::ratio_own() const { return quotient(own_dense_time, time.median); }

std::optional<double> report_row::share_of_limit() const { return quotient(limit, time.median); }

void report::begin_table(const std::string& heading) {
  begin_table(heading, {"case", "batch", "threads", "storage", "engine", "isa", "us/token", "spread", "dense us/token",
                        "fastest dense", "ratio", "ratio, own dense", "limit us", "share of limit", "chain us", "goal",
                        "verified"});
}

void report::begin_table(const std::string& heading, const std::vector<std::string>& columns) {
  std::cout << "\n## " << heading << "\n\n" << line_of(columns) << '|';
  for (std::size_t i = 0; i < columns.size(); ++i) std::cout << "---|";
  std::cout << '\n' << std::flush;
}

void report::add(const report_row& row) {
  add({row.case_name, std::to_string(row.batch), std::to_string(row.threads), row.storage, row.engine, row.isa,
       short_number(row.time.median), short_number(row.time.least) + "-" + short_number(row.time.most),
       cell(row.dense_time), row.dense_backend.empty() ? "-" : row.dense_backend, cell(row.ratio()),
       cell(row.ratio_own()), cell(row.limit), cell(row.share_of_limit()), cell(row.chain), goal_cell(row.goal),
       row.verified ? "yes" : "**NO**"},
      json_object(row), row.verified);
  last_ratio_ = row.ratio().value_or(0.0);
}

void report::add(const std::vector<std::string>& cells, std::string json, bool verified) {
  std::cout << line_of(cells) << std::flush;
  json_objects_.push_back(std::move(json));
  all_verified_ = all_verified_ && verified;
}

void report::end_table() {
  if (!notes_.empty()) std::cout << '\n';
  for (const auto& note : notes_) std::cout << "- " << note << '\n';
  std::cout << std::flush;
  notes_.clear();
}

void report::write_json(const std::filesystem::path& file) const {
  std::ofstream stream(file);
  stream << "[\n";
  for (std::size_t i = 0; i < json_objects_.size(); ++i) {
    stream << "  " << json_objects_[i] << (i + 1 < json_objects_.size() ? ",\n" : "\n");
  }
  stream << "]\n";
  if (!stream.flush()) throw std::runtime_error("cannot write " + file.string());
}

}  // namespace ufb_bench
