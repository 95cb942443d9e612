"""Softmax, its logarithm and cross-entropy over the last dimension; a row stays in the cache while it is worked on.

softmax          e**(x - m) / s       m the largest of the row, s the sum of e**(x - m)
log_softmax      x - m - log(s)
cross_entropy    m + log(s) - x[target]; its gradient is g (softmax(x) - one at the target)
"""

import numpy as np
from numba import carray

from .arrays import FLOATS, empty, plain
from .jit import jit
from .jobs import jobs
from .microkernel import address
from .rows import largest
from .sums import products, total
from .vmath import decay, log

SMALLEST = 1 << 10  # elements; below, NumPy is as quick
JOB = 1 << 12  # elements in a job, where rows are shorter: with what is made of them they fit the first cache


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
    y = empty(x.shape, x.dtype)
    _run(loop, x.shape[-1], *(plain(a).reshape(-1) for a in (x, *more, y)))
    return y


def _run(loop, C, x, *more):
    """loop(job, C, n, x, ...), where a job is n elements of x, whole rows of C, or what is left."""
    n = max(1, JOB // C) * C
    loop(-(-x.size // n), C, n, x, *more)


def cross_entropy(x, target, weight, ignore_index, reduction, label_smoothing):
    """As the operation, of (N, C) without weights and smoothing: the loss."""
    if not _served(x) or x.ndim != 2 or weight is not None or label_smoothing:
        return NotImplemented
    target = plain(target.astype(np.int64, copy=False))
    loss = np.empty(len(x), x.dtype)
    _run(_losses, x.shape[1], plain(x).reshape(-1), target, ignore_index, loss)
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
    g = plain(np.asarray(g, x.dtype)).reshape(-1)  # one for each row, or one for all
    _run(_loss_slopes, x.shape[1], plain(x).reshape(-1), target, ignore_index, g, out.reshape(-1))
    return out, None, None


# ---------------------------------------------------------------- jobs
@jit
def _part(j, n, x):
    """Where job j begins and ends."""
    return j * n, min(len(x), j * n + n)


@jit
def _below_largest(x, begin, end, C, y, at):
    """x minus the largest of its row, to y from `at` on."""
    for r in range(begin, end, C):
        m = largest(C, address(x, r))
        row, to = carray(address(x, r), C), carray(address(y, at + r - begin), C)
        for i in range(C):
            to[i] = row[i] - m


# Of all rows at once, as short ones fill no vectors; and LLVM makes no vectors where two arrays are one.
@jit
def _exponentials(x, at, n, y, to):
    source, e = carray(address(x, at), n), carray(address(y, to), n)
    for i in range(n):
        e[i] = decay(source[i])


@jit
def _exponentials_in_place(y, at, n):
    e = carray(address(y, at), n)
    for i in range(n):
        e[i] = decay(e[i])


@jit
def _log_totals(e, n, C):
    """The logarithms of the sums of rows."""
    logs = np.empty(n // C, e.dtype)
    for r in range(len(logs)):
        logs[r] = total(e, r * C, C)
    for r in range(len(logs)):
        logs[r] = log(logs[r])
    return logs


@jobs
def _softmax(j, C, n, x, y):
    begin, end = _part(j, n, x)
    _below_largest(x, begin, end, C, y, begin)
    _exponentials_in_place(y, begin, end - begin)
    for r in range(begin, end, C):
        row, scale = carray(address(y, r), C), x.dtype.type(1 / total(y, r, C))
        for i in range(C):
            row[i] *= scale


@jobs
def _log_softmax(j, C, n, x, y):
    begin, end = _part(j, n, x)
    e = np.empty(n, x.dtype)
    _below_largest(x, begin, end, C, y, begin)
    _exponentials(y, begin, end - begin, e, 0)
    logs = _log_totals(e, end - begin, C)
    for r in range(len(logs)):
        row, rest = carray(address(y, begin + r * C), C), logs[r]
        for i in range(C):
            row[i] -= rest


@jobs
def _softmax_slope(j, C, n, y, g, out):
    begin, end = _part(j, n, y)
    for r in range(begin, end, C):
        _, s = products(g, y, r, C, y.dtype.type(0))
        to, row, u, s = carray(address(out, r), C), carray(address(y, r), C), carray(address(g, r), C), y.dtype.type(s)
        for i in range(C):
            to[i] = row[i] * (u[i] - s)


@jobs
def _log_softmax_slope(j, C, n, y, g, out):
    begin, end = _part(j, n, y)
    _exponentials(y, begin, end - begin, out, begin)
    for r in range(begin, end, C):
        to, u, s = carray(address(out, r), C), carray(address(g, r), C), y.dtype.type(total(g, r, C))
        for i in range(C):
            to[i] = u[i] - to[i] * s


@jobs
def _losses(j, C, n, x, target, ignored, loss):
    begin, end = _part(j, n, x)
    e = np.empty(n, x.dtype)
    _below_largest(x, begin, end, C, e, 0)
    for r in range(begin // C, end // C):
        loss[r] = 0 if target[r] == ignored else -e[r * C - begin + target[r]]
    _exponentials_in_place(e, 0, end - begin)
    logs = _log_totals(e, end - begin, C)
    for r in range(begin // C, end // C):
        if target[r] != ignored:
            loss[r] += logs[r - begin // C]


@jobs
def _loss_slopes(j, C, n, x, target, ignored, g, out):
    begin, end = _part(j, n, x)
    _below_largest(x, begin, end, C, out, begin)
    _exponentials_in_place(out, begin, end - begin)
    for r in range(begin // C, end // C):
        row = carray(address(out, r * C), C)
        if target[r] == ignored:
            row[:] = 0
        else:
            u = g[r % len(g)]
            scale = x.dtype.type(u / total(out, r * C, C))
            for i in range(C):
                row[i] *= scale
            row[target[r]] -= u
