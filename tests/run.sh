#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# tests/run.sh               g++ Release build with all tests, then the sanitizer build of the programs that read
#                            foreign bytes; installs missing Debian packages first
# tests/run.sh --build-only  builds tests, examples and benchmarks as Release into build/ and stops
# tests/run.sh --long PART   sanitizers: the whole suite under ASan/UBSan and under TSan
#                            lint: clang-tidy and cppcheck
# Environment: CXX (g++), CLANGXX (clang++-14), UFB_JOBS (as many as processors and memory allow)
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$root/tests/support/packages.sh"

usage() { sed -n '4,9s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }
say() { printf '== %s\n' "$*"; }
jobs=${UFB_JOBS:-$(ufb_jobs)}
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# quietly COMMAND...: shows the output of a command only if it fails.
quietly() {
  "$@" >"$log" 2>&1 || { cat "$log"; return 1; }
}

clang() {
  if [ -n "${CLANGXX:-}" ]; then echo "$CLANGXX"; elif command -v clang++-14; then :; else echo clang++; fi
}

# build FOLDER TARGET CMAKE-ARGUMENT...
build() {
  local folder=$1 target=$2
  shift 2
  quietly ufb_configure "$root" "$root/$folder" "$@"
  quietly cmake --build "$root/$folder" --target "$target" --parallel "$jobs"
}

build_release() {
  build build all -D CMAKE_BUILD_TYPE=Release -D CMAKE_CXX_COMPILER="${CXX:-g++}"
}

# build_sanitized FOLDER TARGET SANITIZER...
build_sanitized() {
  local folder=$1 target=$2
  shift 2
  # Without NDEBUG: Eigen's assertions are on, and none may be reached. The addresses keep their frames for reports.
  build "$folder" "$target" -D CMAKE_BUILD_TYPE=None -D CMAKE_CXX_COMPILER="$(clang)" \
    -D CMAKE_CXX_FLAGS="-O1 -g1 -fno-omit-frame-pointer -D_GLIBCXX_ASSERTIONS $*" \
    -D UFB_BUILD_EXAMPLES=OFF -D UFB_BUILD_BENCH=OFF -D UFB_INSTALL=OFF
}

# test_in FOLDER CTEST-ARGUMENT...: leaves ctest's closing line in $summary.
test_in() {
  local folder=$1
  shift
  local status=0
  ctest --test-dir "$root/$folder" --output-on-failure --no-tests=error --parallel "$jobs" "$@" >"$log" 2>&1 ||
    status=$?
  summary=$(grep -E '^[0-9]+% tests passed' "$log" || echo "no test was run")
  [ $status -eq 0 ] || { cat "$log"; say "$folder: $summary"; }
  return $status
}

asan_options() {
  export ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1 UBSAN_OPTIONS=print_stacktrace=1
}
asan_flags="-fsanitize=address,undefined -fno-sanitize-recover=all"

run_default() {
  # shellcheck disable=SC2086  # lists of words
  ufb_require_packages $UFB_TEST_PACKAGES $UFB_SANITIZER_PACKAGES
  say "Release build ($("${CXX:-g++}" --version | head -n 1))"
  build_release
  say "all tests"
  test_in build
  local release=$summary
  say "ASan and UBSan build ($("$(clang)" --version | head -n 1))"
  # shellcheck disable=SC2086
  build_sanitized build-asan ufb_sanitized_tests $asan_flags
  say "tests under ASan and UBSan"
  asan_options
  test_in build-asan --label-regex sanitized
  say "under ASan and UBSan: $summary; ${SECONDS} s in all"
  printf '%s\n' "$release"
}

run_long() {
  case ${1:-} in
    sanitizers)
      # shellcheck disable=SC2086
      ufb_require_packages $UFB_TEST_PACKAGES $UFB_SANITIZER_PACKAGES
      say "ASan and UBSan"
      # shellcheck disable=SC2086
      build_sanitized build-asan all $asan_flags
      (asan_options && test_in build-asan --label-exclude package && say "ASan and UBSan: $summary")
      say "TSan"
      build_sanitized build-tsan all -fsanitize=thread
      (export TSAN_OPTIONS=halt_on_error=1 && test_in build-tsan --label-exclude package && say "TSan: $summary")
      ;;
    lint)
      # shellcheck disable=SC2086
      ufb_require_packages $UFB_TEST_PACKAGES $UFB_LINT_PACKAGES
      "$root/tests/house/lint.sh" "$(clang)" "$jobs"
      ;;
    *)
      echo "tests/run.sh --long takes one of: sanitizers lint" >&2
      exit 2
      ;;
  esac
}

case ${1:-} in
  '') run_default ;;
  --build-only)
    # shellcheck disable=SC2086
    ufb_require_packages $UFB_TEST_PACKAGES
    build_release
    ;;
  --long) run_long "${2:-}" ;;
  -h | --help) usage ;;
  *)
    usage >&2
    exit 2
    ;;
esac
