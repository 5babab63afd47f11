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
#include "ultrafastbert/kernels/rounding.hpp"

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
  bool with_thresholds = false;  ///< whether nodes decide by a threshold of their own instead of 0
  weight_storage storage_in = weight_storage::float32;
  weight_storage storage_out = weight_storage::float32;
  isa_level isa = isa_level::automatic;

  /// Of all trees.
  [[nodiscard]] constexpr std::size_t nodes() const noexcept { return parallel_size * tree::node_count(depth); }
};

/// Bytes of the rows that engines walk, of both matrices; rows that only certified routes look at again do not count.
[[nodiscard]] constexpr std::size_t walked_bytes(const fff_shape& shape) noexcept {
  return shape.nodes() * (shape.input_width * kernels::bytes_of(first_rows_of(shape.storage_in)) +
                          shape.output_width * kernels::bytes_of(shape.storage_out));
}

/// The engine that walks the trees at a number of tokens when the choice is automatic. `fused` is for so few tokens
/// that eight side by side would be too many. `grouped` sorts tokens to read each row once for several of them, which
/// pays where many tokens meet long rows of float32, or weights far beyond the caches; `interleaved` is for the rest.
/// The bounds are those of the grid of `bench/run.sh choice` on a processor with AVX-512 (Zen 5); what they compare is
/// the size of the weights with that of this processor's cache. Units: cache: bytes of the second-level cache.
[[nodiscard]] constexpr fff_engine choose_walk(const fff_shape& shape, std::size_t tokens, std::size_t cache) noexcept {
  const std::size_t few = shape.depth <= 3 ? 6 : 4;
  if (tokens < few) return fff_engine::fused;
  constexpr std::size_t long_row = 768;
  constexpr std::size_t many = 512;
  constexpr std::size_t very_many = 4096;
  const std::size_t bytes = walked_bytes(shape);
  if (first_rows_of(shape.storage_in) != weight_storage::float32) {
    return tokens >= very_many && bytes / 32 > cache ? fff_engine::grouped : fff_engine::interleaved;
  }
  // The deepest level of a tree of even depth stands alone and is not shared.
  const bool shares_all = shape.depth % 2 == 1 && shape.depth >= 5;
  if (shape.input_width >= long_row && tokens >= many && (shares_all || bytes / 4 > cache)) return fff_engine::grouped;
  return tokens >= very_many && bytes / 3 > cache ? fff_engine::grouped : fff_engine::interleaved;
}

/// Whether an automatic choice is `dense`, whatever the number of tokens: of a tree of up to three levels a token
/// visits so many nodes that walking pays for few batches or none. Fewer than 32 nodes would not fill a panel of the
/// packed product, and narrow storage is for the other engines. Layers with weights that are not finite walk, too.
[[nodiscard]] constexpr bool is_dense_by_choice(const fff_shape& shape) noexcept {
  constexpr std::size_t deepest = 2;
  constexpr std::size_t fewest_nodes = 32;
  const bool rounds = shape.storage_in != weight_storage::float32 || shape.storage_out != weight_storage::float32;
  return shape.depth <= deepest && shape.nodes() >= fewest_nodes && !rounds;
}

}  // namespace cmm

}  // namespace ultrafastbert
