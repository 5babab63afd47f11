// SPDX-License-Identifier: MIT
//
// Conditional matrix multiplication (CMM): every token multiplies with the neurons on its own way from root to leaf and
// with no others. Level by level, the tokens' neurons form one batch of pointers.
// Source: Belcak & Wattenhofer, "Exponentially Faster Language Modelling", arXiv 2311.10770, section 2.
// Layer: cmm.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "ultrafastbert/blas/backend.hpp"
#include "ultrafastbert/cmm/paths.hpp"
#include "ultrafastbert/cmm/tie_rule.hpp"
#include "ultrafastbert/cmm/tree.hpp"
#include "ultrafastbert/core/matrix_view.hpp"
#include "ultrafastbert/core/workspace.hpp"
#include "ultrafastbert/kernels/activation.hpp"

namespace ultrafastbert {

/// The operands of one conditional matrix multiplication. Node k of tree p is row p * node_count(depth) + k.
template <class Scalar>
struct cmm_weights {
  matrix_view<const Scalar> linear_in{};   ///< (nodes, input_width): one row per node
  std::span<const Scalar> bias_in{};       ///< (nodes), or empty for none
  matrix_view<const Scalar> linear_out{};  ///< (nodes, output_width): one row per node
  std::size_t depth = 0;                   ///< index of the deepest level
  std::size_t parallel_size = 1;           ///< number of trees
  activation_kind activation = activation_kind::gelu;
  std::span<const Scalar> thresholds{};  ///< (nodes): what logits are compared with; or empty, for 0
};

namespace cmm {

/// Tokens whose pointers form one batch; their inputs and outputs stay in a second-level cache meanwhile.
inline constexpr std::size_t cmm_tokens_per_batch = 64;

/// The arrays of pointers of one batch of tokens, and where each token stands in the tree.
template <class Scalar>
struct cmm_batch {
  cmm_batch(workspace::frame& frame, std::size_t tokens)
      : node(frame.take<std::uint32_t>(tokens)),
        logit(frame.take<Scalar>(tokens)),
        row_in(frame.take<const Scalar*>(tokens)),
        row_out(frame.take<const Scalar*>(tokens)),
        x(frame.take<const Scalar*>(tokens)),
        y(frame.take<Scalar*>(tokens)),
        z(frame.take<Scalar*>(tokens)) {}

  /// Bytes that a batch of so many tokens takes from its workspace, at most.
  [[nodiscard]] static constexpr std::size_t bytes(std::size_t tokens) noexcept {
    return tokens * (sizeof(std::uint32_t) + sizeof(Scalar) + 5 * sizeof(void*)) + 7 * buffer_alignment;
  }

  /// Takes tokens [first, first + tokens): all but their nodes and rows. Clears their outputs, unless there are none.
  void take(const matrix_view<const Scalar>& from, const matrix_view<Scalar>& to, std::size_t first,
            std::size_t tokens) const noexcept {
    for (std::size_t i = 0; i < tokens; ++i) {
      x[i] = from.row(first + i);
      z[i] = &logit[i];
      if (to.empty()) continue;
      y[i] = to.row(first + i);
      std::fill_n(y[i], to.cols(), Scalar{0});
    }
  }

