// SPDX-License-Identifier: MIT
//
// The branch for a BLAS with batched calls, through stand-ins for them that record what they get and compute plainly.
#include "ultrafastbert/blas/cblas_backend.hpp"

#if UFB_WITH_CBLAS

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/random.hpp"
#include "ultrafastbert/blas/plain_backend.hpp"

using namespace ufb_test;
namespace ufb = ultrafastbert;

namespace {

/// One call, as the C function would see it.
struct recorded_call {
  int m = 0;
  int n = 0;
  int k = 0;
  double alpha = 0;
  double beta = 0;
  int lda = 0;
  int ldb = 0;
  int ldc = 0;
  std::vector<const void*> a{};
  std::vector<const void*> b{};
  std::vector<const void*> c{};
};

/// Has the parameters of cblas_?gemm_batch, without the layout: no template takes them, so that they must fit exactly.
struct recording_entry_points {
  static constexpr bool has_gemm_batch = true;
  static inline std::vector<recorded_call> calls{};
  static inline int malformed = 0;

  static void gemm_batch(const CBLAS_TRANSPOSE* trans_a, const CBLAS_TRANSPOSE* trans_b, const int* m, const int* n,
                         const int* k, const float* alpha, const float** a, const int* lda, const float** b,
                         const int* ldb, const float* beta, float** c, const int* ldc, int groups,
                         const int* group_sizes) {
    run(trans_a, trans_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc, groups, group_sizes);
  }
  static void gemm_batch(const CBLAS_TRANSPOSE* trans_a, const CBLAS_TRANSPOSE* trans_b, const int* m, const int* n,
                         const int* k, const double* alpha, const double** a, const int* lda, const double** b,
                         const int* ldb, const double* beta, double** c, const int* ldc, int groups,
                         const int* group_sizes) {
    run(trans_a, trans_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc, groups, group_sizes);
  }

 private:
  template <class Scalar>
  static void run(const CBLAS_TRANSPOSE* trans_a, const CBLAS_TRANSPOSE* trans_b, const int* m, const int* n,
                  const int* k, const Scalar* alpha, const Scalar** a, const int* lda, const Scalar** b, const int* ldb,
                  const Scalar* beta, Scalar** c, const int* ldc, int groups, const int* group_sizes) {
    if (groups != 1 || *group_sizes < 1 || *trans_a != CblasNoTrans || *trans_b != CblasNoTrans) ++malformed;
    // The conditions on leading dimensions that CBLAS has for row-major matrices that are not transposed.
    if (*m < 0 || *n < 0 || *k < 0 || *lda < std::max(1, *k) || *ldb < std::max(1, *n) || *ldc < std::max(1, *n)) {
      ++malformed;
    }
    recorded_call call{*m, *n, *k, static_cast<double>(*alpha), static_cast<double>(*beta), *lda, *ldb, *ldc};
    for (int i = 0; i < *group_sizes; ++i) {
      call.a.push_back(a[i]);
      call.b.push_back(b[i]);
      call.c.push_back(c[i]);
      multiply(call, *alpha, a[i], b[i], *beta, c[i]);
    }
    calls.push_back(std::move(call));
  }

  template <class Scalar>
  static void multiply(const recorded_call& call, Scalar alpha, const Scalar* a, const Scalar* b, Scalar beta,
                       Scalar* c) {
    for (int row = 0; row < call.m; ++row) {
      for (int col = 0; col < call.n; ++col) {
        Scalar& out = c[row * call.ldc + col];
        Scalar sum = 0;
        for (int l = 0; l < call.k; ++l) sum += alpha * a[row * call.lda + l] * b[l * call.ldb + col];
        out = beta == 0 ? sum : beta * out + sum;  // a zero beta does not read the result
      }
    }
  }
};

using mocked = ufb::basic_cblas_backend<recording_entry_points>;
static_assert(ufb::blas_backend<mocked, float> && ufb::blas_backend<mocked, double>);
static_assert(mocked::has_batched_calls);
static_assert(!ufb::basic_cblas_backend<ufb::no_batch_entry_points>::has_batched_calls);

std::vector<recorded_call> take_calls() { return std::exchange(recording_entry_points::calls, {}); }

/// All pointers of all calls in order.
std::vector<const void*> joined(const std::vector<recorded_call>& calls,
                                std::vector<const void*> recorded_call::*pointers) {
  std::vector<const void*> out;
  for (const auto& call : calls) out.insert(out.end(), (call.*pointers).begin(), (call.*pointers).end());
  return out;
}

/// A batch's pointers in random order over rows of few matrices, as tokens share nodes.
template <class Scalar>
struct shared_rows {
  shared_rows(std::size_t count, std::size_t rows, std::size_t cols, std::size_t gap, random_numbers& random)
      : matrix(8 * rows, cols, gap, random) {
    for (std::size_t i = 0; i < count; ++i) pointers.push_back(matrix.row(rows * random.size(0, 7)));
  }

