#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# usage: run.sh [WAY...]    builds and runs a small program against the library in each way, or in all of them; prints
#                           "ok WAY" or, behind the log, "failed WAY"; the exit status is 1 if one failed
#        run.sh --matrix [WAY...]   the same with g++ 12, clang 14 and clang 16, each as Debug and as Release
#   installed         find_package behind "cmake --install"
#   moved             find_package in an installation that was moved to another folder
#   add_subdirectory  the library's folder within the program's project
#   fetch_content     the same by FetchContent
#   pkg_config        a compiler and pkg-config, no CMake
#   deb               the Debian package of "cpack -G DEB", installed by dpkg into a system of its own, and removed
#   amalgamation      single files made by .cmake/amalgamate.py, and nothing else of the library
#   compiled          two files that share ultrafastbert::compiled
# Environment: CXX (g++), UFB_BUILD_TYPE (Release). Installs missing Debian packages first. Works in build-consumer/.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
. "$root/tests/support/packages.sh"

usage() { sed -n '4,15s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }
ways=$(sed -n 's/^#   \([a-z_]\{1,\}\)  .*/\1/p' "${BASH_SOURCE[0]}")

# case_of WAY: the case of tests/package/drive.cmake that shows it, and what of it. The whole library is compiled in the last
# way only, because that takes a minute or two; the others have a program of layers, one of the tokenizer, or both.
case_of() {
  case $1 in
    installed) echo "find_package_in_place" ;;
    moved) echo "find_package_tokenizer" ;;
    add_subdirectory) echo "add_subdirectory_layers" ;;
    fetch_content) echo "fetch_content" ;;
    pkg_config | deb | amalgamation) echo "$1 -D PROGRAMS=layers;tokenizer" ;;
    compiled) echo "compiled -D WAYS=find_package" ;;
  esac
}

# show WAY: 0 if the program of that way does what it should. Writes all there is to say into $log.
show() {
  local words
  read -ra words < <(case_of "$1")
  OPENBLAS_NUM_THREADS=1 cmake -D CASE="${words[0]}" "${words[@]:1}" -D SOURCE="$root" -D BUILD="$work/library" \
    -D WORK="$work/$1" -D GENERATOR="$generator" -D COMPILER="$compiler" -D BUILD_TYPE="$build_type" -D EIGEN="$eigen" \
    -D VERSION="$version" -P "$root/tests/package/drive.cmake" >"$log" 2>&1
}

run_ways() {
  local status=0 way
  compiler=$(command -v "${CXX:-g++}") || { echo "run.sh: there is no compiler ${CXX:-g++}" >&2; return 1; }
  build_type=${UFB_BUILD_TYPE:-Release}
  work=$root/build-consumer/$(basename "$compiler")-$build_type
  mkdir -p "$work"
  log=$work/log
  ufb_configure "$root" "$work/library" -D CMAKE_BUILD_TYPE="$build_type" -D CMAKE_CXX_COMPILER="$compiler" \
    -D UFB_BUILD_TESTS=OFF -D UFB_BUILD_EXAMPLES=OFF -D UFB_BUILD_BENCH=OFF -D UFB_INSTALL=ON >"$log" 2>&1 ||
    { cat "$log"; return 1; }
  generator=$(sed -n 's/^CMAKE_GENERATOR:INTERNAL=//p' "$work/library/CMakeCache.txt")
  version=$(sed -n 's/^CMAKE_PROJECT_VERSION:STATIC=//p' "$work/library/CMakeCache.txt")
  eigen=$(pkg-config --cflags-only-I eigen3 | sed 's/^-I//; s/ *$//')
  for way; do
    if show "$way"; then
      printf 'ok %s\n' "$way"
    else
      cat "$log"
      printf 'failed %s\n' "$way"
      status=1
    fi
  done
  return $status
}

matrix=false
case ${1:-} in
  --matrix)
    matrix=true
    shift
    ;;
  -h | --help)
    usage
    exit
    ;;
esac
for way; do
  grep -qxF -- "$way" <<<"$ways" || {
    echo "run.sh: there is no way '$way', but: $(paste -sd ' ' <<<"$ways")" >&2
    exit 2
  }
done
# shellcheck disable=SC2086  # a list of words
[ $# -gt 0 ] || set -- $ways

# shellcheck disable=SC2086
ufb_require_packages $UFB_CONSUMER_PACKAGES
if ! $matrix; then
  run_ways "$@"
  exit
fi
# shellcheck disable=SC2086
ufb_require_packages $UFB_CONSUMER_MATRIX_PACKAGES
status=0
for CXX in g++-12 clang++-14 clang++-16; do
  for UFB_BUILD_TYPE in Debug Release; do
    printf '== %s %s\n' "$CXX" "$UFB_BUILD_TYPE"
    run_ways "$@" || status=1
  done
done
exit $status
