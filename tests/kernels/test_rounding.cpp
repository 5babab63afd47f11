// SPDX-License-Identifier: MIT
//
// How floats are rounded to narrow storage: to the nearest number, of two to the even one; what overflows is found.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "support.hpp"
#include "support/catch.hpp"
#include "ultrafastbert/kernels/rounding.hpp"

namespace ufb_test {

using namespace ultrafastbert;

namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();
constexpr float most = std::numeric_limits<float>::max();

static_assert(kernels::round_to_float16(65519.0F).bits == 0x7bff && kernels::round_to_float16(65520.0F).bits == 0x7c00);
static_assert(kernels::round_to_float16(-0.0F).bits == 0x8000 && kernels::round_to_bfloat16(-0.0F).bits == 0x8000);
static_assert(kernels::bytes_of(weight_storage::float32) == 4 && kernels::bytes_of(weight_storage::float16) == 2);
static_assert(kernels::bytes_of(weight_storage::bfloat16) == 2 && kernels::bytes_of(weight_storage::int8) == 1);

/// Every number of a 16-bit type, the middles between neighbors, and the floats around those.
template <class Round>
std::size_t wrongly_rounded(std::uint32_t infinite_bits, const Round& round, double (*value)(std::uint32_t)) {
  std::size_t wrong = 0;
  for (std::uint32_t bits = 0; bits + 1 < infinite_bits; ++bits) {
    const auto low = static_cast<float>(value(bits));
    const auto high = static_cast<float>(value(bits + 1));
    const auto middle = static_cast<float>((value(bits) + value(bits + 1)) / 2);
    const std::uint32_t even = bits % 2 == 0 ? bits : bits + 1;
    for (const std::uint32_t sign : {0U, 0x8000U}) {
      const float s = sign == 0 ? 1.0F : -1.0F;
      if (round(s * low) != (bits | sign) || round(s * high) != ((bits + 1) | sign)) ++wrong;
      if (round(s * middle) != (even | sign)) ++wrong;
      if (round(s * std::nextafter(middle, 0.0F)) != (bits | sign)) ++wrong;
      if (round(s * std::nextafter(middle, infinity)) != ((bits + 1) | sign)) ++wrong;
    }
  }
  return wrong;
}

}  // namespace

TEST_CASE("Floats are rounded to the nearest binary16 number, of two to the even one", "[kernels]") {
  const auto round = [](float v) { return std::uint32_t{kernels::round_to_float16(v).bits}; };
  const auto value = [](std::uint32_t bits) { return exact(float16_bits{static_cast<std::uint16_t>(bits)}); };
  CHECK(wrongly_rounded(0x7c00U, round, +value) == 0);
  for (const float v : {65520.0F, 1e6F, most, infinity}) {
    CHECK(round(v) == 0x7c00U);
    CHECK(round(-v) == 0xfc00U);
  }
  CHECK(round(0x1p-25F) == 0);
  CHECK(round(std::nextafter(0x1p-25F, 1.0F)) == 1);
  CHECK(round(0x1p-149F) == 0);
  for (const std::uint32_t bits : {0x7fc00000U, 0xffc00000U, 0x7f800001U, 0xffffffffU}) {
    CHECK(std::isnan(exact(kernels::round_to_float16(std::bit_cast<float>(bits)))));
  }
}

TEST_CASE("Floats are rounded to the nearest bfloat16 number, of two to the even one", "[kernels]") {
  const auto round = [](float v) { return std::uint32_t{kernels::round_to_bfloat16(v).bits}; };
  const auto value = [](std::uint32_t bits) { return exact(bfloat16_bits{static_cast<std::uint16_t>(bits)}); };
  CHECK(wrongly_rounded(0x7f80U, round, +value) == 0);
  CHECK(round(most) == 0x7f80U);
  CHECK(round(std::bit_cast<float>(0x7f7f7fffU)) == 0x7f7fU);
  CHECK(round(-infinity) == 0xff80U);
  for (const std::uint32_t bits : {0x7fc00000U, 0xffc00000U, 0x7f800001U, 0xffffffffU}) {
    CHECK(std::isnan(exact(kernels::round_to_bfloat16(std::bit_cast<float>(bits)))));
  }
}

