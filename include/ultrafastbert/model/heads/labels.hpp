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

namespace models {

/// The number of a classifier's classes: the rows of its head, whatever the configuration says. At least 1, so that a
/// missing head is reported as such.
[[nodiscard]] inline std::size_t class_count(const model_loader& loader) {
  return (std::max<std::size_t>)(loader.rows_of(loader.description().head_prefix + "weight"), 1);
}

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

/// The classes' labels: `id2label` where the configuration has it, LABEL_<index> for classes it leaves out. The number
/// of classes is the head's; labels of further classes are read and dropped.
/// Throws: bad_type (no object of strings), bad_value (a key that is no class number).
/// Source: `PretrainedConfig.id2label` of the transformers package.
[[nodiscard]] inline std::vector<std::string> read_labels(const json_value& root, std::size_t classes) {
  std::vector<std::string> labels(classes);
  for (std::size_t i = 0; i < classes; ++i) labels[i] = "LABEL_" + std::to_string(i);
  const auto named = find_set(root, "id2label");
  if (!named) return labels;
  for (const auto& [key, label] : named->members()) {
    const std::size_t index = class_index(label, key);
    const std::string& text = label.as_string();
    if (index < classes) labels[index] = text;
  }
  return labels;
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
