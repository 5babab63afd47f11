# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154  # called by tests/run.sh, whose variables these are
#
# [address|thread]: the whole suite but the slow tests, and the server, under ASan and UBSan and under TSan; or one of the
# two

campaign() {
  if [[ ! ${1:-} =~ ^(|address|thread)$ ]]; then
    echo "tests/run.sh --long sanitizers takes address, thread, or nothing for both, not '$1'" >&2
    exit 2
  fi
  # shellcheck disable=SC2086  # lists of words
  ufb_require_packages $UFB_TEST_PACKAGES $UFB_SANITIZER_PACKAGES
  if [ "${1:-address}" = address ]; then
    asan_options
    # shellcheck disable=SC2086
    whole_suite "ASan and UBSan" build-asan-long $asan_flags
  fi
  if [ "${1:-thread}" = thread ]; then
    export TSAN_OPTIONS=halt_on_error=1
    whole_suite TSan build-tsan -fsanitize=thread
  fi
}

# whole_suite NAME FOLDER FLAG...: the tests without those of the examples, and then that of the server, which answers
# many clients at a time.
whole_suite() {
  say "$1"
  build_sanitized "$2" all "${@:3}"
  test_in "$2" --label-exclude 'package|house|slow'
  say "$1: $summary"
  quietly cmake -D UFB_BUILD_EXAMPLES=ON "$root/$2"
  quietly cmake --build "$root/$2" --target serve ufb_serve_client ufb_json_at --parallel "$jobs"
  # The library of the server's protocol is as Debian compiled it: what it makes once is a race to TSan, which does not
  # see how that is guarded.
  TSAN_OPTIONS=${TSAN_OPTIONS:-}:ignore_noninstrumented_modules=1 test_in "$2" --tests-regex '^example_serve$'
  say "the server under $1: $summary"
}
