// SPDX-License-Identifier: MIT
//
// Kernels and engines one by one, with Google Benchmark. Names are group/case/dims:
//   kernels/<kernel>.<storage>.<level>/<width>, kernels/<activation>.<level>/<values>
//   engines/<engine>.<storage>.<level>/<trees>x<depth>x<width>x<batch>
// Counters: tokens/s; FLOP/s of the products that were asked for; bytes of weights, inputs and outputs per token.
// Weights and inputs are random, and what a kernel or an engine computes is compared with double precision before it is
// timed: one that is wrong is not timed, and the program ends with status 1.
#include <benchmark/benchmark.h>

#include <cstdlib>

#include "micro.hpp"

namespace ufb_bench {

namespace {

bool all_right = true;  // whether everything measured so far was verified

}  // namespace

void verify(benchmark::State& state, bool right) {
  if (right) return;
  all_right = false;
  state.SkipWithError("the output differs from double precision");
}

}  // namespace ufb_bench

int main(int argc, char** argv) {
  namespace ufb = ultrafastbert;
  for (const auto level :
       {ufb::isa_level::portable, ufb::isa_level::neon, ufb::isa_level::avx2, ufb::isa_level::avx512}) {
    if (!ufb::supported(level)) continue;
    ufb_bench::register_kernels(level);
    ufb_bench::register_engines(level);
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return ufb_bench::all_right ? EXIT_SUCCESS : EXIT_FAILURE;
}
