// SPDX-License-Identifier: MIT
//
// A weight matrix packed once, in float or narrower storage, for products with any number of rows: y = x W^T + bias. An
// element of y has the same bits whatever rows stand beside it and however the product is spread over threads.
// Layer: products.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "ultrafastbert/core/aligned_buffer.hpp"
#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/core/executor.hpp"
#include "ultrafastbert/core/matrix_view.hpp"
#include "ultrafastbert/core/parts.hpp"
#include "ultrafastbert/core/storage.hpp"
#include "ultrafastbert/core/tasks.hpp"
#include "ultrafastbert/core/workspace.hpp"
#include "ultrafastbert/kernels/activation.hpp"
#include "ultrafastbert/kernels/dispatch.hpp"
#include "ultrafastbert/kernels/isa.hpp"
#include "ultrafastbert/kernels/rounding.hpp"
#include "ultrafastbert/kernels/tables.hpp"

namespace ultrafastbert {

/// What else a product with a packed matrix does.
struct packed_product {
  std::span<const float> bias{};  ///< (outputs), added after the last term of each sum; or empty
  bool add = false;               ///< y is added to instead of overwritten; sums in float go on from y
  /// At the end every element of y is replaced by its activation.
  std::optional<activation_kind> activation{};
};

/// A float matrix W of shape (outputs, inputs), a row per output neuron as a linear layer stores it; kept as
/// - float32: as it is;
/// - bfloat16: rounded to nearest even, as x is at every call; sums in float;
/// - int8: a row of W as `weight_storage` says, every row of x in the same way at every call: its largest magnitude is
///   127 steps. Sums are exact integers. A row of x with NaN or infinity gives a row of NaN.
/// Filled once, then immutable; `multiply` is const and safe from any number of threads, each with its own workspace.
class packed_matrix {
 public:
  /// Largest number of inputs in int8: as many products of -127 to 127 as a 32-bit sum holds.
  static constexpr std::size_t most_int8_inputs = 0x7fffffff / (127 * 127);

  /// All elements zero. Shapes: W: `extents`, whose stride does not matter.
  /// Pre: the processor has the extensions that are named; those it has and are not named stay unused.
  /// Throws: unsupported (float16; the processor lacks the level asked for), overflow (also: more than
  /// `most_int8_inputs`), std::bad_alloc.
  packed_matrix(const matrix_extents& extents, weight_storage storage, isa_level isa = isa_level::automatic,
                const kernels::gemm_extensions& extensions = kernels::gemm_extensions_of_processor())
      : packed_matrix(extents, checked_storage(storage, extents.cols), resolve(isa),
                      &kernels::products_of(resolve(isa), storage, extensions)) {}
  /// The same in float32.
  explicit packed_matrix(const matrix_extents& extents, isa_level isa = isa_level::automatic)
      : packed_matrix(extents, weight_storage::float32, resolve(isa), &kernels::float32_products_of(resolve(isa))) {}

  /// Packs `weights`. Shapes: weights: (outputs, inputs). Pre, Throws: as above. Complexity: linear in the weights.
  packed_matrix(const matrix_view<const float>& weights, weight_storage storage, isa_level isa = isa_level::automatic,
                const kernels::gemm_extensions& extensions = kernels::gemm_extensions_of_processor())
      : packed_matrix(matrix_extents{weights.rows(), weights.cols()}, storage, isa, extensions) {
    for (std::size_t r = 0; r < weights.rows(); ++r) store_row(r, weights.row(r));
  }
  /// The same in float32. Shapes: weights: (outputs, inputs).
  explicit packed_matrix(const matrix_view<const float>& weights, isa_level isa = isa_level::automatic)
      : packed_matrix(weights, weight_storage::float32, isa) {}

