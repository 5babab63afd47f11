// SPDX-License-Identifier: MIT
//
// The fast feedforward (FFF) layer: neurons in binary trees, of which each token uses one path.
// Source: Belcak & Wattenhofer, "Exponentially Faster Language Modelling", arXiv 2311.10770.
// Layer: layers.
#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "ultrafastbert/blas/default_backend.hpp"
#include "ultrafastbert/cmm/backend_fff.hpp"
#include "ultrafastbert/cmm/dense_fff.hpp"
#include "ultrafastbert/cmm/engine.hpp"
#include "ultrafastbert/cmm/packed_fff.hpp"
#include "ultrafastbert/cmm/tie_rule.hpp"
#include "ultrafastbert/cmm/tree.hpp"
#include "ultrafastbert/core/aligned_buffer.hpp"
#include "ultrafastbert/core/executor.hpp"
#include "ultrafastbert/core/extents.hpp"
#include "ultrafastbert/core/matrix_view.hpp"
#include "ultrafastbert/core/storage.hpp"
#include "ultrafastbert/core/tasks.hpp"
#include "ultrafastbert/core/tensor_source.hpp"
#include "ultrafastbert/core/workspace.hpp"
#include "ultrafastbert/kernels/activation.hpp"
#include "ultrafastbert/kernels/isa.hpp"
#include "ultrafastbert/layers/load.hpp"

namespace ultrafastbert {

/// Sizes of an FFF layer. Where the layer's type states a size, 0 (for `depth` too) stands for it.
struct fast_feedforward_shape {
  std::size_t input_width = 0;
  std::size_t output_width = 0;
  std::size_t depth = 0;          ///< index of the deepest level; 2^(depth + 1) - 1 nodes a tree
  std::size_t parallel_size = 1;  ///< number of trees whose outputs are added
};

/// How the second matrix is laid out in the caller's memory.
enum class linear_out_layout : std::uint8_t {
  column_per_node,  ///< (output_width, nodes), as checkpoints store it
  row_per_node,     ///< (nodes, output_width), as the published benchmark stores it
};

/// What is not a size. All of it is fixed when a layer is built.
struct fast_feedforward_options {
  activation_kind activation = activation_kind::gelu;
  linear_out_layout layout = linear_out_layout::column_per_node;
  /// `blas` for the backend's products, which double takes of itself, and a layer over `plain_backend` unless a storage
  /// or level is asked for.
  fff_engine engine = fff_engine::automatic;
  weight_storage storage_in = weight_storage::float32;   ///< of the first matrix; `blas` and `dense` round nothing
  weight_storage storage_out = weight_storage::float32;  ///< of the second matrix
  isa_level isa = isa_level::automatic;                  ///< kernels of the other engines
};

/// An FFF layer over `Scalar` (float or double). Sizes are static or `dynamic_extent`; one class serves both.
/// Immutable after construction: any number of threads may call `forward`, each with its own workspace.
template <class Scalar, std::size_t InputWidth = dynamic_extent, std::size_t OutputWidth = dynamic_extent,
          std::size_t Depth = dynamic_extent, std::size_t ParallelSize = dynamic_extent,
          tie_rule TieRule = positive_goes_right, class Backend = default_backend>
requires blas_backend<Backend, Scalar>
class fast_feedforward {
  static_assert(Depth == dynamic_extent || Depth <= tree::max_depth, "the tree has too many nodes");
  static_assert(InputWidth != 0 && OutputWidth != 0 && ParallelSize != 0, "a layer has no empty dimension");

 public:
  using scalar_type = Scalar;

