#!/bin/sh
# SPDX-License-Identifier: MIT
#
# usage: shape.sh ROOT
# Fails unless the visible top level of ROOT is the agreed one, and every header (*.hpp, and *.inc, which headers include
# several times) in ROOT/include is at most 400 lines of at most 120 columns, begins with license, purpose and layer, and
# holds no marks of unfinished work. A header has "#pragma once" below that comment, a file *.inc has none.
set -eu
export LC_ALL=C
cd "$1"
status=0

# Build folders are ignored by git and do not count.
agreed="CMakeLists.txt LICENSE README.md bench examples include tests "
visible=$(ls | grep -v '^build' | sort | tr '\n' ' ')
if [ "$visible" != "$agreed" ]; then
  echo "visible top level is: ${visible}and should be: ${agreed}(move other things into one of the folders)"
  status=1
fi

find include -name '*.hpp' -o -name '*.inc' | sort | xargs awk '
  function complain(line, text) { print file ":" line ": " text; bad = 1 }
  function finish() {
    if (file == "") return
    if (lines > 400) complain(lines, "longer than 400 lines; split it by theme")
    if (!opened) open(lines)
    if (!part && !pragma) complain(1, "no #pragma once; put it below the opening comment")
  }
  # The end of the opening comment.
  function open(line) {
    opened = 1
    if (!layer) complain(line, "the opening comment has no line \"Layer: <folder>.\"; add it as its last")
    if (comments < 3 || comments > most) {
      complain(line, "the opening comment has not 3 to " most " lines; say what the file is for, and no more")
    }
  }
  FNR == 1 {
    finish()
    file = FILENAME
    part = file ~ /\.inc$/
    most = part ? 24 : 9  # a file *.inc names what has to be there before it is included
    pragma = layer = comments = opened = 0
    if ($0 != "// SPDX-License-Identifier: MIT") {
      complain(1, "the first line is no SPDX license line; begin with // SPDX-License-Identifier: MIT")
    }
  }
  { lines = FNR }
  !opened && /^\/\/ / { ++comments }
  !opened && /^\/\/ Layer: .*\.$/ { layer = 1 }
  !opened && !/^\/\// {
    open(FNR)
    if (!part && !/^#pragma once$/) complain(FNR, "something stands before #pragma once; move it below")
  }
  /^#pragma once$/ {
    pragma = 1
    if (part) complain(FNR, "a file *.inc is included several times; leave #pragma once out")
  }
  length($0) > 120 && !/[\200-\377]/ { complain(FNR, "longer than 120 columns; run clang-format, break comments yourself") }
  /(TO[D]O|FIX[M]E|XX[X]|HAC[K])/ { complain(FNR, "a mark of unfinished work; finish it, or open an issue") }
  END { finish(); exit bad }
' || status=1
exit $status
