"""Pooling over any windows: regular, dilated or adaptive, in 1, 2 and 3 dimensions (window.py).

Planes are independent. The pairs that are each other's gradient:

    max_pool_gather   y[p] = x[winners[p]]        max_pool_scatter   x[winners[p]] += y[p]
    avg_pool          y[p] = sum_t x[taps] / n[p] avg_pool_spread    x[taps] += y[p] / n[p]

Where the windows advance by a step along rows, a row at a time is computed, in vectors (lines.py); adaptive
windows of unequal sizes go by a table of the taps of each output.
"""

from functools import lru_cache, reduce
from math import prod

import numpy as np
from numba import carray, prange

from ..window import taps
from .arrays import FLOATS, empty, plain
from .jit import jit
from .lines import SPARE, backward, forward, join, split
from .microkernel import address
from .taps import max_of_taps, sum_of_taps

JOBS = 32  # jobs that the planes are cut into where they can be: each has scratch memory of its own


def max_pool(x, window):
    """x (N, C, *image) -> y (N, C, *out) and winners, int32 positions in the flattened plane.

    Of equal values the first wins; a NaN wins over numbers (the last of several, as in PyTorch).
    """
    if x.dtype not in FLOATS or prod(window.image) >= 2**31:
        return NotImplemented
    shape = *x.shape[:2], *window.out
    y, winners = empty(shape, x.dtype), empty(shape, np.int32)
    if not y.size:
        return y, winners
    planes, lines = (_planes(x), _planes(y), _planes(winners)), forward(window)
    if lines is None:
        _max_by_table(planes[0], taps_of_output(window), *planes[1:])
    else:
        _max(*planes, lines.table, lines.places, lines.counts, lines.starts, lines.initial, lines.numbers)
    return y, winners


def max_pool_winners(x, window):
    """As `max_pool`, with winners in int64."""
    out = max_pool(x, window)
    return out if out is NotImplemented else (out[0], out[1].astype(np.int64))


def max_pool_gather(x, winners, window=None):
    """x (N, C, *image), winners (N, C, *out) -> x at the winners."""
    if x.dtype not in FLOATS or winners.dtype == np.uint8:
        return NotImplemented
    y = empty(winners.shape, x.dtype)
    _gather(_planes(x), _planes(winners), _planes(y))
    return y


def max_pool_scatter(g, winners, image, window=None):
    """g, winners (N, C, *out) -> (N, C, *image), each g added at its winner."""
    if g.dtype not in FLOATS or winners.dtype == np.uint8:
        return NotImplemented
    x = empty((*g.shape[:2], *image), g.dtype)
    _scatter(_planes(g), _planes(winners), _planes(x))
    return x


def max_unpool(x, indices, plane):
    """x, indices (N, C, *) -> (N, C, *plane): x put at indices of zeros; of several the last stays."""
    if x.dtype not in FLOATS:
        return NotImplemented
    out = empty((*x.shape[:2], *plane), x.dtype)
    _put(_planes(x), _planes(indices), _planes(out))
    return out


def avg_pool(x, window, counts):
    """x (N, C, *image) -> (N, C, *out): sums over the windows, divided by the product of
    `counts`, which holds for each dimension a number for each output."""
    if x.dtype not in FLOATS:
        return NotImplemented
    y = empty((*x.shape[:2], *window.out), x.dtype)
    if not y.size:
        return y
    shares, lines = _shares(counts, x.dtype), forward(window)
    if lines is None:
        _average_by_table(_planes(x), taps_of_output(window), shares, _planes(y))
    else:
        _average(_planes(x), shares, _planes(y), lines.table, lines.counts, lines.numbers)
    return y


def avg_pool_spread(g, window, counts):
    """g (N, C, *out) -> (N, C, *image): the adjoint of avg_pool."""
    if g.dtype not in FLOATS:
        return NotImplemented
    x = empty((*g.shape[:2], *window.image), g.dtype)
    if not x.size:
        return x
    shares, lines = _shares(counts, g.dtype), backward(window)
    if lines is None:
        _spread_by_table(_planes(g), taps_of_output(window), shares, _planes(x))
    else:
        _spread(_planes(g), shares, _planes(x), lines.table, lines.counts, lines.numbers)
    return x


def _planes(x):
    return plain(x).reshape(prod(x.shape[:2]), prod(x.shape[2:]))


