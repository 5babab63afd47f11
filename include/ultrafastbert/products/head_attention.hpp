// SPDX-License-Identifier: MIT
//
// Softmax attention of one head within one sequence, in float: scores, softmax and weighted sum of the values in one
// pass over blocks of keys, so that no score outlives a tile of queries. The bits of a query's result depend on the
// sequence alone, not on the queries beside it nor on keys that are cut off.
// Layer: products.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/core/matrix_view.hpp"
#include "ultrafastbert/core/workspace.hpp"
#include "ultrafastbert/kernels/dispatch.hpp"
#include "ultrafastbert/kernels/isa.hpp"
#include "ultrafastbert/kernels/tables.hpp"
#include "ultrafastbert/kernels/transpose.hpp"

namespace ultrafastbert {

/// What a mask of 0 adds to a score in the published training code of crammed models.
inline constexpr float crammed_masked_score = -10000.0F;

/// What a mask of 0 to 1 adds to a score, `masked_score` for 0: rounded to float, never infinite, so that a query whose
/// keys are all masked attends to all of them.
[[nodiscard]] inline float mask_bias(float mask, float masked_score = crammed_masked_score) noexcept {
  constexpr float most = (std::numeric_limits<float>::max)();
  return std::clamp((1.0F - mask) * masked_score, -most, most);
}

/// The operands of one head of one sequence; borrows its memory. There are as many keys as values.
struct attention_operands {
  matrix_view<const float> queries{};  ///< (queries, head width): the sequence's, or some neighboring ones of them
  matrix_view<const float> keys{};     ///< (length, head width)
  matrix_view<const float> values{};   ///< (length, head width)
  float norm_factor = 1;               ///< of the scores
  std::size_t visible_keys = 0;        ///< the first keys, at least one; those behind them take no part
  /// (visible_keys), or empty: added to the scaled scores of every query.
  std::span<const float> key_bias{};
  /// (queries, at least visible_keys), or empty: a mask per query instead of a bias for all.
  matrix_view<const float> query_mask{};
  float masked_score = crammed_masked_score;  ///< what a mask of 0 adds
  bool causal = false;                        ///< keys behind a query have the mask 0 instead
  std::size_t first_query = 0;                ///< place of the first query in the sequence, for `causal`
};

/// The kernels of fused attention at a level. Immutable; safe from any number of threads, each with its own workspace.
class head_attention {
 public:
  /// Throws: unsupported (the processor lacks the level asked for).
  explicit head_attention(isa_level isa = isa_level::automatic)
      : isa_(resolve(isa)), gemm_(&kernels::float32_products_of(isa_)), rows_(&kernels::rows_of(isa_)) {}

  [[nodiscard]] isa_level isa() const noexcept { return isa_; }  ///< level of the kernels that run

  /// Bytes that `forward` takes from its workspace for sequences of up to `length` tokens, at most.
  [[nodiscard]] std::size_t workspace_bytes(std::size_t length, std::size_t head_width) const noexcept {
    const std::size_t keys = padded((std::min)(length, keys_per_block), gemm_->columns);
    const std::size_t queries = (std::min)(length, queries_per_tile);
    const std::size_t width = padded(head_width, gemm_->columns);
    constexpr std::size_t arrays = 6;  // each is rounded up to a whole number of cache lines
    return sizeof(float) * (keys * (head_width + width) + queries * (keys + width) + keys) +
           length * sizeof(kernels::running_softmax) + arrays * buffer_alignment;
  }

  /// context = softmax(norm_factor * queries keys^T + bias) values. NaN in a key or value reaches every query, NaN in a
  /// query its own row.
  /// Shapes: see attention_operands; context: (queries, head width), overwritten; any strides.
  /// Pre: context overlaps nothing.
  /// Throws: invalid_input (shapes; context is untouched then), std::bad_alloc while the workspace grows.
  /// Complexity: 2 * queries * visible_keys * head width; scratch of a tile and a block, and 8 bytes per query.
  void forward(const attention_operands& head, const matrix_view<float>& context, workspace& scratch) const {
    check(head, context);
    if (context.empty()) return;
    workspace::frame frame(scratch);
    const buffers memory(frame, head, gemm_->columns);
    for (std::size_t first = 0; first < head.visible_keys; first += keys_per_block) {
      const std::size_t count = (std::min)(keys_per_block, head.visible_keys - first);
      pack_keys(head.keys.rows_from(first, count), memory.keys);
      pack_values(head.values.rows_from(first, count), memory.values);
      const std::size_t tiles = parts_of(context.rows(), queries_per_tile);
      for (std::size_t i = 0; i < tiles; ++i) {
        const std::size_t query = context.rows() * i / tiles;
        const std::size_t queries = context.rows() * (i + 1) / tiles - query;
        attend(head, {.key = first, .keys = count, .query = query, .queries = queries}, memory, context);
      }
    }
  }

