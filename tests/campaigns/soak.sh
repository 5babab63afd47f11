# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154  # called by tests/run.sh, whose variables these are
#
# [MINUTES]: random calls in one process for so long (30, at least 3): resident memory has to stay what it is after the
# first minute, within 5 %, and a fixed call has to take in the last minute what it takes in the second, within 10 %

campaign() {
  if [[ ! ${1:-30} =~ ^[0-9]+$ ]] || [ "${1:-30}" -lt 3 ]; then
    echo "tests/run.sh --long soak takes a number of minutes from 3 on, not '$1'" >&2
    exit 2
  fi
  # shellcheck disable=SC2086  # lists of words
  ufb_require_packages $UFB_TEST_PACKAGES
  build build ufb_soak -D CMAKE_BUILD_TYPE=Release -D CMAKE_CXX_COMPILER="${CXX:-g++}" -D UFB_BUILD_TESTS=ON
  # One arena: pools come and go, and glibc gives their new threads arenas of their own, which it keeps and fills by chance.
  MALLOC_ARENA_MAX=1 OPENBLAS_NUM_THREADS=1 "$root/build/tests/ufb_soak" --minutes "${1:-30}" | tee "$log"
  awk '/^resident memory:/ {
         memory = $9 / $3; time = $22 / $16; found = 1
         printf "memory at the end: %.3f of that after the first minute; time in the last minute: %.3f of the second\n",
                memory, time
         exit !(memory <= 1.05 && time <= 1.1)
       }
       END { if (!found) exit 1 }' "$log"
}
