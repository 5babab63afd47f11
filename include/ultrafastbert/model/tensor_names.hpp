// SPDX-License-Identifier: MIT
//
// Where a checkpoint of the crammed layout keeps its tensors: below which prefix, and under which of the tied names.
// Layer: model.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "ultrafastbert/encoder/config.hpp"
#include "ultrafastbert/encoder/prediction_head.hpp"
#include "ultrafastbert/model/config_json.hpp"

namespace ultrafastbert::models {

/// Names that depend on how the checkpoint was saved.
struct tensor_names {
  std::string root{};       ///< before every name: "module." in files of parallel training, else empty
  std::string encoder{};    ///< before the encoder's names: root + "encoder.", or root where the encoder is the model
  std::string embedding{};  ///< the word matrix
  std::string decoder{};    ///< the decoder's copy of it
  std::string words{};      ///< the one of the two to read

  /// The names in `source`. Word embedding and decoder are one parameter; where a file has both, the training code's
  /// loader ends with the decoder's copy.
  template <class Source>
  [[nodiscard]] static tensor_names of(const Source& source) {
    for (const char* root : {"", "module."}) {
      for (const char* encoder : {"encoder.", ""}) {
        if (auto names = make(root, encoder); source.contains(names.embedding)) return chosen(source, std::move(names));
      }
      if (auto names = make(root, "encoder."); source.contains(names.decoder)) return chosen(source, std::move(names));
    }
    return chosen(source, make("", "encoder."));
  }

  /// Takes from the tensors what they tell better than the configuration: the vocabulary size where it is left open,
  /// and biases that are there although the configuration denies them.
  template <class Source>
  void complete(const Source& source, checkpoint_config& config) const {
    encoder_config& model = config.encoder;
    if (!config.vocabulary_size_known && source.contains(words)) {
      const auto shape = source.shape(words);
      model.vocabulary_size = shape.empty() ? 0 : shape.front();
    }
    auto* dense = std::get_if<dense_feedforward_config>(&model.feedforward);
    for (std::size_t i = 0; i < model.layers; ++i) {
      const std::string layer = encoder + "layers." + std::to_string(i) + '.';
      const auto has = [&](const char* name) { return source.contains(layer + name); };
      model.query_key_value_bias = model.query_key_value_bias || has("attn.self_attention.query_key_value.bias");
      model.output_bias = model.output_bias || has("attn.dense.bias");
      if (dense != nullptr) dense->bias = dense->bias || has("ffn.dense_in.bias") || has("ffn.dense_out.bias");
    }
    config.decoder_bias = config.decoder_bias || source.contains(root + "decoder.bias");
  }

 private:
  static tensor_names make(const std::string& root, const std::string& encoder) {
    const std::string prefix = root + encoder;
    return {root, prefix, prefix + "embedding.word_embedding.weight", root + "decoder.weight", {}};
  }

  template <class Source>
  static tensor_names chosen(const Source& source, tensor_names names) {
    names.words = source.contains(names.decoder) ? names.decoder : names.embedding;
    return names;
  }
};

/// Sizes and kinds of a masked language model's prediction head, or nothing where it has none. Whether its dense layer
/// has a bias is the tensors' word.
template <class Source>
[[nodiscard]] std::optional<prediction_head_shape> head_shape_of(const Source& source, const tensor_names& names,
                                                                 const checkpoint_config& config) {
  if (!config.head_transform) return std::nullopt;
  return prediction_head_shape{.width = config.encoder.hidden_size,
                               .bias = config.use_bias || source.contains(names.root + "prediction_head.dense.bias"),
                               .activation = config.encoder.activation,
                               .norm = config.encoder.norm,
                               .norm_epsilon = config.encoder.norm_epsilon};
}

}  // namespace ultrafastbert::models
