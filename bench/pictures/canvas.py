# SPDX-License-Identifier: MIT
"""A thin layer over gnuplot: scripts with margins in pixels, and SVG that follows the reader's light or dark."""
import html
import os
import re
import shutil
import subprocess
import textwrap

from rows import ReportError

# Every color that pictures use in light, and what becomes of it in dark. Pairs keep a contrast of 3 to 1 against their
# paper, and hues are those that readers with any kind of color vision tell apart.
THEME = {
    "ink": ("#1f2328", "#e6edf3"), "muted": ("#59636e", "#9198a1"), "grid": ("#d8dee4", "#2d333b"),
    "paper": ("#ffffff", "#0d1117"),
    "blue": ("#0072b2", "#58a6ff"), "orange": ("#c65400", "#f0883e"), "green": ("#00805e", "#3fb98c"),
    "purple": ("#9a4f9f", "#d39bd0"), "sky": ("#7fb2d6", "#356f9f"), "gray": ("#a5adb6", "#6a737d"),
    "best": ("#e3ecf4", "#1b2733"), "near": ("#a6c9e4", "#2b5475"), "behind": ("#fdb462", "#fdb463"),
    "far": ("#c43c00", "#c43c01"),
}
ON_BEHIND, ON_FAR = "#1a1a1b", "#fffffe"  # text on these two, the same in light and dark


def color(name):
    return THEME[name][0]


