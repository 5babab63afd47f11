// SPDX-License-Identifier: MIT
//
// Leaf networks over the library's own kernels. A neuron of a leaf is a row that is multiplied with the token and a row
// that is added to the output, as a node of a tree is: the same kernels compute both, and a token's bits depend on
// nothing but the token. Tokens that share a leaf share each reading of its rows.
// Layer: cmm.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>
#include <span>

#include "ultrafastbert/cmm/engine.hpp"
#include "ultrafastbert/cmm/leaf_weights.hpp"
#include "ultrafastbert/cmm/packed_nodes.hpp"
#include "ultrafastbert/cmm/packed_rows.hpp"
#include "ultrafastbert/cmm/packed_tree.hpp"
#include "ultrafastbert/cmm/routing.hpp"
#include "ultrafastbert/cmm/walk.hpp"
#include "ultrafastbert/core/aligned_buffer.hpp"
#include "ultrafastbert/core/cache_sizes.hpp"
#include "ultrafastbert/core/matrix_view.hpp"
#include "ultrafastbert/core/workspace.hpp"
#include "ultrafastbert/kernels/activation.hpp"
#include "ultrafastbert/kernels/dispatch.hpp"
#include "ultrafastbert/kernels/isa.hpp"
#include "ultrafastbert/kernels/rounding.hpp"
#include "ultrafastbert/kernels/tables.hpp"

namespace ultrafastbert::cmm {

/// The engine that computes the leaves when the choice is automatic: sorting pays where it saves more reading of
/// weights than it costs. A batch of random tokens is expected to reach leaves * (1 - exp(-tokens / leaves)) leaves.
[[nodiscard]] inline leaf_engine choose_leaves(const leaf_shape& shape, std::size_t tokens) noexcept {
  if (tokens < 2) return leaf_engine::single;
  constexpr double sorting = 96;  // bytes of weights that are read while one token is sorted
  const double bytes = static_cast<double>(shape.leaf_width * (shape.input_width + shape.output_width) *
                                           kernels::bytes_of(shape.storage_leaves));
  const auto count = static_cast<double>(tokens);
  const auto leaves = static_cast<double>(shape.leaves());
  const double reached = -leaves * std::expm1(-count / leaves);
  return (count - reached) * bytes > count * sorting ? leaf_engine::grouped : leaf_engine::single;
}

/// Packed leaf networks.
class packed_leaves final : public leaf_weights<float> {
 public:
  /// All weights zero. `engine`: automatic, single or grouped.
  /// Throws: unsupported (the processor lacks the level asked for), overflow, std::bad_alloc.
  packed_leaves(const leaf_shape& shape, leaf_engine engine)
      : shape_(shape),
        engine_(engine),
        isa_(resolve(shape.isa)),
        in_(shape.storage_leaves, shape.neurons(), shape.input_width),
        in_bias_(shape.neurons()),
        out_(shape.storage_leaves, shape.neurons(), shape.output_width),
        out_bias_({shape.output_bias ? shape.leaves() : 0, shape.output_width}),
        dots_(kernels::dots_of(isa_, shape.storage_leaves)),
        sums_(kernels::sums_of(isa_, shape.storage_leaves)),
        activate_(kernels::kernel_of(kernels::activations_of(isa_), shape.activation)) {
    if (shape.depth > 0) nodes_.emplace(node_shape(), isa_);
  }

  [[nodiscard]] leaf_engine engine(std::size_t tokens) const noexcept override {
    return engine_ == leaf_engine::automatic ? choose_leaves(shape_, tokens) : engine_;
  }
  [[nodiscard]] isa_level isa() const noexcept override { return isa_; }
  [[nodiscard]] std::size_t bytes() const noexcept override {
    return (nodes_ ? nodes_->bytes() : 0) + in_.bytes() + out_.bytes() + out_bias_.bytes() +
           in_bias_.size() * sizeof(float);
  }