 private:
  static constexpr std::size_t keys_per_block = 256;
  static constexpr std::size_t queries_per_tile = 24;

  // Some queries against some keys.
  struct tile {
    std::size_t key = 0;
    std::size_t keys = 0;
    std::size_t query = 0;
    std::size_t queries = 0;
  };

  // Rows of scores and of results are padded to whole panels.
  struct buffers {
    buffers(workspace::frame& frame, const attention_operands& head, std::size_t columns)
        : keys(frame.take<std::uint32_t>(padded(most_keys(head), columns) * head.keys.cols())),
          values(frame.take<std::uint32_t>(most_keys(head) * padded(head.keys.cols(), columns))),
          scores(frame.take_matrix<float>(most_queries(head), padded(most_keys(head), columns))),
          results(frame.take_matrix<float>(most_queries(head), padded(head.keys.cols(), columns))),
          bias(frame.take<float>(has_bias_per_query(head) ? most_keys(head) : 0)),
          states(frame.take<kernels::running_softmax>(head.queries.rows())) {
      std::fill(states.begin(), states.end(), kernels::running_softmax{});
    }

    std::span<std::uint32_t> keys;    // panels of (head width, columns), as the product's kernels take them
    std::span<std::uint32_t> values;  // panels of (keys, columns)
    matrix_view<float> scores;
    matrix_view<float> results;
    std::span<float> bias;  // of one query
    std::span<kernels::running_softmax> states;
  };

  [[nodiscard]] static constexpr std::size_t parts_of(std::size_t size, std::size_t largest) noexcept {
    return (size + largest - 1) / largest;
  }
  [[nodiscard]] static constexpr std::size_t padded(std::size_t size, std::size_t unit) noexcept {
    return parts_of(size, unit) * unit;
  }
  [[nodiscard]] static std::size_t most_keys(const attention_operands& head) noexcept {
    return (std::min)(head.visible_keys, keys_per_block);
  }
  [[nodiscard]] static std::size_t most_queries(const attention_operands& head) noexcept {
    return (std::min)(head.queries.rows(), queries_per_tile);
  }
  [[nodiscard]] static bool has_bias_per_query(const attention_operands& head) noexcept {
    return head.causal || head.query_mask.data() != nullptr;
  }

  static void check(const attention_operands& head, const matrix_view<float>& context) {
    const std::size_t width = head.keys.cols();
    core::check_extents(head.queries, head.queries.rows(), width, "queries");
    core::check_extents(head.values, head.keys.rows(), width, "values");
    core::check_extents(context, head.queries.rows(), width, "context");
    if (head.visible_keys == 0 || head.visible_keys > head.keys.rows()) {
      fail_input("visible_keys", "1 to " + std::to_string(head.keys.rows()), std::to_string(head.visible_keys));
    }
    if (!head.key_bias.empty() && head.key_bias.size() != head.visible_keys) {
      fail_input("key_bias", std::to_string(head.visible_keys) + " elements, or none",
                 std::to_string(head.key_bias.size()));
    }
    if (head.query_mask.data() == nullptr) return;
    if (!head.key_bias.empty()) fail_input("query_mask", "a bias per key or a mask per query", "both");
    if (head.query_mask.rows() != head.queries.rows() || head.query_mask.cols() < head.visible_keys) {
      fail_input("query_mask",
                 std::to_string(head.queries.rows()) + " rows of " + std::to_string(head.visible_keys) + " columns",
                 std::to_string(head.query_mask.rows()) + " of " + std::to_string(head.query_mask.cols()));
    }
  }

  // Transposed: column c of the panels is key c. Columns without a key are zero.
  void pack_keys(const matrix_view<const float>& keys, std::span<std::uint32_t> panels) const noexcept {
    const std::size_t columns = gemm_->columns;
    for (std::size_t first = 0; first < keys.rows(); first += columns) {
      std::uint32_t* const panel = panels.data() + first * keys.cols();
      const std::size_t count = (std::min)(columns, keys.rows() - first);
      if (count < columns) std::fill_n(panel, columns * keys.cols(), 0U);
      std::size_t c = 0;
      for (; c + 4 <= count; c += 4) {
        const std::size_t key = first + c;
        const float* const four[4] = {keys.row(key), keys.row(key + 1), keys.row(key + 2), keys.row(key + 3)};
        kernels::transpose_4_rows(four, keys.cols(), panel + c, columns);
      }
      for (; c < count; ++c) {
        const float* const key = keys.row(first + c);
        for (std::size_t k = 0; k < keys.cols(); ++k) panel[k * columns + c] = std::bit_cast<std::uint32_t>(key[k]);
      }
    }
  }

