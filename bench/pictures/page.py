# SPDX-License-Identifier: MIT
"""The page that holds all pictures, their tables, and what they were measured on. It needs no other file of the net."""
from html import escape

STYLE = """
:root { color-scheme: light dark; --paper: #ffffff; --ink: #1f2328; --muted: #59636e; --line: #d8dee4; --soft: #f6f8fa;
        --warn: #a33b00; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #0d1117; --ink: #e6edf3; --muted: #9198a1; --line: #2d333b; --soft: #151b23; --warn: #f0883e; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1360px; padding: 12px; background: var(--paper); color: var(--ink);
       font: 15px/1.5 system-ui, "Segoe UI", "Helvetica Neue", Arial, sans-serif; }
h1 { font-size: 1.6em; margin: 0.4em 0; } h2 { font-size: 1.25em; margin: 0 0 0.6em; }
section { border-top: 1px solid var(--line); padding: 20px 0; }
nav ul { display: flex; flex-wrap: wrap; gap: 4px 18px; list-style: none; margin: 0; padding: 0 0 16px; }
a { color: inherit; } code { overflow-wrap: anywhere; background: var(--soft); padding: 1px 4px; border-radius: 4px; }
.pair { display: grid; gap: 20px; grid-template-columns: minmax(0, 1fr); }
img { display: block; max-width: 100%; height: auto; }
.table { overflow: auto; max-height: 560px; border: 1px solid var(--line); border-radius: 6px; align-self: start; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; width: 100%; }
th, td { padding: 3px 8px; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line); }
th { position: sticky; top: 0; background: var(--soft); font-weight: 600; white-space: normal; vertical-align: bottom; }
th:first-child, td:first-child, .word { text-align: left; }
.notes { color: var(--muted); font-size: 13.5px; max-width: 90ch; } .notes p { margin: 0.5em 0; }
.missing, .warning { color: var(--warn); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 14px; font-size: 14px; margin: 0; }
dt { color: var(--muted); } dd { margin: 0; overflow-wrap: anywhere; }
@media (min-width: 1100px) { .pair { grid-template-columns: minmax(0, 760px) minmax(0, 1fr); } }
"""
NARROW_SLASH = "\u202f/\u202f"  # lines do not break at it


def table(columns, rows):
    """A table; cells of letters are set to the left, figures to the right."""
    def cell(text, tag="td", like=None):
        word = ' class="word"' if (like or text)[:1].isalpha() else ""
        return f"<{tag}{word}>{escape(text.replace(' / ', NARROW_SLASH))}</{tag}>"
    head = "".join(cell(text, "th", rows[0][i] if rows else "") for i, text in enumerate(columns))
    body = "\n".join("<tr>" + "".join(map(cell, row)) + "</tr>" for row in rows)
    return (f'<div class="table" tabindex="0"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>'
            "</table></div>")


def machine(results):
    """The stamp: what the figures were measured on."""
    rows = results.of("machine")
    if not rows:
        return f'<p class="missing">The machine is not described: {escape(results.reason("machine"))}.</p>'
    m = rows[0]
    giga = 1e9
    kilobytes = m["memory"].removesuffix(" kB")
    memory = f"{int(kilobytes) / 1e6:.1f} GB" if kilobytes.isdigit() else m["memory"]
    facts = [("processor", f"{m['processor']}, {m['cores']} cores, level {m['level']}"),
             ("data caches", ", ".join(map(str, m["caches"])) or "unknown"),
             ("memory", f"{memory}; read in sequence at {m['memory_bytes_per_s'] / giga:.1f} GB/s from 512 MiB, "
                        f"at {m['layer_bytes_per_s'] / giga:.1f} GB/s from the 25 MB of one layer; a random line after "
                        f"{m['memory_latency_s'] * giga:.0f} ns"),
             ("arithmetic", f"{m['flops'] / giga:,.0f} GFLOP/s in f32"),
             ("load at the start", m["load"]),
             ("compiler", f"{'g++ ' if m['compiler'][:1].isdigit() else ''}{m['compiler']}, no -march"),
             ("library", f"ultrafastbert {m['version']}"), ("date", m["date"])]
    return "<dl>" + "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in facts) + "</dl>"


def origin(results, group, files):
    """The commands that measured a group, with dates, and how many of its rows had wrong outputs."""
    lines = []
    for name in files:
        run = results.runs.get(name)
        if run and name not in results.missing:
            lines.append(f"<p><code>{escape(run.get('command', '?'))}</code>, {escape(run.get('date', '?'))}, "
                         f"{escape(run.get('seconds', '?'))} s</p>")
        elif name not in results.missing:
            lines.append(f"<p>from {name}.json, whose command was not recorded</p>")
    if results.wrong(group):
        lines.append(f'<p class="warning">{results.wrong(group)} rows are left out, because outputs were wrong.</p>')
    return "\n".join(lines)


def section(figure, results, files, drawn):
    head = f'<section id="{figure.name}">\n<h2>{escape(figure.title)}</h2>\n'
    if not drawn:
        why = results.reason(figure.group) or figure.absent
        return f'{head}<p class="missing">Left out: {escape(figure.title)}: {escape(why)}.</p>\n</section>'
    notes = "".join(f"<p>{escape(note)}</p>" for note in figure.notes)
    return (f'{head}<div class="pair">\n<picture>\n'
            f'<source media="(max-width: 640px)" srcset="{figure.name}.narrow.svg">\n'
            f'<img src="{figure.name}.svg" alt="{escape(figure.title)}; the table has the figures">\n</picture>\n'
            f"{table(figure.columns, figure.table)}\n</div>\n"
            f'<div class="notes">{notes}\n{origin(results, figure.group, files)}</div>\n</section>')


def page(figures, results, files, drawn):
    """The whole page."""
    quick = any("--quick" in run.get("command", "") for run in results.runs.values())
    links = "".join(f'<li><a href="#{f.name}">{escape(f.title)}</a></li>' for f in figures)
    warning = ('<p class="warning">Measured with --quick: fewer and shorter rounds; good for a first look only.</p>\n'
               if quick else "")
    sections = "\n".join(section(f, results, files[f.group], f.name in drawn) for f in figures)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>ultrafastbert: measured on this machine</title>
<style>{STYLE}</style>
</head>
<body>
<h1>ultrafastbert: measured on this machine</h1>
<p>Random weights and tokens; outputs are verified before anything is timed; contenders take turns in one process;
figures are medians. Times are those of one thread unless a command says otherwise.</p>
{warning}<nav><ul>{links}</ul></nav>
<section id="machine">
<h2>The machine</h2>
{machine(results)}
<div class="notes">{origin(results, "machine", files["machine"])}</div>
</section>
{sections}
</body>
</html>
"""
