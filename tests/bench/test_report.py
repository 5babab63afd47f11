#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Pictures and page of bench/run.sh report, drawn from the made-up figures in report/ beside this file.

Exit status: 0, 1 if something is wrong, or 77 if all that was tested is right but gnuplot is missing."""
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path

HERE = Path(__file__).resolve().parent
BENCH = HERE.parent.parent / "bench"
SVG, XLINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}"
GNUPLOT = shutil.which("gnuplot") is not None
FIGURES = ("speedup", "peers", "encoder", "storages", "depth", "family", "choice")


def draw(folder, surroundings=()):
    return subprocess.run([sys.executable, "-B", str(BENCH / "pictures" / "draw.py"), str(folder)],
                          capture_output=True, text=True, env={**os.environ, **dict(surroundings)}, check=False)


def rows(name):
    return json.loads((HERE / "report" / f"{name}.json").read_text(encoding="utf-8"))


class Picture:
    """Points and bars of a picture, by the name of what was plotted."""

    def __init__(self, path):
        self.root = ElementTree.fromstring(path.read_text(encoding="utf-8"))
        self.width, self.height = float(self.root.get("width")), float(self.root.get("height"))
        self.series = {}
        for group in self.root.iter(f"{SVG}g"):
            if group.get("class") == "series":
                self.series.setdefault(group.find(f"{SVG}title").text, []).append(group)

    def points(self, name):
        """Middles of the marks, in pixels from the lower left corner."""
        found = []
        for group in self.series[name]:
            for mark in group.iter(f"{SVG}use"):
                x, y = re.match(r"translate\(([-\d.]+),([-\d.]+)\)", mark.get("transform")).groups()
                found.append((float(x), self.height - float(y)))
        return found

    def line(self, name):
        """Corners of a line, in the same measure."""
        numbers = re.findall(r"[ML]([-\d.]+),([-\d.]+)", self.series[name][0].find(f".//{SVG}path").get("d"))
        return [(float(x), self.height - float(y)) for x, y in numbers]

    def boxes(self, name):
        """Bars and cells: left, right, bottom, top."""
        found = []
        for group in self.series[name]:
            for box in group.iter(f"{SVG}polygon"):
                corners = [tuple(map(float, pair.split(","))) for pair in box.get("points").split()]
                xs, ys = [x for x, _ in corners], [self.height - y for _, y in corners]
                found.append((min(xs), max(xs), min(ys), max(ys)))
        return found

    def texts(self):
        """Every text with the range of pixels that it takes across, by a careful guess of its width."""
        for group in self.root.iter(f"{SVG}g"):
            text = group.find(f"{SVG}text")
            if text is None or "rotate" in group.get("transform"):
                continue
            words = "".join(text.itertext()).strip()
            x = float(re.match(r"translate\(([-\d.]+)", group.get("transform"))[1])
            wide = 0.5 * float(group.get("font-size")) * len(words)
            left = {"start": x, "middle": x - wide / 2, "end": x - wide}[group.get("text-anchor", "start")]
            yield words, left, left + wide


class Tags(HTMLParser):
    """Fails on tags that are not closed in order; keeps what the page refers to."""

    def __init__(self):
        super().__init__()
        self.open, self.refers, self.words = [], [], []

    def handle_starttag(self, tag, attrs):
        self.refers += [value for key, value in attrs if key in ("src", "srcset", "href")]
        if tag not in ("meta", "img", "source"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, f"</{tag}> closes another tag"

    def handle_data(self, data):
        self.words.append(data)


class ReportTest(unittest.TestCase):
    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.folder = Path(place.name) / "report"
        shutil.copytree(HERE / "report", self.folder)

    def change(self, name, edit):
        path = self.folder / f"{name}.json"
        value = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps(edit(value) or value), encoding="utf-8")

    def drawn(self):
        done = draw(self.folder)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stderr, "")
        return done.stdout

    def page(self):
        tags = Tags()
        tags.feed((self.folder / "index.html").read_text(encoding="utf-8"))
        self.assertEqual(tags.open, [])
        return tags, " ".join("".join(tags.words).split())

    def same(self, found, expected, slack):
        self.assertEqual(len(found), len(expected))
        for one, other in zip(found, expected):
            self.assertAlmostEqual(one, other, delta=slack)

    def on_scale(self, pixels, values, slack=0.05):
        """Pixels grow with the values, evenly: ends give the scale, what lies between has to fit."""
        low, high = values.index(min(values)), values.index(max(values))
        scale = (pixels[high] - pixels[low]) / (values[high] - values[low])
        self.assertGreater(scale, 0)
        self.same(pixels, [pixels[low] + scale * (v - values[low]) for v in values], slack)
        return scale, pixels[low] - scale * values[low]


class Messages(ReportTest):
    """What needs no gnuplot: nothing is drawn of a file that is wrong."""

    def refused(self, name, text, *words):
        (self.folder / f"{name}.json").write_bytes(text if isinstance(text, bytes) else text.encode())
        done = draw(self.folder)
        self.assertEqual(done.returncode, 2, done.stdout)
        self.assertNotIn("Traceback", done.stderr)
        for word in (f"{name}.json", *words):
            self.assertIn(word, done.stderr)
        self.assertFalse((self.folder / "index.html").exists())
        self.assertEqual(list(self.folder.glob("*.svg")), [])

    def test_wrong_json_gets_a_message(self):
        good = rows("cmm")[0]
        self.refused("cmm", '[{"group": "cmm",', "line 1", "expected JSON")
        self.refused("cmm", "", "line 1", "expected JSON")
        self.refused("cmm", b"\xff\xfe[]", "cannot be read")
        self.refused("cmm", "[" * 100000, "cannot be read")
        self.refused("cmm", "{}", "expected a list", "dict")
        self.refused("cmm", "[]", "expected a list of at least one row", "an empty list")
        self.refused("cmm", "[7]", "row 1", "expected an object", "int")
        self.refused("cmm", json.dumps([good, {**good, "group": "depth"}]), "row 2", "'group'", "'cmm'", "depth")
        for key, value, wanted in (("batch", 0, "whole number"), ("batch", "8", "whole number"), ("batch", True, "1"),
                                   ("us_per_token", None, "number above 0"), ("us_per_token", -1.0, "number above 0"),
                                   ("us_per_token", float("nan"), "NaN"), ("us_per_token", float("inf"), "Infinity"),
                                   ("ratio", "78", "number above 0"), ("verified", 1, "true or false"),
                                   ("storage", None, "a string")):
            with self.subTest(key=key, value=value):
                self.refused("cmm", json.dumps([good, {**good, key: value}]), "row 2", f"'{key}'", wanted)
        good.pop("case")
        self.refused("cmm", json.dumps([good]), "row 1", "'case'", "found none")

    def test_every_group_is_checked(self):
        for name in ("machine", "depth", "family", "choice", "encoder", "encoder-bf16", "peers"):
            with self.subTest(name=name):
                text = (self.folder / f"{name}.json").read_text(encoding="utf-8")
                self.refused(name, '[{"group": "' + name.partition("-")[0] + '"}]', "row 1", "found none")
                (self.folder / f"{name}.json").write_text(text, encoding="utf-8")

    def test_optional_keys_are_checked_where_they_stand(self):
        good = rows("cmm")[0]
        for key, value in (("tokens", "many"), ("tokens", 0), ("other_paths", -1), ("error", "small"),
                           ("dense_backend", 3)):
            with self.subTest(key=key, value=value):
                self.refused("cmm", json.dumps([{**good, key: value}]), "row 1", f"'{key}'")

    def test_a_folder_is_asked_for(self):
        none = str(self.folder / "none")
        for arguments, word in ((["--all"], "usage"), ([], "usage"), ([none], "expected a folder")):
            done = subprocess.run([sys.executable, "-B", str(BENCH / "pictures" / "draw.py"), *arguments],
                                  capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 2)
            self.assertIn(word, done.stderr)

    def test_options_of_the_command_are_checked(self):
        out = str(self.folder / "out")
        for arguments, words in (([], "--out DIR"), (["--out"], "--out needs a value"),
                                 (["--out="], "--out needs a value"), (["--out", out, "--quikc"], "not '--quikc'"),
                                 (["--out", out, "more"], "not 'more'"),
                                 (["--out", out, "--groups", "cmm,static"], "not 'static'"),
                                 (["--out", out, "--groups", ","], "--groups"),
                                 (["--out", out, "--from", out], "no folder"),
                                 (["--out", out, "--from", str(self.folder), "--quick"], "no --quick, --groups"),
                                 (["--out", out, "--from", str(self.folder), "--groups=cmm"], "no --quick, --groups")):
            with self.subTest(arguments=arguments):
                done = subprocess.run(["bash", str(BENCH / "run.sh"), "report", *arguments], capture_output=True,
                                      text=True, check=False)
                self.assertEqual(done.returncode, 2)
                self.assertIn(words, done.stderr)
                self.assertFalse((self.folder / "out").exists())


@unittest.skipUnless(GNUPLOT, "gnuplot is missing")
class Pictures(ReportTest):
    @classmethod
    def setUpClass(cls):
        """All tests of the class look at the same pictures."""
        place = tempfile.TemporaryDirectory()
        cls.addClassCleanup(place.cleanup)
        cls.folder = Path(place.name) / "report"
        shutil.copytree(HERE / "report", cls.folder)
        done = draw(cls.folder)
        if done.returncode != 0:
            raise AssertionError(done.stderr)

    def setUp(self):
        pass

    def both(self, name):
        """The wide picture and the narrow one."""
        return [Picture(self.folder / f"{name}.svg"), Picture(self.folder / f"{name}.narrow.svg")]

    def test_speedup_has_its_points(self):
        chosen = [r for r in rows("cmm") if r["case"] == "1x11/768/uniform" and r["engine"] == "auto"]
        names = {"f32": "f32 weights", "certified": "certified f16, with the paths of f32", "int8": "int8 weights"}
        for picture in self.both("speedup"):
            self.assertIn("78: the paper's figure", [words for words, *_ in picture.texts()])
            for storage, name in names.items():
                mine = [r for r in chosen if r["storage"] == storage]
                points = picture.points(name)
                self.on_scale([x for x, _ in points], [math.log2(r["batch"]) for r in mine])
                scale, zero = self.on_scale([y for _, y in points], [math.log(r["ratio"]) for r in mine])
                if storage == "f32":
                    limit = [math.log(r["dense_us_per_token"] / r["limit_us"]) for r in mine]
                    self.same([y for _, y in picture.line("what the machine allows in f32")],
                              [zero + scale * v for v in limit], 0.1)
                    paper = picture.line("78: the paper's figure")
                    self.same([y for _, y in paper], [zero + scale * math.log(78)] * 2, 0.1)

    def test_depth_has_its_points(self):
        for picture in self.both("depth"):
            for batch in (1, 128):
                mine = [r for r in rows("depth") if r["batch"] == batch]
                points = picture.points(f"batch {batch}")
                self.on_scale([x for x, _ in points], [5, 10, 15])
                self.on_scale([y for _, y in points], [r["us_per_token"] for r in mine])

    def test_family_has_its_points_in_the_order_of_neurons(self):
        both = sorted([(r, int(r["case"].split("x")[0]) * (int(r["case"].split("/")[0].split("x")[1]) + 1))
                       for r in rows("family")]
                      + [(r, 12) for r in rows("cmm") if r["case"] == "1x11/768/uniform" and r["engine"] == "auto"
                         and r["storage"] == "f32" and r["batch"] == 128], key=lambda pair: pair[1])
        self.assertEqual([used for _, used in both], [12, 22, 128, 1024])
        for picture in self.both("family"):
            points = picture.points("measured")
            self.on_scale([x for x, _ in points], [0, 1, 2, 3])
            scale, zero = self.on_scale([y for _, y in points], [math.log(r["ratio"]) for r, _ in both], 0.1)
            self.same([y for _, y in picture.line("dense neurons / neurons used")],
                      [zero + scale * math.log(4095 / used) for _, used in both], 0.1)

    def test_bars_are_as_long_as_their_values(self):
        kinds = {("fff", "own"): "fast feedforward", ("dense", "own"): "dense",
                 ("fff", "openblas"): "fast feedforward over OpenBLAS", ("dense", "openblas"): "dense over OpenBLAS"}
        own = rows("encoder") + [r for r in rows("encoder-bf16") if r["backend"] == "own"]
        order = {"f32": 0, "bf16": 1}
        for picture in self.both("encoder"):
            every = []
            for (ffn, backend), name in kinds.items():
                mine = [r["tokens_per_s"] for shape in ("1x16", "mixed")
                        for r in sorted((r for r in own if (r["shape"], r["ffn"], r["backend"])
                                         == (shape, ffn, backend)), key=lambda r: order[r["projection"]])]
                every += zip([right - left for left, right, *_ in picture.boxes(name)], mine, strict=True)
            self.on_scale([0.0] + [w for w, _ in every], [0.0] + [v for _, v in every], 0.3)
        for picture in self.both("peers"):
            here = [r["tokens_per_s"] for r in rows("peers") if r["peer"].startswith("ours_fff")]
            there = [r["tokens_per_s"] for r in rows("peers") if not r["peer"].startswith("ours_")]
            boxes = picture.boxes("FFF here") + picture.boxes("dense elsewhere")
            self.on_scale([0.0] + [right - left for left, right, *_ in boxes], [0.0] + here + there, 0.3)
            self.assertIn("A program <of tomorrow>, dense", [words for words, *_ in picture.texts()])

    def test_narrow_weights_show_speed_paths_and_errors(self):
        storages = ("f32", "split", "certified", "ci8", "f16", "bf16", "int8")
        cmm = [r for r in rows("cmm") if r["batch"] == 128 and r["engine"] == "auto"]
        kinds = {"random weights": {r["storage"]: r for r in cmm if r["case"] == "1x11/768/uniform"},
                 "trained weights": {r["storage"]: r for r in cmm if r["case"].endswith("/model")}}
        for picture in self.both("storages"):
            boxes = picture.boxes("times faster than dense")
            self.on_scale([0.0] + [right - left for left, right, *_ in boxes],
                          [0.0] + [kinds["random weights"][s]["ratio"] for s in storages], 0.3)
            rows_at = [(low + high) / 2 for *_, low, high in boxes]
            for kind, of in kinds.items():
                paths = picture.points(f"tokens on another path, %: {kind}")
                self.on_scale([x for x, _ in paths], [of[s]["other_paths"] / of[s]["tokens"] for s in storages])
                errors = picture.points(f"error of the others (log): {kind}")
                self.on_scale([x for x, _ in errors], [math.log(of[s]["error"]) for s in storages])
                if picture.width > 700:  # one row for each storage across the panels
                    self.same([y for _, y in paths], rows_at, 0.1)
                    self.same([y for _, y in errors], rows_at, 0.1)

    def test_cells_of_the_choice_are_in_their_classes(self):
        names = ("up to 2 % slower than the best engine", "up to 10 %", "up to 30 %", "more")
        for picture in self.both("choice"):
            self.assertEqual([len(picture.boxes(name)) for name in names], [18, 2, 2, 2])
            words = [words for words, *_ in picture.texts()]
            self.assertEqual([words.count("1.20"), words.count("1.40"), words.count("1.06")], [2, 2, 0])
            cells = [box for name in names for box in picture.boxes(name)]
            for i, (left, right, low, high) in enumerate(cells):
                for other in cells[i + 1:]:
                    self.assertFalse(left < other[1] and other[0] < right and low < other[3] and other[2] < high)

    def test_every_picture_stays_within_itself_and_knows_the_dark(self):
        for name in FIGURES:
            for path in (self.folder / f"{name}.svg", self.folder / f"{name}.narrow.svg"):
                with self.subTest(path=path.name):
                    picture = Picture(path)
                    text = path.read_text(encoding="utf-8")
                    self.assertEqual(picture.width, 340 if "narrow" in path.name else 760)
                    self.assertIn("@media (prefers-color-scheme:dark)", text)
                    dark = set(re.findall(r'\[(?:fill|stroke|color)="(#\w{6})"\]', text))
                    # Text on two of the cells' colors is the same in light and dark, and so is white that nothing has.
                    for paint in set(re.findall(r'(?:fill|stroke|color)="([^"]+)"', text.split("</style>")[1])):
                        self.assertTrue(paint in dark or paint in ("none", "currentColor", "#1a1a1b", "#fffffe"), paint)
                    self.assertNotIn("http", re.sub(r'http://www\.w3\.org/\w+/\w+', "", text))
                    for words, left, right in picture.texts():
                        self.assertTrue(left >= 0 and right <= picture.width, f"{words}: {left} to {right}")


@unittest.skipUnless(GNUPLOT, "gnuplot is missing")
class Page(ReportTest):
    def test_page_has_pictures_tables_machine_and_commands(self):
        self.drawn()
        tags, words = self.page()
        for name in FIGURES:
            self.assertIn(f"{name}.svg", tags.refers)
            self.assertIn(f"{name}.narrow.svg", tags.refers)
        for refers in tags.refers:
            known = refers[1:] in FIGURES if refers[0] == "#" else (self.folder / refers).exists()
            self.assertTrue(known, refers)
        for text in ("A <processor> & more, 2 cores, level avx2", "L1 32 KiB, L2 1 MiB", "g++ 12.2.0",
                     "16.0 GB; read in sequence at 10.0 GB/s from 512 MiB, at 20.0 GB/s from the 25 MB",
                     "bench/run.sh cmm --quick, 2026-01-02 03:04 UTC, 26 s", "Measured with --quick",
                     "from depth.json, whose command was not recorded",
                     "Left out: PyTorch, dense, f32 (python3-torch could not be installed)",
                     "Left out: projections in int8: bench/run.sh encoder --projection int8 failed with status 2"):
            self.assertIn(text, words)
        text = (self.folder / "index.html").read_text(encoding="utf-8")
        self.assertNotIn("<script", text)
        self.assertNotIn("http", text)
        self.assertIn("<tr><td>128</td><td>50</td>", text)  # 64 us dense over 1.28 us

    def test_a_missing_group_is_named_with_its_reason(self):
        self.drawn()
        for path in self.folder.glob("*.json"):
            path.unlink()
        (self.folder / "depth.run").write_text("command: bench/run.sh depth\nreason: a <reason> of its own\n",
                                               encoding="utf-8")
        said = self.drawn()
        self.assertEqual(list(self.folder.glob("*.svg")), [])
        _, words = self.page()
        self.assertIn("The machine is not described: it was not measured: there is no machine.json", words)
        for text in (said, words):
            self.assertIn("Time over the depth: a <reason> of its own", " ".join(text.split()))
            for title in ("Speed-up of a layer over the batch", "Families of trees", "Tokens per second of the encoder",
                          "Tokens per second beside other programs", "The automatic engine against the best one"):
                self.assertRegex(" ".join(text.split()), f"{title}: it was not measured: there is no \\w+.json")

    def test_rows_without_what_a_picture_needs_leave_it_out(self):
        self.change("cmm", lambda all_rows: [{k: v for k, v in r.items() if k not in ("error", "tokens")}
                                             for r in all_rows])
        self.change("family", lambda all_rows: [{**r, "ratio": None} for r in all_rows])
        self.drawn()
        _, words = self.page()
        self.assertIn("cmm.json has no rows with an accuracy", words)
        self.assertIn("Families of trees: no row of its JSON belongs to this picture", words)
        self.assertTrue((self.folder / "speedup.svg").exists())
        self.assertFalse((self.folder / "storages.svg").exists())

    def test_wrong_outputs_are_left_out_and_counted(self):
        def spoil(all_rows):
            for row in all_rows[:2]:
                row["verified"] = False
        self.change("cmm", spoil)
        self.change("encoder", spoil)
        self.drawn()
        _, words = self.page()
        self.assertEqual(words.count("2 rows are left out, because outputs were wrong"), 3)  # cmm has two pictures

    def test_little_is_enough(self):
        self.change("cmm", lambda all_rows: [r for r in all_rows if r["storage"] == "f32" and r["batch"] == 8
                                             and "model" not in r["case"]])
        self.change("depth", lambda all_rows: all_rows[:1])
        self.change("family", lambda all_rows: [{**all_rows[0], "limit_us": None}])
        self.change("choice", lambda all_rows: all_rows[:1])
        self.change("peers", lambda all_rows: all_rows[:1])
        self.change("encoder", lambda all_rows: all_rows[:1])
        (self.folder / "encoder-bf16.json").unlink()
        self.drawn()
        for name in FIGURES:
            Picture(self.folder / f"{name}.narrow.svg")

    def test_surroundings_do_not_matter(self):
        self.drawn()
        first = {path.name: path.read_bytes() for path in self.folder.iterdir()}
        (self.folder / ".gnuplot").write_text("set logscale y\n", encoding="utf-8")
        for more in ({"LC_ALL": "C"}, {"LC_ALL": "de_DE.UTF-8"}, {"GNUTERM": "x11", "HOME": str(self.folder)}):
            done = draw(self.folder, more)
            self.assertEqual(done.returncode, 0, done.stderr)
            for name, content in first.items():
                self.assertEqual((self.folder / name).read_bytes(), content, f"{more}: {name}")

    def test_the_command_draws_again_from_a_folder(self):
        out = self.folder / "out of it"
        command = ["bash", str(BENCH / "run.sh"), "report", "--from", str(self.folder), "--out", str(out)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(str(out / "index.html"), done.stdout)
        self.assertEqual((out / "cmm.json").read_bytes(), (self.folder / "cmm.json").read_bytes())
        self.assertTrue((out / "speedup.svg").exists())
        (self.folder / "depth.json").unlink()
        self.assertEqual(subprocess.run(command, capture_output=True, check=False).returncode, 0)
        self.assertFalse((out / "depth.json").exists() or (out / "depth.svg").exists())


if __name__ == "__main__":
    program = unittest.main(exit=False)
    sys.exit(1 if not program.result.wasSuccessful() else 0 if GNUPLOT else 77)
