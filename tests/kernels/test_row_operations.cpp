// SPDX-License-Identifier: MIT
//
// What layers do with single rows: for float the kernels of the level that was asked for, for double the templates of
// scalar_rows.hpp; and activations that gate other values.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "support.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"
#include "ultrafastbert/kernels/row_operations.hpp"
#include "ultrafastbert/kernels/scalar_rows.hpp"

namespace ufb_test {

using namespace ultrafastbert;

namespace {

constexpr activation_kind kinds[] = {
    activation_kind::gelu,      activation_kind::relu,         activation_kind::silu,    activation_kind::tanh,
    activation_kind::gelu_tanh, activation_kind::relu_squared, activation_kind::identity};

template <class Scalar>
std::vector<double> widened(const std::vector<Scalar>& x) {
  return {x.begin(), x.end()};
}

/// Operations on rows of a scalar type at every level that the type knows.
template <class Scalar>
std::vector<row_operations<Scalar>> all_operations() {
  std::vector<row_operations<Scalar>> all;
  if constexpr (std::is_same_v<Scalar, float>) {
    for (const isa_level level : levels_of_this_machine()) all.emplace_back(level);
  } else {
    all.emplace_back();
  }
  return all;
}

/// Whether results are within some roundings of the largest of them.
template <class Scalar>
bool near(const std::vector<Scalar>& y, const std::vector<double>& expected, double roundings) {
  double largest = 1;
  for (const double value : expected) largest = std::max(largest, std::abs(value));
  const double bound = roundings * static_cast<double>(std::numeric_limits<Scalar>::epsilon()) * largest;
  for (std::size_t k = 0; k < y.size(); ++k) {
    if (!(std::abs(static_cast<double>(y[k]) - expected[k]) <= bound)) return false;
  }
  return true;
}

}  // namespace

TEST_CASE("Row operations of float run the kernels of the level that was asked for", "[kernels]") {
  random_numbers random(95);
  const std::vector<float> x = random.reals<float>(51, 3);
  const std::vector<float> a = random.reals<float>(51);
  const std::vector<float> b = random.reals<float>(51);
  CHECK(row_operations<float>().isa() == resolve(isa_level::automatic));
  for (const isa_level level : levels_of_this_machine()) {
    CAPTURE(std::string(name(level)));
    const row_operations<float> operations(level);
    CHECK(operations.isa() == level);
    const kernels::row_kernels& k = kernels::rows_of(level);
    std::vector<float> got(51);
    std::vector<float> expected(51);
    const auto same = [&] { return equal_bits(got, expected); };
    operations.layer_norm(51, 1e-5F, a.data(), b.data(), x.data(), got.data());
    k.layer_norm(51, 1e-5F, a.data(), b.data(), x.data(), expected.data());
    CHECK(same());
    operations.rms_norm(51, 1e-5F, a.data(), x.data(), got.data());
    k.rms_norm(51, 1e-5F, a.data(), x.data(), expected.data());
    CHECK(same());
    operations.scale_norm(51, 1e-5F, 3.0F, x.data(), got.data());
    k.scale_norm(51, 1e-5F, 3.0F, x.data(), expected.data());
    CHECK(same());
    operations.sum(51, x.data(), a.data(), got.data());
    k.sum(51, x.data(), a.data(), expected.data());
    CHECK(same());
    for (const activation_kind kind : kinds) {
      got = x;
      expected = x;
      operations.activate(kind, 51, got.data());
      kernels::kernel_of(kernels::activations_of(level), kind)(51, expected.data());
      CHECK(same());
      std::vector<float> gates = x;
      got = a;
      operations.gate(kind, 51, gates.data(), got.data());
      for (std::size_t i = 0; i < 51; ++i) expected[i] *= a[i];
      CHECK(same());
    }
  }
  for (const isa_level level : {isa_level::neon, isa_level::avx2, isa_level::avx512}) {
    if (supported(level)) continue;
    CHECK(error_of([&] { (void)row_operations<float>(level); })->code() == error_code::unsupported);
  }
  CHECK(error_text_of([] { (void)row_operations<double>(isa_level::portable); }) ==
        "invalid_input: isa: automatic, as only float has levels: portable");
}

TEMPLATE_TEST_CASE("Activations and gates of rows follow the exact functions at every width", "[kernels]", float,
                   double) {
  random_numbers random(96);
  for (const auto& operations : all_operations<TestType>()) {
    for (const std::size_t width : widths) {
      const auto x = random.reals<TestType>(width, 5);
      const auto a = random.reals<TestType>(width, 2);
      for (const activation_kind kind : kinds) {
        CAPTURE(width, std::string(name(kind)));
        std::vector<double> expected = widened(x);
        kernels::activate(kind, std::span(expected));
        auto y = x;
        operations.activate(kind, width, y.data());
        REQUIRE(near(y, expected, 4));
        auto gates = x;
        auto values = a;
        operations.gate(kind, width, gates.data(), values.data());
        for (std::size_t i = 0; i < width; ++i) expected[i] *= static_cast<double>(a[i]);
        REQUIRE(near(values, expected, 5));
      }
    }
  }
}

TEMPLATE_TEST_CASE("Norms and sums of rows follow their definitions at every width, in place and not", "[kernels]",
                   float, double) {
  random_numbers random(97);
  for (const auto& operations : all_operations<TestType>()) {
    for (const std::size_t width : widths) {
      CAPTURE(width);
      const auto x = random.reals<TestType>(width, 3);
      const auto a = random.reals<TestType>(width);
      const auto b = random.reals<TestType>(width);
      const auto n = static_cast<double>(width);
      const std::vector<double> exact_x = widened(x);
      const double mean = std::accumulate(exact_x.begin(), exact_x.end(), 0.0) / n;
      double square = 0;
      double variance = 0;
      for (const double v : exact_x) {
        square += v * v;
        variance += (v - mean) * (v - mean);
      }
      const auto epsilon = static_cast<TestType>(1e-3);
      const auto wide_epsilon = static_cast<double>(epsilon);
      std::vector<double> layer(width);
      std::vector<double> rms(width);
      std::vector<double> scale(width);
      std::vector<double> sum(width);
      for (std::size_t k = 0; k < width; ++k) {
        const auto w = static_cast<double>(a[k]);
        layer[k] = (exact_x[k] - mean) / std::sqrt(variance / n + wide_epsilon) * w + static_cast<double>(b[k]);
        rms[k] = exact_x[k] / std::sqrt(square / n + wide_epsilon) * w;
        scale[k] = exact_x[k] * 1.5 / std::max(std::sqrt(square), wide_epsilon);
        sum[k] = exact_x[k] + w;
      }
      const auto check = [&](const std::vector<double>& expected, const auto& run) {
        std::vector<TestType> y(width);
        run(x.data(), y.data());
        REQUIRE(near(y, expected, 8 + n / 8));
        auto in_place = x;
        run(in_place.data(), in_place.data());
        REQUIRE(in_place == y);
      };
      check(layer, [&](const TestType* from, TestType* to) {
        operations.layer_norm(width, epsilon, a.data(), b.data(), from, to);
      });
      check(rms, [&](const TestType* from, TestType* to) { operations.rms_norm(width, epsilon, a.data(), from, to); });
      check(scale, [&](const TestType* from, TestType* to) {
        operations.scale_norm(width, epsilon, TestType{1.5}, from, to);
      });
      check(sum, [&](const TestType* from, TestType* to) { operations.sum(width, from, a.data(), to); });
    }
  }
}

TEMPLATE_TEST_CASE("The softmax of the templates sums to one and follows the exact one", "[kernels]", float, double) {
  random_numbers random(98);
  for (const std::size_t width : widths) {
    auto row = random.reals<TestType>(width, 20);
    std::vector<double> expected = widened(row);
    const double largest = *std::max_element(expected.begin(), expected.end());
    for (double& value : expected) value = std::exp(value - largest);
    const double total = std::accumulate(expected.begin(), expected.end(), 0.0);
    for (double& value : expected) value /= total;
    kernels::softmax(std::span(row));
    REQUIRE(near(row, expected, 50 + static_cast<double>(width) / 8));  // differences of up to 40 are rounded
    std::vector<TestType> equal(width, TestType{-10000});
    kernels::softmax(std::span(equal));
    REQUIRE(near(equal, std::vector<double>(width, 1 / static_cast<double>(width)), 8));
  }
}

TEST_CASE("Sums in lanes add every sixteenth term first, whatever the compiler makes of it", "[kernels]") {
  // 2^24 + 1 is no float: the lane of the large number loses its two ones, the other lanes have three each. Of those
  // the tree adds 3, which is a tie and becomes 4, then 6, 12 and 24.
  std::vector<float> x(48, 1.0F);
  x[0] = 16'777'216.0F;
  CHECK(kernels::lane_sum<float>(48, [&](std::size_t k) { return x[k]; }) == 16'777'216.0F + 46.0F);
  CHECK(kernels::lane_sum<float>(0, [&](std::size_t k) { return x[k]; }) == 0.0F);
  CHECK(kernels::lane_sum<float>(3, [](std::size_t k) { return static_cast<float>(k); }) == 3.0F);
}

}  // namespace ufb_test