def _shares(counts, dtype):
    """What each output is multiplied by: one over the product of the counts of its dimensions."""
    return (1 / reduce(np.multiply.outer, counts, np.ones(()))).reshape(-1).astype(dtype)


@lru_cache(maxsize=32)
def taps_of_output(window):
    """(P, T): the table of the window, the taps of one output side by side."""
    return taps(window).T.copy()


# --- by lines


@jit(parallel=True)
def _max(x, y, winners, table, places, counts, starts, initial, numbers):
    jobs = min(JOBS, len(x))
    for job in prange(jobs):
        part = len(x) * job // jobs, len(x) * (job + 1) // jobs
        _max_job(part, x, y, winners, table, places, counts, starts, initial, numbers)


@jit
def _max_job(part, x, y, winners, table, places, counts, starts, initial, numbers):
    line, step, before, width = numbers
    rows, most = table.shape
    n, height = y.shape[1] // rows, x.shape[1] // line
    phases = np.full(height * step * width + SPARE, -np.inf, x.dtype)
    for p in range(part[0], part[1]):
        split(x, p * x.shape[1], height, line, step, before, width, phases)
        for q in range(rows):
            at = (p * rows + q) * n
            max_of_taps(
                n, address(phases, 0), address(table, q * most), address(places, q * most), counts[q], step,
                address(initial, 0), starts[q], address(y, at), address(winners, at),
            )  # fmt: skip


@jit(parallel=True)
def _average(x, shares, y, table, counts, numbers):
    jobs = min(JOBS, len(x))
    for job in prange(jobs):
        part = len(x) * job // jobs, len(x) * (job + 1) // jobs
        _average_job(part, x, shares, y, table, counts, numbers)


@jit
def _average_job(part, x, shares, y, table, counts, numbers):
    line, step, before, width = numbers
    rows, most = table.shape
    n, height = y.shape[1] // rows, x.shape[1] // line
    phases = np.zeros(height * step * width + SPARE, x.dtype)
    for p in range(part[0], part[1]):
        split(x, p * x.shape[1], height, line, step, before, width, phases)
        for q in range(rows):
            to = address(y, p * rows * n + q * n)
            sum_of_taps(n, address(phases, 0), address(table, q * most), counts[q], to)
        for i in range(rows * n):
            y[p, i] *= shares[i]


@jit(parallel=True)
def _spread(g, shares, x, table, counts, numbers):
    jobs = min(JOBS, len(g))
    for job in prange(jobs):
        part = len(g) * job // jobs, len(g) * (job + 1) // jobs
        _spread_job(part, g, shares, x, table, counts, numbers)


@jit
def _spread_job(part, g, shares, x, table, counts, numbers):
    line, step, before, width, n, left, stride = numbers
    most, height = table.shape[1], x.shape[1] // line
    scaled = np.zeros(g.shape[1] // n * stride + SPARE, g.dtype)
    phases = np.empty(step * height * width + SPARE, g.dtype)
    for p in range(part[0], part[1]):
        for q in range(g.shape[1] // n):
            to = carray(address(scaled, q * stride + left), n)
            share, u = carray(address(shares, q * n), n), carray(address(g, p * g.shape[1] + q * n), n)
            for o in range(n):
                to[o] = u[o] * share[o]
        for i in range(step * height):
            sum_of_taps(width, address(scaled, 0), address(table, i * most), counts[i], address(phases, i * width))
        join(phases, x, p * x.shape[1], height, line, step, before, width)


# --- by winners, and by tables


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
def _max_by_table(x, taps, y, winners):
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
def _average_by_table(x, taps, shares, y):
    for plane in prange(x.shape[0]):
        for p in range(taps.shape[0]):
            total = x.dtype.type(0)
            for t in range(taps.shape[1]):
                i = taps[p, t]
                if i >= 0:
                    total += x[plane, i]
            y[plane, p] = total * shares[p]


@jit(parallel=True)
def _spread_by_table(g, taps, shares, x):
    for plane in prange(x.shape[0]):
        for i in range(x.shape[1]):
            x[plane, i] = 0
        for p in range(taps.shape[0]):
            share = g[plane, p] * shares[p]
            for t in range(taps.shape[1]):
                i = taps[p, t]
                if i >= 0:
                    x[plane, i] += share
