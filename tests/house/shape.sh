#!/bin/sh
# SPDX-License-Identifier: MIT
#
# usage: shape.sh ROOT
# Fails unless the visible top level of ROOT is the agreed one, and every header in ROOT/include is at most 400 lines
# of at most 120 columns, begins with license, purpose and layer before #pragma once, and holds no marks of unfinished
# work.
set -eu
export LC_ALL=C
cd "$1"
status=0

# Build folders are ignored by git and do not count.
visible=$(ls | grep -v '^build' | sort | tr '\n' ' ')
if [ "$visible" != "CMakeLists.txt LICENSE README.md bench examples include tests " ]; then
  echo "visible top level is: $visible"
  status=1
fi

find include -name '*.hpp' | sort | xargs awk '
  function complain(line, text) { print file ":" line ": " text; bad = 1 }
  function finish() {
    if (file == "") return
    if (lines > 400) complain(lines, "longer than 400 lines")
    if (!pragma) complain(1, "no #pragma once")
  }
  FNR == 1 {
    finish()
    file = FILENAME
    pragma = layer = comments = 0
    if ($0 != "// SPDX-License-Identifier: MIT") complain(1, "the first line is no SPDX license line")
  }
  { lines = FNR }
  !pragma && /^\/\/ / { ++comments }
  !pragma && /^\/\/ Layer: .*\.$/ { layer = 1 }
  !pragma && /^#pragma once$/ {
    pragma = 1
    if (!layer) complain(FNR, "no comment line \"Layer: ....\" before #pragma once")
    if (comments < 3 || comments > 9) complain(FNR, "the comment before #pragma once has not 3 to 9 lines")
  }
  !pragma && !/^\/\// && NF { complain(FNR, "something stands before #pragma once") ; pragma = 1 }
  length($0) > 120 && !/[\200-\377]/ { complain(FNR, "longer than 120 columns") }
  /(TO[D]O|FIX[M]E|XX[X]|HAC[K])/ { complain(FNR, "a mark of unfinished work") }
  END { finish(); exit bad }
' || status=1
exit $status
