// SPDX-License-Identifier: MIT
//
// Multi-head self-attention: projections to queries, keys and values, softmax attention, and the output projection,
// which some checkpoints leave out. Checkpoints store the projections as one matrix whose rows are interleaved by head,
// or as three.
// Layer: layers.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "ultrafastbert/blas/default_backend.hpp"
#include "ultrafastbert/core/executor.hpp"
#include "ultrafastbert/core/matrix_view.hpp"
#include "ultrafastbert/core/parameters.hpp"
#include "ultrafastbert/core/tasks.hpp"
#include "ultrafastbert/core/tensor_source.hpp"
#include "ultrafastbert/core/workspace.hpp"
#include "ultrafastbert/kernels/scalar_rows.hpp"
#include "ultrafastbert/layers/linear.hpp"
#include "ultrafastbert/layers/negligible_keys.hpp"
#include "ultrafastbert/layers/rotary.hpp"
#include "ultrafastbert/layers/score_operation.hpp"
#include "ultrafastbert/layers/sequences.hpp"
#include "ultrafastbert/layers/whole_attention.hpp"
#include "ultrafastbert/products/head_attention.hpp"

namespace ultrafastbert {

/// How a checkpoint stores the projections to queries, keys and values.
enum class attention_layout : std::uint8_t {
  interleaved,  ///< `self_attention.query_key_value`: of each head its queries, then its keys, then its values
  separate,     ///< `self_attention.query`, `self_attention.key` and `self_attention.value`
};

/// An attention layer.
struct attention_shape {
  std::size_t width = 0;
  std::size_t heads = 0;  ///< divides width
  bool query_key_value_bias = false;
  bool output_projection = true;
  bool output_bias = false;  ///< of the output projection
  /// Masks the keys behind a query, but only where a batch has a mask per sequence, as the published training code
  /// does: without one, and with a mask per token, it has no effect.
  bool causal = false;
  attention_layout layout = attention_layout::interleaved;
  /// What a mask of 0 adds to a score. The lowest float lets a query whose keys are all masked attend to all of them
  /// alike, as BERT does.
  float masked_score = crammed_masked_score;
  /// Scales the scores; 0 for the checkpoint's `self_attention.norm_factor`.
  double norm_factor = 0;
  rotary_shape rotary{};                                 ///< turns queries and keys by their places in the sequence
  score_operation operation = score_operation::softmax;  ///< makes weights of the scores
};

/// Self-attention within each sequence. Immutable after construction; safe from any number of threads.
template <class Scalar, class Backend = default_backend<Scalar>>
class attention {
 public:
  /// Sizes alone: `parameters` says what fills them.
  /// Throws: shape_mismatch (heads do not divide the width), invalid_input (an infinite masked_score, which would make
  ///   NaN of a mask of 1; rotary positions of an odd head width or without a number of positions; causal with an
  ///   operation that knows no mask), as the constructor of `linear`.
  explicit attention(const attention_shape& shape, const projection_options& options = {})
      : shape_(shape),
        query_key_value_(
            {.output_width = 3 * shape.width, .input_width = shape.width, .bias = shape.query_key_value_bias}, options),
        norm_factor_(static_cast<Scalar>(shape.norm_factor)) {
    if (shape.output_projection) {
      dense_.emplace(linear_shape{.output_width = shape.width, .input_width = shape.width, .bias = shape.output_bias},
                     options);
    }
    check_heads();
    if (!std::isfinite(shape.masked_score)) {
      fail_input("masked_score", "a finite number", std::to_string(shape.masked_score));
    }
    if (shape.causal && shape.operation != score_operation::softmax) {
      fail_input("causal", "false with an operation that knows no mask", std::string(name(shape.operation)));
    }
    if (shape.rotary.kind != rotary_kind::none) layers::check_rotary(shape.rotary, width() / heads());
    choose_kernels(options.isa);
  }

