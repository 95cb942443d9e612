"""Random numbers of Philox 4x32-10 (kernels/philox.py), shared out among threads by blocks.

Element i of a draw takes fixed words of the stream that starts at block `offset`:

    philox_bits, float32 uniform, dropout   word i
    float64 uniform                         words 2i, 2i + 1
    normal (both types)                     the four words of block i // 2, for i and i + 1
"""

import numpy as np
from numba import uint64

from .. import philox as formulas
from .arrays import FLOATS, empty, plain
from .jit import jit
from .jobs import jobs

LANES = 32  # blocks drawn at once, which become vector code
GROUP, PAIRS = 4 * LANES, 2 * LANES  # their words, and pairs of these
JOB = 32 * GROUP  # words in a job

exact = jit(contract=False)  # a * b + c in one rounding would be other bits
bits53 = exact(formulas.bits53)
minus_log, cos_sin = exact(formulas.minus_log), exact(formulas.cos_sin)


def philox_bits(x, seed, offset):
    """Raw words, 0 to 2**32 - 1, as int64, of x's shape."""
    return _filled(_bits, JOB, empty(x.shape, np.int64), seed, offset)


def philox_uniform(x, seed, offset):
    """Uniform in [0, 1), of x's shape and type: multiples of 2**-24 (float32) or 2**-53 (float64)."""
    if x.dtype not in FLOATS:
        return NotImplemented
    fill, many = (_uniform, JOB) if x.itemsize == 4 else (_uniform_double, JOB // 2)
    return _filled(fill, many, empty(x.shape, x.dtype), seed, offset)


def philox_normal(x, seed, offset):
    """Standard normal, of x's shape and type: computed in float64 (Box and Muller 1958), rounded."""
    if x.dtype not in FLOATS:
        return NotImplemented
    return _filled(_normal, JOB // 2, empty(x.shape, x.dtype), seed, offset)


def dropout(x, p, seed, offset):
    """x / (1 - p) where the uniform number of the element is at least p, else 0."""
    if x.dtype not in FLOATS:
        return NotImplemented
    # uniform numbers are multiples of 2**-24: u >= p where their 24 bits are at least this
    threshold, scale = int(-(-p * 2**24 // 1)), 1 / (1 - p) if p < 1 else 0.0
    return _filled(_dropout, JOB, empty(x.shape, x.dtype), seed, offset, plain(x).reshape(-1), threshold, scale)


def _filled(fill, many, out, seed, offset, *more):
    """fill(job, seed, offset, ..., out), where a job is `many` numbers; those of 64 bits travel with a sign."""
    seed, offset = (int(np.uint64(n).view(np.int64)) for n in (seed, offset))
    fill(-(-out.size // many), seed, offset, *more, out.reshape(-1))
    return out


@jit(contract=False)
def _draw(seed, block, state, words):
    """The words of LANES blocks: the formula of kernels/philox.py with its rounds outside and the blocks inside."""
    low, half = uint64(0xFFFFFFFF), uint64(32)
    for l in range(LANES):
        state[0, l], state[1, l] = block + uint64(l) & low, block + uint64(l) >> half
        state[2, l] = state[3, l] = uint64(0)
    k0, k1 = seed & low, seed >> half
    for _ in range(10):
        for l in range(LANES):
            a = uint64(0xD2511F53) * (state[0, l] & low)
            b = uint64(0xCD9E8D57) * (state[2, l] & low)
            state[0, l] = b >> half ^ state[1, l] ^ k0
            state[2, l] = a >> half ^ state[3, l] ^ k1
            state[1, l], state[3, l] = b & low, a & low
        k0, k1 = k0 + uint64(0x9E3779B9) & low, k1 + uint64(0xBB67AE85) & low
    for l in range(LANES):
        for j in range(4):
            words[4 * l + j] = state[j, l]


@jit(contract=False)
def _scratch():
    return np.empty((4, LANES), np.uint64), np.empty(GROUP, np.uint64)


@jobs(contract=False)
def _bits(job, seed, offset, out):
    state, words = _scratch()
    for i in range(job * JOB, min((job + 1) * JOB, len(out)), GROUP):
        _draw(uint64(seed), uint64(offset) + uint64(i // 4), state, words)
        for k in range(min(GROUP, len(out) - i)):
            out[i + k] = words[k]


@jobs(contract=False)
def _uniform(job, seed, offset, out):
    state, words = _scratch()
    for i in range(job * JOB, min((job + 1) * JOB, len(out)), GROUP):
        _draw(uint64(seed), uint64(offset) + uint64(i // 4), state, words)
        for k in range(min(GROUP, len(out) - i)):
            out[i + k] = (words[k] >> uint64(8)) * 2.0**-24


@jobs(contract=False)
def _uniform_double(job, seed, offset, out):
    state, words = _scratch()
    for i in range(job * JOB // 2, min((job + 1) * JOB // 2, len(out)), PAIRS):
        _draw(uint64(seed), uint64(offset) + uint64(i // 2), state, words)
        for k in range(min(PAIRS, len(out) - i)):
            out[i + k] = bits53(words[2 * k], words[2 * k + 1]) * 2.0**-53


@jit(contract=False)
def _pair(state, pairs):
    """Box and Muller's two numbers of each block: all angles and radii first, so that they become vector code."""
    for l in range(LANES):
        radius = np.sqrt(2.0 * minus_log(bits53(state[0, l], state[1, l])))
        c, s = cos_sin(bits53(state[2, l], state[3, l]))
        pairs[0, l], pairs[1, l] = radius * c, radius * s


@jobs(contract=False)
def _normal(job, seed, offset, out):
    (state, words), pairs = _scratch(), np.empty((2, LANES))
    for i in range(job * JOB // 2, min((job + 1) * JOB // 2, len(out)), PAIRS):
        _draw(uint64(seed), uint64(offset) + uint64(i // 2), state, words)
        _pair(state, pairs)
        for k in range(min(PAIRS, len(out) - i)):
            out[i + k] = pairs[k & 1, k >> 1]


@jobs(contract=False)
def _dropout(job, seed, offset, x, threshold, scale, out):
    (state, words), factor = _scratch(), x.dtype.type(scale)
    for i in range(job * JOB, min((job + 1) * JOB, len(out)), GROUP):
        _draw(uint64(seed), uint64(offset) + uint64(i // 4), state, words)
        for k in range(min(GROUP, len(out) - i)):
            keep = words[k] >> uint64(8) >= uint64(threshold)
            out[i + k] = x[i + k] * factor if keep else x.dtype.type(0)
