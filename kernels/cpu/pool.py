"""Pooling over any windows: regular, dilated or adaptive, in 1, 2 and 3 dimensions (window.py).

Planes are independent. The pairs that are each other's gradient:

    max_pool_gather   y[p] = x[winners[p]]        max_pool_scatter   x[winners[p]] += y[p]
    avg_pool          y[p] = sum_t x[taps] / n[p] avg_pool_spread    x[taps] += y[p] / n[p]

Where the windows advance by a step along rows, a row at a time is computed, in vectors (lines.py). Adaptive windows
of unequal sizes are cut in two: rows are brought together so, and then numbers of the row that comes out.
"""

from functools import lru_cache, reduce
from math import prod

import numpy as np
from numba import carray

from .arrays import FLOATS, empty, plain
from .jobs import jobs
from .lines import SPARE, backward, forward, join, split, unequal
from .microkernel import address
from .planes import (
    copy,
    gather,
    max_of_all,
    max_of_bins,
    mean_of_all,
    mean_of_bins,
    part,
    put,
    scatter,
    spread_to_all,
    spread_to_bins,
)
from .taps import max_of_taps, sum_of_taps

JOBS = 32  # that planes are cut into where they can be: each has scratch memory of its own
ALONE = 1 << 12  # numbers up to which threads are not worth their start


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
    planes = _planes(x), _planes(y), _planes(winners)
    if _of_all(window):
        _over_planes(max_of_all, *planes)
    elif (bins := unequal(window)) is None:
        _over_planes(_max, *planes, *_lines_of_max(window))
    else:
        parts = prod(x.shape[:2]), prod(window.out[:-1]) * window.image[-1]
        largest, places = empty(parts, x.dtype), empty(parts, np.int32)
        _over_planes(_max, planes[0], largest, places, *_lines_of_max(window))
        _over_planes(max_of_bins, largest, places, bins, window.image[-1], *planes[1:])
    return y, winners


def max_pool_winners(x, window):
    """As `max_pool`, with winners in int64."""
    out = max_pool(x, window)
    if out is NotImplemented:
        return out
    y, places = out
    winners = empty(places.shape, np.int64)
    _over_planes(copy, _planes(winners), _planes(places))
    return y, winners


def max_pool_gather(x, winners, window=None):
    """x (N, C, *image), winners (N, C, *out) -> x at the winners."""
    if x.dtype not in FLOATS or winners.dtype == np.uint8:
        return NotImplemented
    y = empty(winners.shape, x.dtype)
    _over_planes(gather, _planes(x), _planes(winners), _planes(y))
    return y


def max_pool_scatter(g, winners, image, window=None):
    """g, winners (N, C, *out) -> (N, C, *image), each g added at its winner."""
    if g.dtype not in FLOATS or winners.dtype == np.uint8:
        return NotImplemented
    x = empty((*g.shape[:2], *image), g.dtype)
    _over_planes(scatter, _planes(x), _planes(g), _planes(winners))
    return x


def max_unpool(x, indices, plane):
    """x, indices (N, C, *) -> (N, C, *plane): x put at indices of zeros; of several the last stays."""
    if x.dtype not in FLOATS:
        return NotImplemented
    out = empty((*x.shape[:2], *plane), x.dtype)
    _over_planes(put, _planes(out), _planes(x), _planes(indices))
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
    if _of_all(window):
        _over_planes(mean_of_all, _planes(x), shares, _planes(y))
    elif (bins := unequal(window)) is None:
        _over_planes(_average, _planes(x), shares, _planes(y), lines.table, lines.counts, lines.numbers)
    else:
        sums = empty((prod(x.shape[:2]), prod(window.out[:-1]) * window.image[-1]), x.dtype)
        ones = np.ones(sums.shape[1], x.dtype)
        _over_planes(_average, _planes(x), ones, sums, lines.table, lines.counts, lines.numbers)
        _over_planes(mean_of_bins, sums, bins, window.image[-1], shares, _planes(y))
    return y


