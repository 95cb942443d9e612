"""The loop that copies an array of any strides into one whose elements lie one after another."""

from math import prod

import numpy as np
from numba import prange
from numpy.lib.stride_tricks import as_strided

from .jit import jit
from .microkernel import address, lanes, transpose

WORDS = {4: np.float32, 8: np.float64}  # as which elements of any type are moved
# Elements of a tile along the output's last two dimensions: of lines that are copied as they are; of a transposition.
LINES, TURNED = (8, 16384), (128, 64)


def gather(x: np.ndarray, out: np.ndarray) -> bool:
    """out[...] = x, where out is C-contiguous; False where this loop is not for such an x."""
    word = WORDS.get(x.itemsize)
    if word is None or not x.flags.aligned or not x.flags.writeable or any(s % x.itemsize for s in x.strides):
        return False
    if x.flags.carray or not any(x.strides):  # one line, or one number, and nothing to find out
        memory = (x if x.flags.carray else x[(slice(1),) * x.ndim]).view(word).reshape(-1)
        sizes, source, target = (1, x.size), (0, int(memory.size > 1)), (x.size, 1)
        _tiles(memory, 0, *map(np.array, (sizes, source, target, LINES)), out.view(word).reshape(-1))
        return True
    sizes, source, target = _merged(x)
    if source[-1] not in (0, 1):  # beside the last dimension, that in which x's elements are nearest
        near = min(range(len(sizes) - 1), key=lambda d: abs(source[d]))
        for a in (sizes, source, target):
            a.insert(-1, a.pop(near))
    spans = [s * (n - 1) for s, n in zip(source, sizes)]
    low = sum(s for s in spans if s < 0)
    first = x[tuple(slice(-1, None) if s < 0 else slice(1) for s in x.strides)].view(word)
    memory = as_strided(first.reshape(-1), (sum(map(abs, spans)) + 1,), (x.itemsize,))
    tile = np.array(LINES if source[-1] in (0, 1) else TURNED)
    _tiles(memory, -low, *map(np.array, (sizes, source, target)), tile, out.view(word).reshape(-1))
    return True


def _merged(x):
    """Sizes, at least two, and strides in elements of x and of its copy; dimensions that lie alike taken together."""
    sizes, source = [], []
    for n, s in zip(x.shape, (s // x.itemsize for s in x.strides)):
        if sizes and source[-1] == n * s:
            sizes[-1], source[-1] = sizes[-1] * n, s
        elif n > 1:
            sizes, source = [*sizes, n], [*source, s]
    ones = 2 - min(len(sizes), 2)
    sizes, source = [1] * ones + sizes, [0] * ones + source
    return sizes, source, [prod(sizes[d + 1 :]) for d in range(len(sizes))]


@jit(parallel=True)
def _tiles(memory, start, sizes, source, target, tile, out):
    """Each job is a tile of one matrix of the last two dimensions."""
    m, n = sizes[-2], sizes[-1]
    s, t, step = source[-2], source[-1], target[-2]
    down, across = -(-m // tile[0]), -(-n // tile[1])
    jobs = down * across
    for d in range(len(sizes) - 2):
        jobs *= sizes[d]
    for job in prange(jobs):
        rest, begin, to = job // (down * across), start, 0
        for d in range(len(sizes) - 3, -1, -1):
            begin += rest % sizes[d] * source[d]
            to += rest % sizes[d] * target[d]
            rest //= sizes[d]
        i0, j0 = job // across % down * tile[0], job % across * tile[1]
        begin, to = begin + i0 * s + j0 * t, to + i0 * step + j0
        block(memory, begin, s, t, min(m - i0, tile[0]), min(n - j0, tile[1]), out, to, step)


@jit(apart=True)
def block(memory, begin, s, t, m, n, out, to, step):
    """out[to + i * step + j] = memory[begin + i * s + j * t] for i < m, j < n."""
    VL = lanes(memory)
    if t == 0:
        for i in range(m):
            number, copy = memory[begin + i * s], address(out, to + i * step)
            for j in range(n):
                copy[j] = number
    elif s == 1 and min(m, n) >= VL:
        for i in range(0, m + VL - 1, VL):
            i = min(i, m - VL)  # the last block overlaps the one before
            for j in range(0, n + VL - 1, VL):
                j = min(j, n - VL)
                transpose(address(memory, begin + i + j * t), t, VL, address(out, to + i * step + j), step)
    elif t == 1 or m < n:
        for i in range(m):
            line, copy = address(memory, begin + i * s), address(out, to + i * step)
            if t == 1:
                for j in range(n):
                    copy[j] = line[j]
            else:
                for j in range(n):
                    copy[j] = line[j * t]
    else:
        for j in range(n):
            column, copy = address(memory, begin + j * t), address(out, to + j)
            for i in range(m):
                copy[i * step] = column[i * s]
