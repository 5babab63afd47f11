// SPDX-License-Identifier: MIT
//
// The fast feedforward (FFF) layer in its original form: a tree of decisions, and a small network at each leaf. A token
// takes one decision per level and uses the network of the leaf that it reaches. `fast_feedforward` is the later form,
// in which the nodes themselves are the neurons.
// Source: Belcak & Wattenhofer, "Fast Feedforward Networks", arXiv 2308.14711.
// Layer: layers.
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "ultrafastbert/blas/default_backend.hpp"
#include "ultrafastbert/cmm/leaf_weights.hpp"
#include "ultrafastbert/cmm/make_leaf_weights.hpp"
#include "ultrafastbert/cmm/tie_rule.hpp"
#include "ultrafastbert/cmm/tree.hpp"
#include "ultrafastbert/core/aligned_buffer.hpp"
#include "ultrafastbert/core/executor.hpp"
#include "ultrafastbert/core/matrix_view.hpp"
#include "ultrafastbert/core/parameters.hpp"
#include "ultrafastbert/core/storage.hpp"
#include "ultrafastbert/core/tasks.hpp"
#include "ultrafastbert/core/tensor_source.hpp"
#include "ultrafastbert/core/workspace.hpp"
#include "ultrafastbert/kernels/activation.hpp"
#include "ultrafastbert/kernels/isa.hpp"
#include "ultrafastbert/layers/leaf_feedforward_shape.hpp"
#include "ultrafastbert/layers/shared_neurons.hpp"
#include "ultrafastbert/layers/storing.hpp"
#include "ultrafastbert/layers/token_tasks.hpp"

namespace ultrafastbert {

/// A fast feedforward layer with leaf networks over `Scalar` (float or double). The published package evaluates with
/// the tie rule `non_negative_goes_right`; its training form sends ties left, as `positive_goes_right` does.
/// Immutable after construction: any number of threads may call `forward`, each with its own workspace.
template <class Scalar, tie_rule TieRule = non_negative_goes_right, class Backend = default_backend<Scalar>>
requires layer_backend<Backend, Scalar>
class leaf_feedforward {
 public:
  using scalar_type = Scalar;

  /// Sizes alone: `parameters` says what fills them.
  /// Throws: invalid_input (a size is 0 or too large; options that contradict each other or the backend), overflow.
  explicit leaf_feedforward(const leaf_feedforward_shape& shape, const leaf_feedforward_options& options = {})
      : shape_(shape), options_(options) {
    for (const auto& [what, size] : {std::pair{"input_width", shape.input_width},
                                     {"leaf_width", shape.leaf_width},
                                     {"output_width", shape.output_width}}) {
      if (size == 0) fail_input(what, "at least 1", "0");
    }
    static_cast<void>(cmm::tree::total_nodes(shape.depth, 1));
    static_cast<void>(core::elements_of(leaves(), shape.leaf_width, shape.leaf_width));
    static_cast<void>(core::elements_of(leaves(), shape.output_width, shape.output_width));
    const bool kernels = cmm::leaves_run_kernels<Backend>(packed_shape(), options.engine);
    if (shape.master_width > 0) {
      master_.emplace(
          linear_shape{.output_width = shape.master_width, .input_width = shape.input_width, .bias = true},
          linear_shape{
              .output_width = shape.output_width, .input_width = shape.master_width, .bias = shape.output_bias},
          shape.activation,
          kernels ? projection_options{.isa = options.isa} : projection_options{.engine = projection_engine::blas});
    }
  }

