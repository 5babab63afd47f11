// SPDX-License-Identifier: MIT
//
// What an encoder is made of and how it is computed, as plain structs: the shapes and options of its layers, nested. No
// JSON here, so that a host can also fill them by hand.
// Layer: encoder.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/kernels/isa.hpp"
#include "ultrafastbert/layers/attention.hpp"
#include "ultrafastbert/layers/embedding.hpp"
#include "ultrafastbert/layers/fast_feedforward.hpp"
#include "ultrafastbert/layers/feedforward.hpp"
#include "ultrafastbert/layers/linear.hpp"
#include "ultrafastbert/layers/norm.hpp"

namespace ultrafastbert {

/// Where the norms of a block stand.
enum class norm_placement : std::uint8_t {
  before,  ///< x += attn(norm1(x)); x += ffn(norm2(x))
  after,   ///< x = norm1(x + attn(x)); x = norm2(x + ffn(x))
};

/// A transformer block.
struct block_shape {
  attention_shape attention{};
  norm_shape norm{};  ///< of both norms
  norm_placement placement = norm_placement::before;
  std::variant<fast_feedforward_shape, feedforward_shape> feedforward{};
};

/// An encoder: embedding, equal blocks, a final norm or none.
struct encoder_config {
  embedding_shape embedding{};
  std::size_t layers = 0;
  block_shape block{};
  std::optional<norm_shape> final_norm{};

  [[nodiscard]] std::size_t hidden_size() const noexcept { return embedding.width; }  ///< columns of a state
};

/// How an encoder is stored and computed.
struct encoder_options {
  fast_feedforward_options fast_feedforward{};  ///< of the FFF layers; dense feedforward layers obey `projections`
  projection_options projections{};             ///< of the linear layers: those of attention and dense feedforward
  /// Kernels of the whole encoder; the two above may repeat it. Backends without kernels of their own have no levels.
  isa_level isa = isa_level::automatic;
  /// Tokens that are computed at a time: the workspace grows to as many and no further, but for a longer sequence.
  std::size_t token_budget = 2048;
};

namespace encoders {

/// The options with one level for all layers, where their backend has levels.
/// Throws: invalid_input (a layer's level differs from the encoder's; a token budget of 0).
[[nodiscard]] inline encoder_options with_one_level(encoder_options options, bool fff_has_levels,
                                                    bool projections_have_levels) {
  const auto agree = [&](isa_level& of_layer, const char* where, bool has_levels) {
    if (of_layer != isa_level::automatic && options.isa != isa_level::automatic && of_layer != options.isa) {
      fail_input(where, "automatic or " + std::string(name(options.isa)) + ", the level of the whole model",
                 std::string(name(of_layer)));
    }
    if (has_levels && of_layer == isa_level::automatic) of_layer = options.isa;
  };
  agree(options.fast_feedforward.isa, "fast_feedforward.isa", fff_has_levels);
  agree(options.projections.isa, "projections.isa", projections_have_levels);
  if (options.token_budget == 0) fail_input("token_budget", "at least 1", "0");
  return options;
}

}  // namespace encoders

}  // namespace ultrafastbert