  /// From layers that were built before, the output projection or none. Head h owns rows [3 h w, 3 (h + 1) w) of
  /// query_key_value with w = width / heads: first its queries, then its keys, then its values.
  /// Shapes: query_key_value: (3 * width, width); dense: (width, width). Throws: shape_mismatch.
  attention(linear<Scalar, Backend> query_key_value, std::optional<linear<Scalar, Backend>> dense, std::size_t heads,
            Scalar norm_factor, bool causal = false)
      : shape_({.width = query_key_value.input_width(),
                .heads = heads,
                .query_key_value_bias = query_key_value.shape().bias,
                .output_projection = dense.has_value(),
                .output_bias = dense && dense->shape().bias,
                .causal = causal,
                .norm_factor = static_cast<double>(norm_factor)}),
        query_key_value_(std::move(query_key_value)),
        dense_(std::move(dense)),
        norm_factor_(norm_factor) {
    check_heads();
    if (dense_ && (dense_->input_width() != width() || dense_->output_width() != width())) {
      fail(error_code::shape_mismatch,
           {.where = "dense",
            .expected = std::to_string(width()) + " columns and rows",
            .found = std::to_string(dense_->input_width()) + " and " + std::to_string(dense_->output_width())});
    }
    choose_kernels(query_key_value_.options().isa);
  }

  /// Loads the parameters below `prefix`. Throws: missing_tensor, what the source throws, as the constructors.
  [[nodiscard]] static attention load(const tensor_source& source, const std::string& prefix,
                                      const attention_shape& shape, const projection_options& options = {}) {
    attention layer(shape, options);
    parameter_list list;
    layer.parameters(prefix, list);
    list.load(source);
    return layer;
  }

  /// Notes the parameters of all parts. Below `prefix` they are `self_attention.*`, as the shape's layout and operation
  /// say, and with an output projection `dense.*`.
  /// Throws: std::bad_alloc.
  void parameters(const std::string& prefix, parameter_list& list) {
    const std::string self = prefix + "self_attention.";
    if (shape_.norm_factor == 0) {
      list.add(self + "norm_factor", {},
               [this](const tensor& from) { from.read(0, std::span<Scalar>(&norm_factor_, 1)); });
    }
    if (shape_.layout == attention_layout::interleaved) {
      query_key_value_.parameters(self + "query_key_value.", list);
    } else {
      constexpr std::array names{"query.", "key.", "value."};
      const std::size_t head_width = width() / shape_.heads;
      for (std::size_t part = 0; part < names.size(); ++part) {
        query_key_value_.row_parameters(
            self + names[part], width(),
            [head_width, part](std::size_t row) {
              return (3 * (row / head_width) + part) * head_width + row % head_width;
            },
            list);
      }
    }
    if (whole_) whole_->parameters(self + "sequence_op.", list);
    if (dense_) dense_->parameters(prefix + "dense.", list);
    if (shape_.rotary.kind != rotary_kind::none) {
      list.add_step([this] { rotary_.emplace(shape_.rotary, width() / heads(), query_key_value_.options().isa); });
    }
  }

  [[nodiscard]] const attention_shape& shape() const noexcept { return shape_; }  ///< as given
  [[nodiscard]] std::size_t width() const noexcept { return shape_.width; }       ///< columns of x and y
  [[nodiscard]] std::size_t heads() const noexcept { return shape_.heads; }       ///< number of heads
  /// Memory held by the weights. Units: bytes.
  [[nodiscard]] std::size_t bytes() const noexcept {
    return query_key_value_.bytes() + (dense_ ? dense_->bytes() : 0) + (rotary_ ? rotary_->bytes() : 0) +
           (whole_ ? whole_->bytes() : 0);
  }

