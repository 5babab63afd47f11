// SPDX-License-Identifier: MIT
//
// The encoder alone: a checkpoint folder in, one state per token out. Loads bare encoders, and the encoder of models
// that have more.
// Layer: model.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>

#include "ultrafastbert/blas/default_backend.hpp"
#include "ultrafastbert/core/compiled.hpp"
#include "ultrafastbert/model/heads/pooler.hpp"
#include "ultrafastbert/model/loading/load_options.hpp"
#include "ultrafastbert/model/loading/model_loader.hpp"
#include "ultrafastbert/model/texts/text_model.hpp"

namespace ultrafastbert {

/// An encoder without a head. Immutable after loading: share one between any number of threads, and give each thread
/// its own workspace.
template <class Scalar = float, class Backend = default_backend<Scalar>>
class encoder_model : public text_model<Scalar, Backend> {
 public:
  /// Loads a folder as the hub or the training code lays it out: config.json (or model_config.json), model.safetensors
  /// and, if they are there, the files of a tokenizer. The tensors of a head are left alone, but a pooler that the
  /// family's encoders have is taken.
  /// Throws: io_error, unsupported (also an instruction set level that the processor lacks), the codes of the JSON,
  ///   safetensors and tokenizer readers, missing_tensor (one error that lists all absent or wrongly shaped tensors),
  ///   unused_tensor and bad_vocabulary (under `strict`), non_finite, invalid_input (options that contradict each other
  ///   or the backend), canceled (by `progress`), std::bad_alloc. Nothing is kept of a failed load.
  /// Complexity: one pass over the weights; peak memory is the model's plus one block of rows.
  [[nodiscard]] static encoder_model load(const std::filesystem::path& folder, const load_options& options = {});

  /// Memory held by the weights. Units: bytes.
  [[nodiscard]] std::size_t bytes() const noexcept { return this->stack().bytes() + (pooler_ ? pooler_->bytes() : 0); }

  /// The pooler that the folder has beside the encoder, or null. Its `forward` takes final states, as `encode` gives
  /// them, and the sequences' offsets.
  [[nodiscard]] const pooler<Scalar, Backend>* pooling() const noexcept { return pooler_ ? &*pooler_ : nullptr; }

 private:
  explicit encoder_model(model_loader& loader) : text_model<Scalar, Backend>(loader) {
    const auto& shape = loader.description().encoder_pooler;
    if (!shape || loader.rows_of("pooler.dense.weight") == 0) return;
    pooler_.emplace(*shape, loader.head_options());
    pooler_->parameters("pooler.", loader.parameters());
  }

  std::optional<pooler<Scalar, Backend>> pooler_{};
};

template <class Scalar, class Backend>
auto encoder_model<Scalar, Backend>::load(const std::filesystem::path& folder, const load_options& options)
    -> encoder_model {
  model_loader loader(folder, options, {"encoder_model"});
  encoder_model model(loader);
  model.finish_loading(loader);
  return model;
}

UFB_COMPILED_CLASS(encoder_model<float>);

}  // namespace ultrafastbert
