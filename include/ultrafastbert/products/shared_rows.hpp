// SPDX-License-Identifier: MIT
//
// Products with a float matrix that stays as its owner needs it, such as the word matrix of a tied decoder: y = x W^T
// by dot products. An element of y has the same bits whatever stands beside it and however many threads there are.
// Layer: products.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>

#include "ultrafastbert/core/executor.hpp"
#include "ultrafastbert/core/matrix_view.hpp"
#include "ultrafastbert/core/parts.hpp"
#include "ultrafastbert/core/storage.hpp"
#include "ultrafastbert/kernels/dispatch.hpp"
#include "ultrafastbert/kernels/isa.hpp"
#include "ultrafastbert/kernels/tables.hpp"

namespace ultrafastbert::products {

/// Columns [columns.first, columns.last) of y = x W^T. The rows of W pass by once; those of x stay in a cache.
/// Shapes: x: (rows, width); w: (outputs, width), padded with zeros to whole cache lines as `matrix` pads; y: (rows,
/// outputs). Pre: `isa` comes from `resolve`.
inline void multiply_shared_rows(isa_level isa, const matrix_view<const float>& x, const matrix_view<const float>& w,
                                 const matrix_view<float>& y, const core::index_range& columns) noexcept {
  constexpr std::size_t words_at_once = 3;
  constexpr std::size_t states_at_once = 4;
  const auto row = [&w](std::size_t r) { return reinterpret_cast<const std::byte*>(w.row(r)); };
  const kernels::dot_kernels& dots = kernels::dots_of(isa, weight_storage::float32);
  std::array<float, words_at_once * states_at_once> z{};
  std::size_t word = columns.first;
  for (; word + words_at_once <= columns.last; word += words_at_once) {
    for (std::size_t first = 0; first < x.rows(); first += states_at_once) {
      std::array<const float*, states_at_once> states{};
      for (std::size_t t = 0; t < states_at_once; ++t) states[t] = x.row((std::min)(first + t, x.rows() - 1));
      dots.rows_3_inputs_4(row(word), w.stride() * sizeof(float), states.data(), x.cols(), z.data(), {});
      for (std::size_t t = 0; t < (std::min)(states_at_once, x.rows() - first); ++t) {
        for (std::size_t r = 0; r < words_at_once; ++r) y(first + t, word + r) = z[r * states_at_once + t];
      }
    }
  }
  for (; word < columns.last; ++word) {
    for (std::size_t t = 0; t < x.rows(); ++t) dots.pair(row(word), x.row(t), x.cols(), &y(t, word), {});
  }
}

}  // namespace ultrafastbert::products
