# SPDX-License-Identifier: MIT
"""The encoder of the benchmark in PyTorch, in four forms, driven line by line; peers.hpp describes the lines.

usage: torch_worker.py FOLDER THREADS
FOLDER has dense/model.safetensors and fff/model.safetensors, and the token ids of each shape.
"""
import array
import ctypes
import inspect
import json
import math
import mmap
import os
import struct
import sys
import time
import warnings

import torch
from torch import nn
from torch.nn import functional

LAYERS, WIDTH, HEADS, DEPTH, POSITIONS = 16, 768, 12, 11, 128
HEAD_WIDTH = WIDTH // HEADS


def read_tensors(path):
    """All tensors of a safetensors file of float32, by name, over the mapped file."""
    with open(path, "rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    (length,) = struct.unpack("<Q", mapped[:8])
    tensors = {}
    for name, entry in json.loads(mapped[8:8 + length]).items():
        if name == "__metadata__":
            continue
        first, last = entry["data_offsets"]
        flat = torch.frombuffer(mapped, dtype=torch.float32, count=(last - first) // 4, offset=8 + length + first)
        tensors[name] = flat.reshape(entry["shape"])
    return tensors


def linear_of(weight, bias=None):
    """A linear layer over a tensor that is not copied."""
    layer = nn.Linear(1, 1, bias=bias is not None)
    layer.out_features, layer.in_features = weight.shape
    layer.weight = nn.Parameter(weight, requires_grad=False)
    if bias is not None:
        layer.bias = nn.Parameter(bias, requires_grad=False)
    return layer


def norm_of(tensors, prefix):
    norm = nn.LayerNorm(WIDTH, eps=1e-12)
    norm.weight = nn.Parameter(tensors[prefix + "weight"], requires_grad=False)
    norm.bias = nn.Parameter(tensors[prefix + "bias"], requires_grad=False)
    return norm


class Attention(nn.Module):
    """Rows of the joint projection lie head by head: query, key, value."""

    def __init__(self, tensors, prefix):
        super().__init__()
        self.query_key_value = linear_of(tensors[prefix + "self_attention.query_key_value.weight"])
        self.dense = linear_of(tensors[prefix + "dense.weight"])
        self.factor = float(tensors[prefix + "self_attention.norm_factor"])

    def forward(self, x):
        batch, length = x.shape[0], x.shape[1]
        joint = self.query_key_value(x).view(batch, length, HEADS, 3 * HEAD_WIDTH).transpose(1, 2)
        query, key, value = joint.split(HEAD_WIDTH, dim=-1)
        shares = torch.softmax(torch.matmul(query, key.transpose(-1, -2)) * self.factor, dim=-1)
        mixed = torch.matmul(shares, value).transpose(1, 2).reshape(batch, length, WIDTH)
        return self.dense(mixed)


class DenseFeedforward(nn.Module):
    def __init__(self, tensors, prefix):
        super().__init__()
        self.dense_in = linear_of(tensors[prefix + "dense_in.weight"])
        self.dense_out = linear_of(tensors[prefix + "dense_out.weight"])

    def forward(self, x):
        return self.dense_out(functional.gelu(self.dense_in(x)))


class MaskedFeedforward(nn.Module):
    """As the published model computes it: every neuron of the tree, and then a mask of those on the path."""

    def __init__(self, tensors, prefix):
        super().__init__()
        self.linear_in = linear_of(tensors[prefix + "linear_in.weight"], tensors[prefix + "linear_in.bias"])
        self.linear_out = linear_of(tensors[prefix + "linear_out.weight"])

    def forward(self, x):
        logits = self.linear_in(x.reshape(-1, WIDTH))
        node = torch.zeros((logits.shape[0], 1), dtype=torch.long)
        mask = torch.zeros_like(logits)
        mask.scatter_(1, node, 1.0)
        for _ in range(DEPTH):
            node = 2 * node + 1 + (logits.gather(1, node) > 0).long()
            mask.scatter_(1, node, 1.0)
        return self.linear_out(functional.gelu(logits) * mask).view_as(x)


class GatheredFeedforward(nn.Module):
    """Level by level, with the rows of all tokens gathered for one batched product; the outputs in one more."""

    def __init__(self, tensors, prefix):
        super().__init__()
        self.rows_in = tensors[prefix + "linear_in.weight"]
        self.bias = tensors[prefix + "linear_in.bias"]
        self.rows_out = tensors[prefix + "linear_out.weight"].t().contiguous()

    def forward(self, x):
        tokens = x.reshape(-1, WIDTH)
        column = tokens.unsqueeze(-1)
        node = torch.zeros(tokens.shape[0], dtype=torch.long)
        nodes, logits = [], []
        for level in range(DEPTH + 1):
            rows = self.rows_in.index_select(0, node).unsqueeze(1)
            logit = torch.bmm(rows, column).flatten() + self.bias.index_select(0, node)
            nodes.append(node)
            logits.append(logit)
            if level < DEPTH:
                node = 2 * node + 1 + (logit > 0).long()
        path = torch.stack(nodes, dim=1)
        rows = self.rows_out.index_select(0, path.flatten()).view(tokens.shape[0], DEPTH + 1, WIDTH)
        return torch.bmm(functional.gelu(torch.stack(logits, dim=1)).unsqueeze(1), rows).view_as(x)


class Block(nn.Module):
    def __init__(self, tensors, prefix, feedforward):
        super().__init__()
        self.norm1 = norm_of(tensors, prefix + "norm1.")
        self.attention = Attention(tensors, prefix + "attn.")
        self.norm2 = norm_of(tensors, prefix + "norm2.")
        self.feedforward = feedforward(tensors, prefix + "ffn.")

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.feedforward(self.norm2(x))


class Encoder(nn.Module):
    def __init__(self, tensors, feedforward):
        super().__init__()
        self.words = nn.Embedding.from_pretrained(tensors["encoder.embedding.word_embedding.weight"])
        step = torch.exp(torch.arange(0, WIDTH, 2, dtype=torch.float32) * (-math.log(10000.0) / WIDTH))
        angles = torch.arange(POSITIONS, dtype=torch.float32).unsqueeze(1) * step
        table = torch.stack((torch.sin(angles), torch.cos(angles)), dim=2).view(POSITIONS, WIDTH)
        self.register_buffer("positions", table * tensors["encoder.embedding.pos_embedding.scale_factor"])
        self.norm = norm_of(tensors, "encoder.embedding.norm.")
        self.blocks = nn.ModuleList(
            Block(tensors, "encoder.layers.%d." % i, feedforward) for i in range(LAYERS))
        self.final_norm = norm_of(tensors, "encoder.final_norm.")

    def forward(self, ids):
        x = self.norm(self.words(ids) + self.positions[:ids.shape[1]])
        for block in self.blocks:
            x = block(x)
        return self.final_norm(x)


def seconds_of(model, ids):
    model(ids)
    start = time.perf_counter()
    model(ids)
    return time.perf_counter() - start


def quantized(model):
    """The model with dynamic int8 linear layers, in the faster of the ways that this PyTorch has, and its name."""
    ids = torch.zeros((1, 64), dtype=torch.long)
    best = None
    engines = [engine for engine in torch.backends.quantized.supported_engines if engine != "none"]
    for engine in [engine for engine in engines if engine != "qnnpack"] or engines:  # that one is for phones
        try:
            torch.backends.quantized.engine = engine
            candidate = torch.quantization.quantize_dynamic(model, {nn.Linear}, dtype=torch.qint8)
            found = (seconds_of(candidate, ids), engine, candidate)
        except RuntimeError as problem:
            print("PyTorch's int8 engine %s: %s" % (engine, str(problem).splitlines()[0]), file=sys.stderr)
            continue
        if best is None or found[0] < best[0]:
            best = found
    return best


def blas_of_this_process():
    """The library that PyTorch's products run on, by its folder or file: which one it is decides their speed."""
    names = set()
    with open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:
        for line in maps:
            folder, file = os.path.split(line.split()[-1])
            if file.startswith(("libblas", "libopenblas", "libmkl")):
                names.add(os.path.basename(folder) if "blas" in folder else file)
    return ", ".join(sorted(names)) or "a BLAS of its own"


def export(model, file, opset):
    """Writes the model as ONNX, by the exporter that traces: it needs no further package."""
    options = {"dynamo": False} if "dynamo" in inspect.signature(torch.onnx.export).parameters else {}
    axes = {0: "batch", 1: "length"}
    torch.onnx.export(model, (torch.zeros((2, 16), dtype=torch.long),), file, opset_version=opset, input_names=["ids"],
                      output_names=["states"], dynamic_axes={"ids": axes, "states": axes}, **options)


def main():
    folder, threads = sys.argv[1], int(sys.argv[2])
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever a library prints is no answer
    warnings.filterwarnings("ignore")
    torch.set_num_threads(threads)
    torch.set_grad_enabled(False)

    dense = read_tensors(os.path.join(folder, "dense", "model.safetensors"))
    fff = read_tensors(os.path.join(folder, "fff", "model.safetensors"))
    models = {
        "torch_dense": Encoder(dense, DenseFeedforward).eval(),
        "torch_fff_masked": Encoder(fff, MaskedFeedforward).eval(),
        "torch_fff_gather": Encoder(fff, GatheredFeedforward).eval(),
    }
    note = ""
    int8 = quantized(models["torch_dense"])
    if int8 is None:
        answers.write("@without torch_dense_int8 this PyTorch has no int8 engine that runs here\n")
    else:
        torch.backends.quantized.engine = int8[1]
        models["torch_dense_int8"] = int8[2]
        note = ", int8 by " + int8[1]
    answers.write("@version PyTorch %s over %s%s\n" % (torch.__version__, blas_of_this_process(), note))
    answers.write("@ready\n")

    variants = []
    for line in sys.stdin:
        words = line.split()
        try:
            if words[0] == "shape":
                batch, length = int(words[1]), int(words[2])
                ids = array.array("q")
                with open(os.path.join(folder, "ids.bin"), "rb") as file:
                    ids.frombytes(file.read())
                variants = list(torch.tensor(ids, dtype=torch.long).view(-1, batch, length).unbind(0))
            elif words[0] == "run":
                models[words[1]](variants[int(words[2])])
            elif words[0] == "states":
                states = models[words[1]](variants[int(words[2])]).contiguous()
                with open(os.path.join(folder, "states.bin"), "wb") as file:
                    file.write(ctypes.string_at(states.data_ptr(), 4 * states.numel()))
            elif words[0] == "export":
                export(models["torch_dense"], os.path.join(folder, "dense.onnx"), int(words[1]))
            elif words[0] != "ping":
                raise ValueError("no request is called '%s'" % words[0])
            answers.write("@ok\n")
        except Exception as problem:  # becomes the answer: the driver decides what it means
            answers.write("@error %s\n" % " ".join(str(problem).split()))


main()
