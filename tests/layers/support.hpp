// SPDX-License-Identifier: MIT
//
// What the tests of layers share: weights for an FFF layer in both layouts, and byte-wise comparison.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/noted_source.hpp"
#include "support/random.hpp"
#include "support/reference.hpp"
#include "ultrafastbert/layers.hpp"

namespace ufb_test {

namespace ufb = ultrafastbert;

template <class Scalar>
bool same_bits(const guarded_matrix<Scalar>& a, const guarded_matrix<Scalar>& b) {
  bool same = a.rows() == b.rows() && a.cols() == b.cols();
  for (std::size_t r = 0; same && r < a.rows(); ++r) {
    same = std::memcmp(a.row(r), b.row(r), a.cols() * sizeof(Scalar)) == 0;
  }
  return same;
}

/// Random weights of an FFF layer, `linear_out` in both layouts.
template <class Scalar>
struct fff_tensors {
  fff_tensors(const ufb::fast_feedforward_shape& layer_shape, random_numbers& random)
      : shape(layer_shape),
        nodes(shape.trees() * ((std::size_t{2} << shape.depth) - 1)),
        linear_in(nodes, shape.input_width, 3, random),
        bias_in(random.reals<Scalar>(nodes, 0.5)),
        linear_out(shape.output_width, nodes, 1, random),
        linear_out_by_row(nodes, shape.output_width, 2) {
    for (std::size_t node = 0; node < nodes; ++node) {
      for (std::size_t k = 0; k < shape.output_width; ++k) linear_out_by_row(node, k) = linear_out(k, node);
    }
  }

  [[nodiscard]] reference::fff_weights reference_weights() const {
    return {.linear_in = reference::exact_of(linear_in.view()),
            .bias_in = std::vector<double>(bias_in.begin(), bias_in.end()),
            .linear_out = reference::exact_of(linear_out_by_row.view()),
            .depth = shape.depth,
            .parallel_size = shape.trees(),
            .activation = shape.activation};
  }

  ufb::fast_feedforward_shape shape;
  std::size_t nodes;
  guarded_matrix<Scalar> linear_in;
  std::vector<Scalar> bias_in;
  guarded_matrix<Scalar> linear_out;
  guarded_matrix<Scalar> linear_out_by_row;
};

/// Offsets of sequences of the given lengths.
inline std::vector<std::size_t> offsets_of(const std::vector<std::size_t>& lengths) {
  std::vector<std::size_t> offsets{0};
  for (const std::size_t length : lengths) offsets.push_back(offsets.back() + length);
  return offsets;
}

/// The parameters that a layer of a shape notes.
template <class Layer, class Shape, class... Arguments>
tensor_list tensors_of(const Shape& shape, const Arguments&... arguments) {
  Layer layer(shape);
  return parameters_of(layer, arguments...);
}

}  // namespace ufb_test
