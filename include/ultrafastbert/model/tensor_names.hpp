// SPDX-License-Identifier: MIT
//
// Where a checkpoint of the crammed layout keeps its tensors: below which prefix, and under which of the tied names.
// Layer: model.
#pragma once

#include <string>
#include <utility>

#include "ultrafastbert/model/config_json.hpp"

namespace ultrafastbert::detail {

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

  /// Takes the vocabulary size from the word matrix where the configuration leaves it open.
  template <class Source>
  void complete(const Source& source, checkpoint_config& config) const {
    if (config.vocabulary_size_known || !source.contains(words)) return;
    const auto shape = source.shape(words);
    config.encoder.vocabulary_size = shape.empty() ? 0 : shape.front();
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

}  // namespace ultrafastbert::detail
