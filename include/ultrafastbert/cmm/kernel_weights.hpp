// SPDX-License-Identifier: MIT
//
// The engines over the library's own kernels, and which of them holds the weights of a layer.
// Layer: cmm.
#pragma once

#include <memory>

#include "ultrafastbert/cmm/engine.hpp"
#include "ultrafastbert/cmm/fff_weights.hpp"
#include "ultrafastbert/core/compiled.hpp"
#if UFB_WITH_BODIES
#include "ultrafastbert/cmm/dense_fff.hpp"
#include "ultrafastbert/cmm/packed_fff.hpp"
#endif

namespace ultrafastbert::cmm {

/// Weights for the library's own kernels, all zero. `engine`: anything but blas.
/// Throws: unsupported (the processor lacks the level asked for), overflow, std::bad_alloc.
[[nodiscard]] UFB_FUNCTION std::unique_ptr<fff_weights<float>> make_kernel_weights(const fff_shape& shape,
                                                                                   fff_engine engine);

#if UFB_WITH_BODIES

UFB_FUNCTION std::unique_ptr<fff_weights<float>> make_kernel_weights(const fff_shape& shape, fff_engine engine) {
  const bool dense = engine == fff_engine::dense || (engine == fff_engine::automatic && is_dense_by_choice(shape));
  if (dense) return std::make_unique<dense_fff>(shape, engine);
  return std::make_unique<packed_fff>(shape, engine);
}

#endif  // UFB_WITH_BODIES

}  // namespace ultrafastbert::cmm
