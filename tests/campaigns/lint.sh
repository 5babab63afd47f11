# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154  # called by tests/run.sh, whose variables these are
#
# clang-tidy and cppcheck

campaign() {
  # shellcheck disable=SC2086  # lists of words
  ufb_require_packages $UFB_TEST_PACKAGES $UFB_LINT_PACKAGES
  "$root/tests/house/lint.sh" "$(clang)" "$jobs"
}
