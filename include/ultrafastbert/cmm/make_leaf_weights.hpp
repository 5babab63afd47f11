// SPDX-License-Identifier: MIT
//
// From the backend in a layer's type and its options to the leaf networks that run: what contradicts itself is refused.
// Layer: cmm.
#pragma once

#include <memory>
#include <string>

#include "ultrafastbert/blas/default_backend.hpp"
#include "ultrafastbert/cmm/backend_leaves.hpp"
#include "ultrafastbert/cmm/leaf_weights.hpp"
#include "ultrafastbert/core/compiled.hpp"
#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/core/storage.hpp"
#if UFB_WITH_BODIES
#include "ultrafastbert/cmm/packed_leaves.hpp"
#endif

namespace ultrafastbert::cmm {

/// Leaf networks for the library's own kernels, all zero. `engine`: anything but blas.
/// Throws: unsupported (the processor lacks the level asked for), overflow, std::bad_alloc.
[[nodiscard]] UFB_FUNCTION std::unique_ptr<leaf_weights<float>> make_kernel_leaves(const leaf_shape& shape,
                                                                                   leaf_engine engine);

#if UFB_WITH_BODIES

UFB_FUNCTION std::unique_ptr<leaf_weights<float>> make_kernel_leaves(const leaf_shape& shape, leaf_engine engine) {
  return std::make_unique<packed_leaves>(shape, engine);
}

#endif  // UFB_WITH_BODIES

/// Whether the choices stand for the library's own kernels in a layer over `Backend`.
/// Throws: invalid_input (what the backend cannot do, or what contradicts the engine).
template <class Backend>
bool leaves_run_kernels(const leaf_shape& shape, leaf_engine engine) {
  constexpr bool has_kernels = blas::backend_traits<Backend>::has_kernels;
  const bool kernels = has_kernels && engine != leaf_engine::blas;
  const std::string who = has_kernels ? "the engine blas" : std::string("the backend ").append(Backend::name);
  if (!has_kernels && engine != leaf_engine::automatic && engine != leaf_engine::blas) {
    fail_input("leaf_feedforward.engine", "auto or blas with " + who, std::string(name(engine)));
  }
  if (!kernels && shape.storage_nodes != weight_storage::float32) {
    fail_input("leaf_feedforward.storage_nodes", "f32 with " + who + ", which rounds nothing",
               std::string(name(shape.storage_nodes)));
  }
  if (!kernels && shape.storage_leaves != weight_storage::float32) {
    fail_input("leaf_feedforward.storage_leaves", "f32 with " + who + ", which rounds nothing",
               std::string(name(shape.storage_leaves)));
  }
  if (!kernels && shape.isa != isa_level::automatic) {
    fail_input("leaf_feedforward.isa", "automatic with " + who + ", which has no levels", std::string(name(shape.isa)));
  }
  if (is_certified(shape.storage_leaves)) {
    fail_input("leaf_feedforward.storage_leaves", "f32, f16, bf16 or int8, as certificates are for paths",
               std::string(name(shape.storage_leaves)));
  }
  return kernels;
}

/// Leaf networks for a layer over `Backend`, all zero.
/// Throws: unsupported (the processor lacks the level asked for), overflow, std::bad_alloc.
/// Pre: `leaves_run_kernels` accepts.
template <class Scalar, class Backend>
requires layer_backend<Backend, Scalar>
[[nodiscard]] std::unique_ptr<leaf_weights<Scalar>> make_leaf_weights(const leaf_shape& shape, leaf_engine engine) {
  if constexpr (blas::backend_traits<Backend>::has_kernels) {
    if (engine != leaf_engine::blas) return make_kernel_leaves(shape, engine);
  }
  return std::make_unique<backend_leaves<Scalar, typename blas::backend_traits<Backend>::blas>>(shape);
}

}  // namespace ultrafastbert::cmm
