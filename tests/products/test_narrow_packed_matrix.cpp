// SPDX-License-Identifier: MIT
//
// Packed products in bfloat16 and int8 against exact ones of the rounded operands, by the kernels of every level with
// and without the extensions of the machine.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "products/narrow_products.hpp"
#include "support/catch.hpp"
#include "ultrafastbert/core/executor.hpp"
#include "ultrafastbert/core/thread_pool.hpp"
#include "ultrafastbert/core/workspace.hpp"

namespace ufb_test {

namespace {

struct sizes {
  std::size_t rows;
  std::size_t outputs;
  std::size_t inputs;
};

// Around every boundary: of words, of vectors that are rounded, of tiles, of panels, of blocks.
std::vector<sizes> all_sizes() {
  std::vector<sizes> all{{0, 5, 7},    {3, 0, 7},     {3, 5, 0},    {1, 1, 1},      {3, 5, 9},
                         {17, 33, 30}, {64, 96, 768}, {97, 33, 20}, {200, 300, 41}, {5, 768, 30}};
  for (std::size_t inputs = 1; inputs < 70; ++inputs) all.push_back({2, 3, inputs});
  for (const std::size_t rows : std::initializer_list<std::size_t>{1, 4, 5, 6, 7, 8, 9, 12, 13, 25}) {
    for (const std::size_t outputs : std::initializer_list<std::size_t>{1, 7, 16, 31, 64, 95})
      all.push_back({rows, outputs, 19});
  }
  for (const std::size_t inputs : std::initializer_list<std::size_t>{1535, 1536, 1537, 3073, 4095})
    all.push_back({14, 70, inputs});
  return all;
}

struct int8_row {
  std::vector<std::int64_t> values{};
  float scale = 0.0F;
};

// Which of two integers an element is rounded to may depend on whether it is divided or multiplied by an inverse.
int8_row to_int8(const float* row, std::size_t n, bool by_inverse) {
  float largest = 0.0F;
  for (std::size_t k = 0; k < n; ++k) largest = std::max(largest, std::abs(row[k]));
  int8_row result{.scale = largest / 127.0F};
  const float inverse = largest == 0.0F ? 0.0F : 127.0F / largest;
  for (std::size_t k = 0; k < n; ++k) {
    const float ratio = largest == 0.0F ? 0.0F : by_inverse ? row[k] * inverse : row[k] / result.scale;
    result.values.push_back(std::llrint(std::clamp(ratio, -127.0F, 127.0F)));
  }
  return result;
}

// A product whose operands are rounded, with the sums of its terms without further rounding.
struct product {
  product(const sizes& s, random_numbers& random)
      : x(s.rows, s.inputs, 3, random),
        w(s.outputs, s.inputs, 1, random),
        before(s.rows, s.outputs, 0, random),
        bias(random.reals<float>(s.outputs)) {
    std::vector<int8_row> int8_weights;
    for (std::size_t n = 0; n < s.outputs; ++n) int8_weights.push_back(to_int8(w.row(n), s.inputs, false));
    const std::vector<double> weights = all_to_bfloat16(w);
    const std::vector<double> inputs = all_to_bfloat16(x);
    for (std::size_t r = 0; r < s.rows; ++r) {
      const int8_row row = to_int8(x.row(r), s.inputs, true);
      for (std::size_t n = 0; n < s.outputs; ++n) {
        double sum = 0;
        double magnitude = 0;
        std::int64_t int8_sum = 0;
        for (std::size_t k = 0; k < s.inputs; ++k) {
          const double term = inputs[r * s.inputs + k] * weights[n * s.inputs + k];
          sum += term;
          magnitude += std::abs(term);
          int8_sum += row.values[k] * int8_weights[n].values[k];
        }
        sums.push_back(sum);
        magnitudes.push_back(magnitude);
        const volatile float scaled = static_cast<float>(int8_sum) * int8_weights[n].scale;  // rounded at every step
        int8_values.push_back(static_cast<float>(scaled * row.scale));
      }
    }
  }

  [[nodiscard]] static std::vector<double> all_to_bfloat16(const guarded_matrix<float>& m) {
    std::vector<double> all;
    for (std::size_t r = 0; r < m.rows(); ++r) {
      for (std::size_t k = 0; k < m.cols(); ++k) all.push_back(to_bfloat16(m.row(r)[k]));
    }
    return all;
  }