  void store_node(std::size_t node, const float* row) noexcept override { nodes_->store(node, row); }
  void store_node_bias(std::size_t node, float bias) noexcept override { nodes_->store_bias(node, bias); }
  void store_in(std::size_t neuron, const float* row) noexcept override { in_.store(neuron, row); }
  void store_in_bias(std::size_t neuron, float bias) noexcept override { in_bias_[neuron] = bias; }
  void store_out(std::size_t neuron, const float* row) noexcept override { out_.store(neuron, row); }
  void store_out_bias(std::size_t leaf, const float* row) noexcept override {
    std::copy_n(row, out_bias_.cols(), out_bias_.row(leaf));
  }

  void multiply(const matrix_view<const float>& x, const matrix_view<float>& y, workspace& scratch,
                std::span<std::int32_t> leaves) const override {
    if (x.rows() == 0) return;
    const bool sorts = engine(x.rows()) == leaf_engine::grouped;
    const std::size_t most = (std::min)(x.rows(), most_tokens);
    workspace::frame frame(scratch);
    const auto leaf_of = frame.take<std::uint32_t>(most);
    const auto order = frame.take<std::uint32_t>(most);
    const auto hidden = frame.take_matrix<float>(sorts ? (std::min)(most, tile_tokens()) : 1, hidden_stride());
    const auto rows = frame.take<const std::byte*>(shape_.leaf_width);
    std::fill_n(hidden.data(), hidden.rows() * hidden.cols(), 0.0F);
    for (std::size_t first = 0; first < x.rows(); first += most) {
      const std::size_t tokens = (std::min)(most, x.rows() - first);
      const auto inputs = x.rows_from(first, tokens);
      const auto outputs = y.rows_from(first, tokens);
      const auto reached = leaf_of.first(tokens);
      route(inputs, scratch, reached);
      for (std::size_t t = 0; t < tokens && !leaves.empty(); ++t) {
        leaves[first + t] = static_cast<std::int32_t>(reached[t]);
      }
      const auto sorted = order.first(tokens);
      std::iota(sorted.begin(), sorted.end(), std::uint32_t{0});
      if (sorts) {
        std::sort(sorted.begin(), sorted.end(), [reached](std::uint32_t a, std::uint32_t b) {
          return reached[a] != reached[b] ? reached[a] < reached[b] : a < b;
        });
      }
      for (std::size_t done = 0; done < tokens;) {
        const std::uint32_t leaf = reached[sorted[done]];
        std::size_t count = 1;
        while (count < hidden.rows() && done + count < tokens && reached[sorted[done + count]] == leaf) ++count;
        const auto some = std::span<const std::uint32_t>(sorted).subspan(done, count);
        multiply_first(leaf, some, inputs, hidden);
        multiply_second(leaf, some, hidden, outputs, rows);
        done += count;
      }
    }
  }

  [[nodiscard]] std::size_t workspace_bytes(std::size_t tokens) const noexcept override {
    const std::size_t most = (std::min)(tokens, most_tokens);
    constexpr std::size_t arrays = 7;  // each is rounded up to a whole number of cache lines
    return most * 2 * sizeof(std::uint32_t) + (std::min)(most, tile_tokens()) * hidden_stride() * sizeof(float) +
           shape_.leaf_width * sizeof(std::byte*) + arrays * buffer_alignment +
           (std::min)(tokens, tokens_per_tile) *
               (logit_stride(node_shape().depth) * sizeof(float) + sizeof(std::uint32_t) + sizeof(float));
  }

 private:
  static constexpr std::size_t most_tokens = 16'384;                   // that are sorted at a time
  static constexpr std::size_t near_bytes = std::size_t{24} << 10U;    // of rows that stay in a first-level cache
  static constexpr std::size_t block_bytes = std::size_t{128} << 10U;  // the same for a second-level cache
  static constexpr std::size_t quad = 4;

  // The tree that decides, whose deepest level sends tokens to the leaves. Pre: the depth is not 0, or it does not
  // matter.
  [[nodiscard]] fff_shape node_shape() const noexcept {
    return {.input_width = shape_.input_width,
            .depth = shape_.depth == 0 ? 0 : shape_.depth - 1,
            .zero_goes_right = shape_.zero_goes_right,
            .storage_in = shape_.storage_nodes};
  }

