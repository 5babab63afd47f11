#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes one of the library's headers, and every header of the library that it includes, as a single file:

  python3 .cmake/amalgamate.py layers.hpp --out single/ultrafastbert/layers.hpp

Headers stand in the order in which the compiler reads them, each in a guard of its own, so that several such files may meet
in one program; one that nothing but conditionals includes may stand in several of them, and is read once. Files *.inc, which a header includes once for each instruction set, are copied to each of those places. The
headers of the standard library, of Eigen and of a BLAS stay includes.
"""
import argparse
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
INCLUDE = ROOT / "include"
DIRECTIVE = re.compile(r"\s*#\s*(if|ifdef|ifndef|elif|else|endif|include|pragma)\b\s*(.*)")
OWN = re.compile(r'"(ultrafastbert/[^"]+)"')
FOREIGN = re.compile(r"<([^>]+)>")


def version():
    text = (INCLUDE / "ultrafastbert/core/version.hpp").read_text()
    return ".".join(re.findall(r"^#define UFB_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)$", text, re.MULTILINE))


def includes_of(name):
    """The library's headers that a header includes, each with whether it does so in a conditional."""
    found = []
    depth = 0
    for line in (INCLUDE / name).read_text().splitlines():
        directive = DIRECTIVE.match(line)
        if not directive:
            continue
        depth += {"if": 1, "ifdef": 1, "ifndef": 1, "endif": -1}.get(directive[1], 0)
        own = OWN.match(directive[2]) if directive[1] == "include" else None
        if own and own[1].endswith(".hpp"):
            found.append((own[1], depth > 0))
    return found


def reached(start, follow):
    """Headers that are reached from `start` by the includes that `follow` takes."""
    found = []
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.append(name)
            waiting += [target for target, conditional in includes_of(name) if follow(conditional)]
    return found


class Amalgamation:
    """Lines of the file so far, and what they have included."""

    def __init__(self, header):
        self.lines = []
        # Headers that are read whatever the conditionals say. They have to stand outside of them, once.
        self.always = set(reached(header, lambda conditional: not conditional))
        self.own = []
        self.foreign = set()
        # What was included on the way to the present line: a set for the file and one for each conditional that is open.
        # Behind its end what only a branch included counts as new.
        self.seen = [set()]
        self.add_header(header)

    def first_time(self, name):
        if any(name in names for names in self.seen):
            return False
        self.seen[-1].add(name)
        return True

    def add_header(self, name):
        if not self.first_time(name):
            return
        for target, conditional in includes_of(name):
            if conditional:
                for each in reversed(reached(target, lambda conditional: True)):
                    if each in self.always:
                        self.add_header(each)
        self.own.append(name)
        guard = "UFB_SINGLE_FILE_" + re.sub(r"[^A-Z0-9]", "_", name.upper())
        self.lines += ["", f"#ifndef {guard}", f"#define {guard}"]
        self.add_text(name)
        self.lines.append(f"#endif  // {guard}")

    def add_text(self, name):
        self.lines.append(f"// ==== {name}")
        depth = len(self.seen)
        for number, line in enumerate((INCLUDE / name).read_text().splitlines(), 1):
            if line == "// SPDX-License-Identifier: MIT":
                continue
            directive = DIRECTIVE.match(line)
            if directive and not self.keep_directive(f"{name}:{number}", directive[1], directive[2]):
                continue
            if line or self.lines[-1]:
                self.lines.append(line)
        if len(self.seen) != depth:
            sys.exit(f"amalgamate.py: {name}: a conditional is open at the end")

    def keep_directive(self, place, word, rest):
        """Follows a directive; returns whether its line stays."""
        if word in ("if", "ifdef", "ifndef"):
            self.seen.append(set())
        elif word in ("elif", "else"):
            self.seen[-1] = set()
        elif word == "endif":
            self.seen.pop()
        elif word == "pragma":
            return rest != "once"
        elif own := OWN.match(rest):
            if own[1].endswith(".inc"):
                self.add_text(own[1])
            else:
                self.add_header(own[1])
            return False
        elif foreign := FOREIGN.match(rest):
            self.foreign.add(foreign[1])
            return self.first_time(foreign[1])
        else:
            sys.exit(f"amalgamate.py: {place}: an include that is neither the library's nor in angle brackets: {rest}")
        return True


def opening(name, result):
    # Headers of the standard library have no dot and no slash in their names.
    others = sorted(each for each in result.foreign if re.search(r"[./]", each))
    license_text = (ROOT / "LICENSE").read_text().splitlines()
    note = [
        f"ultrafastbert {version()}: {name} and the {len(result.own) - 1} headers of the library that it includes, in one file.",
        "Written by .cmake/amalgamate.py from these headers, which are what to change. It is included in place of",
        f"<ultrafastbert/{name}>; a file of one's program includes either this or the library's own headers.",
        "Includes besides the standard library, some on some systems only:",
        *(f"  {each}" for each in others),
        "",
        *license_text,
    ]
    return ["// SPDX-License-Identifier: MIT", "//"] + [f"// {line}".rstrip() for line in note] + ["#pragma once"]


def main():
    parser = argparse.ArgumentParser(description="Writes a header of the library and all that it includes as a single file.")
    parser.add_argument("header", help="layers.hpp, tokenizer.hpp or ultrafastbert.hpp, or a path below include/ultrafastbert")
    parser.add_argument("--out", required=True, help="file to write; folders on the way to it are made")
    wanted = parser.parse_args()
    if not (INCLUDE / "ultrafastbert" / wanted.header).is_file():
        parser.error(f"there is no header include/ultrafastbert/{wanted.header}")
    result = Amalgamation(f"ultrafastbert/{wanted.header}")
    out = pathlib.Path(wanted.out)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text("\n".join(opening(wanted.header, result) + result.lines) + "\n")


if __name__ == "__main__":
    main()
