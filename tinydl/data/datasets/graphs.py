"""Graphs: the citations of Cora."""

from __future__ import annotations

import math
import os
import zipfile

import numpy as np

from ...tensor import Tensor
from .. import sources

_LARGEST = 1 << 28  # bytes of one array


def read_npz(path: str | os.PathLike, names: dict[str, str]) -> dict[str, np.ndarray]:
    """The arrays `names` (name -> kinds of its dtype, such as "iu") of an .npz file, without pickle.

    What a header says is compared with what is there before memory is taken.  ValueError naming the file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return {name: _read_array(archive, name, kinds) for name, kinds in names.items()}
    except FileNotFoundError:
        raise
    except Exception as error:  # zipfile and NumPy raise many kinds for bytes that lie
        raise ValueError(f"{path}: the file cannot be read: {error}") from error


def _read_array(archive: zipfile.ZipFile, name: str, kinds: str) -> np.ndarray:
    with archive.open(f"{name}.npy") as file:
        if np.lib.format.read_magic(file) != (1, 0):  # later versions allow headers of any size
            raise ValueError(f"{name}: not version 1.0 of NumPy's format")
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
        size = math.prod(shape) * dtype.itemsize
        if dtype.kind not in kinds or fortran or min(shape, default=0) < 0 or size > _LARGEST:
            raise ValueError(f"{name}: {dtype} {shape} is not what belongs there")
        content = file.read(size + 1)
    if len(content) != size:
        raise ValueError(f"{name}: {dtype} {shape} is {size} bytes, but {len(content)} or more are there")
    return np.frombuffer(content, dtype).reshape(shape)


class Cora:
    """2,708 papers on machine learning in seven fields, the words they use and whom they cite (Sen et al. 2008).

    x           (N, 1433) float32, 1 where a paper uses a word
    y           (N,) int64, numbers of `classes`
    edge_index  (2, E) int64, each citation in both directions
    train_mask, val_mask, test_mask  (N,) bool: 140, 500 and 1,000 papers (Yang, Cohen and Salakhutdinov 2016)

    It reads cora.npz: indptr, indices, data, shape (x in compressed rows), label, edges (E / 2, 2), train, val, test
    (numbers of papers).  FileNotFoundError that says where it belongs, ValueError for a damaged file.
    """

    classes = (
        "theory", "reinforcement learning", "genetic algorithms", "neural networks",
        "probabilistic methods", "case based", "rule learning",
    )  # fmt: skip
    _arrays = dict.fromkeys(("indptr", "indices", "shape", "label", "edges", "train", "val", "test"), "iu")

    def __init__(self, root: str | os.PathLike | None = None):
        path = sources.fetch("Cora", "cora.npz", root)
        raw = read_npz(path, {**self._arrays, "data": "fiu"})
        if fault := self._fault(raw):
            raise ValueError(f"{path}: {fault}")
        N, words = map(int, raw["shape"])
        x = np.zeros((N, words), np.float32)
        x[np.repeat(np.arange(N), np.diff(raw["indptr"])), raw["indices"]] = raw["data"]
        edges = raw["edges"].astype(np.int64).T
        self.x, self.y = Tensor(x), Tensor(raw["label"].astype(np.int64))
        self.edge_index = Tensor(np.concatenate([edges, edges[::-1]], 1))
        for part in ("train", "val", "test"):
            mask = np.zeros(N, bool)
            mask[raw[part]] = True
            setattr(self, f"{part}_mask", Tensor(mask))

    @classmethod
    def _fault(cls, raw) -> str | None:
        """What contradicts itself in the file, so that no index can leave its array."""
        if raw["shape"].shape != (2,) or not all(0 < int(n) <= 1 << 20 for n in raw["shape"]):
            return f"shape must be two numbers above 0, got {raw['shape']}"
        N, words = map(int, raw["shape"])
        if N * words * 4 > _LARGEST:
            return f"features {N} x {words} are more than {_LARGEST} bytes"
        if any(raw[name].ndim != (2 if name == "edges" else 1) for name in raw) or raw["edges"].shape[1] != 2:
            return f"expected vectors and edges (E, 2), got { {name: a.shape for name, a in raw.items()} }"
        starts, count = raw["indptr"].astype(np.int64), len(raw["indices"])
        whole = len(starts) == N + 1 and starts[0] == 0 and starts[-1] == count == len(raw["data"])
        if not whole or (np.diff(starts) < 0).any() or len(raw["label"]) != N:
            return f"indptr, indices, data and label do not describe {N} rows"
        if not np.isfinite(raw["data"]).all():
            return "data holds numbers that are not finite"
        limits = {"indices": words, "label": len(cls.classes), "edges": N, "train": N, "val": N, "test": N}
        for name, limit in limits.items():
            values = raw[name]
            if values.size and not 0 <= values.min() <= values.max() < limit:
                return f"{name} must be 0 ... {limit - 1}, got {values.min()} ... {values.max()}"
        return None

    def adjacency(self) -> Tensor:
        """(N, N) float32: D^-1/2 (A + I) D^-1/2, by which a graph convolution averages (Kipf and Welling 2017)."""
        N = len(self.y)
        a = np.eye(N, dtype=np.float32)
        a[tuple(self.edge_index.array)] = 1
        scale = 1 / np.sqrt(a.sum(1))
        return Tensor(scale[:, None] * a * scale)

    def __repr__(self) -> str:
        return f"Cora({len(self.y)} papers, {self.edge_index.shape[1]} edges)"
