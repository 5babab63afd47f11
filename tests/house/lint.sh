#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# usage: lint.sh CLANGXX JOBS
# clang-tidy by .clang-tidy over every header on its own and the examples, then cppcheck over the headers.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
. "$root/tests/support/packages.sh"
folder=$root/build-lint
tidy=$(command -v clang-tidy-14 || echo clang-tidy)

ufb_configure "$root" "$folder" -D CMAKE_CXX_COMPILER="$1" -D CMAKE_EXPORT_COMPILE_COMMANDS=ON -D UFB_BUILD_BENCH=OFF \
  -D UFB_INSTALL=OFF >/dev/null
status=0
echo "== clang-tidy"
find "$folder/tests/house/alone" "$root/examples" -name '*.cpp' -print0 | sort -z |
  xargs -0 -n 1 -P "$2" "$tidy" -p "$folder" --quiet 2> >(grep -vE 'warnings? generated' >&2) || status=1
echo "== cppcheck"
# Header by header. Suppressed: its parser gives up on a concept used as a value, sees no difference between returning a
# local variable (which must not be moved) and an element of one, nor that a function does not return.
find "$root/include" -name '*.hpp' -print0 | sort -z |
  xargs -0 cppcheck --quiet --std=c++20 --language=c++ --enable=warning,performance,portability --inline-suppr \
    --suppress=missingInclude --suppress=missingIncludeSystem --suppress=internalAstError \
    --suppress=returnStdMoveLocal --suppress=accessMoved --error-exitcode=1 \
    -DUFB_WITH_CBLAS=1 -DUFB_CBLAS_GEMM_BATCH=0 || status=1
exit $status
