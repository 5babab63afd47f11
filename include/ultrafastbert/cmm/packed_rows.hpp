// SPDX-License-Identifier: MIT
//
// Owned weight rows in one of the storage types, rounded once when a layer is built. Nobody above the kernels needs to
// know the type: rows are bytes here.
// Layer: cmm.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ultrafastbert/core/aligned_buffer.hpp"
#include "ultrafastbert/core/matrix_view.hpp"
#include "ultrafastbert/core/storage.hpp"
#include "ultrafastbert/kernels/rounding.hpp"
#include "ultrafastbert/kernels/tables.hpp"

namespace ultrafastbert::cmm {

/// Rows of one storage type, padded with zeros to whole cache lines; int8 rows have a scale each.
class packed_rows {
 public:
  /// Shapes: (rows, width), all zero. Throws: overflow, std::bad_alloc.
  packed_rows(weight_storage storage, std::size_t rows, std::size_t width)
      : storage_(storage),
        width_(width),
        bytes_({rows, row_bytes(storage, width)}),
        scale_(storage == weight_storage::int8 ? rows : 0) {}

  /// Rounds `from` into row r; returns the row's scale, 1 without scales. Shapes: from: (width).
  float store(std::size_t r, const float* from) noexcept {
    const float scale = kernels::round_row(storage_, from, width_, bytes_.row(r));
    if (scale_.size() != 0) scale_[r] = scale;
    return scale;
  }

  [[nodiscard]] weight_storage storage() const noexcept { return storage_; }                  ///< of the rows
  [[nodiscard]] const std::byte* data() const noexcept { return bytes_.row(0); }              ///< first row
  [[nodiscard]] const std::byte* row(std::size_t r) const noexcept { return bytes_.row(r); }  ///< row r
  [[nodiscard]] std::byte* row(std::size_t r) noexcept { return bytes_.row(r); }              ///< row r
  [[nodiscard]] std::size_t stride() const noexcept { return bytes_.stride(); }               ///< bytes from row to row
  /// (rows), or null.
  [[nodiscard]] const float* scale() const noexcept { return scale_.size() != 0 ? scale_.data() : nullptr; }
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_.bytes() + scale_.size() * sizeof(float); }  ///< held
  /// The rows themselves where they are float: (rows, width); else an empty view.
  [[nodiscard]] matrix_view<float> floats() noexcept {
    if (storage_ != weight_storage::float32) return {};
    return {reinterpret_cast<float*>(bytes_.row(0)), {bytes_.rows(), width_, bytes_.stride() / sizeof(float)}};
  }

 private:
  static std::size_t row_bytes(weight_storage storage, std::size_t width) {
    const std::size_t size = kernels::bytes_of(storage);
    if (width > static_cast<std::size_t>(-1) / 2 / size) {
      fail(error_code::overflow, {.where = "packed rows", .found = std::to_string(width) + " columns"});
    }
    const std::size_t line = buffer_alignment;
    return (width * size + line - 1) / line * line;
  }

  static_assert(buffer_alignment / sizeof(float) % kernels::row_padding == 0, "rows are padded to cache lines");

  weight_storage storage_;
  std::size_t width_;
  matrix<std::byte> bytes_;
  aligned_buffer<float> scale_;
};

}  // namespace ultrafastbert::cmm