def quoted(text):
    """A string of gnuplot's."""
    return '"' + str(text).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def number(value):
    """About three digits that matter, with commas: 12,345 and 0.123."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


class Canvas:
    """One picture: commands for gnuplot, and the names of what is plotted, in that order."""

    def __init__(self, width, height, narrow):
        self.width, self.height, self.narrow = width, height, narrow
        self.size = 12 if narrow else 13  # of text, in pixels
        self.commands, self.series, self.blocks = [], [], 0
        self.add(f'set terminal svg size {width},{height} fixed font "sans-serif,{self.size}" linewidth 1 rounded '
                 "noenhanced",
                 "set encoding utf8",
                 f"set border 3 linecolor rgb '{color('muted')}'",
                 f"set tics nomirror out scale 0.4 textcolor rgb '{color('ink')}'",
                 f"set grid linetype 1 dashtype solid linewidth 1 linecolor rgb '{color('grid')}'",
                 "set xtics offset 0,0.35", "unset key")

    def add(self, *commands):
        self.commands.extend(commands)

    def x(self, pixels):
        return f"screen {pixels / self.width:.6f}"

    def y(self, pixels):
        """From the top, as everything in pixels here."""
        return f"screen {1 - pixels / self.height:.6f}"

    def frame(self, left, right, top, bottom):
        """Where the axes stand: left and top edges, and the distances of the others from right and bottom."""
        self.add(f"set lmargin at {self.x(left)}", f"set rmargin at {self.x(self.width - right)}",
                 f"set tmargin at {self.y(top)}", f"set bmargin at {self.y(self.height - bottom)}")

    def wrapped(self, text, size):
        return textwrap.wrap(text, int((self.width - 24) / (0.52 * size))) or [""]

    def text(self, text, left, top, size=None, tint="ink", align="left"):
        self.add(f"set label {quoted(text)} at {self.x(left)}, {self.y(top)} {align} front "
                 f"font 'sans-serif,{size or self.size}' textcolor rgb '{color(tint)}'")

    def heading(self, title, subtitle):
        """Title and subtitle from the top left corner; gives the pixel below them."""
        top = 4
        for words, size, tint in ((title, self.size + 3, "ink"), (subtitle, self.size - 0.5, "muted")):
            for line in self.wrapped(words, size):
                top += size * 1.35
                self.text(line, 12, top - size * 0.45, size, tint)
        return top + 6

    def legend(self, top, items):
        """Samples and words below the heading, as many in a line as fit; gives the pixel below them.

        items: (words, tint, point type or None, dash type or None); without either, a box of the color."""
        left, line = 12, self.size * 1.5
        for words, tint, point, dash in items:
            wide = 34 + 0.54 * self.size * len(words) + 18
            if left > 12 and left + wide > self.width - 4:
                left, top = 12, top + line
            middle, paint = top + line / 2, f"rgb '{color(tint)}'"
            if point is None and dash is None:
                self.add(f"set object rectangle from {self.x(left + 8)}, {self.y(middle + 5)} to {self.x(left + 24)}, "
                         f"{self.y(middle - 5)} fillcolor {paint} fillstyle solid 1 noborder")
            if dash is not None:
                self.add(f"set arrow from {self.x(left)}, {self.y(middle)} to {self.x(left + 26)}, {self.y(middle)} "
                         f"nohead linewidth 2 dashtype {dash} linecolor {paint}")
            if point is not None:
                self.add(f"set label '' at {self.x(left + 13)}, {self.y(middle)} point pointtype {point} pointsize 0.7 "
                         f"linecolor {paint}")
            self.text(words, left + 33, middle)
            left += wide
        return top + line + 4

    def block(self, rows):
        """A named block of data; strings may have blanks."""
        self.blocks += 1
        lines = [" ".join(quoted(v) if isinstance(v, str) else repr(v) for v in row) for row in rows]
        self.add(f"$block{self.blocks} << END_OF_BLOCK", *lines, "END_OF_BLOCK")
        return f"$block{self.blocks}"

    def plot(self, *parts):
        """Parts are pairs of a name and what follows "plot"."""
        self.series.extend(name for name, _ in parts)
        self.add("plot " + ", \\\n  ".join(part for _, part in parts))

    def svg(self, title, description):
        """Runs gnuplot. Raises ReportError with what it says if it refuses."""
        program = shutil.which("gnuplot")
        if program is None:
            raise ReportError("gnuplot was not found (Debian: gnuplot-nox)")
        # Settings of the reader's own, their terminal and their language are not for these pictures.
        surroundings = {key: value for key, value in os.environ.items() if not key.startswith(("GNU", "LC_", "LANG"))}
        done = subprocess.run([program, "--default-settings"], input="\n".join(self.commands) + "\n",
                              capture_output=True, text=True, encoding="utf-8",
                              env={**surroundings, "LC_ALL": "C.UTF-8"}, check=False)
        if done.returncode != 0 or "</svg>" not in done.stdout or done.stderr.strip():
            raise ReportError(f"gnuplot refuses the picture '{title}': {done.stderr.strip()}")
        return themed(done.stdout, title, description, self.series)


def themed(svg, title, description, series):
    """gnuplot's picture with colors for light and dark, names for what is plotted, and words for who cannot see it.

    The picture has a paper of its own: it stays readable where a page disagrees with it about light and dark."""
    svg = re.sub(r"rgb\(\s*(\d+),\s*(\d+),\s*(\d+)\)", lambda m: "#%02x%02x%02x" % tuple(map(int, m.groups())), svg)
    svg = re.sub(r"<[^>]+>", lambda tag: tag[0].replace("'", '"').replace('fill = "', 'fill="'), svg)
    svg = re.sub('(color|fill)="black"', rf'\1="{color("ink")}"', svg)
    svg = re.sub(r'<g [^<>]*>\s*</g>\n?', "", svg)
    svg = re.sub(r'<filter .*?</filter>\s*', "", svg, flags=re.S)
    svg = re.sub(r'(<rect x="0" y="0" [^>]*)fill="none"', rf'\1fill="{color("paper")}"', svg, count=1)
    names = iter(series)
    svg, found = re.subn(r'<g id="gnuplot_plot_\d+[a-z]*" ?><title>[^<]*</title>',
                         lambda m: f'<g class="series"><title>{html.escape(next(names, "?"))}</title>', svg)
    if found != len(series):
        raise ReportError(f"gnuplot drew {found} of the {len(series)} parts of the picture '{title}'")
    dark = "".join(f'[{what}="{light}"]{{{what}:{night}}}' for light, night in THEME.values()
                   for what in ("fill", "stroke", "color") if f'{what}="{light}"' in svg)
    style = ('<style>text{font-family:system-ui,"Segoe UI","Helvetica Neue",Arial,sans-serif}'
             f"@media (prefers-color-scheme:dark){{{dark}}}</style>")
    head = f"<title>{html.escape(title)}</title>\n<desc>{html.escape(description)}</desc>\n{style}"
    svg = re.sub(r"<title>Gnuplot</title>\s*<desc>.*?</desc>", lambda _: head, svg, count=1, flags=re.S)
    return svg.replace("<svg ", '<svg role="img"', 1)
