#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Fills the masks of the given (or built-in) sentences with the shipped model:
#   examples/demo.sh ["A sentence with a <mask> ." ...]
# Installs missing Debian packages first and builds all example programs into build/examples. Standard output carries the
# candidates only, one per line: word and probability; everything else goes to standard error.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$root/tests/support/packages.sh"

if [ "$*" = --help ] || [ "$*" = -h ]; then
  sed -n '4,/^set /{/^set /d; s/^# \{0,1\}//; p}' "${BASH_SOURCE[0]}"
  exit
fi
{
  # shellcheck disable=SC2086  # a list of words
  ufb_require_packages $UFB_EXAMPLE_PACKAGES
  options=(-D UFB_BUILD_EXAMPLES=ON)
  # The folder keeps its tests where tests/run.sh has configured them.
  if ! grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$root" "$root/build/CMakeCache.txt" 2>/dev/null ||
    [ ! -f "$root/build/CTestTestfile.cmake" ]; then
    options+=(-D CMAKE_BUILD_TYPE=Release -D UFB_BUILD_TESTS=OFF)
  fi
  ufb_configure "$root" "$root/build" "${options[@]}"
  cmake --build "$root/build" --target ufb_examples --parallel "$(ufb_jobs)"
} >&2

if [ $# -eq 0 ]; then
  set -- \
    'I would like a cup of <mask>, please.' \
    'She opened the <mask> and walked into the room.' \
    'He has been living in London <mask> three years.' \
    'Tom asked Mary to <mask> the window.' \
    '"I am glad to see you," <mask> the boy.'
fi
exec "$root/build/examples/fill_mask" --model "$root/examples/models/tiny-mlm" -- "$@"
