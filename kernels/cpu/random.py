"""Random numbers of Philox 4x32-10 (kernels/philox.py), shared out among threads by blocks.

Element i of a draw takes fixed words of the stream that starts at block `offset`:

    philox_bits, float32 uniform, dropout   word i
    float64 uniform                         words 2i, 2i + 1
    normal (both types)                     the four words of block i // 2, for i and i + 1
"""

import numpy as np
from numba import carray, float32, int32, uint32, uint64
from numba.extending import register_jitable

from .. import philox as formulas
from .arrays import FLOATS, empty, plain
from .jit import jit
from .jobs import jobs
from .microkernel import address

LANES = 32  # blocks drawn at once, which become vector code
GROUP, PAIRS = 4 * LANES, 2 * LANES  # their words, and pairs of these
JOB = 32 * GROUP  # words in a job
LOW, HALF = np.uint64(0xFFFFFFFF), np.uint64(32)

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


@register_jitable
def _round(state, k0, k1):
    c0, c1, c2, c3 = state
    a, b = uint64(0xD2511F53) * c0, uint64(0xCD9E8D57) * c2
    return b >> HALF ^ c1 ^ k0, b & LOW, a >> HALF ^ c3 ^ k1, a & LOW


@register_jitable
def _rounds(state, k0, k1):
    """Two rounds, and the keys of the next."""
    l0, l1 = k0 + uint64(0x9E3779B9) & LOW, k1 + uint64(0xBB67AE85) & LOW
    state = _round(_round(state, k0, k1), l0, l1)
    return state, l0 + uint64(0x9E3779B9) & LOW, l1 + uint64(0xBB67AE85) & LOW


@jit(contract=False)
def _draw(seed, block, words):
    """The words of LANES blocks: the formula of kernels/philox.py, whose loop over the rounds, if it stays one, keeps
    LLVM from making this loop vector code; so they are written out."""
    for l in range(LANES):
        n = block + uint64(l)
        c, k0, k1 = _rounds((n & LOW, n >> HALF, uint64(0), uint64(0)), seed & LOW, seed >> HALF)
        c, k0, k1 = _rounds(c, k0, k1)
        c, k0, k1 = _rounds(c, k0, k1)
        c, k0, k1 = _rounds(c, k0, k1)
        c, k0, k1 = _rounds(c, k0, k1)
        for j in range(4):
            words[4 * l + j] = c[j]


@jit(contract=False)
def _scratch():
    return np.empty(GROUP, np.uint32)


@register_jitable
def _group(seed, offset, place, words, out, i, many):
    """Draws from block offset + place on; -> the up to `many` numbers of out from i on that the words are for."""
    _draw(uint64(seed), uint64(offset) + uint64(place), words)
    return carray(address(out, i), min(many, len(out) - i))


@jobs(contract=False)
def _bits(job, seed, offset, out):
    words = _scratch()
    for i in range(job * JOB, min((job + 1) * JOB, len(out)), GROUP):
        part = _group(seed, offset, i // 4, words, out, i, GROUP)
        for k in range(len(part)):
            part[k] = words[k]


@jobs(contract=False)
def _uniform(job, seed, offset, out):
    words = _scratch()
    for i in range(job * JOB, min((job + 1) * JOB, len(out)), GROUP):
        part = _group(seed, offset, i // 4, words, out, i, GROUP)
        for k in range(len(part)):
            part[k] = float32(int32(words[k] >> uint32(8))) * float32(2.0**-24)


@jobs(contract=False)
def _uniform_double(job, seed, offset, out):
    words = _scratch()
    for i in range(job * JOB // 2, min((job + 1) * JOB // 2, len(out)), PAIRS):
        part = _group(seed, offset, i // 2, words, out, i, PAIRS)
        for k in range(len(part)):
            part[k] = bits53(uint64(words[2 * k]), uint64(words[2 * k + 1])) * 2.0**-53


@jit(contract=False)
def _pair(words, pairs):
    """Box and Muller's two numbers of each block: all angles and radii first, so that they become vector code."""
    for l in range(LANES):
        radius = np.sqrt(2.0 * minus_log(bits53(uint64(words[4 * l]), uint64(words[4 * l + 1]))))
        c, s = cos_sin(bits53(uint64(words[4 * l + 2]), uint64(words[4 * l + 3])))
        pairs[2 * l], pairs[2 * l + 1] = radius * c, radius * s


@jobs(contract=False)
def _normal(job, seed, offset, out):
    words, pairs = _scratch(), np.empty(PAIRS)
    for i in range(job * JOB // 2, min((job + 1) * JOB // 2, len(out)), PAIRS):
        part = _group(seed, offset, i // 2, words, out, i, PAIRS)
        _pair(words, pairs)
        for k in range(len(part)):
            part[k] = pairs[k]


@jobs(contract=False)
def _dropout(job, seed, offset, x, threshold, scale, out):
    words, factor, least = _scratch(), x.dtype.type(scale), int32(threshold)
    for i in range(job * JOB, min((job + 1) * JOB, len(out)), GROUP):
        part = _group(seed, offset, i // 4, words, out, i, GROUP)
        given = carray(address(x, i), len(part))
        for k in range(len(part)):
            part[k] = given[k] * factor if int32(words[k] >> uint32(8)) >= least else x.dtype.type(0)
