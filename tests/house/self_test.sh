#!/bin/sh
# SPDX-License-Identifier: MIT
#
# usage: self_test.sh COMPILER
# Shows that every check can fail: breaks a small good tree in one way at a time and expects the complaint.
set -eu
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree=$work/tree
a=$tree/include/ultrafastbert/core/a.hpp
failures=0

# A tree that passes every check.
fresh() {
  rm -rf "$tree"
  mkdir -p "$tree/include/ultrafastbert/core" "$tree/include/ultrafastbert/layers" "$tree/include/ultrafastbert/io" \
    "$tree/bench" "$tree/examples" "$tree/tests" "$tree/build"
  touch "$tree/CMakeLists.txt" "$tree/LICENSE" "$tree/README.md"
  header core/a.hpp core ''
  header io/c.hpp io '#include "ultrafastbert/core/a.hpp"'
  printf '%s\n' '// SPDX-License-Identifier: MIT' '//' '// Purpose.' '// Layer: layers.' '' 'int parts();' \
    >"$tree/include/ultrafastbert/layers/parts.inc"
  mkdir -p "$tree/tests/house" "$tree/tests/campaigns"
  header core/error.hpp core 'enum class error_code {' '  truncated,  ///< ends early' '  in_use,' '};'
  printf '%s\n' 'TEST_CASE("Short files are truncated") { CHECK(error_code::truncated == code()); }' \
    'TEMPLATE_TEST_CASE("Busy things, and what "' '                   "uses them, are in_use",' '                   "[tag]", int) {}' \
    >"$tree/tests/test_a.cpp"
  printf '%s\n' 'P1 Nothing is global.' '  - house: hygiene' '1 Short files.' '  - truncated: Short files are truncated' \
    '  - in_use: Busy things, and what uses them, are in_use' '  - campaign: lint' >"$tree/tests/house/promises.txt"
  echo 'house_hygiene hygiene' >"$tree/tests/house/CMakeLists.txt"
  echo >"$tree/tests/campaigns/lint.sh"
  header core/version.hpp core '#define UFB_VERSION_MAJOR 3' '#define UFB_VERSION_MINOR 4' '#define UFB_VERSION_PATCH 5'
  mkdir -p "$tree/.github" "$tree/examples/packaging/vcpkg"
  printf '%s\n' '# Changes' '## 3.4.5' '## 3.4.4' >"$tree/.github/CHANGELOG.md"
  printf '%s\n' '{' '  "version": "3.4.5",' '}' >"$tree/examples/packaging/vcpkg/vcpkg.json"
  header layers/b.hpp layers '#include "ultrafastbert/core/a.hpp"' '
namespace ultrafastbert {
namespace core {
void hidden(float* values);
}  // namespace core

/// A layer.
class layer {
 public:
  layer() = default;
  /// Takes its weights. Shapes: weights: (rows, cols). Throws: shape_mismatch.
  explicit layer(const matrix_view<const float>& weights) : rows_(weights.rows()), names_{} {
    if (rows_ == 0) fail(error_code::shape_mismatch, {.where = "weights"});
  }
  [[nodiscard]] int rows() const noexcept { return rows_; }
  [[nodiscard]] int cols() const { return 1; }  ///< columns

 private:
  void undocumented(float* values) { throw values; }
  int rows_ = 0;
};

/// Doubles. Shapes: x: (n). Units: none. Pre: n > 0. Complexity: linear.
template <class T>
  requires(sizeof(T) > 1)
void twice(std::span<T> x) noexcept;
}  // namespace ultrafastbert'
}

# header PATH LAYER LINE...: a header with a correct head
header() {
  path=$tree/include/ultrafastbert/$1
  printf '%s\n' '// SPDX-License-Identifier: MIT' '//' '// Purpose.' "// Layer: $2." '#pragma once' >"$path"
  shift 2
  printf '%s\n' "$@" >>"$path"
}

# add PATH LINE...: appends to a header
add() {
  path=$tree/include/ultrafastbert/$1
  shift
  printf '%s\n' "$@" >>"$path"
}

# include_in PATH LINE: puts an include where includes belong
include_in() {
  path=$tree/include/ultrafastbert/$1
  sed -i "/^#pragma once\$/a $2" "$path"
}