def avg_pool_spread(g, window, counts):
    """g (N, C, *out) -> (N, C, *image): the adjoint of avg_pool."""
    if g.dtype not in FLOATS:
        return NotImplemented
    x = empty((*g.shape[:2], *window.image), g.dtype)
    if not x.size:
        return x
    shares, lines, planes = _shares(counts, g.dtype), backward(window), _planes(g)
    if _of_all(window):
        _over_planes(spread_to_all, _planes(x), planes, shares)
        return x
    if (bins := unequal(window)) is not None:
        parts = empty((len(planes), prod(window.out[:-1]) * window.image[-1]), g.dtype)
        _over_planes(spread_to_bins, parts, bins, window.image[-1], shares, planes)
        planes, shares = parts, np.ones(parts.shape[1], g.dtype)
    _over_planes(_spread, _planes(x), planes, shares, lines.table, lines.counts, lines.numbers)
    return x


def _planes(x):
    return plain(x).reshape(prod(x.shape[:2]), prod(x.shape[2:]))


def _over_planes(loop, x, *more):
    """loop(job, jobs, x, ...), where a job is some of the planes, the rows of x."""
    jobs = min(JOBS, len(x)) if x.size > ALONE else 1
    loop(jobs, jobs, x, *more)


@lru_cache(maxsize=32)
def _shares(counts, dtype):
    """What each output is multiplied by: one over the product of the counts of its dimensions."""
    return (1 / reduce(np.multiply.outer, counts, np.ones(()))).reshape(-1).astype(dtype)


@lru_cache(maxsize=32)
def _of_all(window):
    """Whether there is one output, of the whole image."""
    spans = (window.spans(d)[0] for d in range(len(window.image)))
    return prod(window.out) == 1 and all(set(range(n)) <= set(span) for n, span in zip(window.image, spans))


def _lines_of_max(window):
    lines = forward(window)
    return lines.table, lines.places, lines.counts, lines.starts, lines.initial, lines.numbers


# --- by lines


@jobs
def _max(j, jobs, x, y, winners, table, places, counts, starts, initial, numbers):
    line, step, before, width = numbers
    rows, most = table.shape
    n, height = y.shape[1] // rows, x.shape[1] // line
    phases = np.full(height * step * width + SPARE, -np.inf, x.dtype)
    for p in part(j, jobs, x):
        split(x, p * x.shape[1], height, line, step, before, width, phases)
        for q in range(rows):
            at = (p * rows + q) * n
            max_of_taps(
                n, address(phases, 0), address(table, q * most), address(places, q * most), counts[q], step,
                address(initial, 0), starts[q], address(y, at), address(winners, at),
            )  # fmt: skip


@jobs
def _average(j, jobs, x, shares, y, table, counts, numbers):
    line, step, before, width = numbers
    rows, most = table.shape
    n, height = y.shape[1] // rows, x.shape[1] // line
    phases = np.zeros(height * step * width + SPARE, x.dtype)
    for p in part(j, jobs, x):
        split(x, p * x.shape[1], height, line, step, before, width, phases)
        for q in range(rows):
            to = address(y, p * rows * n + q * n)
            sum_of_taps(n, address(phases, 0), address(table, q * most), counts[q], to)
        for i in range(rows * n):
            y[p, i] *= shares[i]


@jobs
def _spread(j, jobs, x, g, shares, table, counts, numbers):
    line, step, before, width, n, left, stride = numbers
    most, height = table.shape[1], x.shape[1] // line
    scaled = np.zeros(g.shape[1] // n * stride + SPARE, g.dtype)
    phases = np.empty(step * height * width + SPARE, g.dtype)
    for p in part(j, jobs, x):
        for q in range(g.shape[1] // n):
            to = carray(address(scaled, q * stride + left), n)
            share, u = carray(address(shares, q * n), n), carray(address(g, p * g.shape[1] + q * n), n)
            for o in range(n):
                to[o] = u[o] * share[o]
        for i in range(step * height):
            sum_of_taps(width, address(scaled, 0), address(table, i * most), counts[i], address(phases, i * width))
        join(phases, x, p * x.shape[1], height, line, step, before, width)
