// SPDX-License-Identifier: MIT
//
// A level that is added is one file with a vocabulary: the toy level of this folder gives the results of the others,
// though its vectors, chains, rows and panels have other sizes.
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/toy_level.hpp"
#include "support/catch.hpp"
#include "ultrafastbert/kernels/dispatch.hpp"

namespace ufb_test {

using namespace ultrafastbert;

namespace {

/// Whether two results differ by no more than some roundings of the largest.
bool near(const std::vector<float>& a, const std::vector<float>& b, double roundings) {
  double largest = 1e-6;
  for (const float value : b) largest = std::max(largest, std::abs(exact(value)));
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (!(std::abs(exact(a[i]) - exact(b[i])) <= roundings * 0x1p-24 * largest)) return false;
  }
  return a.size() == b.size();
}

/// One tile of three rows and one panel, or two rows and two panels, of products with an (inner, columns) matrix.
std::vector<float> tile_of(const kernels::gemm_kernels& kernels, const std::vector<std::uint32_t>& x,
                           const std::vector<std::uint32_t>& words, std::size_t inner, bool two,
                           const std::vector<float>& scales) {
  const std::size_t columns = kernels.columns;
  const std::size_t rows = two ? 2 : 3;
  const std::size_t panels = two ? 2 : 1;
  alignas(64) std::array<std::uint32_t, 4096> panel{};
  for (std::size_t p = 0; p < panels; ++p) {
    for (std::size_t k = 0; k < inner; ++k) {
      for (std::size_t c = 0; c < columns; ++c) {
        panel[(p * inner + k) * columns + c] = words[(k * 2 + (p * columns + c) % 2) % words.size()];
      }
    }
  }
  alignas(64) std::array<float, 64> column_scale{};
  column_scale.fill(0.5F);
  alignas(64) std::array<std::int32_t, 64> start{};
  std::vector<float> y(rows * panels * columns);
  const kernels::gemm_tile tile{.x = x.data(),
                                .x_stride = x.size() / (3 * kernels.input_words),
                                .panel = panel.data(),
                                .panel_stride = inner * columns,
                                .inner = inner,
                                .y = y.data(),
                                .y_stride = panels * columns,
                                .next = panel.data(),
                                .row_scale = scales.data(),
                                .column_scale = column_scale.data(),
                                .start = start.data()};
  (two ? kernels.pair : kernels.single)[rows - 1](tile);
  std::vector<float> first_two;  // columns of every row: all there is to compare with other panels
  for (std::size_t r = 0; r < rows; ++r) {
    first_two.push_back(y[r * panels * columns]);
    first_two.push_back(y[r * panels * columns + 1]);
  }
  return first_two;
}

}  // namespace

TEMPLATE_TEST_CASE("A new level multiplies and sums rows of every storage type", "[kernels]", float, float16_bits,
                   bfloat16_bits, std::int8_t) {
  random_numbers random(131);
  const kernels::dot_kernels& dots = kernels::toy::dots<TestType>;
  const kernels::sum_kernels& sums = kernels::toy::sums<TestType>;
  const kernels::dot_kernels& other_dots = kernels::dots_of(isa_level::portable, storage_of<TestType>);
  const kernels::sum_kernels& other_sums = kernels::sums_of(isa_level::portable, storage_of<TestType>);
  for (const std::size_t width : widths) {
    CAPTURE(width);
    weight_rows<TestType> weights(8, width, random);
    std::array<const std::byte*, 8> rows{};
    std::array<const float*, 8> x{};
    const auto inputs = random.reals<float>(8 * width);
    for (std::size_t i = 0; i < 8; ++i) {
      rows[i] = bytes_of(weights.row(i));
      x[i] = inputs.data() + i * width;
    }
    const auto all_dots = [&](const kernels::dot_kernels& by) {
      std::vector<float> z(21);
      by.rows_3_inputs_4(rows[0], weights.stride(), x.data(), width, z.data(), {.block = rows[3], .x = x.data() + 4});
      by.pairs_8(rows.data(), x.data(), width, z.data() + 12);
      by.pair(rows[7], x[0], width, z.data() + 20, {});
      return z;
    };
    REQUIRE(near(all_dots(dots), all_dots(other_dots), 2 * static_cast<double>(width) + 8));
    const std::vector<float> before = random.reals<float>(width);
    const auto all_sums = [&](const kernels::sum_kernels& by, kernels::sum_target target) {
      std::vector<float> y = before;
      by.sum(rows.data(), x[1], std::min<std::size_t>(width, 8), {0, width}, target, y.data(), {});
      if (by.finish != nullptr) by.finish();
      return y;
    };
    for (const auto target : {kernels::sum_target::overwrite, kernels::sum_target::add}) {
      REQUIRE(near(all_sums(sums, target), all_sums(other_sums, target), 64));
    }
    REQUIRE(all_sums(sums, kernels::sum_target::past_caches) == all_sums(sums, kernels::sum_target::overwrite));
  }
}

TEST_CASE("A new level joins the halves of floats", "[kernels]") {
  constexpr std::size_t count = 16;
  random_numbers random(134);
  const auto values = random.reals<float>(count);
  alignas(64) std::array<bfloat16_bits, count> upper{};
  alignas(64) std::array<std::int16_t, count> lower{};
  for (std::size_t k = 0; k < count; ++k) {
    upper[k] = kernels::split(values[k]).upper;
    lower[k] = kernels::split(values[k]).lower;
  }
  alignas(64) std::array<float, count> joined{};
  kernels::toy::rows.join(count, upper.data(), lower.data(), joined.data());
  CHECK(std::equal(joined.begin(), joined.end(), values.begin()));
}

