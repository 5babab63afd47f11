#!/bin/sh
# SPDX-License-Identifier: MIT
#
# usage: version.sh ROOT [BUILD [VERSION]]
# Fails unless the version of ROOT's header is that of the newest heading in the changelog and of the recipes in
# examples/packaging, and, with a build folder, that of the package that it would install, and VERSION.
set -eu
export LC_ALL=C
cd "$1"
status=0
version=$(awk '/^#define UFB_VERSION_(MAJOR|MINOR|PATCH) [0-9]+$/ { text = text dot $3; dot = "." } END { print text }' \
  include/ultrafastbert/core/version.hpp)
case $version in
  *.*.*) ;;
  *)
    echo "include/ultrafastbert/core/version.hpp has no three numbers but: '$version'"
    exit 1
    ;;
esac

# same WHAT FOUND
same() {
  [ "$2" = "$version" ] && return
  echo "$1 says '$2', include/ultrafastbert/core/version.hpp says '$version'; correct what is old"
  status=1
}

same ".github/CHANGELOG.md, in its newest heading," "$(sed -n 's/^## //p' .github/CHANGELOG.md | head -n 1)"
for recipe in examples/packaging/*/vcpkg.json; do
  [ ! -f "$recipe" ] || same "$recipe" "$(sed -n 's/^ *"version": "\([^"]*\)".*/\1/p' "$recipe")"
done
if [ $# -ge 2 ]; then
  same "ultrafastbert-config-version.cmake" \
    "$(sed -n 's/^set(PACKAGE_VERSION "\(.*\)")$/\1/p' "$2/ultrafastbert-config-version.cmake")"
  for file in "$2"/ultrafastbert*.pc; do
    same "${file##*/}" "$(sed -n 's/^Version: //p' "$file")"
  done
  if [ -f "$2/CPackConfig.cmake" ]; then
    same "CPackConfig.cmake" "$(sed -n 's/^set(CPACK_PACKAGE_VERSION "\(.*\)")$/\1/p' "$2/CPackConfig.cmake")"
  fi
fi
[ $# -lt 3 ] || same "CMake's project" "$3"
exit $status
