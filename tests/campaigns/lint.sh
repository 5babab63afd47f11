# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154  # called by tests/run.sh, whose variables these are
#
# [static|coverage]: clang-tidy and cppcheck (static); then gcovr: executed lines of io/, tokenizer/ and model/, and
# every place there that throws and no test reaches (coverage)

campaign() {
  local part=${1:-} status=0
  case $part in '' | static | coverage) ;; *)
    echo "tests/run.sh --long lint takes static or coverage, not '$part'" >&2
    exit 2
    ;;
  esac
  # shellcheck disable=SC2086  # lists of words
  ufb_require_packages $UFB_TEST_PACKAGES $UFB_LINT_PACKAGES $UFB_COVERAGE_PACKAGES
  [ "$part" = coverage ] || "$root/tests/house/lint.sh" "$(clang)" "$jobs" || status=1
  [ "$part" = static ] || "$root/tests/house/coverage.sh" "$root" "$jobs" || status=1
  return $status
}
