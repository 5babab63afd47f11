#!/bin/sh
# SPDX-License-Identifier: MIT
#
# usage: scripts.sh ROOT
# Fails unless the scripts of ROOT can be read by their shells and refuse what they do not know, tests/support/bare.sh
# knows every program that README.md tells the reader to start, and it reads package sources in both of apt's forms.
set -eu
export LC_ALL=C
cd "$1"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
status=0
complain() {
  echo "$1"
  status=1
}

for script in examples/demo.sh bench/run.sh bench/compile/run.sh bench/peers/start.sh bench/pictures/run.sh tests/run.sh \
  tests/consumer/run.sh .cmake/*.sh tests/support/*.sh tests/campaigns/*.sh tests/house/*.sh tests/examples/*.sh \
  tests/guide/*.sh .ci/run; do
  shell=sh
  case $(head -n 2 "$script") in *bash*) shell=bash ;; esac
  "$shell" -n "$script" || complain "$script cannot be read by $shell"
done

# refuses TEXT COMMAND...: the command ends with status 2 and says TEXT.
refuses() {
  text=$1
  shift
  found=0
  "$@" >"$work/out" 2>&1 </dev/null || found=$?
  [ "$found" -eq 2 ] || complain "'$*' ends with status $found, not 2"
  grep -qF -- "$text" "$work/out" || complain "'$*' does not say '$text' but: $(cat "$work/out")"
}
refuses "tests/run.sh --build-only" tests/run.sh --bild-only
refuses "--long takes one of:" tests/run.sh --long
refuses "no command is called 'dmeo'; there are: demo" tests/run.sh --long bare dmeo
refuses "there is no way 'instaled', but: installed moved" tests/consumer/run.sh instaled
refuses "not '--quikc'" bench/run.sh compile --quikc
refuses "--rounds takes a number" bench/run.sh compile --rounds=none
refuses "--json needs a value" bench/run.sh compile --json
refuses "report needs --out DIR" bench/run.sh report --quick

# Apart from the judge of a model that does not ship here.
tests/support/bare.sh --list >"$work/list"
grep -oE '`(examples|bench|tests|build)/[a-z_/]+(\.sh)?[` ]' README.md | tr -d '` ' | sort -u |
  grep -vxE 'build/tests/ufb_full_size|(examples/models|tests/golden)/?.*' >"$work/programs"
[ -s "$work/programs" ] || complain "README.md names no program"
while read -r program; do
  grep -qF "$program" "$work/list" ||
    complain "README.md names $program, which no command in tests/support/bare.sh starts; add one"
done <"$work/programs"

mkdir -p "$work/apt/sources.list.d"
cat >"$work/apt/sources.list" <<'END'
# deb http://comment bookworm main
deb http://a/debian bookworm main contrib # remark
deb-src http://source bookworm main
END
cat >"$work/apt/sources.list.d/b.list" <<'END'
deb [arch=amd64 signed-by=/k/b.gpg] http://b bookworm-security main
deb [ signed-by=/k/c.gpg arch=amd64 ] http://c bookworm main
END
cat >"$work/apt/sources.list.d/d.sources" <<'END'
Types: deb deb-src
URIs: http://d http://e
Suites: bookworm
  bookworm-updates
# between
Components: main
Signed-By: /k/d.gpg

Types: deb
Enabled: no
URIs: http://disabled
Suites: bookworm
Components: main
END
cat >"$work/expected" <<'END'
http://a/debian bookworm - main contrib
http://b bookworm-security /k/b.gpg main
http://c bookworm /k/c.gpg main
http://d bookworm /k/d.gpg main
http://d bookworm-updates /k/d.gpg main
http://e bookworm /k/d.gpg main
http://e bookworm-updates /k/d.gpg main
END
tests/support/bare.sh --sources "$work/apt" | sort | diff "$work/expected" - ||
  complain "tests/support/bare.sh --sources reads package sources otherwise"
exit $status
