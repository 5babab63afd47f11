// SPDX-License-Identifier: MIT
//
// What a fast feedforward layer with leaf networks is built from: sizes, options, weights.
// Layer: layers.
#pragma once

#include <bit>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "ultrafastbert/cmm/leaf_weights.hpp"
#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/core/matrix_view.hpp"
#include "ultrafastbert/core/parameters.hpp"
#include "ultrafastbert/core/storage.hpp"
#include "ultrafastbert/core/tensor_source.hpp"
#include "ultrafastbert/kernels/activation.hpp"
#include "ultrafastbert/kernels/isa.hpp"

namespace ultrafastbert {

/// A fast feedforward layer with leaf networks.
struct leaf_feedforward_shape {
  std::size_t input_width = 0;
  std::size_t leaf_width = 0;  ///< neurons of each leaf
  std::size_t output_width = 0;
  std::size_t depth = 0;  ///< decisions that a token takes: 2^depth leaves, 2^depth - 1 nodes that decide
  activation_kind activation = activation_kind::relu;
  /// Whether `b2s`, the second bias of the leaves and of the master leaf, is added. The published package adds it in
  /// training, but not when it evaluates; the package with master leaves adds it always.
  bool output_bias = false;
  std::size_t master_width = 0;  ///< neurons of the master leaf, which every token uses beside its own; 0 for none

  /// The sizes of the tensors below `prefix`, with a master leaf if there is one. Activation and second bias, which no
  /// tensor tells, are the defaults. Throws: missing_tensor (there are no leaf networks, or not of this form).
  [[nodiscard]] static leaf_feedforward_shape of(const tensor_source& source, const std::string& prefix);
};

/// How a layer with leaf networks is stored and computed, fixed when it is built. A BLAS rounds nothing and has no
/// levels: asking for both is refused.
struct leaf_feedforward_options {
  leaf_engine engine = leaf_engine::automatic;
  weight_storage storage_nodes = weight_storage::float32;   ///< of what decides the paths
  weight_storage storage_leaves = weight_storage::float32;  ///< of both matrices of the leaves; not certified
  isa_level isa = isa_level::automatic;                     ///< kernels that run
};

/// The weights of a layer with leaf networks, as checkpoints store them but with the first two sizes of three taken as
/// one. Biases may be left out.
template <class Scalar>
struct leaf_feedforward_weights {
  matrix_view<const Scalar> node_weights{};  ///< (nodes, input_width)
  std::span<const Scalar> node_biases{};     ///< (nodes)
  matrix_view<const Scalar> w1s{};           ///< (leaves * input_width, leaf_width)
  matrix_view<const Scalar> b1s{};           ///< (leaves, leaf_width)
  matrix_view<const Scalar> w2s{};           ///< (leaves * leaf_width, output_width)
  matrix_view<const Scalar> b2s{};           ///< (leaves, output_width)
};

inline leaf_feedforward_shape leaf_feedforward_shape::of(const tensor_source& source, const std::string& prefix) {
  const auto sizes = [&](const char* tensor_name, std::size_t rank) {
    const auto found = source.find(prefix + tensor_name);
    auto shape = found ? source.shape(*found) : std::vector<std::size_t>();
    if (found && shape.size() == rank) return shape;
    fail(error_code::missing_tensor, {.file = source.name(),
                                      .where = prefix + tensor_name,
                                      .expected = std::to_string(rank) + " sizes of a layer with leaf networks",
                                      .found = found ? shape_text(shape) : "no such tensor"});
  };
  const auto in = sizes("w1s", 3);
  const auto out = sizes("w2s", 3);
  if (!std::has_single_bit(in[0])) {
    fail(error_code::missing_tensor, {.file = source.name(),
                                      .where = prefix + "w1s",
                                      .expected = "a power of two of leaves",
                                      .found = std::to_string(in[0])});
  }
  return {.input_width = in[1],
          .leaf_width = in[2],
          .output_width = out[2],
          .depth = static_cast<std::size_t>(std::bit_width(in[0])) - 1,
          .master_width = source.contains(prefix + "magic_w1") ? sizes("magic_w1", 3)[2] : 0};
}

}  // namespace ultrafastbert
