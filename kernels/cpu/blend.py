"""Weighted sums of numbers picked by index, the same for all channels: what lies under a grid, and its gradient."""

import numpy as np
from numba import prange

from .arrays import FLOATS, empty, plain
from .jit import jit
from .microkernel import address

SMALLEST = 1 << 12  # products; below, NumPy's own functions are as quick


def blend(x, index, weight):
    """As the composite blend: x (N, C, M), index and weight (N, K, P) -> (N, C, P)."""
    if not _served(x, index, weight):
        return NotImplemented
    y = empty((*x.shape[:2], index.shape[2]), x.dtype)
    _blend(plain(x), plain(index), plain(weight), y)
    return y


def blend_grad(g, x, index, weight, needed):
    """The gradients of x and weight, g that of the output."""
    if not _served(x, index, weight) or g.dtype != x.dtype:
        return NotImplemented
    g, x, index, weight = map(plain, (g, x, index, weight))
    gx = gw = None
    if needed[0]:
        gx = empty(x.shape, x.dtype)
        _spread(g, index, weight, gx)
    if needed[2]:
        gw = empty(weight.shape, x.dtype)
        _agree(g, x, index, gw)
    return gx, None, gw


def _served(x, index, weight):
    if x.dtype not in FLOATS or weight.dtype != x.dtype or x.shape[1] * index.size < SMALLEST:
        return False
    return index.dtype == np.int64 and 0 <= index.min() and index.max() < x.shape[2]


@jit(parallel=True)
def _blend(x, index, weight, y):
    N, C, M = x.shape
    K, P = index.shape[1:]
    for row in prange(N * C):
        n = row // C
        values, to = address(x, row * M), address(y, row * P)
        for p in range(P):
            to[p] = 0
        for k in range(K):
            places, parts = address(index, (n * K + k) * P), address(weight, (n * K + k) * P)
            for p in range(P):
                to[p] += parts[p] * values[places[p]]


@jit(parallel=True)
def _spread(g, index, weight, gx):
    N, C, M = gx.shape
    K, P = index.shape[1:]
    for row in prange(N * C):
        n = row // C
        given, to = address(g, row * P), address(gx, row * M)
        for i in range(M):
            to[i] = 0
        for k in range(K):
            places, parts = address(index, (n * K + k) * P), address(weight, (n * K + k) * P)
            for p in range(P):
                to[places[p]] += parts[p] * given[p]


@jit(parallel=True)
def _agree(g, x, index, gw):
    N, C, M = x.shape
    K, P = index.shape[1:]
    for line in prange(N * K):
        n = line // K
        places, to = address(index, line * P), address(gw, line * P)
        for p in range(P):
            to[p] = 0
        for c in range(C):
            given, values = address(g, (n * C + c) * P), address(x, (n * C + c) * M)
            for p in range(P):
                to[p] += given[p] * values[places[p]]
