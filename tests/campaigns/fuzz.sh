# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154  # called by tests/run.sh, whose variables these are
#
# [SECONDS [TARGET...]]: the targets of tests/fuzz under libFuzzer, ASan
# and UBSan, SECONDS each (900); what they find stays in build-fuzz

campaign() {
  local seconds=${1:-900}
  local targets=("${@:2}")
  if [[ ! $seconds =~ ^[1-9][0-9]*$ ]]; then
    echo "tests/run.sh --long fuzz takes a number of seconds, not '$seconds'" >&2
    exit 2
  fi
  [ ${#targets[@]} -gt 0 ] || mapfile -t targets < <(list_targets)
  local target
  for target in "${targets[@]}"; do
    if [[ ! $target =~ ^[a-z_]+$ || ! -d $root/tests/fuzz/corpus/$target ]]; then
      echo "no fuzz target is called '$target'; there are: $(list_targets | paste -s -d ' ')" >&2
      exit 2
    fi
  done
  # shellcheck disable=SC2086  # lists of words
  ufb_require_packages $UFB_TEST_PACKAGES $UFB_SANITIZER_PACKAGES
  say "fuzzers ($("$(clang)" --version | head -n 1))"
  for target in "${targets[@]}"; do
    build build-fuzz "ufb_fuzz_$target" -D CMAKE_BUILD_TYPE=None -D CMAKE_CXX_COMPILER="$(clang)" \
      -D CMAKE_CXX_FLAGS="-O1 -g1" -D UFB_FUZZER=libfuzzer -D UFB_BUILD_EXAMPLES=OFF -D UFB_BUILD_BENCH=OFF \
      -D UFB_INSTALL=OFF
  done
  say "$seconds s each, $jobs at a time"
  printf '%-18s %12s %10s %8s %9s\n' target executions per-second edges findings
  asan_options
  export OPENBLAS_NUM_THREADS=1
  local failures=0 running=0
  # shellcheck disable=SC2064  # the file as it is now
  trap "kill \$(jobs -p) 2>/dev/null || true; rm -f '$log'" EXIT
  for target in "${targets[@]}"; do
    fuzz_one "$target" "$seconds" &
    running=$((running + 1))
    if [ "$running" -ge "$jobs" ]; then
      wait -n || failures=$((failures + 1))
      running=$((running - 1))
    fi
  done
  while [ "$running" -gt 0 ]; do
    wait -n || failures=$((failures + 1))
    running=$((running - 1))
  done
  [ "$failures" -eq 0 ] || { say "targets with findings: $failures; see build-fuzz/found"; exit 1; }
}

list_targets() {
  local folder
  for folder in "$root"/tests/fuzz/corpus/*/; do basename "$folder"; done
}

# fuzz_one TARGET SECONDS: fails if there is a finding. The corpus grows in the build folder.
fuzz_one() {
  local target=$1 seconds=$2
  local fuzzed=$root/build-fuzz/corpus/$target found=$root/build-fuzz/found/$target
  local output=$root/build-fuzz/$target.log scratch
  local inputs=("$fuzzed" "$root/tests/fuzz/corpus/$target")
  local options=(-max_total_time="$seconds" -rss_limit_mb=2048 -timeout=10 -print_final_stats=1 -max_len=8192)
  scratch=$root/build-fuzz/scratch/$target
  mkdir -p "$fuzzed" "$found" "$scratch"
  [ ! -d "$root/tests/fuzz/regressions/$target" ] || inputs+=("$root/tests/fuzz/regressions/$target")
  [ ! -f "$root/tests/fuzz/$target.dict" ] || options+=(-dict="$root/tests/fuzz/$target.dict")
  local status=0
  TMPDIR=$scratch "$root/build-fuzz/tests/fuzz/ufb_fuzz_$target" "${options[@]}" -artifact_prefix="$found/" "${inputs[@]}" \
    >"$output" 2>&1 || status=$?
  rm -rf "$scratch"
  local findings
  findings=$(find "$found" -type f | wc -l)
  awk -v target="$target" -v findings="$findings" '
    $1 == "stat::number_of_executed_units:" { executions = $2 }
    $1 == "stat::average_exec_per_sec:" { rate = $2 }
    { for (i = 1; i < NF; ++i) if ($i == "cov:") edges = $(i + 1) }
    END { printf "%-18s %12s %10s %8s %9s\n", target, executions, rate, edges, findings }' "$output"
  if [ "$status" -ne 0 ]; then
    grep -m 5 -E '^fault: |ERROR: |runtime error: ' "$output" || tail -n 20 "$output"
    return 1
  fi
  [ "$findings" -eq 0 ]
}
