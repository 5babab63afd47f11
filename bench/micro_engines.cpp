// SPDX-License-Identifier: MIT
//
// The engines that walk trees, one by one, on the layer of UltraFastBERT-1x11.
#include <benchmark/benchmark.h>

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "micro.hpp"
#include "random.hpp"

namespace ufb_bench {

namespace {

constexpr std::size_t width = micro_width;
constexpr std::size_t depth = micro_depth;
constexpr std::size_t levels = micro_levels;
constexpr std::size_t rotated_tokens = 16'384;

// The layer of UltraFastBERT-1x11 with random weights and inputs, shared by all engines.
struct engine_data {
  ufb::matrix<float> in{{nodes, width}};
  ufb::matrix<float> out{{nodes, width}};
  std::vector<float> bias = std::vector<float>(nodes);
  ufb::matrix<float> x{{rotated_tokens, width}};

  static constexpr std::size_t nodes = ufb::cmm::tree::node_count(depth);

  engine_data() {
    const normal_stream in_values(1, 1.0F / std::sqrt(static_cast<float>(width)));
    const normal_stream out_values(2, 0.05F);
    const normal_stream inputs(3, 1.0F);
    normal_stream(4, 0.05F).read(0, bias);
    for (std::size_t n = 0; n < nodes; ++n) in_values.read(n * width, {in.row(n), width});
    for (std::size_t n = 0; n < nodes; ++n) out_values.read(n * width, {out.row(n), width});
    for (std::size_t t = 0; t < rotated_tokens; ++t) inputs.read(t * width, {x.row(t), width});
  }
};

struct engine_case {
  ufb::fff_engine engine;
  ufb::weight_storage storage;
  ufb::isa_level level;
  std::size_t batch;
};

// Relative to the norm of a token's output, by what the storage of the weights costs.
double limit_of(ufb::weight_storage storage) {
  switch (storage) {
    case ufb::weight_storage::float32: break;
    case ufb::weight_storage::float16: return 4e-3;
    case ufb::weight_storage::bfloat16: return 4e-2;
    case ufb::weight_storage::int8: return 2e-1;
    case ufb::weight_storage::certified_float16: return 4e-3;
    case ufb::weight_storage::certified_int8: return 2e-1;
    case ufb::weight_storage::split_float32: return 4e-2;
  }
  return 1e-6;
}

// Whether y is the layer's output in double precision for the input row and the path that was taken.
bool is_output(const engine_data& data, std::size_t token, const std::int32_t* path, const float* y, double limit) {
  std::vector<double> expected(width);
  for (std::size_t level = 0; level < levels; ++level) {
    const auto node = static_cast<std::size_t>(path[level]);
    exact_sum logit;
    for (std::size_t k = 0; k < width; ++k) {
      logit.add(static_cast<double>(data.in(node, k)), static_cast<double>(data.x(token, k)));
    }
    const double z = logit.sum + static_cast<double>(data.bias[node]);
    for (std::size_t k = 0; k < width; ++k) expected[k] += exact_gelu(z) * static_cast<double>(data.out(node, k));
    // The way on has to follow the logit, unless narrow weights may have turned it.
    const double doubt = 2 * limit;
    if (level + 1 < levels && std::abs(z) > doubt &&
        path[level + 1] != static_cast<std::int32_t>(ufb::cmm::tree::child(node, z > 0.0))) {
      return false;
    }
  }
  double error = 0.0;
  double norm = 0.0;
  for (std::size_t k = 0; k < width; ++k) {
    error += (static_cast<double>(y[k]) - expected[k]) * (static_cast<double>(y[k]) - expected[k]);
    norm += expected[k] * expected[k];
  }
  return std::sqrt(error) <= limit * std::sqrt(norm);
}

void run_engine(benchmark::State& state, const engine_case& what) {
  static const engine_data data;  // made by the first benchmark that runs, not by those that are only listed
  const ufb::fast_feedforward<float> layer(
      {.input_width = width, .output_width = width, .depth = depth}, data.in.view(), data.bias, data.out.view(),
      {.engine = what.engine, .storage_in = what.storage, .storage_out = what.storage, .isa = what.level},
      ufb::linear_out_layout::row_per_node);
  ufb::matrix<float> y({what.batch, width});
  ufb::workspace workspace;
  std::vector<std::int32_t> paths(what.batch * levels);
  layer.forward(data.x.view().rows_from(0, what.batch), y.view(), workspace, {paths.data(), {what.batch, levels}});
  bool right = true;
  for (std::size_t t = 0; t < what.batch; t += 1 + what.batch / 64) {
    right = right && is_output(data, t, paths.data() + t * levels, y.row(t), limit_of(what.storage));
  }
  verify(state, right);
  std::size_t next = 0;
  for ([[maybe_unused]] auto _ : state) {
    layer.forward(data.x.view().rows_from(next, what.batch), y.view(), workspace);
    benchmark::DoNotOptimize(y.row(0));
    benchmark::ClobberMemory();
    next += what.batch;
    if (next + what.batch > rotated_tokens) next = 0;
  }
  const auto tokens = static_cast<double>(what.batch);
  constexpr double weights = 2.0 * levels * width;
  set_counters(state, {.tokens = tokens,
                       .flops = 2.0 * weights * tokens,
                       .bytes_per_token = weights * static_cast<double>(bytes_of(what.storage)) + 8.0 * width});
}

}  // namespace

void register_engines(ufb::isa_level level) {
  constexpr std::array<std::size_t, 6> batches{1, 8, 32, 128, 2048, 16'384};
  for (const auto engine : {ufb::fff_engine::fused, ufb::fff_engine::interleaved, ufb::fff_engine::grouped}) {
    for (const auto storage : micro_storages) {
      for (const std::size_t batch : batches) {
        const std::string name = "engines/" + std::string(ufb::name(engine)) + '.' + std::string(ufb::name(storage)) +
                                 '.' + std::string(ufb::name(level)) + "/1x11x768x" + std::to_string(batch);
        benchmark::RegisterBenchmark(name.c_str(), run_engine, engine_case{engine, storage, level, batch});
      }
    }
  }
}

}  // namespace ufb_bench