  [[nodiscard]] guarded_matrix<float> begin(bool add) const {
    guarded_matrix<float> y(x.rows(), w.rows(), 5);
    for (std::size_t r = 0; add && r < x.rows(); ++r) std::copy_n(before.row(r), w.rows(), y.row(r));
    return y;
  }
  [[nodiscard]] packed_product options(bool add, bool with_bias) const {
    packed_product with{.add = add};
    if (with_bias) with.bias = bias;
    return with;
  }

  // Whether every element is as near to the exact one as a float chain of its terms is.
  [[nodiscard]] bool near_in_bfloat16(const guarded_matrix<float>& y, bool add, bool with_bias) const {
    for (std::size_t i = 0; i < sums.size(); ++i) {
      const std::size_t r = i / w.rows();
      const std::size_t n = i % w.rows();
      const double from = add ? static_cast<double>(before.row(r)[n]) : 0.0;
      const double to = with_bias ? static_cast<double>(bias[n]) : 0.0;
      const double magnitude = magnitudes[i] + std::abs(from) + std::abs(to);
      const double bound = static_cast<double>(x.cols() + 2) * 0x1p-24 * magnitude;
      if (!(std::abs(static_cast<double>(y.row(r)[n]) - (from + sums[i] + to)) <= bound)) return false;
    }
    return true;
  }

  // Whether every element has the bits that follow from the exact sum.
  [[nodiscard]] bool equal_in_int8(const guarded_matrix<float>& y, bool add, bool with_bias) const {
    for (std::size_t i = 0; i < int8_values.size(); ++i) {
      const std::size_t r = i / w.rows();
      const std::size_t n = i % w.rows();
      float value = int8_values[i];
      if (add) value = before.row(r)[n] + value;
      if (with_bias) value = value + bias[n];
      if (!equal_bits(y.row(r)[n], value)) return false;
    }
    return true;
  }