# expect CHECK TEXT: the check fails and its output contains TEXT
expect() {
  if output=$(sh "$here/$1.sh" "$tree" 2>&1); then
    echo "FAIL: $1 accepts: $2"
    failures=$((failures + 1))
  elif ! printf '%s\n' "$output" | grep -qF "$2"; then
    echo "FAIL: $1 does not say: $2"
    printf '%s\n' "$output" | sed 's/^/  /'
    failures=$((failures + 1))
  elif [ "$(printf '%s\n' "$output" | wc -l)" -gt "${3:-1}" ]; then
    echo "FAIL: $1 says more than: $2"
    printf '%s\n' "$output" | sed 's/^/  /'
    failures=$((failures + 1))
  fi
  fresh
}

fresh
for check in includes shape documentation guides spelling hygiene promises version; do
  sh "$here/$check.sh" "$tree" || { echo "FAIL: $check complains about the good tree"; failures=$((failures + 1)); }
done

include_in core/a.hpp '#include "ultrafastbert/layers/b.hpp"'
expect includes 'core/a.hpp:6: core must not include layers: ultrafastbert/layers/b.hpp; move what is needed down' 5
include_in io/c.hpp '#include "ultrafastbert/layers/b.hpp"'
expect includes 'io must not include layers'
include_in layers/b.hpp '#include "ultrafastbert/io/c.hpp"'
expect includes 'layers must not include io'
include_in layers/b.hpp '#include "ultrafastbert/core/lost.hpp"'
expect includes 'no such header: ultrafastbert/core/lost.hpp'
include_in layers/b.hpp '#include <ultrafastbert/core/a.hpp>'
expect includes 'own headers are included with quotes'
include_in layers/b.hpp '#include "b.hpp"'
expect includes 'own headers are included as'
include_in layers/b.hpp '#include <nlohmann/json.hpp>'
expect includes 'layers must not include nlohmann/json.hpp; only io tokenizer model may'
include_in layers/b.hpp '#  include <immintrin.h>'
expect includes 'layers must not include immintrin.h'
include_in io/c.hpp '#include <utf8proc.h>'
expect includes 'io must not include utf8proc.h'
include_in core/a.hpp '#include <cblas.h>'
expect includes 'core must not include cblas.h'
mkdir "$tree/include/ultrafastbert/misc" && header misc/d.hpp misc ''
expect includes 'the folder misc has no place in the layering; give it a line'
header core/d.hpp core '#include "ultrafastbert/core/a.hpp"'
include_in core/a.hpp '#include "ultrafastbert/core/d.hpp"'
expect includes 'headers include each other in a circle' 3
add layers/b.hpp '#include <vector>'
expect includes 'includes stand above the first namespace; move vector up'
add layers/parts.inc '#include <vector>'
expect includes 'layers/parts.inc:7: a file *.inc includes nothing; put vector into the header'
add layers/b.hpp '#include "ultrafastbert/core/more.inc"'
expect includes 'no such header: ultrafastbert/core/more.inc'

mkdir "$tree/tools"
expect shape 'visible top level is: CMakeLists.txt LICENSE README.md bench examples include tests tools and should be: '
rm "$tree/LICENSE"
expect shape 'visible top level is: CMakeLists.txt README.md'
awk 'BEGIN { for (i = 0; i < 400; ++i) print "//" }' >>"$a"
expect shape 'core/a.hpp:406: longer than 400 lines'
awk 'BEGIN { printf "//"; for (i = 0; i < 119; ++i) printf "x"; print "" }' >>"$a"
expect shape 'core/a.hpp:7: longer than 120 columns'
printf '%s\n' '// SPDX-License-Identifier: MIT' '//' '// Purpose.' '// More.' '#pragma once' >"$a"
expect shape 'no line "Layer: <folder>."'
printf '%s\n' '// Purpose.' '// More.' '// Layer: core.' '#pragma once' >"$a"
expect shape 'the first line is no SPDX license line'
printf '%s\n' '// SPDX-License-Identifier: MIT' '//' '// Purpose.' '// Layer: core.' >"$a"
expect shape 'no #pragma once'
printf '%s\n' '// SPDX-License-Identifier: MIT' '// Layer: core.' '#pragma once' >"$a"
expect shape 'has not 3 to 9 lines'
add core/a.hpp "// TO""DO: later"
expect shape 'a mark of unfinished work'
add layers/parts.inc '#pragma once'
expect shape 'layers/parts.inc:7: a file *.inc is included several times; leave #pragma once out'
printf '%s\n' '// SPDX-License-Identifier: MIT' '//' '// Purpose.' '' 'int parts();' >"$tree/include/ultrafastbert/layers/parts.inc"
expect shape 'layers/parts.inc:4: the opening comment has no line "Layer: <folder>."' 2
awk 'BEGIN { for (i = 0; i < 400; ++i) print "//" }' >>"$tree/include/ultrafastbert/layers/parts.inc"
expect shape 'layers/parts.inc:406: longer than 400 lines; split it by theme'

