#!/bin/sh
# SPDX-License-Identifier: MIT
#
# usage: test_tokenize.sh PROGRAM JSON_AT MODELS
set -eu
. "$(dirname "$0")/support.sh"
folder=$models/tiny-mlm

check_texts --tokenizer "$folder"
check_texts --tokenizer "$folder" --pair --json
check_texts --tokenizer "$folder" --json
same "one JSON line for each text" "$(wc -l <"$work/lines")" "$(wc -l <"$work/piped")"
"$json_at" '/ids#' '/tokens#' '/type_ids#' '/offsets#' <"$work/piped" >"$work/values" || complain "JSON"
awk -F '\t' '$1 == 0 || $1 != $2 || $1 != $3 || $1 != $4' "$work/values" >"$work/odd"
same "ids, tokens, types and offsets have one length" "" "$(cat "$work/odd")"

tokens() { "$program" --tokenizer "$folder" --json "$@" | "$json_at" /tokens; }
same "brackets and commas are kept" '["[","play",",","music","]","<sep>"]' "$(tokens '[play, music]')"
same "braces are kept" '["{","##}","<sep>"]' "$(tokens '{}')"
same "each argument is a text" '["a","<sep>"]
["<sep>"]
["b","<sep>"]' "$(tokens a '' b)"
bert=$models/../../tests/golden/tokenizers/bert_uncased
same "a pair" '["[CLS]","a","[SEP]","b","[SEP]"]'"${tab}[0,0,0,1,1]" \
  "$("$program" --tokenizer "$bert" --json --pair "a${tab}b" | "$json_at" /tokens /type_ids)"
same "special tokens in brackets" '["[CLS]","[CLS]","a","[MASK]","[SEP]","[SEP]"]' \
  "$("$program" --tokenizer "$bert" --json "[CLS] a [MASK] [SEP]" | "$json_at" /tokens)"
same "the folder as other programs take it" "$(tokens "a house")" \
  "$("$program" --model "$folder" --json "a house" | "$json_at" /tokens)"
same "nothing for an empty pipe" "" "$("$program" --tokenizer "$folder" </dev/null)"

check_pipes "a house" --tokenizer "$folder" --json
same "an end of line of Windows" "$(tokens "a house")" \
  "$(printf 'a house\r\n' | "$program" --tokenizer "$folder" --json | "$json_at" /tokens)"

check_truncation "--max-length 8" 20 --tokenizer "$folder"
same "eight tokens are left" "8" "$(tail -n 1 "$work/cut" | "$json_at" '/ids#')"
same "both texts of a pair are cut" '["[CLS]","a","[SEP]","b","[SEP]"]'"${tab}true" \
  "$("$program" --tokenizer "$bert" --json --pair --truncate --max-length 5 "a a a${tab}b b b" 2>"$work/err" |
    "$json_at" /tokens /truncated)"
refused "truncation without a length" 2 "--max-length" --tokenizer "$folder" --truncate a
cut() { "$program" --tokenizer "$bert" --json "$@" 2>"$work/err"; }
same "the beginning is cut off" '["[CLS]","c","d","[SEP]"]' \
  "$(cut --max-length 4 --direction left "a b c d" | "$json_at" /tokens)"
same "the second text is cut" '["[CLS]","a","b","[SEP]","c","[SEP]"]' \
  "$(cut --max-length 6 --strategy only_second --pair "a b${tab}c d" | "$json_at" /tokens)"
same "what was cut off is shown" '["[CLS]","b","c","d","[SEP]"]' \
  "$(cut --max-length 5 --stride 2 "a b c d" | "$json_at" /overflow/0/tokens)"
same "the file says nothing about truncation" '["[CLS]","a","[SEP]"]'"${tab}false" \
  "$(cut --file-settings a | "$json_at" /tokens /truncated)"
refused "a strategy without a length" 2 "--max-length" --tokenizer "$folder" --strategy only_first a
refused "a strategy that there is not" 2 "--strategy" --tokenizer "$folder" --max-length 8 --strategy longest a
refused "a second text that there is not" 2 "--pair" --tokenizer "$folder" --max-length 8 --strategy only_second a
refused "no room for a text" 1 "max_length" --tokenizer "$bert" --truncate --max-length 1 a

refused "a folder that is not there" 1 "$work/nowhere" --tokenizer "$work/nowhere" a
refused "an unknown option" 2 "-x" --tokenizer "$folder" -x a
refused "no tokenizer" 2 "--tokenizer" a
refused "two tokenizers" 2 "--tokenizer" --tokenizer "$folder" --model "$folder" a
same "the completion of the other name" "--model" "$(bash -c 'eval "$1" && COMP_WORDS=(it --mo) COMP_CWORD=1 && _tokenize &&
  echo "${COMPREPLY[*]}"' _ "$(sh "$(dirname "$0")/../../.cmake/completion.sh" "$program")")"
finish
