# SPDX-License-Identifier: MIT
"""Pictures of whole encoders, alone and beside other programs, and of the choice among engines."""
from canvas import ON_BEHIND, ON_FAR, Canvas, color, number, quoted
from figure import Figure, grouped_bars
from layers import STORAGES

# Short names of what bench/peers compares; another peer goes by its title.
PEERS = {"ours_fff_f32": "FFF, f32", "ours_fff_bf16": "FFF, bf16 projections", "ours_fff_int8": "FFF, int8 projections",
         "ours_dense_f32": "dense, f32", "onnxruntime_dense": "ONNX Runtime, dense, f32",
         "torch_dense": "PyTorch, dense, f32", "torch_dense_int8": "PyTorch, dense, dynamic int8",
         "torch_fff_masked": "PyTorch, FFF as published", "torch_fff_gather": "PyTorch, FFF by gathers"}
SHAPES = {"mixed": "64 texts of 5 to 128 tokens"}


def in_order(values):
    return list(dict.fromkeys(values))


def heading(shape):
    """1x16 as words."""
    batch, _, length = shape.partition("x")
    if not (batch.isdigit() and length.isdigit()):
        return SHAPES.get(shape, shape)
    return f"{batch} text{'s' if int(batch) > 1 else ''} of {length} tokens"


def encoder(results):
    rows = results.of("encoder")
    kinds = [(ffn, "own", storage) for ffn in ("fff", "dense") for storage in ("f32", "bf16", "int8")]
    kinds += [("fff", "openblas", "f32"), ("dense", "openblas", "f32")]
    speeds = {}
    for row in rows:  # what runs over OpenBLAS is in every file; the first one, in float32, counts
        speeds.setdefault((row["shape"], row["ffn"], row["backend"], row["projection"]), row)
    shapes = in_order(row["shape"] for row in rows)

    def label(ffn, backend, projection):
        place = "OpenBLAS" if backend == "openblas" else projection
        return f"{'FFF' if ffn == 'fff' else 'dense'}, {place}"

    def tint(ffn, backend):
        return ("blue" if ffn == "fff" else "sky") if backend == "own" else ("orange" if ffn == "fff" else "gray")

    def draw(narrow):
        return grouped_bars(narrow, "Whole encoder: fast feedforward beside dense layers",
                            f"{rows[0]['case']}, ids to final states; the storage named is that of the projections",
                            "tokens per second",
                            {"blue": "fast feedforward", "sky": "dense", "orange": "fast feedforward over OpenBLAS",
                             "gray": "dense over OpenBLAS"},
                            [(heading(s), [(label(*k), tint(*k[:2]), speeds[s, *k]["tokens_per_s"]) for k in kinds
                                           if (s, *k) in speeds]) for s in shapes])

    table = [[s, label(*k), f"{speeds[s, *k]['tokens_per_s']:,.0f}", number(speeds[s, *k]["ratio_to_dense"])]
             for s in shapes for k in kinds if (s, *k) in speeds]
    notes = [f"Left out: projections in {name.partition('-')[2]}: {results.missing[name]}"
             for name in ("encoder-bf16", "encoder-int8") if name in results.missing]
    notes.append("Dense encoders have as many neurons, all of which compute. OpenBLAS: that library's products in "
                 "place of this one's.")
    return Figure("encoder", "encoder", "Tokens per second of the encoder", draw,
                  ["texts x tokens", "encoder", "tokens/s", "times its dense twin"], table, notes, bool(rows))


def peers(results):
    rows = results.of("peers")
    shapes = in_order(row["shape"] for row in rows)

    def label(row):
        known = PEERS.get(row["peer"], row.get("title", row["peer"]))
        return f"here: {known}" if row["peer"].startswith("ours_") else known

    def tint(peer):
        fast = "fff" in peer
        return ("blue" if fast else "sky") if peer.startswith("ours_") else ("orange" if fast else "gray")

    def draw(narrow):
        return grouped_bars(narrow, "Whole encoder beside other programs",
                            "16 layers of width 768, ids to final states, the same weights; dense: 4095 neurons a "
                            "layer, FFF: 12 of them", "tokens per second",
                            {"blue": "FFF here", "sky": "dense here", "orange": "FFF elsewhere",
                             "gray": "dense elsewhere"},
                            [(heading(s), [(label(r), tint(r["peer"]), r["tokens_per_s"]) for r in rows
                                           if r["shape"] == s]) for s in shapes])

    table = [[r["shape"], label(r), f"{r['tokens_per_s']:,.0f}", number(r["ratio"])] for r in rows]
    notes = [f"Left out: {what}" for what in results.left_out["peers"]]
    notes.append("Ratio: tokens per second of the FFF encoder in f32 over the program's: above 1 the program is "
                 "slower. Projections in bf16 and int8 are less exact than f32.")
    return Figure("peers", "peers", "Tokens per second beside other programs", draw,
                  ["texts x tokens", "program", "tokens/s", "ratio"], table, notes, bool(rows))


CLASSES = (("best", 1.02, "up to 2 % slower than the best engine"), ("near", 1.10, "up to 10 %"),
           ("behind", 1.30, "up to 30 %"), ("far", float("inf"), "more"))


def short(batch):
    return f"{batch // 1024}k" if batch >= 1024 and batch % 1024 == 0 else str(batch)


