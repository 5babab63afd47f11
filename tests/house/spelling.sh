#!/bin/sh
# SPDX-License-Identifier: MIT
#
# usage: spelling.sh ROOT
# Fails on British spelling in ROOT: one word has one spelling, here the American one of the field. The key "optimisation"
# of the benchmarks' JSON was agreed with those who read it and stays, as does the title of the paper.
set -eu
export LC_ALL=C
cd "$1"
find . -path './.git' -prune -o -path './build*' -prune -o -type f \( -name '*.hpp' -o -name '*.inc' -o -name '*.cpp' \
  -o -name '*.sh' -o -name '*.awk' -o -name '*.md' -o -name 'CMakeLists.txt' -o -name '*.cmake' -o -name '*.h' \
  -o -name '*.c' -o -name '*.html' -o -name '*.js' -o -name '*.cjs' -o -name '*.py' -o -name 'promises.txt' \) ! -name spelling.sh \
  ! -name self_test.sh -print | sed 's,^\./,,' | sort | xargs awk '
  # Stem and its American form. A stem matches within a word, upper case or lower case; one in "is" only where a verb or
  # what is made of it goes on with e, a or i: a specialist may be optimistic.
  BEGIN {
    split("normalis normaliz tokenis tokeniz initialis initializ optimis optimiz vectoris vectoriz recognis recogniz " \
          "quantis quantiz serialis serializ summaris summariz organis organiz synchronis synchroniz minimis minimiz " \
          "maximis maximiz parallelis paralleliz specialis specializ generalis generaliz behaviour behavior " \
          "colour color neighbour neighbor favour favor centre center learnt learned spelt spelled " \
          "artefact artifact licence license modelling modeling labelled labeled cancelled canceled " \
          "towards toward catalogue catalog", list, " ")
    for (i = 1; i in list; i += 2) american[list[i]] = list[i + 1]
  }
  {
    line = tolower($0)
    gsub(/\\?"optimisation\\?"|exponentially faster language modelling/, "", line)
    for (stem in american) if (line ~ (stem ~ /is$/ ? stem "[eai]" : stem)) {
      print FILENAME ":" FNR ": write \"" american[stem] "\", not \"" stem "\""
      bad = 1
    }
  }
  END { exit bad }
'
