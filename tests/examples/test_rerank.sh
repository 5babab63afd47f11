#!/bin/sh
# SPDX-License-Identifier: MIT
#
# usage: test_rerank.sh PROGRAM JSON_AT MODELS
set -eu
. "$(dirname "$0")/support.sh"
model=$models/tiny-classifier
long=$(awk 'BEGIN { for (i = 0; i < 200; ++i) printf "the " }')

# The classifier has several labels, so that there is no order: all of them are told for each document.
"$program" --model "$model" --json "will it rain" "in London" "play jazz" >"$work/out" || complain "JSON"
same "a result for each document, with all labels" "0${tab}2${tab}0${tab}in London${tab}7${tab}1" \
  "$("$json_at" /index '/results#' /results/0/index /results/0/document '/results/0/labels#' /results/1/index <"$work/out")"

printf 'will it rain\tin London\n{"query": "play", "documents": ["jazz", "a song", "it"]}\r\n' >"$work/lines"
"$program" --model "$model" --json <"$work/lines" >"$work/piped" || complain "lines"
same "a line is a query, with tabs or in JSON" "0${tab}will it rain${tab}1
1${tab}play${tab}3" "$("$json_at" /index /query '/results#' <"$work/piped")"
same "a plain line for each document" "2" "$("$program" --model "$model" "will it rain" "in London" "play jazz" | wc -l)"

printf 'no document\nwill it rain\tin London\n' >"$work/bad"
"$program" --model "$model" --json --skip-bad <"$work/bad" >"$work/rest" 2>"$work/said" || complain "skipping"
same "the other line keeps its number" "1" "$("$json_at" /index <"$work/rest")"
same "what was skipped is counted" "skipped: 1 of 2 texts" "$(tail -n 1 "$work/said")"
check_pipes "a${tab}b" --model "$model" --json
printf '{"query": "play", "documents": "jazz"}\n' >"$work/odd"
"$program" --model "$model" <"$work/odd" >"$work/out" 2>"$work/err" && complain "documents that are no list"
grep -qF 'line 1: bad_type: $.documents' "$work/err" || complain "documents that are no list: $(cat "$work/err")"
same "nothing for an empty pipe" "" "$("$program" --model "$model" </dev/null)"
refused "a query without documents" 1 "at least one document" --model "$model" a
refused "the best of what has no order" 1 "--top-k" --model "$model" --top-k 1 a b c
refused "lines to skip where there are none" 2 "--skip-bad" --model "$model" --skip-bad a b
refused "a pair that is too long, where that is asked for" 1 "truncation" --model "$model" --refuse-long a \
  "$long"
refused "a model of another kind" 1 "masked_lm" --model "$models/tiny-mlm" a b
refused "a folder that is not there" 1 "$work/nowhere" --model "$work/nowhere" a b
refused "an unknown option" 2 "--jsno" --model "$model" --jsno a b
refused "no model" 2 "--model" a b
finish
