"""Pooling's loops over planes that need no lines (pool.py): bins, windows of all, and what goes by winners."""

import numpy as np
from numba import carray

from .formula import where
from .jit import jit
from .jobs import jobs
from .microkernel import address
from .rows import largest
from .sums import total


@jit
def part(j, jobs, x):
    return range(len(x) * j // jobs, len(x) * (j + 1) // jobs)


# --- bins of unequal sizes along rows: x (planes, rows * line)


@jobs
def max_of_bins(j, jobs, x, places, bins, line, y, winners):
    n = bins.shape[1]
    for p in part(j, jobs, x):
        for q in range(x.shape[1] // line):
            row, at = carray(address(x, p * x.shape[1] + q * line), line), p * x.shape[1] + q * line
            place = carray(address(places, at), line)
            for o in range(n):
                best, winner = row[bins[0, o]], place[bins[0, o]]
                for i in range(bins[0, o] + 1, bins[1, o]):
                    sooner = (row[i] > best) | ((row[i] == best) & (place[i] < winner))
                    nan = (row[i] != row[i]) & ((best == best) | (place[i] > winner))
                    best, winner = where(sooner | nan, row[i], best), where(sooner | nan, place[i], winner)
                y[p, q * n + o], winners[p, q * n + o] = best, winner


@jobs
def mean_of_bins(j, jobs, x, bins, line, shares, y):
    n = bins.shape[1]
    for p in part(j, jobs, x):
        for q in range(x.shape[1] // line):
            for o in range(n):
                found = x.dtype.type(0)
                for i in range(q * line + bins[0, o], q * line + bins[1, o]):
                    found += x[p, i]
                y[p, q * n + o] = found * shares[q * n + o]


@jobs
def spread_to_bins(j, jobs, x, bins, line, shares, g):
    n = bins.shape[1]
    for p in part(j, jobs, x):
        for i in range(x.shape[1]):
            x[p, i] = 0
        for q in range(x.shape[1] // line):
            for o in range(n):
                share = g[p, q * n + o] * shares[q * n + o]
                for i in range(q * line + bins[0, o], q * line + bins[1, o]):
                    x[p, i] += share


# --- windows of the whole plane


@jobs
def max_of_all(j, jobs, x, y, winners):
    P = x.shape[1]
    for p in part(j, jobs, x):
        plane, best, i = carray(address(x, p * P), P), largest(P, address(x, p * P)), 0
        if best == best:
            while plane[i] != best:
                i += 1
        else:
            i = P - 1
            while plane[i] == plane[i]:
                i -= 1
        y[p, 0], winners[p, 0] = best, i


@jobs
def mean_of_all(j, jobs, x, shares, y):
    for p in part(j, jobs, x):
        y[p, 0] = total(x, p * x.shape[1], x.shape[1]) * shares[0]


@jobs
def spread_to_all(j, jobs, x, g, shares):
    P = x.shape[1]
    for p in part(j, jobs, x):
        plane, share = carray(address(x, p * P), P), g[p, 0] * shares[0]
        for i in range(P):
            plane[i] = share


# --- by winners; without sign they need no look whether they count from the end


@jobs
def gather(j, jobs, x, winners, y):
    for p in part(j, jobs, x):
        for o in range(y.shape[1]):
            y[p, o] = x[p, np.uint64(winners[p, o])]


@jobs
def scatter(j, jobs, x, g, winners):
    for p in part(j, jobs, x):
        for i in range(x.shape[1]):
            x[p, i] = 0
        for o in range(g.shape[1]):
            x[p, np.uint64(winners[p, o])] += g[p, o]


@jobs
def copy(j, jobs, out, x):
    """To another type."""
    for p in part(j, jobs, out):
        for i in range(x.shape[1]):
            out[p, i] = x[p, i]


@jobs
def put(j, jobs, out, x, indices):
    for p in part(j, jobs, out):
        for i in range(out.shape[1]):
            out[p, i] = 0
        for o in range(x.shape[1]):
            out[p, np.uint64(indices[p, o])] = x[p, o]
