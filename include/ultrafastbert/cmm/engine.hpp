// SPDX-License-Identifier: MIT
//
// What an FFF layer is built from, the engines that compute it, and the one place where an engine is chosen.
// Layer: cmm.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "ultrafastbert/cmm/tree.hpp"
#include "ultrafastbert/core/storage.hpp"
#include "ultrafastbert/kernels/activation.hpp"
#include "ultrafastbert/kernels/isa.hpp"

namespace ultrafastbert {

/// How an FFF layer is computed. All but `blas` and `dense` give equal bits at one instruction set level; `dense` gives
/// bits of its own, equal for every batch, order and number of threads.
enum class fff_engine : std::uint8_t {
  automatic,    ///< dense for shallow trees; else by the number of tokens: fused, interleaved or grouped
  blas,         ///< pointer-batched products of the backend, the reference form
  fused,        ///< one token at a time
  interleaved,  ///< eight tokens side by side
  grouped,      ///< tokens sorted by path, sharing nodes
  dense,        ///< all nodes by packed matrix products, the path picked out; rounds no weights
};

/// Stable spelling of an engine, equal to the enumerator's name; "auto" for `automatic`.
[[nodiscard]] constexpr std::string_view name(fff_engine engine) noexcept {
  switch (engine) {
    case fff_engine::automatic: return "auto";
    case fff_engine::blas: return "blas";
    case fff_engine::fused: return "fused";
    case fff_engine::interleaved: return "interleaved";
    case fff_engine::grouped: return "grouped";
    case fff_engine::dense: return "dense";
  }
  return "unknown";
}

namespace cmm {

/// The sizes and choices that weights are packed for. Nodes are numbered tree after tree, level by level, as
/// checkpoints number them.
struct fff_shape {
  std::size_t input_width = 0;
  std::size_t output_width = 0;
  std::size_t depth = 0;
  std::size_t parallel_size = 1;
  activation_kind activation = activation_kind::gelu;
  bool zero_goes_right = false;  ///< see tie_rule
  bool with_bias = true;
  weight_storage storage_in = weight_storage::float32;
  weight_storage storage_out = weight_storage::float32;
  isa_level isa = isa_level::automatic;

  /// Of all trees.
  [[nodiscard]] constexpr std::size_t nodes() const noexcept { return parallel_size * tree::node_count(depth); }
};

/// The engine that walks the trees at a number of tokens when the choice is automatic: `fused` for up to three tokens,
/// `interleaved` for some, `grouped` for many, which is the fastest of each range as measured for 1x11 trees of width
/// 768. Narrow rows leave less for `grouped` to save.
[[nodiscard]] constexpr fff_engine choose_walk(const fff_shape& shape, std::size_t tokens) noexcept {
  const weight_storage rows = first_rows_of(shape.storage_in);
  const std::size_t many = rows == weight_storage::float32 ? 96 : rows == weight_storage::int8 ? 4096 : 512;
  return tokens < 4 ? fff_engine::fused : tokens < many ? fff_engine::interleaved : fff_engine::grouped;
}

/// The engine that an automatic choice stands for at a number of tokens: `dense` for shallow trees, whatever the
/// number, else what `choose_walk` says. Of a tree of up to three levels a token visits so many nodes that walking pays
/// for few batches or none. Fewer than 32 nodes would not fill a panel of the packed product, and narrow storage is for
/// the other engines. Layers with weights that are not finite walk, too.
[[nodiscard]] constexpr fff_engine choose_engine(const fff_shape& shape, std::size_t tokens) noexcept {
  constexpr std::size_t deepest = 2;
  constexpr std::size_t fewest_nodes = 32;
  const bool rounds = shape.storage_in != weight_storage::float32 || shape.storage_out != weight_storage::float32;
  if (shape.depth <= deepest && shape.nodes() >= fewest_nodes && !rounds) return fff_engine::dense;
  return choose_walk(shape, tokens);
}

}  // namespace cmm

}  // namespace ultrafastbert
