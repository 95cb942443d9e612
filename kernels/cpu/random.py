"""Random numbers of Philox 4x32-10, a counter-based generator (Salmon et al. 2011, "Parallel random numbers: as
easy as 1, 2, 3"): block number b of seed k is a function of (b, k), so any share of the work gives the same bits.

Element i of a draw takes fixed words of the stream that starts at block `offset`:

    philox_bits, float32 uniform, dropout   word i
    float64 uniform                         words 2i, 2i + 1
    normal (both dtypes)                    the four words of block i // 2, which make elements i and i + 1

Only operations that IEEE 754 rounds exactly are used (no contraction, no libm), in the same order as the
body of the operation does: the same bits on every machine and device.
"""

from math import prod

import numpy as np
from numba import prange, uint64

from .jit import jit
from .window import FLOATS, plain

CHUNK = 4096  # elements in a job


def philox_bits(shape, seed, offset):
    """Raw words: uint32 array of the given shape."""
    out = np.empty(prod(shape), np.uint32)
    _bits(*_start(seed, offset), out)
    return out.reshape(shape)


def philox_uniform(shape, dtype, seed, offset):
    """Uniform in [0, 1): multiples of 2**-24 in float32, of 2**-53 in float64."""
    if np.dtype(dtype) not in FLOATS:
        return NotImplemented
    out = np.empty(prod(shape), dtype)
    (_uniform if out.itemsize == 4 else _uniform_double)(*_start(seed, offset), out)
    return out.reshape(shape)


def philox_normal(shape, dtype, seed, offset):
    """Standard normal, computed in float64 by Box and Muller's method (1958) and rounded to the dtype."""
    if np.dtype(dtype) not in FLOATS:
        return NotImplemented
    out = np.empty(prod(shape), dtype)
    _normal(*_start(seed, offset), out)
    return out.reshape(shape)


def dropout(x, p, seed, offset):
    """x / (1 - p) where the uniform number of the element is at least p, else 0."""
    if x.dtype not in FLOATS:
        return NotImplemented
    out = np.empty(x.shape, x.dtype)
    scale = x.dtype.type(1 / (1 - p) if p < 1 else 0)
    _dropout(*_start(seed, offset), plain(x).reshape(-1), _threshold(p), scale, out.reshape(-1))
    return out


def _start(seed, offset):
    return np.uint64(seed), np.uint64(offset)


def _threshold(p):
    """Uniform numbers are multiples of 2**-24: u >= p where their 24 bits are at least this."""
    return np.uint64(min(-int(-p * 2**24 // 1), 2**24))


@jit(contract=False)
def philox(seed, block):
    """The four words (as uint64) of a block: ten rounds of multiplication, and a key for each."""
    low, half = uint64(0xFFFFFFFF), uint64(32)
    k0, k1 = seed & low, seed >> half
    c0, c1, c2, c3 = block & low, block >> half, uint64(0), uint64(0)
    for _ in range(10):
        a, b = uint64(0xD2511F53) * c0, uint64(0xCD9E8D57) * c2
        c0, c1, c2, c3 = b >> half ^ c1 ^ k0, b & low, a >> half ^ c3 ^ k1, a & low
        k0, k1 = k0 + uint64(0x9E3779B9) & low, k1 + uint64(0xBB67AE85) & low
    return c0, c1, c2, c3


@jit(contract=False)
def log(x):
    """Natural logarithm of a positive normal number: fdlibm's e_log.c (Sun Microsystems 1993), below 1 ulp."""
    bits = np.float64(x).view(np.int64)
    # x = 2**k * (1 + f), sqrt(1/2) < 1 + f < sqrt(2)
    k = (bits - 0x3FE6A09E667F3BCD) >> 52
    f = np.int64(bits - (k << 52)).view(np.float64) - 1.0
    s = f / (2.0 + f)
    z = s * s
    w = z * z
    even = w * (
        3.999999999940941908e-01 + w * (2.222219843214978396e-01 + w * 1.531383769920937332e-01)
    )
    odd = z * (
        6.666666666666735130e-01
        + w
        * (2.857142874366239149e-01 + w * (1.818357216161805012e-01 + w * 1.479819860511658591e-01))
    )
    half = 0.5 * f * f
    return k * 6.93147180369123816490e-01 - (
        (half - (s * (half + (even + odd)) + k * 1.90821492927058770002e-10)) - f
    )


@jit(contract=False)
def cos_sin_turns(t):
    """cos and sin of 2 pi t, 0 <= t < 1: quadrant, then fdlibm's k_cos.c and k_sin.c on an eighth of a turn."""
    quadrant = np.floor(4.0 * t + 0.5)
    x = (4.0 * t - quadrant) * 1.57079632679489661923
    z = x * x
    s = x + x * z * (
        -1.66666666666666324348e-01
        + z
        * (
            8.33333333332248946124e-03
            + z
            * (
                -1.98412698298579493134e-04
                + z
                * (
                    2.75573137070700676789e-06
                    + z * (-2.50507602534068634195e-08 + z * 1.58969099521155010221e-10)
                )
            )
        )
    )
    c = 1.0 - (
        0.5 * z
        - z
        * z
        * (
            4.16666666666666019037e-02
            + z
            * (
                -1.38888888888741095749e-03
                + z
                * (
                    2.48015872894767294178e-05
                    + z
                    * (
                        -2.75573143513906633035e-07
                        + z * (2.08757232129817482790e-09 + z * -1.13596475577881948265e-11)
                    )
                )
            )
        )
    )
    if quadrant == 1.0:
        return -s, c
    if quadrant == 2.0:
        return -c, -s
    if quadrant == 3.0:
        return s, -c
    return c, s


@jit(contract=False)
def unit(high, low):
    """53 bits of two words, as a multiple of 2**-53 in [0, 1)."""
    return (np.float64(high >> uint64(5)) * 67108864.0 + np.float64(low >> uint64(6))) * (
        1.0 / 9007199254740992.0
    )


@jit(contract=False)
def normals(words):
    """Two independent standard normal numbers from four words."""
    radius = np.sqrt(-2.0 * log(1.0 - unit(words[0], words[1])))
    c, s = cos_sin_turns(unit(words[2], words[3]))
    return radius * c, radius * s


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
                out[i + j] = np.float32(words[j] >> uint64(8)) * np.float32(2.0**-24)


@jit(parallel=True, contract=False)
def _uniform_double(seed, offset, out):
    for job in prange(-(-len(out) // CHUNK)):
        for i in range(job * CHUNK, min((job + 1) * CHUNK, len(out)), 2):
            words = philox(seed, offset + uint64(i // 2))
            out[i] = unit(words[0], words[1])
            if i + 1 < len(out):
                out[i + 1] = unit(words[2], words[3])


@jit(parallel=True, contract=False)
def _normal(seed, offset, out):
    for job in prange(-(-len(out) // CHUNK)):
        for i in range(job * CHUNK, min((job + 1) * CHUNK, len(out)), 2):
            first, second = normals(philox(seed, offset + uint64(i // 2)))
            out[i] = first
            if i + 1 < len(out):
                out[i + 1] = second


@jit(parallel=True, contract=False)
def _dropout(seed, offset, x, threshold, scale, out):
    for job in prange(-(-len(out) // CHUNK)):
        for i in range(job * CHUNK, min((job + 1) * CHUNK, len(out)), 4):
            words = philox(seed, offset + uint64(i // 4))
            for j in range(min(4, len(out) - i)):
                keep = words[j] >> uint64(8) >= threshold
                out[i + j] = x[i + j] * scale if keep else x.dtype.type(0)
