// SPDX-License-Identifier: MIT
//
// The layer program of the compile times: builds one fast feedforward layer from random weights, sends a few tokens
// through it and ends with status 0 if the outputs are finite and not all zero.
#include <cmath>
#include <random>
#include <ultrafastbert/layers.hpp>
#include <vector>

namespace ufb = ultrafastbert;

int main() {
  constexpr std::size_t width = 64;
  constexpr std::size_t depth = 5;
  constexpr std::size_t nodes = ufb::cmm::tree::node_count(depth);
  constexpr std::size_t tokens = 8;

  std::mt19937 generator(1);
  std::normal_distribution<float> normal;
  std::vector<float> weights_in(nodes * width);
  std::vector<float> weights_out(width * nodes);
  std::vector<float> bias(nodes);
  std::vector<float> x(tokens * width);
  std::vector<float> y(tokens * width);
  for (auto* values : {&weights_in, &weights_out, &bias, &x}) {
    for (float& value : *values) value = normal(generator);
  }

  const ufb::fast_feedforward<float> layer(
      {.input_width = width, .output_width = width, .depth = depth, .parallel_size = 1},
      {weights_in.data(), {nodes, width}}, bias, {weights_out.data(), {width, nodes}});
  ufb::workspace workspace;
  layer.forward({x.data(), {tokens, width}}, {y.data(), {tokens, width}}, workspace);

  float sum = 0.0F;
  for (const float value : y) sum += std::abs(value);
  return std::isfinite(sum) && sum > 0.0F ? 0 : 1;
}
