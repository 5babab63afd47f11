// SPDX-License-Identifier: MIT
//
// The fast feedforward (FFF) layer: neurons in binary trees, of which each token uses one path.
// Source: Belcak & Wattenhofer, "Exponentially Faster Language Modelling", arXiv 2311.10770.
// Layer: layers.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "ultrafastbert/blas/default_backend.hpp"
#include "ultrafastbert/cmm/engine.hpp"
#include "ultrafastbert/cmm/fff_weights.hpp"
#include "ultrafastbert/cmm/make_weights.hpp"
#include "ultrafastbert/cmm/paths.hpp"
#include "ultrafastbert/cmm/small_fff.hpp"
#include "ultrafastbert/cmm/tie_rule.hpp"
#include "ultrafastbert/cmm/tree.hpp"
#include "ultrafastbert/core/aligned_buffer.hpp"
#include "ultrafastbert/core/executor.hpp"
#include "ultrafastbert/core/extents.hpp"
#include "ultrafastbert/core/matrix_view.hpp"
#include "ultrafastbert/core/parameters.hpp"
#include "ultrafastbert/core/tasks.hpp"
#include "ultrafastbert/core/tensor_source.hpp"
#include "ultrafastbert/core/workspace.hpp"
#include "ultrafastbert/kernels/isa.hpp"
#include "ultrafastbert/layers/fast_feedforward_shape.hpp"
#include "ultrafastbert/layers/linear.hpp"
#include "ultrafastbert/layers/shared_neurons.hpp"
#include "ultrafastbert/layers/storing.hpp"
#include "ultrafastbert/layers/token_tasks.hpp"

namespace ultrafastbert {

/// An FFF layer over `Scalar` (float or double). Sizes are static or `dynamic_extent`; one class serves both.
/// Immutable after construction: any number of threads may call `forward`, each with its own workspace.
template <class Scalar, std::size_t InputWidth = dynamic_extent, std::size_t OutputWidth = dynamic_extent,
          std::size_t Depth = dynamic_extent, std::size_t ParallelSize = dynamic_extent,
          tie_rule TieRule = positive_goes_right, class Backend = default_backend<Scalar>>
requires layer_backend<Backend, Scalar>
class fast_feedforward {
  static_assert(Depth == dynamic_extent || Depth <= cmm::tree::max_depth, "the tree has too many nodes");
  static_assert(InputWidth != 0 && OutputWidth != 0 && ParallelSize != 0, "a layer has no empty dimension");

 public:
  using scalar_type = Scalar;

  /// Whether the sizes are all static and small and the layer runs the library's kernels: widths of up to 64, a depth
  /// of up to 6, up to 16 trees. Such a layer has one engine and one storage type, so that its options choose the
  /// level.
  static constexpr bool is_small = std::same_as<Scalar, float> && blas::backend_traits<Backend>::has_kernels &&
                                   cmm::is_small(InputWidth, OutputWidth, Depth, ParallelSize);

  /// Sizes alone: `parameters` says what fills them.
  /// Throws: shape_mismatch (a size other than the type's), invalid_input (a size is 0 or too large; options that
  ///   contradict each other or the backend), overflow.
  explicit fast_feedforward(const fast_feedforward_shape& shape, const fast_feedforward_options& options = {})
      : input_width_(shape.input_width, "input_width"),
        output_width_(shape.output_width, "output_width"),
        depth_(shape.depth, "depth"),
        parallel_size_(trees_of(shape), "parallel_size"),
        activation_(shape.activation),
        node_thresholds_(shape.node_thresholds),
        options_(options) {
    for (const auto& [what, size] : {std::pair{"input_width", input_width()}, std::pair{"output_width", output_width()},
                                     std::pair{"parallel_size", shape.parallel_size}}) {
      if (size == 0) fail_input(what, "at least 1", "0");
    }
    static_cast<void>(cmm::tree::total_nodes(depth(), parallel_size()));
    if constexpr (is_small) {
      cmm::check_small(packed_shape(true), options_.engine);
      if (shape.shared_rows != 0) {
        fail_input("shared_rows", "0 for a layer whose sizes are static and small", std::to_string(shape.shared_rows));
      }
    } else {
      const bool kernels = cmm::runs_kernels<Backend>(packed_shape(true), options_.engine);
      if (shape.shared_rows != 0) {
        shared_.emplace(
            linear_shape{.output_width = shape.shared_rows, .input_width = input_width(), .bias = true},
            linear_shape{.output_width = output_width(), .input_width = shape.shared_rows}, shape.activation,
            kernels ? projection_options{.isa = options.isa} : projection_options{.engine = projection_engine::blas});
      }
    }
  }

