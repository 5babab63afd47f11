#!/bin/sh
# SPDX-License-Identifier: MIT
#
# usage: test_ner.sh PROGRAM JSON_AT MODELS
set -eu
. "$(dirname "$0")/support.sh"
golden=$models/../../tests/golden/models
model=$work/model
mkdir "$model"
cp "$golden/tok_fff_5"/*.json "$golden/tok_fff_5/model.safetensors" "$model"
sed 's/"LABEL_0"/"O"/; s/"LABEL_1"/"B-PER"/; s/"LABEL_2"/"I-PER"/; s/"LABEL_3"/"B-LOC"/; s/"LABEL_4"/"I-LOC"/' \
  "$golden/tok_fff_5/config.json" >"$model/config.json"
printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]' '<mask>' the ada love '##lace' lived in london . >"$model/vocab.txt"
text="Ada Lovelace lived in London."

check_texts --model "$model" --json
same "one JSON line for each text" "$(wc -l <"$work/lines")" "$(wc -l <"$work/piped")"
"$json_at" /entities <"$work/piped" >"$work/values" || complain "JSON"
check_texts --model "$model" --aggregation first

"$program" --model "$model" --json --aggregation none --ignore nothing "$text" >"$work/none" || complain "none"
same "without aggregation every token" "7" "$("$json_at" '/entities#' <"$work/none")"
same "its number, piece and place" "3${tab}##lace${tab}8${tab}12" \
  "$("$json_at" /entities/2/index /entities/2/word /entities/2/start /entities/2/end <"$work/none")"
"$json_at" /entities/2/entity /entities/2/score <"$work/none" >"$work/values" || complain "label and score"
for how in simple first average max; do
  "$program" --model "$model" --json --aggregation "$how" --ignore nothing "$text" >"$work/grouped" || complain "$how"
  same "$how: groups cover the text" "0" "$("$json_at" /entities/0/start <"$work/grouped")"
  "$json_at" /entities/0/entity_group /entities/0/score /entities/0/word <"$work/grouped" >"$work/values" ||
    complain "$how: keys"
done
same "words are whole" "" "$("$json_at" /entities <"$work/grouped" | grep -F '##' || true)"

check_pipes "$text" --model "$model" --json

long=$(awk 'BEGIN { for (i = 0; i < 300; ++i) printf "the " }')
refused "a text that is too long" 1 "truncation" --model "$model" "$long"
printf '%s\n%s\n' "$long" "$text" | "$program" --model "$model" --json --skip-bad >"$work/skipped" 2>"$work/err" ||
  complain "skip bad"
same "bad texts are counted" "skipped: 1 of 2 texts" "$(cat "$work/err")"
same "its code stands in its place" "invalid_input" "$(head -n 1 "$work/skipped" | "$json_at" /error)"
check_truncation "" 300 --model "$model"
refused "an aggregation that is none" 2 "none, simple, first, average or max" --model "$model" --aggregation all a
refused "a model of another kind" 1 "masked_lm" --model "$models/tiny-mlm" a
refused "an unknown option" 2 "--jsno" --model "$model" --jsno a
refused "no model" 2 "--model" a
finish
