// SPDX-License-Identifier: MIT
//
// Owned weight rows in one of the storage types, rounded once when a layer is built.
// Layer: cmm.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <variant>

#include <Eigen/Core>

#include "ultrafastbert/core/aligned_buffer.hpp"
#include "ultrafastbert/core/storage.hpp"
#include "ultrafastbert/kernels/fff_kernels.hpp"
#include "ultrafastbert/kernels/rounding.hpp"

namespace ultrafastbert {

namespace cmm {

/// Rounds a row to its storage type; returns the factor that its products have to be multiplied by.
/// Shapes: from, to: (n).
inline float pack_row(const float* from, std::size_t n, float* to) noexcept {
  std::copy_n(from, n, to);
  return 1.0F;
}
inline float pack_row(const float* from, std::size_t n, float16_bits* to) noexcept {
  // Not its member: on ARM with half precision arithmetic that is a number, not bits.
  for (std::size_t k = 0; k < n; ++k) to[k].bits = std::bit_cast<std::uint16_t>(Eigen::half(from[k]));
  return 1.0F;
}
inline float pack_row(const float* from, std::size_t n, bfloat16_bits* to) noexcept {
  for (std::size_t k = 0; k < n; ++k) to[k] = kernels::round_to_bfloat16(from[k]);
  return 1.0F;
}
inline float pack_row(const float* from, std::size_t n, std::int8_t* to) noexcept {
  const float scale = kernels::int8_scale(from, n);
  for (std::size_t k = 0; k < n; ++k) to[k] = kernels::round_to_int8(from[k], scale);
  return scale;
}

}  // namespace cmm

/// Rows of one storage type, padded with zeros to whole vectors; int8 rows have a scale each.
template <class Weight>
class packed_rows {
 public:
  using weight_type = Weight;
  static constexpr bool has_scale = sizeof(Weight) == 1;

  /// Shapes: (rows, width), all zero. Throws: overflow, std::bad_alloc.
  packed_rows(std::size_t rows, std::size_t width)
      : weights_(matrix_extents{rows, width}), scale_(has_scale ? rows : 0) {
    static_assert(buffer_alignment / sizeof(Weight) % kernels::row_padding == 0, "rows are padded to cache lines");
  }

  /// Rounds `from` into row r. Shapes: from: (width).
  void store(std::size_t r, const float* from) noexcept {
    const float scale = cmm::pack_row(from, weights_.cols(), weights_.row(r));
    if (has_scale) scale_[r] = scale;
  }

  [[nodiscard]] matrix_view<Weight> view() noexcept { return weights_.view(); }                      ///< (rows, width)
  [[nodiscard]] const Weight* data() const noexcept { return weights_.row(0); }                      ///< first row
  [[nodiscard]] std::size_t stride() const noexcept { return weights_.stride(); }                    ///< elements a row
  [[nodiscard]] const float* scale() const noexcept { return has_scale ? scale_.data() : nullptr; }  ///< (rows) or null
  [[nodiscard]] std::size_t bytes() const noexcept {
    return weights_.bytes() + scale_.size() * sizeof(float);
  }  ///< held

 private:
  matrix<Weight> weights_;
  aligned_buffer<float> scale_;
};

/// Rows of a storage type chosen at run time.
using any_packed_rows =
    std::variant<packed_rows<float>, packed_rows<float16_bits>, packed_rows<bfloat16_bits>, packed_rows<std::int8_t>>;

/// Shapes: (rows, width), all zero. Throws: overflow, std::bad_alloc.
[[nodiscard]] inline any_packed_rows make_packed_rows(weight_storage storage, std::size_t rows, std::size_t width) {
  switch (storage) {
    case weight_storage::float16: return packed_rows<float16_bits>(rows, width);
    case weight_storage::bfloat16: return packed_rows<bfloat16_bits>(rows, width);
    case weight_storage::int8: return packed_rows<std::int8_t>(rows, width);
    case weight_storage::float32: break;
  }
  return packed_rows<float>(rows, width);
}

}  // namespace ultrafastbert
