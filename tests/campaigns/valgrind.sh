# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154  # called by tests/run.sh, whose variables these are
#
# memcheck over the readers of foreign bytes, golden cases of every kind, threads, and small models of every family, at
# the level avx2, the last one that valgrind knows

# checked PROGRAM ARGUMENT...: runs a program of build/tests.
checked() {
  local start=$SECONDS
  quietly valgrind --quiet --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite \
    --fair-sched=yes "$root/build/tests/$1" "${@:2}"
  say "$*: nothing found, $((SECONDS - start)) s"
}

campaign() {
  # shellcheck disable=SC2086  # lists of words
  ufb_require_packages $UFB_TEST_PACKAGES valgrind
  local program
  for program in ufb_test_io ufb_test_tokenizer ufb_golden ufb_hammer ufb_soak; do
    build build "$program" -D CMAKE_BUILD_TYPE=Release -D CMAKE_CXX_COMPILER="${CXX:-g++}" -D UFB_BUILD_TESTS=ON
  done
  export OPENBLAS_NUM_THREADS=1
  checked ufb_test_io
  checked ufb_test_tokenizer "~[hostile]"  # those are made to take long
  checked ufb_golden "$root/tests/golden"
  checked ufb_soak --minutes 2
  checked ufb_hammer --threads 2 --seconds 60
}
