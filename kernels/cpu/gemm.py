"""Products of two large matrices, both packed first: Goto and van de Geijn 2008.

Packed operands stand piece by piece, (pieces, K, width), zero where the matrix ends within a piece:

    panels   width MR: rows of the left operand
    strips   width NR: columns of the right operand
"""

import numpy as np
from numba import prange

from .arrays import empty, plain
from .jit import jit
from .microkernel import MR, STRIP_BYTES, address, noinline, outer_tile, strip

DEPTH = 1024  # terms of the sums at a time: a strip and PANELS panels of them stay in the second-level cache
PANELS = 4
ROWS = 16  # of a matrix that is not turned, in a job of packing


def product(a, b, a_turned=False, b_turned=False):
    """a (M, K) times b (K, N) -> (M, N), of one float type; turned: a is given as (K, M), b as (N, K)."""
    M, N = a.shape[a_turned], b.shape[not b_turned]
    y = empty((M, N), a.dtype)
    if not a.size or not b.size:
        y[...] = 0
        return y
    multiply(pack(a, MR, not a_turned), pack(b, STRIP_BYTES // b.itemsize, b_turned), y)
    return y


def pack(x, width, turned):
    """x (K, n), or (n, K) if turned -> (pieces, K, width)."""
    K, n = x.shape[turned], x.shape[not turned]
    out = empty((-(-n // width), K, width), x.dtype)
    pack_into(plain(x), turned, out)
    return out


@jit(parallel=True)
def pack_into(x, turned, out):
    # a job reads whole rows of x: of all pieces some terms, or of one piece all terms
    pieces, K, _ = out.shape
    jobs = pieces if turned else (K + ROWS - 1) // ROWS
    for job in prange(jobs):
        if turned:
            _turn(x, job, out)
        else:
            _cut(x, job * ROWS, min(K, job * ROWS + ROWS), out)


@jit
def _cut(x, low, high, out):
    """Terms low to high of all pieces of x (K, n)."""
    noinline()
    pieces, _, width = out.shape
    for piece in range(pieces):
        used = min(width, x.shape[1] - piece * width)
        for k in range(low, high):
            to, row = out[piece, k], x[k, piece * width : piece * width + used]
            for l in range(used):
                to[l] = row[l]
            for l in range(used, width):
                to[l] = 0


@jit
def _turn(x, piece, out):
    """All terms of one piece of x (n, K), a few lines of the cache at a time."""
    noinline()
    _, K, width = out.shape
    begin = piece * width
    used, to = min(width, x.shape[0] - begin), out[piece]
    for k in range(0, K, 16):
        high = min(k + 16, K)
        for l in range(used):
            row = x[begin + l]
            for j in range(k, high):
                to[j, l] = row[j]
        for l in range(used, width):
            for j in range(k, high):
                to[j, l] = 0


@jit(parallel=True)
def multiply(panels, strips, y):
    """y (M, N) = panels (P, K, MR) times strips (S, K, NR)."""
    blocks = (panels.shape[0] + PANELS - 1) // PANELS
    cuts = min(strips.shape[0], max(1, 16 // blocks))  # where there are few panels, the strips are shared out too
    for job in prange(blocks * cuts):
        p, cut = job // cuts * PANELS, job % cuts
        low, high = strips.shape[0] * cut // cuts, strips.shape[0] * (cut + 1) // cuts
        _block(panels, strips, p, min(p + PANELS, panels.shape[0]), low, high, y)


@jit
def _block(panels, strips, first, last, low, high, y):
    noinline()
    (M, N), K, NR = y.shape, panels.shape[1], strip(y)
    tile = np.empty((MR, NR), y.dtype)
    for k in range(0, K, DEPTH):
        depth = min(DEPTH, K - k)
        for s in range(low, high):
            for p in range(first, last):
                a, b = address(panels, (p * K + k) * MR), address(strips, (s * K + k) * NR)
                outer_tile(depth, a, b, address(tile, 0))
                for i in range(min(MR, M - p * MR)):
                    row = y[p * MR + i, s * NR : min((s + 1) * NR, N)]
                    for l in range(len(row)):
                        row[l] = tile[i, l] if k == 0 else row[l] + tile[i, l]
