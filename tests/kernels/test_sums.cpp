// SPDX-License-Identifier: MIT
//
// Weighted sums of weight rows at every level and in every storage type.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "support.hpp"
#include "support/catch.hpp"
#include "ultrafastbert/core/aligned_buffer.hpp"
#include "ultrafastbert/core/matrix_view.hpp"
#include "ultrafastbert/kernels/dispatch.hpp"

namespace ufb_test {

using namespace ultrafastbert;

namespace {

constexpr std::size_t most_rows = 19;

/// Four lists of rows and coefficients; rows may occur in several lists and in any order.
template <class Weight>
struct terms {
  terms(std::size_t width, random_numbers& random) : weights(most_rows, width, random) {
    for (std::size_t t = 0; t < 4; ++t) {
      coefficients[t] = random.reals<float>(most_rows, 2);
      const std::vector<std::size_t> order = random.permutation(most_rows);
      for (std::size_t r = 0; r < most_rows; ++r) {
        rows[t].push_back(weights.row(order[r]));
        bytes[t].push_back(bytes_of(rows[t].back()));
      }
    }
  }

  weight_rows<Weight> weights;
  std::array<std::vector<const Weight*>, 4> rows{};
  std::array<std::vector<const std::byte*>, 4> bytes{};  // of the rows
  std::array<std::vector<float>, 4> coefficients{};
};

kernels::sum_target target_of(bool add) { return add ? kernels::sum_target::add : kernels::sum_target::overwrite; }

/// The first `count` terms of list t over all columns of y, in one call.
template <class Weight>
std::vector<float> alone(const terms<Weight>& list, const kernels::sum_kernels& sums, std::size_t t, std::size_t count,
                         bool add, std::vector<float> y) {
  sums.sum(list.bytes[t].data(), list.coefficients[t].data(), count, {0, y.size()}, target_of(add), y.data(), {});
  return y;
}

}  // namespace

TEMPLATE_TEST_CASE("Weighted sums follow the exact ones within the rounding of their number of terms", "[kernels]",
                   float, float16_bits, bfloat16_bits, std::int8_t) {
  for (const isa_level level : levels_of_this_machine()) {
    CAPTURE(std::string(name(level)));
    const kernels::sum_kernels& sums = kernels::sums_of(level, storage_of<TestType>);
    random_numbers random(52);
    for (const std::size_t width : widths) {
      terms<TestType> list(width, random);
      for (const std::size_t count : {std::size_t{1}, std::size_t{2}, std::size_t{5}, std::size_t{12}, most_rows}) {
        for (const bool add : {false, true}) {
          CAPTURE(width, count, add);
          const std::vector<float> before = random.reals<float>(width);
          const std::vector<float> y = alone(list, sums, 0, count, add, before);
          for (std::size_t k = 0; k < width; ++k) {
            double sum = add ? exact(before[k]) : 0;
            double magnitude = std::abs(sum);
            for (std::size_t r = 0; r < count; ++r) {
              const double product = exact(list.coefficients[0][r]) * exact(list.rows[0][r][k]);
              sum += product;
              magnitude += std::abs(product);
            }
            REQUIRE(std::abs(exact(y[k]) - sum) <= static_cast<double>(count + 1) * 0x1p-24 * magnitude + 0x1p-149);
          }
        }
      }
    }
  }
}

TEMPLATE_TEST_CASE("What a sum asks for besides does not show in it", "[kernels]", float, float16_bits, bfloat16_bits,
                   std::int8_t) {
  for (const isa_level level : levels_of_this_machine()) {
    CAPTURE(std::string(name(level)));
    const kernels::sum_kernels& sums = kernels::sums_of(level, storage_of<TestType>);
    random_numbers random(57);
    for (const std::size_t width : widths) {
      const terms<TestType> list(width, random);
      const std::vector<float> before = random.reals<float>(width);
      std::vector<float> elsewhere = before;
      for (const std::size_t count : {std::size_t{1}, std::size_t{5}, std::size_t{12}, most_rows}) {
        const std::vector<float> expected = alone(list, sums, 0, count, true, before);
        for (std::size_t asked = 0; asked <= kernels::upcoming_sum::most; ++asked) {
          CAPTURE(width, count, asked);
          kernels::upcoming_sum next;
          std::copy_n(list.bytes[1].begin(), asked, next.rows.begin());
          if (asked % 2 == 0) next.y = elsewhere.data();
          std::vector<float> y = before;
          sums.sum(list.bytes[0].data(), list.coefficients[0].data(), count, {0, width}, kernels::sum_target::add,
                   y.data(), next);
          REQUIRE(equal_bits(y, expected));
          REQUIRE(equal_bits(elsewhere, before));
        }
      }
    }
  }
}

TEMPLATE_TEST_CASE("Columns of a sum have the bits of the whole, and no others are written", "[kernels]", float,
                   float16_bits, bfloat16_bits, std::int8_t) {
  for (const isa_level level : levels_of_this_machine()) {
    CAPTURE(std::string(name(level)));
    const kernels::sum_kernels& sums = kernels::sums_of(level, storage_of<TestType>);
    random_numbers random(53);
    for (const std::size_t width : widths) {
      const terms<TestType> list(width, random);
      const std::vector<float> before = random.reals<float>(width);
      const std::vector<float> whole = alone(list, sums, 0, most_rows, true, before);
      for (std::size_t first = 0; first < width; first += 16) {
        for (const std::size_t last : {first, std::min(first + 16, width), std::min(first + 37, width), width}) {
          CAPTURE(width, first, last);
          std::vector<float> y = before;
          sums.sum(list.bytes[0].data(), list.coefficients[0].data(), most_rows, {first, last},
                   kernels::sum_target::add, y.data(), {});
          for (std::size_t k = 0; k < width; ++k) {
            REQUIRE(equal_bits(y[k], k >= first && k < last ? whole[k] : before[k]));
          }
        }
      }
    }
  }
}

TEMPLATE_TEST_CASE("Sums written past the caches have the same bits", "[kernels]", float, float16_bits, bfloat16_bits,
                   std::int8_t) {
  std::size_t levels_with_streams = 0;
  for (const isa_level level : levels_of_this_machine()) {
    CAPTURE(std::string(name(level)));
    const kernels::sum_kernels& sums = kernels::sums_of(level, storage_of<TestType>);
    if (sums.finish == nullptr) continue;  // the level has no such stores
    ++levels_with_streams;
    random_numbers random(57);
    for (const std::size_t width : widths) {
      if (width > kernels::streamed_columns) continue;
      const terms<TestType> list(width, random);
      for (std::size_t count = 1; count <= most_rows; ++count) {
        CAPTURE(width, count);
        const std::vector<float> expected = alone(list, sums, 0, count, false, std::vector<float>(width));
        matrix<float> y({1, width});
        sums.sum(list.bytes[0].data(), list.coefficients[0].data(), count, {0, width}, kernels::sum_target::past_caches,
                 y.row(0), {});
        sums.finish();
        for (std::size_t k = 0; k < width; ++k) REQUIRE(equal_bits(y(0, k), expected[k]));
      }
    }
  }
  const bool has_vectors = supported(isa_level::avx2);
  CHECK(levels_with_streams == (supported(isa_level::avx512) ? 2U : has_vectors ? 1U : 0U));
}

TEMPLATE_TEST_CASE("A single sum has the same bits everywhere, and stays within its output", "[kernels]", float,
                   float16_bits, bfloat16_bits, std::int8_t) {
  for (const isa_level level : levels_of_this_machine()) {
    CAPTURE(std::string(name(level)));
    const kernels::sum_kernels& sums = kernels::sums_of(level, storage_of<TestType>);
    random_numbers random(54);
    for (const std::size_t width : widths) {
      terms<TestType> list(width, random);
      const std::vector<float> before = random.reals<float>(width);
      for (const bool add : {false, true}) {
        CAPTURE(width, add);
        const std::vector<float> expected = alone(list, sums, 2, most_rows, add, before);
        for (const placement where : placements) {
          fenced<float> y(width, where);
          if (add) std::copy(before.begin(), before.end(), y.data());
          sums.sum(list.bytes[2].data(), list.coefficients[2].data(), most_rows, {0, width}, target_of(add), y.data(),
                   {});
          REQUIRE(equal_bits(y.span(), expected));
          REQUIRE(y.surroundings_intact());
        }
      }
    }
  }
}

TEMPLATE_TEST_CASE("A sum may be interrupted after any row and go on from its output", "[kernels]", float, float16_bits,
                   bfloat16_bits, std::int8_t) {
  constexpr std::size_t width = 123;
  random_numbers random(55);
  terms<TestType> list(width, random);
  for (const isa_level level : levels_of_this_machine()) {
    const kernels::sum_kernels& sums = kernels::sums_of(level, storage_of<TestType>);
    const std::vector<float> whole = alone(list, sums, 0, most_rows, false, std::vector<float>(width));
    for (std::size_t first = 0; first < most_rows; ++first) {
      std::vector<float> y(width);
      if (first > 0) y = alone(list, sums, 0, first, false, y);
      sums.sum(list.bytes[0].data() + first, list.coefficients[0].data() + first, most_rows - first, {0, width},
               target_of(first > 0), y.data(), {});
      REQUIRE(equal_bits(y, whole));
    }
  }
}

TEMPLATE_TEST_CASE("NaN and infinity in coefficients and earlier sums travel", "[kernels]", float, float16_bits,
                   bfloat16_bits, std::int8_t) {
  constexpr std::size_t width = 43;
  constexpr float infinity = std::numeric_limits<float>::infinity();
  for (const isa_level level : levels_of_this_machine()) {
    const kernels::sum_kernels& sums = kernels::sums_of(level, storage_of<TestType>);
    random_numbers random(56);
    terms<TestType> list(width, random);
    std::vector<float> before(width);
    before[3] = std::numeric_limits<float>::quiet_NaN();
    before[42] = -infinity;
    std::vector<float> y = alone(list, sums, 0, most_rows, true, before);
    for (std::size_t k = 0; k < width; ++k) {
      REQUIRE(std::isnan(y[k]) == (k == 3));
      REQUIRE(std::isinf(y[k]) == (k == 42));
    }
    list.coefficients[1][4] = std::numeric_limits<float>::quiet_NaN();
    for (const float value : alone(list, sums, 1, most_rows, false, before)) REQUIRE(std::isnan(value));
  }
}

}  // namespace ufb_test
