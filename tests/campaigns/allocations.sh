# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154  # called by tests/run.sh, whose variables these are
#
# every allocation fails in turn, one alone and all from there on, with leaks counted; some of them under
# AddressSanitizer; then a program that loads and uses models runs under limits of memory

# under_limit KIB PROGRAM ARGUMENT...: succeeds unless the program hangs, a signal ends it or it finds something wrong.
# That there is not enough memory may be its answer, or that of the dynamic linker. Counts in $whole those that came
# to their end.
under_limit() {
  local kib=$1 status=0
  shift
  (ulimit -c 0 && ulimit -v "$kib" && exec timeout 60 "$@") >"$log" 2>&1 || status=$?
  [ $status -ne 0 ] || whole=$((whole + 1))
  if { [ $status -lt 124 ] || [ $status -eq 127 ]; } && ! grep -qE ' [1-9][0-9]* wrong$' "$log"; then return 0; fi
  say "with $kib KiB of memory: status $status"
  cat "$log"
  return 1
}

campaign() {
  # shellcheck disable=SC2086  # lists of words
  ufb_require_packages $UFB_TEST_PACKAGES $UFB_SANITIZER_PACKAGES
  build build ufb_allocations -D CMAKE_BUILD_TYPE=Release -D CMAKE_CXX_COMPILER="${CXX:-g++}" -D UFB_BUILD_TESTS=ON
  export OPENBLAS_NUM_THREADS=1
  "$root/build/tests/ufb_allocations" | tail -n 1
  "$root/build/tests/ufb_allocations" --later | tail -n 1
  say "ASan and UBSan"
  # shellcheck disable=SC2086
  build_sanitized build-asan ufb_allocations $short_asan_flags
  (asan_options && quietly "$root/build-asan/tests/ufb_allocations" --most 100 && tail -n 1 "$log")
  say "limits of memory"
  # OPENBLAS_NUM_THREADS=1 is above: with threads of its own OpenBLAS asks for their memory again and again where the
  # system has none, and the program never ends.
  local kib runs=0 whole=0
  build build ufb_soak
  for ((kib = 10000; kib <= 120000; kib += 1000, ++runs)); do
    under_limit "$kib" "$root/build/tests/ufb_soak" --minutes 0.01 --little-memory
  done
  [ $whole -gt 0 ] || { say "no limit was enough"; cat "$log"; return 1; }
  say "$runs limits from 10 to 120 MB, $whole of them with calls: no hang, no signal, nothing wrong"
}
