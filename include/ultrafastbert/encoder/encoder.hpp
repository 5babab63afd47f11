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
#include <variant>
#include <vector>

#include "ultrafastbert/blas/default_backend.hpp"
#include "ultrafastbert/cmm/paths.hpp"
#include "ultrafastbert/core/error.hpp"
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

/// An encoder. Immutable after loading: share it between threads, give each thread its own workspace.
template <class Scalar, class Backend = default_backend<Scalar>>
class encoder {
 public:
  /// Sizes alone: `parameters` says what fills them. Throws: invalid_input (options that contradict each other or the
  /// backend, sizes), shape_mismatch, unsupported (the processor lacks the level asked for), overflow, std::bad_alloc.
  explicit encoder(const encoder_config& config, const encoder_options& options = {})
      : config_(config), options_(checked(options)), embedding_(config.embedding, options_.isa) {
    if (config.final_norm) final_norm_.emplace(*config.final_norm, options_.isa);
    layers_.reserve(config.layers);
    for (std::size_t i = 0; i < config.layers; ++i) layers_.emplace_back(config.block, options_);
  }

  /// Leaves an encoder behind that cannot be used; assigning one to itself changes nothing.
  encoder(encoder&& other) noexcept = default;
  encoder& operator=(encoder&& other) noexcept {
    if (this != &other) {  // a vector that is moved onto itself would be empty
      config_ = other.config_;
      options_ = other.options_;
      embedding_ = std::move(other.embedding_);
      final_norm_ = std::move(other.final_norm_);
      layers_ = std::move(other.layers_);
    }
    return *this;
  }
  encoder(const encoder&) = delete;
  encoder& operator=(const encoder&) = delete;
  ~encoder() = default;

  /// Loads the parameters below `prefix`, the word matrix from `word_name`.
  /// Throws: missing_tensor (one error that lists all absent or wrongly shaped tensors), what the source throws, as the
  ///   constructor.
  [[nodiscard]] static encoder load(const tensor_source& source, const std::string& prefix,
                                    const std::string& word_name, const encoder_config& config,
                                    const encoder_options& options = {}) {
    encoder model(config, options);
    parameter_list list;
    model.parameters(prefix, word_name, list);
    list.load(source);
    return model;
  }

