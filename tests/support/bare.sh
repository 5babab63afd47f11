#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# usage: bare.sh [NAME...]   runs the named commands of README.md (all of them without a name), each on a bare system
#        bare.sh --list      prints names and commands
#        bare.sh --sources [FOLDER]   prints the package sources that apt has in FOLDER (/etc/apt)
# A bare system is a fresh minbase installation of this machine's release, made by debootstrap from this machine's
# package source, with nothing but a clone of the last commit in it. It lives below build-bare/, where the logs stay.
# Needs root. Prints "ok" or "failed" for each command; the exit status is 1 if one failed.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
. "$root/tests/support/packages.sh"
work=$root/build-bare
place=/root/ultrafastbert  # of the clone, inside
ready=$work/ready          # the system that every command gets a copy of
used=$work/used            # that copy

# Name, tab, command. A command that README.md gives for "after demo.sh" begins with demo.sh; the benchmarks run quickly.
commands() {
  cat <<'LIST'
demo	examples/demo.sh "I would like a cup of <mask>, please."
classify	examples/demo.sh && build/examples/classify --model examples/models/tiny-classifier "Will it rain?"
compare	examples/demo.sh && build/examples/compare_precision --model examples/models/tiny-mlm --file README.md
routes	examples/demo.sh && build/examples/routes --model examples/models/tiny-mlm "The [MASK] sat on the mat."
tokenize	examples/demo.sh && echo "one line" | build/examples/tokenize --tokenizer examples/models/tiny-mlm --json
tests	tests/run.sh && build/tests/ufb_golden tests/golden && build/tests/ufb_invariance --model examples/models/tiny-mlm
server	tests/run.sh --build-only && { build/examples/serve --model examples/models/tiny-mlm & sleep 5; curl -sf localhost:8080/health; }
c	tests/run.sh --build-only && python3 examples/c_api/ufb.py build/examples/libufb_c.so examples/models/tiny-mlm "a cup of <mask>"
mpi	tests/run.sh --build-only && mpirun --allow-run-as-root --oversubscribe -np 2 build/examples/embed_mpi --model examples/models/tiny-mlm --in README.md --out vectors.npy
consumer	tests/consumer/run.sh
install	block() { awk -v open='```'"$1" '$0 == open { on = 1; next } $0 == "```" { on = 0 } on' README.md; } && block sh >install.sh && apt-get update && sh -ex install.sh && mkdir app && block cpp >app/app.cpp && { echo 'cmake_minimum_required(VERSION 3.22)' && echo 'project(app CXX)' && echo 'add_executable(app app.cpp)' && block cmake; } >app/CMakeLists.txt && cmake -S app -B app/build && cmake --build app/build && app/build/app
bench	bench/run.sh --quick --batch 1,128
encoder	bench/run.sh encoder --quick --shapes 1x16
depth	bench/run.sh depth --quick
hub	bench/run.sh hub --quick --shapes 1x16
peers	bench/run.sh peers --quick --shapes 1x16
paper	bench/run.sh paper --quick --batch 1
compile	bench/run.sh compile --quick
report	bench/run.sh report --quick --groups machine,depth --out build-report
LIST
}

fail() {
  printf 'bare: %s\n' "$*" >&2
  exit 2
}

# sources FOLDER: every package source as a line "URI SUITE KEYRING COMPONENT...", from both of apt's forms; KEYRING is a
# dash where none is named.
sources() {
  { find "$1/sources.list" "$1/sources.list.d" -maxdepth 1 -type f -name '*.list' -exec cat {} + 2>/dev/null || true; } |
    awk '$1 == "deb" {
      keyring = "-"
      first = 2
      if ($2 ~ /^\[/) {
        while (first <= NF) {
          option = $first
          gsub(/[][]/, "", option)
          if (option ~ /^signed-by=/) keyring = substr(option, 11)
          if ($(first++) ~ /\]$/) break
        }
      }
      line = $first " " $(first + 1) " " keyring
      for (i = first + 2; i <= NF && $i !~ /^#/; ++i) line = line " " $i
      print line
    }'
  { find "$1/sources.list.d" -maxdepth 1 -type f -name '*.sources' -exec sh -c 'cat "$1"; echo; echo' _ {} \; \
    2>/dev/null || true; } |
    awk '
      function finish(   u, s, i, j, n, m, keyring) {
        n = split(field["uris"], u, " ")
        m = split(field["suites"], s, " ")
        if (" " field["types"] " " ~ / deb / && tolower(field["enabled"]) != "no") {
          keyring = field["signed-by"] ~ /^\// ? field["signed-by"] : "-"
          sub(/ .*$/, "", keyring)
          for (i = 1; i <= n; ++i) for (j = 1; j <= m; ++j) print u[i], s[j], keyring, field["components"]
        }
        split("", field)
      }
      /^#/ { next }
      /^[ \t]*$/ { finish(); next }
      /^[^ \t]/ { key = tolower(substr($0, 1, index($0, ":") - 1)); sub(/^[^:]*:[ \t]*/, "") }
      { field[key] = field[key] " " $0; gsub(/^[ \t]+|[ \t]+$/, "", field[key]) }
      END { finish() }'
}

# The sources of this machine's own release, a list of mirrors replaced by its first.
release_sources() {
  sources /etc/apt | while read -r uri suite keyring components; do
    case $suite in
      "$codename" | "$codename"-*) ;;
      *) continue ;;
    esac
    if [ "${uri#mirror+file:}" != "$uri" ]; then
      uri=$(awk '/^[a-z]+:/ { print $1; exit }' "${uri#mirror+file:}")
    fi
    printf '%s %s %s %s\n' "$uri" "$suite" "$keyring" "$components"
  done
}

