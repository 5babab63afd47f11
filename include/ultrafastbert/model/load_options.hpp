// SPDX-License-Identifier: MIT
//
// How a checkpoint becomes a model: the choices that all model classes share.
// Layer: model.
#pragma once

#include <cstddef>

#include "ultrafastbert/encoder/config.hpp"
#include "ultrafastbert/model/load_report.hpp"

namespace ultrafastbert {

/// How a model is loaded.
struct load_options {
  bool allow_non_finite = false;      ///< accept NaN and infinite weights
  bool strict = false;                ///< refuse tensors that the model has no place for; see load_report::unused
  load_report* report = nullptr;      ///< takes what became of each tensor, if the load succeeds
  feedforward_choices feedforward{};  ///< storage, engine and instruction set level of the FFF layers
  projection_choices projections{};   ///< the same of attention and dense feedforward; heads are always float32
  std::size_t token_budget = encoder_choices{}.token_budget;  ///< tokens that are computed at a time
};

}  // namespace ultrafastbert
