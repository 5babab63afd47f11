#!/bin/sh
# SPDX-License-Identifier: MIT
#
# usage: test_routes.sh PROGRAM JSON_AT MODELS
set -eu
. "$(dirname "$0")/support.sh"
model=$models/tiny-mlm
text="The cat sat on the mat."

# The summary depends on how many texts there are; what is said of each text does not.
real=$program
each="$work/each"
cat >"$each" <<'END'
#!/bin/sh
"$ROUTES" "$@" >"$0.out" || exit
grep -v '^{"summary"' <"$0.out" || true
END
chmod +x "$each"
ROUTES=$real
export ROUTES
program=$each
check_texts --model "$model" --json
program=$real
same "one JSON line for each text" "$(wc -l <"$work/lines")" "$(wc -l <"$work/piped")"
"$json_at" /text /layers/4/trees/0/leaf <"$work/piped" >"$work/values" || complain "JSON"

"$program" --model "$model" --json "$text" "$text" >"$work/json" || complain "two texts"
head -n 1 "$work/json" >"$work/one"
tail -n 1 "$work/json" >"$work/summary"
same "texts and a summary" "3" "$(wc -l <"$work/json")"
same "layers" "5" "$("$json_at" '/layers#' <"$work/one")"
same "one path of eight nodes for each token" "$("$json_at" '/tokens#' <"$work/one")${tab}8${tab}0" \
  "$("$json_at" '/layers/0/trees/0/paths#' '/layers/0/trees/0/paths/0#' /layers/0/trees/0/paths/0/0 <"$work/one")"
same "margins of as many" "$("$json_at" '/tokens#' <"$work/one")${tab}8" \
  "$("$json_at" '/layers/4/trees/0/margins#' '/layers/4/trees/0/margins/0#' <"$work/one")"
same "the summary counts texts" "2${tab}5${tab}128" \
  "$("$json_at" /summary/texts '/summary/layers#' '/summary/layers/0/trees/0/leaves#' <"$work/summary")"
"$json_at" /summary/layers/0/trees/0/entropy_bits /summary/layers/0/trees/0/used_leaves \
  /summary/layers/0/trees/0/words/0/leaf /summary/layers/0/trees/0/words/0/tokens/0 <"$work/summary" >"$work/values" ||
  complain "summary: keys"
! "$json_at" /layers/0/trees/0/second_looks <"$work/one" >"$work/none" 2>&1 || complain "second looks of float32"

for storage in cf16 ci8 split; do
  "$program" --model "$model" --json --storage "$storage" "$text" >"$work/certified" || complain "storage $storage"
  same "$storage: certified routes are those of float32" "$("$json_at" /layers/0/trees/0/paths <"$work/one")" \
    "$(head -n 1 "$work/certified" | "$json_at" /layers/0/trees/0/paths)"
  head -n 1 "$work/certified" | "$json_at" /layers/0/trees/0/second_looks/0/0 >"$work/values" ||
    complain "$storage: second looks"
  tail -n 1 "$work/certified" | "$json_at" /summary/layers/0/second_look_share >"$work/values" ||
    complain "$storage: their share"
done

"$program" --model "$model" --words 2 "$text" >"$work/plain" || complain "plain"
grep -q "^  leaf " "$work/plain" || complain "no words that share a leaf: $(cat "$work/plain")"
grep -q "entropy" "$work/plain" || complain "no entropy: $(cat "$work/plain")"

"$program" --model "$model" --svg "$work/trees.svg" "$text" '& < > "' >"$work/plain" || complain "a drawing"
same "a drawing of five trees" "5" "$(grep -c '<g ' "$work/trees.svg")"
grep -q "prefers-color-scheme: dark" "$work/trees.svg" || complain "no dark colors"
! grep -q '&[^;]* \| < ' "$work/trees.svg" || complain "a drawing that is no XML"
same "it ends" "</svg>" "$(tail -n 1 "$work/trees.svg")"

check_pipes "$text" --model "$model" --json
"$program" --model "$model" --json "$text" | head -n 1 >"$work/first" || complain "a reader of one line"
same "the first line is whole" "$(cat "$work/one")" "$(cat "$work/first")"

# On a terminal the program says how far it is. A reader that goes away is an error there, too. Where there are no
# terminals to be had, as in a bare chroot, "script" fails.
if script -qc true /dev/null </dev/null >/dev/null 2>&1; then
  printf 'trap "" PIPE\n%s\n' "yes 'a b' 2>/dev/null | head -n 2000 2>/dev/null |
    { \"\$ROUTES\" --model '$model'; echo \"status \$?\" >'$work/status'; } | head -n 1" >"$work/typed"
  # From a pipe that never ends: at the end of its input "script" may leave before the commands do.
  mkfifo "$work/held"
  script -qc "sh '$work/typed'" /dev/null <>"$work/held" >"$work/out" 2>&1 || true
  same "a reader of one line, on a terminal" "status 1" "$(cat "$work/status")"
fi

printf 'a \377\376 b\n' | "$program" --model "$model" --json >"$work/bytes" || complain "bytes that are no UTF-8"
same "they become U+FFFD" "a $(printf '\357\277\275\357\277\275') b" "$(head -n 1 "$work/bytes" | "$json_at" /text)"
"$program" --model "$model" --json </dev/null >"$work/empty" || complain "no texts"
same "no texts have a summary" "0" "$("$json_at" /summary/tokens <"$work/empty")"

long=$(awk 'BEGIN { for (i = 0; i < 300; ++i) printf "the " }')
printf '%s\n%s\n' "$long" "$text" | "$program" --model "$model" --json --skip-bad >"$work/skipped" 2>"$work/err" ||
  complain "skip bad"
same "bad texts are counted" "skipped: 1 of 2 texts" "$(cat "$work/err")"
same "its code stands in its place" "invalid_input" "$(head -n 1 "$work/skipped" | "$json_at" /error)"
same "nor do they count" "1" "$(tail -n 1 "$work/skipped" | "$json_at" /summary/texts)"

cp "$work/lines" "$work/kept"
found=0
"$program" --model "$model" --svg "$work/kept" <"$work/kept" >/dev/null 2>"$work/err" || found=$?
same "a drawing over the texts: exit status" 1 "$found"
cmp -s "$work/lines" "$work/kept" || complain "a drawing is written over the texts"
refused "a model without trees" 1 "dense feedforward" --model "$models/../../tests/golden/models/mlm_ff_gelu" a
refused "a wrong folder" 1 "config.json" --model "$work" a
refused "an unknown option" 2 "--jsno" --model "$model" --jsno a
refused "a storage that is none" 2 "cf16, ci8 or split" --model "$model" --storage f64 a
refused "a drawing that cannot be written" 1 "cannot be written" --model "$model" --svg "$work/no/such.svg" a
refused "no word of a leaf" 2 "from 1 to" --model "$model" --words 0 a
refused "no model" 2 "--model" a
finish
