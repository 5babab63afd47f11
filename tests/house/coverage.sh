#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# usage: coverage.sh ROOT JOBS
# Builds the programs that read foreign bytes with g++ --coverage, runs them, prints how many lines of io/, tokenizer/ and
# model/ were executed, and fails if no test reaches one of the places there that throw (see unreached.awk). Places that
# cannot be reached stand in tests/house/unreached.txt, each with its reason. What is built is a copy of the headers with
# a line for each statement: in "if (bad) fail(...);" the line alone does not tell whether anything was bad.
# UFB_COVERAGE_BUILD: another build folder.
set -euo pipefail
root=$1
jobs=$2
. "$root/tests/support/packages.sh"
folder=${UFB_COVERAGE_BUILD:-$root/build-coverage}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

rm -rf "$folder/source"
mkdir -p "$folder/source"
for part in "$root"/* "$root/.cmake"; do
  case $part in "$root"/build* | "$root/include") ;; *) ln -s "$part" "$folder/source/" ;; esac
done
cp -r "$root/include" "$folder/source/"
style="{BasedOnStyle: Google, Standard: c++20, ColumnLimit: 120, AllowShortIfStatementsOnASingleLine: Never,
  AllowShortFunctionsOnASingleLine: None, AllowShortLambdasOnASingleLine: None, AllowShortLoopsOnASingleLine: false,
  AllowShortCaseLabelsOnASingleLine: false, AllowShortBlocksOnASingleLine: Never, BreakBeforeBraces: Allman}"
for part in io tokenizer model; do
  find "$folder/source/include/ultrafastbert/$part" -name '*.hpp' -exec \
    "$(command -v clang-format-14 || echo clang-format)" -i --style="$style" {} +
done

ufb_configure "$folder/source" "$folder" -D CMAKE_BUILD_TYPE=None -D CMAKE_CXX_COMPILER="${CXX:-g++}" \
  -D CMAKE_CXX_FLAGS="-O0 --coverage -fprofile-update=atomic -w" \
  -D UFB_BUILD_EXAMPLES=OFF -D UFB_BUILD_BENCH=OFF -D UFB_INSTALL=OFF -D UFB_TEST_TIMEOUT=3000 >/dev/null
cmake --build "$folder" --parallel "$jobs" \
  --target ufb_test_io ufb_test_tokenizer ufb_test_folders ufb_test_hub ufb_test_model ufb_golden >"$folder/log" 2>&1 ||
  { cat "$folder/log"; exit 1; }
find "$folder" -name '*.gcda' -delete
ctest --test-dir "$folder" --output-on-failure --no-tests=error --parallel "$jobs" \
  --tests-regex '^(io|tokenizer|folders|hub|model|golden)$' >"$folder/log" 2>&1 || { cat "$folder/log"; exit 1; }
cd "$folder"
for part in io tokenizer model; do
  gcovr --root "$folder/source" --filter "$folder/source/include/ultrafastbert/$part/" --gcov-ignore-parse-errors \
    --json-pretty --json "$folder/$part.json" . 2>"$folder/log" || { cat "$folder/log"; exit 1; }
  awk -v part="$part" '
    /"count": / { count = $2 + 0 }
    /"gcovr.noncode": / { code = /false/ }
    /"line_number": / && code { ++lines; if (count > 0) ++executed }
    END { printf "%s/: %d of %d lines executed, %.1f %%\n", part, executed, lines, 100 * executed / lines }
  ' "$folder/$part.json"
done
# Executed lines as FILE:LINE, then the headers themselves.
awk '
  /"file": / { file = $2; gsub(/[",]/, "", file) }
  /"count": / { count = $2 + 0 }
  /"line_number": / { if (count > 0) print file ":" $2 + 0 }
' io.json tokenizer.json model.json | sort -u >executed
cd "$folder/source"
# shellcheck disable=SC2046  # a list of paths without blanks
awk -v executed="$folder/executed" -v excused="$here/unreached.txt" -f "$here/unreached.awk" \
  $(find include/ultrafastbert/io include/ultrafastbert/tokenizer include/ultrafastbert/model -name '*.hpp' | sort)