  /// Copies and packs the weights.
  /// Shapes: linear_in: (nodes, input_width); bias_in: (nodes), or empty for none; linear_out: by `options.layout`;
  ///   nodes = parallel_size * (2^(depth + 1) - 1), tree after tree.
  /// Throws: shape_mismatch, invalid_input (a size is 0 or too large), unsupported (the processor lacks the level that
  ///   `options.isa` names), overflow, std::bad_alloc.
  /// Complexity: linear in the weights.
  fast_feedforward(const fast_feedforward_shape& shape, const matrix_view<const Scalar>& linear_in,
                   std::span<const Scalar> bias_in, const matrix_view<const Scalar>& linear_out,
                   const fast_feedforward_options& options = {})
      : fast_feedforward(shape, options) {
    const bool by_row = options.layout == linear_out_layout::row_per_node;
    check_shape("linear_in", linear_in, nodes(), input_width());
    check_shape("linear_out", linear_out, by_row ? nodes() : output_width(), by_row ? output_width() : nodes());
    if (!bias_in.empty() && bias_in.size() != nodes()) {
      fail(error_code::shape_mismatch, {.where = "bias_in",
                                        .expected = std::to_string(nodes()) + " elements, or none",
                                        .found = std::to_string(bias_in.size())});
    }
    weights_ = make_weights(!bias_in.empty());
    std::visit(
        [&](auto& weights) {
          for (std::size_t i = 0; i < nodes(); ++i) weights.store_in(i, linear_in.row(i));
          for (std::size_t i = 0; i < bias_in.size(); ++i) weights.store_bias(i, bias_in[i]);
          if (by_row) {
            for (std::size_t i = 0; i < nodes(); ++i) weights.store_out(i, linear_out.row(i));
          } else {
            store_transposed(weights, [&](const matrix_view<Scalar>& to) { layers::copy_transposed(linear_out, to); });
          }
        },
        *weights_);
  }

  /// Takes `linear_in.weight`, `linear_in.bias` and `linear_out.weight` below `prefix` from a checkpoint.
  /// Shapes: (nodes, width), (nodes), (width, nodes).
  /// Throws: missing_tensor, non_finite and what the source throws; otherwise as the constructor.
  template <tensor_source Source>
  [[nodiscard]] static fast_feedforward load(const Source& source, const std::string& prefix,
                                             const fast_feedforward_shape& shape,
                                             const fast_feedforward_options& options = {}) {
    fast_feedforward layer(shape, options);
    layer.weights_ = layer.make_weights(true);
    std::visit(
        [&](auto& weights) {
          layer.load_in(source, prefix + "linear_in.weight", weights);
          std::vector<Scalar> bias(layer.nodes());
          layers::load_vector(source, prefix + "linear_in.bias", std::span<Scalar>(bias));
          for (std::size_t i = 0; i < bias.size(); ++i) weights.store_bias(i, bias[i]);
          layer.store_transposed(weights, [&](const matrix_view<Scalar>& to) {
            layers::load_transposed(source, prefix + "linear_out.weight", to);
          });
        },
        *layer.weights_);
    return layer;
  }

  /// Tells `visit(name, sizes)` every tensor that `load` reads. Throws: what the constructor throws about sizes.
  template <class Visitor>
  static void for_each_tensor(const std::string& prefix, const fast_feedforward_shape& shape, Visitor&& visit) {
    const fast_feedforward layer(shape, fast_feedforward_options{});  // no weights, only the sizes that the type has
    visit(prefix + "linear_in.weight", {layer.nodes(), layer.input_width()});
    visit(prefix + "linear_in.bias", {layer.nodes()});
    visit(prefix + "linear_out.weight", {layer.output_width(), layer.nodes()});
  }

  [[nodiscard]] constexpr std::size_t input_width() const noexcept { return input_width_.value(); }    ///< columns of x
  [[nodiscard]] constexpr std::size_t output_width() const noexcept { return output_width_.value(); }  ///< columns of y
  [[nodiscard]] constexpr std::size_t depth() const noexcept { return depth_.value(); }  ///< index of the deepest level
  [[nodiscard]] constexpr std::size_t parallel_size() const noexcept { return parallel_size_.value(); }  ///< trees
  /// Neurons of the layer; `path_length()` of them are used per token.
  [[nodiscard]] constexpr std::size_t nodes() const noexcept { return parallel_size() * tree::node_count(depth()); }
  /// Visited nodes per token, tree after tree: parallel_size * (depth + 1).
  [[nodiscard]] constexpr std::size_t path_length() const noexcept { return parallel_size() * tree::levels(depth()); }
  /// Memory held by the packed weights. Units: bytes.
  [[nodiscard]] std::size_t bytes() const noexcept {
    return std::visit([](const auto& weights) { return weights.bytes(); }, *weights_);
  }
  /// The engine that computes a batch of `tokens` tokens.
  [[nodiscard]] fff_engine engine(std::size_t tokens) const noexcept {
    if (uses_backend()) return fff_engine::blas;
    if (uses_dense()) return fff_engine::dense;
    return options_.engine == fff_engine::automatic ? packed_fff::chosen(tokens, options_.storage_in) : options_.engine;
  }
  /// Level of the kernels that run; `portable` for the `blas` engine.
  [[nodiscard]] isa_level isa() const noexcept {
    return std::visit([](const auto& weights) { return weights.isa(); }, *weights_);
  }

