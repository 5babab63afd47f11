# SPDX-License-Identifier: MIT
#
# To be sourced by the tests of the example programs, which are called with the program, json_at and the models' folder.
# shellcheck shell=sh disable=SC2034,SC2016,SC2317
program=$1
json_at=$2
models=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0
tab=$(printf '\t')

complain() {
  printf 'FAIL: %s\n' "$1"
  failures=$((failures + 1))
}

# same NAME EXPECTED FOUND
same() {
  [ "$2" = "$3" ] || complain "$1
  expected: $2
  found:    $3"
}

# refused NAME STATUS TEXT ARGUMENT...: the program ends with STATUS and a message that contains TEXT, and prints no more.
refused() {
  name=$1 status=$2 text=$3
  shift 3
  found=0
  "$program" "$@" >"$work/out" 2>"$work/err" </dev/null || found=$?
  same "$name: exit status" "$status" "$found"
  grep -qF -- "$text" "$work/err" || complain "$name: no message says '$text', but: $(cat "$work/err")"
  [ ! -s "$work/out" ] || complain "$name: standard output is not empty: $(cat "$work/out")"
}

# each_text COMMAND...: calls COMMAND with every awkward text as its last argument. None has a line break, because texts
# on standard input end at one.
each_text() {
  "$@" '[CLS] a [SEP]'
  "$@" '[play, music]'
  "$@" '[]'
  "$@" '[[a],[b]]'
  "$@" '{}'
  "$@" '{a, b}'
  "$@" 'a,b;c'
  "$@" ''
  "$@" ' '
  "$@" "  a${tab}b  "
  "$@" '"quoted" and '"'single'"
  "$@" 'back\slash \n and 100 %% $HOME `id`'
  "$@" '--model'
  "$@" '-h'
  "$@" '--'
  "$@" '-'
  "$@" '-5 degrees'
  "$@" '++'
  "$@" '/help'
  "$@" 'key=value'
  "$@" "$(printf 'caf\303\251 \346\235\261\344\272\254 \360\237\230\200 e\314\201')"
}

# append FILE TEXT: adds a line.
append() { printf '%s\n' "$2" >>"$1"; }

