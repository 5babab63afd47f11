// SPDX-License-Identifier: MIT
//
// What a fast feedforward layer is built from: sizes, options, weights beside those of its trees.
// Layer: layers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "ultrafastbert/cmm/engine.hpp"
#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/core/extents.hpp"
#include "ultrafastbert/core/matrix_view.hpp"
#include "ultrafastbert/core/storage.hpp"
#include "ultrafastbert/core/tensor_source.hpp"
#include "ultrafastbert/kernels/activation.hpp"
#include "ultrafastbert/kernels/isa.hpp"
#include "ultrafastbert/layers/storing.hpp"

namespace ultrafastbert {

/// An FFF layer. Where the layer's type states a size, it may be left out here.
struct fast_feedforward_shape {
  std::size_t input_width = 0;
  std::size_t output_width = 0;
  std::size_t depth = 0;  ///< index of the deepest level; 2^(depth + 1) - 1 nodes a tree
  /// Number of trees whose outputs are added; left out: the type's, or one.
  std::size_t parallel_size = dynamic_extent;
  activation_kind activation = activation_kind::gelu;
  bool node_thresholds = false;  ///< whether nodes decide by a threshold of their own in place of 0: see `forward`
  std::size_t shared_rows = 0;   ///< neurons that every token uses beside its paths

  /// The same with thresholds and shared rows as the tensors below `prefix` have them. Throws: std::bad_alloc.
  [[nodiscard]] fast_feedforward_shape with_tensors_of(const tensor_source& source, const std::string& prefix) const {
    fast_feedforward_shape shape = *this;
    shape.node_thresholds = source.contains(prefix + "linear_in.threshold");
    if (const auto rows = source.find(prefix + "linear_in.shared.weight")) {
      const auto sizes = source.shape(*rows);
      shape.shared_rows = sizes.empty() ? 0 : sizes.front();
    }
    return shape;
  }

  /// Number of trees. Pre: the layer's type does not state another one.
  [[nodiscard]] constexpr std::size_t trees() const noexcept {
    return parallel_size == dynamic_extent ? 1 : parallel_size;
  }
};

/// How an FFF layer is stored and computed, fixed when it is built. A BLAS rounds nothing and has no levels, the engine
/// `dense` rounds nothing: asking for both is refused.
struct fast_feedforward_options {
  fff_engine engine = fff_engine::automatic;
  weight_storage storage_in = weight_storage::float32;   ///< of the first matrix, which decides the paths
  weight_storage storage_out = weight_storage::float32;  ///< of the second matrix
  isa_level isa = isa_level::automatic;                  ///< kernels that run
};

/// The weights that some layers have beside those of their trees, as the shape says.
template <class Scalar>
struct fast_feedforward_additions {
  std::span<const Scalar> thresholds{};      ///< (nodes)
  matrix_view<const Scalar> shared_in{};     ///< (shared_rows, input_width)
  std::span<const Scalar> shared_bias_in{};  ///< (shared_rows)
  matrix_view<const Scalar> shared_out{};    ///< (output_width, shared_rows)

  /// Throws shape_mismatch unless there are so many thresholds and shared rows, of these widths.
  void check(std::size_t threshold_count, std::size_t shared_rows, std::size_t input_width,
             std::size_t output_width) const {
    if (thresholds.size() != threshold_count) {
      fail(error_code::shape_mismatch, {.where = "thresholds",
                                        .expected = std::to_string(threshold_count) + " elements",
                                        .found = std::to_string(thresholds.size())});
    }
    layers::check_shape("shared_in", shared_in, shared_rows, shared_rows != 0 ? input_width : 0);
    layers::check_shape("shared_out", shared_out, shared_rows != 0 ? output_width : 0, shared_rows);
  }
};

/// How the second matrix is laid out in the caller's memory.
enum class linear_out_layout : std::uint8_t {
  column_per_node,  ///< (output_width, nodes), as checkpoints store it
  row_per_node,     ///< (nodes, output_width), as the published benchmark stores it
};

}  // namespace ultrafastbert
