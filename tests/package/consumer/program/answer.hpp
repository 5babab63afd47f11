// SPDX-License-Identifier: MIT
//
// A layer small enough to do by hand: 2 inputs, 2 outputs, 3 nodes, ReLU. The answer is 201, 402, 20, 40.
#pragma once

#include <array>
#include <span>
#include <ultrafastbert/layers.hpp>

template <class Backend = ultrafastbert::default_backend<float>>
std::array<float, 4> answer() {
  namespace ufb = ultrafastbert;
  using layer_type = ufb::fast_feedforward<float, ufb::dynamic_extent, ufb::dynamic_extent, ufb::dynamic_extent,
                                           ufb::dynamic_extent, ufb::positive_goes_right, Backend>;
  const std::array<float, 6> linear_in{1, 0, 1, 1, 0, 1};
  const std::array<float, 3> bias_in{0, 0, 0};
  const std::array<float, 6> linear_out{1, 10, 100, 2, 20, 200};
  const layer_type layer({.input_width = 2,
                          .output_width = 2,
                          .depth = 1,
                          .parallel_size = 1,
                          .activation = ufb::activation_kind::relu},
                         ufb::matrix_view<const float>(linear_in.data(), {3, 2}), std::span<const float>(bias_in),
                         ufb::matrix_view<const float>(linear_out.data(), {2, 3}));
  const std::array<float, 4> x{1, 2, -1, 3};
  std::array<float, 4> y{};
  ufb::workspace workspace;
  layer.forward(ufb::matrix_view<const float>(x.data(), {2, 2}), ufb::matrix_view<float>(y.data(), {2, 2}), workspace);
  return y;
}
