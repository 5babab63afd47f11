// SPDX-License-Identifier: MIT
//
// The packed matrix product against double precision, the independence of its rows, and its limits in memory.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <initializer_list>
#include <limits>
#include <utility>
#include <vector>

#include "kernels/support.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/random.hpp"
#include "ultrafastbert/core/executor.hpp"
#include "ultrafastbert/core/thread_pool.hpp"
#include "ultrafastbert/core/workspace.hpp"
#include "ultrafastbert/products/packed_matrix.hpp"

namespace ufb_test {

using namespace ultrafastbert;

namespace {

struct sizes {
  std::size_t rows;
  std::size_t outputs;
  std::size_t inputs;
};

// Around every boundary: of tiles, of panels, of blocks.
std::vector<sizes> all_sizes() {
  std::vector<sizes> all{{0, 5, 7}, {3, 0, 7}, {3, 5, 0}, {1, 1, 1}, {97, 33, 20}, {200, 300, 40}};
  for (const std::size_t rows : std::initializer_list<std::size_t>{1, 2, 3, 4, 5, 6, 7, 11, 12, 13, 25}) {
    for (const std::size_t outputs : std::initializer_list<std::size_t>{1, 7, 8, 15, 16, 31, 32, 33, 64, 95})
      all.push_back({rows, outputs, 19});
  }
  for (const std::size_t inputs : std::initializer_list<std::size_t>{2, 767, 768, 769, 1537, 2300})
    all.push_back({14, 70, inputs});
  return all;
}

// A float chain of n terms is off by no more than n roundings of sums and n of products, in units of all magnitudes.
double bound(std::size_t terms, double magnitude) {
  return (2.0 * static_cast<double>(terms) + 4.0) * 0x1p-24 * magnitude;
}

struct product {
  product(const sizes& s, random_numbers& random)
      : x(s.rows, s.inputs, 3, random),
        w(s.outputs, s.inputs, 1, random),
        before(s.rows, s.outputs, 0, random),
        bias(random.reals<float>(s.outputs)) {}

  // Shapes: y: (rows, outputs). Whether every element is as near to the exact one as its sum allows.
  [[nodiscard]] bool near(const guarded_matrix<float>& y, bool add, bool with_bias) const {
    for (std::size_t r = 0; r < y.rows(); ++r) {
      for (std::size_t n = 0; n < y.cols(); ++n) {
        double exact = (add ? static_cast<double>(before.row(r)[n]) : 0.0);
        double magnitude = std::abs(exact);
        for (std::size_t k = 0; k < x.cols(); ++k) {
          const double term = static_cast<double>(x.row(r)[k]) * static_cast<double>(w.row(n)[k]);
          exact += term;
          magnitude += std::abs(term);
        }
        if (with_bias) exact += static_cast<double>(bias[n]);
        if (with_bias) magnitude += std::abs(static_cast<double>(bias[n]));
        if (!(std::abs(static_cast<double>(y.row(r)[n]) - exact) <= bound(x.cols(), magnitude))) return false;
      }
    }
    return true;
  }