  /// Copies and packs the weights.
  /// Shapes: linear_in: (nodes, input_width); bias_in: (nodes), or empty for none; linear_out: by `layout`;
  ///   nodes = parallel_size * (2^(depth + 1) - 1), tree after tree; additions: as their comments say, or empty.
  /// Throws: as above; shape_mismatch, non_finite (a weight too large for its storage), unsupported (the processor
  ///   lacks the level that `options.isa` names), overflow, std::bad_alloc.
  /// Complexity: linear in the weights.
  fast_feedforward(const fast_feedforward_shape& shape, const matrix_view<const Scalar>& linear_in,
                   std::span<const Scalar> bias_in, const matrix_view<const Scalar>& linear_out,
                   const fast_feedforward_options& options = {},
                   linear_out_layout layout = linear_out_layout::column_per_node,
                   const fast_feedforward_additions<Scalar>& additions = {})
      : fast_feedforward(shape, options) {
    const bool by_row = layout == linear_out_layout::row_per_node;
    layers::check_shape("linear_in", linear_in, nodes(), input_width());
    layers::check_shape("linear_out", linear_out, by_row ? nodes() : output_width(), by_row ? output_width() : nodes());
    if (!bias_in.empty() && bias_in.size() != nodes()) {
      fail(error_code::shape_mismatch, {.where = "bias_in",
                                        .expected = std::to_string(nodes()) + " elements, or none",
                                        .found = std::to_string(bias_in.size())});
    }
    make_weights(!bias_in.empty());
    for (std::size_t i = 0; i < nodes(); ++i) store_in(i, linear_in.row(i), {.where = "linear_in", .number = i});
    for (std::size_t i = 0; i < bias_in.size(); ++i) weights_->store_bias(i, bias_in[i]);
    store_additions(additions);
    if (by_row) {
      for (std::size_t i = 0; i < nodes(); ++i) store_out(i, linear_out.row(i), {.where = "linear_out", .number = i});
    } else {
      store_transposed([&](const matrix_view<Scalar>& to) { layers::copy_transposed(linear_out, to); },
                       {.where = "linear_out"});
    }
    finish_weights();
  }

  /// Loads what `parameters` notes below `prefix` from a checkpoint.
  /// Throws: missing_tensor, what the source throws; otherwise as the constructor.
  [[nodiscard]] static fast_feedforward load(const tensor_source& source, const std::string& prefix,
                                             const fast_feedforward_shape& shape,
                                             const fast_feedforward_options& options = {}) {
    fast_feedforward layer(shape, options);
    parameter_list list;
    layer.parameters(prefix, list);
    list.load(source);
    return layer;
  }

  /// Notes `linear_in.weight`, `linear_in.bias` and `linear_out.weight` below `prefix`; with thresholds also
  /// `linear_in.threshold`, with shared rows `linear_in.shared.weight`, `linear_in.shared.bias` and
  /// `linear_out.shared.weight`. Throws: std::bad_alloc.
  void parameters(const std::string& prefix, parameter_list& list) {
    list.refuse(prefix + "w1s", "this is the form with leaf networks: load it with leaf_feedforward");
    list.add(prefix + "linear_in.weight", {nodes(), input_width()}, [this](const tensor& from) {
      make_weights(true);
      layers::read_rows<Scalar>(from, {nodes(), input_width()}, [&](std::size_t r, const Scalar* row) {
        store_in(r, row, {.file = from.source().name(), .where = from.name(), .number = r});
      });
    });
    list.add(prefix + "linear_in.bias", {nodes()}, [this](const tensor& from) {
      aligned_buffer<Scalar> bias(nodes());
      from.read(0, bias.span());
      for (std::size_t i = 0; i < bias.size(); ++i) weights_->store_bias(i, bias[i]);
    });
    if (node_thresholds_) {
      list.add(prefix + "linear_in.threshold", {nodes()}, [this](const tensor& from) {
        aligned_buffer<Scalar> thresholds(nodes());
        from.read(0, thresholds.span());
        for (std::size_t i = 0; i < nodes(); ++i) weights_->store_threshold(i, thresholds[i]);
      });
    }
    if (shared_) shared_->parameters(prefix, list);
    list.add(prefix + "linear_out.weight", {output_width(), nodes()}, [this](const tensor& from) {
      store_transposed([&](const matrix_view<Scalar>& to) { layers::read_transposed(from, to); },
                       {.file = from.source().name(), .where = from.name()});
      finish_weights();
    });
  }

