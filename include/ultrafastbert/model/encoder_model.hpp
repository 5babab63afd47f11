// SPDX-License-Identifier: MIT
//
// The encoder alone: a checkpoint folder in, one state per token out. Loads bare encoders, and the encoder of models
// that have more.
// Layer: model.
#pragma once

#include <cstddef>
#include <filesystem>
#include <initializer_list>
#include <optional>
#include <string>
#include <utility>

#include "ultrafastbert/blas/default_backend.hpp"
#include "ultrafastbert/core/aligned_buffer.hpp"
#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/core/matrix_view.hpp"
#include "ultrafastbert/core/token.hpp"
#include "ultrafastbert/core/workspace.hpp"
#include "ultrafastbert/encoder/encoder.hpp"
#include "ultrafastbert/io/checkpoint.hpp"
#include "ultrafastbert/io/safetensors_source.hpp"
#include "ultrafastbert/model/checkpoint_config.hpp"
#include "ultrafastbert/model/load_options.hpp"
#include "ultrafastbert/model/padded_batch.hpp"
#include "ultrafastbert/model/requirements.hpp"
#include "ultrafastbert/model/tensor_names.hpp"
#include "ultrafastbert/tokenizer/tokenizer.hpp"

namespace ultrafastbert {

/// An encoder without a head. Immutable after loading: share one between any number of threads, and give each thread
/// its own workspace.
template <class Scalar = float, class Backend = default_backend>
class encoder_model {
 public:
  /// Loads a folder as the hub or the training code lays it out: config.json (or model_config.json), model.safetensors
  /// and, if it is there, tokenizer.json. The tensors of a head are left alone.
  /// Throws: io_error, unsupported (also an instruction set level that the processor lacks), the codes of the JSON,
  ///   safetensors and tokenizer readers, missing_tensor (one error that lists all absent or wrongly shaped tensors),
  ///   non_finite, std::bad_alloc. Nothing is kept of a failed load.
  /// Complexity: one pass over the weights; peak memory is the model's plus one block of rows.
  [[nodiscard]] static encoder_model load(const std::filesystem::path& folder, const load_options& options = {}) {
    const auto checkpoint = checkpoint_folder::open(folder);
    auto config = detail::read_checkpoint_config(
        checkpoint, {"ScriptableLM", "ScriptableLMForPreTraining", "ScriptableLMForSequenceClassification",
                     "ScriptableLMForTokenClassification"});
    const safetensors weights = checkpoint.open_weights();
    const safetensors_source source(weights, {.allow_non_finite = options.allow_non_finite});
    const auto names = detail::tensor_names::of(source);
    names.complete(source, config);
    detail::tensor_requirements needed;
    encoder_type::for_each_tensor(
        names.encoder, names.words, config.encoder,
        [&needed](std::string name, std::initializer_list<std::size_t> shape) { needed.add(std::move(name), shape); });
    needed.check(source, weights.name());

    std::optional<ultrafastbert::tokenizer> text;
    if (checkpoint.tokenizer()) text = ultrafastbert::tokenizer::load(*checkpoint.tokenizer());
    return encoder_model(encoder_type::load(source, names.encoder, names.words, config.encoder, options.feedforward),
                         std::move(text));
  }

  [[nodiscard]] const ultrafastbert::encoder<Scalar, Backend>& encoder() const noexcept {
    return encoder_;
  }  ///< the stack
  [[nodiscard]] std::size_t hidden_size() const noexcept {
    return encoder_.config().hidden_size;
  }                                                                              ///< columns of a state
  [[nodiscard]] std::size_t bytes() const noexcept { return encoder_.bytes(); }  ///< memory held by the weights

  /// The folder's tokenizer. Throws: invalid_input if the folder has none.
  [[nodiscard]] const ultrafastbert::tokenizer& tokenizer() const {
    if (!tokenizer_) fail_input("tokenizer", "a tokenizer.json in the checkpoint folder", "none");
    return *tokenizer_;
  }

  /// Scratch memory for this model's calls; it grows to the largest call and is then reused.
  [[nodiscard]] workspace make_workspace() const { return workspace{}; }

  /// Final states of a padded batch.
  /// Shapes: ids: (batch, length); mask: (batch, length) with 1 for tokens and 0 for padding, or (batch * length,
  ///   length) with a row of its own for each token, or empty for none; states: (batch * length, hidden_size),
  ///   overwritten, row b * length + s; `trace` may be null.
  /// Throws: invalid_input (an id, length, mask or shape out of range; states is untouched then), std::bad_alloc while
  ///   the workspace grows. Complexity: see `encoder::forward`; no allocation after warm-up.
  void encode(const matrix_view<const token_id>& ids, const matrix_view<const float>& mask,
              const matrix_view<Scalar>& states, workspace& scratch, encoder_trace<Scalar>* trace = nullptr) const {
    detail::encode_padded(encoder_, ids, mask, states, scratch, trace);
  }

  /// As above, into a matrix of its own. Shapes: result: (batch * length, hidden_size). Throws: as above,
  /// std::bad_alloc.
  [[nodiscard]] matrix<Scalar> encode(const matrix_view<const token_id>& ids, const matrix_view<const float>& mask,
                                      workspace& scratch) const {
    matrix<Scalar> states({ids.rows() * ids.cols(), hidden_size()});
    encode(ids, mask, states.view(), scratch);
    return states;
  }

 private:
  using encoder_type = ultrafastbert::encoder<Scalar, Backend>;

  encoder_model(encoder_type encoder, std::optional<ultrafastbert::tokenizer> text)
      : encoder_(std::move(encoder)), tokenizer_(std::move(text)) {}

  encoder_type encoder_;
  std::optional<ultrafastbert::tokenizer> tokenizer_;
};

}  // namespace ultrafastbert
