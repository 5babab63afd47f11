# SPDX-License-Identifier: MIT
"""Pictures of one layer: speed-up over the batch, time over the depth, families of trees, narrow weights."""
import re

from canvas import Canvas, color, number, quoted
from figure import Figure, bars, panels

DENSE_NEURONS = 4095
PAPER = 78  # times faster than its dense layer, as the paper's abstract says of its implementation
STORAGES = {"f32": "f32", "split": "split / f16", "certified": "cf16 / f16", "ci8": "ci8 / f16", "f16": "f16",
            "bf16": "bf16", "int8": "int8"}


def shape(row):
    """Trees, depth and width of a case such as 8x8/768/uniform; nothing for a case of another form."""
    found = re.fullmatch(r"(\d+)x(\d+)/(\d+)/(\w+)", row["case"])
    return (*map(int, found.groups()[:3]), found[4]) if found else (0, 0, 0, "")


def rows_of(results, group, kind="uniform"):
    """The automatic engine's rows on inputs of a kind."""
    return [row for row in results.of(group) if row["engine"] == "auto" and shape(row)[3] == kind]


def steps(low, high):
    """Values 1, 2 and 5 times powers of ten that enclose the range."""
    values = [m * 10.0**e for e in range(-9, 10) for m in (1, 2, 5)]
    first = max((v for v in values if v <= low), default=values[0])
    last = min((v for v in values if v >= high), default=values[-1])
    return [v for v in values if first <= v <= last]


def log_axis(canvas, axis, values):
    """A logarithmic axis with its own labels, from below the least value to above the largest."""
    ticks = steps(min(values), max(values))
    labels = ", ".join(f"{quoted(number(v))} {v}" for v in ticks)
    canvas.add(f"set logscale {axis}", f"set {axis}range [{ticks[0]}:{ticks[-1]}]", f"set {axis}tics ({labels})")


def axis_titles(canvas, top, x_title, y_title):
    """The title of the y axis lies above it, where it is read without turning the head; gives the axes' top."""
    canvas.text(y_title, 12, top + 8, tint="muted")
    canvas.text(x_title, canvas.width / 2, canvas.height - 10, tint="muted", align="center")
    return top + 24


def line(canvas, points, item, width=2.2):
    """What is plotted for an item of the legend."""
    title, tint, point, dash = item
    marks = f"pointtype {point} pointsize 0.7 " if point is not None else ""
    return (title, f"{canvas.block(points)} using 1:2 with {'linespoints' if marks else 'lines'} {marks}"
                   f"dashtype {dash} linewidth {width if marks else 1.6} linecolor rgb '{color(tint)}'")


def speedup(results):
    rows = [r for r in rows_of(results, "cmm") if shape(r)[:3] == (1, 11, 768) and r["ratio"]]
    by_storage = {s: sorted((r["batch"], r["ratio"]) for r in rows if r["storage"] == s) for s in STORAGES}
    limits = sorted((r["batch"], r["dense_us_per_token"] / r["limit_us"]) for r in rows
                    if r["storage"] == "f32" and r["limit_us"])
    styles = {"f32": ("f32 weights", "blue", 7, "solid"),
              "certified": ("certified f16, with the paths of f32", "green", 5, "solid"),
              "int8": ("int8 weights", "orange", 9, "solid")}
    limit = ("what the machine allows in f32", "muted", None, "(6,4)")
    paper = (f"{PAPER}: the paper's figure", "purple", None, "(2,3)")
    drawn = {s: by_storage[s] for s in styles if by_storage[s]}
    batches = sorted({r["batch"] for r in rows})

    def draw(narrow):
        canvas = Canvas(340 if narrow else 760, 460 if narrow else 430, narrow)
        top = canvas.heading("One fast feedforward layer against the fastest dense one",
                             "1x11, width 768: 12 of 4095 neurons a token, beside OpenBLAS, Eigen and oneDNN")
        top = canvas.legend(top, [styles[s] for s in drawn] + ([limit] if limits else []) + [paper])
        top = axis_titles(canvas, top, "tokens in a batch", "times faster than the dense layer")
        canvas.frame(48, 30, top, 50)
        values = [v for points in drawn.values() for _, v in points] + [v for _, v in limits] + [PAPER]
        log_axis(canvas, "y", values)
        canvas.add("set logscale x 2", f"set xrange [{batches[0] / 1.25}:{batches[-1] * 1.25}]",
                   "set xtics (" + ", ".join(f"{quoted(f'{b:,}')} {b}" for b in batches) + ")")
        parts = [line(canvas, points, styles[s]) for s, points in drawn.items()]
        if limits:
            parts.append(line(canvas, limits, limit))
        parts.append(line(canvas, [(batches[0] / 1.25, PAPER), (batches[-1] * 1.25, PAPER)], paper))
        canvas.add(f"set label '{PAPER}' at graph 1.008, first {PAPER} left textcolor rgb '{color('purple')}'")
        canvas.plot(*parts)
        return canvas

    notes = ["The limit is the larger of two times: that of the layer's arithmetic at the machine's rate, and that of "
             "reading the weights and tokens that a batch touches as fast as a table of that size in sequence.",
             "78 is the factor of the paper's abstract, against its own dense layer on its own machine."]
    dense = {r["batch"]: (number(r["dense_us_per_token"]), r["dense_backend"] or "–") for r in rows}
    table = [[f"{b:,}"] + [number(dict(by_storage[s])[b]) if b in dict(by_storage[s]) else "–" for s in STORAGES]
             + [number(dict(limits)[b]) if b in dict(limits) else "–", *dense[b]] for b in batches]
    columns = ["batch", *STORAGES.values(), "limit, f32", "dense, µs/token", "fastest dense layer"]
    return Figure("speedup", "cmm", "Speed-up of a layer over the batch", draw, columns, table, notes, bool(drawn))


