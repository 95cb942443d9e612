"""Random numbers of Philox 4x32-10 (kernels/philox.py), shared out among threads by blocks.

Element i of a draw takes fixed words of the stream that starts at block `offset`:

    philox_bits, float32 uniform, dropout   word i
    float64 uniform                         words 2i, 2i + 1
    normal (both types)                     the four words of block i // 2, for i and i + 1
"""

import numpy as np
from numba import prange, uint64

from .. import philox as formulas
from .arrays import FLOATS, plain
from .jit import jit

CHUNK = 4096  # elements in a job

exact = jit(contract=False)  # a * b + c in one rounding would be other bits
philox, bits53 = exact(formulas.philox), exact(formulas.bits53)
minus_log, cos_sin = exact(formulas.minus_log), exact(formulas.cos_sin)


def philox_bits(x, seed, offset):
    """Raw words, 0 to 2**32 - 1, as int64, of x's shape."""
    return _filled(_bits, np.empty(x.shape, np.int64), seed, offset)


def philox_uniform(x, seed, offset):
    """Uniform in [0, 1), of x's shape and type: multiples of 2**-24 (float32) or 2**-53 (float64)."""
    if x.dtype not in FLOATS:
        return NotImplemented
    fill = _uniform if x.itemsize == 4 else _uniform_double
    return _filled(fill, np.empty(x.shape, x.dtype), seed, offset)


def philox_normal(x, seed, offset):
    """Standard normal, of x's shape and type: computed in float64 (Box and Muller 1958), rounded."""
    if x.dtype not in FLOATS:
        return NotImplemented
    return _filled(_normal, np.empty(x.shape, x.dtype), seed, offset)


def dropout(x, p, seed, offset):
    """x / (1 - p) where the uniform number of the element is at least p, else 0."""
    if x.dtype not in FLOATS:
        return NotImplemented
    # uniform numbers are multiples of 2**-24: u >= p where their 24 bits are at least this
    threshold = np.uint64(-(-p * 2**24 // 1))
    scale = x.dtype.type(1 / (1 - p) if p < 1 else 0)
    out = np.empty(x.shape, x.dtype)
    return _filled(_dropout, out, seed, offset, plain(x).reshape(-1), threshold, scale)


def _filled(fill, out, seed, offset, *more):
    fill(np.uint64(seed), np.uint64(offset), *more, out.reshape(-1))
    return out


@jit(parallel=True, contract=False)
def _bits(seed, offset, out):
    for job in prange(-(-len(out) // CHUNK)):
        for i in range(job * CHUNK, min((job + 1) * CHUNK, len(out)), 4):
            words = philox(seed, offset + uint64(i // 4))
            for j in range(min(4, len(out) - i)):
                out[i + j] = words[j]


@jit(parallel=True, contract=False)
def _uniform(seed, offset, out):
    for job in prange(-(-len(out) // CHUNK)):
        for i in range(job * CHUNK, min((job + 1) * CHUNK, len(out)), 4):
            words = philox(seed, offset + uint64(i // 4))
            for j in range(min(4, len(out) - i)):
                out[i + j] = (words[j] >> uint64(8)) * 2.0**-24


@jit(parallel=True, contract=False)
def _uniform_double(seed, offset, out):
    for job in prange(-(-len(out) // CHUNK)):
        for i in range(job * CHUNK, min((job + 1) * CHUNK, len(out)), 2):
            words = philox(seed, offset + uint64(i // 2))
            out[i] = bits53(words[0], words[1]) * 2.0**-53
            if i + 1 < len(out):
                out[i + 1] = bits53(words[2], words[3]) * 2.0**-53


@jit(parallel=True, contract=False)
def _normal(seed, offset, out):
    for job in prange(-(-len(out) // CHUNK)):
        for i in range(job * CHUNK, min((job + 1) * CHUNK, len(out)), 2):
            words = philox(seed, offset + uint64(i // 2))
            radius = np.sqrt(2.0 * minus_log(bits53(words[0], words[1])))
            c, s = cos_sin(bits53(words[2], words[3]))
            out[i] = radius * c
            if i + 1 < len(out):
                out[i + 1] = radius * s


@jit(parallel=True, contract=False)
def _dropout(seed, offset, x, threshold, scale, out):
    for job in prange(-(-len(out) // CHUNK)):
        for i in range(job * CHUNK, min((job + 1) * CHUNK, len(out)), 4):
            words = philox(seed, offset + uint64(i // 4))
            for j in range(min(4, len(out) - i)):
                keep = words[j] >> uint64(8) >= threshold
                out[i + j] = x[i + j] * scale if keep else x.dtype.type(0)
