// SPDX-License-Identifier: MIT
//
// What an encoder saw on the way: intermediate states, the trees' paths and how clear their decisions were; and paths
// that an encoder is to follow instead of its own, so that weights can be compared on equal paths.
// Layer: encoder.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

#include "ultrafastbert/core/aligned_buffer.hpp"
#include "ultrafastbert/core/executor.hpp"
#include "ultrafastbert/core/matrix_view.hpp"

namespace ultrafastbert {

/// Filled by `encoder::forward` when the caller passes one; recording allocates. Rows are tokens, one sequence behind
/// another, and padding where its states were asked for.
template <class Scalar>
struct encoder_trace {
  /// One block. The matrices are (tokens, hidden) and empty unless `states` was set.
  struct block {
    matrix<Scalar> norm1{};               ///< after the first norm
    matrix<Scalar> attn{};                ///< the attention's output, before the residual is added
    matrix<Scalar> norm2{};               ///< after the second norm
    matrix<Scalar> ffn{};                 ///< the feedforward's output, before the residual is added
    matrix<Scalar> output{};              ///< the block's output
    matrix<std::int32_t> paths{};         ///< (tokens, parallel_size * levels), empty for dense feedforward
    matrix<Scalar> margins{};             ///< as the paths, empty unless `margins` was set; see route_record
    matrix<std::uint8_t> second_looks{};  ///< the same
    bool followed = false;                ///< whether the paths were given
  };

  bool states = false;   ///< set by the caller: record states, not only paths
  bool margins = false;  ///< set by the caller: record margins and second looks of FFF layers, too
  /// Set by the caller: `layers` holds paths, such as those that a trace of another encoder recorded, and the tokens
  /// follow these. Everything else is recorded anew.
  bool follow = false;
  matrix<Scalar> embedding{};   ///< (tokens, hidden)
  std::vector<block> layers{};  ///< one per block
};

namespace encoders {

/// A copy of `view`. Throws: std::bad_alloc.
template <class Element>
[[nodiscard]] matrix<Element> recorded(const matrix_view<Element>& view) {
  matrix<Element> copy(matrix_extents{view.rows(), view.cols()});
  for (std::size_t r = 0; r < view.rows(); ++r) std::copy_n(view.row(r), view.cols(), copy.row(r));
  return copy;
}

/// What is recorded of a block.
struct recorded_parts {
  bool states = false;
  bool margins = false;
  bool follow = false;  ///< the paths are there
};

/// Makes room for what is wanted of a block. Throws: std::bad_alloc.
template <class Scalar>
void prepare(typename encoder_trace<Scalar>::block& record, std::size_t tokens, std::size_t width,
             std::size_t path_length, const recorded_parts& parts) {
  for (auto* each : {&record.norm1, &record.attn, &record.norm2, &record.ffn, &record.output}) {
    *each = matrix<Scalar>({parts.states ? tokens : 0, width});
  }
  record.followed = parts.follow;
  const std::size_t routed = path_length == 0 ? 0 : tokens;
  if (!parts.follow) record.paths = matrix<std::int32_t>({routed, path_length});
  record.margins = matrix<Scalar>({parts.margins ? routed : 0, path_length});
  record.second_looks = matrix<std::uint8_t>({parts.margins ? routed : 0, path_length});
}

/// What is left of a matrix with `length` rows for each sequence if only the first `kept[i]` of each stay.
/// Throws: std::bad_alloc.
template <class Element>
[[nodiscard]] matrix<Element> first_rows(const matrix<Element>& all, std::span<const std::size_t> kept,
                                         std::size_t length) {
  if (all.rows() == 0) return matrix<Element>({0, all.cols()});
  matrix<Element> out({std::accumulate(kept.begin(), kept.end(), std::size_t{0}), all.cols()});
  std::size_t next = 0;
  for (std::size_t i = 0; i < kept.size(); ++i) {
    for (std::size_t r = 0; r < kept[i]; ++r) std::copy_n(all.row(i * length + r), all.cols(), out.row(next++));
  }
  return out;
}

/// The same for all that a trace has. Throws: std::bad_alloc.
template <class Scalar>
void keep_first_rows(encoder_trace<Scalar>& trace, std::span<const std::size_t> kept, std::size_t length) {
  trace.embedding = first_rows(trace.embedding, kept, length);
  for (auto& block : trace.layers) {
    for (auto* each : {&block.norm1, &block.attn, &block.norm2, &block.ffn, &block.output, &block.margins}) {
      *each = first_rows(*each, kept, length);
    }
    block.paths = first_rows(block.paths, kept, length);
    block.second_looks = first_rows(block.second_looks, kept, length);
  }
}

/// Copies some rows to where they belong in a record, if that has room. Shapes: rows: (range's size, width).
template <class Scalar>
void record_rows(const matrix_view<Scalar>& rows, const core::index_range& range, matrix<Scalar>& record) noexcept {
  if (record.rows() == 0) return;
  for (std::size_t r = 0; r < rows.rows(); ++r) std::copy_n(rows.row(r), rows.cols(), record.row(range.first + r));
}

}  // namespace encoders

}  // namespace ultrafastbert
