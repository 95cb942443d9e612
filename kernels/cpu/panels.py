"""Operands of the register tiles from plain arrays: matrices turned over, block by block.

A panel holds up to MR rows of a matrix, column by column: (columns, width), the rows side by side. The width is
whole vectors; what lies beyond the rows is arbitrary and only reaches results that nobody reads.
"""

import numpy as np
from numba import prange

from .arrays import empty
from .jit import jit
from .microkernel import MR, address, lanes, panel_width, transpose


def columns(x, groups, block):
    """(N, C, I) -> (groups, blocks, N * I + 1, width): blocks of channels, side by side; the last row is zero."""
    N, C, I = x.shape
    width = block if block != MR else panel_width(x.itemsize)
    out = empty((groups, -(-C // groups // block), N * I + 1, width), x.dtype)
    out[:, :, -1] = 0
    _columns(x, block, out)
    return out


def panels(w, groups, rows, step, taps):
    """w (K, ...) -> (groups, blocks, K / groups * taps, width): row i, column (k, t): w[k].flat[i * step + taps[t]]."""
    K = len(w) // groups
    out = empty((groups, -(-rows // MR), K * len(taps), panel_width(w.itemsize)), w.dtype)
    _panels(w.reshape(-1), w.size // max(1, len(w)), rows, step, np.array(taps, np.int64), out)
    return out


@jit(parallel=True)
def _columns(x, block, out):
    (N, C, I), (G, B, _, width) = x.shape, out.shape
    Cg = C // G
    for job in prange(G * B * N):
        gb, n = job // N, job % N
        c = gb % B * block
        start, to = (n * C + gb // B * Cg + c) * I, (gb * (N * I + 1) + n * I) * width
        turn(x.reshape(-1), start, I, I, min(block, Cg - c), out.reshape(-1), to, width)


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


@jit(parallel=True)
def _panels(w, length, rows, step, taps, out):
    G, B, K, width = out.shape
    T = len(taps)
    for job in prange(G * B):
        g, first = job // B, job % B * MR
        for k in range(K):
            at = (g * (K // T) + k // T) * length + taps[k % T] + first * step
            to = out[g, job % B, k]
            for i in range(min(MR, rows - first)):
                to[i] = w[at + i * step]
