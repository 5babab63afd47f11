// SPDX-License-Identifier: MIT
//
// What an encoder saw on the way: intermediate states and the trees' paths, for inspection and tests.
// Layer: encoder.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "ultrafastbert/core/aligned_buffer.hpp"
#include "ultrafastbert/core/matrix_view.hpp"

namespace ultrafastbert {

/// Filled by `encoder::forward` when the caller passes one; recording allocates. Rows are the batch's tokens.
template <class Scalar>
struct encoder_trace {
  /// One block. The matrices are (tokens, hidden) and empty unless `states` was set.
  struct block {
    matrix<Scalar> norm1{};        ///< after the first norm
    matrix<Scalar> attn{};         ///< the attention's output, before the residual is added
    matrix<Scalar> norm2{};        ///< after the second norm
    matrix<Scalar> ffn{};          ///< the feedforward's output, before the residual is added
    matrix<Scalar> output{};       ///< the block's output
    matrix<std::int32_t> paths{};  ///< (tokens, parallel_size * levels), empty for dense feedforward
  };

  bool states = false;          ///< set by the caller: record states, not only paths
  matrix<Scalar> embedding{};   ///< (tokens, hidden)
  std::vector<block> layers{};  ///< one per block
};

namespace detail {

/// A copy of `view`. Throws: std::bad_alloc.
template <class T>
[[nodiscard]] matrix<T> recorded(const matrix_view<T>& view) {
  matrix<T> copy(matrix_extents{view.rows(), view.cols()});
  for (std::size_t r = 0; r < view.rows(); ++r) std::copy_n(view.row(r), view.cols(), copy.row(r));
  return copy;
}

}  // namespace detail

}  // namespace ultrafastbert
