#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The C interface from Python, without a wheel and without NumPy: ctypes and one page.

    python3 ufb.py LIBRARY FOLDER TEXT...

prints what the folder's model makes of each text: words for masks, scores of labels, or the first numbers of a vector.
LIBRARY is build/examples/libufb_c.so. In a program of your own:

    model = ufb.Model("build/examples/libufb_c.so", "examples/models/tiny-classifier")
    for labels in model.classify(["play some jazz", "will it rain"]):
        print(labels[0])
"""
import ctypes
import os
import sys
import threading


class Candidate(ctypes.Structure):
    _fields_ = [("position", ctypes.c_size_t), ("id", ctypes.c_int64), ("probability", ctypes.c_double),
                ("token", ctypes.c_char * 64)]


class _Session:
    """The scratch memory of a thread."""

    def __init__(self, check, ufb):
        self._ufb = ufb
        self.handle = ctypes.c_void_p()
        check(ufb.ufb_open, ctypes.byref(self.handle))

    def __del__(self):
        self._ufb.ufb_close(self.handle)


class Model:
    """A loaded folder. Any number of threads may use one: each gets a session of its own, and calls run side by side."""

    def __init__(self, library, folder):
        self._handle = ctypes.c_void_p()
        self._sessions = threading.local()
        self._ufb = ctypes.CDLL(library)
        for name in ("ufb_task", "ufb_label"):
            getattr(self._ufb, name).restype = ctypes.c_char_p
        for name in ("ufb_dimensions", "ufb_labels"):
            getattr(self._ufb, name).restype = ctypes.c_size_t
        self._check(self._ufb.ufb_load, _bytes(os.fsencode(folder)), ctypes.byref(self._handle))
        self.task = self._ufb.ufb_task(self._handle).decode()
        self.dimensions = self._ufb.ufb_dimensions(self._handle)
        self.labels = [self._ufb.ufb_label(self._handle, ctypes.c_size_t(i)).decode()
                       for i in range(self._ufb.ufb_labels(self._handle))]

    def __del__(self):
        if self._handle:
            self._ufb.ufb_free(self._handle)

    def _check(self, function, *arguments):
        """Calls a function whose last arguments take a message; raises ValueError with it."""
        message = ctypes.create_string_buffer(1024)
        if function(*arguments, message, ctypes.c_size_t(len(message))) != 0:
            raise ValueError(message.value.decode(errors="replace"))

    def _session(self):
        if not hasattr(self._sessions, "mine"):
            self._sessions.mine = _Session(self._check, self._ufb)
        return self._sessions.mine.handle

    def _rows(self, function, texts, columns):
        if isinstance(texts, (str, bytes)):
            raise TypeError("expected a list of texts, found one text")
        pointers = (ctypes.c_char_p * len(texts))(*[_bytes(text) for text in texts])
        numbers = (ctypes.c_float * (len(texts) * columns))()
        self._check(function, self._handle, self._session(), pointers, ctypes.c_size_t(len(texts)), numbers)
        return [numbers[i * columns:(i + 1) * columns] for i in range(len(texts))]

    def embed(self, texts):
        """A list of `dimensions` numbers for each text."""
        return self._rows(self._ufb.ufb_embed, texts, self.dimensions)

    def classify(self, texts):
        """For each text all labels with their scores, the best first."""
        rows = self._rows(self._ufb.ufb_classify, texts, len(self.labels))
        return [sorted(zip(self.labels, row), key=lambda pair: -pair[1]) for row in rows]

    def fill_mask(self, text, top=5):
        """(position, word, probability) of the best words for each mask, mask after mask."""
        if not 0 <= top < 2**32:
            raise ValueError(f"top: expected a number from 0 to {2**32 - 1}, found {top}")
        found = ctypes.c_size_t(min(top, 100))
        room = 0
        while room < found.value or room == 0:  # once more if there are more candidates
            room = max(found.value, 1)
            candidates = (Candidate * room)()
            self._check(self._ufb.ufb_fill_mask, self._handle, self._session(), _bytes(text), ctypes.c_size_t(top),
                        candidates, ctypes.c_size_t(room), ctypes.byref(found))
        return [(each.position, each.token.decode(errors="replace"), each.probability)
                for each in candidates[:found.value]]


def _bytes(text):
    encoded = text.encode() if isinstance(text, str) else text
    if b"\0" in encoded:
        raise ValueError("a text with a zero character, where C would take it to end")
    return encoded


def main(arguments):
    if len(arguments) < 3:
        sys.exit(__doc__)
    model = Model(arguments[0], arguments[1])
    for text in arguments[2:]:
        if model.task == "masked_lm":
            for position, token, probability in model.fill_mask(text):
                print(f"{position}\t{token}\t{probability:.4f}")
        elif model.task == "sequence_classifier":
            label, score = model.classify([text])[0][0]
            print(f"{label}\t{score:.4f}")
        elif model.task == "embedder":
            print(" ".join(f"{number:.4f}" for number in model.embed([text])[0][:8]))
        else:
            sys.exit(f"the C interface has no call for a {model.task}")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (OSError, ValueError) as problem:
        sys.exit(str(problem))
