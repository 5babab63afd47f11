// SPDX-License-Identifier: MIT
//
// The encoder alone: a checkpoint folder in, one state per token out. Loads bare encoders, and the encoder of models
// that have more.
// Layer: model.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <utility>

#include "ultrafastbert/blas/default_backend.hpp"
#include "ultrafastbert/model/checkpoint_reader.hpp"
#include "ultrafastbert/model/load_options.hpp"
#include "ultrafastbert/model/text_model.hpp"
#include "ultrafastbert/tokenizer/tokenizer.hpp"

namespace ultrafastbert {

/// An encoder without a head. Immutable after loading: share one between any number of threads, and give each thread
/// its own workspace.
template <class Scalar = float, class Backend = default_backend>
class encoder_model : public text_model<Scalar, Backend> {
  using base = text_model<Scalar, Backend>;

 public:
  /// Loads a folder as the hub or the training code lays it out: config.json (or model_config.json), model.safetensors
  /// and, if it is there, tokenizer.json. The tensors of a head are left alone.
  /// Throws: io_error, unsupported (also an instruction set level that the processor lacks), the codes of the JSON,
  ///   safetensors and tokenizer readers, missing_tensor (one error that lists all absent or wrongly shaped tensors),
  ///   unused_tensor (under `strict`), non_finite, std::bad_alloc. Nothing is kept of a failed load.
  /// Complexity: one pass over the weights; peak memory is the model's plus one block of rows.
  [[nodiscard]] static encoder_model load(const std::filesystem::path& folder, const load_options& options = {}) {
    models::checkpoint_reader checkpoint(
        folder, options,
        {"ScriptableLM", "ScriptableLMForPreTraining", "ScriptableLMForSequenceClassification",
         "ScriptableLMForTokenClassification"});
    checkpoint.template need_encoder<encoder_type>();
    checkpoint.check();
    auto text = checkpoint.load_tokenizer();
    encoder_model model(checkpoint.template load_encoder<encoder_type>(), std::move(text));
    checkpoint.finish();
    return model;
  }

  [[nodiscard]] std::size_t bytes() const noexcept { return this->encoder().bytes(); }  ///< memory held by the weights

 private:
  using encoder_type = typename base::encoder_type;

  encoder_model(encoder_type encoder, std::optional<ultrafastbert::tokenizer> text)
      : base(std::move(encoder), std::move(text)) {}
};

}  // namespace ultrafastbert
