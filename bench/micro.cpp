// SPDX-License-Identifier: MIT
//
// Kernels and engines one by one, with Google Benchmark. Names are group/case/dims:
//   kernels/<kernel>.<storage>.<level>/<width>
//   engines/<engine>.<storage>.<level>/<trees>x<depth>x<width>x<batch>
// Counters: tokens/s; FLOP/s of the products that were asked for; bytes of weights, inputs and outputs per token.
// Weights and inputs are random, and what a kernel or an engine computes is compared with double precision before it is
// timed: one that is wrong is not timed, and the program ends with status 1.
#include <benchmark/benchmark.h>

#include <Eigen/Core>
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
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

bool all_right = true;  // whether everything measured so far was verified

// Takes a benchmark out that computes something else than it should.
void verify(benchmark::State& state, bool right) {
  if (right) return;
  all_right = false;
  state.SkipWithError("the output differs from double precision");
}

void store(float value, float& weight) { weight = value; }
void store(float value, ufb::bfloat16_bits& weight) { weight = ufb::kernels::round_to_bfloat16(value); }
void store(float value, ufb::float16_bits& weight) {
  weight.bits = Eigen::numext::bit_cast<std::uint16_t>(static_cast<Eigen::half>(value));
}
void store(float value, std::int8_t& weight) { weight = ufb::kernels::round_to_int8(value, 4.0F / 127.0F); }

double value_of(float weight) { return static_cast<double>(weight); }
double value_of(ufb::bfloat16_bits weight) {
  return static_cast<double>(std::bit_cast<float>(std::uint32_t{weight.bits} << 16U));
}
double value_of(ufb::float16_bits weight) {
  return static_cast<double>(static_cast<float>(Eigen::numext::bit_cast<Eigen::half>(weight.bits)));
}
double value_of(std::int8_t weight) { return weight; }

// A sum of products in double, and whether a float is what rounding in any order may make of it.
struct exact_sum {
  double sum = 0.0;
  double magnitude = 0.0;
  double terms = 0.0;

  void add(double a, double b) {
    sum += a * b;
    magnitude += std::abs(a * b);
    terms += 1.0;
  }
  [[nodiscard]] bool rounds_to(float value) const {
    return std::abs(static_cast<double>(value) - sum) <= (terms + 1.0) * 0x1p-24 * magnitude;
  }
};

template <class Weight>
bool is_dot(const Weight* row, const float* x, float z) {
  exact_sum expected;
  for (std::size_t k = 0; k < width; ++k) expected.add(value_of(row[k]), static_cast<double>(x[k]));
  return expected.rounds_to(z);
}

// Random rows in their storage, random inputs and coefficients.
template <class Weight>
struct kernel_data {
  ufb::aligned_buffer<Weight> rows{rotated_rows * width};
  ufb::matrix<float> x{{8, width}};
  ufb::matrix<float> y{{4, width}};
  std::array<const float*, 8> inputs{};
  std::array<const Weight*, 8> pair_rows{};
  std::array<float, 16> z{};
  std::array<float, 16> coefficients{};
  std::size_t next = 0;

  kernel_data() {
    const normal_stream weights(1, 1.0F);
    for (std::size_t i = 0; i < rotated_rows * width; ++i) store(weights[i], rows.data()[i]);
    const normal_stream values(2, 1.0F);
    for (std::size_t t = 0; t < inputs.size(); ++t) {
      values.read(t * width, {x.row(t), width});
      inputs[t] = x.row(t);
    }
    normal_stream(3, 1.0F).read(0, coefficients);
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
  const Weight* block = data.advance(3);
  kernel(block, width, data.inputs.data(), width, data.z.data(), {});
  bool right = true;
  for (std::size_t i = 0; i < 12; ++i) {
    right = right && is_dot(block + i / 4 * width, data.inputs[i % 4], data.z[i]);
  }
  verify(state, right);
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
  const auto run = [&] {
    const Weight* first = data.advance(8);
    for (std::size_t i = 0; i < 8; ++i) data.pair_rows[i] = first + i * width;
    kernel(data.pair_rows.data(), data.inputs.data(), width, data.z.data());
  };
  run();
  bool right = true;
  for (std::size_t i = 0; i < 8; ++i) right = right && is_dot(data.pair_rows[i], data.inputs[i], data.z[i]);
  verify(state, right);
  for ([[maybe_unused]] auto _ : state) {
    run();
    benchmark::DoNotOptimize(data.z);
  }
  set_counters(state, {.tokens = 8, .flops = 2.0 * 8 * width, .bytes_per_token = width * (1.0 * sizeof(Weight) + 4)});
}

template <class Weight>
void pair(benchmark::State& state, ufb::isa_level level) {
  const auto kernel = ufb::kernels::dots_of<Weight>(level).pair;
  kernel_data<Weight> data;
  const Weight* row = data.advance(1);
  kernel(row, data.inputs[0], width, data.z.data());
  verify(state, is_dot(row, data.inputs[0], data.z[0]));
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
  const auto run = [&] {
    const Weight* first = data.advance(levels);
    for (std::size_t i = 0; i < levels; ++i) rows[i] = first + i * width;
    kernel(rows.data(), data.coefficients.data(), levels, {0, width}, false, data.y.row(0));
  };
  run();
  bool right = true;
  for (std::size_t k = 0; k < width; ++k) {
    exact_sum expected;
    for (std::size_t i = 0; i < levels; ++i) {
      expected.add(static_cast<double>(data.coefficients[i]), value_of(rows[i][k]));
    }
    right = right && expected.rounds_to(data.y(0, k));
  }
  verify(state, right);
  for ([[maybe_unused]] auto _ : state) {
    run();
    benchmark::DoNotOptimize(data.y.row(0));
    benchmark::ClobberMemory();
  }
  set_counters(
      state,
      {.tokens = 1, .flops = 2.0 * levels * width, .bytes_per_token = width * (levels * 1.0 * sizeof(Weight) + 4)});
}

double exact_gelu(double z) { return 0.5 * z * (1.0 + std::erf(z * 0.70710678118654752440)); }

void gelu(benchmark::State& state, ufb::isa_level level) {
  const auto kernel = ufb::kernels::gelu_of(level);
  constexpr std::size_t count = 4096;
  ufb::aligned_buffer<float> source(count);
  ufb::aligned_buffer<float> values(count);
  normal_stream(1, 1.0F).read(0, source.span());
  std::copy_n(source.data(), count, values.data());
  kernel(count, values.data());
  bool right = true;
  for (std::size_t i = 0; i < count; ++i) {
    const double z = static_cast<double>(source.data()[i]);
    right = right && std::abs(static_cast<double>(values.data()[i]) - exact_gelu(z)) <= 0x1p-21 * std::abs(z);
  }
  verify(state, right);
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

// Relative to the norm of a token's output, by what the storage of the weights costs.
double limit_of(ufb::weight_storage storage) {
  switch (storage) {
    case ufb::weight_storage::float32: break;
    case ufb::weight_storage::float16: return 4e-3;
    case ufb::weight_storage::bfloat16: return 4e-2;
    case ufb::weight_storage::int8: return 2e-1;
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
        path[level + 1] != static_cast<std::int32_t>(ufb::tree::child(node, ufb::positive_goes_right::right(z)))) {
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
  return all_right ? EXIT_SUCCESS : EXIT_FAILURE;
}
