# SPDX-License-Identifier: MIT
#
# Shares out the work of compiling every header on its own. Given all headers of a folder "include" it prints lines
#   before HUB          the header HUB is compiled beforehand
#   alone HEADER HUB    HEADER is compiled on its own, on top of HUB, or of nothing ("-")
# That proves the same as compiling each header from nothing: what is compiled beforehand is included by the header
# itself, directly or not, and above its own code (includes.sh sees to that); and where one of those headers lacks
# something, it is found when that header is compiled.
# The choice is greedy, by a rough guess at seconds. It decides how long the test takes, not what it finds.

function name_of(path) { sub(/^.*include\//, "", path); return path }

FNR == 1 {
  file = name_of(FILENAME)
  files[++count] = file
  seconds[file] = 0.03
}
{ seconds[file] += length($0) * 12e-6 }
/^[ \t]*#[ \t]*include[ \t]*[<"]/ {
  target = $0
  sub(/^[^<"]*[<"]/, "", target)
  sub(/[>"].*$/, "", target)
  includes[file] = includes[file] " " target
}

# Fills below[header, x] for everything that a header includes, itself among it.
function close_over(header,   list, n, i, x) {
  if (header in closed) return
  closed[header] = 1
  below[header, header] = 1
  all[header] = header
  n = split(includes[header], list, " ")
  for (i = 1; i <= n; ++i) {
    close_over(list[i])
    merge(header, list[i])
  }
}

function merge(header, other,   list, n, i) {
  n = split(all[other], list, " ")
  for (i = 1; i <= n; ++i) if (!((header, list[i]) in below)) {
    below[header, list[i]] = 1
    all[header] = all[header] " " list[i]
  }
}

# What a header costs when `hub` is there already; with an empty one, from nothing.
function cost(header, hub,   list, n, i, sum) {
  if ((header, hub) in known) return known[header, hub]
  n = split(all[header], list, " ")
  sum = hub == "" ? 0 : 0.12  # of reading what was compiled beforehand
  for (i = 1; i <= n; ++i) if (hub == "" || !((hub, list[i]) in below)) {
    sum += list[i] in seconds ? seconds[list[i]] : 0.02
  }
  known[header, hub] = sum
  return sum
}

END {
  # Libraries that take long.
  seconds["nlohmann/json.hpp"] = 2.5
  seconds["Eigen/Core"] = 1.6
  seconds["immintrin.h"] = 0.6
  seconds["filesystem"] = 0.4
  seconds["string"] = 0.3
  seconds["thread"] = 0.3
  seconds["functional"] = 0.15
  seconds["memory"] = 0.15
  for (i = 1; i <= count; ++i) close_over(files[i])
  for (i = 1; i <= count; ++i) best[files[i]] = cost(files[i], "")
  for (round = 0; round < hubs; ++round) {
    gain = 0
    for (i = 1; i <= count; ++i) {
      hub = files[i]
      this = -cost(hub, "")
      for (j = 1; j <= count; ++j) if (files[j] != hub && (files[j], hub) in below) {
        saved = best[files[j]] - cost(files[j], hub)
        if (saved > 0) this += saved
      }
      if (this > gain) {
        gain = this
        winner = hub
      }
    }
    if (gain == 0) break
    print "before", winner
    for (j = 1; j <= count; ++j) {
      header = files[j]
      if (header == winner || !((header, winner) in below) || cost(header, winner) >= best[header]) continue
      best[header] = cost(header, winner)
      chosen[header] = winner
    }
  }
  for (i = 1; i <= count; ++i) print "alone", files[i], files[i] in chosen ? chosen[files[i]] : "-"
}
