# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154  # called by tests/run.sh, whose variables these are
#
# [PART...]: clang-14, clang-16, unoptimized (g++), native (g++ with -march=native); x86-64 without AVX and with AVX2
# alone, and aarch64 (g++) and aarch64-clang, these under qemu-user; all of them without a PART

# test_with_label LABEL FOLDER NAME CMAKE-ARGUMENT...: builds and runs the tests of a list in tests/CMakeLists.txt.
test_with_label() {
  local label=$1 folder=$2 name=$3
  shift 3
  build "$folder" "ufb_${label}_tests" -D UFB_BUILD_EXAMPLES=OFF -D UFB_INSTALL=OFF "$@"
  test_in "$folder" --label-regex "$label"
  say "$name: $summary"
}

# on_aarch64 LABEL FOLDER NAME CMAKE-ARGUMENT...: with header-only libraries of this machine and without a BLAS.
on_aarch64() {
  local label=$1 folder=$2 name=$3 unpacked=$root/build-aarch64-packages
  shift 3
  ufb_unpack_foreign arm64 "$unpacked" libutf8proc-dev
  test_with_label "$label" "$folder" "$name" -D CMAKE_TOOLCHAIN_FILE="$root/tests/support/aarch64.cmake" \
    -D CMAKE_BUILD_TYPE=Release -D UFB_BLAS=OFF -D UFB_UTF8PROC_INCLUDE_DIR="$unpacked/usr/include" \
    -D UFB_UTF8PROC_LIBRARY="$unpacked/usr/lib/aarch64-linux-gnu/libutf8proc.a" "$@"
}

# part NAME: the tests of one of the parts.
part() {
  local gnu=${CXX:-g++} cpu
  case $1 in
    aarch64) on_aarch64 portable build-aarch64 "64-bit ARM, g++" ;;
    aarch64-clang)
      on_aarch64 arithmetic build-aarch64-clang "64-bit ARM with half precision arithmetic, clang 14" \
        -D CMAKE_CXX_COMPILER=clang++-14 -D CMAKE_CXX_COMPILER_TARGET=aarch64-linux-gnu \
        -D CMAKE_CXX_FLAGS=-march=armv8.2-a+fp16
      ;;
    x86-64)
      # Processors that this machine is not: a program compiled without -march has to find its way on each. So has
      # OpenBLAS, unless the environment tells it what this machine is. The emulator reads what masked loads leave out.
      for cpu in Nehalem Haswell; do
        (
          unset OPENBLAS_CORETYPE
          export QEMU_CPU=$cpu UFB_UNFENCED=1
          test_with_label arithmetic build-x86-64 "x86-64, $cpu" -D CMAKE_SYSTEM_NAME=Linux \
            -D CMAKE_SYSTEM_PROCESSOR=x86_64 -D CMAKE_BUILD_TYPE=Release -D CMAKE_CXX_COMPILER="$gnu" \
            -D CMAKE_CROSSCOMPILING_EMULATOR=qemu-x86_64
        )
      done
      ;;
    clang-14)
      test_with_label arithmetic build-clang-14 "clang 14" -D CMAKE_BUILD_TYPE=Release -D CMAKE_CXX_COMPILER=clang++-14
      ;;
    clang-16)
      test_with_label portable build-clang-16 "clang 16" -D CMAKE_BUILD_TYPE=Release -D CMAKE_CXX_COMPILER=clang++-16
      ;;
    unoptimized)
      test_with_label arithmetic build-unoptimized unoptimized -D CMAKE_BUILD_TYPE=None -D CMAKE_CXX_COMPILER="$gnu"
      ;;
    native)
      # g++ 12 takes what its own header of AVX-512 leaves open on purpose for a mistake.
      test_with_label arithmetic build-native "for this machine" -D CMAKE_BUILD_TYPE=Release \
        -D CMAKE_CXX_COMPILER="$gnu" \
        -D CMAKE_CXX_FLAGS="-march=native -ffp-contract=fast -Wno-uninitialized -Wno-maybe-uninitialized"
      ;;
    *)
      echo "tests/run.sh --long portability has no part '$1'; there are: ${parts[*]}" >&2
      exit 2
      ;;
  esac
}

campaign() {
  local name parts=(aarch64 aarch64-clang x86-64 clang-14 clang-16 unoptimized native)
  for name; do
    [[ " ${parts[*]} " == *" $name "* ]] || part "$name"
  done
  # shellcheck disable=SC2086  # lists of words
  ufb_require_packages $UFB_TEST_PACKAGES $UFB_PORTABILITY_PACKAGES
  [ $# -gt 0 ] || set -- "${parts[@]}"
  for name; do part "$name"; done
  say "${SECONDS} s in all"
}
