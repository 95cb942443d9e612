"""python damaged.py FOLDER PARSER    reads damaged copies of a small file; a limit on memory and one on time end it.

Prints how many copies were read, and how many were refused by an error that names the file.
"""

import json
import resource
import signal
import struct
import sys
from pathlib import Path

import numpy as np
from test_more_datasets import cora_arrays, damaged, pgm, png

from tinydl import io
from tinydl.data import datasets
from tinydl.data.datasets import graphs
from tinydl.data.idx import read_idx
from tinydl.data.picture import read_pgm, read_picture
from tinydl.tensor import Tensor

MEMORY, SECONDS, COPIES = 512 << 20, 60, 300
PIXELS = np.random.default_rng(0).integers(0, 256, (9, 7), np.uint8)


def idx(path):
    path.write_bytes(struct.pack(">HBB2I", 0, 8, 2, *PIXELS.shape) + PIXELS.tobytes())
    return lambda: read_idx(path)


def one_pgm(path):
    path.write_bytes(pgm(PIXELS))
    return lambda: read_pgm(path)


def one_png(path):
    path.write_bytes(png(PIXELS))
    return lambda: read_picture(path)


def cifar(path):
    path = path.parent / "test_batch.bin"
    path.write_bytes(b"".join(bytes([k]) + bytes(3072) for k in range(3)))
    return lambda: datasets.CIFAR10(path.parent, train=False)


def npz(path):
    np.savez(path.with_suffix(".npz"), **cora_arrays())
    path.with_suffix(".npz").rename(path)
    return lambda: graphs.read_npz(path, {"indptr": "iu", "data": "f", "edges": "iu"})


def text(path):
    path.write_bytes("Zwölf Boxkämpfer\njagen Viktor\n".encode() * 3)
    return lambda: datasets.TextFile(path)


def state(path):
    io.save({"w": Tensor(np.arange(12.0)), "lr": [0.5, 1], "step": 3}, path)
    return lambda: io.load(path)


def checkpoint(path):
    kept = io.Checkpoint(path)
    for step in range(2):
        kept.save({"step": step, "w": Tensor(np.arange(12.0))})
    return kept.load


PARSERS = {f.__name__: f for f in (idx, one_pgm, one_png, cifar, npz, text, state, checkpoint)}


def file_of(path):
    """The file that a parser has made, and reads."""
    kept = [p for p in path.parent.rglob("*") if p.is_file() and "previous" not in p.name]
    assert len(kept) == 1, kept
    return kept[0]


if __name__ == "__main__":
    path = Path(sys.argv[1]) / "file"
    read = PARSERS[sys.argv[2]](path)
    file = file_of(path)
    whole = file.read_bytes()
    read()
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY,) * 2)
    signal.alarm(SECONDS)
    counts = {"read": 0, "refused": 0}
    for content in damaged(whole, COPIES):
        file.write_bytes(content)
        try:
            read()
        except ValueError as error:
            assert file.name in str(error), error
            counts["refused"] += 1
        else:
            counts["read"] += 1
    print(json.dumps(counts))
