# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154  # called by tests/run.sh, whose variables these are
#
# the whole suite but the slow tests under ASan/UBSan and under TSan

campaign() {
  # shellcheck disable=SC2086  # lists of words
  ufb_require_packages $UFB_TEST_PACKAGES $UFB_SANITIZER_PACKAGES
  say "ASan and UBSan"
  # shellcheck disable=SC2086
  build_sanitized build-asan-long all $asan_flags
  (asan_options && test_in build-asan-long --label-exclude 'package|house|slow' && say "ASan and UBSan: $summary")
  say "TSan"
  build_sanitized build-tsan all -fsanitize=thread
  (export TSAN_OPTIONS=halt_on_error=1 && test_in build-tsan --label-exclude 'package|house|slow' && say "TSan: $summary")
}
