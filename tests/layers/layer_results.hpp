// SPDX-License-Identifier: MIT
//
// Defines one function, UFB_RESULTS_FUNCTION, which the including file names: what FFF layers of every level, storage,
// engine and activation compute from fixed random weights. Compiled several times with different options.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "support/generator.hpp"
#include "ultrafastbert/layers.hpp"

namespace ufb_test {

/// Declared here for the files that call it. Bits of the outputs, and the nodes of the paths.
std::vector<std::uint32_t> UFB_RESULTS_FUNCTION();

namespace {

using namespace ultrafastbert;

struct layer_collector {
  static constexpr fast_feedforward_shape shape{.input_width = 51, .output_width = 45, .depth = 6, .parallel_size = 2};
  static constexpr std::size_t nodes = 2 * 127;
  static constexpr std::size_t tokens = 131;

  void collect(const fast_feedforward_options& options, bool with_bias,
               activation_kind activation = activation_kind::gelu) {
    fast_feedforward_shape sizes = shape;
    sizes.activation = activation;
    const fast_feedforward<float> layer(sizes, {linear_in.data(), {nodes, shape.input_width}},
                                        with_bias ? bias_in : std::vector<float>(),
                                        {linear_out.data(), {shape.output_width, nodes}}, options);
    std::vector<float> y(tokens * shape.output_width);
    std::vector<std::int32_t> paths(tokens * layer.path_length());
    layer.forward({x.data(), {tokens, shape.input_width}}, {y.data(), {tokens, shape.output_width}}, scratch,
                  {paths.data(), {tokens, layer.path_length()}});
    for (const float value : y) all.push_back(std::bit_cast<std::uint32_t>(value));
    for (const std::int32_t node : paths) all.push_back(static_cast<std::uint32_t>(node));
  }

  // The same numbers as eight leaves of seven neurons each, and an input's first columns.
  void collect_leaves(const leaf_feedforward_options& options) {
    constexpr std::size_t leaves = 8;
    constexpr std::size_t leaf_width = 7;
    constexpr std::size_t width = 16;
    const leaf_feedforward<float> layer(
        {.input_width = width, .leaf_width = leaf_width, .output_width = width, .depth = 3, .output_bias = true},
        {.node_weights = {linear_in.data(), {leaves - 1, width}},
         .w1s = {linear_in.data(), {leaves * width, leaf_width}},
         .w2s = {linear_out.data(), {leaves * leaf_width, width}},
         .b2s = {linear_out.data(), {leaves, width}}},
        options);
    std::vector<float> y(tokens * width);
    std::vector<std::int32_t> reached(tokens);
    layer.forward({x.data(), {tokens, width, shape.input_width}}, {y.data(), {tokens, width}}, scratch, reached);
    for (const float value : y) all.push_back(std::bit_cast<std::uint32_t>(value));
    for (const std::int32_t leaf : reached) all.push_back(static_cast<std::uint32_t>(leaf));
  }

  void collect_all() {
    using enum weight_storage;
    for (const isa_level isa : {isa_level::portable, isa_level::neon, isa_level::avx2, isa_level::avx512}) {
      if (!supported(isa)) continue;
      for (const weight_storage storage : {float32, bfloat16, int8}) {
        collect_leaves({.storage_nodes = storage, .storage_leaves = storage, .isa = isa});
      }
      for (const fff_engine engine : {fff_engine::fused, fff_engine::interleaved, fff_engine::grouped}) {
        for (const weight_storage storage : {float32, float16, bfloat16, int8}) {
          collect({.engine = engine, .storage_in = storage, .storage_out = storage, .isa = isa}, true);
        }
        collect({.engine = engine, .storage_in = int8, .isa = isa}, false);
        for (const auto activation : {activation_kind::relu, activation_kind::silu, activation_kind::tanh}) {
          collect({.engine = engine, .isa = isa}, true, activation);
        }
      }
    }
  }

  std::vector<float> x = uniform(11, tokens* shape.input_width, 0);
  std::vector<float> linear_in = uniform(12, nodes* shape.input_width, -2);
  std::vector<float> bias_in = uniform(13, nodes, -3);
  std::vector<float> linear_out = uniform(14, nodes* shape.output_width, -1);
  workspace scratch{};
  std::vector<std::uint32_t> all{};
};

}  // namespace

std::vector<std::uint32_t> UFB_RESULTS_FUNCTION() {
  layer_collector results;
  results.collect_all();
  return results.all;
}

}  // namespace ufb_test
