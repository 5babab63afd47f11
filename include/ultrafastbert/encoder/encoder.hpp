// SPDX-License-Identifier: MIT
//
// The encoder: embedding, a stack of blocks, a final norm if it has one. Token ids in, one state per token out.
// Layer: encoder.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "ultrafastbert/blas/default_backend.hpp"
#include "ultrafastbert/core/matrix_view.hpp"
#include "ultrafastbert/core/tensor_source.hpp"
#include "ultrafastbert/core/token.hpp"
#include "ultrafastbert/core/workspace.hpp"
#include "ultrafastbert/encoder/block.hpp"
#include "ultrafastbert/encoder/config.hpp"
#include "ultrafastbert/encoder/trace.hpp"
#include "ultrafastbert/layers/embedding.hpp"
#include "ultrafastbert/layers/norm.hpp"
#include "ultrafastbert/layers/sequences.hpp"

namespace ultrafastbert {

/// The crammed BERT encoder. Immutable after loading: share it between threads, give each thread its own workspace.
template <class Scalar, class Backend = default_backend>
class encoder {
 public:
  /// Takes `embedding.*`, `layers.<i>.*` and `final_norm.*` below `prefix`, the word matrix from `word_name`.
  /// Throws: what the source throws, unsupported (the processor lacks the level asked for), std::bad_alloc.
  template <tensor_source Source>
  [[nodiscard]] static encoder load(const Source& source, const std::string& prefix, const std::string& word_name,
                                    const encoder_config& config, const feedforward_choices& choices = {}) {
    encoder model(config, embedding<Scalar>::load(source, prefix + "embedding.", word_name, embedding_sizes(config)));
    if (config.final_norm) model.final_norm_ = norm<Scalar>::load(source, prefix + "final_norm.", norm_sizes(config));
    model.layers_.reserve(config.layers);
    for (std::size_t i = 0; i < config.layers; ++i) {
      model.layers_.push_back(block<Scalar, Backend>::load(source, layer_prefix(prefix, i), config, choices));
    }
    return model;
  }

  /// Tells `visit(name, sizes)` every tensor that `load` reads.
  template <class Visitor>
  static void for_each_tensor(const std::string& prefix, const std::string& word_name, const encoder_config& config,
                              Visitor&& visit) {
    embedding<Scalar>::for_each_tensor(prefix + "embedding.", word_name, embedding_sizes(config), visit);
    if (config.final_norm) norm<Scalar>::for_each_tensor(prefix + "final_norm.", norm_sizes(config), visit);
    for (std::size_t i = 0; i < config.layers; ++i) {
      block<Scalar, Backend>::for_each_tensor(layer_prefix(prefix, i), config, visit);
    }
  }

  [[nodiscard]] const encoder_config& config() const noexcept { return config_; }  ///< sizes
  [[nodiscard]] const ultrafastbert::embedding<Scalar>& embedding_layer() const noexcept {
    return embedding_;
  }                                                                                                  ///< words
  [[nodiscard]] std::span<const block<Scalar, Backend>> layers() const noexcept { return layers_; }  ///< the stack
  /// Memory held by the weights and the position table. Units: bytes.
  [[nodiscard]] std::size_t bytes() const noexcept {
    std::size_t sum = embedding_.bytes() + (final_norm_ ? final_norm_->bytes() : 0);
    for (const auto& layer : layers_) sum += layer.bytes();
    return sum;
  }

  /// states = the final states of every token.
  /// Shapes: ids: (tokens); states: (tokens, hidden_size), overwritten; `batch` covers all tokens; `trace` may be null.
  /// Pre: states overlaps nothing else.
  /// Throws: invalid_input (ids, lengths, mask, shapes; states is untouched then), std::bad_alloc while the workspace
  ///   grows or for the trace.
  /// Complexity: per token and layer, 8 hidden_size^2 for the projections and 4 hidden_size * length for attention, and
  ///   the feedforward layer's; no allocation after warm-up.
  void forward(std::span<const token_id> ids, const sequence_batch& batch, const matrix_view<Scalar>& states,
               workspace& scratch, encoder_trace<Scalar>* trace = nullptr) const {
    detail::check_extents(states, ids.size(), config_.hidden_size, "states");
    embedding_.forward(ids, states, batch);
    const bool record_states = trace != nullptr && trace->states;
    if (trace != nullptr) trace->layers = std::vector<typename encoder_trace<Scalar>::block>(layers_.size());
    if (record_states) trace->embedding = detail::recorded(states);
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      layers_[i].forward(states, batch, scratch, record_states, trace != nullptr ? &trace->layers[i] : nullptr);
    }
    if (final_norm_) final_norm_->forward(states, states);
  }

 private:
  encoder(const encoder_config& config, ultrafastbert::embedding<Scalar> embedding)
      : config_(config), embedding_(std::move(embedding)) {}

  static embedding_shape embedding_sizes(const encoder_config& c) {
    return {.vocabulary_size = c.vocabulary_size,
            .width = c.hidden_size,
            .max_sequence_length = c.max_sequence_length,
            .longest_sequence = c.longest_sequence,
            .norm_epsilon = c.norm_epsilon,
            .positions = c.positions,
            .normalization = c.embedding_norm,
            .norm = c.norm};
  }
  static norm_shape norm_sizes(const encoder_config& c) {
    return {.kind = c.norm, .width = c.hidden_size, .epsilon = c.norm_epsilon};
  }
  static std::string layer_prefix(const std::string& prefix, std::size_t i) {
    return prefix + "layers." + std::to_string(i) + '.';
  }

  encoder_config config_;
  ultrafastbert::embedding<Scalar> embedding_;
  std::optional<norm<Scalar>> final_norm_{};
  std::vector<block<Scalar, Backend>> layers_{};
};

}  // namespace ultrafastbert
