// SPDX-License-Identifier: MIT
//
// Weighted sums of weight rows at every level and in every storage type.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "support.hpp"
#include "support/catch.hpp"
#include "ultrafastbert/kernels/fff_dispatch.hpp"

namespace ufb_test {

using namespace ultrafastbert;

namespace {

constexpr std::size_t most_rows = 12;

/// Four lists of rows and coefficients; rows may occur in several lists and in any order.
template <class Weight>
struct terms {
  terms(std::size_t width, random_numbers& random) : weights(most_rows, width, random) {
    for (std::size_t t = 0; t < 4; ++t) {
      coefficients[t] = random.reals<float>(most_rows, 2);
      const std::vector<std::size_t> order = random.permutation(most_rows);
      for (std::size_t r = 0; r < most_rows; ++r) rows[t].push_back(weights.row(order[r]));
    }
  }

  weight_rows<Weight> weights;
  std::array<std::vector<const Weight*>, 4> rows{};
  std::array<std::vector<float>, 4> coefficients{};
};

/// What output t of `four` is to be, by `one`.
template <class Weight>
std::vector<float> alone(const terms<Weight>& list, const kernels::sum_kernels<Weight>& sums, std::size_t t,
                         std::size_t shared, std::size_t count, bool add, std::vector<float> y) {
  std::vector<const Weight*> rows = list.rows[t];
  std::copy_n(list.rows[0].begin(), shared, rows.begin());
  sums.one(rows.data(), list.coefficients[t].data(), count, y.size(), add, y.data());
  return y;
}

/// `four` in fenced memory against `one`. Of the shared rows, only the first list's may be looked at.
template <class Weight>
void require_four_like_one(terms<Weight>& list, const kernels::sum_kernels<Weight>& sums, std::size_t width,
                           std::size_t shared, std::size_t count, bool add, placement where) {
  random_numbers random(51);
  std::array<std::unique_ptr<fenced<float>>, 4> outputs;
  std::array<std::vector<float>, 4> before;
  std::array<float*, 4> y{};
  std::array<std::vector<const Weight*>, 4> rows = list.rows;
  std::array<const Weight* const*, 4> row_lists{};
  std::array<const float*, 4> coefficients{};
  for (std::size_t t = 0; t < 4; ++t) {
    outputs[t] = std::make_unique<fenced<float>>(width, where);
    before[t] = add ? random.reals<float>(width) : std::vector<float>(width, std::numeric_limits<float>::quiet_NaN());
    std::copy(before[t].begin(), before[t].end(), outputs[t]->data());
    y[t] = outputs[t]->data();
    if (t > 0) std::fill_n(rows[t].begin(), shared, nullptr);
    row_lists[t] = rows[t].data();
    coefficients[t] = list.coefficients[t].data();
  }
  sums.four(row_lists.data(), coefficients.data(), shared, count, width, add, y.data());
  for (std::size_t t = 0; t < 4; ++t) {
    REQUIRE(equal_bits(outputs[t]->span(), alone(list, sums, t, shared, count, add, before[t])));
    REQUIRE(outputs[t]->surroundings_intact());
  }
}

}  // namespace

TEMPLATE_TEST_CASE("Weighted sums follow the exact ones within the rounding of their number of terms", "[kernels]",
                   float, float16_bits, bfloat16_bits, std::int8_t) {
  for (const isa_level level : levels_of_this_machine()) {
    CAPTURE(std::string(name(level)));
    const auto sums = kernels::sums_of<TestType>(level);
    random_numbers random(52);
    for (const std::size_t width : widths) {
      terms<TestType> list(width, random);
      for (const std::size_t count : {std::size_t{0}, std::size_t{1}, std::size_t{2}, std::size_t{5}, most_rows}) {
        for (const bool add : {false, true}) {
          CAPTURE(width, count, add);
          const std::vector<float> before = random.reals<float>(width);
          const std::vector<float> y = alone(list, sums, 0, 0, count, add, before);
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

TEMPLATE_TEST_CASE("Four sums at once have the bits of single ones, however many rows they share", "[kernels]", float,
                   float16_bits, bfloat16_bits, std::int8_t) {
  for (const isa_level level : levels_of_this_machine()) {
    CAPTURE(std::string(name(level)));
    const auto sums = kernels::sums_of<TestType>(level);
    random_numbers random(53);
    for (const std::size_t width : widths) {
      terms<TestType> list(width, random);
      for (std::size_t shared = 0; shared <= most_rows; ++shared) {
        const placement where = placements[shared % 3];
        CAPTURE(width, shared);
        require_four_like_one(list, sums, width, shared, most_rows, false, where);
        require_four_like_one(list, sums, width, shared, most_rows, true, where);
        require_four_like_one(list, sums, width, shared, shared, true, where);
      }
    }
  }
}

TEMPLATE_TEST_CASE("A single sum has the same bits everywhere, and stays within its output", "[kernels]", float,
                   float16_bits, bfloat16_bits, std::int8_t) {
  for (const isa_level level : levels_of_this_machine()) {
    CAPTURE(std::string(name(level)));
    const auto sums = kernels::sums_of<TestType>(level);
    random_numbers random(54);
    for (const std::size_t width : widths) {
      terms<TestType> list(width, random);
      const std::vector<float> before = random.reals<float>(width);
      for (const bool add : {false, true}) {
        CAPTURE(width, add);
        const std::vector<float> expected = alone(list, sums, 2, 0, most_rows, add, before);
        for (const placement where : placements) {
          fenced<float> y(width, where);
          if (add) std::copy(before.begin(), before.end(), y.data());
          sums.one(list.rows[2].data(), list.coefficients[2].data(), most_rows, width, add, y.data());
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
    const auto sums = kernels::sums_of<TestType>(level);
    const std::vector<float> whole = alone(list, sums, 0, 0, most_rows, false, std::vector<float>(width));
    for (std::size_t first = 0; first <= most_rows; ++first) {
      std::vector<float> y = alone(list, sums, 0, 0, first, false, std::vector<float>(width));
      sums.one(list.rows[0].data() + first, list.coefficients[0].data() + first, most_rows - first, width, true,
               y.data());
      REQUIRE(equal_bits(y, whole));
    }
  }
}

TEMPLATE_TEST_CASE("NaN and infinity in coefficients and earlier sums travel", "[kernels]", float, float16_bits,
                   bfloat16_bits, std::int8_t) {
  constexpr std::size_t width = 43;
  constexpr float infinity = std::numeric_limits<float>::infinity();
  for (const isa_level level : levels_of_this_machine()) {
    const auto sums = kernels::sums_of<TestType>(level);
    random_numbers random(56);
    terms<TestType> list(width, random);
    std::vector<float> before(width);
    before[3] = std::numeric_limits<float>::quiet_NaN();
    before[42] = -infinity;
    std::vector<float> y = alone(list, sums, 0, 0, most_rows, true, before);
    for (std::size_t k = 0; k < width; ++k) {
      REQUIRE(std::isnan(y[k]) == (k == 3));
      REQUIRE(std::isinf(y[k]) == (k == 42));
    }
    list.coefficients[1][4] = std::numeric_limits<float>::quiet_NaN();
    for (const float value : alone(list, sums, 1, 0, most_rows, false, before)) REQUIRE(std::isnan(value));
    std::array<std::vector<float>, 4> outputs;
    std::array<float*, 4> four{};
    std::array<const TestType* const*, 4> rows{};
    std::array<const float*, 4> coefficients{};
    for (std::size_t t = 0; t < 4; ++t) {
      outputs[t].resize(width);
      four[t] = outputs[t].data();
      rows[t] = list.rows[t].data();
      coefficients[t] = list.coefficients[t].data();
    }
    sums.four(rows.data(), coefficients.data(), 6, most_rows, width, false, four.data());
    for (std::size_t t = 0; t < 4; ++t) {
      for (const float value : outputs[t]) REQUIRE(std::isnan(value) == (t == 1));
    }
  }
}

}  // namespace ufb_test
