"""Running sums, products and extremes along a dimension, and the product along it.

x is seen as (A, n, B): A * B lines of n numbers that lie B apart.  A job takes neighbouring lines, ROWS numbers of each
at a time, into a tile with a column for each line.  Lines do not wait for each other, so the inner loop goes over them,
in vectors, whatever the layout is.  Sums and products are carried along in float64, as by PyTorch.
"""

import numpy as np
from numba import carray

from ..shapes import around
from .arrays import FLOATS, empty, plain
from .formula import where
from .jit import jit
from .jobs import jobs
from .microkernel import address
from .strided import block
from .vmath import decay, log

SMALLEST = 1 << 15  # numbers from which threads are worth their start
ROWS, WIDTH = 32, 64  # of a tile: it stays in the first cache
LANES = 16  # the width of tiles is a multiple, so that whole vectors fill them
FEW = 4  # lines
SHORTEST = 16  # numbers of a line, if lines lie end to end, whose product NumPy does not have sooner
PIECES = 16  # that there is work for, if possible


def cumsum(x, dim, reverse):
    return _folded(x, dim, reverse, 0)


def cumprod(x, dim):
    return _folded(x, dim, False, 1)


def _folded(x, dim, reverse, product):
    """Declines a few long lines: one number after another, NumPy is quicker."""
    few = x.size < FEW * x.shape[dim]
    return NotImplemented if few else _scan(_fold, dim, reverse, x, product)


def logcumsumexp(x, dim):
    return _scan(_log_sums, dim, False, x)


def recurrence(x, a, dim, reverse):
    same = a.shape == x.shape and a.dtype == x.dtype
    return _scan(_recurrence, dim, reverse, x, a) if same else NotImplemented


def running_winner(x, dim, name):
    places = _scan(_winners, dim, False, x, 1 if name == "maximum" else -1, made=np.float64)
    return places if places is NotImplemented else places.view(np.int64)


