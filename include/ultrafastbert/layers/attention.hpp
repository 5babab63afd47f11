// SPDX-License-Identifier: MIT
//
// Multi-head self-attention of the crammed layout: one projection to queries, keys and values, whose rows are
// interleaved by head, softmax attention, and the output projection, which some checkpoints leave out.
// Layer: layers.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "ultrafastbert/blas/default_backend.hpp"
#include "ultrafastbert/core/executor.hpp"
#include "ultrafastbert/core/matrix_view.hpp"
#include "ultrafastbert/core/tasks.hpp"
#include "ultrafastbert/core/tensor_source.hpp"
#include "ultrafastbert/core/workspace.hpp"
#include "ultrafastbert/kernels/softmax.hpp"
#include "ultrafastbert/layers/linear.hpp"
#include "ultrafastbert/layers/sequences.hpp"
#include "ultrafastbert/products/head_attention.hpp"

namespace ultrafastbert {

/// Sizes of an attention layer.
struct attention_shape {
  std::size_t width = 0;
  std::size_t heads = 0;  ///< divides width
  bool query_key_value_bias = false;
  bool output_projection = true;
  bool output_bias = false;  ///< of the output projection
  bool causal = false;       ///< see the constructor
};

/// Softmax self-attention within each sequence. Immutable after construction; safe from any number of threads.
template <class Scalar, class Backend = default_backend>
class attention {
 public:
  /// With an output projection.
  /// Shapes: query_key_value: (3 * width, width), head h owning rows [3 h w, 3 (h + 1) w) with w = width / heads: first
  ///   its queries, then its keys, then its values; dense: (width, width); `norm_factor` scales the scores.
  ///   `causal` masks the keys behind a query, but only where a batch has a mask per sequence, as the training code
  ///   does: without one, and with a mask per token, it has no effect.
  /// Throws: shape_mismatch.
  attention(linear<Scalar, Backend> query_key_value, linear<Scalar, Backend> dense, std::size_t heads,
            Scalar norm_factor, bool causal = false)
      : attention(std::move(query_key_value), heads, norm_factor, causal) {
    if (dense.input_width() != width()) {
      fail(error_code::shape_mismatch, {.where = "dense",
                                        .expected = std::to_string(width()) + " input columns",
                                        .found = std::to_string(dense.input_width())});
    }
    dense_ = std::move(dense);
  }

  /// Without one. Shapes: as above. Throws: shape_mismatch.
  attention(linear<Scalar, Backend> query_key_value, std::size_t heads, Scalar norm_factor, bool causal = false)
      : query_key_value_(std::move(query_key_value)),
        own_(kernels_for(query_key_value_)),
        heads_(heads),
        norm_factor_(norm_factor),
        causal_(causal) {
    const std::size_t width = query_key_value_.input_width();
    if (heads == 0 || width % heads != 0 || query_key_value_.output_width() != 3 * width) {
      fail(error_code::shape_mismatch, {.where = "query_key_value",
                                        .expected = "(3 * width, width) with heads dividing width",
                                        .found = '(' + std::to_string(query_key_value_.output_width()) + ", " +
                                                 std::to_string(width) + ") and " + std::to_string(heads) + " heads"});
    }
  }

  /// Takes `self_attention.query_key_value.*`, `self_attention.norm_factor` and `dense.*` below `prefix`.
  /// Shapes: (3 * width, width), (), (width, width); biases (3 * width), (width). Throws: what
  /// `linear::load` throws.
  template <tensor_source Source>
  [[nodiscard]] static attention load(const Source& source, const std::string& prefix, const attention_shape& shape,
                                      const projection_choices& choices = {}) {
    using layer = linear<Scalar, Backend>;
    Scalar norm_factor = 0;
    source.read(prefix + "self_attention.norm_factor", std::span<const std::size_t>{}, 0,
                std::span<Scalar>(&norm_factor, 1));
    auto query_key_value = layer::load(source, prefix + "self_attention.query_key_value.", projection(shape), choices);
    if (!shape.output_projection) return attention(std::move(query_key_value), shape.heads, norm_factor, shape.causal);
    return attention(std::move(query_key_value), layer::load(source, prefix + "dense.", output(shape), choices),
                     shape.heads, norm_factor, shape.causal);
  }

  /// Tells `visit(name, sizes)` every tensor that `load` reads.
  template <class Visitor>
  static void for_each_tensor(const std::string& prefix, const attention_shape& shape, Visitor&& visit) {
    visit(prefix + "self_attention.norm_factor", {});
    linear<Scalar, Backend>::for_each_tensor(prefix + "self_attention.query_key_value.", projection(shape), visit);
    if (!shape.output_projection) return;
    linear<Scalar, Backend>::for_each_tensor(prefix + "dense.", output(shape), visit);
  }