  /// Sets the weights of one output. Shapes: from: (inputs). Pre: output < outputs().
  void store_row(std::size_t output, const float* from) noexcept {
    if (storage_ == weight_storage::float32) {
      fill_row<1>(output, [from](std::size_t k) { return std::bit_cast<std::uint32_t>(from[k]); });
    } else if (storage_ == weight_storage::bfloat16) {
      fill_row<2>(output, [from](std::size_t k) { return std::uint32_t{kernels::round_to_bfloat16(from[k]).bits}; });
    } else {
      const float scale = kernels::int8_scale(from, inputs_);
      std::uint32_t sum = 0;
      fill_row<4>(output, [from, scale, &sum](std::size_t k) {
        const auto weight = static_cast<std::uint32_t>(std::int32_t{kernels::round_to_int8(from[k], scale)});
        sum += weight;
        return weight & 0xffU;
      });
      scale_[output] = scale;
      start_[output] = static_cast<std::int32_t>(0U - kernels_->shift * sum);
    }
  }
  /// Sets the weights of one input. Shapes: from: (outputs). Pre: input < inputs(); storage() is not int8, whose scales
  /// need whole rows.
  void store_column(std::size_t input, const float* from) noexcept {
    const std::size_t columns = kernels_->columns;
    for (std::size_t n = 0; n < outputs_; n += columns) {
      std::uint32_t* to = word(n, input / kernels_->terms);
      for (std::size_t i = 0; i < (std::min)(columns, outputs_ - n); ++i) {
        if (storage_ == weight_storage::float32) {
          to[i] = std::bit_cast<std::uint32_t>(from[n + i]);
        } else {
          const std::uint32_t bits = kernels::round_to_bfloat16(from[n + i]).bits;
          to[i] = input % 2 == 0 ? (to[i] & 0xffff0000U) | bits : (to[i] & 0xffffU) | bits << 16U;
        }
      }
    }
  }

  /// The weights of one output as they were set. Shapes: to: (inputs). Pre: output < outputs(); storage() is float32.
  void copy_row(std::size_t output, float* to) const noexcept {
    const std::uint32_t* from = word(output, 0);
    for (std::size_t k = 0; k < inputs_; ++k) to[k] = std::bit_cast<float>(from[k * kernels_->columns]);
  }
  /// The weights of one input as they were set. Shapes: to: (outputs). Pre: input < inputs(); storage() is float32.
  void copy_column(std::size_t input, float* to) const noexcept {
    for (std::size_t n = 0; n < outputs_; ++n) to[n] = std::bit_cast<float>(*word(n, input));
  }

  [[nodiscard]] std::size_t outputs() const noexcept { return outputs_; }     ///< columns of y
  [[nodiscard]] std::size_t inputs() const noexcept { return inputs_; }       ///< columns of x
  [[nodiscard]] isa_level isa() const noexcept { return isa_; }               ///< level of the kernels that run
  [[nodiscard]] weight_storage storage() const noexcept { return storage_; }  ///< of W
  /// Instructions of the products: "avx512_bf16", "avx512_vnni", "avx512", "avx2", "neon" or "portable".
  [[nodiscard]] std::string_view kernel_name() const noexcept { return kernels_->name; }
  /// Memory held. Units: bytes.
  [[nodiscard]] std::size_t bytes() const noexcept {
    return panels_.size() * sizeof(std::uint32_t) + scale_.size() * (sizeof(float) + sizeof(std::int32_t));
  }

  /// Bytes that a product with up to `rows` rows takes from its workspace, at most.
  [[nodiscard]] std::size_t workspace_bytes(std::size_t rows) const noexcept {
    return (std::min)(rows, rows_per_block) * (near_stride() * sizeof(std::uint32_t) + sizeof(float)) +
           2 * buffer_alignment;
  }