def prod(x, dim):
    """As the operation: the parts of a long line by themselves, in the same way at every number of threads."""
    A, n, B = around(x.shape, dim)
    if not _served(x) or n * B < SHORTEST:
        return NotImplemented
    strips = -(-B // WIDTH)
    cuts = 1 if A * strips >= PIECES else min(PIECES, n)
    parts = np.empty((A, cuts, B), x.dtype)
    _parts(A * cuts * strips, n, plain(x).reshape(-1), parts)
    return parts.prod(1).reshape(*x.shape[:dim], 1, *x.shape[dim + 1 :])


def _served(x):
    return x.dtype in FLOATS and x.size >= SMALLEST


def _scan(loop, dim, reverse, x, *more, made=None):
    """loop(job, lines, x, ..., y), y of type `made`; declines what is small."""
    if not _served(x):
        return NotImplemented
    y = empty(x.shape, made or x.dtype)
    A, n, B = around(x.shape, dim)
    width = min(WIDTH, -(-A * B // (PIECES * LANES)) * LANES)
    operands = [plain(a).reshape(-1) if isinstance(a, np.ndarray) else a for a in (x, *more, y)]
    loop(-(-A * B // width), (n, B, width, int(reverse)), *operands)
    return y


# ---------------------------------------------------------------- tiles
@jit
def _tile(j, lines, x):
    """(ROWS, lines of job j)"""
    n, _, width, _ = lines
    return np.empty((ROWS, min(width, len(x) // n - j * width)), x.dtype)


@jit
def _move(j, lines, done, x, tile, back):
    """What follows `done` numbers of the lines of job j to the tile, or from there back; the order of its rows."""
    n, B, width, reverse = lines
    rows, w, k = min(ROWS, n - done), tile.shape[1], 0
    first, flat = n - done - rows if reverse else done, tile.reshape(-1)
    while k < w:  # lines that lie side by side, or all of them end to end
        line = j * width + k
        count = w - k if B == 1 else min(w - k, B - line % B)
        at = (line // B * n + first) * B + line % B
        if not back:
            block(x, at, B, n if B == 1 else 1, rows, count, flat, k, w)
        elif B == 1:
            block(flat, k, 1, w, count, rows, x, at, n)
        else:
            block(flat, k, w, 1, rows, count, x, at, B)
        k += count
    return range(rows - 1, -1, -1) if reverse else range(0, rows, 1)


# ---------------------------------------------------------------- jobs
@jobs
def _fold(j, lines, x, product, y):
    tile = _tile(j, lines, x)
    total = np.full(tile.shape[1], 1.0 if product else -0.0)  # -0.0 + v is v, of -0.0 too
    for done in range(0, lines[0], ROWS):
        for r in _move(j, lines, done, x, tile, False):
            row = tile[r]
            for k in range(len(row)):
                total[k] = total[k] * row[k] if product else total[k] + row[k]
                row[k] = total[k]
        _move(j, lines, done, y, tile, True)


@jobs
def _recurrence(j, lines, x, a, y):
    tile, factors = _tile(j, lines, x), _tile(j, lines, a)
    last, begun = np.empty(tile.shape[1], x.dtype), False
    for done in range(0, lines[0], ROWS):
        _move(j, lines, done, a, factors, False)
        for r in _move(j, lines, done, x, tile, False):
            row, factor = tile[r], factors[r]
            if begun:  # the first has none before it, whatever its factor is
                for k in range(len(row)):
                    row[k] += factor[k] * last[k]
            last[:], begun = row, True
        _move(j, lines, done, y, tile, True)


@jobs
def _log_sums(j, lines, x, y):
    """The largest so far, and the sum of e**(v - largest) of all v so far."""
    tile = _tile(j, lines, x)
    best, total = np.full(tile.shape[1], x.dtype.type(-np.inf)), np.zeros(tile.shape[1])
    for done in range(0, lines[0], ROWS):
        for r in _move(j, lines, done, x, tile, False):
            row = tile[r]
            for k in range(len(row)):
                v, m = row[k], best[k]
                fade = decay(where(v == m, x.dtype.type(0), -abs(v - m)))  # infinite ones may be equal
                total[k] = where(v > m, total[k] * fade + 1, total[k] + fade)
                best[k] = where(v > m, v, m)
                row[k] = best[k] + log(x.dtype.type(total[k]))
        _move(j, lines, done, y, tile, True)


@jobs
def _winners(j, lines, x, sign, y):
    tile, moved = _tile(j, lines, x), _tile(j, lines, y)  # 64-bit integers are moved as if they were floats
    places, best = moved.view(np.int64), np.full(tile.shape[1], x.dtype.type(-np.inf))
    place = np.zeros(tile.shape[1], np.int64)
    for done in range(0, lines[0], ROWS):
        for r in _move(j, lines, done, x, tile, False):
            row, to = tile[r], places[r]
            for k in range(len(row)):
                v = row[k] * x.dtype.type(sign)
                wins = (v >= best[k]) | (v != v)  # and nothing is as large as NaN, but NaN
                best[k], place[k] = where(wins, v, best[k]), where(wins, done + r, place[k])
                to[k] = place[k]
        _move(j, lines, done, y, moved, True)


@jobs
def _parts(j, n, x, parts):
    A, cuts, B = parts.shape
    strips = (B + WIDTH - 1) // WIDTH
    a, cut, b = j // strips // cuts, j // strips % cuts, j % strips * WIDTH
    begin, end = n * cut // cuts, n * (cut + 1) // cuts
    found = carray(address(parts, (a * cuts + cut) * B + b), min(WIDTH, B - b))
    found[:] = 1
    if B == 1:
        found[0] = _product(x, a * n + begin, end - begin)
    else:
        for i in range(begin, end):
            row = carray(address(x, (a * n + i) * B + b), len(found))
            for k in range(len(found)):
                found[k] *= row[k]


@jit(reorder=True)
def _product(x, at, n):
    numbers, found = carray(address(x, at), n), x.dtype.type(1)
    for i in range(n):
        found *= numbers[i]
    return found
