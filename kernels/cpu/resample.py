"""Weighted sums along one dimension, and their adjoint: x (A, n, B), the dimension in the middle."""

from math import prod

import numpy as np
from numba import carray, prange

from .arrays import FLOATS, empty, plain
from .jit import jit
from .microkernel import address


def resample(x, index, weight, dim):
    """Sum over k of weight[k] * x at index[k], along `dim`.  index, weight: (K, new size)."""
    if not _served(x, weight):
        return NotImplemented
    K, m = index.shape
    y = empty((*x.shape[:dim], m, *x.shape[dim + 1 :]), x.dtype)
    starts = np.arange(0, K * m + 1, K)
    entries = _entries(index.T, _weights(weight, index, x).T)
    _combine(_three(x, dim), starts, *entries, _twins(index, weight), _three(y, dim))
    return y


def resample_adjoint(g, index, weight, dim, size):
    """Each g given back to the places, of `size` along `dim`, from which `resample` takes."""
    if not _served(g, weight):
        return NotImplemented
    x = empty((*g.shape[:dim], size, *g.shape[dim + 1 :]), g.dtype)
    flat = index.reshape(-1)
    order = np.argsort(flat, kind="stable")
    starts = np.searchsorted(flat[order], np.arange(size + 1))
    entries = _entries(order % index.shape[1], _weights(weight, index, g).reshape(-1)[order])
    twins = -_twins(index, weight) if 2 * size == index.shape[1] else 0
    _combine(_three(g, dim), starts, *entries, twins, _three(x, dim))
    return x


def _served(x, weight):
    return x.dtype in FLOATS and x.size > 0 and (weight is None or weight.dtype == x.dtype)


def _weights(weight, index, x):
    return np.ones(index.shape, x.dtype) if weight is None else weight


def _twins(index, weight):
    """Whether each number is taken twice, as by doubling without interpolation."""
    K, m = index.shape
    return int(weight is None and K == 1 and m % 2 == 0 and np.array_equal(index[0], np.arange(m) // 2))


def _entries(places, weights):
    return np.ascontiguousarray(places).reshape(-1), np.ascontiguousarray(weights).reshape(-1)


def _three(x, dim):
    return plain(x).reshape(prod(x.shape[:dim]), x.shape[dim], prod(x.shape[dim + 1 :]))


@jit(parallel=True)
def _combine(x, starts, places, weights, twins, y):
    """y[a, o] = sum over the entries e of o, from starts[o] to starts[o + 1], of weights[e] * x[a, places[e]].

    twins: 1 where neighbours are two copies of one number, -1 where they are added to be one, else 0.
    """
    for a in prange(len(x)):
        if x.shape[2] == 1:
            _numbers(a, x, starts, places, weights, twins, y)
        else:
            _rows(a, x, starts, places, weights, y)


@jit(apart=True)
def _numbers(a, x, starts, places, weights, twins, y):
    m = y.shape[1]
    source, to = carray(address(x, a * x.shape[1]), x.shape[1]), carray(address(y, a * m), m)
    if twins > 0:
        for i in range(m // 2):
            to[2 * i] = source[i]
            to[2 * i + 1] = source[i]
        return
    if twins < 0:
        for o in range(m):
            to[o] = source[2 * o] + source[2 * o + 1]
        return
    most = 0
    for o in range(m):
        most = max(most, starts[o + 1] - starts[o])
    if most * m == len(places) and most <= 2:  # as many for each: nothing to branch on
        for o in range(m):
            to[o] = weights[most * o] * source[places[most * o]]
        for o in range(m * (most - 1)):
            to[o] += weights[2 * o + 1] * source[places[2 * o + 1]]
        return
    for o in range(m):
        found = x.dtype.type(0)
        for e in range(starts[o], starts[o + 1]):
            found += weights[e] * source[places[e]]
        to[o] = found


@jit(apart=True)
def _rows(a, x, starts, places, weights, y):
    B = x.shape[2]
    for o in range(y.shape[1]):
        to = carray(address(y, (a * y.shape[1] + o) * B), B)
        if starts[o] == starts[o + 1]:
            for i in range(B):
                to[i] = 0
        for e in range(starts[o], starts[o + 1]):
            w, source = weights[e], carray(address(x, (a * x.shape[1] + places[e]) * B), B)
            if e == starts[o]:
                for i in range(B):
                    to[i] = w * source[i]
            else:
                for i in range(B):
                    to[i] += w * source[i]
