// SPDX-License-Identifier: MIT
//
// Kernels and engines one by one, with Google Benchmark. Names are group/case/dims:
//   kernels/<kernel>.<storage>.<level>/<width>
//   engines/<engine>.<storage>.<level>/<trees>x<depth>x<width>x<batch>
// Counters: tokens/s; FLOP/s of the products that were asked for; bytes of weights, inputs and outputs per token.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "random.hpp"
#include "ultrafastbert/layers.hpp"

namespace {

namespace ufb = ultrafastbert;
using benchmark::Counter;
using ufb_bench::normal_stream;

constexpr std::size_t width = 768;
constexpr std::size_t depth = 11;
constexpr std::size_t rotated_tokens = 16'384;
constexpr std::size_t rotated_rows = 4096;  // weight rows that kernels take in turn

struct work {
  double tokens = 0.0;  // per iteration
  double flops = 0.0;
  double bytes_per_token = 0.0;
};

void set_counters(benchmark::State& state, const work& done) {
  state.counters["tokens"] = Counter(done.tokens, Counter::kIsIterationInvariantRate);
  state.counters["FLOP"] = Counter(done.flops, Counter::kIsIterationInvariantRate);
  state.counters["bytes/token"] = Counter(done.bytes_per_token);
}

template <class Weight>
constexpr ufb::weight_storage storage_of() {
  if constexpr (std::is_same_v<Weight, ufb::float16_bits>) return ufb::weight_storage::float16;
  if constexpr (std::is_same_v<Weight, ufb::bfloat16_bits>) return ufb::weight_storage::bfloat16;
  if constexpr (std::is_same_v<Weight, std::int8_t>) return ufb::weight_storage::int8;
  return ufb::weight_storage::float32;
}

// Weights of value zero do: no kernel's time depends on them.
template <class Weight>
struct kernel_data {
  ufb::aligned_buffer<Weight> rows{rotated_rows * width};
  ufb::matrix<float> x{{4, width}};
  ufb::matrix<float> y{{4, width}};
  std::array<const float*, 8> inputs{};
  std::array<const Weight*, 8> pair_rows{};
  std::array<float, 16> z{};
  std::array<float, 16> coefficients{};
  std::size_t next = 0;

  kernel_data() {
    const normal_stream values(1, 1.0F);
    for (std::size_t t = 0; t < 4; ++t) values.read(t * width, {x.row(t), width});
    for (std::size_t i = 0; i < inputs.size(); ++i) inputs[i] = x.row(i % 4);
    values.read(0, coefficients);
  }

  // The first of `count` rows, others with every call.
  const Weight* advance(std::size_t count) {
    next = next + 2 * count <= rotated_rows ? next + count : 0;
    return rows.data() + next * width;
  }
};

template <class Weight>
void rows_3_inputs_4(benchmark::State& state, ufb::isa_level level) {
  const auto kernel = ufb::kernels::dots_of<Weight>(level).rows_3_inputs_4;
  kernel_data<Weight> data;
  for ([[maybe_unused]] auto _ : state) {
    kernel(data.advance(3), width, data.inputs.data(), width, data.z.data(), {});
    benchmark::DoNotOptimize(data.z);
  }
  set_counters(state, {.tokens = 4, .flops = 2.0 * 12 * width, .bytes_per_token = width * (0.75 * sizeof(Weight) + 4)});
}

template <class Weight>
void pairs_8(benchmark::State& state, ufb::isa_level level) {
  const auto kernel = ufb::kernels::dots_of<Weight>(level).pairs_8;
  kernel_data<Weight> data;
  for ([[maybe_unused]] auto _ : state) {
    const Weight* first = data.advance(8);
    for (std::size_t i = 0; i < 8; ++i) data.pair_rows[i] = first + i * width;
    kernel(data.pair_rows.data(), data.inputs.data(), width, data.z.data());
    benchmark::DoNotOptimize(data.z);
  }
  set_counters(state, {.tokens = 8, .flops = 2.0 * 8 * width, .bytes_per_token = width * (1.0 * sizeof(Weight) + 4)});
}

template <class Weight>
void pair(benchmark::State& state, ufb::isa_level level) {
  const auto kernel = ufb::kernels::dots_of<Weight>(level).pair;
  kernel_data<Weight> data;
  for ([[maybe_unused]] auto _ : state) {
    kernel(data.advance(1), data.inputs[0], width, data.z.data());
    benchmark::DoNotOptimize(data.z);
  }
  set_counters(state, {.tokens = 1, .flops = 2.0 * width, .bytes_per_token = width * (1.0 * sizeof(Weight) + 4)});
}

constexpr std::size_t levels = depth + 1;

template <class Weight>
void sum(benchmark::State& state, ufb::isa_level level) {
  const auto kernel = ufb::kernels::sums_of<Weight>(level).sum;
  kernel_data<Weight> data;
  std::array<const Weight*, levels> rows{};
  for ([[maybe_unused]] auto _ : state) {
    const Weight* first = data.advance(levels);
    for (std::size_t i = 0; i < levels; ++i) rows[i] = first + i * width;
    kernel(rows.data(), data.coefficients.data(), levels, {0, width}, false, data.y.row(0));
    benchmark::DoNotOptimize(data.y.row(0));
    benchmark::ClobberMemory();
  }
  set_counters(
      state,
      {.tokens = 1, .flops = 2.0 * levels * width, .bytes_per_token = width * (levels * 1.0 * sizeof(Weight) + 4)});
}

void gelu(benchmark::State& state, ufb::isa_level level) {
  const auto kernel = ufb::kernels::gelu_of(level);
  constexpr std::size_t count = 4096;
  ufb::aligned_buffer<float> source(count);
  ufb::aligned_buffer<float> values(count);
  normal_stream(1, 1.0F).read(0, source.span());
  for ([[maybe_unused]] auto _ : state) {
    std::copy_n(source.data(), count, values.data());  // applied again and again it would end in denormal numbers
    kernel(count, values.data());
    benchmark::DoNotOptimize(values.data());
    benchmark::ClobberMemory();
  }
  state.counters["values"] = Counter(static_cast<double>(count), Counter::kIsIterationInvariantRate);
}

// The layer of UltraFastBERT-1x11 with random weights and inputs, shared by all engines.
struct engine_data {
  ufb::matrix<float> in{{nodes, width}};
  ufb::matrix<float> out{{nodes, width}};
  std::vector<float> bias = std::vector<float>(nodes);
  ufb::matrix<float> x{{rotated_tokens, width}};