  void pack_values(const matrix_view<const float>& values, std::span<std::uint32_t> panels) const noexcept {
    const std::size_t columns = gemm_->columns;
    for (std::size_t first = 0; first < values.cols(); first += columns) {
      std::uint32_t* to = panels.data() + first * values.rows();
      const std::size_t count = (std::min)(columns, values.cols() - first);
      for (std::size_t key = 0; key < values.rows(); ++key, to += columns) {
        std::memcpy(to, values.row(key) + first, count * sizeof(float));
        std::fill_n(to + count, columns - count, 0U);
      }
    }
  }

  // The context holds weighted sums until the last block divides them by the sum of weights.
  void attend(const attention_operands& head, const tile& t, const buffers& memory,
              const matrix_view<float>& context) const noexcept {
    const std::size_t width = context.cols();
    const auto scores = memory.scores.rows_from(0, t.queries);
    const auto results = memory.results.rows_from(0, t.queries);
    multiply(head.queries.rows_from(t.query, t.queries), memory.keys,
             scores.cols_from(0, padded(t.keys, gemm_->columns)), false);
    for (std::size_t r = 0; r < t.queries; ++r) {
      const kernels::score_block block{.scores = scores.row(r),
                                       .count = t.keys,
                                       .factor = head.norm_factor,
                                       .bias = bias_of(head, t, t.query + r, memory.bias)};
      const float earlier = rows_->softmax(block, memory.states[t.query + r]);
      if (t.key > 0) rows_->scale(width, earlier, context.row(t.query + r), results.row(r));
    }
    multiply(scores.cols_from(0, t.keys), memory.values, results, t.key > 0);
    const bool last = t.key + t.keys == head.visible_keys;
    for (std::size_t r = 0; r < t.queries; ++r) {
      const float factor = last ? 1.0F / memory.states[t.query + r].sum : 1.0F;
      rows_->scale(width, factor, results.row(r), context.row(t.query + r));
    }
  }

  // What is added to the scores of one query, or null.
  static const float* bias_of(const attention_operands& head, const tile& t, std::size_t query,
                              std::span<float> to) noexcept {
    const float* const key_bias = head.key_bias.empty() ? nullptr : head.key_bias.data() + t.key;
    if (to.empty()) return key_bias;
    const std::size_t end = head.causal ? head.first_query + query + 1 : t.key + t.keys;  // of the keys not behind it
    const std::size_t seen = end > t.key ? (std::min)(end - t.key, t.keys) : 0;
    const float* const mask = head.query_mask.data() != nullptr ? head.query_mask.row(query) + t.key : nullptr;
    for (std::size_t key = 0; key < seen; ++key) {
      to[key] = mask != nullptr       ? mask_bias(mask[key], head.masked_score)
                : key_bias != nullptr ? key_bias[key]
                                      : mask_bias(1.0F);
    }
    std::fill(to.begin() + static_cast<std::ptrdiff_t>(seen), to.end(), mask_bias(0.0F, head.masked_score));
    return to.data();
  }

  // y [+]= x times the panels. Shapes: x: (rows, inner); y: (rows, whole panels).
  void multiply(const matrix_view<const float>& x, std::span<const std::uint32_t> panels, const matrix_view<float>& y,
                bool add) const noexcept {
    const std::size_t columns = gemm_->columns;
    const std::size_t stride = x.cols() * columns;
    const std::size_t count = y.cols() / columns;
    const std::size_t parts = parts_of(x.rows(), gemm_->rows);
    const bool pairs = gemm_->pair[parts_of(x.rows(), parts) - 1] != nullptr;
    for (std::size_t p = 0; p < count;) {
      const bool two = pairs && p + 2 <= count;
      const std::size_t step = two ? 2 : 1;
      for (std::size_t i = 0; i < parts; ++i) {
        const std::size_t row = x.rows() * i / parts;
        const std::size_t rows = x.rows() * (i + 1) / parts - row;
        const std::uint32_t* const panel = panels.data() + p * stride;
        (two ? gemm_->pair
             : gemm_->single)[rows - 1]({.x = x.row(row),
                                         .x_stride = x.stride(),
                                         .panel = panel,
                                         .panel_stride = stride,
                                         .inner = x.cols(),
                                         .y = y.row(row) + p * columns,
                                         .y_stride = y.stride(),
                                         .add = add,
                                         .bias = nullptr,
                                         .next = panels.data() + (p + step < count ? p + step : 0) * stride,
                                         .next_step = columns});
      }
      p += step;
    }
  }

  isa_level isa_;
  const kernels::gemm_kernels* gemm_;
  const kernels::row_kernels* rows_;
};

}  // namespace ultrafastbert
