// SPDX-License-Identifier: MIT
//
// What a model family has to say about a checkpoint folder. A family is one file beside this one and one line in
// families.hpp: it recognizes its configurations and turns one, together with the tensors that are there, into a
// description that tasks build models from.
// Layer: model.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ultrafastbert/core/tensor_source.hpp"
#include "ultrafastbert/encoder/config.hpp"
#include "ultrafastbert/encoder/prediction_head.hpp"
#include "ultrafastbert/io/json_document.hpp"
#include "ultrafastbert/model/heads/pooler.hpp"

namespace ultrafastbert {

/// A checkpoint in the terms of this library. Names of tensors are those of the layers, below the given prefixes;
/// `stored_name` turns them into the file's.
struct model_description {
  std::string family{};        ///< name of the family
  std::string architecture{};  ///< class that wrote the checkpoint, or empty
  encoder_config encoder{};
  std::string encoder_prefix{};            ///< before the encoder's names
  std::string words{};                     ///< name of the word matrix to read
  std::vector<std::string> word_copies{};  ///< other names of the same matrix, which may be there, too
  std::vector<std::string> copies{};       ///< the file's names of other tensors that say what another one says
  std::vector<std::string> buffers{};      ///< last words of names that say nothing new, such as "position_ids"
  std::string prediction_head_prefix{};    ///< of a masked language model
  std::optional<prediction_head_shape> prediction_head{};
  std::string decoder{};        ///< name of a masked language model's matrix, or empty where it is the word matrix
  std::string decoder_bias{};   ///< name of a masked language model's bias, or empty for none
  std::string pooler_prefix{};  ///< of a sequence classifier
  std::string head_prefix{};    ///< of a classifier's last layer
  std::string sequence_head_prefix{};  ///< the same of a sequence classifier, or empty where it is no other
  /// The pooler, below "pooler.", that encoders without a head may have; or nothing.
  std::optional<pooler_shape> encoder_pooler{};
  /// From a layer's name to the file's; empty where they are equal.
  std::function<std::string(const std::string&)> stored_name{};
  /// What most likely explains tensors that are missing or of another shape, or empty.
  std::string advice{};
};

/// What a class that wrote checkpoints of a family is, and what loads it here.
struct written_class {
  std::string_view name{};    ///< in the configuration's `architectures`
  std::string_view what{};    ///< such as "a masked language model"
  std::string_view loader{};  ///< such as "masked_lm"
};

/// A family of models.
struct model_family {
  std::string_view name{};
  std::span<const written_class> classes{};
  /// Whether a configuration is the family's by its type, or where it has none, by its keys.
  /// Pre: a configuration without a type names no class and has no key that unnamed.hpp lists. Throws: bad_type.
  bool (*matches)(const json_value& config) = nullptr;
  /// The class that wrote a configuration, or empty where it does not say. Throws: bad_type.
  std::string (*architecture)(const json_value& config) = nullptr;
  /// Throws: missing_key, bad_type, bad_value (which names the key and what is accepted), unsupported.
  model_description (*describe)(const json_value& config, const tensor_source& weights) = nullptr;
  /// The pooler of a sequence classifier. Throws: as `describe`.
  pooler_shape (*pooler)(const json_value& config, const model_description& description) = nullptr;
};

}  // namespace ultrafastbert
