// SPDX-License-Identifier: MIT
//
// What a configuration most likely is that names no model type, as those of 2018 and 2019 do not: for error messages
// that say more than which key is missing.
// Layer: model.
#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/io/json_document.hpp"
#include "ultrafastbert/model/families/json_keys.hpp"

namespace ultrafastbert::models {

/// A family, and a key or the beginning of a class's name that only its configurations have.
struct telltale {
  std::string_view sign;
  std::string_view family;
};

/// Beginnings of names of classes. Source: the model classes of the transformers package.
[[nodiscard]] inline std::span<const telltale> telltale_classes() noexcept {
  static constexpr std::array<telltale, 14> table{{
      {"Albert", "ALBERT"},
      {"Bart", "BART"},
      {"Camembert", "CamemBERT"},
      {"Deberta", "DeBERTa"},
      {"DistilBert", "DistilBERT"},
      {"Electra", "ELECTRA"},
      {"Flaubert", "FlauBERT"},
      {"GPT2", "GPT-2"},
      {"MPNet", "MPNet"},
      {"Roberta", "RoBERTa"},
      {"T5", "T5"},
      {"XLMRoberta", "XLM-RoBERTa"},
      {"XLM", "XLM"},
      {"XLNet", "XLNet"},
  }};
  return table;
}

/// Keys, the surest ones first. Source: the configuration classes of the transformers package.
[[nodiscard]] inline std::span<const telltale> telltale_keys() noexcept {
  static constexpr std::array<telltale, 10> table{{
      {"num_hidden_groups", "ALBERT"},
      {"generator_size", "ELECTRA"},
      {"embedding_size", "ELECTRA"},
      {"n_embd", "GPT-2"},
      {"emb_dim", "XLM"},
      {"d_inner", "XLNet"},
      {"d_kv", "T5"},
      {"encoder_layers", "BART"},
      {"sinusoidal_pos_embds", "DistilBERT"},
      {"hidden_dim", "DistilBERT"},
  }};
  return table;
}

/// The last class that the configuration names, or nothing. Throws: bad_type.
[[nodiscard]] inline std::string named_class(const json_value& config) {
  std::string name;
  if (const auto classes = find_set(config, "architectures")) {
    for (const json_value& entry : classes->elements()) name = entry.as_string();
  }
  return name;
}

/// The family that the configuration seems to be of, and what tells so, for the sentence "found ..."; empty if nothing
/// does. Throws: bad_type.
[[nodiscard]] inline std::string guess_family(const json_value& config) {
  const std::string written_by = named_class(config);
  for (const telltale& each : telltale_classes()) {
    if (written_by.starts_with(each.sign)) return std::string(each.family) + ", as the class " + excerpt(written_by);
  }
  if (!written_by.empty()) return {};
  for (const telltale& each : telltale_keys()) {
    if (config.find(each.sign)) return std::string(each.family) + ", as the key " + std::string(each.sign);
  }
  return {};
}

/// What a configuration of no family here is called in an error. Throws: bad_type.
[[nodiscard]] inline std::string describe_unnamed(const json_value& config) {
  if (std::string guess = guess_family(config); !guess.empty()) return "one of " + std::move(guess) + " tells";
  const std::string written_by = named_class(config);
  return written_by.empty() ? "none of the keys that tell one" : "one of " + excerpt(written_by);
}

}  // namespace ultrafastbert::models
