# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154  # called by tests/run.sh, whose variables these are
#
# as far as it goes: all headers by a cross compiler for Windows, also behind those of the system, and the tests of
# core, blas, kernels, cmm and products and some of layers and io under wine

campaign() {
  # shellcheck disable=SC2086  # lists of words
  ufb_require_packages $UFB_TEST_PACKAGES $UFB_WINDOWS_PACKAGES
  local work=$root/build-windows foreign=$root/build-windows/include name failures=0
  mkdir -p "$foreign"
  # Headers of libraries that are nothing but headers; the rest of /usr/include is this system's.
  cp -rL /usr/include/catch2 /usr/include/nlohmann /usr/include/utf8proc.h /usr/include/eigen3/Eigen "$foreign/"
  # This compiler does not align the stack for what AVX spills there: the assembler writes moves that need no alignment.
  windows=(x86_64-w64-mingw32-g++-posix -std=c++20 -O1 -Wa,-muse-unaligned-vector-move -D UFB_WITH_CBLAS=0 -D UTF8PROC_STATIC
    -I "$root/include" -I "$root/tests" -isystem "$foreign" "-DUFB_TEST_DATA_DIR=\"$root/tests/golden\""
    "-DUFB_EXAMPLE_MODEL_DIR=\"$root/examples/models\"")
  export WINEPREFIX=$work/wine WINEDEBUG=-all
  printf '#include <windows.h>\n#include <ultrafastbert/ultrafastbert.hpp>\nint main() {}\n' >"$work/everything.cpp"
  quietly "${windows[@]}" -fsyntax-only "$work/everything.cpp"
  say "every header compiles"
  quietly "${windows[@]}" -O0 -c "$root/tests/support/main.cpp" -o "$work/main.o"
  # Left out: links, FIFOs and rights of files, two builds in one program, and what needs a BLAS or utf8proc.
  local -A sources=([core]="test_*.cpp ../support/allocation_counter.cpp" [blas]="test_backends.cpp"
    [kernels]="test_[!t]*.cpp" [cmm]="test_*.cpp" [products]="test_*.cpp ../support/allocation_counter.cpp"
    [layers]="test_fast_feedforward.cpp test_dense_layers.cpp"
    [io]="test_json.cpp test_safetensors_*.cpp test_tensor_source.cpp")
  for name in core blas kernels cmm products layers io; do
    windows_test "$name" "${sources[$name]}" || failures=$((failures + 1))
  done
  [ "$failures" -eq 0 ] || { say "programs that failed: $failures"; exit 1; }
  say "$SECONDS s in all"
}

# windows_test FOLDER PATTERNS: compiles sources of tests/FOLDER to one program, and runs it.
windows_test() {
  local objects=() source object
  # shellcheck disable=SC2086  # patterns
  for source in $(cd "$root/tests/$1" && printf '%s\n' $2); do
    object=$work/$1_$(basename "$source" .cpp).o
    quietly "${windows[@]}" -c "$root/tests/$1/$source" -o "$object" || return 1
    objects+=("$object")
  done
  quietly "${windows[@]}" -static "$work/main.o" "${objects[@]}" -o "$work/$1.exe" || return 1
  local status=0
  /usr/lib/wine/wine64 "$work/$1.exe" >"$log" 2>&1 || status=$?
  [ $status -eq 0 ] || tail -n 40 "$log"
  say "$1 under wine: $(tail -n 2 "$log" | tr -d '\r' | grep . | tail -n 1)"
  return $status
}
