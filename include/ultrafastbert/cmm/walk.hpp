// SPDX-License-Identifier: MIT
//
// Conditional matrix multiplication with the library's own kernels: three engines for few, some and many tokens.
// Source: Belcak & Wattenhofer, arXiv 2311.10770, section 2, for the operation; the engines are this library's own.
// Layer: cmm.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <utility>

#include "ultrafastbert/cmm/emission.hpp"
#include "ultrafastbert/cmm/packed_tree.hpp"
#include "ultrafastbert/cmm/routing.hpp"
#include "ultrafastbert/core/matrix_view.hpp"
#include "ultrafastbert/core/workspace.hpp"
#include "ultrafastbert/kernels/tables.hpp"

namespace ultrafastbert::cmm {

/// What all trees and tokens of a call have in common.
struct engine_call {
  const routing_weights& in;
  const output_weights& out;
  std::size_t parallel_size = 1;
  kernels::activation_kernel activate = nullptr;
  workspace& scratch;
  matrix_view<std::int32_t> paths{};
  std::size_t cache = 0;  ///< second-level cache. Units: bytes
};

/// Whether outputs outgrow the second-level cache.
inline bool outgrows_cache(const engine_call& call, const matrix_view<float>& y) noexcept {
  return y.rows() * y.cols() * sizeof(float) > call.cache;
}

/// Writes the nodes that a token visited in tree p.
inline void record_path(const matrix_view<std::int32_t>& paths, std::size_t token, std::size_t p, std::size_t depth,
                        std::uint32_t leaf) noexcept {
  if (paths.empty()) return;
  for (std::size_t level = 0; level <= depth; ++level) {
    const std::size_t node = tree::first_of_level(level) + (std::size_t{leaf} >> (depth - level));
    paths(token, p * (depth + 1) + level) = static_cast<std::int32_t>(node);
  }
}

inline constexpr std::size_t tokens_per_tile = 192;     // their inputs stay in a second-level cache
inline constexpr std::size_t tokens_per_pass = 16'384;  // bounds the scratch memory of the grouped engine
inline constexpr std::size_t split_level = 6;           // tiles go so far; then their tokens are dealt to subtrees
inline constexpr std::size_t cached_bytes = std::size_t{16} << 20U;  // larger outputs are written past the caches

/// Elements from one token's logits to the next one's: whole vectors.
constexpr std::size_t logit_stride(std::size_t depth) noexcept { return (depth + 1 + 15) / 16 * 16; }

/// Takes tokens through all trees, a tile at a time. `find(p, first, inputs, to)` sets the logits and the leaves of the
/// tokens from `first` on in tree p. Shapes: x: (tokens, input_width); y: (tokens, output_width), overwritten, or
/// empty. Throws: std::bad_alloc while the workspace grows.
template <class Find>
void run_tiles(const engine_call& call, const matrix_view<const float>& x, const matrix_view<float>& y,
               const Find& find) {
  const std::size_t depth = call.in.depth;
  const std::size_t stride = logit_stride(depth);
  workspace::frame frame(call.scratch);
  const std::size_t most = (std::min)(x.rows(), tokens_per_tile);
  routes all{.logits = frame.take<float>(most * stride), .stride = stride, .position = frame.take<std::uint32_t>(most)};
  const auto norms = frame.take<float>(call.in.error != nullptr ? most : 0);
  std::fill(all.logits.begin(), all.logits.end(), 0.0F);
  const bool beyond_cache = outgrows_cache(call, y);
  for (std::size_t first = 0; first < x.rows(); first += tokens_per_tile) {
    const std::size_t tokens = (std::min)(tokens_per_tile, x.rows() - first);
    const auto inputs = x.rows_from(first, tokens);
    const auto logits = all.logits.first(tokens * stride);
    const auto leaves = all.position.first(tokens);
    all.norm = norms_of(call.in, inputs, norms);
    for (std::size_t p = 0; p < call.parallel_size; ++p) {
      const std::size_t first_row = p * tree::node_count(depth);
      find(p, first, inputs, std::as_const(all));
      if (y.empty()) continue;
      call.activate(logits.size(), logits.data());
      scale_coefficients(call.out, first_row, leaves, stride, logits);
      emit_each(call.out, first_row,
                {.coefficients = logits, .stride = stride, .leaf = leaves, .add = p > 0, .beyond_cache = beyond_cache},
                y.rows_from(first, tokens));
    }
  }
}

/// Few tokens: `fused` or `interleaved`.
inline void run_small(const engine_call& call, const matrix_view<const float>& x, const matrix_view<float>& y,
                      bool interleaved) {
  const std::size_t depth = call.in.depth;
  run_tiles(call, x, y,
            [&](std::size_t p, std::size_t first, const matrix_view<const float>& inputs, const routes& to) {
              const std::size_t first_row = p * tree::node_count(depth);
              if (interleaved) {
                route_interleaved(call.in, first_row, inputs, to);
              } else {
                route_fused(call.in, call.out, first_row, inputs, to);
              }
              for (std::size_t t = 0; t < inputs.rows(); ++t) {
                record_path(call.paths, first + t, p, depth, to.position[t]);
              }
            });
}

/// One tree over up to tokens_per_pass tokens, grouped.
class grouped_pass {
 public:
  grouped_pass(const engine_call& call, std::size_t tokens, bool past_caches, bool beyond_cache,
               workspace::frame& frame)
      : call_(call),
        stride_(logit_stride(call.in.depth)),
        past_caches_(past_caches),
        beyond_cache_(beyond_cache && !past_caches),
        logits_(frame.take<float>(tokens * stride_)),
        position_(frame.take<std::uint32_t>(tokens)),
        norms_(frame.take<float>(call.in.error != nullptr ? tokens : 0)),
        order_(frame.take<std::uint32_t>(tokens)),
        sorted_(frame.take<std::uint32_t>(tokens)),
        coefficients_(frame.take<float>((std::min)(tokens, tokens_per_tile) * stride_)),
        leaves_(frame.take<std::uint32_t>((std::min)(tokens, tokens_per_tile))) {
    std::fill(logits_.begin(), logits_.end(), 0.0F);
  }