TEST_CASE("A new level has the row operations and the activations", "[kernels]") {
  random_numbers random(132);
  const kernels::row_kernels& toy = kernels::toy::rows;
  const kernels::row_kernels& other = kernels::rows_of(isa_level::portable);
  for (const std::size_t width : widths) {
    CAPTURE(width);
    const auto x = random.reals<float>(width, 3);
    const auto a = random.reals<float>(width);
    const auto b = random.reals<float>(width);
    const double roundings = 16 + static_cast<double>(width);
    const auto check = [&](const auto& run) {
      std::vector<float> y(width);
      std::vector<float> expected(width);
      run(toy, y.data());
      run(other, expected.data());
      REQUIRE(near(y, expected, roundings));
    };
    check([&](const auto& k, float* y) { k.layer_norm(width, 0.1F, a.data(), b.data(), x.data(), y); });
    check([&](const auto& k, float* y) { k.rms_norm(width, 1e-5F, a.data(), x.data(), y); });
    check([&](const auto& k, float* y) { k.scale_norm(width, 1e-5F, 2.0F, x.data(), y); });
    check([&](const auto& k, float* y) { k.sum(width, x.data(), a.data(), y); });
    check([&](const auto& k, float* y) { k.product(width, x.data(), a.data(), y); });
    check([&](const auto& k, float* y) { k.scale(width, 0.3F, x.data(), y); });
    check([&](const auto& k, float* y) {
      for (std::size_t i = 0; i < width; ++i) y[i] = -std::abs(x[i]);
      k.exp(width, y);
    });
    for (const float* const bias : {static_cast<const float*>(nullptr), b.data()}) {
      check([&](const auto& k, float* y) {
        std::copy(x.begin(), x.end(), y);
        kernels::running_softmax state;
        k.softmax({.scores = y, .count = width, .factor = 0.7F, .bias = bias}, state);
        for (std::size_t i = 0; i < width; ++i) y[i] /= state.sum;
      });
    }
    const auto activated = [&](kernels::activation_kernel kernel) {
      std::vector<float> y = x;
      kernel(width, y.data());
      return y;
    };
    const kernels::activation_kernels& by = kernels::activations_of(isa_level::portable);
    REQUIRE(near(activated(kernels::toy::activations.gelu), activated(by.gelu), 8));
    REQUIRE(near(activated(kernels::toy::activations.silu), activated(by.silu), 8));
    REQUIRE(near(activated(kernels::toy::activations.tanh), activated(by.tanh), 8));
    REQUIRE(near(activated(kernels::toy::activations.gelu_tanh), activated(by.gelu_tanh), 8));
    REQUIRE(activated(kernels::toy::activations.relu) == activated(by.relu));
  }
}

TEST_CASE("A new level has products in float, bfloat16 and int8", "[kernels]") {
  random_numbers random(133);
  constexpr std::size_t inner = 24;
  const auto x = random.reals<float>(3 * 48);
  const auto compare = [&](const kernels::gemm_kernels& toy, const kernels::gemm_kernels& other, double roundings) {
    const std::size_t stride = 48 * toy.input_words;
    std::vector<std::uint32_t> input(3 * stride);
    const auto convert = [&](const kernels::gemm_kernels& by, std::vector<float>& scales) {
      alignas(64) std::array<std::uint32_t, 128> words{};
      for (std::size_t r = 0; r < 3; ++r) {
        if (by.convert == nullptr) {
          std::transform(x.begin() + static_cast<std::ptrdiff_t>(r * 48),
                         x.begin() + static_cast<std::ptrdiff_t>(r * 48 + inner), words.begin(),
                         [](float v) { return std::bit_cast<std::uint32_t>(v); });
        } else {
          scales[r] = by.convert(x.data() + r * 48, inner * by.terms / (by.terms == 4 ? 2 : 1), words.data());
        }
        std::copy_n(words.begin(), stride, input.begin() + static_cast<std::ptrdiff_t>(r * stride));
      }
      return input;
    };
    std::vector<float> scales(3, 1.0F);
    std::vector<float> other_scales(3, 1.0F);
    const std::size_t words_of_row = toy.terms == 4 ? inner / 2 : inner;
    const auto a = convert(toy, scales);
    const auto b = convert(other, other_scales);
    CHECK(scales == other_scales);
    REQUIRE(toy.input_words == other.input_words);
    for (std::size_t r = 0; r < 3; ++r) {
      const auto first = static_cast<std::ptrdiff_t>(r * stride);
      CHECK(std::equal(a.begin() + first,
                       a.begin() + first + static_cast<std::ptrdiff_t>(words_of_row * toy.input_words),
                       b.begin() + first));
    }
    std::vector<std::uint32_t> matrix(2 * words_of_row);
    for (std::size_t i = 0; i < matrix.size(); ++i) {
      const std::size_t word = i % words_of_row;
      matrix[i] = toy.input_words == 1 ? a[word] : a[2 * word] | a[2 * word + 1] >> 16U;
    }
    for (const bool two : {false, true}) {
      if (two && other.pair[1] == nullptr) continue;
      CHECK(near(tile_of(toy, a, matrix, words_of_row, two, scales),
                 tile_of(other, b, matrix, words_of_row, two, other_scales), roundings));
    }
  };
  compare(kernels::toy::float32_products, kernels::float32_products_of(isa_level::portable), 2 * inner);
  compare(kernels::toy::bfloat16_products, kernels::products_of(isa_level::portable, weight_storage::bfloat16),
          4 * inner);
  compare(kernels::toy::int8_products, kernels::products_of(isa_level::portable, weight_storage::int8), 0);
}

}  // namespace ufb_test