  /// y = dense(attention(x)), or attention(x) without a projection; every token attends to the tokens of its own
  /// sequence. A mask m adds (1 - m) * -10000 to the scores, never -infinity, so that a row whose keys are all masked
  /// attends to all of them. The work is spread over an executor's threads.
  /// Shapes: x: (tokens, width) row-major; y: (tokens, width), overwritten; `batch` covers all rows.
  /// Pre: y overlaps neither x nor the layer.
  /// Throws: invalid_input (shapes, offsets, mask), what the executor throws, std::bad_alloc while the workspace grows.
  /// Complexity: tokens * width * (4 * width + 2 * sequence length). Source: the self-attention of crammed BERT.
  void forward(const matrix_view<const Scalar>& x, const matrix_view<Scalar>& y, const sequence_batch& batch,
               workspace& scratch, executor_ref threads = {}) const {
    check(batch);
    core::check_extents(x, batch.total_rows(), width(), "x");
    core::check_extents(y, batch.total_rows(), width(), "y");
    workspace::frame frame(scratch);
    const auto projected = frame.take_matrix<Scalar>(x.rows(), 3 * width());
    const auto context = dense_ ? frame.take_matrix<Scalar>(x.rows(), width()) : y;
    const auto masks = layers::resolve_masks(batch, shape_.causal, frame, shape_.masked_score);
    project(x, projected, scratch, threads);
    attend(projected, context, batch.offsets, masks, scratch, threads);
    if (dense_) combine(context, y, scratch, threads);
  }

  /// The first of the three steps that `forward` takes, row by row: queries, keys and values of the heads.
  /// Shapes: x: (tokens, width); projected: (tokens, 3 * width), overwritten. Throws: as `forward`.
  void project(const matrix_view<const Scalar>& x, const matrix_view<Scalar>& projected, workspace& scratch,
               executor_ref threads = {}) const {
    query_key_value_.forward(x, projected, scratch, threads);
  }

  /// The second step, sequence by sequence and spread over an executor's threads: the heads' weighted values. A query's
  /// bits depend on its own sequence's visible tokens alone, but for the `blas` engine.
  /// Shapes: projected: (tokens, 3 * width); context: (tokens, width), overwritten; offsets: (sequences + 1); masks:
  ///   (sequences), as `layers::resolve_masks` makes them.
  /// Pre: each task uses a part of `scratch` of its own.
  /// Throws: std::bad_alloc while the workspace grows, what the executor throws.
  void attend(const matrix_view<const Scalar>& projected, const matrix_view<Scalar>& context,
              std::span<const std::size_t> offsets, std::span<const layers::sequence_mask> masks, workspace& scratch,
              executor_ref threads = {}) const {
    const std::size_t parts = whole_ ? 1 : heads();
    const std::size_t units = masks.size() * parts;
    const std::size_t wanted = (std::min)(tasks_for(offsets, threads.concurrency()), units);
    const std::size_t tasks = (std::max<std::size_t>)(wanted, 1);
    core::run_tasks(tasks, scratch, threads, [&](std::size_t task, workspace& mine) {
      const auto some = core::part_of(units, tasks, task);
      for (std::size_t unit = some.first; unit < some.last; ++unit) {
        const std::size_t i = unit / parts;
        const std::size_t length = offsets[i + 1] - offsets[i];
        const auto from = projected.rows_from(offsets[i], length);
        const auto to = context.rows_from(offsets[i], length);
        if (whole_) {
          whole_->forward([&](std::size_t head) { return parts_of(from, head); },
                          [this](const auto& head, workspace::frame& frame) { return turned(head, frame); },
                          norm_factor_, to, mine);
        } else {
          attend_head(from, to, masks[i], unit % parts, mine);
        }
      }
    });
  }

  [[nodiscard]] bool has_projection() const noexcept { return dense_.has_value(); }  ///< whether there is a third step

  /// The third step, row by row: the output projection. Shapes: context, y: (tokens, width); y overwritten.
  /// Pre: has_projection(); y overlaps neither context nor the layer. Throws: as `forward`.
  void combine(const matrix_view<const Scalar>& context, const matrix_view<Scalar>& y, workspace& scratch,
               executor_ref threads = {}) const {
    dense_->forward(context, y, scratch, threads);
  }

