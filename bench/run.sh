#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Times the fast feedforward layer against the fastest dense layer at the same batch size and number of threads:
#   bench/run.sh [cmm|family|leaves|gpt3|depth|all] [--quick] [--threads N] [--batch LIST] [--storage LIST] [--json FILE]
# small layers of static sizes against layers of the same sizes at run time:
#   bench/run.sh static [--quick] [--isa LEVEL] [--json FILE]
# the engine that a layer chooses by itself against the best one, over widths, depths and batch sizes:
#   bench/run.sh choice [--quick] [--threads N] [--batch LIST] [--storage LIST] [--json FILE]
# the whole encoder against the same encoder with dense layers:
#   bench/run.sh encoder [--model DIR] [--threads N] [--shapes LIST] [--projection f32|bf16|int8] [--json FILE]
# the whole encoder beside ONNX Runtime and PyTorch, which it installs where it can and leaves out by name where not
# (5 GB of memory):
#   bench/run.sh peers [--quick] [--threads N] [--shapes LIST] [--rounds N] [--json FILE]
# a dense BERT of MiniLM's sizes, as the hub stores it, beside ONNX Runtime, for which PyTorch writes it (1 GB of memory):
#   bench/run.sh hub [--quick] [--threads N] [--shapes LIST] [--rounds N] [--json FILE]
# the levels of BLAS that the paper compares, for dense layers and the FFF layer, beside the paper's own figures:
#   bench/run.sh paper [--quick] [--batch LIST] [--rounds N] [--json FILE]
# most of these, kept as JSON and drawn: pictures (SVG) and a page of them with tables; --from draws without measuring:
#   bench/run.sh report [--quick] [--groups machine,cmm,depth,family,choice,encoder,peers] --out DIR
#   bench/run.sh report --from DIR --out DIR
# what the machine is and allows:
#   bench/run.sh machine [--threads N] [--json FILE]
# what a program costs to compile, and single kernels and engines with Google Benchmark's own options:
#   bench/run.sh compile [--quick] [--rounds N] [--json FILE]
#   bench/run.sh micro [--benchmark_filter=REGEX] [--benchmark_min_time=SECONDS]
# Further: --isa LEVEL, --rounds N. Lists are separated by commas; storage: f32, f16, bf16, int8, certified, ci8, split;
# shapes: 1x16, 1x128, 8x128, mixed or any batch x length.
# Installs missing Debian packages and builds first, as Release and without -march. Standard output carries the Markdown
# tables only; everything else goes to standard error.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$root/tests/support/packages.sh"

# build_bench TARGET PACKAGE...: what it prints goes to standard error.
build_bench() {
  local target=$1
  shift
  {
    ufb_require_packages "$@"
    ufb_configure "$root" "$root/build-bench" -D CMAKE_BUILD_TYPE=Release -D UFB_BUILD_BENCH=ON \
      -D UFB_BUILD_TESTS=OFF -D UFB_BUILD_EXAMPLES=OFF
    cmake --build "$root/build-bench" --target "$target" --parallel "$(ufb_jobs)"
  } >&2
}

# shellcheck disable=SC2086  # lists of words
case ${1:-} in
  -h | --help)
    sed -n '4,/^set /{/^set /d; s/^# \{0,1\}//; p}' "${BASH_SOURCE[0]}"
    exit
    ;;
  compile) exec "$root/bench/compile/run.sh" "${@:2}" ;;
  report) exec "$root/bench/pictures/run.sh" "${@:2}" ;;
  micro)
    build_bench ufb_bench_micro $UFB_MICRO_BENCH_PACKAGES
    exec "$root/build-bench/bench/ufb_bench_micro" "${@:2}"
    ;;
  peers | hub)
    build_bench ufb_bench_peers $UFB_EXAMPLE_PACKAGES
    set -- ufb_bench_peers --group "$1" --folder "$root/build-bench/peers" --scripts "$root/bench/peers" "${@:2}"
    ;;
  cmm | family | leaves | gpt3 | depth | all | static | choice | encoder | paper | machine | -* | '')
    build_bench ufb_bench_compare $UFB_BENCH_PACKAGES
    set -- ufb_bench_compare "$@"
    ;;
  *)
    echo "bench/run.sh: there is no '$1'; see bench/run.sh --help" >&2
    exit 2
    ;;
esac

threads=1
previous=
for argument; do
  case $argument in
    --threads=*) threads=${argument#*=} ;;
    *) [ "$previous" != --threads ] || threads=$argument ;;
  esac
  previous=$argument
done

# Read by the libraries when the program is loaded. Idle threads sleep: they would take the time of the next contender.
export OMP_NUM_THREADS=$threads OPENBLAS_NUM_THREADS=$threads
export OMP_WAIT_POLICY=passive OMP_DYNAMIC=false
# A setting that some environments carry, and that would hold the strongest OpenBLAS kernels back.
for variable in OPENBLAS_CORETYPE OPENBLAS_L2_SIZE; do
  [ -z "${!variable:-}" ] || echo "$variable=${!variable} is not passed on: OpenBLAS chooses by the processor" >&2
  unset "$variable"
done
exec "$root/build-bench/bench/$1" "${@:2}"
