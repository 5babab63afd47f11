// SPDX-License-Identifier: MIT
//
// The kernels of an instruction set level as tables of function pointers: dot products and sums of weight rows, tiles
// of packed matrix products, operations on single rows, activations. Everything above this folder calls kernels through
// these tables, so that it is compiled once for all levels and storage types.
// Layer: kernels.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>

#include "ultrafastbert/core/storage.hpp"

namespace ultrafastbert::kernels {

/// Weight rows are padded with zeros to this many elements, so that kernels read whole vectors of them.
inline constexpr std::size_t row_padding = 16;

/// What will be multiplied after the operands at hand: kernels may bring it into the nearest cache meanwhile, line by
/// line between their own products.
struct upcoming {
  const std::byte* block = nullptr;  ///< three rows, or null
  const float* const* x = nullptr;   ///< four inputs, or null
};

/// A row that will be summed some time after the product at hand: kernels may bring it into the second-level cache.
struct upcoming_row {
  const std::byte* row = nullptr;  ///< or null
  std::size_t bytes = 0;           ///< of the row
};

/// What will be summed after the rows at hand: kernels may bring it into the nearest cache meanwhile.
struct upcoming_sum {
  static constexpr std::size_t most = 4;
  std::array<const std::byte*, most> rows{};  ///< those that differ from the rows at hand, or null
  float* y = nullptr;                         ///< where their sum goes, or null
};

/// Dot products of weight rows of one storage type with inputs. `width` is the inputs' true length; rows are padded and
/// start on boundaries of 64 bytes. A dot product is a fixed number of chains of fused multiply-adds per vector lane,
/// each over its share of the columns in rising order, then one fixed tree over chains and lanes: equal bits in every
/// kernel of a level.
struct dot_kernels {
  /// z[r * 4 + t] = row r of the block . x[t], for 3 rows that are `stride` bytes apart and 4 inputs.
  void (*rows_3_inputs_4)(const std::byte* block, std::size_t stride, const float* const* x, std::size_t width,
                          float* z, const upcoming& next);
  /// z[i] = rows[i] . x[i], for 8 pairs.
  void (*pairs_8)(const std::byte* const* rows, const float* const* x, std::size_t width, float* z);
  /// z[0] = row . x.
  void (*pair)(const std::byte* row, const float* x, std::size_t width, float* z, const upcoming_row& later);
  std::size_t partial_sums = 1;  ///< chains times lanes: a chain has width / partial_sums terms, rounded up
};

/// Columns [first, last) of a row. `first` is a multiple of row_padding.
struct column_range {
  std::size_t first = 0;
  std::size_t last = 0;
};

/// What becomes of the sums.
enum class sum_target : std::uint8_t {
  overwrite,    ///< y = sum
  add,          ///< y += sum
  past_caches,  ///< y = sum by stores that leave no trace in the caches; y has to lie on a 64-byte boundary
};

/// Weighted sums of weight rows of one storage type. Rows are padded.
struct sum_kernels {
  /// In the given columns: y = (add ? y : 0) + sum of coefficients[r] * rows[r] for r < count, in that order.
  /// Pre: past the caches, at most `streamed_columns` columns at a time, and `finish` before anyone reads y.
  void (*sum)(const std::byte* const* rows, const float* coefficients, std::size_t count, const column_range& columns,
              sum_target target, float* y, const upcoming_sum& next);
  void (*finish)() = nullptr;  ///< null where the level has no stores past the caches
};

/// The weights of an FFF layer that fits the first-level cache. Rows are padded and 64-byte aligned.
struct small_fff {
  const float* in = nullptr;    ///< rows of the nodes, tree after tree, `in_stride` elements apart
  const float* bias = nullptr;  ///< (nodes)
  const float* out = nullptr;   ///< rows of the nodes, `out_stride` elements apart
  std::size_t in_stride = 0;
  std::size_t out_stride = 0;
  float right_too = 0;  ///< a logit that goes right although it is not positive: 0, or NaN for none
  void (*activate)(std::size_t n, float* values) = nullptr;
};

/// The most columns that go past the caches at a time.
inline constexpr std::size_t streamed_columns = 768;

/// Replaces n values, elementwise equal whatever their position.
using activation_kernel = void (*)(std::size_t n, float* values);

/// The activations of a level, NaN for NaN. ReLU, its square and the identity have the bits of their plain forms. The
/// others are off by at most, as measured over all levels: GELU 1.1e-7 times max(1, |x|), gelu_tanh 1.6e-7 of them and
/// NaN at minus infinity; Tanh 1.6 units in the last place; SiLU 3.7 of them, and 2e-36 where x < -87.3, for which it
/// is 0, or NaN at minus infinity. Source: see `activation_kind`.
struct activation_kernels {
  activation_kernel gelu = nullptr;
  activation_kernel relu = nullptr;
  activation_kernel silu = nullptr;
  activation_kernel tanh = nullptr;
  activation_kernel gelu_tanh = nullptr;
  activation_kernel relu_squared = nullptr;
  activation_kernel identity = nullptr;
};

/// A piece of a product: some rows of x times whole panels. Operands are seen as 32-bit words: a float, two bfloat16 or
/// four int8 that are neighbors in k. The packed matrix lies in panels of a few columns, all of its words one after the
/// other. All pointers are to the piece's first element.
struct gemm_tile {
  const void* x = nullptr;               ///< (rows, inner): floats, or words that `gemm_kernels::convert` wrote
  std::size_t x_stride = 0;              ///< words from row to row
  const std::uint32_t* panel = nullptr;  ///< (inner, panel columns), aligned to its rows
  std::size_t panel_stride = 0;          ///< words from panel to panel
  std::size_t inner = 0;                 ///< words of each sum
  float* y = nullptr;                    ///< (rows, panels * panel columns)
  std::size_t y_stride = 0;              ///< elements from row to row
  bool add = false;                      ///< to y; floating-point chains go on from it instead of 0
  const float* bias = nullptr;           ///< (panels * panel columns), added after the last term; or null
  /// What will be read soon, to be asked for step by step: `next_step` words on with every word.
  const std::uint32_t* next = nullptr;
  std::size_t next_step = 0;
  // Of int8 alone: an element is its sum, times the scale of its column, times that of its row.
  const float* row_scale = nullptr;     ///< (rows)
  const float* column_scale = nullptr;  ///< (panels * panel columns), aligned
  const std::int32_t* start = nullptr;  ///< (panels * panel columns), aligned: what sums begin with
};

/// Computes a tile whose number of rows and panels is the kernel's own.
using gemm_kernel = void (*)(const gemm_tile& tile);

/// Rounds a row of x to words, the last one filled up with zeros; returns the row's scale, 1 without scales.
/// `words` begins and ends at a multiple of 64 bytes; what follows the last word is not kept.
using gemm_conversion = float (*)(const float* row, std::size_t count, std::uint32_t* words);

inline constexpr std::size_t most_gemm_rows = 12;     ///< of a kernel of any table
inline constexpr std::size_t most_gemm_columns = 32;  ///< of a panel of any table

/// The kernels of the packed matrix product for a storage type and instruction set. Kernels are indexed by their number
/// of rows - 1; an element of the product is one chain of operations over rising k, the same in every kernel of a
/// table.
struct gemm_kernels {
  std::string_view name{};                           ///< instruction set: stable spelling
  std::size_t terms = 1;                             ///< elements of a word
  std::size_t columns = 0;                           ///< of a panel, a power of two
  std::size_t rows = 0;                              ///< largest number of rows
  std::array<gemm_kernel, most_gemm_rows> single{};  ///< one panel
  /// Two neighboring panels, which give few rows more independent chains; null where one has enough.
  std::array<gemm_kernel, most_gemm_rows> pair{};
  gemm_conversion convert = nullptr;  ///< null: x is read as it is
  std::size_t input_words = 1;        ///< 32-bit numbers that `convert` writes for a word of x
  /// Added to every int8 element of x, for instructions that multiply unsigned by signed.
  std::uint32_t shift = 0;
};

/// What a softmax that sees its row block by block keeps between two blocks.
struct running_softmax {
  float largest = std::numeric_limits<float>::lowest();  ///< score so far
  float sum = 0;                                         ///< of exp(score - largest)
};

/// A block of a row of scores.
struct score_block {
  float* scores = nullptr;      ///< (count)
  std::size_t count = 0;        ///< at least 1
  float factor = 1;             ///< of the scores
  const float* bias = nullptr;  ///< (count), added to the scaled scores, which are rounded first; or null
};

/// row = the floats of which `upper` and `lower` are the halves: see split_float. Pre: n is a multiple of row_padding;
/// all start on boundaries of 32 bytes.
using join_kernel = void (*)(std::size_t n, const bfloat16_bits* upper, const std::int16_t* lower, float* row);

/// The operations on single rows of a level. Sums over a row have one order that depends on nothing but its length, so
/// that a row gives equal bits in every call of a level.
struct row_kernels {
  /// y = (x - mean(x)) / sqrt(var(x) + epsilon) * weight + bias with the biased variance; y may be x.
  void (*layer_norm)(std::size_t n, float epsilon, const float* weight, const float* bias, const float* x, float* y);
  /// y = x / sqrt(mean(x^2) + epsilon) * scale; y may be x.
  void (*rms_norm)(std::size_t n, float epsilon, const float* scale, const float* x, float* y);
  /// y = x * scale / max(|x|, epsilon); y may be x.
  void (*scale_norm)(std::size_t n, float epsilon, float scale, const float* x, float* y);
  /// y = a + b; y may be a or b.
  void (*sum)(std::size_t n, const float* a, const float* b, float* y);
  /// y = a * b element by element; y may be a or b.
  void (*product)(std::size_t n, const float* a, const float* b, float* y);
  /// y = x * factor; y may be x.
  void (*scale)(std::size_t n, float factor, const float* x, float* y);
  /// Replaces values by their exponentials, off by at most 1.2 units in the last place: 0 where that is less than
  /// 2^-126, 1 for 0, NaN for NaN. Pre: values <= 0.
  void (*exp)(std::size_t n, float* values);
  /// Replaces a block's scores s by exp(s * factor + bias - largest), where `largest` is that of all blocks so far, and
  /// takes the block into the state. Returns what weights of earlier blocks have to be multiplied by.
  float (*softmax)(const score_block& block, running_softmax& state);
  join_kernel join;
};

}  // namespace ultrafastbert::kernels
