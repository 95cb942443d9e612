"""The IDX format of MNIST: a magic number, big-endian sizes, then the elements.

Files come from the network, so nothing in them is believed: not the sizes, not the length.
Source: http://yann.lecun.com/exdb/mnist/ ("The IDX file format").
"""

from __future__ import annotations

import gzip
import math
import zlib
from os import PathLike

import numpy as np

_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_CHUNK = 1 << 20


def read_idx(path: str | PathLike, limit: int = 1 << 30) -> np.ndarray:
    """The array of an IDX file, plain or gzip, in the machine's byte order.

    `limit`: bytes that the elements may take. ValueError that names the file and what is wrong.
    """
    with open(path, "rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        try:
            return _parse(gzip.GzipFile(fileobj=raw) if packed else raw, path, limit)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise ValueError(f"{path}: the gzip stream is damaged: {error}") from error


def _parse(file, path, limit: int) -> np.ndarray:
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _TYPES or not magic[3]:
        raise ValueError(
            f"{path}: not an IDX file, it begins with {magic.hex(' ') or 'nothing'}; expected "
            f"00 00, a type ({', '.join(f'{t:02x}' for t in _TYPES)}), the number of dimensions"
        )
    dtype, sizes = np.dtype(_TYPES[magic[2]]), file.read(4 * magic[3])
    if len(sizes) < 4 * magic[3]:
        raise ValueError(f"{path}: the header ends after {4 + len(sizes)} bytes")
    shape = tuple(np.frombuffer(sizes, ">u4").tolist())
    expected = math.prod(shape) * dtype.itemsize
    if expected > limit or magic[3] > 32:
        raise ValueError(f"{path}: the header says {shape}, more than the {limit} bytes allowed")
    data = bytearray()
    while len(data) <= expected and (chunk := file.read(min(_CHUNK, expected + 1 - len(data)))):
        data += chunk  # grows with what is there, not with what the header says
    if len(data) != expected:
        found = "more follow" if len(data) > expected else f"only {len(data)} are there"
        raise ValueError(f"{path}: {shape} of {dtype.name} is {expected} bytes, but {found}")
    return np.frombuffer(data, dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)
