"""Sums of large arrays, or of their squares, over dimensions that lie together, as those of a bias's gradient do."""

import numpy as np
from numba import prange

from ..shapes import three
from .arrays import FLOATS
from .jit import jit
from .sums import squares, total

SMALLEST = 1 << 15  # numbers from which threads are worth their start
PIECES = 32  # that a sum is cut into, at every number of threads alike


def sum_to(x, shape):
    """x summed over the dimensions that `shape` lacks or has as 1; declines what is small, or not (A, K, B) -> (K,)."""
    return _summed(x, shape, False)


def vector_norm(x, ord, dims):
    """The root of the sum of squares over `dims`, which stay with size 1; declines other orders, and as `sum_to`."""
    if ord != 2 or x.size < SMALLEST:
        return NotImplemented
    y = _summed(x, tuple(1 if d in dims else n for d, n in enumerate(x.shape)), True)
    return y if y is NotImplemented else np.sqrt(y)


def _summed(x, shape, squared):
    if x.dtype not in FLOATS or x.size < SMALLEST or not x.flags.c_contiguous:
        return NotImplemented
    view = three(x.shape, (1,) * (x.ndim - len(shape)) + tuple(shape))
    if view is None:
        return NotImplemented
    A, K, B = view
    if K == 1:
        parts = np.empty(PIECES, np.float64)
        _ranges(x.reshape(-1), parts, squared)
        y = parts.sum().astype(x.dtype)
    elif B >= 8:
        y = np.empty(K, x.dtype)
        _segments(x.reshape(-1), A, B, y, squared)
    elif A >= 2 * PIECES:
        parts = np.zeros((PIECES, K * B), x.dtype)
        _columns(x.reshape(A, K * B), parts, squared)
        y = parts.sum(axis=0).reshape(K, B).sum(axis=1)
    else:
        return NotImplemented
    return y.reshape(shape)


@jit
def _total(x, at, n, squared):
    return squares(x, at, n, x.dtype.type(0)) if squared else total(x, at, n)


@jit(parallel=True)
def _ranges(x, parts, squared):
    for p in prange(len(parts)):
        begin, end = len(x) * p // len(parts), len(x) * (p + 1) // len(parts)
        parts[p] = _total(x, begin, end - begin, squared)


@jit(parallel=True)
def _segments(x, A, B, y, squared):
    for k in prange(len(y)):
        found = 0.0
        for a in range(A):
            found += _total(x, (a * len(y) + k) * B, B, squared)
        y[k] = found


@jit(parallel=True)
def _columns(x, parts, squared):
    for p in prange(len(parts)):
        for a in range(len(x) * p // len(parts), len(x) * (p + 1) // len(parts)):
            if squared:
                for k in range(x.shape[1]):
                    parts[p, k] += x[a, k] * x[a, k]
            else:
                for k in range(x.shape[1]):
                    parts[p, k] += x[a, k]
