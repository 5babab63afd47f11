#!/bin/sh
# SPDX-License-Identifier: MIT
#
# usage: test_page.sh PAGE PROGRAM MODELS
# Runs what a page of the guide shows, in the current folder, which has examples/ and build/. Blocks are
#   cpp      programs, which PROGRAM holds by the page's name and their number
#   sh       commands, in the order of the page, each block in a shell of its own; a block that needs a program which is not
#            installed is left out by name, unless UFB_GUIDE_ALL is set
#   python   the same for a program in Python
#   text     what the program or the commands before it print; below a line "..." that may be anything
#   console, cmake and such: only to be read
set -eu
page=$1
program=$2
models=$3
name=$(basename "$page" .md)
blocks=$(mktemp -d)
trap 'rm -rf "$blocks"' EXIT
failures=0

complain() {
  printf 'FAIL: %s: %s\n' "$name" "$1"
  failures=$((failures + 1))
}

# Files NUMBER.KIND; blocks of C++ without "int main(" belong to the next one.
awk -v to="$blocks/" '
  /^```/ && kind == "" { kind = substr($0, 4); count += !joined; joined = 0; file = sprintf("%s%03d.%s", to, count, kind); printf "" >file; main = 0; next }
  /^```$/ { if (kind == "cpp" && !main) joined = 1; close(file); kind = ""; next }
  kind != "" { print >file; if (/int main\(/) main = 1 }
' "$page"

# agrees EXPECTED FOUND
agrees() {
  rest=$(grep -nx '\.\.\.' "$1" | head -n 1 | cut -d : -f 1)
  if [ -n "$rest" ]; then
    head -n $((rest - 1)) "$1" >"$blocks/expected"
    head -n $((rest - 1)) "$2" >"$blocks/found"
    diff "$blocks/expected" "$blocks/found"
  else
    diff "$1" "$2"
  fi
}

# A cross-encoder of random weights for the page that takes one from the hub: its words are one letter or two.
rm -rf reranker
cp -r "$models/seq_ff_lse_1" reranker
awk 'BEGIN {
  print "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]"
  for (i = 0; i < 85; ++i) print (i < 26 ? "" : "##") sprintf("%c%s", 97 + i % 26, i < 52 ? "" : sprintf("%c", 97 + int(i / 26)))
}' >reranker/vocab.txt

number=0
for block in "$blocks"/*.cpp "$blocks"/*.sh "$blocks"/*.python; do [ -e "$block" ] && echo "$block"; done | sort >"$blocks/order"
while read -r block; do
  next=$(printf '%s/%03d.text' "$blocks" $(($(basename "$block" | sed 's/^0*\([0-9]*\)\..*/\1/') + 1)))
  status=0
  # shellcheck disable=SC2013  # words without blanks
  case $block in
    *.cpp)
      number=$((number + 1))
      what="program $number"
      "$program" "${name}_$number" >"$blocks/out" 2>"$blocks/err" </dev/null || status=$?
      [ -e "$next" ] || complain "$what: no block \"text\" behind it says what it prints"
      ;;
    *)
      what="the commands that begin with '$(grep -v '^#' "$block" | head -n 1)'"
      missing=
      case $block in *.python) shell="python3 -B" ;; *) shell="sh -eu" ;; esac
      for needed in ${shell%% *} $(sed -n 's/^# Needs: //p' "$block"); do
        command -v "$needed" >/dev/null 2>&1 || missing="$missing $needed"
      done
      if [ -n "$missing" ]; then
        echo "$name: left out $what, as there is no$missing"
        [ -z "${UFB_GUIDE_ALL:-}" ] || complain "$what: no$missing"
        continue
      fi
      $shell "$block" >"$blocks/out" 2>"$blocks/err" </dev/null || status=$?
      ;;
  esac
  [ "$status" -eq 0 ] || complain "$what: status $status: $(cat "$blocks/err")"
  [ ! -e "$next" ] || agrees "$next" "$blocks/out" || complain "$what: prints other lines than the page"
done <"$blocks/order"
[ -s "$blocks/order" ] || complain "nothing to run"
[ "$failures" -eq 0 ] || exit 1
echo "all as the page says"