  static constexpr std::size_t nodes = ufb::tree::node_count(depth);

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

std::size_t bytes_of(ufb::weight_storage storage) {
  return storage == ufb::weight_storage::float32 ? 4 : storage == ufb::weight_storage::int8 ? 1 : 2;
}

void run_engine(benchmark::State& state, const std::shared_ptr<std::optional<engine_data>>& shared,
                const engine_case& what) {
  if (!*shared) shared->emplace();
  const engine_data& data = **shared;
  const ufb::fast_feedforward<float> layer({.input_width = width, .output_width = width, .depth = depth},
                                           data.in.view(), data.bias, data.out.view(),
                                           {.layout = ufb::linear_out_layout::row_per_node,
                                            .engine = what.engine,
                                            .storage_in = what.storage,
                                            .storage_out = what.storage,
                                            .isa = what.level});
  ufb::matrix<float> y({what.batch, width});
  ufb::workspace workspace;
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

template <class Weight>
void register_kernels(ufb::isa_level level) {
  const std::string suffix = '.' + std::string(ufb::name(storage_of<Weight>())) + '.' + std::string(ufb::name(level)) +
                             '/' + std::to_string(width);
  using function = void (*)(benchmark::State&, ufb::isa_level);
  const std::array<std::pair<const char*, function>, 4> kernels{{{"rows_3_inputs_4", rows_3_inputs_4<Weight>},
                                                                 {"pairs_8", pairs_8<Weight>},
                                                                 {"pair", pair<Weight>},
                                                                 {"sum", sum<Weight>}}};
  for (const auto& kernel : kernels) {
    benchmark::RegisterBenchmark(("kernels/" + std::string(kernel.first) + suffix).c_str(), kernel.second, level);
  }
}

void register_all() {
  constexpr std::array<std::size_t, 6> batches{1, 8, 32, 128, 2048, 16'384};
  const auto shared = std::make_shared<std::optional<engine_data>>();
  for (const auto level :
       {ufb::isa_level::portable, ufb::isa_level::neon, ufb::isa_level::avx2, ufb::isa_level::avx512}) {
    if (!ufb::supported(level)) continue;
    register_kernels<float>(level);
    register_kernels<ufb::float16_bits>(level);
    register_kernels<ufb::bfloat16_bits>(level);
    register_kernels<std::int8_t>(level);
    benchmark::RegisterBenchmark(("kernels/gelu." + std::string(ufb::name(level)) + "/4096").c_str(), gelu, level);
    for (const auto engine : {ufb::fff_engine::fused, ufb::fff_engine::interleaved, ufb::fff_engine::grouped}) {
      for (const auto storage : {ufb::weight_storage::float32, ufb::weight_storage::float16,
                                 ufb::weight_storage::bfloat16, ufb::weight_storage::int8}) {
        for (const std::size_t batch : batches) {
          const std::string name = "engines/" + std::string(ufb::name(engine)) + '.' + std::string(ufb::name(storage)) +
                                   '.' + std::string(ufb::name(level)) + "/1x11x768x" + std::to_string(batch);
          const engine_case what{engine, storage, level, batch};
          benchmark::RegisterBenchmark(name.c_str(),
                                       [shared, what](benchmark::State& state) { run_engine(state, shared, what); });
        }
      }
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  register_all();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
