#!/bin/sh
# SPDX-License-Identifier: MIT
#
# usage: view_messages.sh COMPILER SOURCE [OPTION...]
# Compiles SOURCE with COMPILER and the options. Every line of it that follows a line "// says: TEXT" has to be an error
# whose messages contain TEXT, and no other line may be one.
set -eu
export LC_ALL=C
compiler=$1
source=$2
shift 2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if "$compiler" "$@" -fsyntax-only "$source" 2>"$work/messages"; then
  echo "$source compiles, and must not"
  exit 1
fi

# The messages about one line are what stands from its error to the next error.
awk -v file="$(basename "$source")" '
  FNR == NR {
    if (match($0, /\/\/ says: /)) wanted[FNR + 1] = substr($0, RSTART + RLENGTH)
    next
  }
  /error:/ {
    line = 0
    if (match($0, file ":[0-9]+:")) line = substr($0, RSTART + length(file) + 1) + 0
    if (!(line in wanted)) {
      print "an error without a remark in " file ": " $0
      bad = 1
    }
    refused[line] = 1
  }
  { said[line] = said[line] "\n" $0 }
  END {
    for (line in wanted) {
      ++count
      if (!(line in refused)) {
        print file ":" line ": compiles, and must not"
        bad = 1
      } else if (!index(said[line], wanted[line])) {
        print file ":" line ": the compiler does not say \"" wanted[line] "\", but" said[line]
        bad = 1
      }
    }
    if (!count) {
      print file ": no line has a remark"
      bad = 1
    }
    exit bad
  }
' "$source" "$work/messages"
