"""Depthwise convolutions (a channel in each group), in 1 and 2 dimensions, tap by tap over whole planes.

A padded plane is laid out by phases of the stride, rows `width` apart, and the output with rows as far apart. Then
what tap t reads for output i lies at offset[t] + i: every tap is one pass over neighbours, which the compiler turns
into vector code, whatever the stride, padding and dilation. Between rows lie numbers that nobody uses.

    conv             out[i] += w[t] x[offset[t] + i]
    conv_transpose   x[offset[t] + i] += w[t] out[i]
    conv_weight      w[t] += sum over i of out[i] x[offset[t] + i]
"""

from functools import lru_cache
from itertools import product
from math import prod

import numpy as np
from numba import get_thread_id, prange

from .arrays import FLOATS, empty, plain
from .jit import jit, thread_limit

SUMS = 64  # partial sums of conv_weight, side by side


def conv(x, w, b, window):
    """As conv.conv, for depthwise windows; declines the rest."""
    if not _served(x, w, window, x.shape[1], len(w)):
        return NotImplemented
    y = empty((*x.shape[:1], len(w), prod(window.out)), x.dtype)
    bias = np.zeros(len(w), x.dtype) if b is None else plain(b)
    _conv(_planes(x), plain(w).reshape(len(w), -1), bias, *_layout(window), *_scratch(window, x.dtype), y)
    return y.reshape(*y.shape[:2], *window.out)


def conv_transpose(u, w, b, window):
    """As conv.conv_transpose, likewise; with weights that are not finite the gaps between rows would tell."""
    C = w.shape[1] * window.groups
    if not _served(u, w, window, C, len(w)) or not np.isfinite(w).all():
        return NotImplemented
    x = empty((len(u), C, prod(window.image)), u.dtype)
    bias = np.zeros(C, u.dtype) if b is None else plain(b)
    _transpose(_planes(u), plain(w).reshape(len(w), -1), bias, *_layout(window), *_scratch(window, u.dtype), x)
    return x.reshape(*x.shape[:2], *window.image)


def conv_weight(x, u, window):
    """As conv.conv_weight, likewise; declines sums that are not finite, for the same reason."""
    O = u.shape[1]
    if not _served(x, u, window, x.shape[1], O):
        return NotImplemented
    w = empty((O, prod(window.size)), x.dtype)
    _weight(_planes(x), _planes(u), *_layout(window), *_scratch(window, x.dtype), w)
    return w.reshape(O, 1, *window.size) if np.isfinite(w).all() else NotImplemented


def _served(a, other, window, C, O):
    if not 1 < window.groups == C or O % C or len(window.image) > 2:
        return False
    return a.size and other.size and prod(window.out) and a.dtype == other.dtype and a.dtype in FLOATS


def _planes(x):
    return plain(x).reshape(*x.shape[:2], prod(x.shape[2:]))


