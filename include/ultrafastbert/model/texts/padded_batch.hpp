// SPDX-License-Identifier: MIT
//
// Padded batches, as tokenizers make them, in the encoder's form of sequences one behind another.
// Layer: model.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "ultrafastbert/core/executor.hpp"
#include "ultrafastbert/core/matrix_view.hpp"
#include "ultrafastbert/core/token.hpp"
#include "ultrafastbert/core/workspace.hpp"
#include "ultrafastbert/encoder/trace.hpp"
#include "ultrafastbert/layers/sequences.hpp"

namespace ultrafastbert {

/// How a padded batch is computed.
struct padded_batch_options {
  /// Compute the padding behind sequences, too, as the training code does. Otherwise its states are 0, and nothing is
  /// computed for it, unless scores of attention are so large, more than a thousand in crammed models, that a mask of 0
  /// might not hide it: then the batch is computed once more with its padding. The states of tokens are the same bits
  /// either way, with the packed projections.
  bool padding_states = false;
  /// (batch, length), or empty for all 0: the token types, for encoders that have some.
  matrix_view<const std::uint32_t> type_ids{};
};

namespace models {

/// Final states of a padded batch.
/// Shapes: ids: (batch, length); mask: (batch, length), or (batch * length, length) with a row for each token, or none;
///   states: (batch * length, hidden_size), overwritten, row b * length + s; `trace` may be null, and has rows for
///   padding only with `padding_states`.
/// Throws: invalid_input (an id, length, mask or shape out of range; states is untouched then), std::bad_alloc.
template <class Encoder, class Scalar>
void encode_padded(const Encoder& encoder, const matrix_view<const token_id>& ids, const matrix_view<const float>& mask,
                   const matrix_view<Scalar>& states, workspace& scratch, const padded_batch_options& options,
                   encoder_trace<Scalar>* trace, executor_ref threads) {
  workspace::frame frame(scratch);
  const auto flat = frame.take<token_id>(ids.rows() * ids.cols());
  const auto offsets = frame.take<std::size_t>(ids.rows() + 1);
  for (std::size_t b = 0; b < ids.rows(); ++b) {
    std::copy_n(ids.row(b), ids.cols(), flat.begin() + static_cast<std::ptrdiff_t>(b * ids.cols()));
  }
  for (std::size_t b = 0; b <= ids.rows(); ++b) offsets[b] = b * ids.cols();
  sequence_batch batch{.offsets = offsets};
  if (options.type_ids.data() != nullptr) {
    core::check_extents(options.type_ids, ids.rows(), ids.cols(), "type_ids");
    const auto types = frame.take<std::uint32_t>(flat.size());
    for (std::size_t b = 0; b < ids.rows(); ++b) {
      std::copy_n(options.type_ids.row(b), ids.cols(), types.begin() + static_cast<std::ptrdiff_t>(b * ids.cols()));
    }
    batch.type_ids = types;
  }
  if (mask.data() != nullptr) {
    const bool per_token = mask.rows() != ids.rows() && mask.rows() == ids.rows() * ids.cols();
    core::check_extents(mask, per_token ? ids.rows() * ids.cols() : ids.rows(), ids.cols(), "mask");
    (per_token ? batch.query_mask : batch.mask) = mask;
    if (!per_token && !options.padding_states) {
      const auto lengths = frame.take<std::size_t>(ids.rows());
      for (std::size_t b = 0; b < lengths.size(); ++b) {
        lengths[b] = layers::visible_keys(mask.row_span(b), encoder.config().block.attention.causal);
      }
      batch.lengths = lengths;
    }
  }
  std::atomic<bool> padding_counts{false};
  // Padding beyond the positions has no states, and paths to follow are those of tokens alone.
  const bool has_states = ids.cols() <= encoder.embedding_layer().max_sequence_length();
  const bool follows = trace != nullptr && trace->follow;
  const bool padded =
      std::any_of(batch.lengths.begin(), batch.lengths.end(), [&](std::size_t length) { return length < ids.cols(); });
  if (padded && has_states && !follows) batch.padding_counts = &padding_counts;
  encoder.forward(flat, batch, states, scratch, trace, threads);
  if (!padding_counts.load(std::memory_order_relaxed)) return;
  const auto lengths = batch.lengths;
  batch.lengths = {};
  batch.padding_counts = nullptr;
  encoder.forward(flat, batch, states, scratch, trace, threads);
  if (trace != nullptr) encoders::keep_first_rows(*trace, lengths, ids.cols());
  for (std::size_t b = 0; b < lengths.size(); ++b) {
    for (std::size_t s = lengths[b]; s < ids.cols(); ++s) {
      std::fill_n(states.row(b * ids.cols() + s), states.cols(), Scalar{0});
    }
  }
}

}  // namespace models

}  // namespace ultrafastbert