  /// y = [y +] x W^T [+ bias], or the activation of that.
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
  void multiply(const matrix_view<const float>& x, const matrix_view<float>& y, workspace& scratch,
                executor_ref threads, const packed_product& with = {}) const {
    check(x, y, with);
    const std::size_t most = core::product_parts(x.rows(), outputs_, inputs_, threads.concurrency());
    const bool by_rows = x.rows() >= most * rows_per_block;
    const std::size_t tasks = by_rows ? most : (std::min)(most, panel_count());
    core::run_tasks(tasks, scratch, threads, [&](std::size_t i, workspace& mine) {
      if (by_rows) {
        const auto rows = core::part_of(x.rows(), tasks, i);
        multiply_panels(x.rows_from(rows.first, rows.size()), y.rows_from(rows.first, rows.size()), mine, with,
                        {.first = 0, .last = panel_count()});
      } else {
        multiply_panels(x, y, mine, with, core::part_of(panel_count(), tasks, i));
      }
    });
  }

 private:
  using range = core::index_range;

  // A block of x stays in a second-level cache while panels pass by; so does the part of a panel in use.
  static constexpr std::size_t rows_per_block = 96;
  static constexpr std::size_t words_per_block = 768;
  static constexpr std::size_t columns_per_block = 256;  // finished columns of a block of rows are still in cache
  // Rows that are farther apart than this are copied: they would meet in the same cache sets.
  static constexpr std::size_t largest_near_stride = 1023;

  // Rows of x with what belongs to them; x as in gemm_tile.
  struct input_block {
    const std::byte* x = nullptr;
    std::size_t row_bytes = 0;
    const float* scale = nullptr;
    [[nodiscard]] const std::byte* row(std::size_t r) const noexcept { return x + r * row_bytes; }
  };

  [[nodiscard]] static constexpr std::size_t parts_of(std::size_t size, std::size_t largest) noexcept {
    return size / largest + (size % largest != 0 ? 1 : 0);
  }

  packed_matrix(const matrix_extents& extents, weight_storage storage, isa_level isa,
                const kernels::gemm_kernels* kernels)
      : outputs_(extents.rows),
        inputs_(extents.cols),
        storage_(storage),
        isa_(isa),
        kernels_(kernels),
        words_(parts_of(inputs_, kernels_->terms)),
        panels_(checked_size(outputs_, words_, kernels_->columns)),
        scale_(scaled() ? panel_count() * kernels_->columns : 0),
        start_(scale_.size()) {}

  static weight_storage checked_storage(weight_storage storage, std::size_t inputs) {
    if (storage == weight_storage::float16 || is_certified(storage)) {
      fail(error_code::unsupported,
           {.where = "packed matrix", .expected = "f32, bf16 or int8", .found = std::string(name(storage))});
    }
    if (storage == weight_storage::int8 && inputs > most_int8_inputs) {
      fail(error_code::overflow, {.where = "packed matrix",
                                  .expected = "at most " + std::to_string(most_int8_inputs) + " inputs in int8",
                                  .found = std::to_string(inputs)});
    }
    return storage;
  }

  static std::size_t checked_size(std::size_t outputs, std::size_t words, std::size_t columns) {
    const std::size_t padded = (outputs + columns - 1) / columns * columns;
    if (padded < outputs || (words != 0 && padded > static_cast<std::size_t>(-1) / words)) {
      fail(error_code::overflow, {.where = "packed matrix",
                                  .found = std::to_string(outputs) + " rows of " + std::to_string(words) + " words"});
    }
    return padded * words;
  }

  // Integer sums are taken in one go.
  [[nodiscard]] std::size_t blocks_of_words() const noexcept {
    return scaled() ? 1 : (std::max<std::size_t>)(parts_of(words_, words_per_block), 1);
  }
  // Of rows that are copied: an odd number of cache lines, so that they spread over the cache sets.
  [[nodiscard]] std::size_t near_stride() const noexcept {
    return parts_of(parts_of(words_, blocks_of_words()) * kernels_->input_words, 32) * 32 + 16;
  }

