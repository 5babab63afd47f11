// SPDX-License-Identifier: MIT
//
// Leaf networks as a BLAS multiplies them: every token is one small matrix-vector product at each node and two at its
// leaf, gathered in batches of pointers. Nothing is rounded.
// Layer: cmm.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "ultrafastbert/blas/backend.hpp"
#include "ultrafastbert/cmm/leaf_weights.hpp"
#include "ultrafastbert/cmm/tie_rule.hpp"
#include "ultrafastbert/cmm/tree.hpp"
#include "ultrafastbert/core/aligned_buffer.hpp"
#include "ultrafastbert/core/matrix_view.hpp"
#include "ultrafastbert/core/workspace.hpp"
#include "ultrafastbert/kernels/activation.hpp"

namespace ultrafastbert::cmm {

/// Weights for the `blas` engine.
template <class Scalar, class Backend>
requires blas_backend<Backend, Scalar>
class backend_leaves final : public leaf_weights<Scalar> {
 public:
  /// All weights zero. Throws: overflow, std::bad_alloc.
  explicit backend_leaves(const leaf_shape& shape)
      : shape_(shape),
        nodes_({shape.nodes(), shape.input_width}),
        node_bias_(shape.nodes()),
        in_({shape.neurons(), shape.input_width}),
        in_bias_(shape.neurons()),
        out_({checked_rows(shape), shape.leaf_width}),
        out_bias_({shape.output_bias ? shape.leaves() : 0, shape.output_width}) {}

  [[nodiscard]] leaf_engine engine(std::size_t /*tokens*/) const noexcept override { return leaf_engine::blas; }
  [[nodiscard]] isa_level isa() const noexcept override { return isa_level::portable; }
  [[nodiscard]] std::size_t bytes() const noexcept override {
    return nodes_.bytes() + in_.bytes() + out_.bytes() + out_bias_.bytes() +
           (node_bias_.size() + in_bias_.size()) * sizeof(Scalar);
  }

  void store_node(std::size_t node, const Scalar* row) noexcept override {
    std::copy_n(row, nodes_.cols(), nodes_.row(node));
  }
  void store_node_bias(std::size_t node, Scalar bias) noexcept override { node_bias_[node] = bias; }
  void store_in(std::size_t neuron, const Scalar* row) noexcept override {
    std::copy_n(row, in_.cols(), in_.row(neuron));
  }
  void store_in_bias(std::size_t neuron, Scalar bias) noexcept override { in_bias_[neuron] = bias; }
  void store_out(std::size_t neuron, const Scalar* row) noexcept override {
    const std::size_t leaf = neuron / shape_.leaf_width;
    for (std::size_t k = 0; k < shape_.output_width; ++k) {
      out_(leaf * shape_.output_width + k, neuron % shape_.leaf_width) = row[k];
    }
  }
  void store_out_bias(std::size_t leaf, const Scalar* row) noexcept override {
    std::copy_n(row, out_bias_.cols(), out_bias_.row(leaf));
  }

  void multiply(const matrix_view<const Scalar>& x, const matrix_view<Scalar>& y, workspace& scratch,
                std::span<std::int32_t> leaves) const override {
    workspace::frame frame(scratch);
    const auto hidden = frame.take_matrix<Scalar>((std::min)(x.rows(), most_tokens), shape_.leaf_width);
    for (std::size_t first = 0; first < x.rows(); first += most_tokens) {
      const std::size_t tokens = (std::min)(most_tokens, x.rows() - first);
      multiply_some(x.rows_from(first, tokens), y.rows_from(first, tokens), hidden.rows_from(0, tokens),
                    leaves.empty() ? leaves : leaves.subspan(first, tokens));
    }
  }

  [[nodiscard]] std::size_t workspace_bytes(std::size_t tokens) const noexcept override {
    return (std::min)(tokens, most_tokens) * shape_.leaf_width * sizeof(Scalar) + buffer_alignment;
  }

 private:
  static constexpr std::size_t most_tokens = 64;  // of one batch of pointers
  template <class Element>
  using list = std::array<Element, most_tokens>;

