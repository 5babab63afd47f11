// SPDX-License-Identifier: MIT
//
// A weight matrix packed once for products with any number of rows: y = x W^T + bias. An element of y has the same bits
// whatever rows stand beside it and however the product is spread over threads.
// Layer: kernels.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <string>

#include "ultrafastbert/core/aligned_buffer.hpp"
#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/core/executor.hpp"
#include "ultrafastbert/core/matrix_view.hpp"
#include "ultrafastbert/core/workspace.hpp"
#include "ultrafastbert/kernels/fff_dispatch.hpp"
#include "ultrafastbert/kernels/fff_kernels.hpp"
#include "ultrafastbert/kernels/gemm_dispatch.hpp"
#include "ultrafastbert/kernels/gemm_kernels.hpp"
#include "ultrafastbert/kernels/isa.hpp"

namespace ultrafastbert {

/// What else a product with a packed matrix does.
struct packed_product {
  std::span<const float> bias{};  ///< (outputs), added after the last term of each sum; or empty
  bool add = false;               ///< y is added to instead of overwritten: its sums go on from y
  bool gelu = false;              ///< at the end every element of y is replaced by its GELU
};

/// A float matrix W of shape (outputs, inputs), a row per output neuron as a linear layer stores it.
/// Filled once, then immutable; `multiply` is const and safe from any number of threads, each with its own workspace.
class packed_matrix {
 public:
  /// All elements zero. Shapes: W: `extents`, whose stride does not matter.
  /// Throws: unsupported (the processor lacks the level asked for), overflow, std::bad_alloc.
  explicit packed_matrix(const matrix_extents& extents, isa_level isa = isa_level::automatic)
      : outputs_(extents.rows),
        inputs_(extents.cols),
        isa_(resolve(isa)),
        kernels_(&kernels::gemm_of(isa_)),
        panels_(checked_size(outputs_, inputs_, kernels_->columns)) {}

  /// Packs `weights`. Shapes: weights: (outputs, inputs). Throws: as above. Complexity: linear in the weights.
  explicit packed_matrix(const matrix_view<const float>& weights, isa_level isa = isa_level::automatic)
      : packed_matrix(matrix_extents{weights.rows(), weights.cols()}, isa) {
    for (std::size_t r = 0; r < weights.rows(); ++r) store_row(r, weights.row(r));
  }

  /// Sets the weights of one output. Shapes: from: (inputs). Pre: output < outputs().
  void store_row(std::size_t output, const float* from) noexcept {
    float* to = element(output, 0);
    for (std::size_t k = 0; k < inputs_; ++k) to[k * kernels_->columns] = from[k];
  }
  /// Sets the weights of one input. Shapes: from: (outputs). Pre: input < inputs().
  void store_column(std::size_t input, const float* from) noexcept {
    for (std::size_t n = 0; n < outputs_; n += kernels_->columns) {
      std::copy_n(from + n, std::min(kernels_->columns, outputs_ - n), element(n, input));
    }
  }

  [[nodiscard]] std::size_t outputs() const noexcept { return outputs_; }  ///< columns of y
  [[nodiscard]] std::size_t inputs() const noexcept { return inputs_; }    ///< columns of x
  [[nodiscard]] isa_level isa() const noexcept { return isa_; }            ///< level of the kernels that run
  /// Memory held. Units: bytes.
  [[nodiscard]] std::size_t bytes() const noexcept { return panels_.size() * sizeof(float); }

  /// y = [y +] x W^T [+ bias], or GELU of that.
  /// Shapes: x: (rows, inputs()); y: (rows, outputs()); any strides.
  /// Pre: y overlaps neither x nor the bias.
  /// Throws: invalid_input (shapes; y is untouched then), std::bad_alloc while the workspace grows.
  /// Complexity: rows * inputs() * outputs(); no allocation after warm-up.
  void multiply(const matrix_view<const float>& x, const matrix_view<float>& y, workspace& scratch,
                const packed_product& with = {}) const {
    check(x, y, with);
    multiply_panels(x, y, scratch, with, {.first = 0, .last = panel_count()});
  }