  std::span<std::uint32_t> node;
  std::span<Scalar> logit;
  std::span<const Scalar*> row_in;
  std::span<const Scalar*> row_out;
  std::span<const Scalar*> x;
  std::span<Scalar*> y;
  std::span<Scalar*> z;
};

/// The logits of the nodes at which the first `tokens` tokens of a batch stand.
template <class Backend, class Scalar>
void cmm_logits(const cmm_weights<Scalar>& weights, std::size_t first_node, std::size_t tokens,
                const cmm_batch<Scalar>& batch) {
  for (std::size_t i = 0; i < tokens; ++i) {
    batch.row_in[i] = weights.linear_in.row(first_node + batch.node[i]);
    batch.row_out[i] = weights.linear_out.row(first_node + batch.node[i]);
  }
  Backend::multiply_batch(gemv_batch<Scalar>{.rows = 1,
                                             .cols = weights.linear_in.cols(),
                                             .stride = weights.linear_in.stride(),
                                             .a = batch.row_in.first(tokens),
                                             .x = batch.x.first(tokens),
                                             .y = batch.z.first(tokens)});
  for (std::size_t i = 0; i < tokens && !weights.bias_in.empty(); ++i) {
    batch.logit[i] += weights.bias_in[first_node + batch.node[i]];
  }
}

/// Adds the outputs of the nodes whose logits were computed. Logits become activations.
template <class Backend, class Scalar>
void cmm_outputs(const cmm_weights<Scalar>& weights, std::size_t tokens, const cmm_batch<Scalar>& batch) {
  kernels::activate(weights.activation, batch.logit.first(tokens));
  Backend::accumulate_batch(axpy_batch<Scalar>{.length = weights.linear_out.cols(),
                                               .alpha = batch.logit.first(tokens),
                                               .x = batch.row_out.first(tokens),
                                               .y = batch.y.first(tokens)});
}

/// One level of one tree for the first `tokens` tokens of a batch: logits, outputs, next nodes.
template <class Backend, class Scalar>
void cmm_level(const cmm_weights<Scalar>& weights, direction<Scalar> ties, std::size_t first_node, std::size_t tokens,
               const cmm_batch<Scalar>& batch) {
  cmm_logits<Backend>(weights, first_node, tokens, batch);
  for (std::size_t i = 0; i < tokens; ++i) {
    const bool right = weights.thresholds.empty()
                           ? ties.right(batch.logit[i])
                           : ties.right(batch.logit[i], weights.thresholds[first_node + batch.node[i]]);
    batch.node[i] = static_cast<std::uint32_t>(tree::child(batch.node[i], right));
  }
  cmm_outputs<Backend>(weights, tokens, batch);
}

/// Sends tokens along given paths. Shapes: x: (tokens, input_width); see followed_paths. Pre: the paths are some.
/// Throws: std::bad_alloc while the workspace grows.
template <class Backend, class Scalar>
void multiply_along_given(const cmm_weights<Scalar>& weights, const matrix_view<const Scalar>& x,
                          const followed_paths<Scalar>& along, workspace& scratch) {
  const std::size_t levels = tree::levels(weights.depth);
  workspace::frame frame(scratch);
  const cmm_batch<Scalar> batch(frame, (std::min)(x.rows(), cmm_tokens_per_batch));
  for (std::size_t first = 0; first < x.rows(); first += cmm_tokens_per_batch) {
    const std::size_t tokens = (std::min)(cmm_tokens_per_batch, x.rows() - first);
    batch.take(x, along.y, first, tokens);
    for (std::size_t column = 0; column < along.paths.cols(); ++column) {
      for (std::size_t i = 0; i < tokens; ++i)
        batch.node[i] = static_cast<std::uint32_t>(along.paths(first + i, column));
      const std::size_t first_node = column / levels * tree::node_count(weights.depth);
      cmm_logits<Backend>(weights, first_node, tokens, batch);
      for (std::size_t i = 0; i < tokens; ++i) {
        if (!along.margins.empty()) {
          const Scalar threshold =
              weights.thresholds.empty() ? Scalar{0} : weights.thresholds[first_node + batch.node[i]];
          along.margins(first + i, column) = batch.logit[i] - threshold;
        }
        if (!along.second_looks.empty()) along.second_looks(first + i, column) = 0;
      }
      if (!along.y.empty()) cmm_outputs<Backend>(weights, tokens, batch);
    }
  }
}

/// The whole multiplication, with a tie rule at run time. See conditional_matrix_multiply.
template <class Backend, class Scalar>
void multiply_along_paths(const cmm_weights<Scalar>& weights, direction<Scalar> ties,
                          const matrix_view<const Scalar>& x, const matrix_view<Scalar>& y, workspace& scratch,
                          const matrix_view<std::int32_t>& paths) {
  const std::size_t levels = tree::levels(weights.depth);
  workspace::frame frame(scratch);
  const cmm_batch<Scalar> batch(frame, (std::min)(x.rows(), cmm_tokens_per_batch));
  for (std::size_t first = 0; first < x.rows(); first += cmm_tokens_per_batch) {
    const std::size_t tokens = (std::min)(cmm_tokens_per_batch, x.rows() - first);
    batch.take(x, y, first, tokens);
    for (std::size_t p = 0; p < weights.parallel_size; ++p) {
      std::fill_n(batch.node.begin(), tokens, std::uint32_t{0});
      for (std::size_t level = 0; level < levels; ++level) {
        for (std::size_t i = 0; i < tokens && !paths.empty(); ++i) {
          paths(first + i, p * levels + level) = static_cast<std::int32_t>(batch.node[i]);
        }
        cmm_level<Backend>(weights, ties, p * tree::node_count(weights.depth), tokens, batch);
      }
    }
  }
}

}  // namespace cmm

/// y = sum over trees and levels of activation(linear_in[node] . x + bias_in[node]) * linear_out[node], where each
/// token starts at node 0 of every tree and goes to the child that `TieRule` picks from the logit, or from the logit
/// and the node's threshold. Shapes: x: (tokens, input_width); y: (tokens, output_width), overwritten; paths: (tokens,
/// parallel_size * levels) or
///   empty, receives the visited nodes, numbered within their tree.
/// Pre: the sizes agree; y overlaps neither x nor the weights.
/// Throws: std::bad_alloc while the workspace grows; overflow from the backend.
/// Complexity: tokens * parallel_size * (depth + 1) * (input_width + output_width).
/// Source: arXiv 2311.10770, section 2 (algorithm 1).
template <tie_rule TieRule, class Backend, class Scalar>
requires blas_backend<Backend, Scalar>
void conditional_matrix_multiply(const cmm_weights<Scalar>& weights, const matrix_view<const Scalar>& x,
                                 const matrix_view<Scalar>& y, workspace& scratch,
                                 const matrix_view<std::int32_t>& paths = {}) {
  cmm::multiply_along_paths<Backend>(weights, cmm::direction<Scalar>(TieRule::zero_goes_right), x, y, scratch, paths);
}

}  // namespace ultrafastbert
