#!/bin/sh
# SPDX-License-Identifier: MIT
#
# usage: promises.sh ROOT
# Fails unless every promise of tests/house/promises.txt names at least one test, every test there exists, a test that is
# listed with an error code is in a file that names the code, and every code of core/error.hpp is listed.
set -eu
export LC_ALL=C
cd "$1"
list=tests/house/promises.txt
found=$(mktemp)
trap 'rm -f "$found"' EXIT

# FILE<tab>TEST for every test case; names may be cut into several strings.
find tests -name '*.cpp' | sort | xargs awk '
  function take(line,   n, parts, i) {
    n = split(line, parts, "\"")
    for (i = 2; i <= n; i += 2) {
      text = text parts[i]
      # The name ends at a comma or a parenthesis; further strings are tags.
      if (parts[i + 1] ~ /^[ \t]*[,)]/) { print FILENAME "\t" text; reading = 0; return }
    }
  }
  FNR == 1 { reading = 0 }
  /^(TEST_CASE|TEMPLATE_TEST_CASE|TEMPLATE_LIST_TEST_CASE)\(/ { reading = 1; text = "" }
  reading { take($0) }
' >"$found"

awk -v found="$found" -v list="$list" '
  function complain(text) { print list ":" FNR ": " text; bad = 1 }
  function finish() { if (promise != "" && !tests) complain("no test shows promise " promise) }
  function mentions(file, code,   line, yes) {
    if ((file, code) in known) return known[file, code]
    yes = 0
    while ((getline line <file) > 0) if (line ~ ("(^|[^a-z_])" code "([^a-z_]|$)")) yes = 1
    close(file)
    return known[file, code] = yes
  }
  BEGIN {
    while ((getline line <found) > 0) {
      split(line, parts, "\t")
      files[parts[2]] = files[parts[2]] parts[1] " "
    }
    header = "include/ultrafastbert/core/error.hpp"
    while ((getline line <header) > 0) {
      if (line ~ /^enum class error_code/) inside = 1
      else if (line ~ /^};/) inside = 0
      else if (inside && match(line, /^  [a-z_]+,/)) codes[substr(line, 3, RLENGTH - 3)] = 0
    }
  }
  /^P?[0-9]+ / { finish(); promise = $1; tests = 0; ++promises; next }
  /^  - [a-z_]+: / {
    kind = $2
    sub(/:$/, "", kind)
    name = substr($0, length(kind) + 7)
    if (promise == "") complain("a test before the first promise")
    ++tests
    if (kind == "house") {
      file = "tests/house/CMakeLists.txt"
      if (!mentions(file, name)) complain("tests/house has no check " name)
    } else if (kind == "campaign") {
      if ((getline line <("tests/campaigns/" name ".sh")) <= 0) complain("there is no campaign " name)
      close("tests/campaigns/" name ".sh")
    } else if (!(name in files)) {
      complain("no test is called \"" name "\"")
    } else if (kind != "value") {
      if (!(kind in codes)) { complain("there is no error code " kind); next }
      ++codes[kind]
      n = split(files[name], places, " ")
      yes = 0
      for (i = 1; i <= n; ++i) if (mentions(places[i], kind)) yes = 1
      if (!yes) complain("the file of \"" name "\" does not name the code " kind)
    }
    next
  }
  /^ / { if ($0 !~ /^  [^ -]/) complain("neither text nor \"  - KIND: TEST\"") }
  END {
    finish()
    if (!promises) complain("no promise at all")
    for (code in codes) if (!codes[code]) { print list ": no test is listed for the error code " code; bad = 1 }
    exit bad
  }
' "$list"
