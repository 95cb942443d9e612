"""Pooling over any windows: regular, dilated or adaptive, in 1, 2 and 3 dimensions (window.py).

Planes are independent, so each is one job. The pairs that are each other's gradient:

    max_pool_gather   y[p] = x[winners[p]]        max_pool_scatter   x[winners[p]] += y[p]
    avg_pool          y[p] = sum_t x[taps] / n[p] avg_pool_spread    x[taps] += y[p] / n[p]
"""

from functools import lru_cache, reduce
from math import prod

import numpy as np
from numba import prange

from ..window import taps
from .arrays import FLOATS, plain
from .jit import jit


def max_pool(x, window):
    """x (N, C, *image) -> y (N, C, *out) and winners, int64 positions in the flattened plane.

    Of equal values the first wins; a NaN wins over numbers (the last of several, as in PyTorch).
    """
    if x.dtype not in FLOATS:
        return NotImplemented
    shape = *x.shape[:2], *window.out
    y, winners = np.empty(shape, x.dtype), np.empty(shape, np.int64)
    _max(_planes(x), taps_of_output(window), _planes(y), _planes(winners))
    return y, winners


max_pool_winners = max_pool


def max_pool_gather(x, winners):
    """x (N, C, *image), winners (N, C, *out) -> x at the winners."""
    if x.dtype not in FLOATS:
        return NotImplemented
    y = np.empty(winners.shape, x.dtype)
    _gather(_planes(x), _planes(winners), _planes(y))
    return y


def max_pool_scatter(g, winners, image):
    """g, winners (N, C, *out) -> (N, C, *image), each g added at its winner."""
    if g.dtype not in FLOATS:
        return NotImplemented
    x = np.empty((*g.shape[:2], *image), g.dtype)
    _scatter(_planes(g), _planes(winners), _planes(x))
    return x


def max_unpool(x, indices, plane):
    """x, indices (N, C, *) -> (N, C, *plane): x put at indices of zeros; of several the last stays."""
    if x.dtype not in FLOATS:
        return NotImplemented
    out = np.empty((*x.shape[:2], *plane), x.dtype)
    _put(_planes(x), _planes(indices), _planes(out))
    return out


def avg_pool(x, window, counts):
    """x (N, C, *image) -> (N, C, *out): sums over the windows, divided by the product of
    `counts`, which holds for each dimension a number for each output."""
    if x.dtype not in FLOATS:
        return NotImplemented
    y = np.empty((*x.shape[:2], *window.out), x.dtype)
    _average(_planes(x), taps_of_output(window), _divisors(counts, x.dtype), _planes(y))
    return y


def avg_pool_spread(g, window, counts):
    """g (N, C, *out) -> (N, C, *image): the adjoint of avg_pool."""
    if g.dtype not in FLOATS:
        return NotImplemented
    x = np.empty((*g.shape[:2], *window.image), g.dtype)
    _spread(_planes(g), taps_of_output(window), _divisors(counts, g.dtype), _planes(x))
    return x


def _planes(x):
    return plain(x).reshape(prod(x.shape[:2]), prod(x.shape[2:]))


def _divisors(counts, dtype):
    """What each output is divided by: the product of the counts of its dimensions."""
    return reduce(np.multiply.outer, counts, np.ones(())).reshape(-1).astype(dtype)


@lru_cache(maxsize=32)
def taps_of_output(window):
    """(P, T): the table of the window, the taps of one output side by side."""
    return taps(window).T.copy()


@jit(parallel=True)
def _max(x, taps, y, winners):
    for plane in prange(x.shape[0]):
        for p in range(taps.shape[0]):
            best, winner = x.dtype.type(-np.inf), -1
            for t in range(taps.shape[1]):
                i = taps[p, t]
                if i >= 0:
                    value = x[plane, i]
                    if winner < 0 or value > best or value != value:
                        best, winner = value, i
            y[plane, p], winners[plane, p] = best, winner


@jit(parallel=True)
def _gather(x, winners, y):
    for plane in prange(x.shape[0]):
        for p in range(y.shape[1]):
            y[plane, p] = x[plane, winners[plane, p]]


@jit(parallel=True)
def _scatter(g, winners, x):
    for plane in prange(x.shape[0]):
        for i in range(x.shape[1]):
            x[plane, i] = 0
        for p in range(g.shape[1]):
            x[plane, winners[plane, p]] += g[plane, p]


@jit(parallel=True)
def _put(x, indices, out):
    for plane in prange(out.shape[0]):
        for i in range(out.shape[1]):
            out[plane, i] = 0
        for p in range(x.shape[1]):
            out[plane, indices[plane, p]] = x[plane, p]


@jit(parallel=True)
def _average(x, taps, divisors, y):
    for plane in prange(x.shape[0]):
        for p in range(taps.shape[0]):
            total = x.dtype.type(0)
            for t in range(taps.shape[1]):
                i = taps[p, t]
                if i >= 0:
                    total += x[plane, i]
            y[plane, p] = total / divisors[p]


@jit(parallel=True)
def _spread(g, taps, divisors, x):
    for plane in prange(x.shape[0]):
        for i in range(x.shape[1]):
            x[plane, i] = 0
        for p in range(taps.shape[0]):
            share = g[plane, p] / divisors[p]
            for t in range(taps.shape[1]):
                i = taps[p, t]
                if i >= 0:
                    x[plane, i] += share
