# SPDX-License-Identifier: MIT
"""What a figure is, and the two forms of bars that more than one of them has."""
from dataclasses import dataclass, field
from typing import Callable

from canvas import Canvas, color, number, quoted


@dataclass
class Figure:
    """A picture, wide and narrow, with its table. It is left out, with a reason, if its group has nothing to draw."""
    name: str
    group: str
    title: str
    draw: Callable[[bool], Canvas]
    columns: list
    table: list
    notes: list = field(default_factory=list)
    present: bool = True
    absent: str = "no row of its JSON belongs to this picture"


def bar_plot(canvas, tint, places, name, half=0.36):
    """Bars from 0 to the value, one for each pair of place and value."""
    block = canvas.block([(0, at, 0, value, at - half, at + half) for at, value in places])
    return name, f"{block} using 1:2:3:4:5:6 with boxxyerror fillstyle solid 1 noborder linecolor rgb '{color(tint)}'"


def label_plot(canvas, rows, name, tint="ink", offset="character 0.5,0"):
    """Texts that begin at places (x, y)."""
    block = canvas.block([(x, y, text) for x, y, text in rows])
    return name, (f"{block} using 1:2:3 with labels left offset {offset} textcolor rgb '{color(tint)}'")


def bars(title, tint, values):
    return {"title": title, "bars": (tint, values)}


def panels(narrow, title, subtitle, names, parts):
    """Panels that share their rows, which are named once: side by side, or one above the other where it is narrow."""
    rows, labels = len(names), 86
    inner = rows * (22 if narrow else 26)
    legend = [(name, tint, point, None) for name, tint, point, _ in next(p["marks"] for p in parts if "marks" in p)]
    probe = Canvas(340 if narrow else 760, 100, narrow)
    top = probe.legend(probe.heading(title, subtitle), legend)
    step = inner + 68
    height = int(top + (step * len(parts) if narrow else step)) + 4
    canvas = Canvas(probe.width, height, narrow)
    canvas.legend(canvas.heading(title, subtitle), legend)
    wide = (canvas.width - labels - 10 - 22 * len(parts)) / len(parts)
    canvas.add("set multiplot", f"set yrange [{rows - 0.5}:-0.5]", "set grid xtics noytics", "set border 1")
    for index, part in enumerate(parts):
        left = labels if narrow else labels + index * (wide + 22)
        above = top + (index * step if narrow else 0)
        canvas.text(part["title"], left, above + 12, tint="muted")
        canvas.frame(left, canvas.width - (left + (canvas.width - labels - 16 if narrow else wide)), above + 26,
                     height - above - 26 - inner)
        shown = names if narrow or index == 0 else [""] * rows
        canvas.add("set ytics scale 0 (" + ", ".join(f"{quoted(n)} {i}" for i, n in enumerate(shown)) + ")")
        panel_plot(canvas, part)
        canvas.add("unset label", "unset object", "unset logscale x")
    canvas.add("unset multiplot")
    return canvas


def panel_plot(canvas, part):
    if "bars" in part:
        tint, values = part["bars"]
        most = max(values)
        canvas.add(f"set xrange [0:{most * 1.28}]", f"set xtics autofreq {tick_step(most, 4)}")
        places = list(enumerate(values))
        canvas.plot(bar_plot(canvas, tint, places, part["title"]),
                    label_plot(canvas, [(v, i, number(v)) for i, v in places], f"values: {part['title']}"))
        return
    found = [v for *_, values in part["marks"] for v in values if v is not None]
    if part.get("log"):
        canvas.add("set logscale x", f"set xrange [{min(found) / 3}:{max(found) * 3}]")
        low, high = exponents(min(found)), exponents(max(found))
        canvas.add("set xtics (" + ", ".join(f"{quoted(power(e))} 1e{e}" for e in range(low, high + 1, 2)) + ")")
    else:
        most = max(max(found), 1e-3)
        canvas.add(f"set xrange [{-most * 0.05}:{most * 1.5}]", f"set xtics autofreq {tick_step(most, 4)}")
    plots = []
    for name, tint, point, values in part["marks"]:
        block = canvas.block([(v, i) for i, v in enumerate(values) if v is not None] or [(float("nan"), 0)])
        plots.append((f"{part['title']}: {name}",
                      f"{block} using 1:2 with points pointtype {point} pointsize 0.9 linecolor rgb '{color(tint)}'"))
    if not part.get("log"):
        texts = []
        for row in range(len(part["marks"][0][3])):
            values = [values[row] for *_, values in part["marks"] if values[row] is not None]
            if values:
                texts.append((max(values), row, " and ".join(f"{v:.2g}" for v in values)
                              if len(set(values)) > 1 else f"{values[0]:.2g}"))
        plots.append(label_plot(canvas, texts, f"values: {part['title']}", offset="character 1,0"))
    canvas.plot(*plots)