  /// The same spread over an executor's threads, many rows by rows and few by columns; equal bits for any number of
  /// threads. Shapes, Pre, Throws: as above; what the executor throws. Each task uses a part of `scratch` of its own.
  template <executor Executor>
  void multiply(const matrix_view<const float>& x, const matrix_view<float>& y, workspace& scratch, Executor& threads,
                const packed_product& with = {}) const {
    check(x, y, with);
    const std::size_t most = std::max<std::size_t>(threads.concurrency(), 1);
    const bool by_rows = x.rows() >= most * rows_per_block;
    const std::size_t tasks = by_rows ? most : std::min(most, panel_count());
    if (tasks < 2) return multiply_panels(x, y, scratch, with, {.first = 0, .last = panel_count()});
    scratch.reserve_parts(tasks);
    const auto task = [&](std::size_t i) {
      if (by_rows) {
        const std::size_t first = x.rows() * i / tasks;
        const std::size_t count = x.rows() * (i + 1) / tasks - first;
        multiply_panels(x.rows_from(first, count), y.rows_from(first, count), scratch.part(i), with,
                        {.first = 0, .last = panel_count()});
      } else {
        multiply_panels(x, y, scratch.part(i), with,
                        {.first = panel_count() * i / tasks, .last = panel_count() * (i + 1) / tasks});
      }
    };
    threads.run(tasks, task);
  }

 private:
  // A block of x stays in a second-level cache while panels pass by; so does the part of a panel in use.
  static constexpr std::size_t rows_per_block = 96;
  static constexpr std::size_t inner_per_block = 768;
  static constexpr std::size_t columns_per_block = 256;  // finished columns of a block of rows are still in cache
  // Rows that are farther apart than this are copied: they would meet in the same cache sets.
  static constexpr std::size_t largest_near_stride = 1023;

  struct range {
    std::size_t first = 0;
    std::size_t last = 0;
  };

  // Part i of `parts` nearly equal parts of `size`.
  [[nodiscard]] static range part_of(std::size_t size, std::size_t parts, std::size_t i) noexcept {
    return {.first = size * i / parts, .last = size * (i + 1) / parts};
  }
  [[nodiscard]] static std::size_t parts_of(std::size_t size, std::size_t largest) noexcept {
    return (size + largest - 1) / largest;
  }

  static std::size_t checked_size(std::size_t outputs, std::size_t inputs, std::size_t columns) {
    const std::size_t padded = (outputs + columns - 1) / columns * columns;
    if (padded < outputs || (inputs != 0 && padded > static_cast<std::size_t>(-1) / inputs)) {
      fail(error_code::overflow,
           {.where = "packed matrix", .found = std::to_string(outputs) + " rows of " + std::to_string(inputs)});
    }
    return padded * inputs;
  }

  [[nodiscard]] float* element(std::size_t output, std::size_t input) noexcept {
    const std::size_t columns = kernels_->columns;
    return panels_.data() + output / columns * panel_stride() + input * columns + output % columns;
  }
  [[nodiscard]] const float* panel(std::size_t p, std::size_t inner) const noexcept {
    return panels_.data() + p * panel_stride() + inner * kernels_->columns;
  }
  [[nodiscard]] std::size_t panel_stride() const noexcept { return inputs_ * kernels_->columns; }
  [[nodiscard]] std::size_t panel_count() const noexcept { return parts_of(outputs_, kernels_->columns); }

  void check(const matrix_view<const float>& x, const matrix_view<float>& y, const packed_product& with) const {
    detail::check_extents(x, x.rows(), inputs_, "x");
    detail::check_extents(y, x.rows(), outputs_, "y");
    if (!with.bias.empty() && with.bias.size() != outputs_) {
      fail_input("bias", std::to_string(outputs_) + " elements, or none", std::to_string(with.bias.size()));
    }
  }

  void multiply_panels(const matrix_view<const float>& x, const matrix_view<float>& y, workspace& scratch,
                       const packed_product& with, const range& panels) const {
    if (x.rows() == 0 || panels.first == panels.last) return;
    const std::size_t inner_blocks = std::max<std::size_t>(parts_of(inputs_, inner_per_block), 1);
    const std::size_t row_blocks = parts_of(x.rows(), rows_per_block);
    const bool copies = x.rows() > kernels_->rows && x.stride() > largest_near_stride;
    workspace::frame frame(scratch);
    const auto near = frame.take_matrix<float>(copies ? rows_per_block : 0, inner_per_block + 16);
    for (std::size_t i = 0; i < row_blocks; ++i) {
      const range rows = part_of(x.rows(), row_blocks, i);
      const auto block_y = y.rows_from(rows.first, rows.last - rows.first);
      for (std::size_t j = 0; j < inner_blocks; ++j) {
        const range inner = part_of(inputs_, inner_blocks, j);
        auto block_x = x.rows_from(rows.first, rows.last - rows.first);
        block_x = block_x.cols_from(inner.first, inner.last - inner.first);
        if (copies) block_x = copied(block_x, near);
        packed_product now = with;
        now.add = with.add || j > 0;
        if (j + 1 < inner_blocks) {
          now.bias = {};
          now.gelu = false;
        }
        multiply_block(block_x, block_y, inner.first, panels, now);
      }
    }
  }

