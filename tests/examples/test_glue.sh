#!/bin/sh
# SPDX-License-Identifier: MIT
#
# usage: test_glue.sh PROGRAM JSON_AT MODELS
set -eu
. "$(dirname "$0")/support.sh"
golden=$models/../../tests/golden/models

# A small model of the golden cases has no tokenizer; it gets one of a few words.
add_words() {
  mkdir "$2"
  cp "$golden/$1"/*.json "$golden/$1/model.safetensors" "$2"
  printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]' good bad film a very dull not '##s' >"$2/vocab.txt"
}
add_words seq_fff_zero_2 "$work/two"
add_words seq_ff_lse_1 "$work/one"

{
  printf '\357\273\277sentence\tlabel\r\n'
  printf 'a good film\t1\r\n"a very bad film\t0\r\n\r\ndull\t0\r\nnot a film\t1\r\ngood\t-\r\nvery very good\t1'
} >"$work/dev.tsv"
"$program" --task sst-2 --data "$work/dev.tsv" --parse-only >"$work/parsed" 2>"$work/err" || complain "parse"
same "texts and labels" "a good film${tab}null${tab}1
\"a very bad film${tab}null${tab}0
dull${tab}null${tab}0
not a film${tab}null${tab}1
good${tab}null${tab}null
very very good${tab}null${tab}1" "$("$json_at" /a /b /label <"$work/parsed")"
same "a blank line is counted" "passed over: 1 blank or short line" "$(cat "$work/err")"

"$program" --task SST2 --data "$work/dev.tsv" --model "$work/two" --json --submission "$work/submission" \
  >"$work/lines" 2>"$work/err" || complain "SST-2: $(cat "$work/err")"
same "one line per example, and one" "7" "$(wc -l <"$work/lines" | tr -d ' ')"
sed '$d' "$work/lines" | "$json_at" /index /prediction /score >"$work/predictions"
same "examples are numbered from 0" "0 1 2 3 4 5" "$(cut -f 1 "$work/predictions" | tr '\n' ' ' | sed 's/ $//')"
awk -F '\t' '$3 < 0.5 || $3 > 1' "$work/predictions" >"$work/odd"
same "the score of the better of two classes" "" "$(cat "$work/odd")"
same "the submission has the predictions" "index${tab}prediction
$(cut -f 1,2 "$work/predictions")" "$(cat "$work/submission")"
same "task and counts" "SST-2${tab}5${tab}6${tab}1" "$(tail -n 1 "$work/lines" | "$json_at" /task /n /texts /skipped)"
printf '1\n0\n0\n1\n-\n1\n' | paste "$work/predictions" - |
  awk -F '\t' '$4 != "-" { ++n; right += $2 == $4 } END { printf "%.6f\n", right / n }' >"$work/accuracy"
same "accuracy" "$(cat "$work/accuracy")" \
  "$(tail -n 1 "$work/lines" | "$json_at" /metrics/accuracy | awk '{ printf "%.6f\n", $1 }')"

{
  printf 'index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2\tscore\n'
  printf '0\tg\tf\ty\to\ts\ts\ta film\ta film\t5.000\n1\tg\tf\ty\to\ts\ts\tgood\tbad\t0.5\n2\tg\tf\ty\to\ts\ts\ta\tdull\t1\n'
} >"$work/pairs.tsv"
"$program" --task stsb --data "$work/pairs.tsv" --model "$work/one" --json >"$work/lines" 2>"$work/err" ||
  complain "STS-B: $(cat "$work/err")"
same "a score is its own prediction" "3" \
  "$(sed '$d' "$work/lines" | "$json_at" /prediction /score | awk -F '\t' '$1 == $2' | wc -l | tr -d ' ')"
tail -n 1 "$work/lines" | "$json_at" /metrics/pearson /metrics/spearman >"$work/values" || complain "correlations"

# Labels: numbers by their order, names by name, and nothing is guessed.
printf 'index\tquestion\tsentence\tlabel\n0\ta\tb\tentailment\n' >"$work/qnli.tsv"
"$program" --task qnli --data "$work/qnli.tsv" --model "$work/two" --json --labels not_entailment,entailment \
  >"$work/turned" || complain "labels"
"$program" --task qnli --data "$work/qnli.tsv" --model "$work/two" --json >"$work/plain" || complain "no labels"
[ "$(head -n 1 "$work/turned" | "$json_at" /prediction)" != "$(head -n 1 "$work/plain" | "$json_at" /prediction)" ] ||
  complain "the order of the labels makes no difference"
refused "labels that are not the task's" 1 "--labels" --task qnli --data "$work/qnli.tsv" --model "$work/two" --labels 0,1
refused "a head of another size" 1 "3 classes for MNLI" --task mnli --data "$work/qnli.tsv" --model "$work/two"
refused "labels for scores" 1 "--labels" --task stsb --data "$work/pairs.tsv" --model "$work/one" --labels a

# A pipe gives all its lines, with a header and without, and odd ones are texts as they are.
printf 'gj04\t1\t\t[a] (good) {film}\ngj04\t0\t*\t  bad \377 film \ngj04\t0\t*\t\n' >"$work/cola.tsv"
for file in cola dev; do
  task=cola
  [ "$file" = cola ] || task=sst-2
  "$program" --task $task --data "$work/$file.tsv" --model "$work/two" >"$work/lines" 2>/dev/null || complain "$file"
  # shellcheck disable=SC2002  # a pipe is what is meant
  cat "$work/$file.tsv" | "$program" --task $task --data /dev/stdin --model "$work/two" >"$work/piped" 2>/dev/null ||
    complain "$file by a pipe"
  cmp -s "$work/lines" "$work/piped" || complain "$file: a pipe gives other lines: $(cat "$work/piped")"
done
same "odd texts" "$(printf '[a] (good) {film}\n  bad \357\277\275 film \n')" \
  "$("$program" --task cola --data "$work/cola.tsv" --parse-only | "$json_at" /a)"

# A submission is written over nothing that is read, nor for a file that is not there.
cp "$work/dev.tsv" "$work/kept.tsv"
refused "a submission that is the data" 1 "is what the texts are read from" --task sst-2 --data "$work/kept.tsv" \
  --model "$work/two" --submission "$work/kept.tsv"
cmp -s "$work/dev.tsv" "$work/kept.tsv" || complain "the data is not what it was"
refused "a submission for nothing" 1 "$work/nowhere" --task sst-2 --data "$work/nowhere" --model "$work/two" \
  --submission "$work/none"
[ ! -e "$work/none" ] || complain "a submission for nothing is there"

# Bad lines end the run, or are counted.
printf 'sentence\tlabel\ngood\t1\nbad\nbad\t2\ngood\t1\n' >"$work/bad.tsv"
"$program" --task sst-2 --data "$work/bad.tsv" --model "$work/two" >"$work/out" 2>"$work/err" && complain "bad lines"
grep -q "^glue: bad_value: $work/bad.tsv: line 3;" "$work/err" || complain "no line is named: $(cat "$work/err")"
"$program" --task sst-2 --data "$work/bad.tsv" --model "$work/two" --json --skip-bad >"$work/lines" 2>"$work/err" ||
  complain "skip bad"
same "bad lines are counted" "skipped: 2 of 4 texts" "$(cat "$work/err")"
same "their codes stand in their places" "bad_value bad_value" \
  "$(grep '"error"' "$work/lines" | "$json_at" /error | tr '\n' ' ' | sed 's/ $//')"
same "what is left counts" "2" "$(tail -n 1 "$work/lines" | "$json_at" /n)"

refused "a file without a header" 1 "line 1" --task cola --data "$work/dev.tsv" --model "$work/two"
: >"$work/empty"
refused "an empty file" 1 "$work/empty" --task cola --data "$work/empty" --model "$work/two"
refused "a file that is not there" 1 "$work/nowhere" --task cola --data "$work/nowhere" --parse-only
refused "a task that is none" 2 "CoLA, MNLI" --task sst-3 --data "$work/dev.tsv" --parse-only
refused "a model of another kind" 1 "masked_lm" --task sst-2 --data "$work/dev.tsv" --model "$models/tiny-mlm"
refused "neither a model nor parsing alone" 2 "--model" --task sst-2 --data "$work/dev.tsv"
for option in "--threads 2" --truncate "--labels 0,1" "--submission $work/submission"; do
  # shellcheck disable=SC2086  # an option and its value
  refused "parsing alone with $option" 2 "--parse-only" --task sst-2 --data "$work/dev.tsv" --parse-only $option
done
check_output_errors "" --task sst-2 --data "$work/dev.tsv" --parse-only
refused "both" 2 "--parse-only" --task sst-2 --data "$work/dev.tsv" --model "$work/two" --parse-only
finish
