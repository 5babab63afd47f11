#!/bin/sh
# SPDX-License-Identifier: MIT
#
# usage: documentation.sh ROOT
# Checks the documentation contract of the public functions in ROOT/include, by a reading of declarations that falls
# short of parsing C++:
#   1. a public function that takes arrays (pointer, span, matrix_view, vector, array) or is not noexcept has a ///
#      block right before it, or a ///< remark on its line; so have constructors, apart from defaulted and deleted ones;
#   2. one that takes a matrix_view, or a span or pointer of numbers, states "Shapes";
#   3. one whose body throws (fail, fail_input, throw) states "Throws";
#   4. the paragraphs stand in the order Shapes, Units, Pre, Throws, Complexity, Source.
# Public is what stands in namespace ultrafastbert itself, not in that of a folder, and is neither private nor protected.
# Definitions of members outside their class are left out, because their declaration is checked; so are files *.inc, which
# headers include inside the namespace of a folder.
set -eu
export LC_ALL=C
program=$(cd "$(dirname "$0")" && pwd)/documentation.awk
cd "$1"
find include -name '*.hpp' | sort | xargs awk -f "$program"
