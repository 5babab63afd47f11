# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154  # called by tests/run.sh, whose variables these are
#
# builds the API documentation, where a warning is an error, and runs all of the guide, with MPI, GNU parallel and HAProxy

campaign() {
  # shellcheck disable=SC2086  # lists of words
  ufb_require_packages $UFB_TEST_PACKAGES $UFB_DOCUMENTATION_PACKAGES
  say "documentation ($(doxygen --version | cut -d ' ' -f 1))"
  build build ufb_docs -D CMAKE_BUILD_TYPE=Release -D CMAKE_CXX_COMPILER="${CXX:-g++}" -D UFB_BUILD_TESTS=ON \
    -D UFB_BUILD_EXAMPLES=ON
  say "$(find "$root/build/docs/html" -name '*.html' | wc -l) pages, from $root/build/docs/html/index.html on"
  say "the guide"
  quietly cmake --build "$root/build" --target ufb_guide_tests --parallel "$jobs"
  UFB_GUIDE_ALL=1 test_in build --tests-regex '^guide_'
  say "$summary"
}
