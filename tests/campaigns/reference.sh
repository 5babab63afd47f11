# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154  # called by tests/run.sh, whose variables these are
#
# [LINES [SEED [NAME...]]]: tokenizers against the npm package of the reference, 2000 texts for each configuration

# The package is fetched once, into the build folder.
campaign() {
  # shellcheck disable=SC2086  # lists of words
  ufb_require_packages $UFB_TEST_PACKAGES
  command -v npm >/dev/null || ufb_require_packages nodejs npm
  build build ufb_tokens -D CMAKE_BUILD_TYPE=Release -D CMAKE_CXX_COMPILER="${CXX:-g++}" -D UFB_BUILD_TESTS=ON
  local folder=$root/build/reference
  mkdir -p "$folder"
  [ -d "$folder/node_modules/tokenizers" ] ||
    quietly npm install --prefix "$folder" --no-audit --no-fund --no-package-lock tokenizers@0.23.2
  NODE_PATH=$folder/node_modules node "$root/tests/tokenizer/reference/compare.js" "$root/build/tests/ufb_tokens" "$@"
}