def exponents(value):
    """The power of ten below a value."""
    return int(f"{value:e}".split("e")[1])


def power(exponent):
    raised = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
    return "10" + str(exponent).translate(raised)


def grouped_bars(narrow, title, subtitle, axis, legend, groups):
    """Bars under headings. legend: words by tint; groups: pairs of a heading and rows (label, tint, value). Where it is
    narrow, labels stand above their bars."""
    pitch = 38 if narrow else 24
    count = sum(len(rows) + 1 for _, rows in groups)
    probe = Canvas(340 if narrow else 760, 100, narrow)
    used = {tint for _, rows in groups for _, tint, _ in rows}
    items = [(words, tint, None, None) for tint, words in legend.items() if tint in used]
    top = probe.legend(probe.heading(title, subtitle), items)
    canvas = Canvas(probe.width, int(top + count * pitch + 52), narrow)
    canvas.legend(canvas.heading(title, subtitle), items)
    canvas.text(axis, canvas.width / 2, canvas.height - 10, tint="muted", align="center")
    left = 12 if narrow else 24 + 0.58 * canvas.size * max(len(label) for _, rows in groups for label, *_ in rows)
    below = 0.16 if narrow else 0  # how far a bar lies below the middle of its row
    canvas.frame(left, 14, top, 46)
    at, ticks, headings, places, labels = 0, [], [], {}, []
    for heading, rows in groups:
        headings.append((heading, at))
        for label, tint, value in rows:
            at += 1
            ticks.append((label, at))
            places.setdefault(tint, []).append((at + below, value))
            labels.append((value, at + below, number(value)))
        at += 1
    most = max(value for rows in places.values() for _, value in rows)
    step = tick_step(most, 3 if narrow else 6)
    marks = ", ".join(f"{quoted(number(i * step) if i else '0')} {i * step}" for i in range(int(most / step) + 1))
    canvas.add(f"set yrange [{at - 0.4}:-0.6]", f"set xrange [0:{most * (1.22 if narrow else 1.12)}]",
               "set grid xtics noytics", "set border 1", f"set xtics ({marks})", "unset ytics")
    if not narrow:
        canvas.add(f"set ytics scale 0 textcolor rgb '{color('ink')}' (" +
                   ", ".join(f"{quoted(label)} {place}" for label, place in ticks) + ")")
    for heading, place in headings:
        canvas.add(f"set label {quoted(heading)} at {canvas.x(12)}, first {place} left front "
                   f"font 'sans-serif,{canvas.size + 1}' textcolor rgb '{color('ink')}'")
    parts = [bar_plot(canvas, tint, rows, legend[tint], half=0.16 if narrow else 0.36) for tint, rows in places.items()]
    parts.append(label_plot(canvas, labels, "values"))
    if narrow:
        parts.append(label_plot(canvas, [(0, place - 0.24, label) for label, place in ticks], "names",
                                offset="character 0,0"))
    canvas.plot(*parts)
    return canvas


def tick_step(most, wanted):
    """A step of 1, 2 or 5 times a power of ten that gives about so many ticks."""
    return next(m * 10**e for e in range(-6, 12) for m in (1, 2, 5) if most / (m * 10**e) <= wanted)
