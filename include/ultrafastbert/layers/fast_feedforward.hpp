// SPDX-License-Identifier: MIT
//
// The fast feedforward (FFF) layer: neurons in binary trees, of which each token uses one path.
// Source: Belcak & Wattenhofer, "Exponentially Faster Language Modelling", arXiv 2311.10770.
// Layer: layers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "ultrafastbert/blas/default_backend.hpp"
#include "ultrafastbert/cmm/conditional_matrix_multiplication.hpp"
#include "ultrafastbert/core/aligned_buffer.hpp"
#include "ultrafastbert/core/extents.hpp"
#include "ultrafastbert/core/matrix_view.hpp"
#include "ultrafastbert/core/tensor_source.hpp"
#include "ultrafastbert/core/workspace.hpp"
#include "ultrafastbert/kernels/activation.hpp"
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

/// What is not a size.
struct fast_feedforward_options {
  activation_kind activation = activation_kind::gelu;
  linear_out_layout layout = linear_out_layout::column_per_node;
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
  /// Throws: shape_mismatch, invalid_input (a size is 0 or too large), overflow, std::bad_alloc.
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
    allocate(!bias_in.empty());
    detail::copy_rows(linear_in, linear_in_.view());
    std::copy(bias_in.begin(), bias_in.end(), bias_in_.data());
    if (by_row) {
      detail::copy_rows(linear_out, linear_out_.view());
    } else {
      detail::copy_transposed(linear_out, linear_out_.view());
    }
  }

  /// Takes `linear_in.weight`, `linear_in.bias` and `linear_out.weight` below `prefix` from a checkpoint.
  /// Shapes: (nodes, width), (nodes), (width, nodes).
  /// Throws: missing_tensor, non_finite and what the source throws; otherwise as the constructor.
  template <tensor_source Source>
  [[nodiscard]] static fast_feedforward load(const Source& source, const std::string& prefix,
                                             const fast_feedforward_shape& shape,
                                             const fast_feedforward_options& options = {}) {
    fast_feedforward layer(shape, options);
    layer.allocate(true);
    detail::load_matrix(source, prefix + "linear_in.weight", layer.linear_in_.view());
    detail::load_vector(source, prefix + "linear_in.bias", layer.bias_in_.span());
    detail::load_transposed(source, prefix + "linear_out.weight", layer.linear_out_.view());
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
    return linear_in_.bytes() + linear_out_.bytes() + bias_in_.size() * sizeof(Scalar);
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
    detail::check_extents(x, x.rows(), input_width(), "x");
    detail::check_extents(y, x.rows(), output_width(), "y");
    if (paths.data() != nullptr) detail::check_extents(paths, x.rows(), path_length(), "paths");
    if (detail::overlap(x, y)) fail_input("y", "memory apart from x", "an overlap");
    conditional_matrix_multiply<TieRule, Backend, Scalar>(weights(), x, y, scratch, paths);
  }

 private:
  fast_feedforward(const fast_feedforward_shape& shape, const fast_feedforward_options& options)
      : input_width_(shape.input_width, "input_width"),
        output_width_(shape.output_width, "output_width"),
        depth_(shape.depth, "depth"),
        parallel_size_(ParallelSize == dynamic_extent || shape.parallel_size != 1 ? shape.parallel_size : 0,
                       "parallel_size"),
        activation_(options.activation) {
    for (const auto& [what, size] : {std::pair{"input_width", input_width()}, std::pair{"output_width", output_width()},
                                     std::pair{"parallel_size", parallel_size()}}) {
      if (size == 0) fail_input(what, "at least 1", "0");
    }
    static_cast<void>(tree::total_nodes(depth(), parallel_size()));
  }

  void allocate(bool with_bias) {
    linear_in_ = matrix<Scalar>({nodes(), input_width()});
    linear_out_ = matrix<Scalar>({nodes(), output_width()});
    if (with_bias) bias_in_ = aligned_buffer<Scalar>(nodes());
  }

  static void check_shape(const char* what, const matrix_view<const Scalar>& view, std::size_t rows, std::size_t cols) {
    if (view.rows() == rows && view.cols() == cols) return;
    fail(error_code::shape_mismatch,
         {.where = what,
          .expected = '(' + std::to_string(rows) + ", " + std::to_string(cols) + ')',
          .found = '(' + std::to_string(view.rows()) + ", " + std::to_string(view.cols()) + ')'});
  }

  [[nodiscard]] cmm_weights<Scalar> weights() const noexcept {
    return {.linear_in = linear_in_.view(),
            .bias_in = bias_in_.span(),
            .linear_out = linear_out_.view(),
            .depth = depth(),
            .parallel_size = parallel_size(),
            .activation = activation_};
  }

  [[no_unique_address]] extent<InputWidth> input_width_;
  [[no_unique_address]] extent<OutputWidth> output_width_;
  [[no_unique_address]] extent<Depth> depth_;
  [[no_unique_address]] extent<ParallelSize> parallel_size_;
  activation_kind activation_;
  matrix<Scalar> linear_in_{};  // (nodes, input_width)
  aligned_buffer<Scalar> bias_in_{};
  matrix<Scalar> linear_out_{};  // (nodes, output_width): the checkpoint's matrix transposed, so that a node is a row
};

}  // namespace ultrafastbert