  /// Shapes: x: (tokens, input_width); y: (tokens, output_width). Adds to y for every tree but the first, which comes
  /// first.
  void run(const matrix_view<const float>& x, const matrix_view<float>& y, std::size_t p, std::size_t first_token) {
    const std::size_t depth = call_.in.depth;
    const std::size_t first_row = p * tree::node_count(depth);
    if (p == 0) norm_ = norms_of(call_.in, x, norms_);
    const routes all{.logits = logits_.first(x.rows() * stride_),
                     .stride = stride_,
                     .position = position_.first(x.rows()),
                     .norm = norm_};
    workspace::frame frame(call_.scratch);
    grouped_router router(call_.in, first_row, x, all, x.rows(), frame);
    const auto order = order_.first(x.rows());
    std::iota(order.begin(), order.end(), std::uint32_t{0});
    if (x.rows() <= tokens_per_tile || depth < split_level) {
      for (std::size_t first = 0; first < order.size(); first += tokens_per_tile) {
        const auto tile = order.subspan(first, (std::min)(tokens_per_tile, order.size() - first));
        router.route(tile, 0, depth + 1, 0);
        finish(tile, all, y, p, first_token);
      }
      return;
    }
    for (std::size_t first = 0; first < order.size(); first += tokens_per_tile) {
      router.route(order.subspan(first, (std::min)(tokens_per_tile, order.size() - first)), 0, split_level, 0);
    }
    const auto bounds = deal(order, all);
    for (std::size_t bucket = 0; bucket + 1 < bounds.size(); ++bucket) {
      for (std::size_t first = bounds[bucket]; first < bounds[bucket + 1]; first += tokens_per_tile) {
        const auto tile = order.subspan(first, (std::min)(tokens_per_tile, bounds[bucket + 1] - first));
        router.route(tile, split_level, depth + 1, bucket);
        finish(tile, all, y, p, first_token);
      }
    }
  }

