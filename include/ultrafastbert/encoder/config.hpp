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

namespace ultrafastbert {

/// A dense feedforward layer in every block.
struct dense_feedforward_config {
  std::size_t intermediate_size = 0;  ///< neurons
};

/// A fast feedforward (FFF) layer in every block.
struct fast_feedforward_config {
  std::size_t depth = 0;          ///< index of the deepest tree level
  std::size_t parallel_size = 1;  ///< number of trees
};

/// The crammed encoder: embedding with scaled sinusoidal positions, pre-norm blocks without biases, a final norm.
struct encoder_config {
  std::size_t vocabulary_size = 0;
  std::size_t hidden_size = 0;
  std::size_t layers = 0;
  std::size_t heads = 0;
  std::size_t max_sequence_length = 0;
  std::variant<fast_feedforward_config, dense_feedforward_config> feedforward{};
  activation_kind activation = activation_kind::gelu;
  double norm_epsilon = 1e-12;  ///< of every layer normalisation
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

}  // namespace ultrafastbert
