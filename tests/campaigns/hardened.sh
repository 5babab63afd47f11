# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154  # called by tests/run.sh, whose variables these are
#
# what reads foreign bytes, and the kernels, compiled as distributions harden their packages, with assertions of the
# standard library

campaign() {
  # shellcheck disable=SC2086  # lists of words
  ufb_require_packages $UFB_TEST_PACKAGES
  local folder=build-hardened
  local flags="-O2 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -D_GLIBCXX_ASSERTIONS -fstack-protector-strong"
  flags+=" -fstack-clash-protection -Wformat -Werror=format-security"
  local programs="io tokenizer products cmm folders golden"
  local targets="ufb_test_io ufb_test_tokenizer ufb_test_products ufb_test_cmm ufb_test_folders ufb_golden"
  quietly ufb_configure "$root" "$root/$folder" -D CMAKE_BUILD_TYPE=None -D CMAKE_CXX_COMPILER="${CXX:-g++}" \
    -D CMAKE_CXX_FLAGS="$flags" -D UFB_BUILD_EXAMPLES=OFF -D UFB_BUILD_BENCH=OFF -D UFB_INSTALL=OFF
  # shellcheck disable=SC2086
  quietly cmake --build "$root/$folder" --parallel "$jobs" --target $targets
  test_in "$folder" --tests-regex "^(${programs// /|})$"
  say "hardened: $summary"
}