  /// Notes the parameters of all parts. Below `prefix` they are `embedding.*`, `layers.i.*` for every layer i, and
  /// `final_norm.*`; the word matrix has the name `word_name`.
  /// Throws: std::bad_alloc.
  void parameters(const std::string& prefix, const std::string& word_name, parameter_list& list) {
    embedding_.parameters(prefix + "embedding.", word_name, list);
    if (final_norm_) final_norm_->parameters(prefix + "final_norm.", list);
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      layers_[i].parameters(prefix + "layers." + std::to_string(i) + '.', list);
    }
  }

  [[nodiscard]] const encoder_config& config() const noexcept { return config_; }     ///< sizes
  [[nodiscard]] const encoder_options& options() const noexcept { return options_; }  ///< how it is computed
  /// Words and positions.
  [[nodiscard]] const embedding<Scalar>& embedding_layer() const noexcept { return embedding_; }
  [[nodiscard]] std::span<const block<Scalar, Backend>> layers() const noexcept { return layers_; }  ///< the stack
  /// Memory held by the weights and the position table. Units: bytes.
  [[nodiscard]] std::size_t bytes() const noexcept {
    std::size_t sum = embedding_.bytes() + (final_norm_ ? final_norm_->bytes() : 0);
    for (const auto& layer : layers_) sum += layer.bytes();
    return sum;
  }

  /// Bytes that `forward` takes from its workspace for up to `tokens` tokens in any number of sequences, at most;
  /// batches with a mask for each token by itself take more. `own`: of the calling thread; `part`: of each thread
  /// besides.
  struct workspace_need {
    std::size_t own = 0;
    std::size_t part = 0;
  };
  [[nodiscard]] workspace_need workspace_bytes(std::size_t tokens) const noexcept {
    const std::size_t longest = (std::min)(tokens, embedding_.max_sequence_length());
    const std::size_t pass = (std::min)(tokens, (std::max)(options_.token_budget, longest));
    const std::size_t group = (pass + 1) * sizeof(std::size_t) + buffer_alignment;
    return {.own = pass_bytes(pass, longest) + mask_floats(pass, longest) * sizeof(float),
            .part = group + step_bytes(pass, longest)};
  }

  /// states = the final states of every token. Only tokens are computed: with `batch.lengths`, the rows behind a
  /// sequence's tokens become 0. The work is spread over an executor's threads: whole sequences where they can be dealt
  /// evenly, else the rows and heads of each layer. With the packed projections a sequence's bits depend neither on the
  /// number of threads nor on the other sequences of the batch.
  /// Shapes: ids: (rows of the batch); states: (rows, hidden_size), overwritten; `trace` may be null.
  /// Pre: states overlaps nothing else.
  /// Throws: invalid_input (ids, lengths, mask, shapes; margins or paths to follow without FFF layers; paths that are
  ///   none of these trees or of other tokens; states is untouched then), what the executor throws, std::bad_alloc
  ///   while the workspace grows or for the trace.
  /// Complexity: per token and layer, 8 hidden_size^2 for the projections and 4 hidden_size * length for attention, and
  ///   the feedforward layer's; no allocation after warm-up. The workspace grows to the token budget of the options
  ///   that the encoder was loaded with; a trace takes all tokens at a time.
  void forward(std::span<const token_id> ids, const sequence_batch& batch, const matrix_view<Scalar>& states,
               workspace& scratch, encoder_trace<Scalar>* trace = nullptr, executor_ref threads = {}) const {
    core::check_extents(states, ids.size(), config_.hidden_size(), "states");
    embedding_.check(ids, batch);
    if (!layers_.empty()) layers_.front().check_form(batch);
    if (trace == nullptr) {
      make_room(batch, scratch);
    } else {
      check_trace(*trace, batch);
    }
    const call now{.ids = ids, .batch = batch, .states = states};
    for (std::size_t first = 0; first < batch.size();) {
      const auto pass = trace != nullptr ? whole(batch) : encoders::next_pass(batch, first, options_.token_budget);
      run_pass(now, pass, scratch, threads, trace);
      first = pass.last;
    }
    if (trace != nullptr && batch.size() == 0) start_trace(*trace, states);
  }

  /// The same without a trace. Shapes, Pre, Throws, Complexity: as above.
  void forward(std::span<const token_id> ids, const sequence_batch& batch, const matrix_view<Scalar>& states,
               workspace& scratch, executor_ref threads) const {
    forward(ids, batch, states, scratch, nullptr, threads);
  }

 private:
  // What the caller gave.
  struct call {
    std::span<const token_id> ids;
    const sequence_batch& batch;
    const matrix_view<Scalar>& states;
  };

  static encoder_options checked(const encoder_options& options) {
    constexpr bool kernels = blas::backend_traits<Backend>::has_kernels;
    if (!kernels && options.isa != isa_level::automatic) {
      fail_input("isa", "automatic with the backend " + std::string(Backend::name) + ", which has no levels",
                 std::string(ultrafastbert::name(options.isa)));
    }
    return encoders::with_one_level(options, kernels && options.fast_feedforward.engine != fff_engine::blas,
                                    kernels && options.projections.engine != projection_engine::blas);
  }

  [[nodiscard]] std::size_t step_bytes(std::size_t rows, std::size_t longest) const noexcept {
    return layers_.empty() ? 0 : layers_.front().workspace_bytes(rows, longest);
  }

  // What the calling thread takes at most for a pass of `rows` tokens in sequences of up to `longest`, but for masks.
  [[nodiscard]] std::size_t pass_bytes(std::size_t rows, std::size_t longest) const noexcept {
    // Numbers of the sequences, one token each at worst.
    const std::size_t numbers = rows * (5 * sizeof(std::size_t) + sizeof(layers::sequence_mask) + sizeof(float));
    constexpr std::size_t arrays = 16;  // each is rounded up to a whole number of cache lines
    const std::size_t states = 5 * (rows * config_.hidden_size() * sizeof(Scalar) + buffer_alignment);
    return numbers + states + arrays * buffer_alignment + step_bytes(rows, longest);
  }

  // The masks of a pass, whose matrix is largest where half of the tokens are one sequence, and the others one each.
  [[nodiscard]] static std::size_t mask_floats(std::size_t rows, std::size_t longest) noexcept {
    const std::size_t widest = (std::min)(longest, (rows + 1) / 2);
    return (rows - widest + 1) * widest;
  }

  // Lets the workspace grow to what calls of this size take, not only to what the passes of this one happen to take:
  // how many tokens a pass has depends on where the sequences end.
  void make_room(const sequence_batch& batch, workspace& scratch) const {
    std::size_t longest = 0;
    for (std::size_t i = 0; i < batch.size(); ++i) {
      longest = (std::max)(longest, (std::min)(batch.rows(i), embedding_.max_sequence_length()));
    }
    const std::size_t rows = (std::min)(batch.total_rows(), (std::max)(options_.token_budget, longest));
    std::size_t floats = 0;
    if (batch.mask.data() != nullptr) floats = (std::min)(mask_floats(rows, longest), batch.size() * longest);
    if (batch.query_mask.data() != nullptr) floats = rows * longest;
    workspace::frame frame(scratch);
    static_cast<void>(frame.take<std::byte>(pass_bytes(rows, longest) + floats * sizeof(float)));
  }

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
    const auto masks = layers::resolve_masks(batch, is_causal(), frame, config_.block.attention.masked_score);
    const auto buffers = block_buffers<Scalar>::take(frame, batch.total_rows(), config_.hidden_size());
    if (groups < 2) {
      return run_group(now, {.members = members, .offsets = offsets, .masks = masks, .buffers = buffers}, scratch,
                       threads, trace);
    }
    core::run_tasks(groups, scratch, threads, [&](std::size_t g, workspace& mine) {
      const core::index_range own{.first = g == 0 ? 0 : ends[g - 1], .last = ends[g]};
      const std::size_t first_row = offsets[own.first];
      const std::size_t rows = offsets[own.last] - first_row;
      workspace::frame group_frame(mine);
      const auto own_offsets = group_frame.template take<std::size_t>(own.size() + 1);
      for (std::size_t i = 0; i <= own.size(); ++i) own_offsets[i] = offsets[own.first + i] - first_row;
      run_group(now,
                {.members = members.subspan(own.first, own.size()),
                 .offsets = own_offsets,
                 .masks = masks.subspan(own.first, own.size()),
                 .buffers = buffers.rows_from(first_row, rows)},
                mine, executor_ref{}, nullptr);
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
    if (ends.size() < 2 || !encoders::deal(batch, config_.hidden_size(), sorted, group_of, ends)) return 1;
    std::size_t next = 0;
    for (std::size_t g = 0; g < ends.size(); ++g) {
      for (std::size_t i = 0; i < sorted.size(); ++i) {
        if (group_of[i] == g) members[next++] = sorted[i];
      }
      ends[g] = next;
    }
    return ends.size();
  }

  // Sequences that lie one behind another in the buffers.
  struct sequence_group {
    std::span<const std::size_t> members;  // their numbers in the call
    std::span<const std::size_t> offsets;
    std::span<const layers::sequence_mask> masks;
    block_buffers<Scalar> buffers;

    [[nodiscard]] matrix_view<Scalar> states_of(std::size_t i) const noexcept {
      return buffers.states.rows_from(offsets[i], offsets[i + 1] - offsets[i]);
    }
  };

  // Takes sequences through the whole stack and writes their final states.
  void run_group(const call& now, const sequence_group& group, workspace& scratch, executor_ref threads,
                 encoder_trace<Scalar>* trace) const {
    for (std::size_t i = 0; i < group.members.size(); ++i) {
      embedding_.forward_sequence(now.ids, now.batch, group.members[i], group.states_of(i));
    }
    if (trace != nullptr) start_trace(*trace, group.buffers.states);
    run_layers(group, scratch, threads, trace);
    for (std::size_t i = 0; i < group.members.size(); ++i) {
      const std::size_t member = group.members[i];
      finish_sequence(group.states_of(i), now.states.rows_from(now.batch.offsets[member], now.batch.rows(member)));
    }
  }

  void run_layers(const sequence_group& group, workspace& scratch, executor_ref threads,
                  encoder_trace<Scalar>* trace) const {
    const auto record = [trace](std::size_t i) { return trace != nullptr ? &trace->layers[i] : nullptr; };
    for (std::size_t i = 0; i <= layers_.size(); ++i) {  // the end of a layer and the start of the next are one step
      const auto step = [&](const core::index_range& rows, workspace& mine, executor_ref inside) {
        if (i > 0) layers_[i - 1].complete_rows(group.buffers, rows, mine, record(i - 1), inside);
        if (i < layers_.size()) layers_[i].project_rows(group.buffers, rows, mine, record(i), inside);
      };
      encoders::for_each_row_chunk(group.buffers.states.rows(), scratch, threads, step);
      if (i < layers_.size()) layers_[i].attend(group.buffers, group.offsets, group.masks, scratch, threads);
    }
  }

  [[nodiscard]] bool is_causal() const noexcept { return config_.block.attention.causal; }

  // Throws invalid_input where a trace asks for what there is not, or its paths are not such as tokens can follow.
  void check_trace(const encoder_trace<Scalar>& trace, const sequence_batch& batch) const {
    const auto* fast = std::get_if<fast_feedforward_shape>(&config_.block.feedforward);
    if (fast == nullptr && trace.margins) fail_input("trace.margins", "false for dense feedforward layers", "true");
    if (!trace.follow) return;
    if (fast == nullptr) fail_input("trace.follow", "false for dense feedforward layers", "true");
    if (trace.layers.size() != layers_.size()) {
      fail_input("trace.layers", std::to_string(layers_.size()) + " layers", std::to_string(trace.layers.size()));
    }
    std::size_t tokens = 0;
    for (std::size_t i = 0; i < batch.size(); ++i) tokens += batch.length(i);
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      const std::string where = std::string("trace.layers[").append(std::to_string(i)).append("].paths");
      core::check_extents(trace.layers[i].paths.view(), tokens, layers_[i].path_length(), where.c_str());
      cmm::check_paths(trace.layers[i].paths.view(), fast->depth, where);
    }
  }

  void start_trace(encoder_trace<Scalar>& trace, const matrix_view<Scalar>& states) const {
    if (!trace.follow) trace.layers = std::vector<typename encoder_trace<Scalar>::block>(layers_.size());
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      encoders::prepare<Scalar>(trace.layers[i], states.rows(), states.cols(), layers_[i].path_length(),
                                {.states = trace.states, .margins = trace.margins, .follow = trace.follow});
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
      longest = (std::max)(longest, from.length(members[i]));
    }
    sequence_batch to{.offsets = offsets, .padding_counts = from.padding_counts};
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

  encoder_config config_;
  encoder_options options_;
  embedding<Scalar> embedding_;
  std::optional<norm<Scalar>> final_norm_{};
  std::vector<block<Scalar, Backend>> layers_{};
};

}  // namespace ultrafastbert