# remove FOLDER: refuses where something is mounted below, which only another program can have done.
remove() {
  [ -e "$1" ] || return 0
  ! awk -v folder="$1/" 'index($2 "/", folder) == 1 { found = 1 } END { exit !found }' /proc/self/mounts ||
    fail "something is mounted below $1; unmount it first"
  rm -rf --one-file-system "$1"
}

# isolated COMMAND...: runs it with mounts and processes in namespaces of their own, which end with it, however it ends:
# this machine never sees the mounts, and no process stays behind.
isolated() {
  local result=0
  unshare --mount --propagation private --pid --fork --kill-child "$@" &
  child=$!
  wait "$child" || result=$?
  child=
  return $result
}

# stop STATUS: on a signal, which would otherwise wait for the command.
stop() {
  [ -z "$child" ] || { kill -KILL "$child" && wait "$child"; } 2>/dev/null || true
  exit "$1"
}

# Installs the system that commands get copies of.
prepare() {
  local uri suite keyring components key=() file
  codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
  [ -n "$codename" ] || fail "/etc/os-release names no VERSION_CODENAME"
  read -r uri suite keyring components < <(release_sources | awk -v suite="$codename" '$2 == suite') ||
    fail "neither /etc/apt/sources.list nor sources.list.d names a source of $codename"
  [ "$keyring" = - ] || key=(--keyring "$keyring")
  remove "$ready"
  http_proxy=${http_proxy:-$(apt-config shell proxy Acquire::http::Proxy | sed "s/^proxy='\(.*\)'$/\1/")}
  [ -z "$http_proxy" ] || export http_proxy
  echo "== $codename from $uri" >&2
  # shellcheck disable=SC2016  # expanded by the inner shell
  isolated sh -ec 'mount -t proc proc /proc && exec debootstrap "$@"' _ --variant=minbase --include=ca-certificates \
    "${key[@]}" "$codename" "$ready" "$uri" >"$work/debootstrap.log" 2>&1 ||
    { tail -n 20 "$work/debootstrap.log" >&2; fail "debootstrap did not succeed"; }

  rm -f "$ready/etc/apt/sources.list"
  release_sources | while read -r uri suite keyring components; do
    if [ "$keyring" = - ]; then
      echo "deb $uri $suite $components"
    else
      install -D -m 644 "$keyring" "$ready$keyring"
      echo "deb [signed-by=$keyring] $uri $suite $components"
    fi
  done >"$ready/etc/apt/sources.list.d/host.list"
  apt-config dump | grep -iE '^Acquire::(.*::)?proxy' >"$ready/etc/apt/apt.conf.d/90proxy" || true
  for file in /etc/resolv.conf /etc/hosts; do
    [ ! -f "$file" ] || cp -L "$file" "$ready$file"
  done

  # Whoever owns the repository, git may read it; the settings of this machine's users stay out.
  printf '[safe]\n\tdirectory = *\n' >"$work/gitconfig"
  GIT_CONFIG_GLOBAL=$work/gitconfig git clone --quiet --no-hardlinks "$root" "$ready$place"
  [ -z "$(GIT_CONFIG_GLOBAL=$work/gitconfig git -C "$root" status --porcelain)" ] ||
    echo "== changes that are not committed are left out" >&2
}

# run_bare NAME COMMAND
run_bare() {
  local name=$1 command=$2 start=$SECONDS
  remove "$used"
  cp -a --reflink=auto "$ready" "$used"
  # shellcheck disable=SC2016  # expanded by the inner shell
  if isolated env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
    ${http_proxy:+http_proxy="$http_proxy"} ${UFB_JOBS:+UFB_JOBS="$UFB_JOBS"} \
    sh -ec 'mount -t proc proc "$1/proc"
            for device in null zero full random urandom; do
              [ -e "$1/dev/$device" ] || touch "$1/dev/$device"
              mount --bind "/dev/$device" "$1/dev/$device"
            done
            exec chroot "$1" bash -c "cd $2 && $3"' _ "$used" "$place" "$command" \
    >"$work/$name.log" 2>&1 </dev/null; then
    printf 'ok      %s (%d s)\n' "$command" $((SECONDS - start))
  else
    tail -n 20 "$work/$name.log" >&2
    printf 'failed  %s (%d s), see %s\n' "$command" $((SECONDS - start)) "${work#"$root/"}/$name.log"
    return 1
  fi
}

case ${1:-} in
  --list)
    commands
    exit
    ;;
  --sources)
    sources "${2:-/etc/apt}"
    exit
    ;;
esac
for name; do
  commands | cut -f 1 | grep -qxF -- "$name" ||
    fail "no command is called '$name'; there are: $(commands | cut -f 1 | paste -sd ' ')"
done
[ "$(id -u)" -eq 0 ] || fail "making a system needs root"
# shellcheck disable=SC2086  # a list of words
ufb_require_packages $UFB_BARE_PACKAGES
mkdir -p "$work"
exec 9>"$work/lock"
flock -n 9 || fail "another run is using build-bare; a second clone can have one of its own"
trap 'remove "$used"; remove "$ready"' EXIT
child=
trap 'stop 130' INT
trap 'stop 143' TERM
prepare
status=0
while IFS=$'\t' read -r name command <&3; do
  case " ${*:-$name} " in
    *" $name "*) run_bare "$name" "$command" || status=1 ;;
  esac
done 3< <(commands)
exit $status
