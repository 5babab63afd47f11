// SPDX-License-Identifier: MIT
//
// How a checkpoint becomes a model: the choices that all model classes share.
// Layer: model.
#pragma once

#include "ultrafastbert/encoder/config.hpp"
#include "ultrafastbert/model/load_report.hpp"

namespace ultrafastbert {

/// How a model is loaded.
struct load_options {
  bool allow_non_finite = false;      ///< accept NaN and infinite weights
  bool strict = false;                ///< refuse tensors that the model has no place for; see load_report::unused
  load_report* report = nullptr;      ///< takes what became of each tensor, if the load succeeds
  feedforward_choices feedforward{};  ///< storage, engine and instruction set level of the FFF layers
};

}  // namespace ultrafastbert
