# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154  # called by tests/run.sh, whose variables these are
#
# clang 14 and 16, g++ unoptimized and with -march=native; x86-64 without AVX and with AVX2 alone, and 64-bit ARM by
# g++ and clang, these under qemu-user

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

campaign() {
  # shellcheck disable=SC2086  # lists of words
  ufb_require_packages $UFB_TEST_PACKAGES $UFB_PORTABILITY_PACKAGES
  on_aarch64 portable build-aarch64 "64-bit ARM, g++"
  on_aarch64 arithmetic build-aarch64-clang "64-bit ARM with half precision arithmetic, clang 14" \
    -D CMAKE_CXX_COMPILER=clang++-14 -D CMAKE_CXX_COMPILER_TARGET=aarch64-linux-gnu \
    -D CMAKE_CXX_FLAGS=-march=armv8.2-a+fp16
  # Processors that this machine is not: a program compiled without -march has to find its way on each.
  export QEMU_CPU
  for QEMU_CPU in qemu64 Haswell; do
    test_with_label arithmetic build-x86-64 "x86-64, $QEMU_CPU" -D CMAKE_SYSTEM_NAME=Linux -D CMAKE_SYSTEM_PROCESSOR=x86_64 \
      -D CMAKE_BUILD_TYPE=Release -D CMAKE_CXX_COMPILER="${CXX:-g++}" -D CMAKE_CROSSCOMPILING_EMULATOR=qemu-x86_64
  done
  unset QEMU_CPU
  test_with_label arithmetic build-clang-14 "clang 14" -D CMAKE_BUILD_TYPE=Release -D CMAKE_CXX_COMPILER=clang++-14
  test_with_label portable build-clang-16 "clang 16" -D CMAKE_BUILD_TYPE=Release -D CMAKE_CXX_COMPILER=clang++-16
  test_with_label arithmetic build-unoptimized "unoptimized" -D CMAKE_BUILD_TYPE=None -D CMAKE_CXX_COMPILER="${CXX:-g++}"
  test_with_label arithmetic build-native "for this machine" -D CMAKE_BUILD_TYPE=Release -D CMAKE_CXX_COMPILER="${CXX:-g++}" \
    -D CMAKE_CXX_FLAGS="-march=native -ffp-contract=fast"
  say "${SECONDS} s in all"
}