def depth(results):
    rows = [r for r in rows_of(results, "depth") if r["storage"] == "f32"]
    batches = sorted({r["batch"] for r in rows})
    depths = sorted({shape(r)[1] for r in rows})
    times = {(r["batch"], shape(r)[1]): r["us_per_token"] for r in rows}
    styles = (("blue", 7), ("orange", 9), ("green", 5), ("purple", 13), ("muted", 11))
    items = [(f"batch {b:,}", *styles[i % len(styles)], "solid") for i, b in enumerate(batches)]

    def draw(narrow):
        canvas = Canvas(340 if narrow else 760, 380 if narrow else 400, narrow)
        top = canvas.heading("Time grows with the depth, neurons double with it", "One tree of width 768 in f32")
        top = axis_titles(canvas, canvas.legend(top, items), "depth, and neurons in all", "µs per token")
        canvas.frame(44, 26, top, 68)
        every = depths[::2] if narrow else depths
        ticks = ", ".join(f"{quoted(f'{d}' + chr(10) + f'{2**(d + 1) - 1:,}')} {d}" for d in every)
        canvas.add(f"set xtics ({ticks})", f"set xrange [{depths[0] - 0.4}:{depths[-1] + 0.4}]",
                   f"set yrange [0:{max(times.values()) * 1.05}]")
        canvas.plot(*(line(canvas, [(d, times[b, d]) for d in depths if (b, d) in times], item)
                      for b, item in zip(batches, items)))
        return canvas

    table = [[str(d), f"{2**(d + 1) - 1:,}"] + [number(times[b, d]) if (b, d) in times else "–" for b in batches]
             for d in depths]
    return Figure("depth", "depth", "Time over the depth", draw,
                  ["depth", "neurons", *(f"batch {b:,}, µs/token" for b in batches)], table, [], bool(times))


