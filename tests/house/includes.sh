#!/bin/sh
# SPDX-License-Identifier: MIT
#
# usage: includes.sh ROOT
# Fails on an include in ROOT/include/ultrafastbert that points upward or sideways, names a header that does not exist,
# pulls a third-party library into a layer that must do without it, stands below the code of its header, or closes a
# circle; and on a file *.inc that includes anything, since it is included inside a namespace itself.
set -eu
export LC_ALL=C
cd "$1/include/ultrafastbert"

edges=$(mktemp)
trap 'rm -f "$edges"' EXIT

find . -name '*.hpp' -o -name '*.inc' | sed 's,^\./,,' | sort | xargs awk '
  # What each folder may include besides itself. A folder that is missing here is an error.
  function allow(folder, list,   n, names, i) {
    known[folder] = 1
    allowed[folder, folder] = 1
    n = split(list, names, " ")
    for (i = 1; i <= n; ++i) allowed[folder, names[i]] = 1
  }
  BEGIN {
    layers = "core blas kernels products cmm layers"
    allow("core", "")
    allow("blas", "core")
    allow("kernels", "core blas")
    allow("products", "core blas kernels")
    allow("cmm", "core blas kernels products")
    allow("layers", "core blas kernels products cmm")
    allow("encoder", layers)
    allow("io", "core")
    allow("tokenizer", "core io")
    allow("model", layers " encoder io tokenizer")
    allow("layers.hpp", layers)
    allow("tokenizer.hpp", "core io tokenizer")
    allow("ultrafastbert.hpp", layers " layers.hpp tokenizer.hpp encoder io tokenizer model")
    # Third-party headers: pattern and the folders that may name it.
    users["^nlohmann/"] = " io tokenizer model "
    users["^utf8proc"] = " tokenizer "
    users["cblas"] = " blas "
    users["(^|_)mkl"] = " blas "
    users["(intrin|arm_neon|arm_sve)\\.h$"] = " kernels "
  }
  function folder_of(path) { return path ~ /\// ? substr(path, 1, index(path, "/") - 1) : path }
  function complain(text) { print "include/ultrafastbert/" FILENAME ":" FNR ": " text; bad = 1 }
  function exists(path,   line, found) {
    found = (getline line < path) >= 0
    close(path)
    return found
  }
  FNR == 1 {
    folder = folder_of(FILENAME)
    if (!(folder in known)) complain("the folder " folder " has no place in the layering; give it a line in tests/house/includes.sh")
    code = 0
  }
  /^(inline )?namespace[ \t]/ { code = 1 }
  /^[ \t]*#[ \t]*include[ \t]*[<"]/ {
    target = $0
    sub(/^[ \t]*#[ \t]*include[ \t]*/, "", target)
    quoted = substr(target, 1, 1) == "\""
    target = substr(target, 2)
    sub(/[>"].*$/, "", target)
    if (FILENAME ~ /\.inc$/) complain("a file *.inc includes nothing; put " target " into the header that includes it")
    else if (code && target !~ /\.inc$/) complain("includes stand above the first namespace; move " target " up")
    if (target ~ /^ultrafastbert\//) {
      own = substr(target, length("ultrafastbert/") + 1)
      if (!quoted) complain("own headers are included with quotes; write #include \"" target "\"")
      if (!exists(own)) complain("no such header: " target "; correct its path")
      if (!((folder, folder_of(own)) in allowed)) {
        complain(folder " must not include " folder_of(own) ": " target "; move what is needed down, or this file up")
      }
      print FILENAME, own > edges
    } else if (quoted) {
      complain("own headers are included as \"ultrafastbert/<folder>/<file>\"; spell " target " out")
    } else {
      for (pattern in users) {
        if (target ~ pattern && index(users[pattern], " " folder " ") == 0) {
          complain(folder " must not include " target "; only" users[pattern] "may")
        }
      }
    }
  }
  END { exit bad }
' edges="$edges" && status=0 || status=1

if ! circle=$(tsort "$edges" 2>&1 >/dev/null); then
  echo "headers include each other in a circle; move what they share into a header of its own:"
  echo "$circle" | sed -n 's/^tsort: \(.*\.[a-z]*\)$/  \1/p'
  status=1
fi
exit $status