  [[nodiscard]] constexpr std::size_t input_width() const noexcept { return input_width_.value(); }    ///< columns of x
  [[nodiscard]] constexpr std::size_t output_width() const noexcept { return output_width_.value(); }  ///< columns of y
  [[nodiscard]] constexpr std::size_t depth() const noexcept { return depth_.value(); }  ///< index of the deepest level
  [[nodiscard]] constexpr std::size_t parallel_size() const noexcept { return parallel_size_.value(); }  ///< trees
  /// Neurons of the layer; `path_length()` of them are used per token.
  [[nodiscard]] constexpr std::size_t nodes() const noexcept {
    return parallel_size() * cmm::tree::node_count(depth());
  }
  /// Visited nodes per token, tree after tree: parallel_size * (depth + 1).
  [[nodiscard]] constexpr std::size_t path_length() const noexcept {
    return parallel_size() * cmm::tree::levels(depth());
  }
  [[nodiscard]] bool node_thresholds() const noexcept { return node_thresholds_; }  ///< see fast_feedforward_shape
  [[nodiscard]] std::size_t shared_rows() const noexcept { return shared_ ? shared_->rows() : 0; }  ///< likewise
  [[nodiscard]] const fast_feedforward_options& options() const noexcept { return options_; }       ///< as given
  /// Memory held by the packed weights. Units: bytes.
  [[nodiscard]] std::size_t bytes() const noexcept { return weights_->bytes() + (shared_ ? shared_->bytes() : 0); }
  /// The engine that computes a batch of `tokens` tokens.
  [[nodiscard]] fff_engine engine(std::size_t tokens) const noexcept { return weights_->engine(tokens); }
  /// Level of the kernels that run; `portable` for the `blas` engine.
  [[nodiscard]] isa_level isa() const noexcept { return weights_->isa(); }
  /// How many of the logits of some tokens, of which each takes one per tree and level, certified storage took from
  /// float32 rows because the narrow ones could not decide; 0 with other storage. The tokens are computed for it.
  /// Shapes: x: (tokens, input_width). Throws: invalid_input (another width), std::bad_alloc while the workspace grows.
  [[nodiscard]] std::size_t second_looks(const matrix_view<const Scalar>& x, workspace& scratch) const {
    core::check_extents(x, x.rows(), input_width(), "x");
    return weights_->second_looks(x, scratch);
  }
  /// Bytes that `forward` takes from its workspace for up to `tokens` tokens, at most.
  [[nodiscard]] std::size_t workspace_bytes(std::size_t tokens) const noexcept {
    return (std::max)(weights_->workspace_bytes(tokens), shared_ ? shared_->workspace_bytes(tokens) : 0);
  }

  /// y = FFF(x), spread over an executor's threads where that pays, tokens split evenly; equal bits for any number of
  /// threads, but for the `blas` engine.
  /// A node with a threshold sends logits above it to the right; its activation is that of the logit all the same.
  /// Shapes: x: (tokens, input_width) row-major; y: (tokens, output_width), overwritten; paths: empty, or
  ///   (tokens, path_length()) that receives the visited nodes, numbered within their tree.
  /// Pre: y and paths overlap nothing else.
  /// Throws: invalid_input (shapes, overlap; y is untouched then), what the executor throws, std::bad_alloc while the
  ///   workspace grows.
  /// Complexity: tokens * path_length() * (input_width + output_width); no allocation after warm-up.
  /// Source: arXiv 2311.10770, section 2.
  void forward(const matrix_view<const Scalar>& x, const matrix_view<Scalar>& y, workspace& scratch,
               const matrix_view<std::int32_t>& paths = {}, executor_ref threads = {}) const {
    if constexpr (is_small) {
      if (threads.concurrency() < 2) return forward(x, y, paths);
    }
    check(x, y, paths);
    const std::size_t tasks = tasks_for(x.rows(), threads.concurrency());
    core::run_tasks(tasks, scratch, threads, [&](std::size_t task, workspace& mine) {
      const auto rows = core::part_of(x.rows(), tasks, task);
      const auto from = x.rows_from(rows.first, rows.size());
      const auto to = y.rows_from(rows.first, rows.size());
      weights_->multiply(from, to, mine, paths.data() != nullptr ? paths.rows_from(rows.first, rows.size()) : paths);
      if (shared_) shared_->mix(from, to, Scalar{1}, Scalar{1}, mine);
    });
  }

