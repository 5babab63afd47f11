# SPDX-License-Identifier: MIT
#
# usage: awk -v executed=LIST -v excused=FILE -f unreached.awk HEADER...
# Lists the places that throw and that no line of LIST (FILE:LINE each) executes, and fails if there is one; also where
# FILE excuses a place that is executed or does not exist. A place is a call of fail, fail_input, a member fail_..., or a
# throw, up to its semicolon. A line of FILE is "HEADER | TEXT IN THE PLACE | REASON"; others begin with #.
function finish() {
  if (!place) return
  ++places
  if (!done) {
    for (i = 1; i <= excuses; ++i) {
      if (file == header[i] && index(text, part[i])) { ++used[i]; done = 1 }
    }
    if (!done) { print file ":" place ": no test gets here: " first; bad = 1 }
  } else {
    for (i = 1; i <= excuses; ++i) {
      if (file == header[i] && index(text, part[i])) { print file ":" place ": excused, but executed: " part[i]; ++used[i]; bad = 1 }
    }
  }
  place = 0
}
BEGIN {
  while ((getline line <executed) > 0) seen[line] = 1
  while ((getline line <excused) > 0) {
    if (line ~ /^#/ || line ~ /^$/) continue
    n = split(line, fields, " [|] ")
    if (n != 3) { print excused ": not HEADER | TEXT | REASON: " line; bad = 1; continue }
    ++excuses
    header[excuses] = fields[1]
    part[excuses] = fields[2]
  }
}
FNR == 1 { finish(); file = FILENAME }
{
  line = $0
  sub(/[ \t]*\/\/.*/, "", line)
  code = line
  gsub(/"([^"\\]|\\.)*"/, "\"\"", code)
  # Not where such a function is declared: there its type stands before it, and what follows are parameters.
  if (!place && code ~ /(^|[^A-Za-z0-9_])(fail|fail_[a-z_]+)\(|(^|[^A-Za-z0-9_])throw[ ;]/ &&
      code !~ /(noreturn|^ *(inline |static |constexpr )*void fail|^ *void [a-z_:]*fail)/) {
    place = FNR
    done = 0
    text = ""
    first = line
    sub(/^[ \t]+/, "", first)
  }
  if (place) {
    text = text line
    if ((file ":" FNR) in seen) done = 1
    if (code ~ /;/) finish()
  }
}
END {
  finish()
  for (i = 1; i <= excuses; ++i) if (!used[i]) { print excused ": no such place: " header[i] " | " part[i]; bad = 1 }
  if (!places) { print "no place that throws at all"; bad = 1 }
  if (!bad) print places " places that throw, all executed or excused"
  exit bad
}