  /// y = FFF(x).
  /// Shapes: x: (tokens, input_width) row-major; y: (tokens, output_width), overwritten; paths: empty, or
  ///   (tokens, path_length()) that receives the visited nodes, numbered within their tree.
  /// Pre: y and paths overlap nothing else.
  /// Throws: invalid_input (shapes, overlap; y is untouched then), std::bad_alloc while the workspace grows.
  /// Complexity: tokens * path_length() * (input_width + output_width); no allocation after warm-up.
  /// Source: arXiv 2311.10770, section 2.
  void forward(const matrix_view<const Scalar>& x, const matrix_view<Scalar>& y, workspace& scratch,
               const matrix_view<std::int32_t>& paths = {}) const {
    check(x, y, paths);
    multiply(x, y, scratch, paths);
  }

  /// The same spread over an executor's threads where that pays, tokens split evenly; equal bits for any number of
  /// threads, but for the `blas` engine.
  /// Shapes, Pre, Throws: as above; what the executor throws. Each task uses a part of `scratch` of its own.
  void forward(const matrix_view<const Scalar>& x, const matrix_view<Scalar>& y, workspace& scratch,
               executor_ref threads, const matrix_view<std::int32_t>& paths = {}) const {
    check(x, y, paths);
    const std::size_t tasks = std::max<std::size_t>(tasks_for(x.rows(), threads.concurrency()), 1);
    core::run_tasks(tasks, scratch, threads, [&](std::size_t i, workspace& mine) {
      const auto rows = core::part_of(x.rows(), tasks, i);
      multiply(x.rows_from(rows.first, rows.size()), y.rows_from(rows.first, rows.size()), mine,
               paths.data() != nullptr ? paths.rows_from(rows.first, rows.size()) : paths);
    });
  }

 private:
  fast_feedforward(const fast_feedforward_shape& shape, const fast_feedforward_options& options)
      : input_width_(shape.input_width, "input_width"),
        output_width_(shape.output_width, "output_width"),
        depth_(shape.depth, "depth"),
        parallel_size_(ParallelSize == dynamic_extent || shape.parallel_size != 1 ? shape.parallel_size : 0,
                       "parallel_size"),
        options_(options) {
    for (const auto& [what, size] : {std::pair{"input_width", input_width()}, std::pair{"output_width", output_width()},
                                     std::pair{"parallel_size", parallel_size()}}) {
      if (size == 0) fail_input(what, "at least 1", "0");
    }
    static_cast<void>(tree::total_nodes(depth(), parallel_size()));
  }

  using backend_weights = backend_fff<Scalar, Backend>;
  static constexpr bool has_own_kernels = std::same_as<Scalar, float>;
  using any_weights = std::conditional_t<has_own_kernels, std::variant<backend_weights, packed_fff, dense_fff>,
                                         std::variant<backend_weights>>;

  [[nodiscard]] bool uses_backend() const noexcept {
    const bool own_choice = options_.storage_in != weight_storage::float32 ||
                            options_.storage_out != weight_storage::float32 || options_.isa != isa_level::automatic;
    const bool reference =
        std::same_as<Backend, plain_backend> && options_.engine == fff_engine::automatic && !own_choice;
    return !has_own_kernels || reference || options_.engine == fff_engine::blas;
  }

  [[nodiscard]] bool uses_dense() const noexcept {
    if (uses_backend()) return false;
    return options_.engine == fff_engine::dense ||
           (options_.engine == fff_engine::automatic && dense_fff::wins(packed_shape()));
  }

