// SPDX-License-Identifier: MIT
//
// A random conditional matrix multiplication: its operands, a run of it, and what the reference says of the run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "support/random.hpp"
#include "support/reference.hpp"
#include "ultrafastbert/cmm/conditional_matrix_multiplication.hpp"

namespace ufb_test {

namespace ufb = ultrafastbert;

struct cmm_sizes {
  std::size_t tokens = 0;
  std::size_t input_width = 1;
  std::size_t output_width = 1;
  std::size_t depth = 0;
  std::size_t parallel_size = 1;
};

[[nodiscard]] inline cmm_sizes random_cmm_sizes(random_numbers& random) {
  return {.tokens = random.pick<std::size_t>({0, 1, 2, 7, 63, 64, 65, 130}),
          .input_width = random.pick<std::size_t>({1, 2, 3, 7, 16, 33, 64}),
          .output_width = random.pick<std::size_t>({1, 2, 5, 16, 31, 48}),
          .depth = random.size(0, 6),
          .parallel_size = random.size(1, 5)};
}

/// Operands in matrices with gaps, so that strides differ from widths.
template <class Scalar>
struct cmm_problem {
  cmm_problem(const cmm_sizes& problem_sizes, bool with_bias, ufb::activation_kind kind, random_numbers& random)
      : sizes(problem_sizes),
        nodes(sizes.parallel_size * ((std::size_t{2} << sizes.depth) - 1)),
        linear_in(nodes, sizes.input_width, random.size(0, 3), random),
        bias_in(with_bias ? random.reals<Scalar>(nodes, 0.5) : std::vector<Scalar>()),
        linear_out(nodes, sizes.output_width, random.size(0, 3), random),
        activation(kind),
        x(sizes.tokens, sizes.input_width, random.size(0, 3), random) {}

  [[nodiscard]] ufb::cmm_weights<Scalar> weights() const {
    return {.linear_in = linear_in.view(),
            .bias_in = bias_in,
            .linear_out = linear_out.view(),
            .depth = sizes.depth,
            .parallel_size = sizes.parallel_size,
            .activation = activation};
  }

  [[nodiscard]] reference::fff_weights reference_weights(bool zero_goes_right) const {
    return {.linear_in = reference::exact_of(linear_in.view()),
            .bias_in = std::vector<double>(bias_in.begin(), bias_in.end()),
            .linear_out = reference::exact_of(linear_out.view()),
            .depth = sizes.depth,
            .parallel_size = sizes.parallel_size,
            .activation = activation,
            .zero_goes_right = zero_goes_right};
  }

  [[nodiscard]] std::size_t path_length() const { return sizes.parallel_size * (sizes.depth + 1); }

  cmm_sizes sizes;
  std::size_t nodes;
  guarded_matrix<Scalar> linear_in;
  std::vector<Scalar> bias_in;
  guarded_matrix<Scalar> linear_out;
  ufb::activation_kind activation;
  guarded_matrix<Scalar> x;
};

/// What a run gave.
template <class Scalar>
struct cmm_run {
  guarded_matrix<Scalar> y;
  reference::grid<std::int32_t> path;
};

template <class TieRule, class Backend, class Scalar>
cmm_run<Scalar> run_cmm(const cmm_problem<Scalar>& problem, ufb::workspace& scratch) {
  cmm_run<Scalar> run{.y = guarded_matrix<Scalar>(problem.sizes.tokens, problem.sizes.output_width, 2),
                      .path = reference::grid<std::int32_t>(problem.sizes.tokens, problem.path_length())};
  const ufb::matrix_view<std::int32_t> path(run.path.cells.data(), {run.path.rows, run.path.cols});
  ufb::conditional_matrix_multiply<TieRule, Backend, Scalar>(problem.weights(), problem.x.view(), run.y.view(), scratch,
                                                             path);
  return run;
}

/// Steps of a path that begin elsewhere than at the root, lead to no child, or leave the tree.
[[nodiscard]] inline std::size_t broken_steps(const reference::grid<std::int32_t>& path, const cmm_sizes& sizes) {
  std::size_t broken = 0;
  const std::size_t levels = sizes.depth + 1;
  for (std::size_t t = 0; t < path.rows; ++t) {
    for (std::size_t i = 0; i < path.cols; ++i) {
      const std::int64_t node = path(t, i);
      const std::int64_t before = i % levels == 0 ? 0 : path(t, i - 1);
      const bool good = i % levels == 0 ? node == 0 : node == 2 * before + 1 || node == 2 * before + 2;
      if (!good || node >= (std::int64_t{2} << sizes.depth) - 1) ++broken;
    }
  }
  return broken;
}

}  // namespace ufb_test
