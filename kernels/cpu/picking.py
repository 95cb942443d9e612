"""Elements read and written along one dimension, by one index for each.

Arrays are (A, n, B) with the dimension in the middle.  Whoever writes has lines of the result for himself, and goes
along them in the order of the index: of values that meet the last stays, and sums have one order, at any number of
threads.  An index outside of the dimension was refused before; one that was overwritten since is left to the body.
"""

from math import prod

import numpy as np

from ..shapes import around
from .arrays import FLOATS, copied, empty, plain, zeros
from .jit import jit
from .jobs import jobs
from .microkernel import address

SMALLEST = 1 << 15  # elements from which threads are worth their start
JOB = 1 << 12  # elements in a job
WIDTH = 128  # lines side by side that a job writes
SHORTEST = 8  # elements that are picked at once
INTEGERS = (np.dtype(np.int32), np.dtype(np.int64))


def gather(x, index, dim):
    if x.dtype not in FLOATS or not _served(index) or not x.size or prod(index.shape[dim:]) < SHORTEST:
        return NotImplemented
    x = plain(x[tuple(slice(None if d == dim else m) for d, m in enumerate(index.shape))])
    y, (A, m, B) = empty(index.shape, x.dtype), around(index.shape, dim)
    rows = max(1, JOB // B)
    return _checked(_gather, -(-A * m // rows), (rows, A, x.shape[dim], m, B), x, index, y)


def scatter_put(x, src, index, dim):
    return _scattered(x, src, index, x.shape, dim, 0)


def scatter_sum(src, index, shape, dim):
    return _scattered(None, src, index, shape, dim, 1)


def _scattered(start, src, index, shape, dim, add):
    """Zeros or the array `start` with src put in or added; declines an index that leaves out parts of other sizes."""
    dtype = src.dtype if start is None else start.dtype
    (A, n, B), (others, m, side) = around(shape, dim), around(index.shape, dim)
    src = np.asarray(src, dtype)  # of each element of the index, or a number for all
    if dtype not in FLOATS or not _served(index) or (A, B) != (others, side) or src.shape not in (index.shape, ()):
        return NotImplemented
    y, units = zeros(shape, dtype) if start is None else copied(start), A * -(-B // WIDTH)
    count = max(1, JOB // (m * min(B, WIDTH)))
    return _checked(_scatter, -(-units // count), (count, A, n, m, B), add, src, index, y)


def _served(index):
    return index.dtype in INTEGERS and index.size >= SMALLEST


def _checked(loop, n, sizes, *operands):
    """The last operand after n jobs; NotImplemented if one met an index that is outside."""
    outside = np.zeros(n, np.int64)
    loop(n, sizes, outside, *[plain(a).reshape(-1) if isinstance(a, np.ndarray) else a for a in operands])
    return NotImplemented if outside.any() else operands[-1]


# ---------------------------------------------------------------- jobs
# An inner loop runs over what follows each other in the index: along the dimension where B is 1, else along the lines.


@jobs
def _gather(j, sizes, outside, x, index, y):
    rows, A, n, m, B = sizes
    row, end = j * rows, min((j + 1) * rows, A * m)
    while row < end:
        a, k = row // m, row % m
        if B == 1:  # the loop is compiled for the 1 as well
            count = min(m - k, end - row)
            outside[j] |= _pick(count, x, a * n, n, 1, index, y, row)
        else:
            count = 1
            outside[j] |= _pick(B, x, a * n * B, n, B, index, y, row * B)
        row += count


@jit
def _pick(count, x, at, n, B, index, y, to):
    source, places, out, outside = address(x, at), address(index, to), address(y, to), 0
    for t in range(count):
        i, line = np.uint64(places[t]), np.uint64(t if B > 1 else 0)
        outside |= i >= np.uint64(n)
        out[t] = source[(i if i < np.uint64(n) else np.uint64(0)) * np.uint64(B) + line]
    return outside


@jobs
def _scatter(j, sizes, outside, add, src, index, y):
    count, A, n, m, B = sizes
    strips = (B + WIDTH - 1) // WIDTH
    for unit in range(j * count, min((j + 1) * count, A * strips)):
        a, b = unit // strips, unit % strips * WIDTH
        width = min(WIDTH, B - b)
        for k in range(m if B > 1 else 1):
            outside[j] |= _put(m if B == 1 else width, src, (a * m + k) * B + b, index, y, a * n * B + b, n, B, add)


@jit
def _put(count, src, begin, index, y, at, n, B, add):
    each, side = int(len(src) > 1), int(B > 1)
    places, values, to, outside = address(index, begin), address(src, begin * each), address(y, at), 0
    for t in range(count):
        i, value = np.uint64(places[t]), values[t * each]
        if i < np.uint64(n):
            line = i * np.uint64(B) + np.uint64(t * side)
            to[line] = to[line] + value if add else value
        else:
            outside = 1
    return outside
