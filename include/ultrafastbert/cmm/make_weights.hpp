// SPDX-License-Identifier: MIT
//
// From the backend in a layer's type and its options to the weights that run: what contradicts itself is refused.
// Layer: cmm.
#pragma once

#include <concepts>
#include <memory>
#include <string>

#include "ultrafastbert/blas/default_backend.hpp"
#include "ultrafastbert/cmm/backend_fff.hpp"
#include "ultrafastbert/cmm/engine.hpp"
#include "ultrafastbert/cmm/fff_weights.hpp"
#include "ultrafastbert/cmm/kernel_weights.hpp"
#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/core/storage.hpp"

namespace ultrafastbert::cmm {

/// Refuses storage types and a level where they would have no effect. `who` computes instead.
/// Throws: invalid_input.
inline void refuse_choices(const fff_shape& shape, const std::string& who, bool level_too) {
  if (shape.storage_in != weight_storage::float32) {
    fail_input("fast_feedforward.storage_in", "f32 with " + who + ", which rounds nothing",
               std::string(name(shape.storage_in)));
  }
  if (shape.storage_out != weight_storage::float32) {
    fail_input("fast_feedforward.storage_out", "f32 with " + who + ", which rounds nothing",
               std::string(name(shape.storage_out)));
  }
  if (level_too && shape.isa != isa_level::automatic) {
    fail_input("fast_feedforward.isa", "automatic with " + who + ", which has no levels", std::string(name(shape.isa)));
  }
}

/// Whether the choices stand for the library's own kernels in a layer over `Backend`.
/// Throws: invalid_input (what the backend cannot do, or what contradicts the engine).
template <class Backend>
bool runs_kernels(const fff_shape& shape, fff_engine engine) {
  if constexpr (!blas::backend_traits<Backend>::has_kernels) {
    const std::string who = "the backend " + std::string(Backend::name);
    if (engine != fff_engine::automatic && engine != fff_engine::blas) {
      fail_input("fast_feedforward.engine", "auto or blas with " + who, std::string(name(engine)));
    }
    refuse_choices(shape, who, true);
    return false;
  } else {
    if (is_certified(shape.storage_out)) {
      fail_input("fast_feedforward.storage_out", "f32, f16, bf16 or int8, as certificates are for paths",
                 std::string(name(shape.storage_out)));
    }
    if (engine == fff_engine::blas) refuse_choices(shape, "the engine blas", true);
    if (engine == fff_engine::dense) refuse_choices(shape, "the engine dense", false);
    return engine != fff_engine::blas;
  }
}

/// Weights for a layer over `Backend`, all zero.
/// Throws: unsupported (the processor lacks the level asked for), overflow, std::bad_alloc. Pre: `runs_kernels`
/// accepts.
template <class Scalar, class Backend>
requires layer_backend<Backend, Scalar>
[[nodiscard]] std::unique_ptr<fff_weights<Scalar>> make_weights(const fff_shape& shape, fff_engine engine) {
  if constexpr (blas::backend_traits<Backend>::has_kernels) {
    if (engine != fff_engine::blas) return make_kernel_weights(shape, engine);
  }
  return std::make_unique<backend_fff<Scalar, typename blas::backend_traits<Backend>::blas>>(shape);
}

}  // namespace ultrafastbert::cmm
