# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154  # called by tests/run.sh, whose variables these are
#
# every header alone, two builds of the same code in one program, and further ways to
# use the package

campaign() {
  # shellcheck disable=SC2086  # lists of words
  ufb_require_packages $UFB_TEST_PACKAGES $UFB_SANITIZER_PACKAGES
  build_release
  quietly cmake --build "$root/build" --target ufb_slow_tests --parallel "$jobs"
  test_in build --label-regex slow
  say "slow tests: $summary"
}
