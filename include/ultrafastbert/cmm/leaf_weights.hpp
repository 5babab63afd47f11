// SPDX-License-Identifier: MIT
//
// The weights of a fast feedforward layer with leaf networks behind one interface: packed for the library's own
// engines, or as a BLAS multiplies them.
// Layer: cmm.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "ultrafastbert/cmm/tree.hpp"
#include "ultrafastbert/core/matrix_view.hpp"
#include "ultrafastbert/core/storage.hpp"
#include "ultrafastbert/core/workspace.hpp"
#include "ultrafastbert/kernels/activation.hpp"
#include "ultrafastbert/kernels/isa.hpp"

namespace ultrafastbert {

/// How a layer with leaf networks is computed. `single` and `grouped` give equal bits at one instruction set level.
enum class leaf_engine : std::uint8_t {
  automatic,  ///< `single` or `grouped`, whichever reads less for the number of tokens
  blas,       ///< pointer-batched products of the backend, the reference form
  single,     ///< one token after the other
  grouped,    ///< tokens sorted by leaf: a leaf's weights are read once for all of its tokens
};

/// Stable spelling of an engine, equal to the enumerator's name; "auto" for `automatic`.
[[nodiscard]] constexpr std::string_view name(leaf_engine engine) noexcept {
  switch (engine) {
    case leaf_engine::automatic: return "auto";
    case leaf_engine::blas: return "blas";
    case leaf_engine::single: return "single";
    case leaf_engine::grouped: return "grouped";
  }
  return "unknown";
}

namespace cmm {

/// The sizes and choices that weights are packed for. Decision nodes are numbered level by level, leaves from the left.
struct leaf_shape {
  std::size_t input_width = 0;
  std::size_t leaf_width = 0;  ///< neurons of a leaf
  std::size_t output_width = 0;
  std::size_t depth = 0;  ///< decisions that a token takes
  activation_kind activation = activation_kind::relu;
  bool zero_goes_right = true;  ///< see tie_rule
  bool output_bias = false;     ///< whether a leaf's second bias is added
  weight_storage storage_nodes = weight_storage::float32;
  weight_storage storage_leaves = weight_storage::float32;
  isa_level isa = isa_level::automatic;

  [[nodiscard]] constexpr std::size_t nodes() const noexcept { return tree::leaf_count(depth) - 1; }  ///< that decide
  [[nodiscard]] constexpr std::size_t leaves() const noexcept { return tree::leaf_count(depth); }
  [[nodiscard]] constexpr std::size_t neurons() const noexcept { return leaves() * leaf_width; }  ///< of all leaves
};

/// Filled once, then immutable; `multiply` is const and safe from any number of threads. Biases are zero until stored.
template <class Scalar>
class leaf_weights {
 public:
  virtual ~leaf_weights() = default;
  leaf_weights(const leaf_weights&) = delete;
  leaf_weights& operator=(const leaf_weights&) = delete;

  /// The engine that computes a number of tokens.
  [[nodiscard]] virtual leaf_engine engine(std::size_t tokens) const noexcept = 0;
  [[nodiscard]] virtual isa_level isa() const noexcept = 0;  ///< level of the kernels that run
  /// Memory held. Units: bytes.
  [[nodiscard]] virtual std::size_t bytes() const noexcept = 0;

  /// Takes what a node decides by. Shapes: row: (input_width).
  virtual void store_node(std::size_t node, const Scalar* row) noexcept = 0;
  /// The same for its bias.
  virtual void store_node_bias(std::size_t node, Scalar bias) noexcept = 0;
  /// Takes the first weights of a neuron. `neuron`: leaf * leaf_width + its number. Shapes: row: (input_width).
  virtual void store_in(std::size_t neuron, const Scalar* row) noexcept = 0;
  /// The same for its bias.
  virtual void store_in_bias(std::size_t neuron, Scalar bias) noexcept = 0;
  /// Takes what a neuron adds to the output for each unit of its activation. Shapes: row: (output_width).
  virtual void store_out(std::size_t neuron, const Scalar* row) noexcept = 0;
  /// Takes the second bias of a leaf. Shapes: row: (output_width). Pre: the shape adds it.
  virtual void store_out_bias(std::size_t leaf, const Scalar* row) noexcept = 0;

  /// y = the network of the leaf that each token reaches.
  /// Shapes: x: (tokens, input_width); y: (tokens, output_width), overwritten; leaves: (tokens) or empty, receives the
  /// leaves. Pre: the sizes agree; y overlaps nothing else. Throws: std::bad_alloc while scratch grows.
  virtual void multiply(const matrix_view<const Scalar>& x, const matrix_view<Scalar>& y, workspace& scratch,
                        std::span<std::int32_t> leaves) const = 0;

  /// Bytes that `multiply` takes from its workspace for up to `tokens` tokens, at most.
  [[nodiscard]] virtual std::size_t workspace_bytes(std::size_t tokens) const noexcept = 0;

 protected:
  leaf_weights() = default;
};

}  // namespace cmm

}  // namespace ultrafastbert
