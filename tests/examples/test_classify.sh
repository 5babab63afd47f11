#!/bin/sh
# SPDX-License-Identifier: MIT
#
# usage: test_classify.sh PROGRAM JSON_AT MODELS
set -eu
. "$(dirname "$0")/support.sh"
model=$models/tiny-classifier

check_texts --model "$model"
same "one line for each text" "$(wc -l <"$work/lines")" "$(wc -l <"$work/piped")"
same "the text stands last in its line" "$(cat "$work/lines")" "$(cut -f 3- "$work/piped")"

check_texts --model "$model" --json
same "one JSON line for each text" "$(wc -l <"$work/lines")" "$(wc -l <"$work/piped")"
"$json_at" /label /classes/0/label '/classes#' '/scores#' <"$work/piped" >"$work/values" || complain "JSON"
awk -F '\t' '$1 != $2 || $3 != 7 || $4 != 7' "$work/values" >"$work/odd"
same "the label is the first class, of seven" "" "$(cat "$work/odd")"
same "the intent of a sentence" "GetWeather" \
  "$("$program" --model "$model" --json "Will it rain in London tomorrow?" | "$json_at" /label)"

# Classes that have one label: none is lost, and no key stands twice.
mkdir "$work/twins"
cp "$model"/*.json "$model/model.safetensors" "$work/twins"
sed 's/"3": "PlayMusic"/"3": "GetWeather"/' "$model/config.json" >"$work/twins/config.json"
"$program" --model "$work/twins" --json "Will it rain in London tomorrow?" >"$work/twin" || complain "twins"
same "a label that two classes have" "GetWeather${tab}7${tab}6" "$("$json_at" /label '/classes#' '/scores#' <"$work/twin")"
same "the score by label is that of the best class" "$("$json_at" /classes/0/score <"$work/twin")" \
  "$("$json_at" /scores/GetWeather <"$work/twin")"

printf 'Will it rain?\tGetWeather\nPlay some jazz.\tRateBook\n' >"$work/file"
same "accuracy on a file" "0.5${tab}2" \
  "$("$program" --model "$model" --json --file "$work/file" | tail -n 1 | "$json_at" /accuracy /n)"
same "nothing for an empty pipe" "" "$("$program" --model "$model" </dev/null)"

check_truncation "" 200 --model "$model"
check_truncation "--max-length 8" 20 --model "$model"
refused "a text that is too long" 1 "truncation" --model "$model" "$long$long$long$long$long$long$long$long$long$long"
refused "more tokens than the model takes" 1 "max_length" --model "$model" --truncate --max-length 100000 a
refused "a length without truncation" 2 "--truncate" --model "$model" --max-length 8 a

check_pipes "Will it rain?" --model "$model" --json
"$program" --model "$model" "a" "$long$long$long$long$long$long$long$long$long$long" >"$work/out" 2>"$work/err" && complain "a second text that is too long"
grep -q "classify: text 2: " "$work/err" || complain "a second text that is too long: $(cat "$work/err")"

refused "a folder that is not there" 1 "$work/nowhere" --model "$work/nowhere" a
refused "a model of another kind" 1 "masked_lm" --model "$models/tiny-mlm" a
refused "a file without labels" 1 "line 1" --model "$model" --file "$model/DATA.md"
printf 'sentence\tlabel\nWill it rain?\tGetWeather\n' >"$work/headed"
refused "a file with a header" 1 "line 1: the model has no label 'label'" --model "$model" --file "$work/headed"
printf 'Will it rain?\tGetWeather\nWill it snow?\tWeather\n' >"$work/other"
refused "a label that the model lacks" 1 "line 2: the model has no label 'Weather'" --model "$model" --file "$work/other"
refused "a file without texts" 1 "no text" --model "$model" --file /dev/null
refused "a file without a name" 2 "--file" --model "$model" --file ""
refused "a file and a text" 2 "--file" --model "$model" --file "$work/file" a
refused "an unknown option" 2 "--jsno" --model "$model" --jsno a
refused "no model" 2 "--model" a
finish