  /// Copies and packs the weights of a layer without a master leaf.
  /// Throws: as above; invalid_input (the shape has a master leaf, second biases that are not added), shape_mismatch,
  ///   non_finite (a weight too large for its storage), unsupported (the processor lacks the level that `options.isa`
  ///   names), std::bad_alloc.
  /// Complexity: linear in the weights.
  leaf_feedforward(const leaf_feedforward_shape& shape, const leaf_feedforward_weights<Scalar>& from,
                   const leaf_feedforward_options& options = {})
      : leaf_feedforward(shape, options) {
    if (master_)
      fail_input("master_width", "0, as only checkpoints have master leaves", std::to_string(master_width()));
    if (!from.b2s.empty() && !shape.output_bias) {
      fail_input("b2s", "none, as the shape's output_bias says that none is added", "some");
    }
    layers::check_shape("node_weights", from.node_weights, nodes(), shape.input_width);
    layers::check_shape("w1s", from.w1s, leaves() * shape.input_width, shape.leaf_width);
    layers::check_shape("w2s", from.w2s, neurons(), shape.output_width);
    if (!from.b1s.empty()) layers::check_shape("b1s", from.b1s, leaves(), shape.leaf_width);
    if (!from.b2s.empty()) layers::check_shape("b2s", from.b2s, leaves(), shape.output_width);
    if (!from.node_biases.empty() && from.node_biases.size() != nodes()) {
      fail(error_code::shape_mismatch, {.where = "node_biases",
                                        .expected = std::to_string(nodes()) + " elements, or none",
                                        .found = std::to_string(from.node_biases.size())});
    }
    make_room();
    for (std::size_t n = 0; n < nodes(); ++n) {
      store_node(n, from.node_weights.row(n), {.where = "node_weights", .number = n});
    }
    for (std::size_t n = 0; n < from.node_biases.size(); ++n) weights_->store_node_bias(n, from.node_biases[n]);
    for (std::size_t leaf = 0; leaf < leaves(); ++leaf) {
      store_leaf_in(leaf, from.w1s.rows_from(leaf * shape.input_width, shape.input_width), {.where = "w1s"});
      for (std::size_t i = 0; i < from.b1s.cols(); ++i) {
        weights_->store_in_bias(leaf * shape.leaf_width + i, from.b1s(leaf, i));
      }
      if (!from.b2s.empty()) weights_->store_out_bias(leaf, from.b2s.row(leaf));
    }
    for (std::size_t n = 0; n < neurons(); ++n) store_out(n, from.w2s.row(n), {.where = "w2s", .number = n});
  }

  /// Loads what `parameters` notes below `prefix` from a checkpoint.
  /// Throws: missing_tensor, unsupported (the tensors are those of another class), what the source throws; otherwise as
  /// the constructor.
  [[nodiscard]] static leaf_feedforward load(const tensor_source& source, const std::string& prefix,
                                             const leaf_feedforward_shape& shape,
                                             const leaf_feedforward_options& options = {}) {
    leaf_feedforward layer(shape, options);
    parameter_list list;
    layer.parameters(prefix, list);
    list.load(source);
    return layer;
  }

  /// Notes `node_weights`, `node_biases`, `w1s`, `b1s`, `w2s` and, if it is added, `b2s` below `prefix`; with a master
  /// leaf also `magic_w1`, `magic_b1`, `magic_w2`, `k` and, if it is added, `magic_b2`. Throws: std::bad_alloc.
  void parameters(const std::string& prefix, parameter_list& list);

  [[nodiscard]] const leaf_feedforward_shape& shape() const noexcept { return shape_; }        ///< as given
  [[nodiscard]] const leaf_feedforward_options& options() const noexcept { return options_; }  ///< as given
  [[nodiscard]] std::size_t input_width() const noexcept { return shape_.input_width; }        ///< columns of x
  [[nodiscard]] std::size_t output_width() const noexcept { return shape_.output_width; }      ///< columns of y
  [[nodiscard]] std::size_t depth() const noexcept { return shape_.depth; }                    ///< decisions of a token
  [[nodiscard]] std::size_t leaves() const noexcept { return cmm::tree::leaf_count(depth()); }  ///< leaf networks
  [[nodiscard]] std::size_t nodes() const noexcept { return leaves() - 1; }                     ///< that decide
  [[nodiscard]] std::size_t neurons() const noexcept { return leaves() * shape_.leaf_width; }   ///< of all leaves
  [[nodiscard]] std::size_t master_width() const noexcept {
    return shape_.master_width;
  }  ///< neurons of the master leaf
  /// Memory held by the packed weights. Units: bytes.
  [[nodiscard]] std::size_t bytes() const noexcept { return weights_->bytes() + (master_ ? master_->bytes() : 0); }
  /// The engine that computes a batch of `tokens` tokens.
  [[nodiscard]] leaf_engine engine(std::size_t tokens) const noexcept { return weights_->engine(tokens); }
  /// Level of the kernels that run; `portable` for the `blas` engine.
  [[nodiscard]] isa_level isa() const noexcept { return weights_->isa(); }
  /// The part of the leaf's output in the mixture with the master leaf; 1 without one.
  [[nodiscard]] Scalar leaf_share() const noexcept { return own_; }
  /// Bytes that `forward` takes from its workspace for up to `tokens` tokens, at most.
  [[nodiscard]] std::size_t workspace_bytes(std::size_t tokens) const noexcept {
    return (std::max)(weights_->workspace_bytes(tokens), master_ ? master_->workspace_bytes(tokens) : 0);
  }

