#!/bin/sh
# SPDX-License-Identifier: MIT
#
# usage: guides.sh ROOT
# Fails unless the index of ROOT/examples/guide links every page there, pages have at most 140 lines, links between them lead
# somewhere, and the names and options that their sentences set in backticks exist: a name with an underscore or "::" in the
# sources, an option in the programs or in the blocks of code of the guide.
# shellcheck disable=SC2013,SC2016  # words without blanks; backticks that are meant
set -eu
export LC_ALL=C
cd "$1"
status=0
complain() {
  echo "$1"
  status=1
}
words=$(mktemp)
trap 'rm -f "$words"' EXIT
prose() { sed '/^```/,/^```$/d' "$1"; }
{
  find include examples bench tests -type f ! -path 'examples/models/*' ! -path 'tests/golden/*' ! -name '*.md' -exec cat {} +
  find include examples bench tests -type f ! -path 'tests/golden/*'
  find examples/guide -name '*.md' -exec sed -n '/^```[a-z]/,/^```$/p' {} + 2>/dev/null || :
  echo '--bind-to --map-by'  # of Open MPI
} | tr -c 'A-Za-z0-9_-' '\n' | sort -u >"$words"

for page in examples/guide/*.md; do
  [ -e "$page" ] || continue
  name=$(basename "$page")
  [ "$name" = README.md ] || grep -qsF "($name)" examples/guide/README.md ||
    complain "examples/guide/README.md has no line for $name; say which question it answers"
  [ "$(wc -l <"$page")" -le 140 ] || complain "$page is longer than 140 lines; leave something out, or make two pages of it"
  for link in $(prose "$page" | grep -oE '\]\([^)]*\)' | sed 's/^](//; s/[#)].*$//'); do
    case $link in http*) continue ;; esac
    [ -e "examples/guide/$link" ] || complain "$page links $link, which is not there"
  done
  for word in $(prose "$page" | grep -oE '`[^`]*`' | tr -c 'A-Za-z0-9_:-' '\n' |
    grep -E '^--[a-z]|^[a-z][a-z0-9_]*(::[a-z0-9_]+)*$' | grep -E '_|::|^--' | sed 's/.*:://' | sort -u | comm -23 - "$words"); do
    complain "$page names '$word', which is nowhere in the sources; correct its spelling"
  done
done
exit $status
