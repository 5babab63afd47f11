# SPDX-License-Identifier: MIT
#
# To be sourced by bash or sh: what the scripts of this project need, and a way to get it on Debian and Ubuntu.

UFB_BUILD_PACKAGES="g++ cmake ninja-build pkg-config libopenblas-dev libeigen3-dev nlohmann-json3-dev libutf8proc-dev"
UFB_EXAMPLE_PACKAGES="$UFB_BUILD_PACKAGES libcli11-dev"
UFB_BENCH_PACKAGES="$UFB_EXAMPLE_PACKAGES libdnnl-dev"
UFB_TORCH_PACKAGES="python3-torch"
UFB_NODE_PACKAGES="nodejs npm"
UFB_MICRO_BENCH_PACKAGES="$UFB_BUILD_PACKAGES libbenchmark-dev"
UFB_REPORT_PACKAGES="python3 gnuplot-nox"
UFB_COMPILE_BENCH_PACKAGES="$UFB_BUILD_PACKAGES time"
UFB_TEST_PACKAGES="$UFB_EXAMPLE_PACKAGES libcpp-httplib-dev libopenmpi-dev openmpi-bin catch2 curl python3"
UFB_SANITIZER_PACKAGES="clang-14 libclang-rt-14-dev"
UFB_LINT_PACKAGES="clang-14 clang-tidy-14 cppcheck"
UFB_WINDOWS_PACKAGES="g++-mingw-w64-x86-64-posix wine64"
UFB_COVERAGE_PACKAGES="clang-format-14 gcovr"
UFB_PORTABILITY_PACKAGES="clang-14 clang-16 g++-aarch64-linux-gnu qemu-user"
UFB_CONSUMER_PACKAGES="$UFB_BUILD_PACKAGES python3"
UFB_CONSUMER_MATRIX_PACKAGES="g++-12 clang-14 clang-16"
UFB_DOCUMENTATION_PACKAGES="doxygen parallel haproxy"
UFB_BARE_PACKAGES="debootstrap git ca-certificates"

# ufb_require_packages NAME...: installs the packages that are missing, as root or through sudo; says so on stderr.
# Where everything is there it needs neither root nor a network. Where there is no dpkg the user has to see to it: CMake
# then names what it misses.
ufb_require_packages() {
  command -v dpkg-query >/dev/null 2>&1 || return 0
  ufb_missing=
  for ufb_package; do
    dpkg-query -W -f '${db:Status-Status}\n' "$ufb_package" 2>/dev/null | grep -qx installed ||
      ufb_missing="$ufb_missing $ufb_package"
  done
  [ -n "$ufb_missing" ] || return 0

  ufb_as_root=
  if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null 2>&1; then
      echo "These packages are missing, and installing them needs root or sudo:$ufb_missing" >&2
      return 1
    fi
    ufb_as_root=sudo
  fi
  echo "Installing:$ufb_missing" >&2
  ufb_log=$(mktemp)
  # The package lists may be absent (fresh containers) or stale: fetched only if the first attempt fails.
  # shellcheck disable=SC2086  # lists of words
  if ufb_apt_get install -y --no-install-recommends $ufb_missing >"$ufb_log" 2>&1 ||
    { ufb_apt_get update >>"$ufb_log" 2>&1 &&
      ufb_apt_get install -y --no-install-recommends $ufb_missing >>"$ufb_log" 2>&1; }; then
    rm -f "$ufb_log"
  else
    cat "$ufb_log" >&2
    rm -f "$ufb_log"
    return 1
  fi
}

ufb_apt_get() {
  $ufb_as_root env DEBIAN_FRONTEND=noninteractive apt-get -q "$@" </dev/null
}

# ufb_unpack_foreign ARCHITECTURE FOLDER NAME...: unpacks packages of another architecture below FOLDER. Nothing is
# installed: package lists and downloads of its own leave the system's settings alone, and root is not needed.
ufb_unpack_foreign() {
  ufb_architecture=$1
  ufb_folder=$2
  shift 2
  [ ! -f "$ufb_folder/complete" ] || return 0
  rm -rf "$ufb_folder"
  mkdir -p "$ufb_folder/lists/partial" "$ufb_folder/cache/archives/partial" || return 1
  (
    cd "$ufb_folder" || exit 1
    ufb_apt_here() {
      apt-get -q -o APT::Architectures::="$ufb_architecture" -o APT::Sandbox::User=root \
        -o Dir::State::lists="$PWD/lists" -o Dir::Cache="$PWD/cache" "$@"
    }
    # shellcheck disable=SC2046  # a list of words
    ufb_apt_here update && ufb_apt_here download $(printf "%s:$ufb_architecture " "$@")
  ) >"$ufb_folder/log" 2>&1 || { cat "$ufb_folder/log" >&2; return 1; }
  for ufb_package in "$ufb_folder"/*.deb; do
    dpkg -x "$ufb_package" "$ufb_folder" || return 1
  done
  rm -rf "$ufb_folder/lists" "$ufb_folder/cache"
  touch "$ufb_folder/complete"
}

# ufb_configure SOURCE BUILD ARGUMENT...: configures BUILD, from scratch if it belongs to another source folder.
ufb_configure() {
  ufb_source=$1
  ufb_build=$2
  shift 2
  if [ -f "$ufb_build/CMakeCache.txt" ]; then
    grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$ufb_source" "$ufb_build/CMakeCache.txt" || rm -rf "$ufb_build"
  fi
  if [ ! -f "$ufb_build/CMakeCache.txt" ] && command -v ninja >/dev/null 2>&1; then
    set -- -G Ninja "$@"
  fi
  cmake -S "$ufb_source" -B "$ufb_build" "$@"
}

# ufb_jobs: processors, but no more than memory allows at 1.5 GB a compiler.
ufb_jobs() {
  awk -v processors="$(nproc)" '
    $1 == "MemAvailable:" { room = int($2 / 1500000) }
    END { n = room > 0 && room < processors ? room : processors; print n }' /proc/meminfo
}
