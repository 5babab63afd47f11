# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154  # called by tests/run.sh, whose variables these are
#
# [STEP [ROUNDS [LENGTH]]]: every function of the kernels against double precision, over every STEP-th of all floats
# (1), with ROUNDS random operands of each size (20), and sequences of LENGTH tokens (16384)

campaign() {
  # shellcheck disable=SC2086  # lists of words
  ufb_require_packages $UFB_TEST_PACKAGES
  build build ufb_numerics -D CMAKE_BUILD_TYPE=Release -D CMAKE_CXX_COMPILER="${CXX:-g++}" -D UFB_BUILD_TESTS=ON
  OPENBLAS_NUM_THREADS=1 "$root/build/tests/ufb_numerics" "${1:-1}" "${2:-20}" "${3:-16384}"
}
