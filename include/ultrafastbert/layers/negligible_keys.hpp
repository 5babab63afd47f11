// SPDX-License-Identifier: MIT
//
// Whether keys with a mask of 0 can be left out of a softmax without changing it. A mask of 0 lowers a score by a
// finite number, so it hides a key only where scores are not as large. A bound decides: no score is larger than the
// product of the lengths of its query and key.
// Layer: layers.
#pragma once

#include <cmath>
#include <cstddef>
#include <limits>

#include "ultrafastbert/core/matrix_view.hpp"
#include "ultrafastbert/kernels/scalar_rows.hpp"
#include "ultrafastbert/layers/rotary.hpp"
#include "ultrafastbert/layers/sequences.hpp"

namespace ultrafastbert::layers {

/// The largest sum of squares of a row, infinite where a row has NaN. Shapes: rows: (any, any). Complexity: linear.
template <class Scalar>
[[nodiscard]] Scalar largest_square(const matrix_view<const Scalar>& rows) noexcept {
  constexpr Scalar infinite = std::numeric_limits<Scalar>::infinity();
  Scalar most{0};
  for (std::size_t r = 0; r < rows.rows(); ++r) {
    const Scalar sum = kernels::sum_of_squares(rows.row(r), rows.cols());
    if (!(sum < infinite)) return infinite;
    if (sum > most) most = sum;
  }
  return most;
}

/// Whether two scores of a query are certain to differ by so much less than `gap` that the exponential of the lower one
/// is 0 in float and double alike: the exponents are at least 746 apart, and roundings are a hundredth of the scores at
/// most. False where anything is NaN or infinite.
template <class Scalar>
[[nodiscard]] bool within_gap(Scalar norm_factor, Scalar query_square, Scalar key_square, Scalar other_square,
                              float gap) noexcept {
  constexpr double exponents = 746;
  const double keys = std::sqrt(static_cast<double>(key_square)) + std::sqrt(static_cast<double>(other_square));
  const double spread =
      std::abs(static_cast<double>(norm_factor)) * std::sqrt(static_cast<double>(query_square)) * keys;
  return spread * 1.01 + exponents <= static_cast<double>(gap) * 0.99;
}

/// Whether no query of a head can tell if the keys behind the first `mask.keys` are there: all have a mask of 0.
/// Pre: there are such keys. Complexity: linear in queries and keys.
template <class Scalar>
[[nodiscard]] bool keys_are_negligible(const head_parts<Scalar>& parts, Scalar norm_factor,
                                       const sequence_mask& mask) noexcept {
  const std::size_t hidden = parts.keys.rows() - mask.keys;
  return within_gap(norm_factor, largest_square(parts.queries), largest_square(parts.keys.rows_from(0, mask.keys)),
                    largest_square(parts.keys.rows_from(mask.keys, hidden)), mask.gap);
}

/// Whether no query of a head could tell if padding with a mask of 0 were there, whose keys are unknown and taken to be
/// up to eight times as long as the longest one of the tokens. Complexity: linear in queries and keys.
template <class Scalar>
[[nodiscard]] bool padding_is_negligible(const head_parts<Scalar>& parts, Scalar norm_factor,
                                         const sequence_mask& mask) noexcept {
  constexpr Scalar longer{8};
  const Scalar keys = largest_square(parts.keys);
  return within_gap(norm_factor, largest_square(parts.queries), keys, longer * longer * keys, mask.gap);
}

}  // namespace ultrafastbert::layers
