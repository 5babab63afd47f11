// SPDX-License-Identifier: MIT
//
// Kernels one by one: dot products and sums of weight rows, products with packed matrices, activations.
#include <benchmark/benchmark.h>

#include <Eigen/Core>
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "micro.hpp"
#include "random.hpp"

namespace ufb_bench {

namespace {

constexpr std::size_t width = micro_width;
constexpr std::size_t levels = micro_levels;
constexpr std::size_t rotated_rows = 4096;  // weight rows that kernels take in turn

// A weight of a row in storage, without an int8 row's scale.
double value_of(ufb::weight_storage storage, const std::byte* row, std::size_t k) {
  switch (storage) {
    case ufb::weight_storage::float16: {
      const auto bits = reinterpret_cast<const std::uint16_t*>(row)[k];
      return static_cast<double>(static_cast<float>(Eigen::numext::bit_cast<Eigen::half>(bits)));
    }
    case ufb::weight_storage::bfloat16: {
      const std::uint32_t bits = reinterpret_cast<const std::uint16_t*>(row)[k];
      return static_cast<double>(std::bit_cast<float>(bits << 16U));
    }
    case ufb::weight_storage::int8: return reinterpret_cast<const std::int8_t*>(row)[k];
    default: break;
  }
  return static_cast<double>(reinterpret_cast<const float*>(row)[k]);
}

// What the kernels for weight rows are called for.
struct kernel_case {
  ufb::weight_storage storage;
  ufb::isa_level level;
};

// Random rows in their storage, random inputs and coefficients.
struct kernel_data {
  ufb::weight_storage storage;
  std::size_t stride = width * bytes_of(storage);
  ufb::aligned_buffer<std::byte> rows{rotated_rows * stride};
  ufb::matrix<float> x{{8, width}};
  ufb::matrix<float> y{{4, width}};
  std::array<const float*, 8> inputs{};
  std::array<float, 16> z{};
  std::array<float, 16> coefficients{};
  std::size_t next = 0;

  explicit kernel_data(ufb::weight_storage stored_as) : storage(stored_as) {
    const normal_stream weights(1, 1.0F);
    std::vector<float> row(width);
    for (std::size_t r = 0; r < rotated_rows; ++r) {
      weights.read(r * width, row);
      static_cast<void>(ufb::kernels::round_row(storage, row.data(), width, rows.data() + r * stride));
    }
    const normal_stream values(2, 1.0F);
    for (std::size_t t = 0; t < inputs.size(); ++t) {
      values.read(t * width, {x.row(t), width});
      inputs[t] = x.row(t);
    }
    normal_stream(3, 1.0F).read(0, coefficients);
  }

  // The first of `count` rows, others with every call.
  const std::byte* advance(std::size_t count) {
    next = next + 2 * count <= rotated_rows ? next + count : 0;
    return rows.data() + next * stride;
  }

  // Whether z[i] is the dot product of a row with an input.
  [[nodiscard]] bool is_dot(std::size_t i, const std::byte* row, std::size_t input) const {
    exact_sum expected;
    for (std::size_t k = 0; k < width; ++k) {
      expected.add(value_of(storage, row, k), static_cast<double>(x(input, k)));
    }
    return expected.rounds_to(z[i]);
  }

