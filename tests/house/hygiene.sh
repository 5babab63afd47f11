#!/bin/sh
# SPDX-License-Identifier: MIT
#
# usage: hygiene.sh ROOT
# Fails on anything in the code of ROOT/include that could end the host, print, read or change what belongs to the whole
# process (environment, locale, rounding, signals, threads of a BLAS), or skip a check: a library does none of that.
# Comments and strings do not count.
set -eu
export LC_ALL=C
cd "$1"
find include -name '*.hpp' -o -name '*.inc' | sort | xargs awk '
  function forbid(pattern, why) { ++rules; patterns[rules] = "(^|[^A-Za-z0-9_])(" pattern ")"; reasons[rules] = why }
  BEGIN {
    forbid("(abort|exit|_exit|_Exit|quick_exit|terminate|unreachable|__builtin_trap|__builtin_unreachable)[ \t]*[(]",
           "ends the host; throw by fail or fail_input")
    forbid("(assert|NDEBUG)[ \t]*([(]|$)", "a check that builds leave out; throw by fail or fail_input")
    forbid("(v?f?printf|f?puts|fputc|putchar|perror)[ \t]*[(]|std::(cout|cerr|clog|print|println)([^A-Za-z0-9_]|$)|<(iostream|cstdio|stdio[.]h|print)>",
           "prints; what there is to say belongs into an error or a report")
    forbid("(getenv|secure_getenv|setenv|putenv|unsetenv)[ \t]*[(]", "the environment is the host\047s")
    forbid("(setlocale|locale::global|srand|signal|sigaction|raise|atexit|fesetround|fesetenv|feenableexcept|_mm_setcsr)[ \t]*[(]",
           "changes a setting of the whole process")
    forbid("(openblas_set_num_threads|omp_set_num_threads|mkl_set_num_threads|set_num_threads)[ \t]*[(]",
           "changes the threads of a BLAS that others use, too")
    forbid("catch[ \t]*[(][.][.][.][)][ \t]*[{][ \t]*[}]", "swallows an error")
    forbid("const_cast[ \t]*<", "writes to what was promised to stay as it is")
  }
  {
    line = $0
    gsub(/"([^"\\]|\\.)*"/, "\"\"", line)
    if (FILENAME ~ /core\/floating_point_modes[.]hpp$/) gsub(/fesetround/, "", line)  # of the pool\047s own threads
    sub(/\/\/.*/, "", line)
    for (i = 1; i <= rules; ++i) if (line ~ patterns[i]) { print FILENAME ":" FNR ": " reasons[i]; bad = 1 }
  }
  END { exit bad }
'
