# SPDX-License-Identifier: MIT
#
# Reads C++ headers in this project's layout (clang-format) and reports functions that break the documentation contract;
# documentation.sh says what that is. Scopes are a stack: "open" (namespace ultrafastbert or public part of a class), "hidden"
# (other namespaces, private part) and "body" (function bodies, initializers, enumerations).

function complain(text) { print file ":" start ": " text; bad = 1 }

function reset() { statement = ""; start = 0; doc = ""; remark = 0 }

function push(kind, class) { kinds[++depth] = kind; classes[depth] = class }

function visible(   i) {
  for (i = 1; i <= depth; ++i) if (kinds[i] != "open") return 0
  return 1
}

# The text without template headers and attributes, which hold parentheses and angle brackets of their own.
function bare(text,   i, c, angle, out) {
  gsub(/\[\[[^]]*\]\]/, "", text)
  sub(/^[ \t]+/, "", text)
  while (text ~ /^template[ \t]*</) {
    angle = 0
    for (i = index(text, "<"); i <= length(text); ++i) {
      c = substr(text, i, 1)
      if (c == "<") ++angle
      if (c == ">" && --angle == 0) break
    }
    text = substr(text, i + 1)
    sub(/^[ \t]+/, "", text)
  }
  # A requires clause in parentheses.
  while (text ~ /^requires[ \t]*\(/) {
    angle = 0
    for (i = index(text, "("); i <= length(text); ++i) {
      c = substr(text, i, 1)
      if (c == "(") ++angle
      if (c == ")" && --angle == 0) break
    }
    text = substr(text, i + 1)
    sub(/^[ \t]+/, "", text)
  }
  # One that names a concept.
  sub(/^requires [A-Za-z_:]+<[^()]*>[ \t]+/, "", text)
  return text
}

# The text with what stands in parentheses left out.
function outer(text,   i, c, paren, out) {
  for (i = 1; i <= length(text); ++i) {
    c = substr(text, i, 1)
    if (c == ")") --paren
    if (paren == 0) out = out c
    if (c == "(") ++paren
  }
  return out
}

# Splits a declaration into name, parameters and what follows them; returns 0 if it is no function.
function split_function(text,   i, c, paren, first) {
  if (text ~ /^(using|typedef|static_assert|friend|extern|concept|enum|namespace|class|struct|union)([^A-Za-z0-9_]|$)/)
    return 0
  first = index(text, "(")
  if (first == 0) return 0
  name = substr(text, 1, first - 1)
  if (name ~ /operator[ \t]*$/) {  # operator()
    text = substr(text, first)
    sub(/^\([ \t]*\)/, "", text)
    name = "operator()"
    first = index(text, "(")
    if (first == 0) return 0
  } else if (name ~ /operator/) {
    sub(/^.*operator/, "operator", name)
  } else {
    if (name ~ /=/) return 0  # a variable with an initializer
    sub(/[ \t]+$/, "", name)
    sub(/^.*[^A-Za-z0-9_:~]/, "", name)
    if (name ~ /^[A-Z][A-Z0-9_]+$/) return 0  # a macro
    if (name == "" || name ~ /::/ || name ~ /^(decltype|alignas|noexcept|requires)$/) return 0
  }
  paren = 0
  for (i = first; i <= length(text); ++i) {
    c = substr(text, i, 1)
    if (c == "(") ++paren
    if (c == ")" && --paren == 0) break
  }
  parameters = substr(text, first + 1, i - first - 1)
  rest = substr(text, i + 1)
  return 1
}

function check_order(   tags, count, i, at, last, n, lines) {
  count = split("Shapes Units Pre Throws Complexity Source", tags, " ")
  last = 0
  for (i = 1; i <= count; ++i) {
    at = match(" " doc, "[^A-Za-z`]" tags[i] ":")
    if (at == 0) continue
    if (at < last)
      complain(name ": " tags[i] " stands too late; the order is Shapes, Units, Pre, Throws, Complexity, Source")
    last = at
  }
}

# A line without string and character literals, comments and outer blanks. Sets `trailing` for a ///< remark.
function strip(line,   i, c, next_two, quote, out) {
  out = ""
  trailing = 0
  for (i = 1; i <= length(line); ++i) {
    c = substr(line, i, 1)
    next_two = substr(line, i, 2)
    if (next_two == "//") {
      trailing = substr(line, i, 4) == "///<"
      break
    }
    if (next_two == "/*") {
      quote = index(substr(line, i + 2), "*/")
      if (quote == 0) { comment = 1; break }
      i += quote + 2
    } else if (c == "\047" && out ~ /[0-9]$/ && substr(line, i + 1, 1) ~ /[0-9a-fA-F]/) {
      continue  # a digit separator
    } else if (c == "\"" || c == "\047") {
      for (++i; i <= length(line) && substr(line, i, 1) != c; ++i) if (substr(line, i, 1) == "\\") ++i
      out = out "0"
    } else {
      out = out c
    }
  }
  sub(/^[ \t]+/, "", out)
  sub(/[ \t]+$/, "", out)
  return out
}

