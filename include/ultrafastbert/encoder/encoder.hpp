// SPDX-License-Identifier: MIT
//
// The encoder: embedding, a stack of blocks, a final norm if it has one. Token ids in, one state per token out.
// Layer: encoder.
#pragma once

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "ultrafastbert/blas/default_backend.hpp"
#include "ultrafastbert/core/executor.hpp"
#include "ultrafastbert/core/matrix_view.hpp"
#include "ultrafastbert/core/tasks.hpp"
#include "ultrafastbert/core/tensor_source.hpp"
#include "ultrafastbert/core/token.hpp"
#include "ultrafastbert/core/workspace.hpp"
#include "ultrafastbert/encoder/block.hpp"
#include "ultrafastbert/encoder/config.hpp"
#include "ultrafastbert/encoder/row_chunks.hpp"
#include "ultrafastbert/encoder/schedule.hpp"
#include "ultrafastbert/encoder/trace.hpp"
#include "ultrafastbert/layers/embedding.hpp"
#include "ultrafastbert/layers/norm.hpp"
#include "ultrafastbert/layers/sequences.hpp"

namespace ultrafastbert {

/// The crammed BERT encoder. Immutable after loading: share it between threads, give each thread its own workspace.
template <class Scalar, class Backend = default_backend>
class encoder {
 public:
  /// Takes `embedding.*`, `layers.<i>.*` and `final_norm.*` below `prefix`, the word matrix from `word_name`.
  /// Throws: what the source throws, unsupported (the processor lacks the level asked for, no such storage), overflow,
  ///   std::bad_alloc.
  template <tensor_source Source>
  [[nodiscard]] static encoder load(const Source& source, const std::string& prefix, const std::string& word_name,
                                    const encoder_config& config, const encoder_choices& choices = {}) {
    encoder model(config, choices,
                  embedding<Scalar>::load(source, prefix + "embedding.", word_name, embedding_sizes(config),
                                          choices.projections.isa));
    if (config.final_norm)
      model.final_norm_ =
          norm<Scalar>::load(source, prefix + "final_norm.", norm_sizes(config), choices.projections.isa);
    model.layers_.reserve(config.layers);
    for (std::size_t i = 0; i < config.layers; ++i) {
      model.layers_.push_back(block<Scalar, Backend>::load(source, layer_prefix(prefix, i), config, choices));
    }
    return model;
  }

  /// Tells `visit(name, sizes)` every tensor that `load` reads.
  template <class Visitor>
  static void for_each_tensor(const std::string& prefix, const std::string& word_name, const encoder_config& config,
                              Visitor&& visit) {
    embedding<Scalar>::for_each_tensor(prefix + "embedding.", word_name, embedding_sizes(config), visit);
    if (config.final_norm) norm<Scalar>::for_each_tensor(prefix + "final_norm.", norm_sizes(config), visit);
    for (std::size_t i = 0; i < config.layers; ++i) {
      block<Scalar, Backend>::for_each_tensor(layer_prefix(prefix, i), config, visit);
    }
  }

  [[nodiscard]] const encoder_config& config() const noexcept { return config_; }  ///< sizes
  /// How it was loaded.
  [[nodiscard]] const encoder_choices& choices() const noexcept { return choices_; }
  /// Words and positions.
  [[nodiscard]] const ultrafastbert::embedding<Scalar>& embedding_layer() const noexcept { return embedding_; }
  [[nodiscard]] std::span<const block<Scalar, Backend>> layers() const noexcept { return layers_; }  ///< the stack
  /// Memory held by the weights and the position table. Units: bytes.
  [[nodiscard]] std::size_t bytes() const noexcept {
    std::size_t sum = embedding_.bytes() + (final_norm_ ? final_norm_->bytes() : 0);
    for (const auto& layer : layers_) sum += layer.bytes();
    return sum;
  }

  /// states = the final states of every token. Only tokens are computed: with `batch.lengths`, the rows behind a
  /// sequence's tokens become 0.
  /// Shapes: ids: (rows of the batch); states: (rows, hidden_size), overwritten; `trace` may be null.
  /// Pre: states overlaps nothing else.
  /// Throws: invalid_input (ids, lengths, mask, shapes; states is untouched then), std::bad_alloc while the workspace
  ///   grows or for the trace.
  /// Complexity: per token and layer, 8 hidden_size^2 for the projections and 4 hidden_size * length for attention, and
  ///   the feedforward layer's; no allocation after warm-up. The workspace grows to the token budget of the choices
  ///   that the encoder was loaded with; a trace takes all tokens at a time.
  void forward(std::span<const token_id> ids, const sequence_batch& batch, const matrix_view<Scalar>& states,
               workspace& scratch, encoder_trace<Scalar>* trace = nullptr) const {
    forward(ids, batch, states, scratch, executor_ref{}, trace);
  }