  /// Throws invalid_input unless the batch is one for a layer by itself: offsets rise, masks fit, no room.
  void check(const sequence_batch& batch) const {
    layers::check_sequences(batch);
    if (!batch.lengths.empty()) fail_input("lengths", "none", std::to_string(batch.lengths.size()));
    check_form(batch);
  }

  /// Throws invalid_input where a sequence is longer than the rotary positions, or a batch has a mask although the
  /// operation is `layer_norm`, for which the training code fails.
  void check_form(const sequence_batch& batch) const {
    for (std::size_t i = 0; rotary_ && i < batch.size(); ++i) {
      if (batch.length(i) <= rotary_->shape().positions) continue;
      fail_input("sequence " + std::to_string(i),
                 "at most " + std::to_string(rotary_->shape().positions) + " tokens, as rotary positions go so far",
                 std::to_string(batch.length(i)));
    }
    if (shape_.operation != score_operation::layer_norm) return;
    if (batch.mask.data() != nullptr) fail_input("mask", "none with torch-norm", "a mask");
    if (batch.query_mask.data() != nullptr) fail_input("query_mask", "none with torch-norm", "a mask");
  }

  /// Bytes that `attend` takes from its workspace for sequences of up to `length` tokens, at most.
  [[nodiscard]] std::size_t attend_bytes(std::size_t length) const noexcept {
    const std::size_t head_width = width() / heads();
    const std::size_t turned = rotary_ ? rotary_->workspace_bytes(length) : 0;
    if (whole_) return turned + whole_->workspace_bytes(length, head_width);
    if (own_) return turned + own_->workspace_bytes(length, head_width);
    return turned + length * length * sizeof(Scalar) + buffer_alignment;
  }
  /// Bytes that the steps `project` and `combine` take for up to `tokens` tokens, at most.
  [[nodiscard]] std::size_t projection_bytes(std::size_t tokens) const noexcept {
    return (std::max)(query_key_value_.workspace_bytes(tokens), dense_ ? dense_->workspace_bytes(tokens) : 0);
  }

 private:
  using blas_type = typename blas::backend_traits<Backend>::blas;

  void check_heads() const {
    const std::size_t width = shape_.width;
    if (heads() == 0 || width % heads() != 0 || query_key_value_.output_width() != 3 * width) {
      fail(error_code::shape_mismatch,
           {.where = "query_key_value",
            .expected = "(3 * width, width) with heads dividing width",
            .found = '(' + std::to_string(query_key_value_.output_width()) + ", " + std::to_string(width) + ") and " +
                     std::to_string(heads()) + " heads"});
    }
  }

  // Scores and softmax by the library's own kernels, where the projections are its own, too.
  void choose_kernels(isa_level isa) {
    if (query_key_value_.engine() == projection_engine::packed) own_.emplace(isa);
    if (shape_.operation == score_operation::softmax) return;
    whole_.emplace(shape_.operation, heads(), own_ ? std::optional(own_->isa()) : std::nullopt);
  }

  // Parts that are worth a thread, and a few for each, so that the caller works while the others wake.
  [[nodiscard]] std::size_t tasks_for(std::span<const std::size_t> offsets, std::size_t threads) const noexcept {
    constexpr std::size_t products_per_task = std::size_t{1} << 21U;
    if (threads < 2) return 1;
    std::size_t products = 0;
    for (std::size_t i = 0; i + 1 < offsets.size(); ++i) {
      const std::size_t length = offsets[i + 1] - offsets[i];
      products += 2 * length * length * width();
    }
    return (std::min)({(offsets.size() - 1) * heads(), 6 * threads, products / products_per_task});
  }

  // Shapes: projected: (length, 3 * width).
  [[nodiscard]] layers::head_parts<Scalar> parts_of(const matrix_view<const Scalar>& projected,
                                                    std::size_t head) const noexcept {
    const std::size_t head_width = width() / heads();
    const auto part = [&](std::size_t which) {
      return projected.cols_from((3 * head + which) * head_width, head_width);
    };
    return {.queries = part(0), .keys = part(1), .values = part(2)};
  }