  [[nodiscard]] std::size_t width() const noexcept { return query_key_value_.input_width(); }  ///< columns of x and y
  [[nodiscard]] std::size_t heads() const noexcept { return heads_; }                          ///< number of heads
  /// Memory held by the weights. Units: bytes.
  [[nodiscard]] std::size_t bytes() const noexcept { return query_key_value_.bytes() + (dense_ ? dense_->bytes() : 0); }

  /// y = dense(attention(x)), or attention(x) without a projection; every token attends to the tokens of its own
  /// sequence. A mask m adds (1 - m) * -10000 to the scores, never -infinity, so that a row whose keys are all masked
  /// attends to all of them.
  /// Shapes: x: (tokens, width) row-major; y: (tokens, width), overwritten; `batch` covers all rows.
  /// Pre: y overlaps neither x nor the layer.
  /// Throws: invalid_input (shapes, offsets, mask), std::bad_alloc while the workspace grows.
  /// Complexity: tokens * width * (4 * width + 2 * sequence length). Source: the self-attention of crammed BERT.
  void forward(const matrix_view<const Scalar>& x, const matrix_view<Scalar>& y, const sequence_batch& batch,
               workspace& scratch) const {
    check(batch);
    core::check_extents(x, batch.total_rows(), width(), "x");
    core::check_extents(y, batch.total_rows(), width(), "y");
    workspace::frame frame(scratch);
    const auto projected = frame.take_matrix<Scalar>(x.rows(), 3 * width());
    const auto context = dense_ ? frame.take_matrix<Scalar>(x.rows(), width()) : y;
    project(x, projected, scratch);
    attend(projected, context, batch, scratch);
    if (dense_) combine(context, y, scratch);
  }

  /// The first of the three steps that `forward` takes, row by row: queries, keys and values of the heads.
  /// Shapes: x: (tokens, width); projected: (tokens, 3 * width), overwritten. Throws: as `forward`.
  void project(const matrix_view<const Scalar>& x, const matrix_view<Scalar>& projected, workspace& scratch) const {
    query_key_value_.forward(x, projected, scratch);
  }

  /// The second step, sequence by sequence and spread over an executor's threads: the heads' weighted values. A query's
  /// bits depend on its own sequence's visible tokens alone, but for the `blas` engine.
  /// Shapes: projected: (tokens, 3 * width); context: (tokens, width), overwritten; `batch` covers all rows.
  /// Pre: the batch is valid; each task uses a part of `scratch` of its own.
  /// Throws: std::bad_alloc while the workspace grows, what the executor throws.
  void attend(const matrix_view<const Scalar>& projected, const matrix_view<Scalar>& context,
              const sequence_batch& batch, workspace& scratch, executor_ref threads = {}) const {
    const std::size_t units = batch.size() * heads_;
    const std::size_t tasks = std::max<std::size_t>(tasks_for(batch, threads.concurrency()), 1);
    core::run_tasks(tasks, scratch, threads, [&](std::size_t i, workspace& mine) {
      const auto some = core::part_of(units, tasks, i);
      for (std::size_t unit = some.first; unit < some.last; ++unit) {
        attend(projected, context, batch, unit / heads_, unit % heads_, mine);
      }
    });
  }

  [[nodiscard]] bool has_projection() const noexcept { return dense_.has_value(); }  ///< whether there is a third step

  /// The third step, row by row: the output projection. Shapes: context, y: (tokens, width); y overwritten.
  /// Pre: has_projection(); y overlaps neither context nor the layer. Throws: as `forward`.
  void combine(const matrix_view<const Scalar>& context, const matrix_view<Scalar>& y, workspace& scratch) const {
    dense_->forward(context, y, scratch);
  }

  /// Throws invalid_input unless the batch is one for a layer by itself: offsets rise, masks fit, no room.
  static void check(const sequence_batch& batch) {
    layers::check_sequences(batch);
    if (!batch.lengths.empty()) fail_input("lengths", "none", std::to_string(batch.lengths.size()));
  }

 private:
  static linear_shape projection(const attention_shape& s) {
    return {.output_width = 3 * s.width, .input_width = s.width, .bias = s.query_key_value_bias};
  }
  static linear_shape output(const attention_shape& s) {
    return {.output_width = s.width, .input_width = s.width, .bias = s.output_bias};
  }

  // Parts that are worth a thread, and a few for each, so that the caller works while the others wake.
  [[nodiscard]] std::size_t tasks_for(const sequence_batch& batch, std::size_t threads) const noexcept {
    constexpr std::size_t products_per_task = std::size_t{1} << 21U;
    if (threads < 2) return 1;
    std::size_t products = 0;
    for (std::size_t i = 0; i < batch.size(); ++i) products += 2 * batch.length(i) * batch.length(i) * width();
    return std::min({batch.size() * heads_, 6 * threads, products / products_per_task});
  }

