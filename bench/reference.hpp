// SPDX-License-Identifier: MIT
//
// What the layer should compute, written down plainly in double precision, and the comparison that every engine has to
// pass before it is timed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "problem.hpp"

namespace ufb_bench {

/// Outputs and paths of the first tokens of a problem.
struct reference {
  reference(const problem& from, std::size_t token_count);

  std::size_t tokens;
  std::size_t path_length;
  std::size_t levels;
  std::vector<std::int32_t> paths;  ///< (tokens, path_length), nodes numbered within their tree
  std::vector<bool> near_tie;       ///< (tokens, path_length): |logit| <= 2^-22 |weights| |input|
  ufb::matrix<double> y;            ///< (tokens, output_width)
};

/// How a layer's outputs compare with the reference.
struct verdict {
  bool verified = false;
  std::size_t tokens = 0;
  std::size_t differing = 0;    ///< tokens on another path, near-ties apart
  std::size_t near_ties = 0;    ///< tokens that took the other way at a near-tie
  std::string near_tie_list{};  ///< the first of them, as token numbers
  double overall = 0.0;         ///< |y - reference| / |reference|, Euclidean norms over all tokens on the same path
  double worst = 0.0;           ///< largest |y - reference| of one such token / root mean square |reference| of a token
  std::string problem{};        ///< what is wrong, if anything
};

/// Shapes: x, y: (n, width); paths: (n, path_length) or empty.
using fff_function = std::function<void(const ufb::matrix_view<const float>& x, const ufb::matrix_view<float>& y,
                                        const ufb::matrix_view<std::int32_t>& paths)>;

/// Sends the reference's tokens through `forward` in batches of `batch`, with and without recording paths.
[[nodiscard]] verdict verify(const problem& what, const reference& expected, const fff_function& forward,
                             std::size_t batch, ufb::weight_storage storage);

/// A sentence on how the tokens spread over the leaves of the first tree.
[[nodiscard]] std::string describe_leaves(const problem& what, const reference& expected);

/// Whether `y` is W2 gelu(W1 x) for one token. Shapes: x, y: (width).
[[nodiscard]] bool is_dense_output(const ufb::matrix_view<const float>& in, const ufb::matrix_view<const float>& out,
                                   const float* x, const float* y);

}  // namespace ufb_bench
