"""Softmax, its logarithm and cross-entropy over the last dimension; a row stays in the cache while it is worked on.

softmax          e**(x - m) / s       m the largest of the row, s the sum of e**(x - m)
log_softmax      x - m - log(s)
cross_entropy    m + log(s) - x[target]; its gradient is g (softmax(x) - one at the target)
"""

from math import prod

import numpy as np
from numba import prange

from .arrays import FLOATS, empty, plain
from .formula import where
from .jit import jit
from .vmath import exp, log

SMALLEST = 1 << 13  # elements; below, NumPy is as quick
LANES = 32  # sums of a row that are added up at its end: the same at every number of threads
JOB = 1 << 14  # elements in a job


def softmax(x, dim):
    return _over_rows(_softmax, dim, x)


def log_softmax(x, dim):
    return _over_rows(_log_softmax, dim, x)


def softmax_slope(g, y, dim):
    return _over_rows(_softmax_slope, dim, y, g)


def log_softmax_slope(g, y, dim):
    return _over_rows(_log_softmax_slope, dim, y, g)


def _served(x):
    return x.ndim and x.size >= SMALLEST and x.dtype in FLOATS


def _over_rows(loop, dim, x, *more):
    if not _served(x) or dim not in (x.ndim - 1, -1) or any(a.shape != x.shape or a.dtype != x.dtype for a in more):
        return NotImplemented
    C = x.shape[-1]
    y = empty(x.shape, x.dtype)
    loop(*(plain(a).reshape(-1, C) for a in (x, *more, y)), _rows_in_job(C))
    return y


def _rows_in_job(C):
    return max(1, JOB // C)


def cross_entropy(x, target, weight, ignore_index, reduction, label_smoothing):
    """As the operation, of (N, C) without weights and smoothing: the loss."""
    if not _served(x) or x.ndim != 2 or weight is not None or label_smoothing:
        return NotImplemented
    target = plain(target.astype(np.int64, copy=False))
    loss = np.empty(len(x), x.dtype)
    _losses(plain(x), target, ignore_index, loss, _rows_in_job(x.shape[1]))
    if reduction == "none":
        return loss
    total = loss.sum()
    return total if reduction == "sum" else total / x.dtype.type(np.count_nonzero(target != ignore_index))


def cross_entropy_grad(g, x, target, weight, ignore_index, reduction, label_smoothing, needed):
    """The gradient of x."""
    if weight is not None or label_smoothing or x.ndim != 2 or not _served(x):
        return NotImplemented
    target = plain(target.astype(np.int64, copy=False))
    if reduction == "mean":
        g = g / x.dtype.type(np.count_nonzero(target != ignore_index))
    out = empty(x.shape, x.dtype)
    shares = np.ascontiguousarray(np.broadcast_to(g, prod(target.shape)))
    _loss_slopes(plain(x), target, ignore_index, shares.astype(x.dtype), out, _rows_in_job(x.shape[1]))
    return out, None, None


# ---------------------------------------------------------------- loops
@jit
def _largest(x):
    """NaN counts for nothing: it comes back in the sum."""
    best = np.full(LANES, x[0] if x[0] == x[0] else -np.inf, x.dtype)
    whole = len(x) // LANES * LANES
    for i in range(0, whole, LANES):
        for l in range(LANES):
            best[l] = where(x[i + l] > best[l], x[i + l], best[l])
    m = best[0]
    for l in range(1, LANES):
        m = where(best[l] > m, best[l], m)
    for i in range(whole, len(x)):
        m = where(x[i] > m, x[i], m)
    return m


@jit
def _total(x):
    parts = np.zeros(LANES, x.dtype)
    whole = len(x) // LANES * LANES
    for i in range(0, whole, LANES):
        for l in range(LANES):
            parts[l] += x[i + l]
    total = x.dtype.type(0)
    for l in range(LANES):
        total += parts[l]
    for i in range(whole, len(x)):
        total += x[i]
    return total


@jit
def _exponentials(x, y):
    """y = e**(x - m); returns m and the sum of y."""
    m = _largest(x)
    for i in range(len(x)):
        y[i] = exp(x[i] - m)
    return m, _total(y)


@jit(parallel=True)
def _softmax(x, y, rows):
    for job in prange(-(-len(x) // rows)):
        for n in range(job * rows, min(len(x), job * rows + rows)):
            _, s = _exponentials(x[n], y[n])
            scale = x.dtype.type(1) / s
            for i in range(x.shape[1]):
                y[n, i] *= scale


@jit(parallel=True)
def _log_softmax(x, y, rows):
    for job in prange(-(-len(x) // rows)):
        for n in range(job * rows, min(len(x), job * rows + rows)):
            m, s = _exponentials(x[n], y[n])
            rest = log(s)
            for i in range(x.shape[1]):
                y[n, i] = (x[n, i] - m) - rest


@jit(parallel=True)
def _softmax_slope(y, g, out, rows):
    for job in prange(-(-len(y) // rows)):
        for n in range(job * rows, min(len(y), job * rows + rows)):
            for i in range(y.shape[1]):
                out[n, i] = g[n, i] * y[n, i]
            s = _total(out[n])
            for i in range(y.shape[1]):
                out[n, i] = y[n, i] * (g[n, i] - s)


@jit(parallel=True)
def _log_softmax_slope(y, g, out, rows):
    for job in prange(-(-len(y) // rows)):
        for n in range(job * rows, min(len(y), job * rows + rows)):
            s = _total(g[n])
            for i in range(y.shape[1]):
                out[n, i] = g[n, i] - exp(y[n, i]) * s


@jit(parallel=True)
def _losses(x, target, ignored, loss, rows):
    for job in prange(-(-len(x) // rows)):
        y = np.empty(x.shape[1], x.dtype)
        for n in range(job * rows, min(len(x), job * rows + rows)):
            t = target[n]
            if t == ignored:
                loss[n] = 0
            else:
                m, s = _exponentials(x[n], y)
                loss[n] = log(s) - (x[n, t] - m)


@jit(parallel=True)
def _loss_slopes(x, target, ignored, g, out, rows):
    for job in prange(-(-len(x) // rows)):
        for n in range(job * rows, min(len(x), job * rows + rows)):
            t = target[n]
            if t == ignored:
                for i in range(x.shape[1]):
                    out[n, i] = 0
            else:
                _, s = _exponentials(x[n], out[n])
                scale = g[n] / s
                for i in range(x.shape[1]):
                    out[n, i] *= scale
                out[n, t] -= g[n]
