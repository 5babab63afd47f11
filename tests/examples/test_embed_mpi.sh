#!/bin/sh
# SPDX-License-Identifier: MIT
#
# usage: test_embed_mpi.sh PROGRAM JSON_AT MODELS EMBED
# The same file from any number of ranks and from the program without MPI, behind a rank that was killed, and from the
# filter.
set -eu
embed=$4
. "$(dirname "$0")/support.sh"
model=$models/tiny-mlm
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
# Open MPI's own files: two runs that begin at the same moment, as of another test, would stumble over one folder.
export TMPDIR="$work/mpi"
mkdir "$TMPDIR"

ranks() {
  count=$1
  shift
  mpirun --oversubscribe -np "$count" "$program" "$@"
}

printf 'a b\n\nc' >"$work/three"
awk 'BEGIN {
  srand(3)
  split("will it rain in London play some jazz a cup of tea", words, " ")
  for (i = 0; i < 700; ++i) {
    line = ""
    for (n = int(rand() * 20); n >= 0; --n) line = line words[int(rand() * 11) + 1] " "
    print i % 50 == 7 ? "" : line
  }
  printf "the last one has no end"
}' >"$work/lines"

"$embed" --model "$model" --npy "$work/single.npy" <"$work/lines" || complain "without MPI"
for count in 1 2 3 4; do
  ranks "$count" --model "$model" --in "$work/lines" --out "$work/$count.npy" --chunk 32 2>"$work/err" ||
    complain "$count ranks: $(cat "$work/err")"
  cmp -s "$work/single.npy" "$work/$count.npy" || complain "$count ranks give other bytes"
  grep -q "^701 lines, 192 columns, $count rank" "$work/err" || complain "$count ranks say: $(cat "$work/err")"
  [ ! -e "$work/$count.npy.progress" ] || complain "the progress is left"
done

# done_of FILE: how many parts are done.
done_of() { tail -c +257 "$1.progress" 2>/dev/null | tr -cd x | wc -c; }

# ranks_of MPIRUN: the processes that it started. Their parent is the second number behind the name in brackets.
ranks_of() { cat /proc/[0-9]*/stat 2>/dev/null | sed -n "s/^\([0-9]*\) .*) [A-Z] $1 .*/\1/p"; }

# begin NAME ARGUMENT...: a run of two ranks in the background, which stands still before it is done. What it says goes to
# $work/NAME.err, its number and those of its ranks to $work/NAME.mpirun and $work/NAME.ranks.
begin() {
  begun=$1
  shift
  mkdir "$work/$begun.mpi"
  TMPDIR=$work/$begun.mpi mpirun --oversubscribe -np 2 "$program" --model "$model" --in "$work/more" --chunk 1 \
    --out "$work/$begun.npy" "$@" >/dev/null 2>"$work/$begun.err" &
  echo $! >"$work/$begun.mpirun"
  tries=0
  until [ "$(done_of "$work/$begun.npy")" -gt 5 ] || [ $tries -gt 3000 ]; do
    tries=$((tries + 1))
    sleep 0.01
  done
  ranks_of "$(cat "$work/$begun.mpirun")" >"$work/$begun.ranks"
  # shellcheck disable=SC2046  # a list of numbers
  kill -STOP $(cat "$work/$begun.ranks")
}

# end NAME: lets it go on, and waits for it. What it said before the last line is left in $work/NAME.said.
end() {
  # shellcheck disable=SC2046  # a list of numbers
  kill -CONT $(cat "$work/$1.ranks")
  rm "$work/$1.ranks"
  wait "$(cat "$work/$1.mpirun")" || complain "$1: $(cat "$work/$1.err")"
  cmp -s "$work/more_single.npy" "$work/$1.npy" || complain "$1: other bytes"
  sed '$d' "$work/$1.err" >"$work/$1.said"
}

