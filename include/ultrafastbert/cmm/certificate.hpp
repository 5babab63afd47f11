// SPDX-License-Identifier: MIT
//
// Decisions of float32 from narrow rows. A logit from a narrow row decides where its magnitude exceeds all that it and
// the float32 logit can differ by; otherwise the float32 row is read, and its logit decides. The bound is
// |z - z'| <= (|w - w'| + gamma (|w| + |w'|)) |x| for the narrow row w', gamma = m u / (1 - m u) for m roundings. The
// rounding of the sum with the bias, which a threshold has to mind, is taken into account where logits are compared.
// Source: Higham, Accuracy and Stability of Numerical Algorithms, section 3.1, with Cauchy-Schwarz.
// Layer: cmm.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "ultrafastbert/cmm/packed_rows.hpp"
#include "ultrafastbert/core/aligned_buffer.hpp"
#include "ultrafastbert/core/storage.hpp"
#include "ultrafastbert/kernels/rounding.hpp"
#include "ultrafastbert/kernels/scalar_rows.hpp"
#include "ultrafastbert/kernels/tables.hpp"

namespace ultrafastbert::cmm {

/// The least that a norm is taken for, per square root of elements: squares below 2^-126 may be lost, and with them at
/// most this.
inline constexpr float lost_squares = 0x1p-126F;

/// At least the Euclidean norm of a row; not finite if an element is not. Shapes: x: (n).
[[nodiscard]] inline float norm_bound(const float* x, std::size_t n) noexcept {
  const float sum = static_cast<float>(n) * lost_squares + kernels::sum_of_squares(x, n);
  const std::size_t roundings = n / 16 + 32;  // more than each square and their sum went through
  const float slack = 1.0F + static_cast<float>(roundings) * 0x1p-23F;
  return std::sqrt(sum) * slack;
}

/// The float32 rows beside narrow ones, or what the narrow ones lack of them, and how far a logit of each may be off
/// for each unit of the token's norm.
class certificate {
 public:
  /// All zero. Shapes: (rows, width) where storage is certified, else empty. Throws: overflow, std::bad_alloc.
  certificate(weight_storage storage, std::size_t rows, std::size_t width, const kernels::dot_kernels& narrow,
              const kernels::dot_kernels& exact)
      : storage_(storage),
        width_(width),
        roundings_(static_cast<double>((std::max)(roundings_of(narrow, width), roundings_of(exact, width)))),
        rows_(halves(storage) ? weight_storage::bfloat16 : weight_storage::float32, is_certified(storage) ? rows : 0,
              width),
        error_(is_certified(storage) ? rows : 0) {}

  /// Notes a row. Shapes: exact: (width). Pre: storage is certified; `rounded` holds the row in narrow storage, and
  /// `scale` is its factor. With split storage `rounded` is replaced by the upper halves.
  void store(std::size_t r, const float* exact, std::byte* rounded, float scale) noexcept {
    if (halves(storage_)) {
      split_row(exact, reinterpret_cast<bfloat16_bits*>(rounded), reinterpret_cast<std::int16_t*>(rows_.row(r)));
    } else {
      rows_.store(r, exact);
    }
    double difference = 0;
    double exact_square = 0;
    double narrow_square = 0;
    for (std::size_t k = 0; k < width_; ++k) {
      const auto w = static_cast<double>(exact[k]);
      const double v = narrow_element(rounded, k, scale);
      difference += (w - v) * (w - v);
      exact_square += w * w;
      narrow_square += v * v;
    }
    constexpr double unit = 0x1p-23;  // of any rounding mode that the host may have set
    const double gamma = roundings_ * unit / (1.0 - roundings_ * unit);
    const double relative = std::sqrt(difference) + gamma * (std::sqrt(exact_square) + std::sqrt(narrow_square));
    // Products and inputs below 2^-126 may be lost; the norm is never taken for less than the root of as many squares.
    const double lost = std::sqrt(static_cast<double>(width_)) * 0x1p-57 * (std::max)(1.0, static_cast<double>(scale));
    error_[r] = static_cast<float>((relative + lost) * (1.0 + 0x1p-18));
  }

  /// Per row, or null where nothing is certified.
  [[nodiscard]] const float* error() const noexcept { return error_.size() != 0 ? error_.data() : nullptr; }
  /// In float32, or with split storage the lower halves.
  [[nodiscard]] const packed_rows& rows() const noexcept { return rows_; }
  /// Elements of a row that has to be joined from halves before its second look; 0 where none has to be.
  [[nodiscard]] std::size_t joined_width() const noexcept {
    constexpr std::size_t unit = kernels::row_padding;
    return halves(storage_) ? (width_ + unit - 1) / unit * unit : 0;
  }
  [[nodiscard]] std::size_t bytes() const noexcept {  ///< memory held
    return error_.size() != 0 ? rows_.bytes() + error_.size() * sizeof(float) : 0;
  }

 private:
  static bool halves(weight_storage storage) noexcept { return storage == weight_storage::split_float32; }

  void split_row(const float* exact, bfloat16_bits* upper, std::int16_t* lower) const noexcept {
    for (std::size_t k = 0; k < width_; ++k) {
      const kernels::split_float parts = kernels::split(exact[k]);
      upper[k] = parts.upper;
      lower[k] = parts.lower;
    }
  }

  // Of a chain of products, of the tree over chains, and of the sum with the bias.
  static std::size_t roundings_of(const kernels::dot_kernels& dots, std::size_t width) noexcept {
    return width / dots.partial_sums + 2 + static_cast<std::size_t>(std::bit_width(dots.partial_sums)) + 2;
  }

  [[nodiscard]] double narrow_element(const std::byte* row, std::size_t k, float scale) const noexcept {
    switch (first_rows_of(storage_)) {
      case weight_storage::float16:
        return static_cast<double>(kernels::widened(reinterpret_cast<const float16_bits*>(row)[k]));
      case weight_storage::bfloat16:
        return static_cast<double>(kernels::widened(reinterpret_cast<const bfloat16_bits*>(row)[k]));
      default: return static_cast<double>(reinterpret_cast<const std::int8_t*>(row)[k]) * static_cast<double>(scale);
    }
  }

  weight_storage storage_;
  std::size_t width_;
  double roundings_;
  packed_rows rows_;
  aligned_buffer<float> error_;
};

}  // namespace ultrafastbert::cmm