  /// The same without a workspace, for layers whose sizes are all static and small: nothing is chosen or allocated
  /// while it runs. The bits are those of layers of dynamic sizes at the same level. Shapes, Pre, Throws, Complexity:
  /// as above.
  void forward(const matrix_view<const Scalar>& x, const matrix_view<Scalar>& y,
               const matrix_view<std::int32_t>& paths = {}) const requires is_small {
    check(x, y, paths);
    static_cast<const small_weights&>(*weights_).multiply(x, y, paths);
  }

  /// The same without paths. Shapes, Pre, Throws, Complexity: as above.
  void forward(const matrix_view<const Scalar>& x, const matrix_view<Scalar>& y, workspace& scratch,
               executor_ref threads) const {
    forward(x, y, scratch, matrix_view<std::int32_t>{}, threads);
  }

  /// As `forward` with a workspace, with everything of the routes that `routes` has room for. Margins and second looks
  /// take as long again as the paths do. Shapes: see route_record; otherwise, and Pre, Throws, Complexity: as
  /// `forward`.
  void forward_traced(const matrix_view<const Scalar>& x, const matrix_view<Scalar>& y, workspace& scratch,
                      const route_record<Scalar>& routes, executor_ref threads = {}) const {
    check(x, y, routes.paths);
    check_record(x, routes);
    workspace::frame frame(scratch);
    const auto paths = routes.paths.data() != nullptr
                           ? routes.paths
                           : frame.template take_matrix<std::int32_t>(x.rows(), path_length());
    forward(x, y, scratch, paths, threads);
    if (routes.margins.data() == nullptr && routes.second_looks.data() == nullptr) return;
    follow(x, {.paths = paths, .margins = routes.margins, .second_looks = routes.second_looks}, scratch, threads);
  }

  /// The output of tokens that take the given paths instead of deciding themselves: with the layer's own paths the bits
  /// of `forward`, but for the `blas` engine; with those of another layer, what this one's weights give on equal paths.
  /// Shapes: x, y: as above; paths: (tokens, path_length()), nodes numbered within their tree; `routes`: see
  ///   route_record, its paths empty. Pre: y overlaps nothing else.
  /// Throws: invalid_input (shapes; a row that is no path from each tree's root to a leaf; y is untouched then), what
  ///   the executor throws, std::bad_alloc while the workspace grows. Complexity: as above.
  void forward_along(const matrix_view<const Scalar>& x, const matrix_view<Scalar>& y,
                     const matrix_view<const std::int32_t>& paths, workspace& scratch,
                     const route_record<Scalar>& routes = {}, executor_ref threads = {}) const {
    check(x, y, {});
    check_record(x, routes);
    core::check_extents(paths, x.rows(), path_length(), "paths");
    if (routes.paths.data() != nullptr) fail_input("routes.paths", "none, as the paths are given", "a matrix");
    cmm::check_paths(paths, depth(), "paths");
    follow(x, {.paths = paths, .y = y, .margins = routes.margins, .second_looks = routes.second_looks}, scratch,
           threads);
  }

 private:
  // Complete only where the layer is small.
  using small_weights = cmm::small_fff<InputWidth, OutputWidth, Depth, ParallelSize>;

  [[nodiscard]] static std::size_t trees_of(const fast_feedforward_shape& shape) noexcept {
    if (ParallelSize == dynamic_extent) return shape.trees();
    return shape.parallel_size == dynamic_extent ? ParallelSize : shape.parallel_size;
  }

  [[nodiscard]] cmm::fff_shape packed_shape(bool with_bias) const noexcept {
    return {.input_width = input_width(),
            .output_width = output_width(),
            .depth = depth(),
            .parallel_size = parallel_size(),
            .activation = activation_,
            .zero_goes_right = TieRule::zero_goes_right,
            .with_bias = with_bias,
            .with_thresholds = node_thresholds_,
            .storage_in = options_.storage_in,
            .storage_out = options_.storage_out,
            .isa = options_.isa};
  }

  void make_weights(bool with_bias) {
    if constexpr (is_small) {
      weights_ = std::make_unique<small_weights>(packed_shape(with_bias));
    } else {
      weights_ = cmm::make_weights<Scalar, Backend>(packed_shape(with_bias), options_.engine);
    }
  }
  void finish_weights() {
    if constexpr (!is_small) {
      if (auto others = weights_->replacement()) weights_ = std::move(others);
    }
  }