  // With rotary positions, queries and keys are turned in memory of the frame.
  [[nodiscard]] layers::head_parts<Scalar> turned(const layers::head_parts<Scalar>& parts,
                                                  workspace::frame& frame) const {
    return rotary_ ? rotary_->turned(parts, frame) : parts;
  }

  // Shapes: projected: (length, 3 * width); context: (length, width).
  void attend_head(const matrix_view<const Scalar>& projected, const matrix_view<Scalar>& context,
                   const layers::sequence_mask& mask, std::size_t head, workspace& scratch) const {
    const std::size_t head_width = width() / heads();
    workspace::frame frame(scratch);
    const layers::head_parts<Scalar> parts = turned(parts_of(projected, head), frame);
    const auto to = context.cols_from(head * head_width, head_width);
    if (mask.padding_counts != nullptr && !layers::padding_is_negligible(parts, norm_factor_, mask)) {
      mask.padding_counts->store(true, std::memory_order_relaxed);
    }
    const bool cut = mask.keys < projected.rows() && layers::keys_are_negligible(parts, norm_factor_, mask);
    const std::size_t keys = cut ? mask.keys : projected.rows();
    const auto key_bias = mask.key_bias.first((std::min)(keys, mask.key_bias.size()));
    if constexpr (std::same_as<Scalar, float>) {
      if (own_) {
        own_->forward({.queries = parts.queries,
                       .keys = parts.keys,
                       .values = parts.values,
                       .norm_factor = norm_factor_,
                       .visible_keys = keys,
                       .key_bias = key_bias,
                       .query_mask = mask.query_mask,
                       .masked_score = mask.masked_score,
                       .causal = mask.causal},
                      to, scratch);
        return;
      }
    }
    const layers::head_parts<Scalar> seen{
        .queries = parts.queries, .keys = parts.keys.rows_from(0, keys), .values = parts.values.rows_from(0, keys)};
    attend_by_blas(seen, mask, to, scratch);
  }

  // Shapes: context: as the queries.
  void attend_by_blas(const layers::head_parts<Scalar>& parts, const layers::sequence_mask& mask,
                      const matrix_view<Scalar>& context, workspace& scratch) const {
    workspace::frame frame(scratch);
    const auto scores = frame.take_matrix<Scalar>(parts.queries.rows(), parts.keys.rows());
    blas_type::multiply_transposed(norm_factor_, parts.queries, parts.keys, scores);
    for (std::size_t query = 0; query < scores.rows(); ++query) {
      const std::span<Scalar> row = scores.row_span(query);
      add_mask(mask, query, row);
      kernels::softmax(row);
    }
    blas_type::multiply(Scalar{1}, matrix_view<const Scalar>(scores), parts.values, context);
  }

  static void add_mask(const layers::sequence_mask& mask, std::size_t query, std::span<Scalar> row) noexcept {
    const std::size_t count = (std::min)(mask.key_bias.size(), row.size());
    const std::size_t seen = mask.causal ? (std::min)(query + 1, count) : count;
    for (std::size_t key = 0; key < count; ++key) {
      row[key] += static_cast<Scalar>(key < seen ? mask.key_bias[key] : mask_bias(0.0F, mask.masked_score));
    }
    if (mask.query_mask.data() == nullptr) return;
    for (std::size_t key = 0; key < row.size(); ++key) {
      row[key] += static_cast<Scalar>(mask_bias(mask.query_mask(query, key), mask.masked_score));
    }
  }

  attention_shape shape_;
  linear<Scalar, Backend> query_key_value_;
  std::optional<linear<Scalar, Backend>> dense_{};
  std::optional<head_attention> own_{};
  std::optional<layers::rotary_table<Scalar>> rotary_{};
  std::optional<layers::whole_attention<Scalar, blas_type>> whole_{};  // of operations other than softmax
  Scalar norm_factor_;
};

}  // namespace ultrafastbert