def choice(results):
    rows = results.of("choice")
    storages = in_order(row["storage"] for row in rows)
    batches = sorted({row["batch"] for row in rows})
    lines = sorted({(row["width"], row["depth"]) for row in rows})
    ratio = {(r["storage"], r["width"], r["depth"], r["batch"]): r["auto_us"] / r["best_us"] for r in rows}

    def draw(narrow):
        return heat_map(narrow, storages, batches, lines, ratio)

    def share(most):
        return f"{100 * sum(v <= most for v in ratio.values()) / len(ratio):.1f} %"

    notes = [f"{len(ratio):,} cells: the automatic engine is at most 2 % slower than the best one in {share(1.02)} of "
             f"them, at most 10 % in {share(1.10)}, at most 30 % in {share(1.30)}."] if ratio else []
    table = [[STORAGES.get(r["storage"], r["storage"]), str(r["width"]), str(r["depth"]), f"{r['batch']:,}",
              f"{r['auto_us'] / r['best_us']:.2f}", r["auto_engine"], number(r["auto_us"]), r["best_engine"],
              number(r["best_us"])] for r in sorted(rows, key=lambda r: r["best_us"] / r["auto_us"])]
    return Figure("choice", "choice", "The automatic engine against the best one", draw,
                  ["storage", "width", "depth", "batch", "chosen / best", "chosen", "µs/token", "best", "µs/token"],
                  table, notes, bool(rows))


def heat_map(narrow, storages, batches, lines, ratio):
    """A block of cells for each storage: batches across, widths and depths down."""
    pitch, gap = 16, 46 if narrow else 26  # in pixels: from row to row, and below a block
    widths = in_order(width for width, _ in lines)
    tall = len(lines) + 0.6 * (len(widths) - 1)  # in cells
    blocks = len(storages) if narrow else 1
    probe = Canvas(340 if narrow else 760, 100, narrow)
    words = ("Time of the automatic engine over that of the best one",
             "One tree; rows: depths of each width; columns: tokens in a batch; cells above 1.10 say how much")
    items = [(text, name, None, None) for name, _, text in CLASSES]
    head = probe.legend(probe.heading(*words), items) + 20
    canvas = Canvas(probe.width, int(head + blocks * (tall * pitch + gap)) + 8, narrow)
    canvas.legend(canvas.heading(*words), items)
    canvas.frame(108, 14, head, 24)
    across = len(batches) if narrow else len(storages) * (len(batches) + 0.5) - 0.5
    down = (canvas.height - 24 - head) / pitch
    canvas.add("unset border", "unset grid", f"set xrange [0:{across}]", f"set yrange [{down}:0]")

    def corner(block):
        return (0, block * (tall + gap / pitch)) if narrow else (block * (len(batches) + 0.5), 0)

    y_of = {}
    for index, (width, depth) in enumerate(lines):
        y_of[width, depth] = index + 0.5 + 0.6 * widths.index(width)
    small = f"font 'sans-serif,{canvas.size - 2}' "
    xtics, ytics = [], []
    cells = {name: [] for name, *_ in CLASSES}
    for block, storage in enumerate(storages):
        left, above = corner(block)
        canvas.add(f"set label {quoted('weights: ' + STORAGES.get(storage, storage))} at first {left}, "
                   f"first {above - 0.7} left textcolor rgb '{color('ink')}'")
        for column, batch in enumerate(batches):
            place = left + column + 0.5
            if narrow:
                canvas.add(f"set label {quoted(short(batch))} at first {place}, first {above + tall + 0.8} center "
                           f"{small}textcolor rgb '{color('muted')}'")
            else:
                xtics.append(f"{quoted(short(batch))} {place}")
            for width, depth in lines:
                value = ratio.get((storage, width, depth, batch))
                if value is None:
                    continue
                kind = next(name for name, most, _ in CLASSES if value <= most)
                cells[kind].append((place, above + y_of[width, depth], value))
        if narrow or block == 0:
            for width, depth in lines:
                ytics.append(f"{quoted(f'depth {depth}' if depth == first_depth(lines, width) else depth)} "
                             f"{above + y_of[width, depth]}")
            for width in widths:
                canvas.add(f"set label {quoted(f'{width}')} at {canvas.x(46)}, first "
                           f"{above + y_of[width, first_depth(lines, width)]} right textcolor rgb '{color('ink')}'")
            canvas.add(f"set label {quoted('width')} at {canvas.x(46)}, first {above - 0.7} right "
                       f"textcolor rgb '{color('muted')}'")
    canvas.add(f"set xtics scale 0 {small}textcolor rgb '{color('muted')}' ({', '.join(xtics)})" if xtics
               else "unset xtics",
               f"set ytics scale 0 {small}textcolor rgb '{color('muted')}' ({', '.join(ytics)})")
    parts = []
    for name, _, words in CLASSES:
        if not cells[name]:
            continue
        block = canvas.block([(x, y, x - 0.47, x + 0.47, y - 0.45, y + 0.45) for x, y, _ in cells[name]])
        parts.append((words, f"{block} using 1:2:3:4:5:6 with boxxyerror fillstyle solid 1 noborder linecolor rgb "
                             f"'{color(name)}'"))
    for name, tint in (("behind", ON_BEHIND), ("far", ON_FAR)):
        if cells[name]:
            block = canvas.block([(x, y, f"{value:.{2 if value < 10 else 0}f}") for x, y, value in cells[name]])
            parts.append((f"values: {name}", f"{block} using 1:2:3 with labels center font 'sans-serif,9' "
                                             f"textcolor rgb '{tint}'"))
    canvas.plot(*parts)
    return canvas


def first_depth(lines, width):
    return min(depth for other, depth in lines if other == width)