  [[nodiscard]] static matrix_view<const float> copied(const matrix_view<const float>& from,
                                                       const matrix_view<float>& to) noexcept {
    for (std::size_t r = 0; r < from.rows(); ++r) std::copy_n(from.row(r), from.cols(), to.row(r));
    return to.rows_from(0, from.rows()).cols_from(0, from.cols());
  }

  // x: (rows, terms) from term `inner` on; y: (rows, outputs).
  void multiply_block(const matrix_view<const float>& x, const matrix_view<float>& y, std::size_t inner,
                      const range& panels, const packed_product& with) const noexcept {
    const std::size_t columns = kernels_->columns;
    const auto gelu = kernels::gelu_of(isa_);
    const std::size_t step = columns_per_block / columns;
    for (std::size_t first = panels.first; first < panels.last; first += step) {
      const range some{.first = first, .last = std::min(first + step, panels.last)};
      multiply_strip(x, y, inner, some, with);
      if (!with.gelu) continue;
      const std::size_t count = std::min(some.last * columns, outputs_) - some.first * columns;
      for (std::size_t r = 0; r < y.rows(); ++r) gelu(count, y.row(r) + some.first * columns);
    }
  }

  void multiply_strip(const matrix_view<const float>& x, const matrix_view<float>& y, std::size_t inner,
                      const range& panels, const packed_product& with) const noexcept {
    const std::size_t columns = kernels_->columns;
    const std::size_t tiles = parts_of(x.rows(), kernels_->rows);
    const bool pairs = kernels_->pair[parts_of(x.rows(), tiles) - 1] != nullptr;
    for (std::size_t p = panels.first; p < panels.last;) {
      const bool cut = (p + 1) * columns > outputs_;
      const bool two = pairs && p + 2 <= panels.last && (p + 2) * columns <= outputs_;
      for (std::size_t i = 0; i < tiles; ++i) {
        const range rows = part_of(x.rows(), tiles, i);
        const kernels::gemm_tile tile{
            .x = x.row(rows.first),
            .x_stride = x.stride(),
            .panel = panel(p, inner),
            .panel_stride = panel_stride(),
            .inner = x.cols(),
            .y = y.row(rows.first) + p * columns,
            .y_stride = y.stride(),
            .add = with.add,
            .bias = with.bias.empty() ? nullptr : with.bias.data() + p * columns,
            .next = panel(std::min(p + 1, panel_count() - 1), inner) + part_of(x.cols() * columns, tiles, i).first,
            .next_step = columns / tiles};
        const std::size_t kernel = rows.last - rows.first - 1;
        if (cut) {
          multiply_cut(tile, rows.last - rows.first, outputs_ - p * columns);
        } else {
          (two ? kernels_->pair : kernels_->single)[kernel](tile);
        }
      }
      p += two ? 2 : 1;
    }
  }

  // A panel of which only the first `count` columns exist.
  void multiply_cut(const kernels::gemm_tile& tile, std::size_t rows, std::size_t count) const noexcept {
    std::array<float, kernels::most_gemm_rows * kernels::most_gemm_columns> y{};
    std::array<float, kernels::most_gemm_columns> bias{};
    kernels::gemm_tile whole = tile;
    whole.y = y.data();
    whole.y_stride = kernels_->columns;
    if (tile.bias != nullptr) {
      std::copy_n(tile.bias, count, bias.data());
      whole.bias = bias.data();
    }
    for (std::size_t r = 0; tile.add && r < rows; ++r) {
      std::copy_n(tile.y + r * tile.y_stride, count, y.data() + r * whole.y_stride);
    }
    kernels_->single[rows - 1](whole);
    for (std::size_t r = 0; r < rows; ++r) {
      std::copy_n(y.data() + r * whole.y_stride, count, tile.y + r * tile.y_stride);
    }
  }

  std::size_t outputs_;
  std::size_t inputs_;
  isa_level isa_;
  const kernels::gemm_kernels* kernels_;
  aligned_buffer<float> panels_;  // (panels, inputs, columns of a panel)
};

}  // namespace ultrafastbert
