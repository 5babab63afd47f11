#!/bin/sh
# SPDX-License-Identifier: MIT
#
# usage: test_embed.sh PROGRAM JSON_AT MODELS
set -eu
. "$(dirname "$0")/support.sh"
model=$models/tiny-mlm
long=$(awk 'BEGIN { for (i = 0; i < 200; ++i) printf "the " }')

check_texts --model "$model"
same "one line for each text" "$(wc -l <"$work/lines")" "$(wc -l <"$work/piped")"
same "192 numbers in each line" "192" "$(awk '{ print NF }' "$work/piped" | sort -u)"

"$program" --model "$model" --json <"$work/lines" >"$work/piped" || complain "JSON lines"
same "one JSON line for each text" "$(wc -l <"$work/lines")" "$(wc -l <"$work/piped")"
"$json_at" /index '/embedding#' <"$work/piped" >"$work/values" || complain "JSON"
awk -F '\t' '$1 != NR - 1 || $2 != 192' "$work/values" >"$work/odd"
same "texts are counted from 0, and have 192 numbers" "" "$(cat "$work/odd")"
same "the first columns alone" "5" \
  "$("$program" --model "$model" --json --dimensions 5 "a house" | "$json_at" '/embedding#')"

"$program" --model "$model" --similarity "a house" "a house" "the sun" >"$work/similar" || complain "similarity"
same "a text is its own likeness" "1.0000${tab}1.0000" "$(head -n 1 "$work/similar" | cut -f 1,2)"
same "a row for each text" "3" "$(wc -l <"$work/similar")"

"$program" --model "$model" --npy "$work/vectors.npy" "a house" "the sun" || complain "npy"
same "a header of 128 bytes and two rows of floats" "$((128 + 2 * 192 * 4))" "$(wc -c <"$work/vectors.npy")"
same "the header says so" "1" "$(head -c 128 "$work/vectors.npy" | grep -ac "'shape': (2, 192)")"

# A terminal shows how far the program is, unless results or what is typed stand there.
seq 64 >"$work/group"
slowly="(cat '$work/group'; sleep 0.3; cat '$work/group')"
embeds="'$program' --model '$model'"
if on_terminal "$slowly | $embeds --npy '$work/shown.npy'" >"$work/shown"; then
  same "progress beside a file" "1" "$(grep -cx '128 texts, [0-9.]* a second' "$work/shown")"
  on_terminal "$slowly | $embeds >'$work/out'" >"$work/shown"
  same "progress beside results in a file" "1" "$(grep -cx '128 texts, [0-9.]* a second' "$work/shown")"
  on_terminal "$slowly | $embeds --similarity" >"$work/shown"
  same "progress before results" "128 texts" "$(grep -m 1 . "$work/shown" | cut -d , -f 1)"
  on_terminal "$slowly | $embeds" >"$work/shown"
  same "no progress among results" "" "$(grep 'a second' "$work/shown" || true)"
  on_terminal "$slowly | $embeds --npy '$work/shown.npy' 2>'$work/err'" >"$work/shown"
  same "no progress where there is no terminal" "" "$(cat "$work/shown" "$work/err")"
  on_terminal "(cat '$work/group'; sleep 0.3; echo 1; echo '$long'; sleep 0.3; echo 2) |
    $embeds --npy '$work/shown.npy' --refuse-long --skip-bad" >"$work/shown"
  grep -q '^skipped line 66: ' "$work/shown" || complain "a message and progress on one line: $(cat "$work/shown")"
fi

check_pipes "a house" --model "$model" --json
"$program" --model "$model" --npy "$work/closed.npy" a >&- || complain "nothing is printed with --npy"

same "it says how vectors are made" "1" "$("$program" --model "$model" --describe | grep -c 'no modules.json: pooling mean')"
same "nothing for an empty pipe" "" "$("$program" --model "$model" </dev/null)"
refused "a text that is too long, where that is asked for" 1 "text 1" --model "$model" --refuse-long \
  "$long"
refused "a description, and a text" 2 "--describe" --model "$model" --describe a
refused "a description in JSON" 2 "--describe" --model "$model" --describe --json
refused "a file without a name" 2 "--npy" --model "$model" --npy "" a
refused "a negative length" 2 "--max-length" --model "$model" --max-length -1 a
"$program" --model "$model" --json --refuse-long --skip-bad "$long" "a house" \
  >"$work/rest" 2>"$work/said" || complain "skipping"
same "the others keep their numbers" "1" "$("$json_at" /index <"$work/rest")"
same "what was skipped is counted" "skipped: 1 of 2 texts" "$(tail -n 1 "$work/said")"
refused "a prompt that the folder does not have" 1 "prompt_name" --model "$model" --prompt-name query a
refused "more dimensions than there are" 1 "dimensions" --model "$model" --dimensions 1000 a
refused "a folder that is not there" 1 "$work/nowhere" --model "$work/nowhere" a
refused "a model of another kind" 1 "sequence_classifier" --model "$models/tiny-classifier" a
refused "an unknown option" 2 "--jsno" --model "$model" --jsno a
refused "no model" 2 "--model" a
finish
