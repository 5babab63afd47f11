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
jobs=$2

ufb_configure "$root" "$folder" -D CMAKE_CXX_COMPILER="$1" -D CMAKE_EXPORT_COMPILE_COMMANDS=ON -D UFB_BUILD_BENCH=OFF \
  -D UFB_INSTALL=OFF >/dev/null
status=0
echo "== clang-tidy"
rm -rf "$folder/alone"
mkdir -p "$folder/alone"
find "$root/include" -name '*.hpp' -printf '%P\n' | sort | while read -r header; do
  printf '#include "%s"\n' "$header" >"$folder/alone/$(printf '%s' "$header" | tr -c 'A-Za-z0-9_' _).cpp"
done
{ echo -std=c++20 && cat "$folder/tests/house/flags.txt"; } >"$folder/alone/compile_flags.txt"
# tidy_each OPTION...: over the files whose names come in; without -p, by the flags beside them.
tidy_each() {
  sort -z | xargs -0 -n 1 -P "$jobs" "$tidy" --quiet "$@" 2> >(grep -vE 'warnings? generated' >&2) || status=1
}
tidy_each < <(find "$folder/alone" -name '*.cpp' -print0)
tidy_each -p "$folder" < <(find "$root/examples" -name '*.cpp' -print0)
echo "== cppcheck"
# Header by header. Suppressed: its parser gives up on a concept used as a value, sees no difference between returning a
# local variable (which must not be moved) and an element of one, nor that a function does not return.
# It is told that there are exceptions, as its own preprocessor does not say so.
find "$root/include" -name '*.hpp' -print0 | sort -z |
  xargs -0 cppcheck --quiet --std=c++20 --language=c++ --enable=warning,performance,portability --inline-suppr \
    --suppress=missingInclude --suppress=missingIncludeSystem --suppress=internalAstError \
    --suppress=returnStdMoveLocal --suppress=accessMoved --error-exitcode=1 \
    -D__cpp_exceptions=199711 -DUFB_WITH_CBLAS=1 -DUFB_CBLAS_GEMM_BATCH=0 || status=1
exit $status