  // Of `rows_per_token` weight rows, and an input or an output.
  [[nodiscard]] double bytes_per_token(double rows_per_token) const {
    return rows_per_token * static_cast<double>(stride) + static_cast<double>(width * sizeof(float));
  }
};

void rows_3_inputs_4(benchmark::State& state, const kernel_case& what) {
  const auto kernel = ufb::kernels::dots_of(what.level, what.storage).rows_3_inputs_4;
  kernel_data data(what.storage);
  const std::byte* block = data.advance(3);
  kernel(block, data.stride, data.inputs.data(), width, data.z.data(), {});
  bool right = true;
  for (std::size_t i = 0; i < 12; ++i) right = right && data.is_dot(i, block + i / 4 * data.stride, i % 4);
  verify(state, right);
  for ([[maybe_unused]] auto _ : state) {
    kernel(data.advance(3), data.stride, data.inputs.data(), width, data.z.data(), {});
    benchmark::DoNotOptimize(data.z);
  }
  set_counters(state, {.tokens = 4, .flops = 2.0 * 12 * width, .bytes_per_token = data.bytes_per_token(0.75)});
}

void pairs_8(benchmark::State& state, const kernel_case& what) {
  const auto kernel = ufb::kernels::dots_of(what.level, what.storage).pairs_8;
  kernel_data data(what.storage);
  std::array<const std::byte*, 8> rows{};
  const auto run = [&] {
    const std::byte* first = data.advance(8);
    for (std::size_t i = 0; i < 8; ++i) rows[i] = first + i * data.stride;
    kernel(rows.data(), data.inputs.data(), width, data.z.data());
  };
  run();
  bool right = true;
  for (std::size_t i = 0; i < 8; ++i) right = right && data.is_dot(i, rows[i], i);
  verify(state, right);
  for ([[maybe_unused]] auto _ : state) {
    run();
    benchmark::DoNotOptimize(data.z);
  }
  set_counters(state, {.tokens = 8, .flops = 2.0 * 8 * width, .bytes_per_token = data.bytes_per_token(1.0)});
}

void pair(benchmark::State& state, const kernel_case& what) {
  const auto kernel = ufb::kernels::dots_of(what.level, what.storage).pair;
  kernel_data data(what.storage);
  const std::byte* row = data.advance(1);
  kernel(row, data.inputs[0], width, data.z.data(), {});
  verify(state, data.is_dot(0, row, 0));
  for ([[maybe_unused]] auto _ : state) {
    kernel(data.advance(1), data.inputs[0], width, data.z.data(), {});
    benchmark::DoNotOptimize(data.z);
  }
  set_counters(state, {.tokens = 1, .flops = 2.0 * width, .bytes_per_token = data.bytes_per_token(1.0)});
}

void sum(benchmark::State& state, const kernel_case& what) {
  const auto kernel = ufb::kernels::sums_of(what.level, what.storage).sum;
  kernel_data data(what.storage);
  std::array<const std::byte*, levels> rows{};
  const auto run = [&] {
    const std::byte* first = data.advance(levels);
    for (std::size_t i = 0; i < levels; ++i) rows[i] = first + i * data.stride;
    kernel(rows.data(), data.coefficients.data(), levels, {0, width}, ufb::kernels::sum_target::overwrite,
           data.y.row(0), {});
  };
  run();
  bool right = true;
  for (std::size_t k = 0; k < width; ++k) {
    exact_sum expected;
    for (std::size_t i = 0; i < levels; ++i) {
      expected.add(static_cast<double>(data.coefficients[i]), value_of(what.storage, rows[i], k));
    }
    right = right && expected.rounds_to(data.y(0, k));
  }
  verify(state, right);
  for ([[maybe_unused]] auto _ : state) {
    run();
    benchmark::DoNotOptimize(data.y.row(0));
    benchmark::ClobberMemory();
  }
  set_counters(state, {.tokens = 1, .flops = 2.0 * levels * width, .bytes_per_token = data.bytes_per_token(levels)});
}

// A product of some rows with a packed matrix, as projections are computed.
void product(benchmark::State& state, const kernel_case& what, std::size_t count) {
  ufb::matrix<float> weights({width, width});
  ufb::matrix<float> x({count, width});
  ufb::matrix<float> y({count, width});
  const normal_stream weight_values(4, 1.0F);
  const normal_stream input_values(5, 1.0F);
  for (std::size_t r = 0; r < width; ++r) weight_values.read(r * width, {weights.row(r), width});
  for (std::size_t r = 0; r < count; ++r) input_values.read(r * width, {x.row(r), width});
  const ufb::packed_matrix packed(weights.view(), what.storage, what.level);
  ufb::workspace scratch;
  packed.multiply(x.view(), y.view(), scratch);
  double error = 0.0;
  double norm = 0.0;
  for (std::size_t r = 0; r < count; ++r) {
    for (std::size_t n = 0; n < width; n += 7) {
      exact_sum expected;
      for (std::size_t k = 0; k < width; ++k) {
        expected.add(static_cast<double>(weights(n, k)), static_cast<double>(x(r, k)));
      }
      error += std::pow(static_cast<double>(y(r, n)) - expected.sum, 2);
      norm += expected.sum * expected.sum;
    }
  }
  const double limit = what.storage == ufb::weight_storage::float32    ? 1e-6
                       : what.storage == ufb::weight_storage::bfloat16 ? 5e-3
                                                                       : 3e-2;
  verify(state, std::sqrt(error / norm) <= limit);
  for ([[maybe_unused]] auto _ : state) {
    packed.multiply(x.view(), y.view(), scratch);
    benchmark::DoNotOptimize(y.row(0));
    benchmark::ClobberMemory();
  }
  const auto rows = static_cast<double>(count);
  set_counters(state, {.tokens = rows,
                       .flops = 2.0 * rows * width * width,
                       .bytes_per_token = static_cast<double>(packed.bytes()) / rows});
}

double exact_activation(ufb::activation_kind kind, double z) {
  switch (kind) {
    case ufb::activation_kind::relu: return std::max(z, 0.0);
    case ufb::activation_kind::silu: return z / (1.0 + std::exp(-z));
    case ufb::activation_kind::tanh: return std::tanh(z);
    case ufb::activation_kind::identity: return z;
    case ufb::activation_kind::relu_squared: return z > 0.0 ? z * z : 0.0;
    case ufb::activation_kind::gelu_tanh:
      return 0.5 * z * (1.0 + std::tanh(0.7978845608028654 * (z + 0.044715 * z * z * z)));
    case ufb::activation_kind::gelu: break;
  }
  return exact_gelu(z);
}

void activation(benchmark::State& state, ufb::isa_level level, ufb::activation_kind kind) {
  const auto kernel = ufb::kernels::kernel_of(ufb::kernels::activations_of(level), kind);
  constexpr std::size_t count = 4096;
  ufb::aligned_buffer<float> source(count);
  ufb::aligned_buffer<float> values(count);
  normal_stream(1, 1.0F).read(0, source.span());
  std::copy_n(source.data(), count, values.data());
  kernel(count, values.data());
  bool right = true;
  for (std::size_t i = 0; i < count; ++i) {
    const double z = static_cast<double>(source.data()[i]);
    right =
        right && std::abs(static_cast<double>(values.data()[i]) - exact_activation(kind, z)) <= 0x1p-21 * std::abs(z);
  }
  verify(state, right);
  for ([[maybe_unused]] auto _ : state) {
    std::copy_n(source.data(), count, values.data());  // applied again and again it would end in denormal numbers
    kernel(count, values.data());
    benchmark::DoNotOptimize(values.data());
    benchmark::ClobberMemory();
  }
  state.counters["values"] =
      benchmark::Counter(static_cast<double>(count), benchmark::Counter::kIsIterationInvariantRate);
}

void register_row_kernels(const kernel_case& what) {
  const std::string suffix = '.' + std::string(ufb::name(what.storage)) + '.' + std::string(ufb::name(what.level)) +
                             '/' + std::to_string(width);
  using function = void (*)(benchmark::State&, const kernel_case&);
  constexpr std::array<std::pair<const char*, function>, 4> kernels{
      {{"rows_3_inputs_4", rows_3_inputs_4}, {"pairs_8", pairs_8}, {"pair", pair}, {"sum", sum}}};
  for (const auto& kernel : kernels) {
    benchmark::RegisterBenchmark(("kernels/" + std::string(kernel.first) + suffix).c_str(), kernel.second, what);
  }
}

void register_products(const kernel_case& what) {
  for (const std::size_t count : {std::size_t{1}, std::size_t{4}, std::size_t{16}, std::size_t{128}}) {
    const std::string full = "products/" + std::string(ufb::name(what.storage)) + '.' +
                             std::string(ufb::name(what.level)) + '/' + std::to_string(count);
    benchmark::RegisterBenchmark(full.c_str(), product, what, count);
  }
}

void register_activations(ufb::isa_level level) {
  constexpr std::array<std::pair<const char*, ufb::activation_kind>, 6> kinds{
      {{"gelu", ufb::activation_kind::gelu},
       {"gelu_tanh", ufb::activation_kind::gelu_tanh},
       {"relu", ufb::activation_kind::relu},
       {"relu_squared", ufb::activation_kind::relu_squared},
       {"silu", ufb::activation_kind::silu},
       {"tanh", ufb::activation_kind::tanh}}};
  for (const auto& [name, kind] : kinds) {
    const std::string full = "kernels/" + std::string(name) + '.' + std::string(ufb::name(level)) + "/4096";
    benchmark::RegisterBenchmark(full.c_str(), activation, level, kind);
  }
}

}  // namespace

void register_kernels(ufb::isa_level level) {
  for (const auto storage : micro_storages) {
    register_row_kernels({storage, level});
    if (storage != ufb::weight_storage::float16) register_products({storage, level});  // no product has that
  }
  register_activations(level);
}

}  // namespace ufb_bench