  // Activations are computed in whole vectors.
  [[nodiscard]] std::size_t hidden_stride() const noexcept {
    return (shape_.leaf_width + kernels::row_padding - 1) / kernels::row_padding * kernels::row_padding;
  }
  // Tokens of one leaf that are computed together: their activations stay in a first-level cache.
  [[nodiscard]] std::size_t tile_tokens() const noexcept {
    return std::clamp<std::size_t>(near_bytes / sizeof(float) / hidden_stride(), 16, tokens_per_tile);
  }

  // Shapes: leaf_of: (tokens).
  void route(const matrix_view<const float>& x, workspace& scratch, std::span<std::uint32_t> leaf_of) const {
    if (!nodes_) {
      std::fill(leaf_of.begin(), leaf_of.end(), std::uint32_t{0});
      return;
    }
    const routing_weights in = nodes_->routing();
    const std::size_t most = (std::min)(x.rows(), tokens_per_tile);
    const bool alone = choose_walk(node_shape(), x.rows(), cache_) == fff_engine::fused;
    workspace::frame frame(scratch);
    routes found{.logits = frame.take<float>(most * logit_stride(in.depth)), .stride = logit_stride(in.depth)};
    const auto norms = frame.take<float>(nodes_->is_certified() ? most : 0);
    for (std::size_t first = 0; first < x.rows(); first += most) {
      const auto inputs = x.rows_from(first, (std::min)(most, x.rows() - first));
      found.position = leaf_of.subspan(first, inputs.rows());
      found.norm = norms_of(in, inputs, norms);
      if (alone) {
        route_fused(in, {.cold_level = in.depth + 1}, 0, inputs, found);  // no row of nodes is summed later
      } else {
        route_interleaved(in, 0, inputs, found);
      }
      for (std::size_t t = 0; t < inputs.rows(); ++t) {
        const std::size_t row = blocked_order::row(in.depth, found.position[t], in.depth);
        const bool right = in.right(row, found.logits[t * found.stride + in.depth]);
        found.position[t] = 2 * found.position[t] + static_cast<std::uint32_t>(right);
      }
    }
  }

  // Activations of a leaf's neurons for some tokens that reach it. Shapes: hidden: (at least tokens, hidden_stride).
  void multiply_first(std::size_t leaf, std::span<const std::uint32_t> tokens, const matrix_view<const float>& x,
                      const matrix_view<float>& hidden) const noexcept {
    const std::size_t first = leaf * shape_.leaf_width;
    const std::size_t fitting = block_bytes / (std::max<std::size_t>)(in_.stride(), 1) / 3 * 3;
    const std::size_t step = (std::max<std::size_t>)(fitting, 3);
    for (std::size_t n = 0; n < shape_.leaf_width; n += step) {
      const std::size_t last = (std::min)(n + step, shape_.leaf_width);
      for (std::size_t t = 0; t < tokens.size(); t += quad) {
        multiply_quad(first, {n, last}, tokens.subspan(t, (std::min)(quad, tokens.size() - t)), x, hidden.row(t),
                      hidden.stride());
      }
    }
    for (std::size_t t = 0; t < tokens.size(); ++t) {
      float* z = hidden.row(t);
      for (std::size_t n = 0; n < shape_.leaf_width; ++n) {
        // A product of floats is exact in double: fused with the sum or not, the bits are the same.
        z[n] = in_.scale() == nullptr
                   ? z[n] + in_bias_[first + n]
                   : static_cast<float>(static_cast<double>(z[n]) * static_cast<double>(in_.scale()[first + n]) +
                                        static_cast<double>(in_bias_[first + n]));
      }
    }
    activate_(tokens.size() * hidden.stride(), hidden.data());
  }