  [[nodiscard]] bool scaled() const noexcept { return storage_ == weight_storage::int8; }
  [[nodiscard]] const std::uint32_t* panel(std::size_t p, std::size_t inner) const noexcept {
    return panels_.data() + p * panel_stride() + inner * kernels_->columns;
  }
  [[nodiscard]] std::size_t panel_stride() const noexcept { return words_ * kernels_->columns; }
  [[nodiscard]] std::size_t panel_count() const noexcept { return parts_of(outputs_, kernels_->columns); }

  // Word w of an output's row.
  [[nodiscard]] std::size_t place(std::size_t output, std::size_t w) const noexcept {
    const std::size_t columns = kernels_->columns;
    return output / columns * panel_stride() + w * columns + output % columns;
  }
  [[nodiscard]] std::uint32_t* word(std::size_t output, std::size_t w) noexcept {
    return panels_.data() + place(output, w);
  }
  [[nodiscard]] const std::uint32_t* word(std::size_t output, std::size_t w) const noexcept {
    return panels_.data() + place(output, w);
  }
  // `bits(k)`: those of element k, of which a word has `Terms`.
  template <std::size_t Terms, class Bits>
  void fill_row(std::size_t output, const Bits& bits) noexcept {
    std::uint32_t* to = word(output, 0);
    for (std::size_t k = 0; k < inputs_; k += Terms, to += kernels_->columns) {
      std::uint32_t whole = 0;
      for (std::size_t i = 0; i < Terms && k + i < inputs_; ++i) {
        whole |= bits(k + i) << static_cast<unsigned>(32 / Terms * i);
      }
      *to = whole;
    }
  }

  void check(const matrix_view<const float>& x, const matrix_view<float>& y, const packed_product& with) const {
    core::check_extents(x, x.rows(), inputs_, "x");
    core::check_extents(y, x.rows(), outputs_, "y");
    if (!with.bias.empty() && with.bias.size() != outputs_) {
      fail_input("bias", std::to_string(outputs_) + " elements, or none", std::to_string(with.bias.size()));
    }
  }

  void multiply_panels(const matrix_view<const float>& x, const matrix_view<float>& y, workspace& scratch,
                       const packed_product& with, const range& panels) const {
    if (x.rows() == 0 || panels.first == panels.last) return;
    const std::size_t inner_blocks = blocks_of_words();
    const std::size_t row_blocks = parts_of(x.rows(), rows_per_block);
    const std::size_t most_rows = (std::min)(x.rows(), rows_per_block);
    const bool copies = kernels_->convert != nullptr || (x.rows() > kernels_->rows && x.stride() > largest_near_stride);
    workspace::frame frame(scratch);
    const auto copied_x = frame.take_matrix<std::uint32_t>(copies ? most_rows : 0, near_stride());
    const auto scales = frame.take<float>(copies ? most_rows : 0);
    for (std::size_t i = 0; i < row_blocks; ++i) {
      const range rows = core::part_of(x.rows(), row_blocks, i);
      const auto block_y = y.rows_from(rows.first, rows.size());
      for (std::size_t j = 0; j < inner_blocks; ++j) {
        const range inner = core::part_of(words_, inner_blocks, j);
        const std::size_t first = inner.first * kernels_->terms;
        const std::size_t last = (std::min)(inner.last * kernels_->terms, inputs_);
        const auto block_x = x.rows_from(rows.first, rows.size()).cols_from(first, last - first);
        const input_block block = copies ? copied(block_x, copied_x, scales)
                                         : input_block{.x = reinterpret_cast<const std::byte*>(block_x.data()),
                                                       .row_bytes = x.stride() * sizeof(float)};
        const bool adds = with.add || j > 0;
        const bool ends = j + 1 == inner_blocks;
        multiply_block(block, block_y, inner, panels,
                       ends ? packed_product{.bias = with.bias, .add = adds, .activation = with.activation}
                            : packed_product{.add = adds});
      }
    }
  }