# What stands still does not stay behind, whatever happens.
leave() {
  # shellcheck disable=SC2046  # a list of numbers
  kill -KILL $(cat "$work"/*.ranks 2>/dev/null) 2>/dev/null || true
  rm -rf "$work"
}
trap leave EXIT

# Three runs that stand still until the end of this test, so that the time is there that they need to say something.
cat "$work/lines" "$work/lines" "$work/lines" "$work/lines" >"$work/more"
"$embed" --model "$model" --npy "$work/more_single.npy" <"$work/more" || complain "more lines"
begin patient
begin silent --progress 0
begin asked --progress 1
stopped=$(date +%s)

# Killed on the way, all ranks at once: any that lived on would soon be done with the rest. There are lines enough for a
# second.
for _ in 1 2 3 4 5 6 7 8 9 10 11 12; do cat "$work/lines"; echo; done >"$work/many"
"$embed" --model "$model" --npy "$work/many_single.npy" <"$work/many" || complain "many lines"
mpirun --oversubscribe -np 2 "$program" --model "$model" --in "$work/many" --out "$work/killed.npy" --chunk 1 \
  >/dev/null 2>&1 &
running=$!
until [ -e "$work/killed.npy.progress" ] || [ ! -d "/proc/$running" ]; do :; done
started=$(ranks_of "$running")
tries=0
until [ "$(done_of "$work/killed.npy")" -gt 20 ] || [ $tries -gt 3000 ]; do
  tries=$((tries + 1))
  sleep 0.01
done
# shellcheck disable=SC2086  # a list of numbers
kill -KILL $started 2>/dev/null || true
wait "$running" 2>/dev/null || true
if [ -e "$work/killed.npy.progress" ]; then
  # Other lines of the same number and length: nothing of what was done is theirs.
  tr a b <"$work/many" >"$work/changed"
  cp "$work/killed.npy" "$work/changed.npy"
  cp "$work/killed.npy.progress" "$work/changed.npy.progress"
  ranks 2 --model "$model" --in "$work/changed" --out "$work/changed.npy" --chunk 1 2>"$work/err" ||
    complain "changed lines: $(cat "$work/err")"
  ! grep -q '^going on' "$work/err" || complain "it went on behind other lines"
  "$embed" --model "$model" --npy "$work/single_changed.npy" <"$work/changed"
  cmp -s "$work/single_changed.npy" "$work/changed.npy" || complain "it went on with the vectors of other lines"
  ranks 2 --model "$model" --in "$work/many" --out "$work/killed.npy" --chunk 1 2>"$work/err" ||
    complain "going on: $(cat "$work/err")"
  grep -q '^going on behind [1-9][0-9]* of 8412 parts' "$work/err" || complain "it began anew: $(cat "$work/err")"
  cmp -s "$work/many_single.npy" "$work/killed.npy" || complain "other bytes behind a killed run"
else
  complain "the run was not killed on the way"
fi

# Two runs do not write one file, and without its output a progress is worth nothing.
"$program" --model "$model" --in "$work/more" --out "$work/shared.npy" --chunk 1 2>/dev/null &
running=$!
tries=0
until [ "$(done_of "$work/shared.npy")" -gt 5 ] || [ $tries -gt 3000 ]; do
  tries=$((tries + 1))
  sleep 0.01
done
kill -STOP "$running"  # so that it has not ended before the second one begins
found=0
"$program" --model "$model" --in "$work/more" --out "$work/shared.npy" --chunk 1 2>"$work/err" || found=$?
same "a second run: exit status" 1 "$found"
grep -q 'another run writes' "$work/err" || complain "a second run: $(cat "$work/err")"
kill -KILL "$running" 2>/dev/null || true
wait "$running" 2>/dev/null || true
rm "$work/shared.npy"
ranks 2 --model "$model" --in "$work/more" --out "$work/shared.npy" --chunk 1 2>"$work/err" || complain "no output"
! grep -q '^going on' "$work/err" || complain "it went on without an output"
cmp -s "$work/more_single.npy" "$work/shared.npy" || complain "other bytes where the output was gone"

# An input that changes while it is read, with as many lines, with more, or with fewer, is an error that says so.
# wait_for_parts FILE: waits until some are done.
wait_for_parts() {
  tries=0
  until [ "$(done_of "$1")" -gt 5 ] || [ $tries -gt 3000 ]; do
    tries=$((tries + 1))
    sleep 0.01
  done
}
for change in "tr a b" "tr ' ' '\n'" "head -n 1000"; do
  cp "$work/more" "$work/moving"
  rm -f "$work/moving.npy" "$work/moving.npy.progress"
  "$program" --model "$model" --in "$work/moving" --out "$work/moving.npy" --chunk 16 2>"$work/err" &
  running=$!
  wait_for_parts "$work/moving.npy"
  kill -STOP "$running"
  eval "$change" <"$work/more" >"$work/moving"
  kill -CONT "$running"
  found=0
  wait "$running" || found=$?
  same "an input that changes by $change: exit status" 1 "$found"
  grep -q "moving has changed while its lines were read" "$work/err" || complain "$change: $(cat "$work/err")"
done

# Nor is a run gone on with that another model began, even if both give the same vectors of most texts.
cp -rL "$model" "$work/model"
"$program" --model "$work/model" --in "$work/more" --out "$work/other.npy" --chunk 1 2>/dev/null &
running=$!
wait_for_parts "$work/other.npy"
kill -KILL "$running"
wait "$running" 2>/dev/null || true
printf ' ' >>"$work/model/tokenizer.json"
"$program" --model "$work/model" --in "$work/more" --out "$work/other.npy" --chunk 1 2>"$work/err" ||
  complain "another model: $(cat "$work/err")"
! grep -q '^going on' "$work/err" || complain "it went on behind another model"
rm -r "$work/model"

# Somebody waits for several ranks: there are lines after 10 seconds, or sooner if that is asked for, or none.
# ours FILE...: what the program said. What MPI says of the machine, in brackets, is not ours.
ours() { cat "$@" | grep -v '^\[' || true; }
line='^[0-9]* texts, [0-9.]* a second, [0-9]* %$'
while [ $(($(date +%s) - stopped)) -lt 11 ]; do sleep 0.1; done
end patient
end silent
end asked
grep -q "$line" "$work/patient.said" || complain "a run of 10 seconds says nothing: $(cat "$work/patient.err")"
grep -q "$line" "$work/asked.said" || complain "a run that is asked says nothing: $(cat "$work/asked.err")"
same "it says nothing else" "" "$(ours "$work/patient.said" "$work/asked.said" | grep -v "$line" || true)"
same "no line for any percent twice" "" "$(grep -o '[0-9]* %' "$work/asked.said" | uniq -d)"
same "a run that is not to say anything" "" "$(ours "$work/silent.said")"
"$program" --model "$model" --in "$work/more" --out "$work/alone.npy" --progress 1 2>"$work/err" || complain "one rank"
same "one rank that is soon done" "" "$(ours "$work/err" | sed '$d' | grep -v "$line" || true)"
wide="'$program' --model '$model' --in '$work/more' --out '$work/wide.npy' --chunk 1"
if on_terminal "$wide" >"$work/shown"; then
  grep -q "$line" "$work/shown" || complain "a terminal shows no progress: $(cat "$work/shown")"
  grep -q '^2801 lines' "$work/shown" || complain "the last line is no line of its own: $(cat "$work/shown")"
  on_terminal "$wide --progress 0" >"$work/shown"
  same "a terminal that is not to show any" "1" "$(wc -l <"$work/shown" | tr -d ' ')"
fi
refused "progress of a filter" 2 "--in" --model "$model" --progress 1
refused "a time that is none" 2 "--progress" --model "$model" --in "$work/three" --out "$work/x.npy" --progress -1

# Nothing is written over what is read.
cp "$work/three" "$work/kept.npy.progress"
refused "an output that is the input" 1 "would be overwritten" --model "$model" --in "$work/three" --out "$work/three"
refused "a progress that is the input" 1 "would be overwritten" --model "$model" --in "$work/kept.npy.progress" \
  --out "$work/kept.npy"
same "the input is as it was" "a b||c" "$(tr '\n' '|' <"$work/three")"
found=0
"$embed" --model "$model" --npy "$work/three" <"$work/three" 2>"$work/err" || found=$?
same "embed over its input: exit status" 1 "$found"
same "the input is as it was behind embed" "a b||c" "$(tr '\n' '|' <"$work/three")"
refused "a chunk beyond all numbers" 2 "--chunk" --model "$model" --in "$work/three" --out "$work/x.npy" \
  --chunk 18446744073709551615
found=0
"$program" --model "$model" <"$work/three" >/dev/full 2>"$work/err" || found=$?
same "a full disk: exit status" 1 "$found"
grep -q '^embed_mpi: rank 0: standard output cannot be written$' "$work/err" || complain "a full disk: $(cat "$work/err")"
refused "an output that holds nothing" 1 "is no file" --model "$model" --in "$work/three" --out /dev/full
[ ! -e /dev/full.progress ] && [ ! -e "$work/three.progress" ] || complain "a refused run leaves its progress"

# The progress of other work is not gone on with.
head -n 100 "$work/lines" >"$work/fewer"
printf 'embed_mpi 1: of something else\n' >"$work/fewer.npy.progress"
ranks 1 --model "$model" --in "$work/fewer" --out "$work/fewer.npy" 2>"$work/err" || complain "other work"
"$embed" --model "$model" --npy "$work/single_fewer.npy" <"$work/fewer"
cmp -s "$work/single_fewer.npy" "$work/fewer.npy" || complain "other bytes behind other work"

same "a filter has a line for each line" "3 192" "$("$program" --model "$model" <"$work/three" | awk '{ n = NF } END { print NR, n }')"
"$program" --model "$model" <"$work/three" >"$work/all"
printf 'c' | "$program" --model "$model" >"$work/one"
same "a line's numbers do not depend on the others" "$(tail -n 1 "$work/all")" "$(cat "$work/one")"
: >"$work/nothing"
ranks 2 --model "$model" --in "$work/nothing" --out "$work/nothing.npy" 2>/dev/null || complain "an empty file"
same "an empty file has a header alone" 128 "$(wc -c <"$work/nothing.npy")"

refused "a folder that is not there" 1 "$work/nowhere" --model "$work/nowhere" --in "$work/lines" --out "$work/x.npy"
refused "a file that is not there" 1 "$work/none" --model "$model" --in "$work/none" --out "$work/x.npy"
refused "an output without an input" 2 "--in" --model "$model" --out "$work/x.npy"
refused "a level that is none" 2 "--isa: takes one of" --model "$model" --isa sse
found=0
ranks 2 --model "$model" <"$work/three" >"$work/out" 2>"$work/err" || found=$?
[ "$found" -ne 0 ] && grep -q 'a filter is one rank' "$work/err" || complain "a filter of two ranks: $(cat "$work/err")"
finish
