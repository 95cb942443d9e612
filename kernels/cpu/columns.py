"""Normalisation of the columns of (N, C): each job some columns, row after row, in vectors (norm.py says what)."""

from math import sqrt

import numpy as np
from numba import carray

from .jit import jit
from .jobs import jobs
from .microkernel import address

WIDTH = 128  # columns in a job


@jit
def _few(j, v):
    """Those of a vector that belong to the columns of job j."""
    n = min(WIDTH, len(v) - j * WIDTH)
    return carray(address(v, j * WIDTH), n)


@jobs
def columns(j, x, weight, bias, eps, y, sums):
    N, C = x.shape
    mean, var, scale, w, b = _few(j, sums[0]), _few(j, sums[1]), _few(j, sums[2]), _few(j, weight), _few(j, bias)
    found, squared, factor = np.zeros(WIDTH), np.zeros(WIDTH), np.empty(WIDTH, x.dtype)
    for r in range(N):
        row = _few(j, x[r])
        for i in range(len(row)):
            found[i] += row[i]
    for i in range(len(w)):
        mean[i] = found[i] / N
    for r in range(N):
        row = _few(j, x[r])
        for i in range(len(row)):
            squared[i] += (row[i] - mean[i]) * (row[i] - mean[i])
    for i in range(len(w)):
        var[i] = squared[i] / N
        scale[i] = 1 / sqrt(squared[i] / N + eps)
        factor[i] = w[i] * scale[i]
    for r in range(N):
        row, to = _few(j, x[r]), _few(j, y[r])
        for i in range(len(row)):
            to[i] = (row[i] - mean[i]) * factor[i] + b[i]


@jobs
def columns_grad(j, g, x, means, scales, weight, gx, gw, gb):
    N, C = x.shape
    mean, scale, w, of_weight, of_bias = _few(j, means), _few(j, scales), _few(j, weight), _few(j, gw), _few(j, gb)
    of_g, of_gx = np.zeros(WIDTH), np.zeros(WIDTH)
    for r in range(N):
        u, row = _few(j, g[r]), _few(j, x[r])
        for i in range(len(u)):
            of_g[i] += u[i]
            of_gx[i] += u[i] * (row[i] - mean[i])
    slope, shift, factor = np.empty(WIDTH, x.dtype), np.empty(WIDTH, x.dtype), np.empty(WIDTH, x.dtype)
    for i in range(len(w)):
        of_weight[i], of_bias[i] = of_gx[i] * scale[i], of_g[i]
        factor[i] = w[i] * scale[i]
        shift[i] = w[i] * of_g[i] / N * scale[i]
        slope[i] = w[i] * of_gx[i] / N * scale[i] * scale[i] * scale[i]
    for r in range(N):
        u, row, to = _few(j, g[r]), _few(j, x[r]), _few(j, gx[r])
        for i in range(len(u)):
            to[i] = u[i] * factor[i] - (row[i] - mean[i]) * slope[i] - shift[i]
