// SPDX-License-Identifier: MIT
//
// The names of a classifier's classes, and their scores.
// Layer: model.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/io/json_document.hpp"
#include "ultrafastbert/model/families/json_keys.hpp"
#include "ultrafastbert/model/heads/top_k.hpp"
#include "ultrafastbert/model/loading/model_loader.hpp"

namespace ultrafastbert {

/// One class and how well it fits.
struct label_score {
  std::size_t index = 0;  ///< row of the classifier's head
  std::string label{};    ///< as the configuration names it, or LABEL_<index>
  double logit = 0.0;
  double score = 0.0;  ///< what the classifier's `score_function` makes of the logit
};

/// How logits become scores.
enum class score_function : std::uint8_t {
  softmax,  ///< probabilities of classes that exclude each other
  sigmoid,  ///< a probability for each class by itself
  none,     ///< the logits themselves
};

/// The word for a function, as the pipelines of the transformers package call it.
[[nodiscard]] constexpr std::string_view name(score_function function) noexcept {
  switch (function) {
    case score_function::softmax: return "softmax";
    case score_function::sigmoid: return "sigmoid";
    case score_function::none: return "none";
  }
  return "unknown";
}

namespace models {

/// Most classes of a classifier of sequences, of which each text gets a label and a score for each.
inline constexpr std::size_t most_sequence_classes = std::size_t{1} << 17U;

/// Most classes of a classifier of tokens, each of which gets a score for each: a narrow head of a million rows would
/// make gigabytes of a text of a hundred words.
inline constexpr std::size_t most_token_classes = std::size_t{1} << 14U;

/// The number of a classifier's classes: the rows of its head, whatever the configuration says. At least 1, so that a
/// missing head is reported as such.
[[nodiscard]] inline std::size_t class_count(const model_loader& loader) {
  return (std::max<std::size_t>)(loader.rows_of(loader.description().head_prefix + "weight"), 1);
}

/// Longest label in bytes, since every result has a copy of its labels.
inline constexpr std::size_t longest_label = 512;

/// A class number as id2label spells it; nothing else is accepted, so that no two spellings are one number.
[[nodiscard]] inline std::size_t class_index(const json_value& label, std::string_view key) {
  constexpr std::size_t most_digits = 9;
  const bool digits = std::all_of(key.begin(), key.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (!digits || key.empty() || key.size() > most_digits || (key.size() > 1 && key.front() == '0')) {
    label.fail_value("the number of a class as key", excerpt(key));
  }
  std::size_t index = 0;
  for (const char c : key) index = 10 * index + static_cast<std::size_t>(c - '0');
  return index;
}

/// Refuses a number of classes that the configuration states and the head contradicts. Old files write `_num_labels`.
/// Throws: bad_type, bad_value.
inline void check_class_count(const json_value& root, std::size_t classes) {
  for (const std::string_view key : {std::string_view("num_labels"), std::string_view("_num_labels")}) {
    const auto stated = find_set(root, key);
    if (!stated || stated->as_unsigned() == classes) continue;
    stated->fail_value(std::to_string(classes) + ", the rows of the classifier's head",
                       std::to_string(stated->as_unsigned()));
  }
}

/// The classes' labels: those of `id2label`, which has to name every class and nothing else, or LABEL_<index> where it
/// is absent. The number of classes is the head's.
/// Throws: bad_type (no object of strings), bad_value (a key that is no class number, a gap, more or fewer labels than
///   the head has rows, another `num_labels`), limit_exceeded (a label of more than `longest_label` bytes).
/// Source: `PretrainedConfig.id2label` of the transformers package, which takes gaps and fails later.
[[nodiscard]] inline std::vector<std::string> read_labels(const json_value& root, std::size_t classes) {
  check_class_count(root, classes);
  std::vector<std::string> labels(classes);
  const auto named = find_set(root, "id2label");
  if (!named) {
    for (std::size_t i = 0; i < classes; ++i) labels[i] = "LABEL_" + std::to_string(i);
    return labels;
  }
  std::vector<bool> known(classes, false);
  std::size_t beyond = 0;
  for (const auto& [key, label] : named->members()) {
    const std::size_t index = class_index(label, key);
    const std::string& text = label.as_string();
    if (text.size() > longest_label) io::fail_limit(label.file(), label.path(), "bytes", longest_label);
    if (index >= classes) {
      ++beyond;
      continue;
    }
    labels[index] = text;
    known[index] = true;
  }
  const auto gap = std::find(known.begin(), known.end(), false);
  const std::size_t count = static_cast<std::size_t>(std::count(known.begin(), known.end(), true)) + beyond;
  if (gap != known.end() || beyond != 0) {
    std::string found = std::to_string(count) + (count == 1 ? " label" : " labels");
    if (gap != known.end()) found.append(", none for class ").append(std::to_string(gap - known.begin()));
    named->fail_value(
        "a label for each of the classes 0 to " + std::to_string(classes - 1) + ", the rows of the classifier's head",
        std::move(found));
  }
  return labels;
}

/// The labels of the model that is being loaded. Where its head is missing, nothing is compared with it, because the
/// missing tensor is what has to be said. Throws: limit_exceeded (more than `most` classes), as `read_labels`.
[[nodiscard]] inline std::vector<std::string> labels_of(const model_loader& loader, std::size_t most) {
  const std::string head = loader.description().head_prefix + "weight";
  const std::size_t rows = loader.rows_of(head);
  if (rows == 0) return {"LABEL_0"};
  if (rows > most) {
    fail(error_code::limit_exceeded, {.file = loader.source().name(),
                                      .where = head,
                                      .expected = "at most " + std::to_string(most) + " classes",
                                      .found = std::to_string(rows)});
  }
  return read_labels(loader.config(), rows);
}

/// What the classifier's scores are: `problem_type` where it is set; else sigmoid for one class, softmax for several.
/// Throws: bad_type, bad_value. Source: the text classification pipeline of the transformers package.
[[nodiscard]] inline score_function read_score_function(const json_value& root, std::size_t classes) {
  if (const auto type = find_set(root, "problem_type")) {
    const std::string& word = type->as_string();
    if (word == "multi_label_classification") return score_function::sigmoid;
    if (word == "regression") return score_function::none;
    if (word != "single_label_classification") {
      type->fail_value("'single_label_classification', 'multi_label_classification' or 'regression'", excerpt(word));
    }
  }
  return classes == 1 ? score_function::sigmoid : score_function::softmax;
}

/// Refuses results with so many scores together that a small model and short texts would fill the memory.
/// `most`: scores of one call. Throws: limit_exceeded.
inline void check_scores(std::size_t rows, std::size_t classes, std::size_t most) {
  if (rows <= most / (std::max<std::size_t>)(classes, 1)) return;
  fail(error_code::limit_exceeded,
       {.where = "results",
        .expected = "at most " + std::to_string(most) + " scores in the results of a call: fewer texts at a time",
        .found = std::to_string(classes) + " classes for each of " + std::to_string(rows) + " results"});
}

/// Most scores in the results of a call: with labels of a text, where each has some 64 bytes, and of tokens.
inline constexpr std::size_t most_label_scores = std::size_t{1} << 23U;
inline constexpr std::size_t most_token_scores = std::size_t{1} << 25U;

/// All classes by falling logit. Shapes: logits, labels: (classes).
template <class Scalar>
[[nodiscard]] std::vector<label_score> score_labels(std::span<const Scalar> logits, std::span<const std::string> labels,
                                                    score_function function) {
  std::vector<label_score> scores;
  scores.reserve(logits.size());
  for (const scored_index& best : top_k<Scalar>(logits, logits.size())) {
    double score = best.probability;
    if (function == score_function::sigmoid) score = 1.0 / (1.0 + std::exp(-best.logit));
    if (function == score_function::none) score = best.logit;
    scores.push_back({.index = best.index, .label = labels[best.index], .logit = best.logit, .score = score});
  }
  return scores;
}

}  // namespace models

}  // namespace ultrafastbert
