#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The C interface from Python, without a wheel and without NumPy: ctypes and one page.

    python3 ufb.py LIBRARY FOLDER TEXT...

prints what the folder's model makes of each text: words for masks, scores of labels, or the first numbers of a vector.
"""
import ctypes
import sys


class Candidate(ctypes.Structure):
    _fields_ = [("position", ctypes.c_size_t), ("id", ctypes.c_int64), ("probability", ctypes.c_double),
                ("token", ctypes.c_char * 64)]


class Model:
    """A model and one session: use one object per thread."""

    def __init__(self, library, folder):
        self._ufb = ctypes.CDLL(library)
        for name in ("ufb_task", "ufb_label"):
            getattr(self._ufb, name).restype = ctypes.c_char_p
        for name in ("ufb_dimensions", "ufb_labels"):
            getattr(self._ufb, name).restype = ctypes.c_size_t
        self._model = ctypes.c_void_p()
        self._session = ctypes.c_void_p()
        self._check(self._ufb.ufb_load, folder.encode(), ctypes.byref(self._model))
        self._check(self._ufb.ufb_open, ctypes.byref(self._session))
        self.task = self._ufb.ufb_task(self._model).decode()
        self.dimensions = self._ufb.ufb_dimensions(self._model)
        self.labels = [self._ufb.ufb_label(self._model, ctypes.c_size_t(i)).decode()
                       for i in range(self._ufb.ufb_labels(self._model))]

    def __del__(self):
        self._ufb.ufb_close(self._session)
        self._ufb.ufb_free(self._model)

    def _check(self, function, *arguments):
        message = ctypes.create_string_buffer(1024)
        if function(*arguments, message, ctypes.c_size_t(len(message))) != 0:
            raise ValueError(message.value.decode(errors="replace"))

    def _rows(self, function, texts, columns):
        pointers = (ctypes.c_char_p * len(texts))(*[text.encode() for text in texts])
        numbers = (ctypes.c_float * (len(texts) * columns))()
        self._check(function, self._model, self._session, pointers, ctypes.c_size_t(len(texts)), numbers)
        return [numbers[i * columns:(i + 1) * columns] for i in range(len(texts))]

    def embed(self, texts):
        return self._rows(self._ufb.ufb_embed, texts, self.dimensions)

    def classify(self, texts):
        rows = self._rows(self._ufb.ufb_classify, texts, len(self.labels))
        return [sorted(zip(self.labels, row), key=lambda pair: -pair[1]) for row in rows]

    def fill_mask(self, text, top=5):
        candidates = (Candidate * (64 * top))()
        found = ctypes.c_size_t()
        self._check(self._ufb.ufb_fill_mask, self._model, self._session, text.encode(), ctypes.c_size_t(top),
                    candidates, ctypes.c_size_t(len(candidates)), ctypes.byref(found))
        return [(each.position, each.token.decode(errors="replace"), each.probability)
                for each in candidates[:min(found.value, len(candidates))]]


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
    except ValueError as problem:
        sys.exit(str(problem))
