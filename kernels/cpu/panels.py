"""Operands of the register tiles from plain arrays: matrices turned over, block by block.

A panel holds up to MR rows of a matrix, or LOW, column by column: (columns, width), the rows side by side. The width
is whole vectors; what lies beyond the rows is arbitrary and only reaches results that nobody reads.
"""

from functools import lru_cache

import numpy as np
from numba.extending import register_jitable

from .arrays import empty
from .jit import jit
from .jobs import jobs
from .microkernel import LOW, MR, address, lanes, panel_width, transpose


@register_jitable
def heights(rows):
    """How many panels hold the rows with little waste, and how many of them, the first, have MR rows; others LOW."""
    best, panels, tall = 1 << 60, 0, 0
    for low in range(MR):
        high = max(0, (rows - LOW * low + MR - 1) // MR)
        cost = high * (MR + 1) + low * (LOW + 1)
        if cost < best:
            best, panels, tall = cost, high + low, high
    return panels, tall


@register_jitable
def row_of(panel, tall):
    """The row with which a panel begins."""
    return panel * MR - max(0, panel - tall) * (MR - LOW)


@lru_cache(maxsize=1024)
def starts(rows: int) -> np.ndarray:
    """The row with which each panel begins, and where the last one ends."""
    panels, tall = heights(rows)
    return np.array([min(rows, row_of(p, tall)) for p in range(panels + 1)])


def columns(x, groups, width=None):
    """(N, C, I) -> (groups, blocks, N * I + 1, width): channels side by side in blocks of `width`, else in panels;
    the last row is zero."""
    N, C, I = x.shape
    Cg = C // groups
    begins = np.array([*range(0, Cg, width), Cg]) if width else starts(Cg)
    out = empty((groups, len(begins) - 1, N * I + 1, width or panel_width(x.itemsize)), x.dtype)
    out[:, :, -1] = 0
    _columns(groups * out.shape[1] * N, x, begins, out)
    return out


def panels(w, groups, rows, step, taps):
    """w (K, ...) -> (groups, blocks, K / groups * taps, width): row i, column (k, t): w[k].flat[i * step + taps[t]]."""
    K, begins = len(w) // groups, starts(rows)
    out = empty((groups, len(begins) - 1, K * len(taps), panel_width(w.itemsize)), w.dtype)
    _panels(groups * out.shape[1], w.reshape(-1), w.size // max(1, len(w)), begins, step, np.array(taps, np.int64), out)
    return out


@jit(apart=True)
def turn(a, start, step, n, rows, out, to, width):
    """out[to..] (n, width) = the transpose of a[start..] (rows, n), whose rows are `step` apart."""
    VL = lanes(a)
    if n < VL:
        for k in range(n):
            for i in range(rows):
                out[to + k * width + i] = a[start + i * step + k]
        return
    for i in range(0, rows, VL):
        for k in range(0, n + VL - 1, VL):
            k = min(k, n - VL)  # the last block overlaps the one before
            at = to + k * width + i
            transpose(address(a, start + i * step + k), step, rows - i, address(out, at), width)


@jobs
def _columns(job, x, begins, out):
    """One block of one image."""
    (N, C, I), (G, B, _, width) = x.shape, out.shape
    gb, n = job // N, job % N
    c = begins[gb % B]
    start, to = (n * C + gb // B * (C // G) + c) * I, (gb * (N * I + 1) + n * I) * width
    turn(x.reshape(-1), start, I, I, begins[gb % B + 1] - c, out.reshape(-1), to, width)


@jobs
def _panels(job, w, length, begins, step, taps, out):
    """One block of one group."""
    (_, B, K, _), T = out.shape, len(taps)
    g, first = job // B, begins[job % B]
    for k in range(K):
        at = (g * (K // T) + k // T) * length + taps[k % T] + first * step
        to = out[g, job % B, k]
        for i in range(begins[job % B + 1] - first):
            to[i] = w[at + i * step]
