// SPDX-License-Identifier: MIT
//
// A fast feedforward layer inside a program of one's own: weights in plain arrays, sizes at run time or in the type,
// and the paths that the tokens took.
#include <CLI/CLI.hpp>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iostream>
#include <random>
#include <stdexcept>
#include <vector>

#include "program.hpp"
#include "ultrafastbert/layers.hpp"

namespace {

namespace ufb = ultrafastbert;

std::vector<float> random_values(std::size_t count, float scale, std::mt19937& generator) {
  std::normal_distribution<float> normal(0.0F, scale);
  std::vector<float> values(count);
  for (float& value : values) value = normal(generator);
  return values;
}

void run() {
  // The layer of UltraFastBERT-1x11: one tree of depth 11, 4095 neurons of which every token uses 12.
  constexpr std::size_t width = 768;
  constexpr std::size_t depth = 11;
  constexpr std::size_t nodes = (std::size_t{2} << depth) - 1;
  constexpr std::size_t tokens = 4;

  std::mt19937 generator(11);
  const auto linear_in = random_values(nodes * width, 1.0F / std::sqrt(float{width}), generator);
  const auto bias_in = random_values(nodes, 0.1F, generator);
  const auto linear_out = random_values(width * nodes, 0.1F, generator);
  const auto x = random_values(tokens * width, 1.0F, generator);
  std::vector<float> y(tokens * width);
  std::vector<std::int32_t> paths(tokens * (depth + 1));

  const ufb::matrix_view<const float> in(linear_in.data(), {nodes, width});
  const ufb::matrix_view<const float> out(linear_out.data(), {width, nodes});
  const ufb::matrix_view<const float> inputs(x.data(), {tokens, width});
  const ufb::matrix_view<float> outputs(y.data(), {tokens, width});

  // Sizes given at run time.
  const ufb::fast_feedforward<float> layer(
      {.input_width = width, .output_width = width, .depth = depth, .parallel_size = 1}, in, bias_in, out);
  ufb::workspace workspace;
  layer.forward(inputs, outputs, workspace, {paths.data(), {tokens, layer.path_length()}});

  // The same with sizes that the compiler knows and checks.
  const ufb::fast_feedforward<float, width, width, depth> fixed({}, in, bias_in, out);
  std::vector<float> again(tokens * width);
  fixed.forward(inputs, {again.data(), {tokens, width}}, workspace);

  std::cout << "neurons " << layer.nodes() << ", used per token " << layer.path_length() << '\n';
  for (std::size_t t = 0; t < tokens; ++t) {
    std::cout << "token " << t << ": path";
    for (std::size_t level = 0; level <= depth; ++level) std::cout << ' ' << paths[t * (depth + 1) + level];
    std::cout << ", y[0] = " << y[t * width] << '\n';
  }
  std::cout << "both layers agree: " << (y == again ? "yes" : "no") << '\n';
  if (y != again) throw std::runtime_error("the sizes in the type change the result");
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Computes a fast feedforward layer of random weights and shows the paths of its tokens", "fff_layer"};
  return examples::run_program(app, argc, argv, {"@"}, run);
}
