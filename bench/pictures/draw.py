#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""usage: draw.py DIR

Draws the pictures of what lies in DIR as JSON, and index.html around them, into DIR. What is missing is named on the
page. Exit status: 0, or 2 with a message if a file is not what it should be."""
import sys
from pathlib import Path

import layers
import models
from page import page
from rows import FILES, ReportError, Results

FIGURES = (layers.speedup, models.peers, models.encoder, layers.narrow_weights, layers.depth, layers.family,
           models.choice)


def draw(folder):
    results = Results(folder)
    figures = [make(results) for make in FIGURES]
    pictures = {}
    for figure in figures:
        if not figure.present:
            continue
        for narrow in (False, True):
            canvas = figure.draw(narrow)
            name = f"{figure.name}.narrow.svg" if narrow else f"{figure.name}.svg"
            pictures[name] = canvas.svg(figure.title, "; ".join([*figure.columns[:4], *figure.notes]))
    # Nothing is written before everything is drawn, and nothing older stays beside it.
    for figure in figures:
        for name in (f"{figure.name}.svg", f"{figure.name}.narrow.svg"):
            (folder / name).unlink(missing_ok=True)
    for name, svg in pictures.items():
        (folder / name).write_text(svg, encoding="utf-8")
    drawn = {figure.name for figure in figures if figure.present}
    (folder / "index.html").write_text(page(figures, results, FILES, drawn), encoding="utf-8")
    return results, [figure for figure in figures if not figure.present]


def main(arguments):
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print(__doc__, file=sys.stderr)
        return 2
    folder = Path(arguments[0])
    if not folder.is_dir():
        print(f"report: {folder}: expected a folder, found none", file=sys.stderr)
        return 2
    try:
        results, absent = draw(folder)
    except (ReportError, OSError) as problem:
        print(f"report: {problem}", file=sys.stderr)
        return 2
    for figure in absent:
        print(f"left out: {figure.title}: {results.reason(figure.group) or figure.absent}")
    print(folder / "index.html")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