  static std::size_t checked_rows(const leaf_shape& shape) {
    return core::elements_of(shape.leaves(), shape.output_width, shape.output_width);
  }

  // Shapes: hidden: (tokens, leaf_width).
  void multiply_some(const matrix_view<const Scalar>& x, const matrix_view<Scalar>& y,
                     const matrix_view<Scalar>& hidden, std::span<std::int32_t> leaves) const {
    const std::size_t tokens = x.rows();
    list<std::size_t> leaf{};
    route(x, std::span(leaf).first(tokens));
    list<const Scalar*> weights{};
    list<const Scalar*> from{};
    list<Scalar*> to{};
    for (std::size_t t = 0; t < tokens; ++t) {
      weights[t] = in_.row(leaf[t] * shape_.leaf_width);
      from[t] = x.row(t);
      to[t] = hidden.row(t);
    }
    Backend::multiply_batch(gemv_batch<Scalar>{.rows = shape_.leaf_width,
                                               .cols = in_.cols(),
                                               .stride = in_.stride(),
                                               .a = std::span(weights).first(tokens),
                                               .x = std::span(from).first(tokens),
                                               .y = std::span(to).first(tokens)});
    for (std::size_t t = 0; t < tokens; ++t) {
      for (std::size_t i = 0; i < shape_.leaf_width; ++i) hidden(t, i) += in_bias_[leaf[t] * shape_.leaf_width + i];
      kernels::activate(shape_.activation, hidden.row_span(t));
      weights[t] = out_.row(leaf[t] * shape_.output_width);
      from[t] = hidden.row(t);
      to[t] = y.row(t);
    }
    Backend::multiply_batch(gemv_batch<Scalar>{.rows = shape_.output_width,
                                               .cols = shape_.leaf_width,
                                               .stride = out_.stride(),
                                               .a = std::span(weights).first(tokens),
                                               .x = std::span(from).first(tokens),
                                               .y = std::span(to).first(tokens)});
    for (std::size_t t = 0; t < tokens; ++t) {
      if (!leaves.empty()) leaves[t] = static_cast<std::int32_t>(leaf[t]);
      for (std::size_t k = 0; shape_.output_bias && k < y.cols(); ++k) y(t, k) += out_bias_(leaf[t], k);
    }
  }

  // Shapes: leaf: (tokens), receives the numbers of the leaves.
  void route(const matrix_view<const Scalar>& x, std::span<std::size_t> leaf) const {
    const direction<Scalar> ties(shape_.zero_goes_right);
    list<Scalar> logit{};
    list<const Scalar*> weights{};
    list<const Scalar*> from{};
    list<Scalar*> to{};
    for (std::size_t level = 0; level < shape_.depth; ++level) {
      const std::size_t first = tree::first_of_level(level);
      for (std::size_t t = 0; t < leaf.size(); ++t) {
        weights[t] = nodes_.row(first + leaf[t]);
        from[t] = x.row(t);
        to[t] = &logit[t];
      }
      Backend::multiply_batch(gemv_batch<Scalar>{.rows = 1,
                                                 .cols = nodes_.cols(),
                                                 .stride = nodes_.stride(),
                                                 .a = std::span(weights).first(leaf.size()),
                                                 .x = std::span(from).first(leaf.size()),
                                                 .y = std::span(to).first(leaf.size())});
      for (std::size_t t = 0; t < leaf.size(); ++t) {
        leaf[t] = 2 * leaf[t] + static_cast<std::size_t>(ties.right(logit[t] + node_bias_[first + leaf[t]]));
      }
    }
  }

  leaf_shape shape_;
  matrix<Scalar> nodes_;  // (nodes, input_width)
  aligned_buffer<Scalar> node_bias_;
  matrix<Scalar> in_;  // (neurons, input_width)
  aligned_buffer<Scalar> in_bias_;
  matrix<Scalar> out_;       // (leaves * output_width, leaf_width)
  matrix<Scalar> out_bias_;  // (leaves, output_width), or empty
};

}  // namespace ultrafastbert::cmm
