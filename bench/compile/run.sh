#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# usage: bench/run.sh compile [--quick] [--rounds N] [--json FILE]
# Measures what it costs to compile the programs of CMakeLists.txt here, unoptimized and with -O2: processor seconds of
# the compiler, and the memory of its largest process, medians over the rounds (3; with --quick 1). With the way
# "compiled" the time is that of the user's own file, and the case "library" is what is compiled beside it once. Every
# program is linked and run, too. Environment: CXX (g++).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
. "$root/tests/support/packages.sh"

rounds=3
json=
while [ $# -gt 0 ]; do
  case $1 in
    --quick) rounds=1 ;;
    --rounds=* | --json=*) set -- "${1%%=*}" "${1#*=}" "${@:2}" && continue ;;
    --rounds | --json)
      [ $# -ge 2 ] || { echo "bench: $1 needs a value" >&2; exit 2; }
      [ "$1" = --json ] && json=$2 || rounds=$2
      shift
      ;;
    *) echo "bench: compile takes --quick, --rounds N and --json FILE, not '$1'" >&2 && exit 2 ;;
  esac
  shift
done
case $rounds in '' | *[!0-9]* | 0*) echo "bench: --rounds takes a number from 1 on, not '$rounds'" >&2 && exit 2 ;; esac

# shellcheck disable=SC2086  # a list of words
ufb_require_packages $UFB_COMPILE_BENCH_PACKAGES >&2
timer=$(type -P time) || { echo "bench: GNU time was not found (Debian: time)" >&2; exit 2; }
compiler=${CXX:-g++}
work=$root/build-bench-compile
log=$work/log
rows=$work/rows  # CASE, WAY, OPTIMIZATION, seconds, megabytes
mkdir -p "$work"
: >"$rows"

configure() {
  ufb_configure "$here" "$work/$1" -D CMAKE_BUILD_TYPE=None -D CMAKE_CXX_FLAGS="$1" \
    -D CMAKE_CXX_COMPILER="$compiler" -D CMAKE_CXX_COMPILER_LAUNCHER="$timer;-a;-o;$log;-f;%U %S %M %C"
}

# measure OPTIMIZATION: compiles every program from nothing, one after another, and adds to the rows.
measure() {
  local case way target
  cmake --build "$work/$1" --target clean
  : >"$log"
  while read -r case way target; do
    cmake --build "$work/$1" --target "$target" --parallel 1
    if (cd "$root" && "$work/$1/$target" >/dev/null); then continue; fi
    echo "$case $way" >>"$work/wrong"
  done <"$work/$1/ways.txt"
  # Whatever is compiled beside the programs themselves is the library; a round's parts of it count together.
  awk -v optimization="$1" -v ways="$work/$1/ways.txt" '
    BEGIN { while ((getline line < ways) > 0) { split(line, f, " "); program[f[3]] = f[1] " " f[2] } }
    {
      target = ""
      if (match($0, /CMakeFiles\/[^\/]*\.dir\//)) target = substr($0, RSTART + 11, RLENGTH - 16)
      key = target in program ? program[target] : "library compiled"
      seconds[key] += $1 + $2
      if ($3 > kilobytes[key]) kilobytes[key] = $3
    }
    END { for (key in seconds) print key, optimization, seconds[key], kilobytes[key] * 1.024 / 1000 }' "$log" >>"$rows"
}

rm -f "$work/wrong"
{
  for optimization in -O0 -O2; do configure "$optimization"; done
  for ((round = 0; round < rounds; ++round)); do
    for optimization in -O0 -O2; do measure "$optimization"; done
  done
} >&2
grep -q ' compiled ' "$work/-O2/ways.txt" ||
  echo "bench: the way \"compiled\" is left out, there is no target ultrafastbert::compiled" >&2

processor=$(sed -n '/^model name/{s/^[^:]*: *//p;q}' /proc/cpuinfo)
cat <<END
# What a program costs to compile

- Compiler: $("$compiler" --version | head -n 1)
- Processor: $processor, $(nproc) cores; load: $(cut -d ' ' -f 1-3 /proc/loadavg)
- Date: $(date -u '+%Y-%m-%d %H:%M UTC')
- Medians of $rounds rounds; seconds: of the processor; peak: the compiler's largest process

## compile

| case | way | optimization | seconds | spread | peak MB | verified |
|---|---|---|---|---|---|---|
END
touch "$work/wrong"
sort -k 1,3 -k 4,4n "$rows" | awk -v wrong="$work/wrong" -v json="$work/json" '
  function median(list, n) { return n % 2 ? list[(n + 1) / 2] : (list[n / 2] + list[n / 2 + 1]) / 2 }
  function finish(   verified, text, i, sorted, j, swap) {
    if (n == 0) return
    for (i = 2; i <= n; ++i) {
      swap = memory[i]
      for (j = i - 1; j >= 1 && memory[j] > swap; --j) memory[j + 1] = memory[j]
      memory[j + 1] = swap
    }
    split(key, f, " ")
    verified = !((f[1] " " f[2]) in failed)
    printf "| %s | %s | %s | %.2f | %.2f-%.2f | %.0f | %s |\n", f[1], f[2], f[3], median(seconds, n), seconds[1],
      seconds[n], median(memory, n), verified ? "yes" : "**NO**"
    text = sprintf("{\"group\": \"compile\", \"case\": \"%s\", \"way\": \"%s\", \"optimisation\": \"%s\", " \
                   "\"seconds\": %.3f, \"peak_mb\": %.1f, \"runs\": %d, \"verified\": %s}", f[1], f[2], f[3],
                   median(seconds, n), median(memory, n), n, verified ? "true" : "false")
    all = all (all == "" ? "" : ",\n") "  " text
    n = 0
  }
  BEGIN { while ((getline line < wrong) > 0) failed[line] = 1 }
  $1 " " $2 " " $3 != key { finish(); key = $1 " " $2 " " $3 }
  { seconds[++n] = $4; memory[n] = $5 }
  END { finish(); print "[\n" all "\n]" > json }'
[ -z "$json" ] || cp "$work/json" "$json"
[ ! -s "$work/wrong" ] && exit
echo "bench: a program does not do what it should: $(sort -u "$work/wrong" | paste -sd ,)" >&2
exit 1
