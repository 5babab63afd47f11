#!/bin/sh
# SPDX-License-Identifier: MIT
#
# usage: test_inspect.sh PROGRAM JSON_AT MODELS
set -eu
. "$(dirname "$0")/support.sh"
model=$models/tiny-mlm

"$program" "$model" --json >"$work/mlm" || complain "exit status $?"
same "what it is" "crammedBERT${tab}masked_lm${tab}5${tab}192${tab}fast${tab}255${tab}8" \
  "$("$json_at" /architecture/family /architecture/loader /architecture/layers /architecture/hidden_size \
    /architecture/feedforward/kind /architecture/feedforward/neurons /architecture/feedforward/neurons_per_token \
    <"$work/mlm")"
same "every tensor is listed" "$("$json_at" /weights/tensors <"$work/mlm")" "$("$json_at" '/weights/list#' <"$work/mlm")"
same "bytes by storage add up" "$("$json_at" /weights/bytes <"$work/mlm")" \
  "$("$json_at" /weights/by_storage/F16/bytes /weights/by_storage/F32/bytes <"$work/mlm" | awk '{ print $1 + $2 }')"
same "the tokenizer" "tokenizer.json${tab}8192${tab}<mask>" \
  "$("$json_at" /tokenizer/file /tokenizer/tokens /tokenizer/special/mask/token <"$work/mlm")"
same "nothing is refused" "0${tab}0${tab}0" "$("$json_at" '/refused#' '/load/unused#' /load/words_without_row <"$work/mlm")"
same "the labels of a classifier" "7" "$("$program" "$models/tiny-classifier" --json | "$json_at" '/load/labels#')"
"$program" "$model" >"$work/plain" || complain "plain"
same "the folder as other programs take it" "$(cat "$work/plain")" "$("$program" --model "$model")"
grep -qx "architecture.loader: masked_lm" "$work/plain" || complain "the plain form: $(head -n 5 "$work/plain")"

# What is refused does not hide the rest.
mkdir "$work/odd"
cp "$model"/*.json "$work/odd"
printf 'version https://git-lfs.github.com/spec/v1\noid sha256:%064d\nsize 12345\n' 0 >"$work/odd/model.safetensors"
"$program" "$work/odd" --json >"$work/out" || complain "a pointer in place of the weights"
same "weights that are a pointer" "1${tab}weights${tab}io_error" \
  "$("$json_at" '/refused#' /refused/0/part /refused/0/error <"$work/out")"
grep -q "Git LFS" "$work/out" || complain "the pointer is not named"
same "the architecture is there" "5${tab}8192" "$("$json_at" /architecture/layers /tokenizer/tokens <"$work/out")"
sed 's/"crammedBERT"/"gpt2"/' "$model/config.json" >"$work/odd/config.json"
cp "$model/model.safetensors" "$work/odd"
"$program" "$work/odd" --json >"$work/out" || complain "another family"
same "another family" "config${tab}unsupported" "$("$json_at" /refused/0/part /refused/0/error <"$work/out")"

check_output_errors "" "$model"
refused "a folder that is not there" 1 "$work/nowhere" "$work/nowhere"
refused "no folder" 2 "folder or --model"
refused "a folder twice" 2 "excludes" "$model" --model "$model"
refused "a folder without a name" 2 "folder: expected a value that is not empty" ""
finish
