#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# tests/run.sh               g++ Release build with all tests but the slow ones, then the sanitizer build of the programs
#                            that read foreign bytes, then threads on shared models under the thread sanitizer; installs
#                            missing Debian packages first
# tests/run.sh --build-only  builds tests and examples as Release into build/ and stops
# tests/run.sh --long PART   one of the campaigns in tests/campaigns; --long alone lists them
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

# Threads on shared models for ten seconds. Not the hosts of ufb_hammer that the sanitizer does not understand: those that
# fork while threads run, and OpenMP.
tsan_hammer() {
  build_sanitized build-tsan ufb_hammer -fsanitize=thread
  TSAN_OPTIONS=halt_on_error=1 OPENBLAS_NUM_THREADS=1 quietly "$root/build-tsan/tests/ufb_hammer" \
    --host plain,flush,upward --threads 4 --seconds 3.4
  say "under TSan: $(tail -n 1 "$log")"
}

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
  say "threads under TSan"
  tsan_hammer
  say "${SECONDS} s in all"
  printf '%s\n' "$release"
}

# A campaign is a file with a function of this name; its arguments are those after its name.
run_long() {
  local file=$root/tests/campaigns/${1:-}.sh
  if [[ ! ${1:-} =~ ^[a-z]+$ || ! -f $file ]]; then
    echo "tests/run.sh --long takes one of:" >&2
    list_campaigns >&2
    exit 2
  fi
  # shellcheck source=/dev/null
  . "$file"
  campaign "${@:2}"
}

# The comment that opens each file, after the lines that open every file.
list_campaigns() {
  local file
  for file in "$root"/tests/campaigns/*.sh; do
    awk -v name="$(basename "$file" .sh)" \
      'FNR > 3 { if (!sub(/^# ?/, "")) exit; printf "  %-12s %s\n", FNR == 4 ? name : "", $0 }' "$file"
  done
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