  guarded_matrix<Scalar> matrix;
  std::vector<const Scalar*> pointers{};
};

template <class Scalar>
std::vector<Scalar*> rows_of(guarded_matrix<Scalar>& matrix) {
  std::vector<Scalar*> out;
  for (std::size_t r = 0; r < matrix.rows(); ++r) out.push_back(matrix.row(r));
  return out;
}

template <class Scalar>
bool same_bits(const guarded_matrix<Scalar>& a, const guarded_matrix<Scalar>& b) {
  for (std::size_t r = 0; r < a.rows(); ++r) {
    if (std::memcmp(a.row(r), b.row(r), a.cols() * sizeof(Scalar)) != 0) return false;
  }
  return a.surroundings_intact() && b.surroundings_intact();
}

std::size_t random_count(random_numbers& random) {
  return random.pick<std::size_t>({0, 1, 2, 63, 64, 65, 128, 200, random.size(3, 150)});
}

}  // namespace

TEMPLATE_TEST_CASE("Batched gemv through a BLAS's batched calls equals the plain loops", "[blas]", float, double) {
  random_numbers random(21);
  for (int round = 0; round < 200; ++round) {
    const std::size_t count = random_count(random);
    const std::size_t rows = random.pick<std::size_t>({1, 1, 2, 5});
    const std::size_t cols = random.pick<std::size_t>({1, 2, 17, 64});
    const std::size_t gap = random.pick<std::size_t>({0, 3});
    const shared_rows<TestType> a(count, rows, cols, gap, random);
    const shared_rows<TestType> x(count, 1, cols, 0, random);
    guarded_matrix<TestType> y(count, rows);
    guarded_matrix<TestType> expected(count, rows);
    const auto batch = [&](const std::vector<TestType*>& results) {
      return ufb::gemv_batch<TestType>{rows, cols, cols + gap, a.pointers, x.pointers, results};
    };
    const auto y_rows = rows_of(y);
    const auto expected_rows = rows_of(expected);
    mocked::multiply_batch(batch(y_rows));
    ufb::plain_backend::multiply_batch(batch(expected_rows));
    REQUIRE(same_bits(y, expected));

    const auto calls = take_calls();
    REQUIRE(calls.size() == (count + 63) / 64);
    for (const auto& call : calls) {
      REQUIRE(call.m == static_cast<int>(rows));
      REQUIRE(call.n == 1);
      REQUIRE(call.k == static_cast<int>(cols));
      REQUIRE(call.lda == static_cast<int>(cols + gap));
      REQUIRE(call.alpha == 1);
      REQUIRE(call.beta == 0);
    }
    REQUIRE(joined(calls, &recorded_call::a) == std::vector<const void*>(a.pointers.begin(), a.pointers.end()));
    REQUIRE(joined(calls, &recorded_call::b) == std::vector<const void*>(x.pointers.begin(), x.pointers.end()));
    REQUIRE(joined(calls, &recorded_call::c) == std::vector<const void*>(y_rows.begin(), y_rows.end()));
  }
  CHECK(recording_entry_points::malformed == 0);
}

TEMPLATE_TEST_CASE("Batched axpy through a BLAS's batched calls equals the plain loops", "[blas]", float, double) {
  random_numbers random(22);
  for (int round = 0; round < 200; ++round) {
    const std::size_t count = random_count(random);
    const std::size_t length = random.pick<std::size_t>({1, 2, 17, 64});
    const shared_rows<TestType> x(count, 1, length, 0, random);
    const auto alpha = random.reals<TestType>(count);
    guarded_matrix<TestType> y(count, length, 3, random);
    guarded_matrix<TestType> expected = y;
    const auto y_rows = rows_of(y);
    const auto expected_rows = rows_of(expected);
    mocked::accumulate_batch(ufb::axpy_batch<TestType>{length, alpha, x.pointers, y_rows});
    ufb::plain_backend::accumulate_batch(ufb::axpy_batch<TestType>{length, alpha, x.pointers, expected_rows});
    REQUIRE(same_bits(y, expected));

    const auto calls = take_calls();
    REQUIRE(calls.size() == (count + 63) / 64);
    std::vector<const void*> factors;
    for (const TestType& factor : alpha) factors.push_back(&factor);
    for (const auto& call : calls) {
      REQUIRE(call.m == 1);
      REQUIRE(call.n == static_cast<int>(length));
      REQUIRE(call.k == 1);
      REQUIRE(call.alpha == 1);
      REQUIRE(call.beta == 1);
    }
    REQUIRE(joined(calls, &recorded_call::a) == factors);
    REQUIRE(joined(calls, &recorded_call::b) == std::vector<const void*>(x.pointers.begin(), x.pointers.end()));
    REQUIRE(joined(calls, &recorded_call::c) == std::vector<const void*>(y_rows.begin(), y_rows.end()));
  }
  CHECK(recording_entry_points::malformed == 0);
}

TEST_CASE("Batches of empty vectors do not reach the BLAS's batched calls", "[blas]") {
  std::vector<float> result(3, 7.0F);
  const std::vector<const float*> nothing(3, nullptr);
  const std::vector<float*> results{&result[0], &result[1], &result[2]};
  const std::vector<float> alpha(3, 2.0F);
  mocked::accumulate_batch(ufb::axpy_batch<float>{0, alpha, nothing, results});
  CHECK(result == std::vector<float>(3, 7.0F));
  mocked::multiply_batch(ufb::gemv_batch<float>{1, 0, 0, nothing, nothing, results});
  CHECK(result == std::vector<float>(3, 0.0F));
  CHECK(take_calls().empty());
}

#endif
