// SPDX-License-Identifier: MIT
//
// Products with a float matrix that stays as it is: columns of the exact product, with the same bits in any part and in
// any company.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <initializer_list>
#include <string>
#include <vector>

#include "kernels/support.hpp"
#include "support/catch.hpp"
#include "ultrafastbert/core/aligned_buffer.hpp"
#include "ultrafastbert/kernels/dispatch.hpp"
#include "ultrafastbert/products/shared_rows.hpp"

namespace ufb_test {

using namespace ultrafastbert;

namespace {

/// A matrix as its owner keeps it: rows padded with zeros.
matrix<float> random_matrix(std::size_t rows, std::size_t cols, random_numbers& random) {
  matrix<float> w({rows, cols});
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t k = 0; k < cols; ++k) w(r, k) = random.real<float>();
  }
  return w;
}

}  // namespace

TEST_CASE("Shared rows give the dot products of the level, in any part of the columns", "[products]") {
  random_numbers random(121);
  for (const std::size_t width : std::initializer_list<std::size_t>{1, 15, 48, 100}) {
    for (const std::size_t outputs : std::initializer_list<std::size_t>{1, 2, 3, 7, 40}) {
      for (const std::size_t rows : std::initializer_list<std::size_t>{0, 1, 3, 4, 5, 9}) {
        const auto w = random_matrix(outputs, width, random);
        const guarded_matrix<float> x(rows, width, 3, random);
        for (const isa_level level : levels_of_this_machine()) {
          CAPTURE(std::string(name(level)), width, outputs, rows);
          guarded_matrix<float> y(rows, outputs, 5);
          products::multiply_shared_rows(level, x.view(), w.view(), y.view(), {.first = 0, .last = outputs});
          REQUIRE(y.surroundings_intact());
          const kernels::dot_kernels& dots = kernels::dots_of(level, weight_storage::float32);
          for (std::size_t t = 0; t < rows; ++t) {
            for (std::size_t n = 0; n < outputs; ++n) {
              float z = 0;
              dots.pair(bytes_of(w.row(n)), x.row(t), width, &z, {});
              REQUIRE(equal_bits(y(t, n), z));
            }
          }
          const std::size_t first = outputs / 3;
          const std::size_t last = outputs - outputs / 4;
          guarded_matrix<float> part(rows, outputs, 5);
          products::multiply_shared_rows(level, x.view(), w.view(), part.view(), {.first = first, .last = last});
          for (std::size_t t = 0; t < rows; ++t) {
            for (std::size_t n = 0; n < outputs; ++n) {
              const bool inside = n >= first && n < last;
              REQUIRE((inside ? equal_bits(part(t, n), y(t, n)) : std::isnan(part(t, n))));
            }
          }
        }
      }
    }
  }
}

}  // namespace ufb_test