add core/a.hpp 'namespace ultrafastbert {' 'void f(float* values) noexcept;' '}'
expect documentation 'f: no /// comment, though it takes arrays'
add core/a.hpp 'namespace ultrafastbert {' 'inline int f(int a = 3) { return a; }' '}'
expect documentation 'f: no /// comment, though it may throw'
add core/a.hpp 'namespace ultrafastbert {' '/// Separated.' '' 'inline int f() { return 1; }' '}'
expect documentation 'f: no /// comment, though it may throw'
add core/a.hpp 'struct s {' '  explicit s(std::span<const int> ids) : ids_(ids), x_{} {}' '};'
expect documentation 's: no /// comment, though it takes arrays'
add core/a.hpp 'class s {' ' public:' '  /// Adds.' '  void f(const matrix_view<float>& x) const noexcept;' '};'
expect documentation 'f: takes matrices or arrays of numbers, but its comment has no Shapes'
add core/a.hpp 'class s {' ' public:' "  char c = '{'; const char* t = \"}{\";" \
  '  bool operator()(int a) { return a; }' '};'
expect documentation 'operator(): no /// comment, though it may throw'
add core/a.hpp '/// Checks.' 'template <class T>' 'void f(int size) {' '  if (size < 0) {' \
  '    fail_input("size", "more", "less");' '  }' '}'
expect documentation 'f: throws, but its comment does not say so'
add core/a.hpp '/// Copies.' '/// Throws: overflow.' '/// Shapes: x: (n).' 'void f(float* x);'
expect documentation 'f: Throws stands too late'

mkdir "$tree/examples/guide"
printf '%s\n' 'Read [on](second.md) about `truncated` and `error_code::in_use`.' >"$tree/examples/guide/README.md"
cp "$tree/examples/guide/README.md" "$tree/examples/guide/second.md"
sh "$here/guides.sh" "$tree" || { echo "FAIL: guides complains about a good guide"; failures=$((failures + 1)); }
echo 'Also [this](third.md).' >>"$tree/examples/guide/second.md"
expect guides 'examples/guide/second.md links third.md, which is not there'
mkdir "$tree/examples/guide"
echo 'Nothing.' >"$tree/examples/guide/second.md"
expect guides 'examples/guide/README.md has no line for second.md'
mkdir "$tree/examples/guide"
echo 'The name `in_usage` and the option `--quikc`.' >"$tree/examples/guide/README.md"
expect guides "names 'in_usage', which is nowhere in the sources" 2
mkdir "$tree/examples/guide"
awk 'BEGIN { for (i = 0; i < 141; ++i) print "" }' >"$tree/examples/guide/README.md"
expect guides 'examples/guide/README.md is longer than 140 lines'

add core/a.hpp '// How a tokeniser behaves.'
expect spelling 'core/a.hpp:7: write "tokeniz", not "tokenis"'
add layers/parts.inc '// Its behaviour.'
expect spelling 'layers/parts.inc:7: write "behavior"'
echo 'Optimisation' >>"$tree/README.md"
expect spelling 'README.md:1: write "optimiz"'
echo '{"optimisation": 2}, which specialists read' >>"$tree/README.md"
sh "$here/spelling.sh" "$tree" || { echo "FAIL: spelling complains about the key of the benchmarks"; failures=$((failures + 1)); }
fresh

add core/a.hpp 'inline void f() { std::abort(); }'
expect hygiene 'core/a.hpp:7: ends the host'
add core/a.hpp '#include <iostream>'
expect hygiene 'core/a.hpp:7: prints'
add layers/parts.inc 'const char* home = std::getenv("HOME");'
expect hygiene 'layers/parts.inc:7: the environment is the host'
add core/a.hpp 'assert(size > 0);'
expect hygiene 'core/a.hpp:7: a check that builds leave out'
add core/a.hpp '// abort(), or std::cout' 'const char* text = "exit(1)"; void aborted(); void my_exit();'
sh "$here/hygiene.sh" "$tree" || { echo "FAIL: hygiene complains about words"; failures=$((failures + 1)); }
fresh

