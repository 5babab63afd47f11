# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154  # called by tests/run.sh, whose variables these are
#
# gcovr: executed lines of io/, tokenizer/ and model/, and every place there that throws and no test reaches

campaign() {
  # shellcheck disable=SC2086  # lists of words
  ufb_require_packages $UFB_TEST_PACKAGES $UFB_COVERAGE_PACKAGES
  "$root/tests/house/coverage.sh" "$root" "$jobs"
}