def family(results):
    own = [r for r in rows_of(results, "family") if r["storage"] == "f32" and r["ratio"]]
    batch = max((r["batch"] for r in own), default=0)
    single = [r for r in rows_of(results, "cmm") if r["storage"] == "f32" and r["batch"] == batch and r["ratio"]
              and shape(r)[:3] == (1, 11, 768)]
    members = sorted((shape(r)[0] * (shape(r)[1] + 1), r) for r in own + single if r["batch"] == batch and shape(r)[0])
    names = [f"{shape(r)[0]}×{shape(r)[1]}" for _, r in members]
    limits = [r["dense_us_per_token"] / r["limit_us"] if r["limit_us"] else None for _, r in members]
    measured, limit, fewer = (("measured", "blue", 7, "solid"), ("what the machine allows", "muted", None, "(6,4)"),
                              ("dense neurons / neurons used", "gray", None, "solid"))

    def draw(narrow):
        canvas = Canvas(340 if narrow else 760, 460 if narrow else 420, narrow)
        top = canvas.heading("More trees use more neurons and take longer",
                             f"Trees × depth, width 768, f32, batch {batch:,}, against 4095 dense neurons")
        top = canvas.legend(top, [measured, *([limit] if any(limits) else []), fewer])
        top = axis_titles(canvas, top, "trees × depth, and neurons a token uses", "times faster than the dense layer")
        canvas.frame(48, 24, top, 112 if narrow else 68)
        bound = [(i, DENSE_NEURONS / used) for i, (used, _) in enumerate(members)]
        allowed = [(i, v) for i, v in enumerate(limits) if v]
        log_axis(canvas, "y", [v for _, v in bound + allowed] + [r["ratio"] for _, r in members])
        gap = " · " if narrow else "\n"
        ticks = ", ".join(f"{quoted(name + gap + f'{used:,}')} {i}" for i, (name, (used, _)) in
                          enumerate(zip(names, members)))
        canvas.add(f"set xtics ({ticks})" + (" rotate by 90 right" if narrow else ""),
                   f"set xrange [-0.4:{len(members) - 0.6}]")
        parts = [line(canvas, bound, fewer)] + ([line(canvas, allowed, limit)] if allowed else [])
        parts.append(line(canvas, [(i, r["ratio"]) for i, (_, r) in enumerate(members)], measured))
        canvas.plot(*parts)
        return canvas

    table = [[name, f"{used:,}", number(r["us_per_token"]), number(r["ratio"]), number(DENSE_NEURONS / used),
              number(limit) if limit else "–"] for name, (used, r), limit in zip(names, members, limits)]
    notes = ["1×11 is the layer of the picture above, measured by another run."] if single else []
    return Figure("family", "family", "Families of trees", draw,
                  ["trees × depth", "neurons used", "µs/token", "times faster", "dense / used", "limit"], table, notes,
                  bool(own))


def narrow_weights(results):
    """One row for each storage: how fast, how many tokens go elsewhere, how large the error is on the rest."""
    def chosen(kind):
        rows = [r for r in rows_of(results, "cmm", kind) if r.get("error") and r.get("tokens")]
        batch = 128 if any(r["batch"] == 128 for r in rows) else max((r["batch"] for r in rows), default=0)
        return {r["storage"]: r for r in rows if r["batch"] == batch and r["storage"] in STORAGES}, batch

    random, batch = chosen("uniform")
    trained, _ = chosen("model")
    kinds = [s for s in STORAGES if s in random and random[s]["ratio"]]

    def share(row):
        return 100.0 * (row.get("other_paths") or 0) / row["tokens"]

    def draw(narrow):
        return panels(narrow, "Narrow weights: what they cost in accuracy, and what they gain",
                      f"1x11, width 768; first / second matrix; speed at batch {batch:,} on random weights",
                      [STORAGES[s] for s in kinds],
                      [bars("times faster than dense", "blue", [random[s]["ratio"] for s in kinds]),
                       {"title": "tokens on another path, %", "marks": [
                           ("random weights", "orange", 7, [share(random[s]) for s in kinds]),
                           ("trained weights", "green", 9,
                            [share(trained[s]) if s in trained else None for s in kinds])]},
                       {"title": "error of the others (log)", "log": True, "marks": [
                           ("random weights", "orange", 7, [random[s]["error"] for s in kinds]),
                           ("trained weights", "green", 9,
                            [trained[s]["error"] if s in trained else None for s in kinds])]}])

    def both(value):
        return [value(random[s]) if s in random else "–" for s in kinds], [
            value(trained[s]) if s in trained else "–" for s in kinds]

    paths, errors = both(lambda r: f"{share(r):.3g} %"), both(lambda r: f"{r['error']:.1e}")
    table = [[STORAGES[s], number(random[s]["us_per_token"]), number(random[s]["ratio"]), paths[0][i], errors[0][i],
              paths[1][i], errors[1][i]] for i, s in enumerate(kinds)]
    counted = f"{random[kinds[0]]['tokens']:,} tokens against the same layer in double precision" if kinds else ""
    notes = [f"{counted}; near-ties, where double precision cannot tell either, do not count. cf16, ci8 and split are "
             "certified: every token takes the path of the f32 layer. Trained: a layer of the model that ships with "
             "the library, whose checkpoint is in float16."]
    return Figure("storages", "cmm", "Narrow weights: accuracy against speed", draw,
                  ["storage", "µs/token", "times faster", "random: other paths", "error", "trained: other paths", "error"],
                  table, notes, bool(kinds), "cmm.json has no rows with an accuracy: an older program wrote it")