  static std::optional<head_attention> kernels_for(const linear<Scalar, Backend>& projection) {
    if (projection.engine() != projection_engine::packed) return std::nullopt;
    return head_attention(projection.isa());
  }

  // What the scores of one sequence's queries are lowered by.
  struct sequence_mask {
    std::size_t keys = 0;  // the first ones, which are looked at at all
    std::span<const float> per_key{};
    matrix_view<const float> per_query{};
  };

  [[nodiscard]] sequence_mask mask_of(const sequence_batch& batch, std::size_t sequence) const noexcept {
    const std::size_t length = batch.length(sequence);
    sequence_mask mask{.keys = length};
    if (batch.query_mask.data() != nullptr) {
      mask.per_query = batch.query_mask.rows_from(batch.offsets[sequence], length);
    }
    if (batch.mask.data() == nullptr) return mask;
    const auto whole = batch.mask.row_span(sequence).first(length);
    mask.keys = layers::visible_keys(whole, causal_);
    mask.per_key = whole.first(mask.keys);
    return mask;
  }

  void attend(const matrix_view<const Scalar>& projected, const matrix_view<Scalar>& context,
              const sequence_batch& batch, std::size_t sequence, std::size_t head, workspace& scratch) const {
    const std::size_t head_width = width() / heads_;
    const auto rows = projected.rows_from(batch.offsets[sequence], batch.length(sequence));
    const auto part = [&](std::size_t which) { return rows.cols_from((3 * head + which) * head_width, head_width); };
    const auto to = context.rows_from(batch.offsets[sequence], rows.rows()).cols_from(head * head_width, head_width);
    const auto mask = mask_of(batch, sequence);
    if constexpr (std::same_as<Scalar, float>) {
      if (own_) return attend_by_kernels(part(0), part(1), part(2), mask, to, scratch);
    }
    attend_by_backend(part(0), part(1), part(2), mask, to, scratch);
  }

  // Shapes: queries, keys, values, context: (length, width / heads).
  void attend_by_kernels(const matrix_view<const float>& queries, const matrix_view<const float>& keys,
                         const matrix_view<const float>& values, const sequence_mask& mask,
                         const matrix_view<float>& context, workspace& scratch) const {
    workspace::frame frame(scratch);
    const auto bias = frame.take<float>(mask.per_key.size());
    std::transform(mask.per_key.begin(), mask.per_key.end(), bias.begin(), mask_bias);
    own_->forward({.queries = queries,
                   .keys = keys,
                   .values = values,
                   .norm_factor = norm_factor_,
                   .visible_keys = mask.keys,
                   .key_bias = bias,
                   .query_mask = mask.per_query,
                   .causal = causal_ && !bias.empty()},
                  context, scratch);
  }

  // Shapes: queries, keys, values, context: (length, width / heads).
  void attend_by_backend(const matrix_view<const Scalar>& queries, const matrix_view<const Scalar>& keys,
                         const matrix_view<const Scalar>& values, const sequence_mask& mask,
                         const matrix_view<Scalar>& context, workspace& scratch) const {
    workspace::frame frame(scratch);
    const auto scores = frame.take_matrix<Scalar>(queries.rows(), mask.keys);
    Backend::multiply_transposed(norm_factor_, queries, keys.rows_from(0, mask.keys), scores);
    for (std::size_t query = 0; query < scores.rows(); ++query) {
      const std::span<Scalar> row = scores.row_span(query);
      add_mask(mask, query, row);
      kernels::softmax(row);
    }
    Backend::multiply(Scalar{1}, matrix_view<const Scalar>(scores), values.rows_from(0, mask.keys), context);
  }

  void add_mask(const sequence_mask& mask, std::size_t query, std::span<Scalar> row) const noexcept {
    const std::size_t seen = causal_ ? std::min(query + 1, mask.per_key.size()) : mask.per_key.size();
    for (std::size_t key = 0; key < mask.per_key.size(); ++key) {
      row[key] += static_cast<Scalar>(mask_bias(key < seen ? mask.per_key[key] : 0.0F));
    }
    if (mask.per_query.data() == nullptr) return;
    for (std::size_t key = 0; key < row.size(); ++key) {
      row[key] += static_cast<Scalar>(mask_bias(mask.per_query(query, key)));
    }
  }

  linear<Scalar, Backend> query_key_value_;
  std::optional<linear<Scalar, Backend>> dense_{};
  std::optional<head_attention> own_;  // where the projections are the library's own, too
  std::size_t heads_;
  Scalar norm_factor_;
  bool causal_;
};

}  // namespace ultrafastbert
