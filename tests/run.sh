#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# tests/run.sh               g++ Release build with all tests but the slow ones, then the sanitizer build of the programs
#                            that read foreign bytes; installs missing Debian packages first
# tests/run.sh --build-only  builds tests and examples as Release into build/ and stops
# tests/run.sh --long PART   slow: every header alone, and further ways to use the package
#                            sanitizers: the whole suite under ASan/UBSan and under TSan
#                            lint: clang-tidy and cppcheck
#                            portability: clang 14 and 16, g++ unoptimized and with -march=native; x86-64 without AVX
#                            and with AVX2 alone, and 64-bit ARM by g++ and clang, these under qemu-user
#                            reference [LINES [SEED [NAME...]]]: tokenizers against the npm package of the reference
#                            flips [TOKENS]: paths of certified storage against those of float32 (10,000,000)
#                            bare [NAME...]: the commands of README.md, each on a bare Debian of its own (as root);
#                            tests/support/bare.sh --list prints their names
# Environment: CXX (g++), CLANGXX (clang++-14), UFB_JOBS (as many as processors and memory allow)
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$root/tests/support/packages.sh"

usage() { sed -n '4,16s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }
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
  # What a demonstration or a host's own settings may have left off in this folder is on again.
  build build all -D CMAKE_BUILD_TYPE=Release -D CMAKE_CXX_COMPILER="${CXX:-g++}" \
    -D UFB_BUILD_TESTS=ON -D UFB_BUILD_EXAMPLES=ON -D UFB_INSTALL=ON
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
# Without the checks that ASan makes as well, and some that take longest to compile; --long sanitizers has all of them.
short_asan_flags="$asan_flags -fno-sanitize=null,object-size"
short_asan_flags+=" -fsanitize-ignorelist=$root/tests/support/sanitizer_ignore.txt"

run_default() {
  # shellcheck disable=SC2086  # lists of words
  ufb_require_packages $UFB_TEST_PACKAGES $UFB_SANITIZER_PACKAGES
  say "Release build ($("${CXX:-g++}" --version | head -n 1))"
  build_release
  say "all tests but the slow ones"
  test_in build --label-exclude slow
  local release=$summary
  say "ASan and UBSan build ($("$(clang)" --version | head -n 1))"
  # shellcheck disable=SC2086
  build_sanitized build-asan ufb_sanitized_tests $short_asan_flags
  say "tests under ASan and UBSan"
  asan_options
  test_in build-asan --label-regex sanitized
  say "under ASan and UBSan: $summary"
  say "${SECONDS} s in all"
  printf '%s\n' "$release"
}

# test_with_label LABEL FOLDER NAME CMAKE-ARGUMENT...: builds and runs the tests of a list in tests/CMakeLists.txt.
test_with_label() {
  local label=$1 folder=$2 name=$3
  shift 3
  build "$folder" "ufb_${label}_tests" -D UFB_BUILD_EXAMPLES=OFF -D UFB_INSTALL=OFF "$@"
  test_in "$folder" --label-regex "$label"
  say "$name: $summary"
}

# on_aarch64 LABEL FOLDER NAME CMAKE-ARGUMENT...: with header-only libraries of this machine and without a BLAS.
on_aarch64() {
  local label=$1 folder=$2 name=$3 unpacked=$root/build-aarch64-packages
  shift 3
  ufb_unpack_foreign arm64 "$unpacked" libutf8proc-dev
  test_with_label "$label" "$folder" "$name" -D CMAKE_TOOLCHAIN_FILE="$root/tests/support/aarch64.cmake" \
    -D CMAKE_BUILD_TYPE=Release -D UFB_BLAS=OFF -D UFB_UTF8PROC_INCLUDE_DIR="$unpacked/usr/include" \
    -D UFB_UTF8PROC_LIBRARY="$unpacked/usr/lib/aarch64-linux-gnu/libutf8proc.a" "$@"
}

# The package is fetched once, into the build folder. LINES texts (2000) for each configuration.
run_reference() {
  # shellcheck disable=SC2086  # lists of words
  ufb_require_packages $UFB_TEST_PACKAGES
  command -v npm >/dev/null || ufb_require_packages nodejs npm
  build build ufb_tokens -D CMAKE_BUILD_TYPE=Release -D CMAKE_CXX_COMPILER="${CXX:-g++}" -D UFB_BUILD_TESTS=ON
  local folder=$root/build/reference
  mkdir -p "$folder"
  [ -d "$folder/node_modules/tokenizers" ] ||
    quietly npm install --prefix "$folder" --no-audit --no-fund --no-package-lock tokenizers@0.23.2
  NODE_PATH=$folder/node_modules node "$root/tests/tokenizer/reference/compare.js" "$root/build/tests/ufb_tokens" "$@"
}

run_portability() {
  # shellcheck disable=SC2086  # lists of words
  ufb_require_packages $UFB_TEST_PACKAGES $UFB_PORTABILITY_PACKAGES
  on_aarch64 portable build-aarch64 "64-bit ARM, g++"
  on_aarch64 arithmetic build-aarch64-clang "64-bit ARM with half precision arithmetic, clang 14" \
    -D CMAKE_CXX_COMPILER=clang++-14 -D CMAKE_CXX_COMPILER_TARGET=aarch64-linux-gnu \
    -D CMAKE_CXX_FLAGS=-march=armv8.2-a+fp16
  # Processors that this machine is not: a program compiled without -march has to find its way on each.
  export QEMU_CPU
  for QEMU_CPU in qemu64 Haswell; do
    test_with_label arithmetic build-x86-64 "x86-64, $QEMU_CPU" -D CMAKE_SYSTEM_NAME=Linux -D CMAKE_SYSTEM_PROCESSOR=x86_64 \
      -D CMAKE_BUILD_TYPE=Release -D CMAKE_CXX_COMPILER="${CXX:-g++}" -D CMAKE_CROSSCOMPILING_EMULATOR=qemu-x86_64
  done
  unset QEMU_CPU
  test_with_label arithmetic build-clang-14 "clang 14" -D CMAKE_BUILD_TYPE=Release -D CMAKE_CXX_COMPILER=clang++-14
  test_with_label portable build-clang-16 "clang 16" -D CMAKE_BUILD_TYPE=Release -D CMAKE_CXX_COMPILER=clang++-16
  test_with_label arithmetic build-unoptimized "unoptimized" -D CMAKE_BUILD_TYPE=None -D CMAKE_CXX_COMPILER="${CXX:-g++}"
  test_with_label arithmetic build-native "for this machine" -D CMAKE_BUILD_TYPE=Release -D CMAKE_CXX_COMPILER="${CXX:-g++}" \
    -D CMAKE_CXX_FLAGS="-march=native -ffp-contract=fast"
  say "${SECONDS} s in all"
}

run_long() {
  case ${1:-} in
    slow)
      # shellcheck disable=SC2086
      ufb_require_packages $UFB_TEST_PACKAGES $UFB_SANITIZER_PACKAGES
      build_release
      test_in build --label-regex slow
      say "slow tests: $summary"
      ;;
    sanitizers)
      # shellcheck disable=SC2086
      ufb_require_packages $UFB_TEST_PACKAGES $UFB_SANITIZER_PACKAGES
      say "ASan and UBSan"
      # shellcheck disable=SC2086
      build_sanitized build-asan-long all $asan_flags
      (asan_options && test_in build-asan-long --label-exclude 'package|house' && say "ASan and UBSan: $summary")
      say "TSan"
      build_sanitized build-tsan all -fsanitize=thread
      (export TSAN_OPTIONS=halt_on_error=1 && test_in build-tsan --label-exclude 'package|house' && say "TSan: $summary")
      ;;
    lint)
      # shellcheck disable=SC2086
      ufb_require_packages $UFB_TEST_PACKAGES $UFB_LINT_PACKAGES
      "$root/tests/house/lint.sh" "$(clang)" "$jobs"
      ;;
    portability) run_portability ;;
    reference) run_reference "${@:2}" ;;
    flips)
      # shellcheck disable=SC2086
      ufb_require_packages $UFB_TEST_PACKAGES
      build build ufb_flips -D CMAKE_BUILD_TYPE=Release -D CMAKE_CXX_COMPILER="${CXX:-g++}" -D UFB_BUILD_TESTS=ON
      "$root/build/tests/ufb_flips" "${2:-10000000}"
      ;;
    bare) "$root/tests/support/bare.sh" "${@:2}" ;;
    *)
      echo "tests/run.sh --long takes one of: slow sanitizers lint portability reference flips bare" >&2
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
  --long) run_long "${@:2}" ;;
  -h | --help) usage ;;
  *)
    usage >&2
    exit 2
    ;;
esac