  /// The same spread over an executor's threads: whole sequences where they can be dealt evenly, else the rows and
  /// heads of each layer. With the packed projections a sequence's bits depend neither on the number of threads nor on
  /// the other sequences of the batch. Shapes, Pre, Throws, Complexity: as above; what the executor throws. Each task
  /// uses a part of `scratch` of its own.
  void forward(std::span<const token_id> ids, const sequence_batch& batch, const matrix_view<Scalar>& states,
               workspace& scratch, executor_ref threads, encoder_trace<Scalar>* trace = nullptr) const {
    core::check_extents(states, ids.size(), config_.hidden_size, "states");
    embedding_.check(ids, batch);
    const call now{.ids = ids, .batch = batch, .states = states};
    for (std::size_t first = 0; first < batch.size();) {
      const auto pass = trace != nullptr ? whole(batch) : encoders::next_pass(batch, first, choices_.token_budget);
      run_pass(now, pass, scratch, threads, trace);
      first = pass.last;
    }
    if (trace != nullptr && batch.size() == 0) start_trace(*trace, states);
  }

 private:
  // What the caller gave.
  struct call {
    std::span<const token_id> ids;
    const sequence_batch& batch;
    const matrix_view<Scalar>& states;
  };

  encoder(const encoder_config& config, const encoder_choices& choices, ultrafastbert::embedding<Scalar> embedding)
      : config_(config), choices_(choices), embedding_(std::move(embedding)) {}

  static core::index_range whole(const sequence_batch& batch) noexcept { return {.first = 0, .last = batch.size()}; }

  // All memory that grows with the tokens is the pass's; what tasks have of their own does not.
  void run_pass(const call& now, const core::index_range& pass, workspace& scratch, executor_ref threads,
                encoder_trace<Scalar>* trace) const {
    workspace::frame frame(scratch);
    const auto members = frame.take<std::size_t>(pass.size());
    const bool one_each = members.size() >= threads.concurrency();  // else threads would have nothing to do
    const auto ends = frame.take<std::size_t>(one_each ? threads.concurrency() : 1);
    std::iota(members.begin(), members.end(), pass.first);
    const std::size_t groups = trace != nullptr ? 1 : deal(now.batch, pass, members, ends, scratch);
    const auto offsets = frame.take<std::size_t>(members.size() + 1);
    const sequence_batch batch = gather(now.batch, members, offsets, frame);
    const auto buffers = block_buffers<Scalar>::take(frame, batch.total_rows(), config_.hidden_size);
    if (groups < 2) return run_group(now, members, batch, buffers, scratch, threads, trace);
    core::run_tasks(groups, scratch, threads, [&](std::size_t g, workspace& mine) {
      const core::index_range own{.first = g == 0 ? 0 : ends[g - 1], .last = ends[g]};
      const std::size_t first_row = offsets[own.first];
      const std::size_t rows = offsets[own.last] - first_row;
      workspace::frame group_frame(mine);
      const auto own_offsets = group_frame.template take<std::size_t>(own.size() + 1);
      for (std::size_t i = 0; i <= own.size(); ++i) own_offsets[i] = offsets[own.first + i] - first_row;
      sequence_batch part{.offsets = own_offsets};
      if (batch.mask.data() != nullptr) part.mask = batch.mask.rows_from(own.first, own.size());
      if (batch.query_mask.data() != nullptr) part.query_mask = batch.query_mask.rows_from(first_row, rows);
      run_group(now, members.subspan(own.first, own.size()), part, buffers.rows_from(first_row, rows), mine,
                executor_ref{}, nullptr);
    });
  }

  // Orders the sequences of a pass by the groups that they are dealt to, or by length if there had better be one group.
  // Returns the number of groups. Shapes: members: (sequences); ends: (groups at most), where each group ends.
  [[nodiscard]] std::size_t deal(const sequence_batch& batch, const core::index_range& pass,
                                 std::span<std::size_t> members, std::span<std::size_t> ends,
                                 workspace& scratch) const {
    workspace::frame frame(scratch);
    const auto sorted = frame.take<std::size_t>(members.size());
    const auto group_of = frame.take<std::size_t>(members.size());
    encoders::sort_by_length(batch, pass, sorted);
    std::copy(sorted.begin(), sorted.end(), members.begin());
    if (ends.size() < 2 || !encoders::deal(batch, config_.hidden_size, sorted, group_of, ends)) return 1;
    std::size_t next = 0;
    for (std::size_t g = 0; g < ends.size(); ++g) {
      for (std::size_t i = 0; i < sorted.size(); ++i) {
        if (group_of[i] == g) members[next++] = sorted[i];
      }
      ends[g] = next;
    }
    return ends.size();
  }

