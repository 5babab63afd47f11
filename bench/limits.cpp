// SPDX-License-Identifier: MIT
#include "limits.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <chrono>
#include <cstdint>
#include <functional>
#include <numeric>
#include <random>
#include <thread>
#include <vector>

#include "ultrafastbert/core/aligned_buffer.hpp"
#include "ultrafastbert/kernels/isa.hpp"

#if UFB_KERNELS_X86
#include <immintrin.h>
#endif

namespace ufb_bench {

namespace {

constexpr std::size_t repetitions = 5;  // the best one counts: a limit is what the machine can do
constexpr std::size_t chains = 12;      // enough to hide a multiply-add's latency on two units

double seconds_of(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// The best of some runs of `work(thread)` on all threads at a time. Units: seconds.
double best_time(std::size_t threads, const std::function<void(std::size_t)>& work) {
  double best = 1e30;
  for (std::size_t i = 0; i < repetitions; ++i) {
    std::atomic<std::size_t> waiting{threads};
    std::vector<double> times(threads);
    const auto run = [&](std::size_t thread) {
      --waiting;
      while (waiting != 0) std::this_thread::yield();
      times[thread] = seconds_of([&] { work(thread); });
    };
    std::vector<std::thread> others;
    for (std::size_t t = 1; t < threads; ++t) others.emplace_back(run, t);
    run(0);
    for (auto& other : others) other.join();
    best = std::min(best, *std::max_element(times.begin(), times.end()));
  }
  return best;
}

volatile float consumed_float = 0;
volatile std::uint64_t consumed_word = 0;

#if UFB_KERNELS_X86
#define UFB_LIMITS_OF(name, level, vector, set, fma, reduce, load, add, words)                \
  __attribute__((target(level))) void multiply_##name(std::size_t steps) {                    \
    vector sum[chains];                                                                       \
    for (auto& one : sum) one = set(1.0F);                                                    \
    const vector a = set(0.999F);                                                             \
    const vector b = set(0.001F);                                                             \
    for (std::size_t i = 0; i < steps; ++i) {                                                 \
      for (auto& one : sum) one = fma(one, a, b);                                             \
    }                                                                                         \
    for (std::size_t i = 1; i < chains; ++i) sum[0] = add(sum[0], sum[i]);                    \
    consumed_float = reduce(sum[0]);                                                          \
  }                                                                                           \
  __attribute__((target(level))) void read_##name(const float* from, std::size_t count) {     \
    vector sum[4] = {set(0.0F), set(0.0F), set(0.0F), set(0.0F)};                             \
    for (std::size_t i = 0; i + 4 * (words) <= count; i += 4 * (words)) {                     \
      for (std::size_t k = 0; k < 4; ++k) sum[k] = add(sum[k], load(from + i + k * (words))); \
    }                                                                                         \
    consumed_float = reduce(add(add(sum[0], sum[1]), add(sum[2], sum[3])));                   \
  }
UFB_LIMITS_OF(avx512, "avx512f", __m512, _mm512_set1_ps, _mm512_fmadd_ps, _mm512_cvtss_f32, _mm512_load_ps,
              _mm512_add_ps, std::size_t{16})
UFB_LIMITS_OF(avx2, "avx2,fma", __m256, _mm256_set1_ps, _mm256_fmadd_ps, _mm256_cvtss_f32, _mm256_load_ps,
              _mm256_add_ps, std::size_t{8})
#endif

// Plain C++, which compilers turn into vectors of the architecture's baseline.
void multiply_plain(std::size_t steps) {
  std::array<float, 4 * chains> sum{};
  for (std::size_t i = 0; i < steps; ++i) {
    for (float& one : sum) one = one * 0.999F + 0.001F;
  }
  consumed_float = std::accumulate(sum.begin(), sum.end(), 0.0F);
}
void read_plain(const float* from, std::size_t count) {
  std::array<float, 16> sum{};
  for (std::size_t i = 0; i + 16 <= count; i += 16) {
    for (std::size_t k = 0; k < 16; ++k) sum[k] += from[i + k];
  }
  consumed_float = std::accumulate(sum.begin(), sum.end(), 0.0F);
}

struct limit_kernels {
  void (*multiply)(std::size_t steps);
  void (*read)(const float* from, std::size_t count);
  std::size_t lanes;
};

limit_kernels kernels_here() {
#if UFB_KERNELS_X86
  if (ultrafastbert::supported(ultrafastbert::isa_level::avx512)) return {multiply_avx512, read_avx512, 16};
  if (ultrafastbert::supported(ultrafastbert::isa_level::avx2)) return {multiply_avx2, read_avx2, 8};
#endif
  return {multiply_plain, read_plain, 4};
}

std::size_t rounded_size(std::size_t bytes) {
  return std::bit_ceil(std::max<std::size_t>(bytes, std::size_t{1} << 14U));
}

}  // namespace

