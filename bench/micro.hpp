// SPDX-License-Identifier: MIT
//
// What the microbenchmarks share: sizes, counters, and the sums in double precision that outputs are compared with.
#pragma once

#include <benchmark/benchmark.h>

#include <array>
#include <cmath>
#include <cstddef>

#include "ultrafastbert/layers.hpp"

namespace ufb_bench {

namespace ufb = ultrafastbert;

inline constexpr std::size_t micro_width = 768;
inline constexpr std::size_t micro_depth = 11;
inline constexpr std::size_t micro_levels = ufb::cmm::tree::levels(micro_depth);
inline constexpr std::array micro_storages{ufb::weight_storage::float32, ufb::weight_storage::float16,
                                           ufb::weight_storage::bfloat16, ufb::weight_storage::int8};

/// Takes a benchmark out that computes something else than it should, and remembers it for the program's status.
void verify(benchmark::State& state, bool right);

struct work {
  double tokens = 0.0;  ///< per iteration
  double flops = 0.0;   ///< per iteration
  double bytes_per_token = 0.0;
};

inline void set_counters(benchmark::State& state, const work& done) {
  using benchmark::Counter;
  state.counters["tokens"] = Counter(done.tokens, Counter::kIsIterationInvariantRate);
  state.counters["FLOP"] = Counter(done.flops, Counter::kIsIterationInvariantRate);
  state.counters["bytes/token"] = Counter(done.bytes_per_token);
}

/// Of a weight.
[[nodiscard]] constexpr std::size_t bytes_of(ufb::weight_storage storage) noexcept {
  return storage == ufb::weight_storage::float32 ? 4 : storage == ufb::weight_storage::int8 ? 1 : 2;
}

/// A sum of products in double, and whether a float is what rounding in any order may make of it.
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

[[nodiscard]] inline double exact_gelu(double z) { return 0.5 * z * (1.0 + std::erf(z * 0.70710678118654752440)); }

// The groups of a level: micro_kernels.cpp, micro_engines.cpp.
void register_kernels(ufb::isa_level level);
void register_engines(ufb::isa_level level);

}  // namespace ufb_bench
