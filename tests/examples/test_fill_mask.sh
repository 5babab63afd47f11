#!/bin/sh
# SPDX-License-Identifier: MIT
#
# usage: test_fill_mask.sh PROGRAM JSON_AT MODELS
set -eu
. "$(dirname "$0")/support.sh"
model=$models/tiny-mlm

# Texts without a mask have no candidates.
check_texts --model "$model" --json
same "no mask, no line" "" "$(cat "$work/piped")"

with_mask() {
  file=$1
  shift
  append "$file" "$* <mask>"
  append "$file" "[<mask>, $*]"
}
: >"$work/masked"
each_text with_mask "$work/masked"
"$program" --model "$model" --json --top-k 3 <"$work/masked" >"$work/piped" || complain "lines of a pipe"
same "each text comes back as it was" "$(cat "$work/masked")" "$("$json_at" /text <"$work/piped")"
same "three candidates each" "3" "$("$json_at" '/candidates#' <"$work/piped" | sort -u)"
set --
while IFS= read -r line; do set -- "$@" "$line"; done <"$work/masked"
"$program" --model "$model" --json --top-k 3 -- "$@" >"$work/together" || complain "many arguments"
cmp -s "$work/together" "$work/piped" || complain "arguments differ from the lines of a pipe"
"$json_at" /position /candidates/0/id /candidates/0/logit /candidates/2/probability <"$work/piped" >"$work/values" ||
  complain "JSON"

same "two masks, two lines" "2" "$("$program" --model "$model" --json "<mask> [and] <mask>" | wc -l | tr -d ' ')"
same "a cup of" "coffee" \
  "$("$program" --model "$model" --json "I would like a cup of <mask>, please." | "$json_at" /candidates/0/token)"
same "logits of ids: 4 bytes, 2 tokens, 8192 words" "65536" \
  "$("$program" --model "$model" --ids "39 5" --dump-logits "$work/logits" && wc -c <"$work/logits" | tr -d ' ')"

check_truncation "" 200 --model "$model"
check_truncation "--max-length 8" 20 --model "$model"
same "a mask that is cut off has no candidates" "truncated: 1 of 1 text" \
  "$("$program" --model "$model" --json --truncate --max-length 8 "$long <mask>" 2>&1)"
refused "a text that is too long" 1 "truncation" --model "$model" \
  "<mask> $long$long$long$long$long$long$long$long$long$long"
refused "more tokens than the model takes" 1 "max_length" --model "$model" --truncate --max-length 100000 a
refused "a length without truncation" 2 "--truncate" --model "$model" --max-length 8 a

check_pipes "a <mask>" --model "$model" --json

refused "a folder that is not there" 1 "$work/nowhere" --model "$work/nowhere" a
refused "ids in brackets" 2 "--ids" --model "$model" --ids "[39 5]" --dump-logits "$work/logits"
refused "ids and a text" 2 "--ids" --model "$model" --ids "39 5" --dump-logits "$work/logits" a
refused "no ids" 2 "--ids" --model "$model" --ids "" --dump-logits "$work/logits"
refused "a file without a name" 2 "--dump-logits" --model "$model" --ids "39 5" --dump-logits ""
refused "a storage that is none" 2 "--projection: takes f32, bf16 or int8" --model "$model" --projection f16 a
for option in "--top-k 3" --json "--threads 2" --truncate; do
  # shellcheck disable=SC2086  # an option and its value
  refused "ids with $option" 2 "--ids" --model "$model" --ids "39 5" --dump-logits "$work/logits" $option
done
refused "an unknown option" 2 "--top" --model "$model" --top 3 a
finish