  /// y = the network of each token's leaf, activation(x W1 + b1) W2 [+ b2], spread over an executor's threads where
  /// that pays, tokens split evenly. A token goes from node n to node 2 n + 1 or 2 n + 2, as the tie rule has it for
  /// its logit w_n . x + b_n; leaves are numbered from the left. A token's bits depend on no other token and no number
  /// of threads, but for the `blas` engine.
  /// With a master leaf y = k leaf(x) + (1 - k) master(x), k the logistic function of the stored `k`: the reading of
  /// the package that its authors published.
  /// Shapes: x: (tokens, input_width) row-major; y: (tokens, output_width), overwritten; leaves_reached: empty, or
  ///   (tokens) that receives the leaves.
  /// Pre: y and leaves_reached overlap nothing else.
  /// Throws: invalid_input (shapes, overlap; y is untouched then), what the executor throws, std::bad_alloc while the
  ///   workspace grows.
  /// Complexity: tokens * (depth * input_width + leaf_width * (input_width + output_width)), and as much for the master
  ///   leaf's neurons; no allocation after warm-up.
  /// Source: arXiv 2308.14711, section 2; arXiv 2405.16836 for the master leaf.
  void forward(const matrix_view<const Scalar>& x, const matrix_view<Scalar>& y, workspace& scratch,
               std::span<std::int32_t> leaves_reached = {}, executor_ref threads = {}) const {
    core::check_extents(x, x.rows(), input_width(), "x");
    core::check_extents(y, x.rows(), output_width(), "y");
    if (!leaves_reached.empty() && leaves_reached.size() != x.rows()) {
      fail_input("leaves_reached", std::to_string(x.rows()) + " elements, or none",
                 std::to_string(leaves_reached.size()));
    }
    if (core::overlap(x, y)) fail_input("y", "memory apart from x", "an overlap");
    const std::size_t tasks = tasks_for(x.rows(), threads.concurrency());
    core::run_tasks(tasks, scratch, threads, [&](std::size_t task, workspace& mine) {
      const auto rows = core::part_of(x.rows(), tasks, task);
      const auto from = x.rows_from(rows.first, rows.size());
      const auto to = y.rows_from(rows.first, rows.size());
      weights_->multiply(from, to, mine,
                         leaves_reached.empty() ? leaves_reached : leaves_reached.subspan(rows.first, rows.size()));
      if (master_) master_->mix(from, to, own_, Scalar{1} - own_, mine);
    });
  }

 private:
  [[nodiscard]] cmm::leaf_shape packed_shape() const noexcept {
    return {.input_width = input_width(),
            .leaf_width = shape_.leaf_width,
            .output_width = output_width(),
            .depth = depth(),
            .activation = shape_.activation,
            .zero_goes_right = TieRule::zero_goes_right,
            .output_bias = shape_.output_bias,
            .storage_nodes = options_.storage_nodes,
            .storage_leaves = options_.storage_leaves,
            .isa = options_.isa};
  }

  // Sets memory aside, once.
  void make_room() {
    if (!weights_) weights_ = cmm::make_leaf_weights<Scalar, Backend>(packed_shape(), options_.engine);
  }

  // Shapes: row: (input_width).
  void store_node(std::size_t node, const Scalar* row, const layers::row_origin& from) {
    if constexpr (std::same_as<Scalar, float>) {
      layers::check_storable(options_.storage_nodes, row, input_width(), from);
    }
    weights_->store_node(node, row);
  }
  // Takes the first matrix of a leaf, whose columns are the neurons. Shapes: block: (input_width, leaf_width).
  void store_leaf_in(std::size_t leaf, const matrix_view<const Scalar>& block, layers::row_origin from) {
    matrix<Scalar> rows({shape_.leaf_width, input_width()});
    layers::copy_transposed(block, rows.view());
    from.is_column = true;
    for (std::size_t i = 0; i < shape_.leaf_width; ++i) {
      from.number = i;
      if constexpr (std::same_as<Scalar, float>) {
        layers::check_storable(options_.storage_leaves, rows.row(i), input_width(), from);
      }
      weights_->store_in(leaf * shape_.leaf_width + i, rows.row(i));
    }
  }
  // Shapes: row: (output_width).
  void store_out(std::size_t neuron, const Scalar* row, const layers::row_origin& from) {
    if constexpr (std::same_as<Scalar, float>) {
      layers::check_storable(options_.storage_leaves, row, output_width(), from);
    }
    weights_->store_out(neuron, row);
  }

  void master_parameters(const std::string& prefix, parameter_list& list);

  [[nodiscard]] std::size_t tasks_for(std::size_t tokens, std::size_t threads) const noexcept {
    const std::size_t neurons_used = shape_.leaf_width + master_width();
    const std::size_t products = depth() * input_width() + neurons_used * (input_width() + output_width());
    return layers::token_tasks(tokens, products, threads);
  }

