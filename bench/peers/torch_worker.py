# SPDX-License-Identifier: MIT
"""The encoders of the benchmarks in PyTorch, driven line by line; peers.hpp describes the lines.

usage: torch_worker.py FOLDER THREADS
FOLDER has hub/model.safetensors, or dense/model.safetensors and fff/model.safetensors, and the token ids of each shape.
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
    norm = nn.LayerNorm(tensors[prefix + "weight"].shape[0], eps=1e-12)
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


class HubAttention(nn.Module):
    """Attention as the hub's BERT has it: three projections with biases, and a mask that is added to the products."""

    def __init__(self, tensors, prefix, heads):
        super().__init__()
        self.query, self.key, self.value, self.dense = (
            linear_of(tensors[prefix + name + ".weight"], tensors[prefix + name + ".bias"])
            for name in ("self.query", "self.key", "self.value", "output.dense"))
        self.heads = heads
        self.head_width = self.query.out_features // heads

    def split(self, x):
        return x.view(x.shape[0], x.shape[1], self.heads, self.head_width).permute(0, 2, 1, 3)

    def forward(self, x, mask):
        query, key, value = self.split(self.query(x)), self.split(self.key(x)), self.split(self.value(x))
        products = torch.matmul(query, key.transpose(-1, -2)) / math.sqrt(self.head_width) + mask
        mixed = torch.matmul(torch.softmax(products, dim=-1), value).permute(0, 2, 1, 3).contiguous()
        return self.dense(mixed.view(x.shape[0], x.shape[1], self.heads * self.head_width))


class HubBlock(nn.Module):
    def __init__(self, tensors, prefix, heads):
        super().__init__()
        self.attention = HubAttention(tensors, prefix + "attention.", heads)
        self.norm1 = norm_of(tensors, prefix + "attention.output.LayerNorm.")
        self.dense_in, self.dense_out = (
            linear_of(tensors[prefix + name + ".dense.weight"], tensors[prefix + name + ".dense.bias"])
            for name in ("intermediate", "output"))
        self.norm2 = norm_of(tensors, prefix + "output.LayerNorm.")

    def forward(self, x, mask):
        x = self.norm1(self.attention(x, mask) + x)
        return self.norm2(self.dense_out(functional.gelu(self.dense_in(x))) + x)


class HubEncoder(nn.Module):
    """BERT as the hub stores it, of the sizes that config.json says. All tokens are of the first type."""

    def __init__(self, tensors, config):
        super().__init__()
        self.words, self.positions, self.types = (
            nn.Embedding.from_pretrained(tensors["embeddings." + name + "_embeddings.weight"])
            for name in ("word", "position", "token_type"))
        self.register_buffer("places", torch.arange(config["max_position_embeddings"]).unsqueeze(0))
        self.norm = norm_of(tensors, "embeddings.LayerNorm.")
        self.blocks = nn.ModuleList(HubBlock(tensors, "encoder.layer.%d." % i, config["num_attention_heads"])
                                    for i in range(config["num_hidden_layers"]))

    def forward(self, ids, mask):
        places = self.places[:, :ids.shape[1]]
        x = self.norm(self.words(ids) + self.types(torch.zeros_like(ids)) + self.positions(places))
        added = (1.0 - mask.unsqueeze(1).unsqueeze(2).to(dtype=torch.float32)) * -10000.0
        for block in self.blocks:
            x = block(x, added)
        return x


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
    """Writes a model as ONNX, by the exporter that traces: it needs no further package."""
    options = {"dynamo": False} if "dynamo" in inspect.signature(torch.onnx.export).parameters else {}
    names = ["ids", "mask"] if isinstance(model, HubEncoder) else ["ids"]
    inputs = (torch.zeros((2, 16), dtype=torch.long), torch.ones((2, 16), dtype=torch.long))[:len(names)]
    axes = {0: "batch", 1: "length"}
    torch.onnx.export(model, inputs, file, opset_version=opset, input_names=names, output_names=["states"],
                      dynamic_axes={name: axes for name in names + ["states"]}, **options)


def read_calls(folder, sizes):
    """The inputs of each variant: ids and mask of its calls, whose sizes are given as "BATCHxLENGTH"."""
    shapes = [tuple(int(number) for number in size.split("x")) for size in sizes]
    numbers = []
    for name in ("ids.bin", "mask.bin"):
        values = array.array("q")
        with open(os.path.join(folder, name), "rb") as file:
            values.frombytes(file.read())
        numbers.append(torch.tensor(values, dtype=torch.long))
    variants, first = [], 0
    while first < len(numbers[0]):
        calls = []
        for batch, length in shapes:
            calls.append(tuple(values[first:first + batch * length].view(batch, length) for values in numbers))
            first += batch * length
        variants.append(calls)
    return variants


def states_of(model, calls):
    """The states of all calls, one behind another."""
    return [model(ids, mask) if isinstance(model, HubEncoder) else model(ids) for ids, mask in calls]


def main():
    folder, threads = sys.argv[1], int(sys.argv[2])
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever a library prints is no answer
    warnings.filterwarnings("ignore")
    torch.set_num_threads(threads)
    torch.set_grad_enabled(False)

    models, note = {}, ""
    if os.path.exists(os.path.join(folder, "hub")):
        with open(os.path.join(folder, "hub", "config.json"), encoding="utf-8") as file:
            config = json.load(file)
        tensors = read_tensors(os.path.join(folder, "hub", "model.safetensors"))
        models["torch_hub"] = HubEncoder(tensors, config).eval()
    else:
        dense = read_tensors(os.path.join(folder, "dense", "model.safetensors"))
        fff = read_tensors(os.path.join(folder, "fff", "model.safetensors"))
        models["torch_dense"] = Encoder(dense, DenseFeedforward).eval()
        models["torch_fff_masked"] = Encoder(fff, MaskedFeedforward).eval()
        models["torch_fff_gather"] = Encoder(fff, GatheredFeedforward).eval()
        int8 = quantized(models["torch_dense"])
        if int8 is None:
            answers.write("@without torch_dense_int8 this PyTorch has no int8 engine that runs here\n")
        else:
            torch.backends.quantized.engine = int8[1]
            models["torch_dense_int8"] = int8[2]
            note = ", int8 by " + int8[1]
    answers.write("@version PyTorch %s over %s%s\n" % (torch.__version__, blas_of_this_process(), note))
    answers.write("@ready\n")

    plans = {}
    for line in sys.stdin:
        words = line.split()
        try:
            if words[0] == "shape":
                plans[words[1]] = read_calls(folder, words[2:])
            elif words[0] == "run":
                states_of(models[words[1]], plans[words[2]][int(words[3])])
            elif words[0] == "states":
                with open(os.path.join(folder, "states.bin"), "wb") as file:
                    for states in states_of(models[words[1]], plans[words[2]][int(words[3])]):
                        states = states.contiguous()
                        file.write(ctypes.string_at(states.data_ptr(), 4 * states.numel()))
            elif words[0] == "export":
                export(models[words[1]], os.path.join(folder, "model.onnx"), int(words[2]))
            elif words[0] != "ping":
                raise ValueError("no request is called '%s'" % words[0])
            answers.write("@ok\n")
        except Exception as problem:  # becomes the answer: the driver decides what it means
            answers.write("@error %s\n" % " ".join(str(problem).split()))


main()
