# SPDX-License-Identifier: MIT
"""Reads what the benchmark's groups wrote: rows of JSON, and how each run went."""
import json
import math
from pathlib import Path


class ReportError(Exception):
    """A file is not what it should be; the text names file, place, what was expected and what was found."""


# What a picture needs of a row: keys and kinds. "?" behind a kind: null may stand there; "??": nor need the key be
# there, because older programs do not write it.
LAYER = {"case": "text", "batch": "size", "storage": "text", "engine": "text", "us_per_token": "amount",
         "dense_us_per_token": "amount?", "dense_backend": "text?", "ratio": "amount?", "limit_us": "amount?",
         "verified": "flag", "tokens": "size??", "other_paths": "count??", "error": "amount or 0??"}
SCHEMAS = {
    "machine": {"processor": "text", "cores": "size", "level": "text", "caches": "list", "memory": "text",
                "load": "text", "compiler": "text", "version": "text", "date": "text", "flops": "amount",
                "layer_bytes_per_s": "amount", "memory_bytes_per_s": "amount", "memory_latency_s": "amount"},
    "cmm": LAYER,
    "depth": LAYER,
    "family": LAYER,
    "encoder": {"case": "text", "shape": "text", "projection": "text", "ffn": "text", "backend": "text",
                "tokens_per_s": "amount", "ratio_to_dense": "amount", "verified": "flag??"},
    "peers": {"peer": "text", "title": "text??", "shape": "text", "tokens_per_s": "amount", "ratio": "amount",
              "verified": "flag"},
    "choice": {"width": "size", "depth": "size", "batch": "size", "storage": "text", "auto_us": "amount",
               "auto_engine": "text", "best_us": "amount", "best_engine": "text", "verified": "flag"},
}
# Files that are read by the same rules: the encoder runs once for each storage of its projections.
FILES = {"machine": ("machine",), "cmm": ("cmm",), "depth": ("depth",), "family": ("family",),
         "encoder": ("encoder", "encoder-bf16", "encoder-int8"), "peers": ("peers",), "choice": ("choice",)}
# Kinds of values: in words, and the check. True and false are numbers to Python, but not here.
KINDS = {"text": ("a string", lambda v: isinstance(v, str)),
         "flag": ("true or false", lambda v: isinstance(v, bool)),
         "list": ("a list", lambda v: isinstance(v, list)),
         "size": ("a whole number from 1 on", lambda v: type(v) is int and v > 0),
         "count": ("a whole number from 0 on", lambda v: type(v) is int and v >= 0),
         "amount": ("a number above 0", lambda v: type(v) in (int, float) and math.isfinite(v) and v > 0),
         "amount or 0": ("a number from 0 on", lambda v: type(v) in (int, float) and math.isfinite(v) and v >= 0)}


def read_rows(path, group):
    """The rows of a file, each checked against the group's keys. Raises ReportError, also if there is no row."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, RecursionError) as problem:
        raise ReportError(f"{path}: cannot be read: {problem}") from problem
    except json.JSONDecodeError as problem:
        raise ReportError(f"{path}: line {problem.lineno}, column {problem.colno}: expected JSON, found an error: "
                          f"{problem.msg}") from problem
    if not isinstance(rows, list) or not rows:
        raise ReportError(f"{path}: expected a list of at least one row, found "
                          f"{'an empty list' if rows == [] else type(rows).__name__}")
    for number, row in enumerate(rows, start=1):
        place = f"{path}: row {number}"
        if not isinstance(row, dict):
            raise ReportError(f"{place}: expected an object, found {type(row).__name__}")
        if row.get("group") != group:
            raise ReportError(f"{place}: key 'group': expected '{group}', found {json.dumps(row.get('group'))}")
        for key, kind in SCHEMAS[group].items():
            if key not in row and not kind.endswith("??"):
                raise ReportError(f"{place}: expected a key '{key}', found none")
            if row.get(key) is None and kind.endswith("?"):
                continue
            words, fits = KINDS[kind.rstrip("?")]
            if not fits(row[key]):
                raise ReportError(f"{place}: key '{key}': expected {words}, found {json.dumps(row[key])}")
    return rows


def read_run(path):
    """Lines "key: value" about a run, written beside its JSON; empty if there are none."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return {}
    return dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)


def left_out(path):
    """What a group says it left out, as lines "- Left out: WHAT (REASON)" above its table."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return []
    mark = "- Left out: "
    return [line[len(mark):] for line in text.splitlines() if line.startswith(mark)]


class Results:
    """All rows of a folder by group, the runs that made them, and why a group is missing."""

    def __init__(self, folder):
        self.rows, self.runs, self.missing, self.left_out = {}, {}, {}, {}
        for group, files in FILES.items():
            for name in files:
                self.read(Path(folder), group, name)

    def read(self, folder, group, name):
        run = read_run(folder / f"{name}.run")
        if run:
            self.runs[name] = run
        self.left_out.setdefault(group, []).extend(left_out(folder / f"{name}.md"))
        path = folder / f"{name}.json"
        if path.exists():
            self.rows.setdefault(group, []).extend(read_rows(path, group))
        else:
            self.missing[name] = run.get("reason", f"it was not measured: there is no {name}.json")

    def of(self, group):
        """Rows whose outputs were right. Others are wrong answers, and how fast they came means nothing."""
        return [row for row in self.rows.get(group, []) if row.get("verified", True)]

    def wrong(self, group):
        """How many rows were not."""
        return len(self.rows.get(group, [])) - len(self.of(group))

    def reason(self, group):
        """Why a group has no rows."""
        return "; ".join(self.missing[name] for name in FILES[group][:1] if name in self.missing)
