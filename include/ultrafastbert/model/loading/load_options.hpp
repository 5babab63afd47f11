// SPDX-License-Identifier: MIT
//
// How a checkpoint becomes a model: the choices that all model classes share.
// Layer: model.
#pragma once

#include <cstddef>

#include "ultrafastbert/core/progress.hpp"
#include "ultrafastbert/encoder/config.hpp"
#include "ultrafastbert/model/loading/load_report.hpp"

namespace ultrafastbert {

/// How a model is loaded: the options of its encoder, and what is accepted. Heads are always float32.
struct load_options {
  fast_feedforward_options fast_feedforward{};  ///< of the FFF layers; dense feedforward layers obey `projections`
  projection_options projections{};             ///< of the linear layers: those of attention and dense feedforward
  isa_level isa = isa_level::automatic;         ///< kernels of the whole model; the two above may repeat it
  std::size_t token_budget = encoder_options{}.token_budget;  ///< see encoder_options
  bool allow_non_finite = false;                              ///< accept NaN and infinite weights
  bool strict = false;            ///< refuse what the report calls unused, and words without a row
  load_report* report = nullptr;  ///< takes what became of the folder's contents, if the load succeeds
  /// Counts the numbers of encoder and head, after each tensor; a load that is stopped throws canceled.
  progress_callback progress{};

  /// Those of the encoder.
  [[nodiscard]] encoder_options encoder() const noexcept {
    return {.fast_feedforward = fast_feedforward, .projections = projections, .isa = isa, .token_budget = token_budget};
  }
};

}  // namespace ultrafastbert
