#!/bin/sh
# SPDX-License-Identifier: MIT
#
# usage: alone.sh ROOT WORK COMPILER FLAG...
# Fails unless every header in ROOT/include compiles on its own, twice in a row. With clang, what many headers include is
# compiled beforehand, into WORK; alone.awk says why that proves the same. Other compilers gain nothing by it.
set -eu
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)
include=$1/include
work=$2
compiler=$3
shift 3
hubs=0
"$compiler" --version | grep -q clang && hubs=8
rm -rf "$work"
mkdir -p "$work"

name_of() { printf '%s' "$1" | tr -c 'A-Za-z0-9_' _; }

status=0
# shellcheck disable=SC2046  # a list of paths without blanks
awk -v hubs="$hubs" -f "$here/alone.awk" $(find "$include" -name '*.hpp' | sort) >"$work/plan"
while read -r step header hub; do
  unit=$work/$(name_of "$header")
  if [ "$step" = before ]; then
    printf '#include "%s"\n' "$header" >"$unit.hpp"
    # What templates the headers use is instantiated here once, instead of in everything that follows.
    "$compiler" "$@" -I "$include" -fpch-instantiate-templates -x c++-header "$unit.hpp" -o "$unit.pch" || status=1
    continue
  fi
  printf '#include "%s"\n#include "%s"\n' "$header" "$header" >"$unit.cpp"
  prefix=
  [ "$hub" = - ] || prefix=$work/$(name_of "$hub").pch
  "$compiler" "$@" -I "$include" ${prefix:+-include-pch "$prefix"} -fsyntax-only "$unit.cpp" || {
    echo "include/$header does not compile on its own: include in it what it uses"
    status=1
  }
done <"$work/plan"
rm -rf "$work"
exit $status
