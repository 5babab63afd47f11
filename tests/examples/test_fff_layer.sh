#!/bin/sh
# SPDX-License-Identifier: MIT
#
# usage: test_fff_layer.sh PROGRAM JSON_AT MODELS
set -eu
. "$(dirname "$0")/support.sh"

"$program" >"$work/out" || complain "exit status $?"
same "sizes at run time and in the type agree" "both layers agree: yes" "$(tail -n 1 "$work/out")"
same "a path of twelve nodes for each token" "12 12 12 12" \
  "$(sed -n 's/^token [0-9]*: path \(.*\), y.*$/\1/p' "$work/out" | awk '{ printf "%s%d", (NR == 1 ? "" : " "), NF }')"
finish
