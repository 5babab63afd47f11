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

/// Ends the filling of weights whose engine was chosen automatically: dense ones that are not finite become walking
/// ones, because nodes that a token does not visit must not reach it. Throws: std::bad_alloc.
[[nodiscard]] UFB_FUNCTION std::unique_ptr<fff_weights<float>> finished(std::unique_ptr<fff_weights<float>> weights,
                                                                        const fff_shape& shape, fff_engine engine);

#if UFB_WITH_BODIES

UFB_FUNCTION std::unique_ptr<fff_weights<float>> make_kernel_weights(const fff_shape& shape, fff_engine engine) {
  const bool dense =
      engine == fff_engine::dense || (engine == fff_engine::automatic && choose_engine(shape, 1) == fff_engine::dense);
  if (dense) return std::make_unique<dense_fff>(shape);
  return std::make_unique<packed_fff>(shape, engine);
}

UFB_FUNCTION std::unique_ptr<fff_weights<float>> finished(std::unique_ptr<fff_weights<float>> weights,
                                                          const fff_shape& shape, fff_engine engine) {
  if (engine != fff_engine::automatic || weights->engine(1) != fff_engine::dense) return weights;
  const auto& dense = static_cast<const dense_fff&>(*weights);
  if (dense.all_finite()) return weights;
  auto walking = std::make_unique<packed_fff>(shape, engine);
  dense.copy_to(*walking);
  return walking;
}

#endif  // UFB_WITH_BODIES

}  // namespace ultrafastbert::cmm
