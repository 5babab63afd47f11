// SPDX-License-Identifier: MIT
//
// Which class of this library a folder is for, and what says so: its modules.json, the class that the configuration
// names, or, in old folders without one, the tensors of a head.
// Layer: model.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include "ultrafastbert/io/checkpoint.hpp"
#include "ultrafastbert/io/json_document.hpp"
#include "ultrafastbert/io/safetensors_source.hpp"
#include "ultrafastbert/io/weight_files.hpp"
#include "ultrafastbert/model/families/families.hpp"
#include "ultrafastbert/model/families/family.hpp"
#include "ultrafastbert/model/families/json_keys.hpp"
#include "ultrafastbert/model/loading/sentence_modules.hpp"

namespace ultrafastbert::models {

/// The class that loads a folder, and why.
struct task_choice {
  std::string loader{};  ///< such as "masked_lm"
  std::string reason{};  ///< such as "architectures names BertForMaskedLM"
};

/// The class that tensors are for.
[[nodiscard]] inline task_choice choose_by_tensors(const model_description& description, const tensor_source& weights) {
  const auto stored = [&](const std::string& name) {
    return description.stored_name ? description.stored_name(name) : name;
  };
  const auto chosen = [&](std::string loader, const std::string& tensor) {
    return task_choice{.loader = std::move(loader), .reason = "no class is named, but there is " + stored(tensor)};
  };
  const std::string& of_sequences = description.sequence_head_prefix;
  const std::string head = description.head_prefix + "weight";
  if (!of_sequences.empty() && weights.contains(stored(of_sequences + "weight"))) {
    return chosen("sequence_classifier", of_sequences + "weight");
  }
  if (weights.contains(stored(head))) {
    const bool pooled = weights.contains(stored(description.pooler_prefix + "dense.weight"));
    return chosen(pooled ? "sequence_classifier" : "token_classifier", head);
  }
  if (description.prediction_head) {
    const std::string dense = description.prediction_head_prefix + "dense.weight";
    if (weights.contains(stored(dense))) return chosen("masked_lm", dense);
  } else if (description.encoder_prefix == "encoder.") {  // a decoder that is the word matrix has no tensors of its own
    return chosen("masked_lm", description.words);
  }
  return {.loader = "encoder_model", .reason = "no class is named, and there are no tensors of a head"};
}

/// Chooses the class for a folder. Nothing is read of the weights but their headers.
/// Throws: io_error, unsupported (no family's configuration), bad_type, the codes of the JSON and safetensors readers,
///   std::bad_alloc.
[[nodiscard]] inline task_choice choose_task(const std::filesystem::path& folder) {
  if (lists_modules(folder)) return {.loader = "embedder", .reason = "there is a modules.json"};
  const checkpoint_folder files = checkpoint_folder::open(folder);
  const json_document document = read_json(files.config());
  const json_value config = document.root();
  const model_family& family = family_of(config);
  const std::string architecture = family.architecture(config);
  const written_class* known = find_class(family, architecture);
  const std::string named = "architectures names " + architecture;
  if (known != nullptr) {
    constexpr std::string_view marks[] = {"sbert_ce_default_activation_function", "sentence_transformers"};
    for (const std::string_view mark : marks) {
      if (known->loader != "sequence_classifier" || !find_set(config, mark)) continue;
      return {.loader = "cross_encoder", .reason = named + ", and " + std::string(mark) + " is set"};
    }
    return {.loader = std::string(known->loader), .reason = named};
  }
  // The loader refuses a class that it does not know, and says why.
  if (!architecture.empty()) return {.loader = "encoder_model", .reason = named};
  const weight_files weights = files.open_weights();
  const safetensors_source source(weights);
  return choose_by_tensors(family.describe(config, source), source);
}

}  // namespace ultrafastbert::models
