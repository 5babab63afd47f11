#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# usage: bench/run.sh report [--quick] [--groups LIST] --out DIR
#        bench/run.sh report --from DIR --out DIR
# Runs groups of the benchmark (machine, cmm, depth, family, choice, encoder, peers; all of them without --groups),
# keeps what they print and their JSON in DIR, and draws pictures (SVG) and a page (index.html) of all JSON that DIR
# has. With --from nothing is measured: the JSON of that folder is drawn once more. A group that fails is named on the
# page with its reason, and the exit status is 1; a peer that cannot be had is named, too, and is no failure.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
. "$root/tests/support/packages.sh"

all="machine cmm depth family choice encoder peers"
groups=$all
measured=
quick=
out=
from=

refuse() {
  echo "bench: $*" >&2
  exit 2
}

while [ $# -gt 0 ]; do
  case $1 in
    --quick) quick=--quick ;;
    --out=* | --from=* | --groups=*) set -- "${1%%=*}" "${1#*=}" "${@:2}" && continue ;;
    --out | --from | --groups)
      [ -n "${2:-}" ] || refuse "$1 needs a value"
      case $1 in
        --out) out=$2 ;;
        --from) from=$2 ;;
        --groups) groups=${2//,/ } measured=$1 ;;
      esac
      shift
      ;;
    *) refuse "report takes --quick, --groups LIST, --from DIR and --out DIR, not '$1'" ;;
  esac
  shift
done
[ -n "$out" ] || refuse "report needs --out DIR"
[ -z "$from" ] || [ -z "$quick$measured" ] || refuse "with --from nothing is measured: no --quick, --groups"
[ -z "$from" ] || [ -d "$from" ] || refuse "--from: there is no folder $from"
[ -n "${groups// /}" ] || refuse "--groups takes some of $(echo "$all" | tr ' ' ,)"
for group in $groups; do
  case " $all " in *" $group "*) ;; *) refuse "--groups takes some of $(echo "$all" | tr ' ' ,), not '$group'" ;; esac
done

# Another Python or gnuplot than Debian's will do.
if ! { command -v python3 && command -v gnuplot; } >/dev/null; then
  # shellcheck disable=SC2086  # a list of words
  ufb_require_packages $UFB_REPORT_PACKAGES >&2
fi
mkdir -p "$out"
out=$(cd "$out" && pwd)
status=0

# measure NAME ARGUMENT...: runs a group; leaves NAME.json, NAME.md (its tables), NAME.log (the rest) and NAME.run (how
# it went, as lines "key: value").
measure() {
  local name=$1 result=0 start=$SECONDS reason='' date
  date=$(date -u '+%Y-%m-%d %H:%M UTC')
  shift
  rm -f "$out/$name".{json,md,log,run}
  echo "report: bench/run.sh $*" >&2
  "$root/bench/run.sh" "$@" --json "$out/$name.json" >"$out/$name.md" 2>"$out/$name.log" </dev/null || result=$?
  {
    echo "command: bench/run.sh $*"
    echo "date: $date"
    echo "seconds: $((SECONDS - start))"
    echo "status: $result"
  } >"$out/$name.run"
  [ $result -ne 0 ] || return 0
  status=1
  if [ $result -gt 128 ]; then
    reason="signal $((result - 128)) ended it"
  else
    reason=$(grep -v '^[[:space:]]*$' "$out/$name.log" | tail -n 1 | tr -d '\r') || true
  fi
  echo "reason: bench/run.sh $* failed with status $result: ${reason:-it said nothing}" >>"$out/$name.run"
  echo "report: $name failed with status $result; see $out/$name.log" >&2
}

# enough_memory GROUP GIGABYTES: leaves the group out, by a reason in its .run, where so much is not free.
enough_memory() {
  local free
  free=$(awk '$1 == "MemAvailable:" { printf "%.1f", $2 / 1e6 }' /proc/meminfo 2>/dev/null) || return 0
  if [ -z "$free" ] || awk "BEGIN { exit !($free >= $2) }"; then return 0; fi
  rm -f "$out/$1".{json,md,log,run}
  echo "reason: it takes $2 GB of memory, and $free GB are free" >"$out/$1.run"
  echo "report: $1 is left out: $2 GB of memory are needed, $free GB are free" >&2
  return 1
}

# Encoders take most of the time; a quick look needs no long calls.
encoder=()
[ -z "$quick" ] || encoder=(--quick --rounds 3 --shapes "1x16,1x128")
for group in $groups; do
  [ -z "$from" ] || break
  case $group in
    machine) measure machine machine ;;
    encoder)
      measure encoder encoder "${encoder[@]}"
      measure encoder-bf16 encoder "${encoder[@]}" --projection bf16
      measure encoder-int8 encoder "${encoder[@]}" --projection int8
      ;;
    peers) ! enough_memory peers 5 || measure peers peers $quick ;;
    *) measure "$group" "$group" $quick ;;
  esac
done

if [ -n "$from" ] && [ "$(cd "$from" && pwd)" != "$out" ]; then
  for name in machine cmm depth family choice encoder encoder-bf16 encoder-int8 peers; do
    rm -f "$out/$name".{json,md,log,run}
    for file in "$from/$name".{json,md,log,run}; do
      [ ! -f "$file" ] || cp "$file" "$out/"
    done
  done
fi
PYTHONDONTWRITEBYTECODE=1 python3 "$here/draw.py" "$out" || exit
exit $status
