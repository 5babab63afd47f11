// SPDX-License-Identifier: MIT
//
// What narrow weights cost: the tokens of given inputs that leave the reference's paths, and the error of the others.
//
//   const auto cost = compare_layers(layer_in_float32, layer_in_int8, x, workspace);
//   std::cout << cost.tokens_on_other_paths << " of " << cost.tokens << " tokens, " << cost.relative_error << '\n';
//
// Layer: layers.
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/core/matrix_view.hpp"
#include "ultrafastbert/core/workspace.hpp"

namespace ultrafastbert {

/// How the outputs of an FFF layer compare with those of a reference on the same tokens. A token is on other paths if a
/// visited node of any tree differs; it counts once then, and its output not at all. |.| is the Euclidean norm.
struct fff_comparison {
  std::size_t tokens = 0;
  std::size_t tokens_on_other_paths = 0;
  /// |y - reference| / |reference|, norms over all outputs of all tokens on equal paths; 0 if there is no such token,
  /// infinite if only the reference is 0, NaN if an output is.
  double relative_error = 0.0;
  /// The largest |y - reference| of one token on equal paths / root mean square of |reference| over all of them.
  double worst_error = 0.0;
  std::size_t worst_token = 0;  ///< row of x with that error, the first of several; 0 if no token has an error
};

/// What `compare_layers` needs of an FFF layer: any `fast_feedforward` has it.
template <class Layer>
concept comparable_layer = requires(const Layer& layer, const matrix_view<const typename Layer::scalar_type>& x,
                                    const matrix_view<typename Layer::scalar_type>& y, workspace& scratch,
                                    const matrix_view<std::int32_t>& paths) {
  { layer.input_width() } -> std::convertible_to<std::size_t>;
  { layer.output_width() } -> std::convertible_to<std::size_t>;
  { layer.depth() } -> std::convertible_to<std::size_t>;
  { layer.parallel_size() } -> std::convertible_to<std::size_t>;
  { layer.path_length() } -> std::convertible_to<std::size_t>;
  layer.forward(x, y, scratch, paths);
};

namespace layers {

/// Collects what a comparison reports, token by token.
class comparison_sums {
 public:
  /// A token on equal paths. Shapes: y, reference: (n).
  template <class Scalar, class ReferenceScalar>
  void add(std::size_t token, const Scalar* y, const ReferenceScalar* reference, std::size_t n) noexcept {
    double error = 0.0;
    for (std::size_t k = 0; k < n; ++k) {
      const auto expected = static_cast<double>(reference[k]);
      const double difference = static_cast<double>(y[k]) - expected;
      error += difference * difference;
      norm_ += expected * expected;
    }
    error_ += error;
    ++tokens_;
    if (error > worst_ || (std::isnan(error) && !std::isnan(worst_))) {
      worst_ = error;
      worst_token_ = token;
    }
  }

  [[nodiscard]] fff_comparison result(std::size_t tokens) const noexcept {
    return {.tokens = tokens,
            .tokens_on_other_paths = tokens - tokens_,
            .relative_error = relative(error_),
            .worst_error = relative(worst_ * static_cast<double>(tokens_)),
            .worst_token = worst_token_};
  }

 private:
  [[nodiscard]] double relative(double squared) const noexcept {
    if (squared == 0.0) return 0.0;
    return norm_ == 0.0 ? std::numeric_limits<double>::infinity() : std::sqrt(squared / norm_);
  }

  double error_ = 0.0;      // sum of |y - reference|^2
  double norm_ = 0.0;       // sum of |reference|^2
  double worst_ = 0.0;      // the largest |y - reference|^2 of a token
  std::size_t tokens_ = 0;  // on equal paths
  std::size_t worst_token_ = 0;
};

/// Throws: shape_mismatch unless both layers have the same sizes.
template <class Reference, class Candidate>
void check_comparable(const Reference& reference, const Candidate& candidate) {
  const auto sizes = [](const auto& layer) {
    return std::to_string(layer.parallel_size()) + 'x' + std::to_string(layer.depth()) + ", " +
           std::to_string(layer.input_width()) + " to " + std::to_string(layer.output_width());
  };
  std::string expected = sizes(reference);
  std::string found = sizes(candidate);
  if (expected == found) return;
  fail(error_code::shape_mismatch, {.where = "candidate", .expected = std::move(expected), .found = std::move(found)});
}

}  // namespace layers

/// Sends the tokens through two FFF layers of the same sizes and compares paths and outputs: the same weights in two
/// storages, at two instruction set levels, with two engines, or in float and double.
/// Shapes: x: (tokens, input_width) row-major, widened for a double reference.
/// Throws: shape_mismatch (sizes differ), invalid_input (the width of x), std::bad_alloc while scratch grows.
/// Complexity: both layers' forward; the scratch memory does not grow with the tokens.
template <comparable_layer Reference, comparable_layer Candidate>
requires(sizeof(typename Reference::scalar_type) >= sizeof(typename Candidate::scalar_type))
    [[nodiscard]] fff_comparison
    compare_layers(const Reference& reference, const Candidate& candidate,
                   const matrix_view<const typename Candidate::scalar_type>& x, workspace& scratch) {
  using reference_scalar = typename Reference::scalar_type;
  using scalar = typename Candidate::scalar_type;
  layers::check_comparable(reference, candidate);
  core::check_extents(x, x.rows(), candidate.input_width(), "x");
  constexpr std::size_t tokens_at_a_time = 512;
  const std::size_t most = (std::min)(x.rows(), tokens_at_a_time);
  const std::size_t width = candidate.output_width();
  workspace::frame frame(scratch);
  const auto inputs = frame.take_matrix<reference_scalar>(most, x.cols());
  const auto expected = frame.take_matrix<reference_scalar>(most, width);
  const auto y = frame.take_matrix<scalar>(most, width);
  const auto expected_paths = frame.take_matrix<std::int32_t>(most, reference.path_length());
  const auto paths = frame.take_matrix<std::int32_t>(most, candidate.path_length());

  layers::comparison_sums sums;
  for (std::size_t first = 0; first < x.rows(); first += most) {
    const std::size_t tokens = (std::min)(most, x.rows() - first);
    for (std::size_t t = 0; t < tokens; ++t) std::copy_n(x.row(first + t), x.cols(), inputs.row(t));
    reference.forward(inputs.rows_from(0, tokens), expected.rows_from(0, tokens), scratch,
                      expected_paths.rows_from(0, tokens));
    candidate.forward(x.rows_from(first, tokens), y.rows_from(0, tokens), scratch, paths.rows_from(0, tokens));
    for (std::size_t t = 0; t < tokens; ++t) {
      if (!std::equal(paths.row(t), paths.row(t) + paths.cols(), expected_paths.row(t))) continue;
      sums.add(first + t, y.row(t), expected.row(t), width);
    }
  }
  return sums.result(x.rows());
}

}  // namespace ultrafastbert
