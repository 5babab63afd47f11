// SPDX-License-Identifier: MIT
//
// What an encoder is made of, as plain structs: no JSON here, so that a host can also fill them by hand.
// Layer: encoder.
#pragma once

#include <cstddef>
#include <variant>

#include "ultrafastbert/cmm/engine.hpp"
#include "ultrafastbert/core/storage.hpp"
#include "ultrafastbert/kernels/activation.hpp"
#include "ultrafastbert/kernels/isa.hpp"
#include "ultrafastbert/layers/embedding.hpp"
#include "ultrafastbert/layers/linear.hpp"
#include "ultrafastbert/layers/norm.hpp"

namespace ultrafastbert {

/// A dense feedforward layer in every block.
struct dense_feedforward_config {
  std::size_t intermediate_size = 0;  ///< rows of dense_in; even if gated
  bool bias = false;
  bool gated = false;  ///< one half of dense_in's output, activated, multiplies the other
};

/// A fast feedforward (FFF) layer in every block.
struct fast_feedforward_config {
  std::size_t depth = 0;          ///< index of the deepest tree level
  std::size_t parallel_size = 1;  ///< number of trees
};

/// The crammed encoder: embedding, pre-norm blocks, a final norm. The defaults are those of UltraFastBERT.
struct encoder_config {
  std::size_t vocabulary_size = 0;
  std::size_t hidden_size = 0;
  std::size_t layers = 0;
  std::size_t heads = 0;
  std::size_t max_sequence_length = 0;
  std::variant<fast_feedforward_config, dense_feedforward_config> feedforward{};
  activation_kind activation = activation_kind::gelu;
  double norm_epsilon = 1e-12;  ///< of every norm
  norm_kind norm = norm_kind::layer_norm;
  position_kind positions = position_kind::scaled_sinusoidal;
  bool embedding_norm = true;
  bool final_norm = true;
  bool query_key_value_bias = false;
  bool output_projection = true;     ///< of attention
  bool output_bias = false;          ///< of attention's output projection
  bool causal = false;               ///< only where a batch has a mask per sequence; see `attention`
  std::size_t longest_sequence = 0;  ///< tokens of a sequence, if fewer than max_sequence_length; 0 for no such limit
};

/// How the FFF layers of an encoder are stored and computed: what `fast_feedforward_options` has beside the
/// checkpoint's own choices, with the same meaning. Dense feedforward layers and encoders of double have no such
/// choice.
struct feedforward_choices {
  fff_engine engine = fff_engine::automatic;
  weight_storage storage_in = weight_storage::float32;   ///< of the first matrix, which decides the paths
  weight_storage storage_out = weight_storage::float32;  ///< of the second matrix
  isa_level isa = isa_level::automatic;
};

/// How an encoder is stored and computed.
struct encoder_choices {
  feedforward_choices feedforward{};  ///< of the FFF layers
  projection_choices projections{};   ///< of attention and of dense feedforward layers
  /// Tokens that are computed at a time: the workspace grows to as many and no further, but for a longer sequence.
  std::size_t token_budget = 2048;
};

}  // namespace ultrafastbert
