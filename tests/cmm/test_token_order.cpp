// SPDX-License-Identifier: MIT
//
// A token's bits are its own: with the plain backend they do not depend on which other tokens are in the call.
#include <cstddef>
#include <cstring>
#include <utility>

#include "cmm/support.hpp"
#include "support/catch.hpp"
#include "ultrafastbert/blas/plain_backend.hpp"

using namespace ufb_test;

namespace {

// Copies chosen tokens of a problem into one of their own.
template <class Scalar>
cmm_run<Scalar> run_selection(const cmm_problem<Scalar>& all, const std::vector<std::size_t>& tokens,
                              ufb::workspace& scratch) {
  cmm_problem<Scalar> part = all;
  part.sizes.tokens = tokens.size();
  part.x = guarded_matrix<Scalar>(tokens.size(), all.sizes.input_width, 1);
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    std::memcpy(part.x.row(i), all.x.row(tokens[i]), all.sizes.input_width * sizeof(Scalar));
  }
  return run_cmm<ufb::positive_goes_right, ufb::plain_backend>(part, scratch);
}

template <class Scalar>
std::size_t different_tokens(const cmm_run<Scalar>& all, const cmm_run<Scalar>& part,
                             const std::vector<std::size_t>& tokens) {
  std::size_t different = 0;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const std::size_t t = tokens[i];
    const bool same = std::memcmp(part.y.row(i), all.y.row(t), all.y.cols() * sizeof(Scalar)) == 0 &&
                      std::memcmp(&part.path(i, 0), &all.path(t, 0), all.path.cols * sizeof(std::int32_t)) == 0;
    if (!same) ++different;
  }
  return different;
}

}  // namespace

TEMPLATE_TEST_CASE("With the plain backend a token's bits depend on no other token", "[cmm]", float, double) {
  random_numbers random(51);
  ufb::workspace scratch;
  for (int round = 0; round < 40; ++round) {
    auto sizes = random_cmm_sizes(random);
    sizes.tokens = 130;
    const cmm_problem<TestType> problem(sizes, random.coin(), ufb::activation_kind::gelu, random);
    const auto all = run_cmm<ufb::positive_goes_right, ufb::plain_backend>(problem, scratch);
    auto order = random.permutation(sizes.tokens);
    REQUIRE(different_tokens(all, run_selection(problem, order, scratch), order) == 0);
    order.resize(random.size(1, 129));
    REQUIRE(different_tokens(all, run_selection(problem, order, scratch), order) == 0);
    order.resize(1);
    REQUIRE(different_tokens(all, run_selection(problem, order, scratch), order) == 0);
    const std::vector<std::size_t> repeated(65, order[0]);
    REQUIRE(different_tokens(all, run_selection(problem, repeated, scratch), repeated) == 0);
  }
}

TEMPLATE_TEST_CASE("With the plain backend even logits within rounding of zero keep their side", "[cmm]", float,
                   double) {
  // Every visited node's bias is set to minus the token's own dot product: all logits are exactly 0 in the order of
  // summation that set them, and any other order would send tokens elsewhere.
  random_numbers random(52);
  ufb::workspace scratch;
  for (int round = 0; round < 20; ++round) {
    const cmm_sizes sizes{.tokens = 100,
                          .input_width = random.size(20, 70),
                          .output_width = 8,
                          .depth = 5,
                          .parallel_size = random.size(1, 3)};
    cmm_problem<TestType> problem(sizes, true, ufb::activation_kind::gelu, random);
    for (std::size_t t = 1; t < sizes.tokens; ++t) {
      std::memcpy(problem.x.row(t), problem.x.row(0), sizes.input_width * sizeof(TestType));
    }
    for (std::size_t node = 0; node < problem.nodes; ++node) {
      problem.bias_in[node] =
          -ufb::plain_backend::dot(sizes.input_width, problem.linear_in.row(node), problem.x.row(0));
    }
    const auto all = run_cmm<ufb::positive_goes_right, ufb::plain_backend>(problem, scratch);
    const auto benchmark = run_cmm<ufb::non_negative_goes_right, ufb::plain_backend>(problem, scratch);
    std::size_t moved = 0;
    for (std::size_t t = 0; t < sizes.tokens; ++t) {
      for (std::size_t i = 0; i < all.path.cols; ++i) {
        const std::size_t level = i % 6;
        if (all.path(t, i) != static_cast<std::int32_t>((std::size_t{1} << level) - 1)) ++moved;
        if (benchmark.path(t, i) != static_cast<std::int32_t>((std::size_t{2} << level) - 2)) ++moved;
      }
    }
    REQUIRE(moved == 0);
  }
}