  [[nodiscard]] input_block copied(const matrix_view<const float>& from, const matrix_view<std::uint32_t>& to,
                                   const std::span<float>& scales) const noexcept {
    for (std::size_t r = 0; r < from.rows(); ++r) {
      if (kernels_->convert != nullptr) {
        scales[r] = kernels_->convert(from.row(r), from.cols(), to.row(r));
      } else {
        std::memcpy(to.row(r), from.row(r), from.cols() * sizeof(float));
      }
    }
    return {.x = reinterpret_cast<const std::byte*>(to.data()),
            .row_bytes = to.stride() * sizeof(std::uint32_t),
            .scale = scales.data()};
  }

  // x: words `inner` of some rows; y: (rows, outputs).
  void multiply_block(const input_block& x, const matrix_view<float>& y, const range& inner, const range& panels,
                      const packed_product& with) const noexcept {
    const std::size_t columns = kernels_->columns;
    const std::size_t step = columns_per_block / columns;
    for (std::size_t first = panels.first; first < panels.last; first += step) {
      const range some{.first = first, .last = (std::min)(first + step, panels.last)};
      multiply_strip(x, y, inner, some, with);
      if (!with.activation) continue;
      const auto activate = kernels::kernel_of(kernels::activations_of(isa_), *with.activation);
      const std::size_t count = (std::min)(some.last * columns, outputs_) - some.first * columns;
      for (std::size_t r = 0; r < y.rows(); ++r) activate(count, y.row(r) + some.first * columns);
    }
  }

  void multiply_strip(const input_block& x, const matrix_view<float>& y, const range& inner, const range& panels,
                      const packed_product& with) const noexcept {
    const std::size_t columns = kernels_->columns;
    const std::size_t tiles = parts_of(y.rows(), kernels_->rows);
    const bool pairs = kernels_->pair[parts_of(y.rows(), tiles) - 1] != nullptr;
    for (std::size_t p = panels.first; p < panels.last;) {
      const bool cut = (p + 1) * columns > outputs_;
      const bool two = pairs && p + 2 <= panels.last && (p + 2) * columns <= outputs_;
      const std::size_t step = two ? 2 : 1;
      for (std::size_t i = 0; i < tiles; ++i) {
        const range rows = core::part_of(y.rows(), tiles, i);
        const kernels::gemm_tile tile{.x = x.row(rows.first),
                                      .x_stride = x.row_bytes / (sizeof(std::uint32_t) * kernels_->input_words),
                                      .panel = panel(p, inner.first),
                                      .panel_stride = panel_stride(),
                                      .inner = inner.size(),
                                      .y = y.row(rows.first) + p * columns,
                                      .y_stride = y.stride(),
                                      .add = with.add,
                                      .bias = with.bias.empty() ? nullptr : with.bias.data() + p * columns,
                                      .next = panel((std::min)(p + step, panel_count() - 1), inner.first) +
                                              core::part_of(inner.size() * columns, tiles, i).first,
                                      .next_step = columns / tiles,
                                      .row_scale = scaled() ? x.scale + rows.first : nullptr,
                                      .column_scale = scaled() ? scale_.data() + p * columns : nullptr,
                                      .start = scaled() ? start_.data() + p * columns : nullptr};
        const std::size_t kernel = rows.size() - 1;
        if (cut) {
          multiply_cut(tile, rows.size(), outputs_ - p * columns);
        } else {
          (two ? kernels_->pair : kernels_->single)[kernel](tile);
        }
      }
      p += step;
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
  weight_storage storage_;
  isa_level isa_;
  const kernels::gemm_kernels* kernels_;
  std::size_t words_;                     // of a row
  aligned_buffer<std::uint32_t> panels_;  // (panels, words, columns of a panel)
  // Of int8: (panels * columns of a panel).
  aligned_buffer<float> scale_;
  aligned_buffer<std::int32_t> start_;
};

}  // namespace ultrafastbert
