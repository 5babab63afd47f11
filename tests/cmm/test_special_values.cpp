// SPDX-License-Identifier: MIT
//
// Exact ties under both rules, and inputs that are no numbers: a path never leaves its tree.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "cmm/support.hpp"
#include "support/backends.hpp"
#include "support/catch.hpp"

using namespace ufb_test;

namespace {

template <class Scalar>
void fill_with_small_integers(guarded_matrix<Scalar>& matrix, random_numbers& random) {
  for (std::size_t r = 0; r < matrix.rows(); ++r) {
    for (std::size_t c = 0; c < matrix.cols(); ++c) {
      matrix(r, c) = static_cast<Scalar>(static_cast<int>(random.size(0, 4)) - 2);
    }
  }
}

// Sums of small integers are exact in any order, so logits are exactly 0 often, and results are equal, not close.
template <class TieRule, class TestType>
void check_ties(bool zero_goes_right) {
  using Scalar = typename TestType::scalar;
  random_numbers random(41);
  ufb::workspace scratch;
  std::size_t zero_logits = 0;
  for (int round = 0; round < 40; ++round) {
    const cmm_sizes sizes{.tokens = random.pick<std::size_t>({1, 64, 65}),
                          .input_width = random.size(1, 6),
                          .output_width = random.size(1, 9),
                          .depth = random.size(0, 5),
                          .parallel_size = random.size(1, 3)};
    cmm_problem<Scalar> problem(sizes, random.coin(), ufb::activation_kind::relu, random);
    fill_with_small_integers(problem.linear_in, random);
    fill_with_small_integers(problem.linear_out, random);
    fill_with_small_integers(problem.x, random);
    for (Scalar& bias : problem.bias_in) bias = static_cast<Scalar>(static_cast<int>(random.size(0, 2)) - 1);
    const auto run = run_cmm<TieRule, typename TestType::backend>(problem, scratch);
    const auto x = reference::table_of(reference::exact_of(problem.x.view()));
    const auto arithmetic = reference::arithmetic::without_rounding();
    const auto expected = arithmetic.fff(x, problem.reference_weights(zero_goes_right));
    REQUIRE(run.path.cells == expected.path.cells);
    REQUIRE(reference::worst_ratio(run.y.view(), expected.y) == 0);
    const auto other = arithmetic.fff(x, problem.reference_weights(!zero_goes_right));
    if (other.path.cells != expected.path.cells) ++zero_logits;
  }
  CHECK(zero_logits > 20);  // the two rules part ways in most rounds
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("Exact zeros go left in trained layers", "[cmm]", every_backend) {
  check_ties<ufb::positive_goes_right, TestType>(false);
}

TEMPLATE_LIST_TEST_CASE("Exact zeros go right in the benchmark's form", "[cmm]", every_backend) {
  check_ties<ufb::non_negative_goes_right, TestType>(true);
}

TEMPLATE_LIST_TEST_CASE("Logits that are NaN lead to the left-most leaf under both rules", "[cmm]", every_backend) {
  using Scalar = typename TestType::scalar;
  random_numbers random(42);
  ufb::workspace scratch;
  const cmm_sizes sizes{.tokens = 67, .input_width = 5, .output_width = 3, .depth = 6, .parallel_size = 2};
  cmm_problem<Scalar> problem(sizes, true, ufb::activation_kind::gelu, random);
  const std::size_t poisoned = 30;
  problem.x(poisoned, 2) = std::numeric_limits<Scalar>::quiet_NaN();
  const auto check = [&](const cmm_run<Scalar>& run) {
    CHECK(broken_steps(run.path, sizes) == 0);
    for (std::size_t i = 0; i < run.path.cols; ++i) {
      CHECK(run.path(poisoned, i) == static_cast<std::int32_t>((std::size_t{1} << i % 7) - 1));
    }
    for (std::size_t t = 0; t < sizes.tokens; ++t) {
      const bool all_nan = std::all_of(run.y.row(t), run.y.row(t) + 3, [](Scalar v) { return std::isnan(v); });
      const bool any_nan = std::any_of(run.y.row(t), run.y.row(t) + 3, [](Scalar v) { return std::isnan(v); });
      CHECK((t == poisoned ? all_nan : !any_nan));  // one token's NaN is its own affair
    }
  };
  check(run_cmm<ufb::positive_goes_right, typename TestType::backend>(problem, scratch));
  check(run_cmm<ufb::non_negative_goes_right, typename TestType::backend>(problem, scratch));
}

TEMPLATE_LIST_TEST_CASE("Paths stay inside the tree whatever the numbers are", "[cmm]", every_backend) {
  using Scalar = typename TestType::scalar;
  using limits = std::numeric_limits<Scalar>;
  random_numbers random(43);
  ufb::workspace scratch;
  const auto poison = [&](Scalar& value) {
    value = random.pick({limits::quiet_NaN(), limits::infinity(), -limits::infinity(), limits::max(), limits::lowest(),
                         limits::denorm_min(), Scalar{0}, -Scalar{0}});
  };
  for (int round = 0; round < 60; ++round) {
    const auto sizes = random_cmm_sizes(random);
    cmm_problem<Scalar> problem(sizes, true, ufb::activation_kind::silu, random);
    for (std::size_t i = 0; i < sizes.tokens; ++i) poison(problem.x(i, random.size(0, sizes.input_width - 1)));
    for (int i = 0; i < 10; ++i) {
      const std::size_t node = random.size(0, problem.nodes - 1);
      poison(problem.linear_in(node, random.size(0, sizes.input_width - 1)));
      poison(problem.linear_out(node, random.size(0, sizes.output_width - 1)));
      poison(problem.bias_in[random.size(0, problem.nodes - 1)]);
    }
    const auto run = run_cmm<ufb::positive_goes_right, typename TestType::backend>(problem, scratch);
    REQUIRE(broken_steps(run.path, sizes) == 0);
    REQUIRE(run.y.surroundings_intact());
  }
}

TEMPLATE_LIST_TEST_CASE("Infinite logits go to their side", "[cmm]", every_backend) {
  using Scalar = typename TestType::scalar;
  random_numbers random(44);
  ufb::workspace scratch;
  const cmm_sizes sizes{.tokens = 2, .input_width = 1, .output_width = 2, .depth = 3, .parallel_size = 1};
  cmm_problem<Scalar> problem(sizes, true, ufb::activation_kind::relu, random);
  for (std::size_t node = 0; node < problem.nodes; ++node) problem.linear_in(node, 0) = 1;
  problem.x(0, 0) = std::numeric_limits<Scalar>::infinity();
  problem.x(1, 0) = -std::numeric_limits<Scalar>::infinity();
  const auto run = run_cmm<ufb::positive_goes_right, typename TestType::backend>(problem, scratch);
  CHECK(run.path.cells == std::vector<std::int32_t>{0, 2, 6, 14, 0, 1, 3, 7});
  CHECK(run.y(1, 0) == 0);  // ReLU of minus infinity
}