  [[nodiscard]] packed_fff_shape packed_shape() const noexcept {
    return {.input_width = input_width(),
            .output_width = output_width(),
            .depth = depth(),
            .parallel_size = parallel_size(),
            .activation = options_.activation,
            .storage_in = options_.storage_in,
            .storage_out = options_.storage_out,
            .isa = options_.isa};
  }

  [[nodiscard]] any_weights make_weights(bool with_bias) const {
    if constexpr (has_own_kernels) {
      if (uses_dense()) return dense_fff(packed_shape(), with_bias);
      if (!uses_backend()) return packed_fff(packed_shape(), with_bias);
    }
    return backend_weights(packed_shape(), with_bias);
  }

  // Fills the second matrix through `write`, which writes a (nodes, output_width) matrix.
  template <class Weights, class Write>
  void store_transposed(Weights& weights, const Write& write) const {
    if (const auto direct = weights.float_out(); direct.data() != nullptr) return write(direct);
    matrix<Scalar> rows({nodes(), output_width()});
    write(rows.view());
    for (std::size_t i = 0; i < nodes(); ++i) weights.store_out(i, rows.row(i));
  }

  template <class Source, class Weights>
  void load_in(const Source& source, const std::string& name, Weights& weights) const {
    constexpr std::size_t rows_at_a_time = 256;
    const std::array<std::size_t, 2> shape{nodes(), input_width()};
    std::vector<Scalar> rows(std::min(rows_at_a_time, nodes()) * input_width());
    for (std::size_t first = 0; first < nodes(); first += rows_at_a_time) {
      const std::size_t count = std::min(rows_at_a_time, nodes() - first);
      source.read(name, shape, first * input_width(), std::span<Scalar>(rows).first(count * input_width()));
      for (std::size_t i = 0; i < count; ++i) weights.store_in(first + i, rows.data() + i * input_width());
    }
  }

  // Parts that are worth a thread: waking one that sleeps takes as long as half a million products or so. Small batches
  // are cut finer, so that the caller works while the others wake; large parts share more nodes.
  [[nodiscard]] std::size_t tasks_for(std::size_t tokens, std::size_t threads) const noexcept {
    constexpr std::size_t products_per_task = std::size_t{1} << 19U;
    const std::size_t neurons = engine(tokens) == fff_engine::dense ? nodes() : path_length();
    const std::size_t least_tokens = 1 + products_per_task / (neurons * (input_width() + output_width()));
    const std::size_t worth = tokens / least_tokens;
    return worth >= 16 * threads ? threads : std::min(worth, 4 * threads);
  }

  void check(const matrix_view<const Scalar>& x, const matrix_view<Scalar>& y,
             const matrix_view<std::int32_t>& paths) const {
    core::check_extents(x, x.rows(), input_width(), "x");
    core::check_extents(y, x.rows(), output_width(), "y");
    if (paths.data() != nullptr) core::check_extents(paths, x.rows(), path_length(), "paths");
    if (core::overlap(x, y)) fail_input("y", "memory apart from x", "an overlap");
  }

  void multiply(const matrix_view<const Scalar>& x, const matrix_view<Scalar>& y, workspace& scratch,
                const matrix_view<std::int32_t>& paths) const {
    std::visit([&](const auto& w) { w.template multiply<TieRule>(x, y, scratch, paths, options_.engine); }, *weights_);
  }

  static void check_shape(const char* what, const matrix_view<const Scalar>& view, std::size_t rows, std::size_t cols) {
    if (view.rows() == rows && view.cols() == cols) return;
    fail(error_code::shape_mismatch,
         {.where = what,
          .expected = '(' + std::to_string(rows) + ", " + std::to_string(cols) + ')',
          .found = '(' + std::to_string(view.rows()) + ", " + std::to_string(view.cols()) + ')'});
  }

  [[no_unique_address]] extent<InputWidth> input_width_;
  [[no_unique_address]] extent<OutputWidth> output_width_;
  [[no_unique_address]] extent<Depth> depth_;
  [[no_unique_address]] extent<ParallelSize> parallel_size_;
  fast_feedforward_options options_;
  std::optional<any_weights> weights_{};  // empty only while the layer is built
};

}  // namespace ultrafastbert