# check_texts ARGUMENT...: the program says the same of the awkward texts whether they are arguments, all of them or one at
# a time, or the lines of a pipe. The result of the pipe, and the lines, are left in $work/piped and $work/lines.
check_texts() {
  : >"$work/lines"
  : >"$work/singly"
  each_text append "$work/lines"
  "$program" "$@" <"$work/lines" >"$work/piped" 2>"$work/err" || complain "lines of a pipe: $(cat "$work/err")"

  alone() { "$program" "$@" >>"$work/singly" 2>"$work/err" || complain "'$*': $(cat "$work/err")"; }
  each_text alone "$@" --
  cmp -s "$work/singly" "$work/piped" || complain "one argument differs from a line of a pipe:
$(diff "$work/singly" "$work/piped")"

  options=$#
  while IFS= read -r line; do
    [ $# -gt "$options" ] || set -- "$@" --
    set -- "$@" "$line"
  done <"$work/lines"
  "$program" "$@" >"$work/together" 2>"$work/err" || complain "many arguments: $(cat "$work/err")"
  cmp -s "$work/together" "$work/piped" || complain "many arguments differ from the lines of a pipe:
$(diff "$work/together" "$work/piped")"
}

# check_pipes LINE ARGUMENT...: LINE is answered while the input is open; an output that is full or closed, and an input that
# is a folder, are errors.
check_pipes() {
  line=$1
  shift
  mkfifo "$work/open"
  "$program" "$@" <"$work/open" >"$work/early" 2>"$work/err" &
  running=$!
  exec 3>"$work/open"
  printf '%s\nthe beginning of a line' "$line" >&3
  waited=0
  while [ ! -s "$work/early" ] && [ "$waited" -lt 300 ]; do
    sleep 0.1
    waited=$((waited + 1))
  done
  [ -s "$work/early" ] || complain "no answer while the input is open"
  exec 3>&-
  wait "$running" || true  # the end of that line may be an error of its own
  check_output_errors "$line" "$@"
  found=0
  "$program" "$@" <"$work" >"$work/out" 2>"$work/err" || found=$?
  same "a folder as input: exit status" 1 "$found"
  grep -qF "standard input" "$work/err" || complain "a folder as input: $(cat "$work/err")"
}

# check_output_errors INPUT ARGUMENT...: an output that is full or closed is an error.
check_output_errors() {
  input=$1
  shift
  if [ -w /dev/full ]; then
    found=0
    printf '%s\n' "$input" | "$program" "$@" >/dev/full 2>"$work/err" || found=$?
    same "a full output: exit status" 1 "$found"
    grep -qF "standard output" "$work/err" || complain "a full output: $(cat "$work/err")"
  fi
  found=0
  printf '%s\n' "$input" | "$program" "$@" >&- 2>"$work/err" || found=$?
  same "a closed output: exit status" 1 "$found"
}

# check_truncation OPTIONS WORDS ARGUMENT...: a text of WORDS words, more than the program takes with OPTIONS and ARGUMENTS,
# is an error by itself; with --truncate it is cut, which the program says on standard error and in "truncated".
check_truncation() {
  options=$1 words=$2
  shift 2
  long=$(awk -v n="$words" 'BEGIN { for (i = 0; i < n; ++i) printf "the " }')
  # shellcheck disable=SC2086  # a list of words
  "$program" "$@" --json --truncate $options "a <mask>" "a <mask> $long" >"$work/cut" 2>"$work/err" ||
    complain "truncation: $(cat "$work/err")"
  same "the texts that are cut are counted" "truncated: 1 of 2 texts" "$(cat "$work/err")"
  same "which text is cut" "false
true" "$("$json_at" /truncated <"$work/cut")"
  # shellcheck disable=SC2086
  "$program" "$@" --truncate $options "a <mask> $long" >"$work/plain" 2>"$work/err" || complain "truncation without JSON"
  same "one text that is cut" "truncated: 1 of 1 text" "$(grep '^truncated' "$work/err")"
  "$program" "$@" --json "a <mask>" >"$work/whole" || complain "without truncation"
  ! "$json_at" /truncated <"$work/whole" >"$work/none" 2>&1 || complain "a text says truncated, but nobody asked for it"
}

# on_terminal COMMAND: what a shell's COMMAND writes where standard input, output and error are a terminal, with a line for
# each time that a line is begun anew. False where there are no terminals to be had, as in a bare chroot.
on_terminal() {
  script -qc true /dev/null </dev/null >/dev/null 2>&1 || return 1
  # From a pipe that never ends: at the end of its input "script" may leave before the command does.
  [ -e "$work/endless" ] || mkfifo "$work/endless"
  script -qc "$1" /dev/null <>"$work/endless" | tr -s '\r' '\n'
}

# check_manners: --version, --help, and what bash makes of it. The examples that the help ends with are run from the top of the repository, but
# for those that name a FILE or FOLDER of the reader's, and what does not end by itself.
check_manners() {
  program_name=$(basename "$program")
  repository=$(cd "$(dirname "$0")/../.." && pwd)
  version=$(awk '/^#define UFB_VERSION_(MAJOR|MINOR|PATCH)/ { text = text dot $3; dot = "." } END { print text }' \
    "$repository/include/ultrafastbert/core/version.hpp")
  same "--version" "$program_name (ultrafastbert) $version" "$("$program" --version </dev/null 2>&1)"
  "$program" --help >"$work/help" 2>&1 </dev/null || complain "--help: exit status $?"
  if grep -q -- '--model ' "$work/help"; then
    refused "a folder without a name" 2 "expected a value that is not empty" --model ""
    refused "a folder without a name behind =" 2 "--model: expected a value behind =" --model= a
  fi
  same "the end of --help" "Exit status:
  0  done
  1  failed, behind a message on standard error
  2  wrong command line" "$(sed -n '/^Exit status:/,/^  2/p' "$work/help")"
  sed -n '/^Examples:/,/^$/s/^  //p' "$work/help" >"$work/examples"
  [ -s "$work/examples" ] || complain "--help has no examples"
  while IFS= read -r line; do
    case $line in *"$program_name"*) ;; *) complain "an example without the program: $line" ;; esac
    case $line in *FILE* | *FOLDER* | *--port*) continue ;; esac
    (cd "$repository" && PATH=$(dirname "$program"):$PATH sh -c "$line" >"$work/out" 2>"$work/err" </dev/null) ||
      complain "the example '$line' of --help fails: $(cat "$work/err")"
  done <"$work/examples"
  same "the completion of --vers" "--version" "$(bash -c 'eval "$1" && COMP_WORDS=(it --vers) COMP_CWORD=1 && "$2" &&
    echo "${COMPREPLY[*]}"' _ "$(sh "$repository/.cmake/completion.sh" "$program")" "_$program_name")"
  if [ -w /dev/full ]; then
    found=0
    "$program" --help >/dev/full 2>"$work/err" || found=$?
    same "--help with a full output: exit status" 1 "$found"
  fi
}

finish() {
  check_manners
  [ "$failures" -eq 0 ] || exit 1
  echo "all as it should be"
}
