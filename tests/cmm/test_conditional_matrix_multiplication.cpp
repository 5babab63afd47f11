// SPDX-License-Identifier: MIT
//
// Conditional matrix multiplication over random shapes: every backend against the reference, and against each other.
#include <algorithm>
#include <cmath>
#include <cstddef>

#include "cmm/support.hpp"
#include "support/backends.hpp"
#include "support/catch.hpp"

using namespace ufb_test;

namespace {

/// Adds up over rounds what must be zero, so that a test checks once.
struct findings {
  std::size_t broken_steps = 0;
  std::size_t wrong_turns = 0;
  std::size_t contested = 0;
  std::size_t steps = 0;
  std::size_t spilled = 0;
  double worst_ratio = 0;
};

template <class Scalar>
reference::table judge(findings& total, const cmm_problem<Scalar>& problem, const cmm_run<Scalar>& run,
                       bool zero_goes_right) {
  const auto expected = reference::arithmetic::of<Scalar>().fff(
      reference::table_of(reference::exact_of(problem.x.view())), problem.reference_weights(zero_goes_right), run.path);
  total.broken_steps += broken_steps(run.path, problem.sizes);
  total.wrong_turns += expected.wrong_turns;
  total.contested += expected.contested;
  total.steps += run.path.cells.size();
  if (!run.y.surroundings_intact()) ++total.spilled;
  total.worst_ratio = std::max(total.worst_ratio, reference::worst_ratio(run.y.view(), expected.y));
  return expected.y;
}

void check(const findings& total) {
  CHECK(total.broken_steps == 0);
  CHECK(total.wrong_turns == 0);
  CHECK(total.spilled == 0);
  CHECK(total.worst_ratio <= 1);
  CHECK(total.steps > 10'000);
  CHECK(total.contested * 1000 < total.steps);  // else the exactness of paths would mean nothing
}

ufb::activation_kind random_activation(random_numbers& random) {
  return random.pick(
      {ufb::activation_kind::gelu, ufb::activation_kind::relu, ufb::activation_kind::silu, ufb::activation_kind::tanh});
}

template <class TieRule, class TestType>
void check_random_shapes(std::uint64_t seed, bool zero_goes_right) {
  using Scalar = typename TestType::scalar;
  random_numbers random(seed);
  ufb::workspace scratch;
  findings total;
  for (int round = 0; round < 120; ++round) {
    const auto sizes = random_cmm_sizes(random);
    const bool with_bias = random.coin();
    const cmm_problem<Scalar> problem(sizes, with_bias, random_activation(random), random);
    judge(total, problem, run_cmm<TieRule, typename TestType::backend>(problem, scratch), zero_goes_right);
  }
  check(total);
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("Paths and outputs follow the reference where positive logits go right", "[cmm]",
                        every_backend) {
  check_random_shapes<ufb::positive_goes_right, TestType>(31, false);
}

TEMPLATE_LIST_TEST_CASE("Paths and outputs follow the reference where zero goes right, too", "[cmm]", every_backend) {
  check_random_shapes<ufb::non_negative_goes_right, TestType>(32, true);
}

TEMPLATE_TEST_CASE("The BLAS of the build and plain loops agree wherever their paths do", "[cmm]", float, double) {
  random_numbers random(33);
  ufb::workspace scratch;
  findings total;
  std::size_t same_paths = 0;
  std::size_t tokens = 0;
  double worst = 0;
  for (int round = 0; round < 120; ++round) {
    const auto sizes = random_cmm_sizes(random);
    const cmm_problem<TestType> problem{sizes, random.coin(), random_activation(random), random};
    const auto plain = run_cmm<ufb::positive_goes_right, ufb::plain_backend>(problem, scratch);
    const auto tuned = run_cmm<ufb::positive_goes_right, ufb::default_blas>(problem, scratch);
    const auto expected = judge(total, problem, plain, false);
    judge(total, problem, tuned, false);
    for (std::size_t t = 0; t < sizes.tokens; ++t) {
      ++tokens;
      const auto* path = plain.path.cells.data() + t * plain.path.cols;
      if (!std::equal(path, path + plain.path.cols, tuned.path.cells.data() + t * plain.path.cols)) continue;
      ++same_paths;
      for (std::size_t k = 0; k < sizes.output_width; ++k) {
        const double difference = std::abs(static_cast<double>(plain.y(t, k)) - static_cast<double>(tuned.y(t, k)));
        if (difference > 0) worst = std::max(worst, difference / (2 * expected(t, k).error));
      }
    }
  }
  check(total);
  CHECK(worst <= 1);
  CHECK(same_paths * 100 >= tokens * 99);
}

TEST_CASE("Paths need not be asked for", "[cmm]") {
  random_numbers random(34);
  ufb::workspace scratch;
  const cmm_problem<float> problem({.tokens = 70, .input_width = 9, .output_width = 5, .depth = 4, .parallel_size = 2},
                                   true, ufb::activation_kind::gelu, random);
  const auto with_paths = run_cmm<ufb::positive_goes_right, ufb::plain_backend>(problem, scratch);
  guarded_matrix<float> y(70, 5);
  ufb::conditional_matrix_multiply<ufb::positive_goes_right, ufb::plain_backend, float>(
      problem.weights(), problem.x.view(), y.view(), scratch);
  std::size_t different = 0;
  for (std::size_t t = 0; t < 70; ++t) {
    if (!std::equal(y.row(t), y.row(t) + 5, with_paths.y.row(t))) ++different;
  }
  CHECK(different == 0);
}