  guarded_matrix<float> x;
  guarded_matrix<float> w;
  guarded_matrix<float> before;
  std::vector<float> bias;
};

}  // namespace

TEST_CASE("Packed products are near the exact ones for all sizes and levels", "[products]") {
  random_numbers random(71);
  workspace scratch;
  for (const sizes& s : all_sizes()) {
    const product p(s, random);
    for (const isa_level level : levels_of_this_machine()) {
      const packed_matrix w(p.w.view(), level);
      CHECK(w.isa() == level);
      for (const bool add : {false, true}) {
        for (const bool with_bias : {false, true}) {
          CAPTURE(name(level), s.rows, s.outputs, s.inputs, add, with_bias);
          guarded_matrix<float> y(s.rows, s.outputs, 5);
          for (std::size_t r = 0; add && r < s.rows; ++r) std::copy_n(p.before.row(r), s.outputs, y.row(r));
          packed_product with{.add = add};
          if (with_bias) with.bias = p.bias;
          w.multiply(p.x.view(), y.view(), scratch, with);
          REQUIRE(p.near(y, add, with_bias));
          REQUIRE(y.surroundings_intact());
        }
      }
    }
  }
}

TEST_CASE("A row of a packed product has equal bits beside any others, at any place and stride", "[products]") {
  random_numbers random(72);
  workspace scratch;
  for (const std::size_t inputs : std::initializer_list<std::size_t>{50, 1000}) {
    constexpr std::size_t outputs = 83;
    const guarded_matrix<float> weights(outputs, inputs, 0, random);
    const guarded_matrix<float> x(40, inputs, 1100, random);  // so far apart that they are copied
    const std::vector<float> bias = random.reals<float>(outputs);
    for (const isa_level level : levels_of_this_machine()) {
      const packed_matrix w(weights.view(), level);
      const packed_product with{.bias = bias, .activation = activation_kind::gelu};
      guarded_matrix<float> alone(40, outputs, 2);
      for (std::size_t r = 0; r < 40; ++r) {
        w.multiply(x.view().rows_from(r, 1), alone.view().rows_from(r, 1), scratch, with);
      }
      for (std::size_t rows = 1; rows <= 33; ++rows) {
        CAPTURE(name(level), inputs, rows);
        const std::size_t first = random.size(0, 40 - rows);
        guarded_matrix<float> near(rows, inputs, 1);
        for (std::size_t r = 0; r < rows; ++r) std::copy_n(x.row(first + r), inputs, near.row(r));
        guarded_matrix<float> y(rows, outputs, 7);
        guarded_matrix<float> again(rows, outputs, 0);
        w.multiply(x.view().rows_from(first, rows), y.view(), scratch, with);
        w.multiply(std::as_const(near).view(), again.view(), scratch, with);
        for (std::size_t r = 0; r < rows; ++r) {
          REQUIRE(equal_bits(y.view().row_span(r), alone.view().row_span(first + r)));
          REQUIRE(equal_bits(again.view().row_span(r), alone.view().row_span(first + r)));
        }
      }
    }
  }
}

TEST_CASE("A packed product has equal bits on any number of threads", "[products]") {
  random_numbers random(73);
  workspace scratch;
  thread_pool two(2);
  thread_pool three(3);
  for (const std::size_t rows : std::initializer_list<std::size_t>{1, 20, 300}) {
    const guarded_matrix<float> weights(1500, 590, 0, random);
    const guarded_matrix<float> x(rows, 590, 0, random);
    const packed_matrix w(weights.view());
    guarded_matrix<float> expected(rows, 1500, 0);
    w.multiply(x.view(), expected.view(), scratch, {.activation = activation_kind::gelu});
    for (thread_pool* pool : {&two, &three}) {
      guarded_matrix<float> y(rows, 1500, 0);
      w.multiply(x.view(), y.view(), scratch, *pool, {.activation = activation_kind::gelu});
      REQUIRE(equal_bits({y.row(0), rows * 1500}, {expected.row(0), rows * 1500}));
    }
  }
}

TEST_CASE("A sum is one chain: it may stop after any term and go on from its output", "[products]") {
  random_numbers random(74);
  workspace scratch;
  const guarded_matrix<float> weights(45, 60, 0, random);
  const guarded_matrix<float> x(9, 60, 0, random);
  for (const isa_level level : levels_of_this_machine()) {
    guarded_matrix<float> whole(9, 45, 0);
    packed_matrix(weights.view(), level).multiply(x.view(), whole.view(), scratch);
    for (const std::size_t at : std::initializer_list<std::size_t>{0, 1, 16, 59}) {
      guarded_matrix<float> y(9, 45, 0);
      packed_matrix(weights.view().cols_from(0, at), level).multiply(x.view().cols_from(0, at), y.view(), scratch);
      packed_matrix(weights.view().cols_from(at, 60 - at), level)
          .multiply(x.view().cols_from(at, 60 - at), y.view(), scratch, {.add = true});
      REQUIRE(equal_bits({y.row(0), 9 * 45}, {whole.row(0), 9 * 45}));
    }
  }
}

TEST_CASE("The bias is added last, so that it can cancel a sum exactly", "[products]") {
  random_numbers random(75);
  workspace scratch;
  const guarded_matrix<float> weights(40, 900, 0, random);
  const guarded_matrix<float> x(1, 900, 0, random);
  for (const isa_level level : levels_of_this_machine()) {
    const packed_matrix w(weights.view(), level);
    std::vector<float> y(40);
    w.multiply(x.view(), {y.data(), {1, 40}}, scratch);
    std::vector<float> bias = y;
    for (float& b : bias) b = -b;
    w.multiply(x.view(), {y.data(), {1, 40}}, scratch, {.bias = bias});
    for (const float value : y) REQUIRE(value == 0.0F);
  }
}

TEST_CASE("Columns may be packed one by one, and every activation is that of the level", "[products]") {
  random_numbers random(76);
  workspace scratch;
  const guarded_matrix<float> weights(37, 21, 0, random);
  const guarded_matrix<float> x(13, 21, 0, random);
  for (const isa_level level : levels_of_this_machine()) {
    packed_matrix by_column({37, 21}, level);
    for (std::size_t k = 0; k < 21; ++k) {
      std::vector<float> column(37);
      for (std::size_t n = 0; n < 37; ++n) column[n] = weights.row(n)[k];
      by_column.store_column(k, column.data());
    }
    guarded_matrix<float> expected(13, 37, 0);
    guarded_matrix<float> y(13, 37, 0);
    for (const activation_kind kind :
         {activation_kind::gelu, activation_kind::relu, activation_kind::silu, activation_kind::tanh}) {
      packed_matrix(weights.view(), level).multiply(x.view(), expected.view(), scratch);
      kernels::kernel_of(kernels::activations_of(level), kind)(13 * 37, expected.row(0));
      by_column.multiply(x.view(), y.view(), scratch, {.activation = kind});
      REQUIRE(equal_bits({y.row(0), 13 * 37}, {expected.row(0), 13 * 37}));
    }
  }
}

TEST_CASE("Rows and columns of float32 come back as they were set", "[products]") {
  random_numbers random(79);
  const guarded_matrix<float> weights(37, 21, 3, random);
  for (const isa_level level : levels_of_this_machine()) {
    const packed_matrix w(weights.view(), level);
    std::size_t different = 0;
    for (std::size_t n = 0; n < 37; ++n) {
      std::vector<float> row(21);
      w.copy_row(n, row.data());
      if (!equal_bits(row, weights.view().row_span(n))) ++different;
    }
    for (std::size_t k = 0; k < 21; ++k) {
      std::vector<float> column(37);
      w.copy_column(k, column.data());
      for (std::size_t n = 0; n < 37; ++n) {
        if (!equal_bits(column[n], weights(n, k))) ++different;
      }
    }
    CHECK(different == 0);
  }
}

TEST_CASE("A packed product takes no more scratch memory than it announces", "[products]") {
  random_numbers random(80);
  const guarded_matrix<float> weights(40, 1700, 0, random);
  const guarded_matrix<float> x(300, 1700, 9, random);
  guarded_matrix<float> y(300, 40);
  for (const weight_storage storage : {weight_storage::float32, weight_storage::bfloat16, weight_storage::int8}) {
    for (const isa_level level : levels_of_this_machine()) {
      const packed_matrix w(weights.view(), storage, level);
      for (const std::size_t rows : std::initializer_list<std::size_t>{1, 13, 96, 97, 300}) {
        workspace scratch;
        w.multiply(x.view().rows_from(0, rows), y.view().rows_from(0, rows), scratch);
        CHECK(scratch.needed().bytes <= w.workspace_bytes(300));
        CHECK(scratch.needed().bytes <= w.workspace_bytes(rows));
      }
    }
  }
}

TEST_CASE("A packed product touches nothing beyond its operands", "[products]") {
  random_numbers random(77);
  workspace scratch;
  for (const isa_level level : levels_of_this_machine()) {
    for (const std::size_t outputs : std::initializer_list<std::size_t>{1, 31, 64, 77}) {
      for (const std::size_t rows : std::initializer_list<std::size_t>{1, 5, 14}) {
        constexpr std::size_t inputs = 23;
        const packed_matrix w(guarded_matrix<float>(outputs, inputs, 0, random).view(), level);
        for (const placement where : placements) {
          fenced<float> x(rows * inputs, where);
          for (std::size_t i = 0; i < x.size(); ++i) x.data()[i] = random.real<float>();
          fenced<float> y(rows * outputs, where);
          fenced<float> bias(outputs, where);
          std::fill_n(bias.data(), outputs, 1.0F);
          w.multiply({x.data(), {rows, inputs}}, {y.data(), {rows, outputs}}, scratch,
                     {.bias = {bias.data(), outputs}});
          REQUIRE(y.surroundings_intact());
          for (std::size_t i = 0; i < y.size(); ++i) REQUIRE(std::isfinite(y.data()[i]));
        }
      }
    }
  }
}

TEST_CASE("Infinity and NaN stay in their row", "[products]") {
  random_numbers random(78);
  workspace scratch;
  const guarded_matrix<float> weights(50, 30, 0, random);
  guarded_matrix<float> x(15, 30, 0, random);
  x(3, 7) = std::numeric_limits<float>::infinity();
  x(9, 0) = std::numeric_limits<float>::quiet_NaN();
  for (const isa_level level : levels_of_this_machine()) {
    guarded_matrix<float> y(15, 50, 0);
    packed_matrix(weights.view(), level).multiply(std::as_const(x).view(), y.view(), scratch);
    for (std::size_t r = 0; r < 15; ++r) {
      for (std::size_t n = 0; n < 50; ++n) {
        REQUIRE(std::isinf(y(r, n)) == (r == 3));
        REQUIRE(std::isnan(y(r, n)) == (r == 9));
      }
    }
  }
}

TEST_CASE("Wrong shapes and levels are refused", "[products]") {
  workspace scratch;
  const packed_matrix w({4, 6});
  CHECK(w.outputs() == 4);
  CHECK(w.inputs() == 6);
  CHECK(w.bytes() >= 4 * 6 * sizeof(float));
  guarded_matrix<float> x(3, 6);
  guarded_matrix<float> y(3, 4);
  guarded_matrix<float> narrow(3, 5);
  guarded_matrix<float> low(2, 4);
  const std::vector<float> bias(3);
  CHECK(error_of([&] { w.multiply(narrow.view(), y.view(), scratch); })->code() == error_code::invalid_input);
  CHECK(error_of([&] { w.multiply(x.view(), narrow.view(), scratch); })->code() == error_code::invalid_input);
  CHECK(error_of([&] { w.multiply(x.view(), low.view(), scratch); })->code() == error_code::invalid_input);
  CHECK(error_of([&] { w.multiply(x.view(), y.view(), scratch, {.bias = bias}); })->code() ==
        error_code::invalid_input);
  CHECK(y.untouched());
  for (const isa_level level : {isa_level::neon, isa_level::avx2, isa_level::avx512}) {
    if (supported(level)) continue;
    CHECK(error_of([&] { const packed_matrix none({1, 1}, level); })->code() == error_code::unsupported);
  }
  const std::size_t huge = std::size_t{1} << 40U;
  CHECK(error_of([&] { const packed_matrix none({huge, huge}); })->code() == error_code::overflow);
}

}  // namespace ufb_test
