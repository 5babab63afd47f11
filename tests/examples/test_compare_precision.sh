#!/bin/sh
# SPDX-License-Identifier: MIT
#
# usage: test_compare_precision.sh PROGRAM JSON_AT MODELS
set -eu
. "$(dirname "$0")/support.sh"
model=$models/tiny-mlm

: >"$work/lines"
each_text append "$work/lines"
"$program" --model "$model" --file "$work/lines" --storage-in f32 --storage-out f32 --json >"$work/same" || complain "JSON"
same "the same weights give the same words" "1.0${tab}0.0${tab}5${tab}[0,0,0,0,0]" \
  "$("$json_at" /top_1_agreement /largest_logit_difference '/tokens_on_other_paths#' /tokens_on_other_paths <"$work/same")"
"$program" --model "$model" --file "$work/lines" --json >"$work/int8" || complain "JSON"
same "int8 weights of as many tokens" "$("$json_at" /tokens <"$work/same")" "$("$json_at" /tokens <"$work/int8")"
[ "$("$json_at" /largest_logit_difference <"$work/int8")" != 0.0 ] || complain "int8 weights make no difference"

"$program" --model "$model" --file "$work/lines" --truncate --max-length 4 --json >"$work/cut" 2>"$work/err" ||
  complain "truncation"
cut=$("$json_at" /truncated_texts <"$work/cut")
[ "$cut" -gt 0 ] || complain "no text is cut to four tokens"
same "the texts that are cut are counted" "truncated: $cut of" "$(cut -d ' ' -f 1-3 "$work/err")"
[ "$("$json_at" /tokens <"$work/cut")" -lt "$("$json_at" /tokens <"$work/same")" ] || complain "no token is cut off"
awk 'BEGIN { for (i = 0; i < 2000; ++i) printf "the " }' >"$work/long"
refused "a text that is too long" 1 "$work/long, line 1: " --model "$model" --file "$work/long"
{ printf 'a text\n\n\r\n' && cat "$work/long"; } >"$work/third"
refused "a long line behind empty ones" 1 "$work/third, line 4: " --model "$model" --file "$work/third"
# shellcheck disable=SC2002  # a pipe is what is meant
same "lines of a pipe" "$(cat "$work/int8")" "$(cat "$work/lines" | "$program" --model "$model" --file /dev/stdin --json)"
refused "a length without truncation" 2 "--truncate" --model "$model" --max-length 8

refused "a folder that is not there" 1 "$work/nowhere" --model "$work/nowhere"
refused "a file that is not there" 1 "$work/nowhere" --model "$model" --file "$work/nowhere"
refused "a file without texts" 1 "no text" --model "$model" --file /dev/null
check_output_errors "" --model "$model" --json
refused "a storage that is none" 2 "--storage-in: takes f32, f16, bf16, int8, cf16, ci8 or split" --model "$model" --storage-in f8
refused "a text" 2 "[a]" --model "$model" "[a]"
finish
