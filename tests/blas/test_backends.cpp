// SPDX-License-Identifier: MIT
//
// The backend concept, and every operation of every backend against sums in double.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "support/backends.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/random.hpp"
#include "support/reference.hpp"
#include "ultrafastbert/blas/default_backend.hpp"
#include "ultrafastbert/blas/eigen_backend.hpp"

using namespace ufb_test;
namespace ufb = ultrafastbert;

namespace {

/// As little as a backend can be.
struct archetype {
  static constexpr std::string_view name = "archetype";
  using view = ufb::matrix_view<const float>;
  static void multiply_transposed(float, const view&, const view&, const ufb::matrix_view<float>&) {}
  static void multiply(float, const view&, const view&, const ufb::matrix_view<float>&) {}
  static void multiply_batch(const ufb::gemv_batch<float>&) {}
  static void accumulate_batch(const ufb::axpy_batch<float>&) {}
};

struct needs_an_object : archetype {
  void multiply_batch(const ufb::gemv_batch<float>&) {}  // hides the static function
};
struct writes_its_input : archetype {
  static void multiply(float, const ufb::matrix_view<float>&, const view&, const ufb::matrix_view<float>&) {}
};
struct takes_no_batches : archetype {
  static void accumulate_batch(std::size_t, float, const float*, float*) {}
};
struct numbered : archetype {
  static constexpr int name = 7;
};
struct nameless {};

static_assert(ufb::blas_backend<archetype, float>);
static_assert(!ufb::blas_backend<archetype, double>);
static_assert(!ufb::blas_backend<needs_an_object, float>);
static_assert(!ufb::blas_backend<writes_its_input, float>);
static_assert(!ufb::blas_backend<takes_no_batches, float>);
static_assert(!ufb::blas_backend<numbered, float>);
static_assert(!ufb::blas_backend<nameless, float>);
static_assert(ufb::blas_backend<ufb::plain_backend, float> && ufb::blas_backend<ufb::plain_backend, double>);
static_assert(ufb::blas_backend<ufb::eigen_backend, float> && ufb::blas_backend<ufb::eigen_backend, double>);
static_assert(ufb::plain_backend::name == "plain" && ufb::eigen_backend::name == "eigen");
#if UFB_WITH_CBLAS
static_assert(ufb::blas_backend<ufb::cblas_backend, float> && ufb::blas_backend<ufb::cblas_backend, double>);
static_assert(ufb::cblas_backend::name == "cblas");
static_assert(std::is_same_v<ufb::default_blas, ufb::cblas_backend>);
#else
static_assert(std::is_same_v<ufb::default_blas, ufb::eigen_backend>);
#endif

// The library's own kernels are no BLAS, but layers of float are built on them, and by default they are.
static_assert(std::is_same_v<ufb::default_backend<float>, ufb::kernel_backend>);
static_assert(std::is_same_v<ufb::default_backend<double>, ufb::default_blas>);
static_assert(ufb::kernel_backend::name == "kernels" && !ufb::blas_backend<ufb::kernel_backend, float>);
static_assert(ufb::layer_backend<ufb::kernel_backend, float> && !ufb::layer_backend<ufb::kernel_backend, double>);
static_assert(ufb::layer_backend<ufb::plain_backend, float> && ufb::layer_backend<ufb::plain_backend, double>);
static_assert(ufb::layer_backend<archetype, float> && !ufb::layer_backend<archetype, double>);
static_assert(!ufb::layer_backend<nameless, float> && !ufb::layer_backend<needs_an_object, float>);
// They stand for a BLAS where a layer's options ask for one: that of the build, or the one that is named.
template <class Backend>
using blas_of = typename ufb::blas::backend_traits<Backend>::blas;
static_assert(std::is_same_v<blas_of<ufb::kernel_backend>, ufb::default_blas>);
static_assert(std::is_same_v<blas_of<ufb::basic_kernel_backend<archetype>>, archetype>);
static_assert(std::is_same_v<blas_of<archetype>, archetype>);
static_assert(ufb::layer_backend<ufb::basic_kernel_backend<archetype>, float>);
static_assert(ufb::blas::backend_traits<ufb::basic_kernel_backend<archetype>>::has_kernels);
static_assert(!ufb::blas::backend_traits<archetype>::has_kernels);

/// Eigen's products are tested beside a CBLAS, too.
using every_backend_and_eigen =
    decltype(std::tuple_cat(std::declval<every_backend>(),
                            std::declval<std::tuple<on<ufb::eigen_backend, float>, on<ufb::eigen_backend, double>>>()));

// 0, 1, vector tails and sizes past every unrolling.
std::size_t random_length(random_numbers& random) {
  return random.pick<std::size_t>({0, 1, 2, 3, random.size(4, 40), random.size(4, 40), random.size(41, 130), 1037});
}
std::size_t random_side(random_numbers& random) {
  return random.pick<std::size_t>({0, 1, 2, random.size(3, 20), random.size(3, 20), random.size(21, 70)});
}
std::size_t random_gap(random_numbers& random) { return random.pick<std::size_t>({0, 0, 1, 5, 16}); }

// C = alpha A B with the element B(k, j) given by a function.
template <class Scalar, class Element>
reference::table product(Scalar alpha, const guarded_matrix<Scalar>& a, std::size_t cols, Element b) {
  const auto arithmetic = reference::arithmetic::of<Scalar>();
  reference::table out(a.rows(), cols);
  for (std::size_t i = 0; i < a.rows(); ++i) {
    for (std::size_t j = 0; j < cols; ++j) {
      const auto sum = arithmetic.dot(
          a.cols(),
          [&](std::size_t k) { return reference::estimate{static_cast<double>(alpha) * static_cast<double>(a(i, k))}; },
          [&](std::size_t k) { return reference::estimate{static_cast<double>(b(k, j))}; });
      out(i, j) = arithmetic.sum(sum, {});
    }
  }
  return out;
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("Dot products stay within the rounding bound of their sum", "[blas]", every_backend) {
  using Scalar = typename TestType::scalar;
  random_numbers random(11);
  double worst = 0;
  for (int round = 0; round < 300; ++round) {
    const std::size_t n = random_length(random);
    const guarded_matrix<Scalar> x(1, n, 0, random);
    const guarded_matrix<Scalar> y(1, n, 0, random);
    guarded_matrix<Scalar> result(1, 1);
    result(0, 0) = TestType::backend::dot(n, x.row(0), y.row(0));
    const auto expected = product(Scalar{1}, x, 1, [&](std::size_t k, std::size_t) { return y(0, k); });
    worst = std::max(worst, reference::worst_ratio(result.view(), expected));
  }
  CHECK(worst <= 1);
  CHECK(TestType::backend::template dot<Scalar>(0, nullptr, nullptr) == 0);
}

TEMPLATE_LIST_TEST_CASE("Axpy adds a multiple and writes nothing else", "[blas]", every_backend) {
  using Scalar = typename TestType::scalar;
  const auto arithmetic = reference::arithmetic::of<Scalar>();
  random_numbers random(12);
  double worst = 0;
  for (int round = 0; round < 300; ++round) {
    const std::size_t n = random_length(random);
    const auto alpha = round % 10 == 0 ? Scalar{0} : random.real<Scalar>(2);
    const guarded_matrix<Scalar> x(1, n, 0, random);
    guarded_matrix<Scalar> y(1, n, 0, random);
    reference::table expected(1, n);
    for (std::size_t k = 0; k < n; ++k) {
      const reference::estimate product{static_cast<double>(alpha) * static_cast<double>(x(0, k))};
      const double rounding = static_cast<double>(std::numeric_limits<Scalar>::epsilon()) * std::abs(product.value);
      expected(0, k) = arithmetic.sum({static_cast<double>(y(0, k))}, {product.value, rounding});
    }
    TestType::backend::axpy(n, alpha, x.row(0), y.row(0));
    worst = std::max(worst, reference::worst_ratio(y.view(), expected));
    REQUIRE(y.surroundings_intact());
  }
  CHECK(worst <= 1);
}

TEMPLATE_LIST_TEST_CASE("Products with a transposed matrix overwrite the result and nothing else", "[blas]",
                        every_backend_and_eigen) {
  using Scalar = typename TestType::scalar;
  random_numbers random(13);
  double worst = 0;
  for (int round = 0; round < 200; ++round) {
    const std::size_t m = random_side(random);
    const std::size_t n = random_side(random);
    const std::size_t k = random_side(random);
    const auto alpha = random.pick<Scalar>({1, Scalar{0.5}, random.real<Scalar>(3)});
    const guarded_matrix<Scalar> a(m, k, random_gap(random), random);
    const guarded_matrix<Scalar> b(n, k, random_gap(random), random);
    guarded_matrix<Scalar> c(m, n, random_gap(random));  // its elements are NaN: they must not be read
    TestType::backend::multiply_transposed(alpha, a.view(), b.view(), c.view());
    const auto expected = product(alpha, a, n, [&](std::size_t l, std::size_t j) { return b(j, l); });
    INFO("m " << m << ", n " << n << ", k " << k);
    const double ratio = reference::worst_ratio(c.view(), expected);
    if (!(ratio <= 1)) CHECK(ratio <= 1);
    worst = std::max(worst, ratio);
    REQUIRE(c.surroundings_intact());
  }
  CHECK(worst <= 1);
}

TEMPLATE_LIST_TEST_CASE("Products overwrite the result and nothing else", "[blas]", every_backend_and_eigen) {
  using Scalar = typename TestType::scalar;
  random_numbers random(14);
  double worst = 0;
  for (int round = 0; round < 200; ++round) {
    const std::size_t m = random_side(random);
    const std::size_t n = random_side(random);
    const std::size_t k = random_side(random);
    const auto alpha = random.pick<Scalar>({1, Scalar{0.5}, random.real<Scalar>(3)});
    const guarded_matrix<Scalar> a(m, k, random_gap(random), random);
    const guarded_matrix<Scalar> b(k, n, random_gap(random), random);
    guarded_matrix<Scalar> c(m, n, random_gap(random));
    TestType::backend::multiply(alpha, a.view(), b.view(), c.view());
    const auto expected = product(alpha, a, n, [&](std::size_t l, std::size_t j) { return b(l, j); });
    INFO("m " << m << ", n " << n << ", k " << k);
    const double ratio = reference::worst_ratio(c.view(), expected);
    if (!(ratio <= 1)) CHECK(ratio <= 1);
    worst = std::max(worst, ratio);
    REQUIRE(c.surroundings_intact());
  }
  CHECK(worst <= 1);
}

TEMPLATE_LIST_TEST_CASE("A batch of matrix-vector products overwrites each result", "[blas]", every_backend_and_eigen) {
  using Scalar = typename TestType::scalar;
  random_numbers random(15);
  for (int round = 0; round < 150; ++round) {
    const std::size_t count = random.pick<std::size_t>({0, 1, 2, 7, 64, 65});
    const std::size_t rows = random.pick<std::size_t>({0, 1, 1, 1, 2, 5, 17});
    const std::size_t cols = random_length(random);
    const std::size_t gap = random_gap(random);
    std::vector<guarded_matrix<Scalar>> a;
    std::vector<guarded_matrix<Scalar>> x;
    std::vector<guarded_matrix<Scalar>> y;
    for (std::size_t i = 0; i < count; ++i) {
      a.emplace_back(rows, cols, gap, random);
      x.emplace_back(1, cols, 0, random);
      y.emplace_back(1, rows, 0);
    }
    std::vector<const Scalar*> a_rows(count);
    std::vector<const Scalar*> x_rows(count);
    std::vector<Scalar*> y_rows(count);
    for (std::size_t i = 0; i < count; ++i) {
      a_rows[i] = a[i].row(0);
      x_rows[i] = x[i].row(0);
      y_rows[i] = y[i].row(0);
    }
    TestType::backend::multiply_batch(ufb::gemv_batch<Scalar>{rows, cols, cols + gap, a_rows, x_rows, y_rows});
    INFO("rows " << rows << ", cols " << cols << ", stride " << cols + gap);
    for (std::size_t i = 0; i < count; ++i) {
      const auto expected = product(Scalar{1}, x[i], rows, [&](std::size_t k, std::size_t r) { return a[i](r, k); });
      REQUIRE(reference::worst_ratio(y[i].view(), expected) <= 1);
      REQUIRE(y[i].surroundings_intact());
    }
  }
}

TEMPLATE_LIST_TEST_CASE("A batch of axpys adds to each result, each with its own factor", "[blas]",
                        every_backend_and_eigen) {
  using Scalar = typename TestType::scalar;
  const auto arithmetic = reference::arithmetic::of<Scalar>();
  random_numbers random(16);
  for (int round = 0; round < 150; ++round) {
    const std::size_t count = random.pick<std::size_t>({0, 1, 2, 7, 64, 65});
    const std::size_t length = random_length(random);
    const auto alpha = random.reals<Scalar>(count);
    std::vector<guarded_matrix<Scalar>> x;
    std::vector<guarded_matrix<Scalar>> y;
    std::vector<reference::table> expected;
    for (std::size_t i = 0; i < count; ++i) {
      x.emplace_back(1, length, 0, random);
      y.emplace_back(1, length, 0, random);
      expected.emplace_back(1, length);
      for (std::size_t k = 0; k < length; ++k) {
        const double product = static_cast<double>(alpha[i]) * static_cast<double>(x[i](0, k));
        const double rounding = static_cast<double>(std::numeric_limits<Scalar>::epsilon()) * std::abs(product);
        expected[i](0, k) = arithmetic.sum({static_cast<double>(y[i](0, k))}, {product, rounding});
      }
    }
    std::vector<const Scalar*> x_rows(count);
    std::vector<Scalar*> y_rows(count);
    for (std::size_t i = 0; i < count; ++i) {
      x_rows[i] = x[i].row(0);
      y_rows[i] = y[i].row(0);
    }
    TestType::backend::accumulate_batch(ufb::axpy_batch<Scalar>{length, alpha, x_rows, y_rows});
    for (std::size_t i = 0; i < count; ++i) {
      REQUIRE(reference::worst_ratio(y[i].view(), expected[i]) <= 1);
      REQUIRE(y[i].surroundings_intact());
    }
  }
}

TEST_CASE("The plain dot product adds in rising order, whatever the compiler makes of it", "[blas]") {
  // 2^24 + 1 is no float: in rising order every 1 is lost, in other orders some are not.
  std::vector<float> x(40, 1.0F);
  x[0] = 16'777'216.0F;
  const std::vector<float> ones(40, 1.0F);
  CHECK(ufb::plain_backend::dot(x.size(), x.data(), ones.data()) == 16'777'216.0F);
}

#if UFB_WITH_CBLAS

TEST_CASE("Sizes that a 32-bit BLAS cannot take are an overflow", "[blas]") {
  constexpr std::size_t largest = 2'147'483'647;
  CHECK(ufb::blas::blas_size(0) == 0);
  CHECK(ufb::blas::blas_size(largest) == std::numeric_limits<int>::max());
  CHECK(error_text_of([] { (void)ufb::blas::blas_size(largest + 1); }) ==
        "overflow: BLAS call: sizes below 2^31: 2147483648");
  CHECK(error_text_of([] { (void)ufb::blas::blas_size(std::numeric_limits<std::size_t>::max()); }) ==
        "overflow: BLAS call: sizes below 2^31: 18446744073709551615");
  float element = 1;
  CHECK(error_text_of([&] { (void)ufb::cblas_backend::dot(largest + 1, &element, &element); }) ==
        "overflow: BLAS call: sizes below 2^31: 2147483648");
  CHECK(element == 1);
}

#endif
