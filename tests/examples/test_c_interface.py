# SPDX-License-Identifier: MIT
#
# usage: test_c_interface.py LIBRARY MODELS EMBED
# The C interface from Python: every task against the example program or the C test, errors, threads, and the command line.
import ctypes
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading

library, models, embed = sys.argv[1:4]
page = os.path.join(os.path.dirname(models), "c_api", "ufb.py")
sys.path.insert(0, os.path.dirname(page))
sys.dont_write_bytecode = True
import ufb  # noqa: E402

failures = 0


def check(holds, what):
    global failures
    if not holds:
        print("FAIL:", what)
        failures += 1


def refusal(call):
    try:
        call()
    except ValueError as problem:
        return str(problem)
    return "nothing is raised"


# The structure is the one of the header.
with open(os.path.join(os.path.dirname(page), "ufb.h")) as header:
    check("char token[64];" in header.read() and ctypes.sizeof(ufb.Candidate) == 88, "the size of a candidate")

classifier = ufb.Model(library, os.path.join(models, "tiny-classifier"))
check(classifier.task == "sequence_classifier" and len(classifier.labels) == 7 and classifier.dimensions == 0, "seven labels")
texts = ["Will it rain in London tomorrow?", "play some jazz"]
found = classifier.classify(texts)
check([labels[0][0] for labels in found] == ["GetWeather", "PlayMusic"], "the best labels")
check(all(abs(sum(score for _, score in labels) - 1) < 1e-5 for labels in found), "scores are probabilities")
check(classifier.classify([]) == [], "no texts")
check("embedder" in refusal(lambda: classifier.embed(texts)), "a call for another task")
check("/no/such/folder" in refusal(lambda: ufb.Model(library, "/no/such/folder")), "a folder that is not there")
for text in ("play some jazz", b"play some jazz"):
    try:
        classifier.classify(text)
        check(False, "one text where a list is expected")
    except TypeError:
        pass
odd = b"/no/such/\xff"
check("no/such" in refusal(lambda: ufb.Model(library, os.fsdecode(odd))), "a folder whose name is no UTF-8")
check("zero" in refusal(lambda: classifier.classify(["a\0b"])), "a zero in a text")
check("128 tokens" in refusal(lambda: classifier.classify(["rain " * 200])), "a text that is too long")

# Threads share a model, and each gets the answers of one alone.
answers = [None] * 4


def work(i):
    answers[i] = [classifier.classify(texts) == found for _ in range(20)]


workers = [threading.Thread(target=work, args=(i,)) for i in range(len(answers))]
for worker in workers:
    worker.start()
for worker in workers:
    worker.join()
check(all(each is not None and all(each) for each in answers), "threads")

filler = ufb.Model(library, os.path.join(models, "tiny-mlm"))
words = filler.fill_mask("I would like a cup of <mask>, please.", 3)
check(len(words) == 3 and words[0][:2] == (6, "coffee") and words[0][2] > words[1][2], "a mask is filled with coffee")
many = filler.fill_mask("a <mask> b <mask> c <mask>", 4)
check(len(many) == 12 and len({position for position, _, _ in many}) == 3, "three masks, four words each")
check(filler.fill_mask("no mask here") == [], "a text without a mask")
check("top_k" in refusal(lambda: filler.fill_mask("a <mask>", 0)), "no words asked for")

# The language model as a folder of sentence-transformers: the vectors are those of the example program.
with tempfile.TemporaryDirectory() as work_folder:
    folder = os.path.join(work_folder, "embedder")
    shutil.copytree(os.path.join(models, "tiny-mlm"), folder)
    os.mkdir(os.path.join(folder, "1_Pooling"))
    with open(os.path.join(folder, "modules.json"), "w") as file:
        json.dump([{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
                   {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}], file)
    with open(os.path.join(folder, "1_Pooling", "config.json"), "w") as file:
        json.dump({"word_embedding_dimension": 192, "pooling_mode_mean_tokens": True}, file)
    model = ufb.Model(library, folder)
    check(model.task == "embedder" and model.dimensions == 192, "an embedder")
    vectors = model.embed(texts)
    lines = subprocess.run([embed, "--model", folder, "--json"] + texts, check=True, capture_output=True, text=True)
    for vector, line in zip(vectors, lines.stdout.splitlines()):
        expected = json.loads(line)["embedding"]
        check(len(vector) == len(expected) and max(abs(a - b) for a, b in zip(vector, expected)) < 1e-6, "a vector")
    check(model.embed(texts[1:])[0] == vectors[1], "a vector does not depend on the other texts")


def run(*arguments):
    return subprocess.run([sys.executable, "-B", page, *arguments], capture_output=True, text=True)


model = ufb.Model(library, pathlib.Path(models) / "tiny-mlm")
check(len(model.fill_mask("a cup of <mask>", 10**9)) == 8192, "more candidates than there are words")
check(len(model.fill_mask("<mask> of <mask>", 60)) == 120, "two masks")
for top in (-1, 2**64):
    try:
        model.fill_mask("<mask>", top)
        check(False, "a number of candidates that is none")
    except ValueError:
        pass

said = run(library, os.path.join(models, "tiny-classifier"), *texts)
check(said.returncode == 0 and said.stdout.splitlines()[0].startswith("GetWeather\t0.99"), "the command line")
check(run().returncode == 1 and "LIBRARY FOLDER TEXT" in run().stderr, "the command line without arguments")
for arguments in ((library, "/no/such/folder", "a"), ("/no/such/library.so", models, "a")):
    said = run(*arguments)
    check(said.returncode == 1 and "/no/such" in said.stderr and "Traceback" not in said.stderr, said.stderr)

print("all as it should be" if failures == 0 else f"{failures} failures")
sys.exit(failures != 0)