  guarded_matrix<float> x;
  guarded_matrix<float> w;
  guarded_matrix<float> before;
  std::vector<float> bias;
  std::vector<double> sums{};        // of products of bfloat16
  std::vector<double> magnitudes{};  // the same of their magnitudes
  std::vector<float> int8_values{};  // scaled sums of products of int8
};

}  // namespace

TEST_CASE("Products in bfloat16 are those of rounded operands, int8 ones exact to the bit", "[products]") {
  random_numbers random(171);
  workspace scratch;
  for (const sizes& s : all_sizes()) {
    const product p(s, random);
    for (const variant& v : variants()) {
      const packed_matrix bfloat16 = packed(p.w, weight_storage::bfloat16, v);
      const packed_matrix int8 = packed(p.w, weight_storage::int8, v);
      for (const bool add : {false, true}) {
        for (const bool with_bias : {false, true}) {
          CAPTURE(bfloat16.kernel_name(), int8.kernel_name(), s.rows, s.outputs, s.inputs, add, with_bias);
          guarded_matrix<float> y = p.begin(add);
          bfloat16.multiply(p.x.view(), y.view(), scratch, p.options(add, with_bias));
          REQUIRE(p.near_in_bfloat16(y, add, with_bias));
          REQUIRE(y.surroundings_intact());
          y = p.begin(add);
          int8.multiply(p.x.view(), y.view(), scratch, p.options(add, with_bias));
          REQUIRE(p.equal_in_int8(y, add, with_bias));
          REQUIRE(y.surroundings_intact());
        }
      }
    }
  }
}

TEST_CASE("Narrow products have equal bits at every level, with extensions and without", "[products]") {
  random_numbers random(172);
  workspace scratch;
  for (const std::size_t inputs : std::initializer_list<std::size_t>{1, 37, 768, 3001}) {
    const guarded_matrix<float> weights(75, inputs, 0, random);
    const guarded_matrix<float> x(15, inputs, 0, random);
    const std::vector<float> bias = random.reals<float>(75);
    for (const weight_storage storage : narrow_storages) {
      guarded_matrix<float> expected(15, 75, 0);
      packed(weights, storage, {isa_level::portable, {}}).multiply(x.view(), expected.view(), scratch, {.bias = bias});
      for (const variant& v : variants()) {
        const packed_matrix w = packed(weights, storage, v);
        CAPTURE(w.kernel_name(), name(storage), inputs);
        guarded_matrix<float> y(15, 75, 0);
        w.multiply(x.view(), y.view(), scratch, {.bias = bias});
        REQUIRE(equal_bits({y.row(0), 15 * 75}, {expected.row(0), 15 * 75}));
      }
    }
  }
}

TEST_CASE("A row of a narrow product has equal bits beside any others, at any place and stride", "[products]") {
  random_numbers random(173);
  workspace scratch;
  for (const std::size_t inputs : std::initializer_list<std::size_t>{50, 1601}) {
    constexpr std::size_t outputs = 83;
    const guarded_matrix<float> weights(outputs, inputs, 0, random);
    const guarded_matrix<float> x(40, inputs, 1100, random);
    const std::vector<float> bias = random.reals<float>(outputs);
    const packed_product with{.bias = bias, .activation = activation_kind::gelu};
    for (const weight_storage storage : narrow_storages) {
      for (const variant& v : variants()) {
        const packed_matrix w = packed(weights, storage, v);
        guarded_matrix<float> alone(40, outputs, 2);
        for (std::size_t r = 0; r < 40; ++r) {
          w.multiply(x.view().rows_from(r, 1), alone.view().rows_from(r, 1), scratch, with);
        }
        for (std::size_t rows = 1; rows <= 27; ++rows) {
          CAPTURE(w.kernel_name(), name(storage), inputs, rows);
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
}

TEST_CASE("A narrow product has equal bits on any number of threads", "[products]") {
  random_numbers random(174);
  workspace scratch;
  thread_pool two(2);
  thread_pool three(3);
  for (const weight_storage storage : narrow_storages) {
    for (const std::size_t rows : std::initializer_list<std::size_t>{1, 20, 300}) {
      const guarded_matrix<float> weights(1500, 590, 0, random);
      const guarded_matrix<float> x(rows, 590, 0, random);
      const packed_matrix w(weights.view(), storage);
      guarded_matrix<float> expected(rows, 1500, 0);
      w.multiply(x.view(), expected.view(), scratch, {.activation = activation_kind::gelu});
      for (thread_pool* pool : {&two, &three}) {
        guarded_matrix<float> y(rows, 1500, 0);
        w.multiply(x.view(), y.view(), scratch, *pool, {.activation = activation_kind::gelu});
        REQUIRE(equal_bits({y.row(0), rows * 1500}, {expected.row(0), rows * 1500}));
      }
    }
  }
}

TEST_CASE("The bias and the GELU of narrow products come last, and bfloat16 columns may be packed one by one",
          "[products]") {
  random_numbers random(175);
  workspace scratch;
  const guarded_matrix<float> weights(37, 21, 0, random);
  const guarded_matrix<float> x(13, 21, 0, random);
  const std::vector<float> bias = random.reals<float>(37);
  for (const weight_storage storage : narrow_storages) {
    for (const variant& v : variants()) {
      const packed_matrix w = packed(weights, storage, v);
      guarded_matrix<float> expected(13, 37, 0);
      w.multiply(x.view(), expected.view(), scratch);
      for (std::size_t i = 0; i < expected.rows() * 37; ++i) expected.row(0)[i] += bias[i % 37];
      kernels::activations_of(v.level).gelu(13 * 37, expected.row(0));
      guarded_matrix<float> y(13, 37, 0);
      w.multiply(x.view(), y.view(), scratch, {.bias = bias, .activation = activation_kind::gelu});
      REQUIRE(equal_bits({y.row(0), 13 * 37}, {expected.row(0), 13 * 37}));
      if (storage != weight_storage::bfloat16) continue;
      packed_matrix by_column({37, 21}, storage, v.level, v.extensions);
      for (std::size_t k = 0; k < 21; ++k) {
        std::vector<float> column(37);
        for (std::size_t n = 0; n < 37; ++n) column[n] = weights.row(n)[k];
        by_column.store_column(k, column.data());
        by_column.store_column(k, column.data());
      }
      by_column.multiply(x.view(), y.view(), scratch, {.bias = bias, .activation = activation_kind::gelu});
      REQUIRE(equal_bits({y.row(0), 13 * 37}, {expected.row(0), 13 * 37}));
    }
  }
}

TEST_CASE("A narrow product touches nothing beyond its operands", "[products]") {
  random_numbers random(176);
  workspace scratch;
  for (const weight_storage storage : narrow_storages) {
    for (const variant& v : variants()) {
      for (const std::size_t inputs : std::initializer_list<std::size_t>{1, 7, 15, 23, 33, 63}) {
        constexpr std::size_t outputs = 35;
        const packed_matrix w = packed(guarded_matrix<float>(outputs, inputs, 0, random), storage, v);
        for (const placement where : placements) {
          constexpr std::size_t rows = 3;
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

}  // namespace ufb_test