promises=$tree/tests/house/promises.txt
echo '2 Long files.' >>"$promises"
expect promises 'no test shows promise 2'
echo '  - truncated: No such test' >>"$promises"
expect promises 'no test is called "No such test"'
sed -i '/in_use/d' "$promises"
expect promises 'no test is listed for the error code in_use'
echo '  - vanished: Short files are truncated' >>"$promises"
expect promises 'there is no error code vanished'
echo '  - house: symbols' >>"$promises"
expect promises 'tests/house has no check symbols'
echo '  - campaign: fuzzy' >>"$promises"
expect promises 'there is no campaign fuzzy'
sed -i 's/error_code::truncated/other/; s/are truncated/are cut/' "$tree/tests/test_a.cpp"
sed -i 's/are truncated/are cut/' "$promises"
expect promises 'the file of "Short files are cut" does not name the code truncated'

sed -i 's/^## 3.4.5/## 3.4.6/' "$tree/.github/CHANGELOG.md"
expect version ".github/CHANGELOG.md, in its newest heading, says '3.4.6'"
sed -i 's/MINOR 4/MINOR 5/; s/3.4.5/3.5.5/' "$tree/include/ultrafastbert/core/version.hpp" "$tree/.github/CHANGELOG.md"
expect version "vcpkg/vcpkg.json says '3.4.5'"
sed -i '/PATCH/d' "$tree/include/ultrafastbert/core/version.hpp"
expect version "has no three numbers but: '3.4'"
printf 'set(PACKAGE_VERSION "3.4.5")\n' >"$work/ultrafastbert-config-version.cmake"
printf 'Version: 3.4.0\n' >"$work/ultrafastbert.pc"
if sh "$here/version.sh" "$tree" "$work" 3.4.5 >"$work/out"; then
  echo "FAIL: version accepts a package of another version"
  failures=$((failures + 1))
fi
[ "$(cat "$work/out")" = "ultrafastbert.pc says '3.4.0', include/ultrafastbert/core/version.hpp says '3.4.5'; correct what is old" ] ||
  { echo "FAIL: version says: $(cat "$work/out")"; failures=$((failures + 1)); }

# A variable that can be written, and its guard, among constants.
compiler=$1
objdump=$(command -v objdump || true)
symbols() {
  printf '%s\n' "$@" >"$work/unit.cpp"
  "$compiler" -std=c++20 -O1 -fPIC -c "$work/unit.cpp" -o "$work/unit.o"
  sh "$here/symbols.sh" "$objdump" "$work/unit.o" >"$work/out"
}
if [ -n "$objdump" ]; then
  symbols 'namespace ultrafastbert { extern const char* const names[2]; const char* const names[2] = {"a", "b"}; int f() { return 1; } }' ||
    { echo "FAIL: symbols complains about constants: $(cat "$work/out")"; failures=$((failures + 1)); }
  if symbols 'namespace ultrafastbert { int counter = 0; int f() { return ++counter; } }' ||
    ! grep -q 'ultrafastbert::counter lies in .bss' "$work/out"; then
    echo "FAIL: symbols accepts a counter: $(cat "$work/out")"
    failures=$((failures + 1))
  fi
  if symbols 'int g(); namespace ultrafastbert { int f() { static const int first = g(); return first; } }' ||
    ! grep -q 'guard variable for ultrafastbert::f' "$work/out"; then
    echo "FAIL: symbols accepts a guard: $(cat "$work/out")"
    failures=$((failures + 1))
  fi
fi

# Headers on their own: m.hpp needs more than it includes, which nobody notices who includes n.hpp or l.hpp.
mkdir -p "$work/alone/include/ultrafastbert"
alone() { sh "$here/alone.sh" "$work/alone" "$work/build" "$compiler" -std=c++20 >"$work/out" 2>"$work/err"; }
part() {
  part=$work/alone/include/ultrafastbert/$1.hpp
  shift
  printf '%s\n' '#pragma once' "$@" >"$part"
}
part l '#include <string>' 'struct l { std::string text; };'
part m '#include "ultrafastbert/l.hpp"' 'struct m : l { std::string more; };'
part n '#include <vector>' '#include "ultrafastbert/m.hpp"' 'struct n : m { std::vector<l> parts; };'
alone || { echo "FAIL: alone complains about good headers: $(cat "$work/err")"; failures=$((failures + 1)); }
part m 'struct m : l { std::string more; };'
part n '#include <vector>' '#include "ultrafastbert/l.hpp"' '#include "ultrafastbert/m.hpp"' 'struct n : m {};'
if alone || ! grep -q '^include/ultrafastbert/m.hpp does not compile on its own' "$work/out" ||
  [ "$(wc -l <"$work/out")" -ne 1 ]; then
  echo "FAIL: alone does not find the one header that lacks an include: $(cat "$work/out")"
  failures=$((failures + 1))
fi

[ "$failures" -eq 0 ] && echo "every check fails where it should"
