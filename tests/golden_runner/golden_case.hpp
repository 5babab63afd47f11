// SPDX-License-Identifier: MIT
//
// What every group of golden cases offers the runner: compute without looking at expected values, then compare or dump.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>

#include "support/tensors.hpp"

namespace ufb_test {

using json = nlohmann::json;

/// Thrown by a comparison: why a case failed.
struct mismatch : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Parses JSON as Python writes it: `Infinity` and `NaN` outside strings become null.
[[nodiscard]] inline json parse_python_json(std::string text) {
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (in_string && text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      in_string = !in_string;
    } else if (!in_string) {
      for (const std::string_view word : {"-Infinity", "Infinity", "NaN"}) {
        if (text.compare(i, word.size(), word) == 0) text.replace(i, word.size(), "null");
      }
    }
  }
  return json::parse(text);
}

/// One entry of index.json and the folder it lies in.
struct golden_case {
  std::filesystem::path root{};
  json entry{};

  [[nodiscard]] std::string id() const { return entry.at("id").get<std::string>(); }
  [[nodiscard]] std::string group() const { return entry.at("group").get<std::string>(); }
  [[nodiscard]] int stage() const { return entry.at("stage").get<int>(); }
  [[nodiscard]] std::filesystem::path file(const char* key) const { return root / entry.at(key).get<std::string>(); }
};

/// What was computed: arrays, or a JSON document.
struct golden_result {
  tensor_set tensors{};
  std::optional<json> document{};
};

/// Throws mismatch unless the largest difference is within the tolerance.
template <class T>
void expect_close(const tensor<T>& got, std::span<const double> expected, double tolerance) {
  const double difference = largest_difference<T, double>(got.values, expected);
  if (difference <= tolerance) return;
  std::ostringstream text;
  text << got.name << " differs by " << difference << ", tolerance " << tolerance;
  throw mismatch(text.str());
}

/// Throws mismatch unless all elements are equal.
inline void expect_equal(const tensor<std::int32_t>& got, std::span<const std::int32_t> expected) {
  if (got.values.size() != expected.size()) {
    throw mismatch(got.name + " has " + std::to_string(got.values.size()) + " elements instead of " +
                   std::to_string(expected.size()));
  }
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (got.values[i] != expected[i]) {
      throw mismatch(got.name + '[' + std::to_string(i) + "] is " + std::to_string(got.values[i]) + " instead of " +
                     std::to_string(expected[i]));
    }
  }
}

[[nodiscard]] golden_result compute_layer(const golden_case& golden);
void compare_layer(const golden_case& golden, const golden_result& result);

[[nodiscard]] golden_result compute_leaf_layer(const golden_case& golden);
void compare_leaf_layer(const golden_case& golden, const golden_result& result);

[[nodiscard]] golden_result compute_model(const golden_case& golden);
void compare_model(const golden_case& golden, const golden_result& result);

[[nodiscard]] golden_result compute_classifier(const golden_case& golden, std::string_view architecture);

[[nodiscard]] golden_result compute_end_to_end(const golden_case& golden);
void compare_end_to_end(const golden_case& golden, const golden_result& result);

[[nodiscard]] golden_result compute_tokenizer(const golden_case& golden);
void compare_tokenizer(const golden_case& golden, const golden_result& result);

[[nodiscard]] golden_result compute_container(const golden_case& golden);
void compare_container(const golden_case& golden, const golden_result& result);

}  // namespace ufb_test
