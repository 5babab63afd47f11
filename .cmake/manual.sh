#!/bin/sh
# SPDX-License-Identifier: MIT
#
# usage: manual.sh HELP2MAN PROGRAM PAGE
# Writes PAGE.gz, the manual page of PROGRAM, from what it says to --help and --version.
set -eu
export LC_ALL=C
# The first line of the help says what the program does. Examples stay on lines of their own.
"$1" --no-info --name="$("$2" --help | head -n 1)" "$2" |
  awk '/^\.S[HS]/ { examples = /EXAMPLES/ } examples && /^[^.]/ { print ".br" } { print }' >"$3"
grep -q '^\.SH EXAMPLES' "$3" || {
  echo "manual.sh: '$2 --help' has no examples" >&2
  exit 1
}
gzip -9nf "$3"
