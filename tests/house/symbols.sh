#!/bin/sh
# SPDX-License-Identifier: MIT
#
# usage: symbols.sh OBJDUMP FILE...
# Fails if an object, archive or program has a variable of the library that can be written: what is constant lies in
# read-only sections, and there is no global state. Guards of variables that are set up at their first use count, too.
set -eu
export LC_ALL=C
objdump=$1
shift
for file; do
  "$objdump" -t -C "$file" | awk -v file="$file" '
    # Of each thread by itself, which no other one sees, and why it has to be:
    #   innermost   a task that calls its own pool would wait for itself; known by the pools that a thread works for
    #   mark        never written: its address tells threads apart
    #   ultrafastbert_with_and_without_UFB_COMPILED_in_one_program   never used: what linkers refuse mixed programs by
    function excused(section, name) {
      if (name ~ /^ultrafastbert_with_and_without_UFB_COMPILED_in_one_program$/) return 1
      return section ~ /^[.]t(bss|data)/ && name ~ /(thread_pool::.*innermost|workspace::.*mark|core::.*innermost)/
    }
    # ADDRESS FLAGS SECTION<tab>SIZE NAME, with flags of seven columns
    match($0, /^[0-9a-f]+ .......[ ]/) {
      rest = substr($0, RLENGTH + 1)
      tab = index(rest, "\t")
      if (!tab) next
      section = substr(rest, 1, tab - 1)
      name = substr(rest, tab + 1)
      sub(/^[0-9a-f]+ +([.]hidden +)?/, "", name)
      if (name !~ /ultrafastbert/) next
      ++symbols
      if (section !~ /^[.](bss|data|tbss|tdata|ldata|lbss)/ || section ~ /^[.]data[.]rel[.]ro/) next
      if (name ~ /^[.]|^DW[.]ref|^typeinfo|^vtable|^_?_?odr_asan|asan_gen/ || excused(section, name)) next
      print file ": " name " lies in " section ", where it can be written; make it constexpr, or a member"
      bad = 1
    }
    END {
      if (!symbols) { print file ": no symbol of the library at all"; bad = 1 }
      exit bad
    }
  ' || failed=1
done
exit "${failed:-0}"