double machine_limits::flops() {
  if (flops_ != 0) return flops_;
  const auto kernels = kernels_here();
  constexpr std::size_t steps = 2'000'000;
  const double time = best_time(threads_, [&](std::size_t) { kernels.multiply(steps); });
  flops_ = static_cast<double>(2 * steps * chains * kernels.lanes * threads_) / time;
  return flops_;
}

double machine_limits::read_rate(std::size_t table_bytes) {
  double& rate = read_rates_[rounded_size(table_bytes)];
  if (rate != 0) return rate;
  // A table of the size itself: between two powers of two may lie the end of a cache.
  const std::size_t count = std::max<std::size_t>(table_bytes, std::size_t{1} << 14U) / sizeof(float);
  ultrafastbert::aligned_buffer<float> table(count);
  std::fill(table.span().begin(), table.span().end(), 1.0F);
  const auto kernels = kernels_here();
  const std::size_t part = count / threads_ / 64 * 64;
  const std::size_t passes = std::max<std::size_t>(1, (std::size_t{64} << 20U) / (count * sizeof(float)));
  const double time = best_time(threads_, [&](std::size_t thread) {
    for (std::size_t i = 0; i < passes; ++i) kernels.read(table.data() + thread * part, part);
  });
  rate = static_cast<double>(passes * part * threads_ * sizeof(float)) / time;
  return rate;
}

double machine_limits::latency(std::size_t table_bytes) {
  double& seconds = latencies_[rounded_size(table_bytes)];
  if (seconds != 0) return seconds;
  // One cycle through all cache lines in a random order (Sattolo's shuffle).
  constexpr std::size_t line = 64 / sizeof(std::uint64_t);
  const std::size_t lines = std::max<std::size_t>(table_bytes, std::size_t{1} << 14U) / 64;
  ultrafastbert::aligned_buffer<std::uint64_t> table(lines * line);
  std::vector<std::uint64_t> order(lines);
  std::iota(order.begin(), order.end(), std::uint64_t{0});
  std::mt19937_64 generator(20'231'115);
  for (std::size_t i = lines - 1; i > 0; --i) {
    std::swap(order[i], order[static_cast<std::size_t>(generator()) % i]);
  }
  for (std::size_t i = 0; i < lines; ++i) table[order[i] * line] = order[(i + 1) % lines] * line;
  constexpr std::size_t loads = 300'000;
  const double time = best_time(1, [&](std::size_t) {
    std::uint64_t at = 0;
    for (std::size_t i = 0; i < loads; ++i) at = table[at];
    consumed_word = at;
  });
  seconds = time / static_cast<double>(loads);
  return seconds;
}

double machine_limits::least_time(const least_work& work) {
  const double bytes =
      work.weight_bytes / read_rate(work.weight_table) + work.token_bytes / read_rate(work.token_table);
  return std::max(work.flops / flops(), bytes);
}

}  // namespace ufb_bench