  leaf_feedforward_shape shape_;
  leaf_feedforward_options options_;
  std::unique_ptr<cmm::leaf_weights<Scalar>> weights_{};  // null only while the layer is built
  std::optional<layers::shared_neurons<Scalar, Backend>> master_{};
  Scalar own_ = 1;
};

template <class Scalar, tie_rule TieRule, class Backend>
requires layer_backend<Backend, Scalar>
void leaf_feedforward<Scalar, TieRule, Backend>::parameters(const std::string& prefix, parameter_list& list) {
  list.refuse(prefix + "linear_in.weight", "this is the form with neurons at the nodes: load it with fast_feedforward");
  if (nodes() > 0) {  // a single leaf has no tensor of nodes, or an empty one
    list.add(prefix + "node_weights", {nodes(), input_width()}, [this](const tensor& from) {
      make_room();
      layers::read_rows<Scalar>(from, {nodes(), input_width()}, [&](std::size_t n, const Scalar* row) {
        store_node(n, row, {.file = from.source().name(), .where = from.name(), .number = n});
      });
    });
    list.add(prefix + "node_biases", {nodes(), 1}, [this](const tensor& from) {
      aligned_buffer<Scalar> bias(nodes());
      from.read(0, bias.span());
      for (std::size_t n = 0; n < nodes(); ++n) weights_->store_node_bias(n, bias[n]);
    });
  }
  list.add(prefix + "w1s", {leaves(), input_width(), shape_.leaf_width}, [this](const tensor& from) {
    make_room();
    matrix<Scalar> block({input_width(), shape_.leaf_width, shape_.leaf_width});
    for (std::size_t leaf = 0; leaf < leaves(); ++leaf) {
      const std::size_t size = input_width() * shape_.leaf_width;
      from.read(leaf * size, std::span<Scalar>(block.row(0), size));
      store_leaf_in(leaf, std::as_const(block).view(), {.file = from.source().name(), .where = from.name()});
    }
  });
  list.add(prefix + "b1s", {leaves(), shape_.leaf_width}, [this](const tensor& from) {
    layers::read_rows<Scalar>(from, {leaves(), shape_.leaf_width}, [&](std::size_t leaf, const Scalar* row) {
      for (std::size_t i = 0; i < shape_.leaf_width; ++i) weights_->store_in_bias(leaf * shape_.leaf_width + i, row[i]);
    });
  });
  list.add(prefix + "w2s", {leaves(), shape_.leaf_width, output_width()}, [this](const tensor& from) {
    layers::read_rows<Scalar>(from, {neurons(), output_width()}, [&](std::size_t n, const Scalar* row) {
      store_out(n, row, {.file = from.source().name(), .where = from.name(), .number = n});
    });
  });
  if (shape_.output_bias) {
    list.add(prefix + "b2s", {leaves(), output_width()}, [this](const tensor& from) {
      layers::read_rows<Scalar>(from, {leaves(), output_width()},
                                [&](std::size_t leaf, const Scalar* row) { weights_->store_out_bias(leaf, row); });
    });
  }
  if (master_) master_parameters(prefix, list);
}

template <class Scalar, tie_rule TieRule, class Backend>
requires layer_backend<Backend, Scalar>
void leaf_feedforward<Scalar, TieRule, Backend>::master_parameters(const std::string& prefix, parameter_list& list) {
  const std::size_t width = master_width();
  // Linear layers want whole matrices, each of one row per output.
  struct tensors {
    matrix<Scalar> in{};
    matrix<Scalar> out{};
    aligned_buffer<Scalar> in_bias{};
    aligned_buffer<Scalar> out_bias{};
  };
  const auto read = std::make_shared<tensors>();
  list.add(prefix + "magic_w1", {1, input_width(), width}, [this, read, width](const tensor& from) {
    read->in = matrix<Scalar>({width, input_width()});
    layers::read_transposed<Scalar>(from, read->in.view());
  });
  list.add(prefix + "magic_b1", {1, width}, [read, width](const tensor& from) {
    read->in_bias = aligned_buffer<Scalar>(width);
    from.read(0, read->in_bias.span());
  });
  list.add(prefix + "magic_w2", {1, width, output_width()}, [this, read, width](const tensor& from) {
    read->out = matrix<Scalar>({output_width(), width});
    layers::read_transposed<Scalar>(from, read->out.view());
  });
  if (shape_.output_bias) {
    list.add(prefix + "magic_b2", {1, output_width()}, [this, read](const tensor& from) {
      read->out_bias = aligned_buffer<Scalar>(output_width());
      from.read(0, read->out_bias.span());
    });
  }
  list.add(prefix + "k", {}, [this, read](const tensor& from) {
    Scalar stored = 0;
    from.read(0, std::span<Scalar>(&stored, 1));
    own_ = Scalar{1} / (Scalar{1} + std::exp(-stored));
    const tensors& all = *read;
    master_->set({all.in.view(), all.in_bias.span(), master_->options()},
                 {all.out.view(), all.out_bias.span(), master_->options()});
  });
}

}  // namespace ultrafastbert