 private:
  static constexpr std::size_t buckets = std::size_t{1} << split_level;

  // Counting sort by the node of the split level.
  [[nodiscard]] std::array<std::size_t, buckets + 1> deal(std::span<std::uint32_t> order, const routes& all) noexcept {
    std::array<std::size_t, buckets + 1> bounds{};
    for (const std::uint32_t token : order) ++bounds[all.position[token] + 1];
    std::partial_sum(bounds.begin(), bounds.end(), bounds.begin());
    auto place = bounds;
    for (std::uint32_t token = 0; token < order.size(); ++token) sorted_[place[all.position[token]]++] = token;
    std::copy_n(sorted_.begin(), order.size(), order.begin());
    return bounds;
  }

  // Activations and outputs of a tile whose tokens are sorted by leaf.
  void finish(std::span<const std::uint32_t> tile, const routes& all, const matrix_view<float>& y, std::size_t p,
              std::size_t first_token) {
    const std::size_t depth = call_.in.depth;
    const std::size_t first_row = p * tree::node_count(depth);
    const auto leaves = leaves_.first(tile.size());
    const auto coefficients = coefficients_.first(tile.size() * stride_);
    for (std::size_t t = 0; t < tile.size(); ++t) {
      leaves[t] = all.position[tile[t]];
      std::copy_n(all.logits.data() + tile[t] * stride_, stride_, coefficients.data() + t * stride_);
      record_path(call_.paths, first_token + tile[t], p, depth, leaves[t]);
    }
    call_.activate(coefficients.size(), coefficients.data());
    scale_coefficients(call_.out, first_row, leaves, stride_, coefficients);
    emit_sorted(call_.out, first_row,
                {.coefficients = coefficients,
                 .stride = stride_,
                 .leaf = leaves,
                 .row = tile,
                 .add = p > 0,
                 .past_caches = past_caches_,
                 .beyond_cache = beyond_cache_},
                y);
  }

  const engine_call& call_;
  std::size_t stride_;
  bool past_caches_;
  bool beyond_cache_;
  std::span<float> logits_;
  std::span<std::uint32_t> position_;
  std::span<float> norms_;
  std::span<const float> norm_{};  // of the tokens at hand
  std::span<std::uint32_t> order_;
  std::span<std::uint32_t> sorted_;
  std::span<float> coefficients_;    // of a tile, in the order of its leaves
  std::span<std::uint32_t> leaves_;  // of the same
};

inline void run_grouped(const engine_call& call, const matrix_view<const float>& x, const matrix_view<float>& y) {
  const bool past_caches = call.parallel_size == 1 && y.rows() * y.cols() * sizeof(float) >= cached_bytes;
  workspace::frame frame(call.scratch);
  grouped_pass pass(call, (std::min)(x.rows(), tokens_per_pass), past_caches, outgrows_cache(call, y), frame);
  for (std::size_t first = 0; first < x.rows(); first += tokens_per_pass) {
    const std::size_t tokens = (std::min)(tokens_per_pass, x.rows() - first);
    for (std::size_t p = 0; p < call.parallel_size; ++p) {
      pass.run(x.rows_from(first, tokens), y.rows_from(first, tokens), p, first);
    }
  }
}

/// Bytes that the engines take from their workspace for up to `tokens` tokens, at most.
[[nodiscard]] inline std::size_t walk_bytes(std::size_t depth, std::size_t tokens) noexcept {
  const std::size_t pass = (std::min)(tokens, tokens_per_pass);
  const std::size_t tile = (std::min)(tokens, tokens_per_tile);
  const std::size_t logits = logit_stride(depth) * sizeof(float);
  constexpr std::size_t arrays = 13;  // each is rounded up to a whole number of cache lines
  return pass * (logits + 3 * sizeof(std::uint32_t) + sizeof(float) + grouped_router::bytes_per_token) +
         tile * (logits + sizeof(std::uint32_t)) + arrays * buffer_alignment;
}

}  // namespace ultrafastbert::cmm
