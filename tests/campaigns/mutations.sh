# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154  # called by tests/run.sh, whose variables these are
#
# [COUNT]: small checkpoints cut at every byte, with every bit of their JSON
# flipped, and COUNT random mutations of each (20,000); then under ASan

campaign() {
  local count=${1:-20000}
  # shellcheck disable=SC2086  # lists of words
  ufb_require_packages $UFB_TEST_PACKAGES $UFB_SANITIZER_PACKAGES
  say "Release"
  build build ufb_mutations -D CMAKE_BUILD_TYPE=Release -D CMAKE_CXX_COMPILER="${CXX:-g++}" -D UFB_BUILD_TESTS=ON
  "$root/build/tests/ufb_mutations" "$count"
  say "ASan and UBSan"
  # shellcheck disable=SC2086
  build_sanitized build-asan ufb_mutations $short_asan_flags
  (asan_options && "$root/build-asan/tests/ufb_mutations" "$count")
}