  void store_additions(const fast_feedforward_additions<Scalar>& from) {
    from.check(node_thresholds_ ? nodes() : 0, shared_rows(), input_width(), output_width());
    for (std::size_t i = 0; i < from.thresholds.size(); ++i) weights_->store_threshold(i, from.thresholds[i]);
    if (!shared_) return;
    shared_->set({from.shared_in, from.shared_bias_in, shared_->options()}, {from.shared_out, {}, shared_->options()});
  }

  // Shapes: row: (input_width).
  void store_in(std::size_t node, const Scalar* row, const layers::row_origin& from) {
    if constexpr (std::same_as<Scalar, float>) {
      layers::check_storable(options_.storage_in, row, input_width(), from);
    }
    weights_->store_in(node, row);
  }
  // Shapes: row: (output_width).
  void store_out(std::size_t node, const Scalar* row, const layers::row_origin& from) {
    if constexpr (std::same_as<Scalar, float>) {
      layers::check_storable(options_.storage_out, row, output_width(), from);
    }
    weights_->store_out(node, row);
  }

  // Fills the second matrix through `write`, which writes a (nodes, output_width) matrix, the transpose of a tensor.
  template <class Write>
  void store_transposed(const Write& write, layers::row_origin from) {
    if (const auto direct = weights_->plain_out(); direct.data() != nullptr) return write(direct);
    matrix<Scalar> rows({nodes(), output_width()});
    write(rows.view());
    from.is_column = true;
    for (from.number = 0; from.number < nodes(); ++from.number) store_out(from.number, rows.row(from.number), from);
  }

  // Spread as `forward` is. Shapes: see followed_paths.
  void follow(const matrix_view<const Scalar>& x, const cmm::followed_paths<Scalar>& along, workspace& scratch,
              executor_ref threads) const {
    const std::size_t tasks = tasks_for(x.rows(), threads.concurrency());
    core::run_tasks(tasks, scratch, threads, [&](std::size_t task, workspace& mine) {
      const auto rows = core::part_of(x.rows(), tasks, task);
      const auto some = [&rows](const auto& matrix) {
        return matrix.data() != nullptr ? matrix.rows_from(rows.first, rows.size()) : matrix;
      };
      weights_->follow(some(x),
                       {.paths = some(along.paths),
                        .y = some(along.y),
                        .margins = some(along.margins),
                        .second_looks = some(along.second_looks)},
                       mine);
      if (shared_ && along.y.data() != nullptr) shared_->mix(some(x), some(along.y), Scalar{1}, Scalar{1}, mine);
    });
  }

  [[nodiscard]] std::size_t tasks_for(std::size_t tokens, std::size_t threads) const noexcept {
    if (threads < 2) return 1;
    const std::size_t neurons = engine(tokens) == fff_engine::dense ? nodes() : path_length() + shared_rows();
    return layers::token_tasks(tokens, neurons * (input_width() + output_width()), threads);
  }

  void check(const matrix_view<const Scalar>& x, const matrix_view<Scalar>& y,
             const matrix_view<std::int32_t>& paths) const {
    core::check_extents(x, x.rows(), input_width(), "x");
    core::check_extents(y, x.rows(), output_width(), "y");
    if (paths.data() != nullptr) core::check_extents(paths, x.rows(), path_length(), "paths");
    if (core::overlap(x, y)) fail_input("y", "memory apart from x", "an overlap");
  }

  void check_record(const matrix_view<const Scalar>& x, const route_record<Scalar>& routes) const {
    if (routes.margins.data() != nullptr) core::check_extents(routes.margins, x.rows(), path_length(), "margins");
    if (routes.second_looks.data() != nullptr) {
      core::check_extents(routes.second_looks, x.rows(), path_length(), "second_looks");
    }
  }

  [[no_unique_address]] extent<InputWidth> input_width_;
  [[no_unique_address]] extent<OutputWidth> output_width_;
  [[no_unique_address]] extent<Depth> depth_;
  [[no_unique_address]] extent<ParallelSize> parallel_size_;
  activation_kind activation_;
  bool node_thresholds_;
  fast_feedforward_options options_;
  std::unique_ptr<cmm::fff_weights<Scalar>> weights_{};  // null only while the layer is built
  std::optional<layers::shared_neurons<Scalar, Backend>> shared_{};
};

}  // namespace ultrafastbert
