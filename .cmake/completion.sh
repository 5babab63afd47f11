#!/bin/sh
# SPDX-License-Identifier: MIT
#
# usage: completion.sh PROGRAM
# Prints bash's completion of PROGRAM: the options that its --help lists, and names of files.
set -eu
export LC_ALL=C
name=$(basename "$1")
help=$("$1" --help)
options=$(printf '%s\n' "$help" | sed -n 's/^  \(-[a-z,-]*\).*$/\1/p' | tr , '\n' | sed -n '/^--/p' | paste -sd ' ' -)
[ -n "$options" ] || {
  echo "completion.sh: '$1 --help' lists no option" >&2
  exit 1
}
function=_$(printf '%s' "$name" | tr -c 'A-Za-z0-9' _)
cat <<END
# Made from "$name --help".
$function() {
  local word=\${COMP_WORDS[COMP_CWORD]}
  case \$word in
    -*) mapfile -t COMPREPLY < <(compgen -W "$options" -- "\$word") ;;
    *) mapfile -t COMPREPLY < <(compgen -f -- "\$word") ;;
  esac
}
complete -o filenames -F $function $name
END
