"""Rows of an array picked by an index, and rows added up where an index says.

The array is (A, V, B) with the index in the middle, the picked rows (A, n, B).  Sums go through the index sorted by
counting: each row of the result has one thread, which writes it once and adds in the index's order, as the body does.
Where few are added to many, one thread adds after all have written zeros.
"""

import numpy as np
from numba import prange

from ..shapes import around
from .arrays import FLOATS, empty, plain
from .jit import jit

SMALLEST = 1 << 14  # elements; below, NumPy is as quick
JOB = 1 << 12  # elements in a job
ALONE = 1 << 16  # elements at most that one thread adds up, where there are FEW times as many rows as entries of the
FEW = 8  # index: most of the work is then to write zeros


def take_at(x, indices, dims):
    """As the operation, for one index: x[:, index]; declines what is small."""
    if len(indices) != 1 or x.dtype not in FLOATS or not x.flags.carray:
        return NotImplemented
    (index,), (dim,) = indices, dims
    A, V, B = around(x.shape, dim)
    if A * index.size * B < SMALLEST or not _inside(places := _flat(index), V):  # NumPy tells what is wrong
        return NotImplemented
    y = empty((*x.shape[:dim], *index.shape, *x.shape[dim + 1 :]), x.dtype)
    _take(x.reshape(A, V, B), places, y.reshape(A, index.size, B), _rows_in_job(B))
    return y


def add_at(x, start, indices, shape, dims):
    """As the operation, for one index: `start` (None: zeros) with the rows of x added; declines what is small."""
    if len(indices) != 1 or x.dtype not in FLOATS:
        return NotImplemented
    (index,), (dim,) = indices, dims
    A, V, B = around(shape, dim)
    picked = (*shape[:dim], *index.shape, *shape[dim + 1 :])
    if x.shape != picked or x.size < SMALLEST or not x.flags.c_contiguous:
        return NotImplemented
    index = _flat(index)
    if not _inside(index, V):  # overwritten since it was checked, perhaps: it would lead out of the sums
        return NotImplemented
    y = empty(shape, x.dtype)
    rows, sums = plain(x).reshape(A, index.size, B), y.reshape(A, V, B)
    begun = sums[:0] if start is None else plain(start).reshape(A, V, B)
    if index.size * FEW <= V and x.size <= ALONE:
        _add_few(rows, begun, index, sums)
    else:
        _add(rows, begun, *_sorted(index, V), sums, _rows_in_job(B))
    return y


def _flat(index):
    return plain(index.astype(np.int64, copy=False)).reshape(-1)


def _rows_in_job(B):
    return max(1, JOB // max(B, 1))


@jit
def _inside(index, V):
    """Whether all are places among V, counted from either end."""
    outside = 0
    for i in index:
        outside |= (i < -V) | (i >= V)
    return not outside


@jit
def _sorted(index, V):
    """Where the places of each value begin, and the places in the order of their values."""
    begin = np.zeros(V + 1, np.int64)
    for i in index:
        begin[(i + V if i < 0 else i) + 1] += 1
    for v in range(V):
        begin[v + 1] += begin[v]
    order, free = np.empty(len(index), np.int64), begin.copy()
    for k in range(len(index)):
        v = index[k] + V if index[k] < 0 else index[k]
        order[free[v]] = k
        free[v] += 1
    return begin, order


@jit(parallel=True)
def _take(x, index, y, rows):
    n = len(index)
    jobs = (n + rows - 1) // rows
    for job in prange(len(x) * jobs):
        a, first = job // jobs, job % jobs * rows
        for k in range(first, min(first + rows, n)):
            i = index[k]
            row = i + x.shape[1] if i < 0 else i
            for b in range(x.shape[2]):
                y[a, k, b] = x[a, row, b]


@jit(parallel=True)
def _add(x, start, begin, order, y, rows):
    V = y.shape[1]
    jobs = (V + rows - 1) // rows
    for job in prange(len(y) * jobs):
        a, first = job // jobs, job % jobs * rows
        for v in range(first, min(first + rows, V)):
            for b in range(y.shape[2]):
                y[a, v, b] = start[a, v, b] if len(start) else 0
            for k in range(begin[v], begin[v + 1]):
                row = order[k]
                for b in range(y.shape[2]):
                    y[a, v, b] += x[a, row, b]


@jit(parallel=True)
def _add_few(x, start, index, y):
    """As `_add`, without sorting: the start by all threads, then the rows by one, in the index's order."""
    flat, begun = y.reshape(-1), start.reshape(-1)
    for job in prange((len(flat) + JOB - 1) // JOB):
        begin, end = job * JOB, min((job + 1) * JOB, len(flat))
        if len(begun):
            flat[begin:end] = begun[begin:end]
        else:
            flat[begin:end] = 0
    for a in range(len(x)):
        for k in range(len(index)):
            row, source = y[a, index[k] % y.shape[1]], x[a, k]
            for b in range(len(row)):
                row[b] += source[b]