TEST_CASE("The first finite number that a storage would make infinite is found, and only such", "[kernels]") {
  const auto found = [](weight_storage storage, const std::vector<float>& row) {
    return kernels::find_overflow(storage, row.data(), row.size());
  };
  using enum weight_storage;
  CHECK(found(float16, {1.0F, 65519.0F, -65519.0F}) == 3);
  CHECK(found(float16, {1.0F, 65519.0F, -65520.0F, 1e9F}) == 2);
  CHECK(found(float16, {infinity, not_a_number, most}) == 2);
  CHECK(found(bfloat16, {std::bit_cast<float>(0x7f7f7fffU), 1e38F}) == 2);
  CHECK(found(bfloat16, {1.0F, std::bit_cast<float>(0xff7f8000U)}) == 1);
  CHECK(found(bfloat16, {-infinity, not_a_number}) == 2);
  CHECK(found(float32, {most, -most, infinity, not_a_number}) == 4);
  CHECK(found(int8, {most, -most, infinity, not_a_number}) == 4);
  CHECK(found(float16, {}) == 0);
}

TEST_CASE("Rows are finite or not, wherever the odd number stands", "[kernels]") {
  std::vector<float> row(67, most);
  CHECK(kernels::all_finite(row.data(), row.size()));
  CHECK(kernels::all_finite(row.data(), 0));
  for (std::size_t at = 0; at < row.size(); ++at) {
    for (const float value : {infinity, -infinity, not_a_number}) {
      row[at] = value;
      CHECK_FALSE(kernels::all_finite(row.data(), row.size()));
      CHECK(kernels::all_finite(row.data(), at));
    }
    row[at] = -most;
  }
}

TEST_CASE("A row in int8 has steps of a 127th of its largest magnitude", "[kernels]") {
  random_numbers random(66);
  for (const double size : {1e-30, 1.0, 1e30}) {
    const std::vector<float> row = random.reals<float>(50, size);
    std::vector<std::int8_t> to(50);
    const float scale =
        kernels::round_row(weight_storage::int8, row.data(), 50, reinterpret_cast<std::byte*>(to.data()));
    float largest = 0;
    for (const float v : row) largest = std::max(largest, std::abs(v));
    CHECK(scale == largest / 127.0F);
    for (std::size_t k = 0; k < 50; ++k) {
      CHECK(std::abs(exact(to[k]) * exact(scale) - exact(row[k])) <= exact(scale) * 0.50001);
    }
    CHECK(*std::max_element(to.begin(), to.end(), [](int a, int b) { return std::abs(a) < std::abs(b); }) / 127 != 0);
  }
  const std::vector<float> zeros{0.0F, -0.0F};
  CHECK(kernels::int8_scale(zeros.data(), 2) == 0.0F);
  CHECK(kernels::round_to_int8(0.0F, 0.0F) == 0);
  const std::vector<float> bad{1.0F, not_a_number, 2.0F};
  CHECK(std::isnan(kernels::int8_scale(bad.data(), 3)));
  CHECK(kernels::round_to_int8(1.0F, not_a_number) == 0);
  CHECK(kernels::round_to_int8(infinity, infinity) == 0);
  CHECK(kernels::round_to_int8(0x1p-149F, 0.0F) == 127);  // a scale that was rounded down to nothing
  CHECK(kernels::round_to_int8(-0x1p-149F, 0.0F) == -127);
}

TEST_CASE("Rows are rounded element by element, float32 not at all", "[kernels]") {
  random_numbers random(67);
  const std::vector<float> row = random.reals<float>(33, 3);
  std::vector<float> copied(33);
  CHECK(kernels::round_row(weight_storage::float32, row.data(), 33, reinterpret_cast<std::byte*>(copied.data())) == 1);
  CHECK(copied == row);
  std::vector<float16_bits> halves(33);
  CHECK(kernels::round_row(weight_storage::float16, row.data(), 33, reinterpret_cast<std::byte*>(halves.data())) == 1);
  std::vector<bfloat16_bits> upper(33);
  CHECK(kernels::round_row(weight_storage::bfloat16, row.data(), 33, reinterpret_cast<std::byte*>(upper.data())) == 1);
  for (std::size_t k = 0; k < 33; ++k) {
    CHECK(halves[k].bits == kernels::round_to_float16(row[k]).bits);
    CHECK(upper[k].bits == kernels::round_to_bfloat16(row[k]).bits);
  }
}

}  // namespace ufb_test