  // Products of neurons [neurons.first, neurons.last) of a leaf with up to four tokens: three neurons at a time, and
  // what is left over in pairs of neuron and token. Shapes: to: (tokens, stride).
  void multiply_quad(std::size_t first_row, const kernels::column_range& neurons, std::span<const std::uint32_t> tokens,
                     const matrix_view<const float>& x, float* to, std::size_t stride) const noexcept {
    constexpr std::size_t rows_at_once = 3;
    constexpr std::size_t pairs_at_once = 8;
    std::array<const float*, quad> input{};
    for (std::size_t t = 0; t < quad; ++t) input[t] = x.row(tokens[(std::min)(t, tokens.size() - 1)]);
    std::size_t n = neurons.first;
    for (; tokens.size() >= quad - 1 && n + rows_at_once <= neurons.last; n += rows_at_once) {
      std::array<float, rows_at_once * quad> z{};
      const std::byte* next = n + 2 * rows_at_once <= neurons.last ? in_.row(first_row + n + rows_at_once) : nullptr;
      dots_.rows_3_inputs_4(in_.row(first_row + n), in_.stride(), input.data(), shape_.input_width, z.data(),
                            {.block = next, .x = input.data()});
      for (std::size_t t = 0; t < tokens.size(); ++t) {
        for (std::size_t r = 0; r < rows_at_once; ++r) to[t * stride + n + r] = z[r * quad + t];
      }
    }
    const std::size_t pairs = (neurons.last - n) * tokens.size();
    for (std::size_t p = 0; p < pairs; p += pairs_at_once) {
      std::array<const std::byte*, pairs_at_once> row{};
      std::array<const float*, pairs_at_once> by{};
      std::array<float, pairs_at_once> z{};
      for (std::size_t i = 0; i < pairs_at_once; ++i) {
        const std::size_t at = (std::min)(p + i, pairs - 1);
        row[i] = in_.row(first_row + n + at / tokens.size());
        by[i] = input[at % tokens.size()];
      }
      dots_.pairs_8(row.data(), by.data(), shape_.input_width, z.data());
      for (std::size_t i = 0; i < (std::min)(pairs_at_once, pairs - p); ++i) {
        to[(p + i) % tokens.size() * stride + n + (p + i) / tokens.size()] = z[i];
      }
    }
  }

  // Outputs of some tokens from the activations of their leaf: some columns for all tokens, so that the rows are read
  // from the nearest cache. Shapes: hidden: (at least tokens, hidden_stride); rows: (leaf_width), overwritten.
  void multiply_second(std::size_t leaf, std::span<const std::uint32_t> tokens, const matrix_view<float>& hidden,
                       const matrix_view<float>& y, std::span<const std::byte*> rows) const noexcept {
    const std::size_t first = leaf * shape_.leaf_width;
    for (std::size_t n = 0; n < rows.size(); ++n) rows[n] = out_.row(first + n);
    for (std::size_t t = 0; t < tokens.size() && out_.scale() != nullptr; ++t) {
      for (std::size_t n = 0; n < rows.size(); ++n) hidden(t, n) *= out_.scale()[first + n];
    }
    constexpr std::size_t least = 64;
    const std::size_t fitting = near_bytes / kernels::bytes_of(shape_.storage_leaves) / rows.size() / least * least;
    const std::size_t step = tokens.size() < quad ? shape_.output_width : (std::max)(fitting, least);
    for (std::size_t column = 0; column < shape_.output_width; column += step) {
      const kernels::column_range columns{column, (std::min)(column + step, shape_.output_width)};
      for (std::size_t t = 0; t < tokens.size(); ++t) {
        float* out = y.row(tokens[t]);
        if (shape_.output_bias) {
          std::copy(out_bias_.row(leaf) + columns.first, out_bias_.row(leaf) + columns.last, out + columns.first);
        }
        sums_.sum(rows.data(), hidden.row(t), rows.size(), columns,
                  shape_.output_bias ? kernels::sum_target::add : kernels::sum_target::overwrite, out, {});
      }
    }
  }

  leaf_shape shape_;
  leaf_engine engine_;
  isa_level isa_;
  std::size_t cache_ = core::second_level_cache();
  std::optional<packed_nodes> nodes_{};  // none decides where there is one leaf
  packed_rows in_;                       // (neurons, input_width)
  aligned_buffer<float> in_bias_;
  packed_rows out_;         // (neurons, output_width)
  matrix<float> out_bias_;  // (leaves, output_width), or empty
  kernels::dot_kernels dots_;
  kernels::sum_kernels sums_;
  kernels::activation_kernel activate_;
};

}  // namespace ultrafastbert::cmm
