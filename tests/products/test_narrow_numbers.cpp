// SPDX-License-Identifier: MIT
//
// Numbers at the edges of narrow products: NaN and infinity, zeros, tiny and huge ones, the longest sums; and what
// narrow storage says of itself.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "products/narrow_products.hpp"
#include "support/allocation_counter.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"
#include "ultrafastbert/core/workspace.hpp"

namespace ufb_test {

TEST_CASE("Infinity and NaN stay in their row of a narrow product", "[products]") {
  random_numbers random(177);
  workspace scratch;
  const guarded_matrix<float> weights(50, 30, 0, random);
  for (const std::size_t at : std::initializer_list<std::size_t>{0, 7, 16, 29}) {
    guarded_matrix<float> x(15, 30, 0, random);
    x(3, at) = -std::numeric_limits<float>::infinity();
    x(9, at) = std::numeric_limits<float>::quiet_NaN();
    x(10, at) = std::bit_cast<float>(0xff800001U);  // of which rounding would make an infinity
    x(11, at) = std::bit_cast<float>(0x7fffffffU);
    for (const weight_storage storage : narrow_storages) {
      for (const variant& v : variants()) {
        const packed_matrix w = packed(weights, storage, v);
        CAPTURE(w.kernel_name(), name(storage), at);
        guarded_matrix<float> y(15, 50, 0);
        w.multiply(std::as_const(x).view(), y.view(), scratch);
        for (std::size_t r = 0; r < 15; ++r) {
          const bool is_infinite = r == 3 && storage == weight_storage::bfloat16;
          const bool is_nan = (r >= 9 && r <= 11) || (r == 3 && storage == weight_storage::int8);
          for (std::size_t n = 0; n < 50; ++n) {
            REQUIRE(std::isinf(y(r, n)) == is_infinite);
            REQUIRE(std::isnan(y(r, n)) == is_nan);
          }
        }
      }
    }
  }
}

TEST_CASE("NaN and infinity among int8 weights make their output NaN", "[products]") {
  random_numbers random(178);
  workspace scratch;
  guarded_matrix<float> weights(20, 30, 0, random);
  weights(3, 7) = std::numeric_limits<float>::infinity();
  weights(9, 0) = std::numeric_limits<float>::quiet_NaN();
  const guarded_matrix<float> x(5, 30, 0, random);
  for (const variant& v : variants()) {
    guarded_matrix<float> y(5, 20, 0);
    packed(weights, weight_storage::int8, v).multiply(x.view(), y.view(), scratch);
    for (std::size_t r = 0; r < 5; ++r) {
      for (std::size_t n = 0; n < 20; ++n) REQUIRE(std::isnan(y(r, n)) == (n == 3 || n == 9));
    }
  }
}

TEST_CASE("Rows of zeros, of tiny and of huge numbers are rounded to what they can be", "[products]") {
  workspace scratch;
  constexpr std::size_t inputs = 40;
  guarded_matrix<float> weights(33, inputs, 0);
  guarded_matrix<float> x(6, inputs, 0);
  for (std::size_t k = 0; k < inputs; ++k) {
    for (std::size_t n = 0; n < 33; ++n) weights(n, k) = n == 0 ? 0.0F : 0x1p-10F;
    x(0, k) = k % 2 == 0 ? 0.0F : -0.0F;
    x(1, k) = std::numeric_limits<float>::denorm_min();
    x(2, k) = std::numeric_limits<float>::min();
    x(3, k) = 0x1.fcp120F;
    x(4, k) = k % 2 == 0 ? std::numeric_limits<float>::max() : -std::numeric_limits<float>::max();
    x(5, k) = 1.0F;
  }
  for (const weight_storage storage : narrow_storages) {
    for (const variant& v : variants()) {
      const packed_matrix w = packed(weights, storage, v);
      CAPTURE(w.kernel_name(), name(storage));
      guarded_matrix<float> y(6, 33, 0);
      w.multiply(std::as_const(x).view(), y.view(), scratch);
      for (std::size_t n = 0; n < 33; ++n) {
        const double expected = n == 0 ? 0.0 : 0x1p-10 * static_cast<double>(inputs);
        REQUIRE(y(0, n) == 0.0F);
        REQUIRE(std::abs(y(1, n)) <= std::numeric_limits<float>::min());
        REQUIRE(std::abs(y(2, n)) <= std::numeric_limits<float>::min());
        REQUIRE(static_cast<double>(y(5, n)) == Approx(expected).epsilon(1e-6));
        REQUIRE(static_cast<double>(y(3, n)) == Approx(expected * 0x1.fcp120).epsilon(1e-6));
        if (storage == weight_storage::int8) REQUIRE(y(4, n) == 0.0F);
      }
    }
  }
}

TEST_CASE("The largest sums of int8 products fit, and longer ones are refused", "[products]") {
  workspace scratch;
  constexpr std::size_t inputs = packed_matrix::most_int8_inputs;
  STATIC_REQUIRE(inputs * 127 * 127 <= 0x7fffffff);
  STATIC_REQUIRE((inputs + 1) * 127 * 127 > 0x7fffffff);
  const std::vector<float> ones(inputs, 1.0F);
  const std::vector<float> minus_ones(inputs, -1.0F);
  for (const variant& v : variants()) {
    packed_matrix w({2, inputs}, weight_storage::int8, v.level, v.extensions);
    w.store_row(0, ones.data());
    w.store_row(1, minus_ones.data());
    CAPTURE(w.kernel_name());
    for (const std::vector<float>* x : {&ones, &minus_ones}) {
      std::vector<float> y(2);
      w.multiply({x->data(), {1, inputs}}, {y.data(), {1, 2}}, scratch);
      const double expected = static_cast<double>(inputs) * static_cast<double>(x->front());
      REQUIRE(static_cast<double>(y[0]) == Approx(expected).epsilon(1e-6));
      REQUIRE(static_cast<double>(y[1]) == Approx(-expected).epsilon(1e-6));
    }
  }
  CHECK(error_of([&] {
          const packed_matrix none({1, inputs + 1}, weight_storage::int8);
        })->code() == error_code::overflow);
  CHECK(packed_matrix({1, inputs + 1}, weight_storage::bfloat16).inputs() == inputs + 1);
}

TEST_CASE("A row of NaN whose int8 sums wrap around is NaN, and the rows beside it are as without it", "[products]") {
  workspace scratch;
  constexpr std::size_t inputs = packed_matrix::most_int8_inputs;
  static_assert(inputs * 127 * 128 > 0x7fffffff);
  random_numbers random(180);
  const std::vector<float> ones(inputs, 1.0F);
  const std::vector<float> minus_ones(inputs, -1.0F);
  const std::vector<float> numbers = random.reals<float>(inputs);
  guarded_matrix<float> x(3, inputs, 0);
  guarded_matrix<float> expected(3, 2, 0);
  for (const variant& v : variants()) {
    packed_matrix w({2, inputs}, weight_storage::int8, v.level, v.extensions);
    w.store_row(0, ones.data());
    w.store_row(1, minus_ones.data());
    std::copy_n(numbers.data(), inputs, x.row(0));
    std::copy_n(ones.data(), inputs, x.row(1));
    std::copy_n(minus_ones.data(), inputs, x.row(2));
    w.multiply(std::as_const(x).view(), expected.view(), scratch);
    // Levels make bytes of the last bits of NaN: -128 each, and others.
    for (const std::uint32_t bits : {0x7fc00080U, 0xffc00080U, 0x7fc0007fU, 0x7f800080U, 0x7fffffffU, 0x7f800000U}) {
      CAPTURE(w.kernel_name(), bits);
      std::fill_n(x.row(1), inputs, std::bit_cast<float>(bits));
      guarded_matrix<float> y(3, 2, 1);
      w.multiply(std::as_const(x).view(), y.view(), scratch, {.bias = {ones.data(), 2}});
      for (std::size_t n = 0; n < 2; ++n) {
        REQUIRE(std::isnan(y.row(1)[n]));
        for (const std::size_t r : {std::size_t{0}, std::size_t{2}}) REQUIRE(y.row(r)[n] == expected.row(r)[n] + 1.0F);
      }
      REQUIRE(y.surroundings_intact());
    }
  }
}

TEST_CASE("Narrow storage is smaller, says what it is, and refuses half precision", "[products]") {
  for (const variant& v : variants()) {
    const packed_matrix whole({64, 80}, v.level);
    const packed_matrix bfloat16({64, 80}, weight_storage::bfloat16, v.level, v.extensions);
    const packed_matrix int8({64, 80}, weight_storage::int8, v.level, v.extensions);
    CHECK(whole.storage() == weight_storage::float32);
    CHECK(bfloat16.storage() == weight_storage::bfloat16);
    CHECK(int8.storage() == weight_storage::int8);
    CHECK(whole.bytes() == 64 * 80 * 4);
    CHECK(bfloat16.bytes() == 64 * 80 * 2);
    CHECK(int8.bytes() == 64 * 80 + 64 * 8);
    CHECK(whole.kernel_name() == name(v.level));
    const bool vectors = v.level == isa_level::avx2 || v.level == isa_level::avx512;
    const std::string plain(vectors ? name(v.level) : "portable");
    CHECK(bfloat16.kernel_name() == (v.extensions.bfloat16 ? "avx512_bf16" : plain));
    CHECK(int8.kernel_name() == (v.extensions.int8 ? "avx512_vnni" : vectors ? "avx2" : "portable"));
    CHECK(int8.isa() == v.level);
  }
  CHECK(error_of([&] {
          const packed_matrix none({1, 1}, weight_storage::float16);
        })->code() == error_code::unsupported);
  const kernels::gemm_extensions extensions = kernels::gemm_extensions_of_processor();
  if (!supported(isa_level::avx512)) CHECK_FALSE((extensions.bfloat16 || extensions.int8));
}

TEST_CASE("Narrow products allocate nothing once they were as large before", "[products]") {
  if (!allocations_are_counted()) return;
  random_numbers random(179);
  workspace scratch;
  const guarded_matrix<float> weights(70, 1000, 0, random);
  const guarded_matrix<float> x(130, 1000, 0, random);
  guarded_matrix<float> y(130, 70, 0);
  for (const weight_storage storage : narrow_storages) {
    const packed_matrix w(weights.view(), storage);
    for (int i = 0; i < 2; ++i) w.multiply(x.view(), y.view(), scratch);
    CHECK(allocations_in([&] {
            w.multiply(x.view(), y.view(), scratch);
            w.multiply(x.view().rows_from(0, 1), y.view().rows_from(0, 1), scratch);
          }) == 0);
  }
}

TEST_CASE("Numbers are rounded to bfloat16 as every kernel rounds them", "[products]") {
  std::vector<float> numbers;
  for (std::uint32_t upper = 0; upper < 0x10000U; upper += 3) {
    for (const std::uint32_t lower : {0x0000U, 0x0001U, 0x7fffU, 0x8000U, 0x8001U, 0xffffU}) {
      const auto value = std::bit_cast<float>(upper << 16U | lower);
      if (std::isnormal(value) || value == 0.0F) numbers.push_back(value);
    }
  }
  std::vector<std::uint32_t> words(numbers.size() + 64);
  const std::size_t start = (64 - reinterpret_cast<std::uintptr_t>(words.data()) % 64) % 64 / 4;
  for (const variant& v : variants()) {
    std::fill(words.begin(), words.end(), 0U);
    const auto& kernels = kernels::products_of(v.level, weight_storage::bfloat16, v.extensions);
    CAPTURE(kernels.name);
    REQUIRE(kernels.convert(numbers.data(), numbers.size() - 1, words.data() + start) == 1.0F);
    std::size_t wrong = 0;
    for (std::size_t k = 0; k + 1 < numbers.size(); ++k) {
      // Two numbers in a word, or each as a float, the second one first.
      const bool wide = kernels.input_words == 2;
      const std::uint32_t word = words[start + (wide ? (k ^ 1U) : k / 2)];
      const std::uint32_t bits = word >> (wide ? 16U : static_cast<unsigned>(k % 2 * 16)) & 0xffffU;
      if (wide && (word & 0xffffU) != 0) ++wrong;
      const double expected = to_bfloat16(numbers[k]);
      const auto value = std::bit_cast<float>(bits << 16U);
      const bool same = std::isinf(value) ? std::abs(expected) > 0x1.ffp127 : static_cast<double>(value) == expected;
      if (!same || bits != kernels::round_to_bfloat16(numbers[k]).bits) ++wrong;
    }
    CHECK(wrong == 0);
  }
}

}  // namespace ufb_test