@lru_cache(maxsize=256)
def _layout(window):
    """(image, out, stride, padding, rows and width of a phase) in two dimensions, and the offsets of the taps."""
    flat = len(window.image) == 1

    def two(values, other):
        return (other, *values) if flat else tuple(values)

    size, stride, dilation = (two(v, 1) for v in (window.size, window.stride, window.dilation))
    out, image, padding = two(window.out, 1), two(window.image, 1), two(window.padding, 0)
    rows, width = (n + d * (k - 1) // s for n, d, k, s in zip(out, dilation, size, stride))
    offsets = []
    for tap in product(*map(range, size)):
        (p, r), (q, c) = (((t * d) % s, t * d // s) for t, d, s in zip(tap, dilation, stride))
        offsets.append(((p * stride[1] + q) * rows + r) * width + c)
    return np.array([*image, *out, *stride, *padding, rows, width]), np.array(offsets)


def _scratch(window, dtype):
    """For each thread all phases of a plane, and an output with gaps."""
    numbers, offsets = _layout(window)
    (_, _, OH, _, sh, sw, _, _, rows, width) = map(int, numbers)
    phases, gaps = (sh * sw * rows + 1) * width, -(-OH * width // SUMS) * SUMS
    return empty((thread_limit(), phases + SUMS), dtype), empty((thread_limit(), gaps), dtype)


# --- planes to phases and back, outputs to gaps and back


@jit
def _split(x, layout, phases):
    """Lay a plane out by phases, zeros around it."""
    H, W, _, _, sh, sw, ph, pw, rows, width = layout
    for i in range(len(phases)):
        phases[i] = 0
    for i in range(min(H, rows * sh - ph)):
        p, r = (i + ph) % sh, (i + ph) // sh
        for q in range(sw):
            base = ((p * sw + q) * rows + r) * width
            first = max(0, (pw - q + sw - 1) // sw)
            for j in range(first, min(width, (W - 1 + pw - q) // sw + 1)):
                phases[base + j] = x[i * W + j * sw + q - pw]


@jit
def _join(phases, layout, bias, x):
    """The plane of phases, plus bias; pixels that no tap reads are none."""
    H, W, _, _, sh, sw, ph, pw, rows, width = layout
    for i in range(H * W):
        x[i] = bias
    for i in range(min(H, rows * sh - ph)):
        p, r = (i + ph) % sh, (i + ph) // sh
        for q in range(sw):
            base = ((p * sw + q) * rows + r) * width
            first = max(0, (pw - q + sw - 1) // sw)
            for j in range(first, min(width, (W - 1 + pw - q) // sw + 1)):
                x[i * W + j * sw + q - pw] += phases[base + j]


@jit
def _with_gaps(u, layout, gaps):
    """The rows of an output `width` apart, zeros between them."""
    OH, OW, width = layout[2], layout[3], layout[9]
    for i in range(len(gaps)):
        gaps[i] = 0
    for i in range(OH):
        for j in range(OW):
            gaps[i * width + j] = u[i * OW + j]


@jit
def _add(n, y, to, x, at, w):
    """Slices, because an index that might be negative is no vector code."""
    y, x = y[to : to + n], x[at : at + n]
    for i in range(n):
        y[i] += w * x[i]


# --- a job is a plane; for the weights, a channel


@jit(parallel=True)
def _conv(x, w, bias, layout, offsets, phases, gaps, y):
    N, C, m = x.shape[0], x.shape[1], w.shape[0] // x.shape[1]
    for job in prange(N * C):
        n, c = job // C, job % C
        mine, out = phases[get_thread_id()], gaps[get_thread_id()]
        OH, OW, width = layout[2], layout[3], layout[9]
        _split(x[n, c], layout, mine)
        for o in range(c * m, c * m + m):
            for i in range(OH * width):
                out[i] = bias[o]
            for t in range(len(offsets)):
                _add(OH * width, out, 0, mine, offsets[t], w[o, t])
            for i in range(OH):
                for j in range(OW):
                    y[n, o, i * OW + j] = out[i * width + j]


@jit(parallel=True)
def _transpose(u, w, bias, layout, offsets, phases, gaps, x):
    N, C, m = x.shape[0], x.shape[1], w.shape[0] // x.shape[1]
    for job in prange(N * C):
        n, c = job // C, job % C
        mine, out = phases[get_thread_id()], gaps[get_thread_id()]
        for i in range(len(mine)):
            mine[i] = 0
        for o in range(c * m, c * m + m):
            _with_gaps(u[n, o], layout, out)
            for t in range(len(offsets)):
                _add(layout[2] * layout[9], mine, offsets[t], out, 0, w[o, t])
        _join(mine, layout, bias[c], x[n, c])


@jit(parallel=True)
def _weight(x, u, layout, offsets, phases, gaps, w):
    N, C, m = x.shape[0], x.shape[1], w.shape[0] // x.shape[1]
    for c in prange(C):
        mine, out = phases[get_thread_id()], gaps[get_thread_id()]
        for k in range(c * m * len(offsets), (c * m + m) * len(offsets)):
            w[k // len(offsets), k % len(offsets)] = 0
        for n in range(N):
            _split(x[n, c], layout, mine)
            for o in range(c * m, c * m + m):
                _with_gaps(u[n, o], layout, out)
                for t in range(len(offsets)):
                    w[o, t] += _dot(out, mine, offsets[t])


@jit
def _dot(u, x, at):
    """Sum of u[i] x[at + i]: SUMS sums side by side, then their sum, whatever the vectors' width."""
    sums = np.zeros(SUMS, u.dtype)
    for i in range(0, len(u), SUMS):
        left, right = u[i : i + SUMS], x[at + i : at + i + SUMS]
        for j in range(SUMS):
            sums[j] += left[j] * right[j]
    total = sums[0]
    for j in range(1, SUMS):
        total += sums[j]
    return total
