// SPDX-License-Identifier: MIT
//
// The integer that names a vocabulary entry, shared by tokenizers and encoders.
// Layer: core.
#pragma once

#include <cstdint>

namespace ultrafastbert {

/// Row of the word embedding. Negative values are never valid ids.
using token_id = std::int32_t;

}  // namespace ultrafastbert