# A function whose body, if it has one, is checked for throwing when the body ends.
function check_function(   text, bare_name, arrays, numbers, documented, conversion) {
  pending = ""
  if (!visible()) return
  text = bare(statement)
  if (!split_function(text)) return
  if (rest ~ /=[ \t]*(default|delete)/ || name ~ /^~/) return
  bare_name = text ~ /^((constexpr|explicit|inline)(\([^()]*\))?[ \t]+)*[A-Za-z0-9_]+\(/  # no return type
  if (bare_name && rest ~ /^[ \t]*->/) return  # a deduction guide
  gsub(/const char\*/, "text", parameters)
  arrays = parameters ~ /\*|span<|matrix_view|\[\]|vector<|array</
  numbers = parameters ~ /matrix_view|(span<(const )?|^|[ (,])(Scalar|float|double|T)( const)?(>|\*)/
  documented = doc != "" || remark
  if (!documented && (arrays || rest !~ /noexcept/)) {
    complain(name ": no /// comment, though it " (arrays ? "takes arrays" : "may throw") \
             "; say above it what it does, or make it noexcept or private")
    return
  }
  conversion = bare_name && rest ~ /noexcept/ && parameters !~ /,/
  if (numbers && !conversion && doc !~ /Shapes/)
    complain(name ": takes matrices or arrays of numbers, but its comment has no Shapes; add \"Shapes: x: (rows, cols).\"")
  if (doc !~ /[Tt]hrows/) pending = name
  check_order()
}

# An opening brace outside parentheses, at declaration level.
function open_brace(   text, previous) {
  previous = substr(statement, length(statement), 1)
  text = bare(statement)
  if (text ~ /^(inline )?namespace([^A-Za-z0-9_]|$)/) {
    push(text ~ /namespace ultrafastbert[ \t]*$/ ? "open" : "hidden", "")
    reset()
  } else if (text ~ /^(class|struct|union)([^A-Za-z0-9_]|$)/ && text !~ /=/) {
    push(text ~ /^class/ ? "hidden" : "open", "class")
    reset()
  } else if (text ~ /^enum([^A-Za-z0-9_]|$)/ || outer(text) ~ /[^=]=([^=]|$)/ && text !~ /operator/ ||
             text ~ /^concept / || text ~ /requires[ \t]*(\([^()]*\))?[ \t]*$/ || previous ~ /[A-Za-z0-9_>]/ ||
             text ~ /->[ \t]*[A-Za-z_:<>]*$/ || text !~ /\(/) {
    push("body", "initializer")  # the statement goes on behind it
  } else {
    check_function()
    push("body", "function")
    body = ""
  }
}

function close_brace() {
  if (depth == 0) return
  if (classes[depth] == "function") {
    if (pending != "" && body ~ /(^|[^A-Za-z0-9_.])(fail|fail_input)\(|(^|[^A-Za-z0-9_])throw([^A-Za-z0-9_]|$)/)
      complain(pending ": throws, but its comment does not say so; add \"Throws: <code> if ...\"")
    pending = ""
    --depth
    reset()
  } else if (classes[depth] == "initializer") {
    --depth
  } else {
    --depth
    statement = ""
  }
}

FNR == 1 { depth = paren = inner = 0; file = FILENAME; comment = 0; pending = ""; reset() }

{
  line = $0
  if (comment) {
    if (line !~ /\*\//) next
    sub(/^.*\*\//, "", line)
    comment = 0
  }
  in_code = depth > 0 && kinds[depth] == "body"
  if (!in_code && statement == "" && line ~ /^[ \t]*\/\/\/([^<]|$)/) {
    if (doc == "" || documented_line == FNR - 1) doc = doc " " line
    else doc = line
    documented_line = FNR
    next
  }
  if (line ~ /^[ \t]*#/ || preprocessor) {
    preprocessor = line ~ /\\$/
    next
  }
  if (!in_code && statement == "" && line ~ /^[ \t]*$/) { doc = ""; next }

  line = strip(line)
  remark = trailing

  for (i = 1; i <= length(line); ++i) {
    c = substr(line, i, 1)
    if (depth > 0 && kinds[depth] == "body") {
      if (c == "{") ++inner
      else if (c == "}") {
        if (inner > 0) --inner
        else { close_brace(); continue }
      }
      body = body c
      continue
    }
    if (c == "(" || c == "[") ++paren
    if (c == ")" || c == "]") --paren
    if (paren == 0) {
      if (c == "{") { open_brace(); continue }
      if (c == "}") { close_brace(); continue }
      if (c == ";") { check_function(); pending = ""; reset(); remark = trailing; continue }
      if (c == ":" && statement ~ /^(public|private|protected)$/) {
        kinds[depth] = statement == "public" ? "open" : "hidden"
        reset()
        continue
      }
    }
    if (statement == "") { if (c == " ") continue; start = FNR }
    statement = statement c
  }
  if (statement != "" && !(depth > 0 && kinds[depth] == "body")) statement = statement " "
  body = body "\n"
}

END { exit bad }
