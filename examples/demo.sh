#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Fills the masks of the given (or built-in) sentences with the shipped model:
#   examples/demo.sh ["A sentence with a <mask> ." ...]
# Installs missing Debian packages and builds first. Standard output carries the candidates only, one per line: word and
# probability; everything else goes to standard error.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$root/tests/support/packages.sh"

{
  # shellcheck disable=SC2086  # a list of words
  ufb_require_packages $UFB_EXAMPLE_PACKAGES
  ufb_configure "$root" "$root/build-demo" -D CMAKE_BUILD_TYPE=Release -D UFB_BUILD_TESTS=OFF -D UFB_BUILD_BENCH=OFF
  cmake --build "$root/build-demo" --target fill_mask --parallel "$(ufb_jobs)"
} >&2

if [ $# -eq 0 ]; then
  set -- \
    'I would like a cup of <mask>, please.' \
    'She opened the <mask> and walked into the room.' \
    'He has been living in London <mask> three years.' \
    'Tom asked Mary to <mask> the window.' \
    '"I am glad to see you," <mask> the boy.'
fi
exec "$root/build-demo/examples/fill_mask" --model "$root/examples/models/tiny-mlm" -- "$@"
