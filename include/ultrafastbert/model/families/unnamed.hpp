// SPDX-License-Identifier: MIT
//
// What a configuration most likely is that names no model type, as those of 2018 and 2019 do not: one of a family of
// this library, or of another one, which an error message names instead of a missing key.
// Layer: model.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/io/json_document.hpp"
#include "ultrafastbert/model/families/json_keys.hpp"

namespace ultrafastbert::models {

/// A family, as `model_family::name` has it if it is one of this library, and a key or the beginning of a class's name
/// that only its configurations have.
struct telltale {
  std::string_view sign;
  std::string_view family;
};

/// Beginnings of names of classes, of two that fit the longer one first. Source: the model classes of the transformers
/// package and of the training code.
[[nodiscard]] inline std::span<const telltale> telltale_classes() noexcept {
  static constexpr std::array<telltale, 16> table{{
      {"Albert", "ALBERT"},
      {"Bart", "BART"},
      {"Bert", "BERT"},
      {"Camembert", "CamemBERT"},
      {"Deberta", "DeBERTa"},
      {"DistilBert", "DistilBERT"},
      {"Electra", "ELECTRA"},
      {"Flaubert", "FlauBERT"},
      {"GPT2", "GPT-2"},
      {"MPNet", "MPNet"},
      {"Roberta", "RoBERTa"},
      {"Scriptable", "crammedBERT"},
      {"T5", "T5"},
      {"XLMRoberta", "RoBERTa"},
      {"XLM", "XLM"},
      {"XLNet", "XLNet"},
  }};
  return table;
}

/// Keys of other families than those of this library, the surest ones first. Source: the configuration classes of the
/// transformers package.
[[nodiscard]] inline std::span<const telltale> telltale_keys() noexcept {
  static constexpr std::array<telltale, 8> table{{
      {"num_hidden_groups", "ALBERT"},
      {"generator_size", "ELECTRA"},
      {"embedding_size", "ELECTRA"},
      {"n_embd", "GPT-2"},
      {"emb_dim", "XLM"},
      {"d_inner", "XLNet"},
      {"d_kv", "T5"},
      {"encoder_layers", "BART"},
  }};
  return table;
}

/// The family that the class or a key of a configuration tells, and what tells so.
struct family_guess {
  std::string_view family{};
  std::string reason{};  ///< such as "the key n_embd"
};

/// The family that a configuration seems to be of, one of this library or not; nothing if nothing tells it. Where a
/// class is named, keys are not looked at. Throws: bad_type.
[[nodiscard]] inline std::optional<family_guess> guess_family(const json_value& config) {
  const std::string written_by = named_class(config);
  for (const telltale& each : telltale_classes()) {
    if (written_by.starts_with(each.sign)) return family_guess{each.family, "the class " + excerpt(written_by)};
  }
  if (!written_by.empty()) return std::nullopt;
  for (const telltale& each : telltale_keys()) {
    if (config.find(each.sign)) return family_guess{each.family, "the key " + std::string(each.sign)};
  }
  return std::nullopt;
}

/// What a configuration of no family here is called in an error. Throws: bad_type.
[[nodiscard]] inline std::string describe_unnamed(const json_value& config, const std::optional<family_guess>& guess) {
  if (guess) return "one of " + std::string(guess->family) + ", as " + guess->reason + " tells";
  const std::string written_by = named_class(config);
  return written_by.empty() ? "none of the keys that tell one" : "one of " + excerpt(written_by);
}

}  // namespace ultrafastbert::models