  // Takes sequences, which lie one behind another in the buffers, through the whole stack and writes their final
  // states.
  void run_group(const call& now, std::span<const std::size_t> members, const sequence_batch& batch,
                 const block_buffers<Scalar>& buffers, workspace& scratch, executor_ref threads,
                 encoder_trace<Scalar>* trace) const {
    for (std::size_t i = 0; i < members.size(); ++i) {
      embedding_.forward_sequence(now.ids.subspan(now.batch.offsets[members[i]], batch.length(i)),
                                  buffers.states.rows_from(batch.offsets[i], batch.length(i)));
    }
    if (trace != nullptr) start_trace(*trace, buffers.states);
    run_layers(buffers, batch, scratch, threads, trace);
    for (std::size_t i = 0; i < members.size(); ++i) {
      finish_sequence(buffers.states.rows_from(batch.offsets[i], batch.length(i)),
                      now.states.rows_from(now.batch.offsets[members[i]], now.batch.rows(members[i])));
    }
  }

  void run_layers(const block_buffers<Scalar>& buffers, const sequence_batch& batch, workspace& scratch,
                  executor_ref threads, encoder_trace<Scalar>* trace) const {
    const auto record = [trace](std::size_t i) { return trace != nullptr ? &trace->layers[i] : nullptr; };
    for (std::size_t i = 0; i <= layers_.size(); ++i) {  // the end of a layer and the start of the next are one step
      const auto step = [&](const core::index_range& rows, workspace& mine) {
        if (i > 0) layers_[i - 1].finish(buffers, rows, mine, record(i - 1));
        if (i < layers_.size()) layers_[i].begin(buffers, rows, mine, record(i));
      };
      encoders::for_each_row_chunk(buffers.states.rows(), scratch, threads, step);
      if (i < layers_.size()) layers_[i].attend(buffers, batch, scratch, threads);
    }
  }

  void start_trace(encoder_trace<Scalar>& trace, const matrix_view<Scalar>& states) const {
    trace.layers = std::vector<typename encoder_trace<Scalar>::block>(layers_.size());
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      encoders::prepare<Scalar>(trace.layers[i], states.rows(), states.cols(), layers_[i].path_length(), trace.states);
    }
    trace.embedding = trace.states ? encoders::recorded(states) : matrix<Scalar>{};
  }

  // Shapes: from: (length, hidden_size); to: (rows of the sequence, hidden_size).
  void finish_sequence(const matrix_view<Scalar>& from, const matrix_view<Scalar>& to) const {
    const auto tokens = to.rows_from(0, from.rows());
    if (final_norm_) {
      final_norm_->forward(from, tokens);
    } else {
      for (std::size_t r = 0; r < from.rows(); ++r) std::copy_n(from.row(r), from.cols(), tokens.row(r));
    }
    for (std::size_t r = from.rows(); r < to.rows(); ++r) std::fill_n(to.row(r), to.cols(), Scalar{0});
  }

  // The members without room between them, with their rows of the masks. Shapes: offsets: (members + 1), overwritten.
  static sequence_batch gather(const sequence_batch& from, std::span<const std::size_t> members,
                               std::span<std::size_t> offsets, workspace::frame& frame) {
    offsets[0] = 0;
    std::size_t longest = 0;
    for (std::size_t i = 0; i < members.size(); ++i) {
      offsets[i + 1] = offsets[i] + from.length(members[i]);
      longest = std::max(longest, from.length(members[i]));
    }
    sequence_batch to{.offsets = offsets};
    if (from.mask.data() != nullptr) {
      const auto mask = frame.take_matrix<float>(members.size(), longest);
      for (std::size_t i = 0; i < members.size(); ++i) {
        std::copy_n(from.mask.row(members[i]), to.length(i), mask.row(i));
      }
      to.mask = mask;
    }
    if (from.query_mask.data() != nullptr) {
      const auto mask = frame.take_matrix<float>(to.total_rows(), longest);
      for (std::size_t i = 0; i < members.size(); ++i) {
        for (std::size_t s = 0; s < to.length(i); ++s) {
          std::copy_n(from.query_mask.row(from.offsets[members[i]] + s), to.length(i), mask.row(offsets[i] + s));
        }
      }
      to.query_mask = mask;
    }
    return to;
  }

  static embedding_shape embedding_sizes(const encoder_config& c) {
    return {.vocabulary_size = c.vocabulary_size,
            .width = c.hidden_size,
            .max_sequence_length = c.max_sequence_length,
            .longest_sequence = c.longest_sequence,
            .norm_epsilon = c.norm_epsilon,
            .positions = c.positions,
            .normalization = c.embedding_norm,
            .norm = c.norm};
  }
  static norm_shape norm_sizes(const encoder_config& c) {
    return {.kind = c.norm, .width = c.hidden_size, .epsilon = c.norm_epsilon};
  }
  static std::string layer_prefix(const std::string& prefix, std::size_t i) {
    return prefix + "layers." + std::to_string(i) + '.';
  }

  encoder_config config_;
  encoder_choices choices_;
  ultrafastbert::embedding<Scalar> embedding_;
  std::optional<norm<Scalar>> final_norm_{};
  std::vector<block<Scalar, Backend>> layers_{};
};

}  // namespace ultrafastbert
