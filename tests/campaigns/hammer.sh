# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154  # called by tests/run.sh, whose variables these are
#
# [SECONDS]: threads on shared models: 2, 4, 8 and 16 of them, SECONDS each (60), and 10 on hosts that fork, use OpenMP,
# flush subnormal numbers or round upward; then under TSan

campaign() {
  # shellcheck disable=SC2086  # lists of words
  ufb_require_packages $UFB_TEST_PACKAGES $UFB_SANITIZER_PACKAGES
  build build ufb_hammer -D CMAKE_BUILD_TYPE=Release -D CMAKE_CXX_COMPILER="${CXX:-g++}" -D UFB_BUILD_TESTS=ON
  local hammer=$root/build/tests/ufb_hammer
  export OPENBLAS_NUM_THREADS=1
  "$hammer" --threads 2,4,8,16 --seconds "${1:-60}"
  "$hammer" --threads 2,4,8,16 --seconds 10 --model "$root/examples/models/tiny-mlm" \
    --model "$root/examples/models/tiny-classifier"
  local host
  for host in fork flush upward; do "$hammer" --threads 2,4,8,16 --seconds 10 --host "$host"; done
  # Where the compiler has OpenMP.
  if "$hammer" --help | grep -q openmp; then "$hammer" --threads 2,4,8,16 --seconds 10 --host openmp; fi
  say "TSan"
  tsan_hammer
}
