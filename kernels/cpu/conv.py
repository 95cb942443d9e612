"""Convolution and its two adjoints, as matrix products on packed strips of pixels (strips.py, microkernel.py).

With what lies under the window at a strip, (channels * taps, NR), and panels of w, (channels * taps, MR):

    conv            outer products over channels * taps  -> y[MR outputs, NR pixels]
    conv_transpose  outer products over outputs          -> (channels * taps, NR), added into x
    conv_weight     dot products of strips over pixels   -> w[DOT outputs, DOT channels * taps]

Arrays are (N, C, I) for x, (N, O, P) for y and u, I and P being flattened planes: 1, 2 and 3 dimensions
are alike. Implicit matrix products as in Chetlur et al. 2014 (cuDNN); packing as in Goto and van de Geijn 2008.
"""

from math import prod

import numpy as np
from numba import prange

from .arrays import FLOATS, plain
from .jit import jit
from .microkernel import DOT, MR, STRIP_BYTES, address, dot_tile, outer_tile, strip
from .strips import Plane, locate, new_plan, pack, tables, unpack

PACKED = 1 << 18  # bytes of packed pixels that a job works on: they stay in the second-level cache
JOBS = 16  # jobs that a call is cut into where it can be: the same at every number of threads
PARTIAL = 1 << 22  # numbers in the partial sums of conv_weight


def conv(x, w, b, window):
    """x (N, C, *image), w (O, C / groups, *size), b (O,) or None -> (N, O, *out), float32 or 64."""
    if not _served(x, w, *[b] * (b is not None)):
        return NotImplemented
    O, Cg, *_ = w.shape
    y = np.empty((len(x), O, prod(window.out)), x.dtype)
    bias = np.zeros(O, x.dtype) if b is None else plain(b)
    if not (x.size and w.size and y.size):
        y[...] = bias[:, None]
        return _shaped(y, window.out)
    T = prod(window.size)
    strips = _strips(x, window, T * min(Cg, 32))
    chunk = _clamp(PACKED // (strips * T * STRIP_BYTES), Cg)
    panels = _panels(plain(w).reshape(window.groups, -1, Cg * T).swapaxes(1, 2))
    _conv(_flat(x), panels, bias, *_tables(x, window), y, strips, chunk)
    return _shaped(y, window.out)


def conv_transpose(u, w, b, window):
    """u (N, O, *out), w (O, C / groups, *size), b (C,) or None -> (N, C, *image): adjoint in x."""
    if not _served(u, w, *[b] * (b is not None)):
        return NotImplemented
    (O, Cg, *_), groups = w.shape, window.groups
    x = np.zeros((len(u), Cg * groups, prod(window.image)), u.dtype)
    if b is not None:
        x += b[:, None]
    if x.size and u.size and w.size:
        T, P = prod(window.size), prod(window.out)
        # As many images in a job as fill a few strips, and the channels cut where there are few images.
        images = _clamp(8 * STRIP_BYTES // (P * u.itemsize), -(-len(u) // JOBS))
        blocks = _clamp(JOBS // (groups * -(-len(u) // images)), Cg)
        strips = _strips(u, window, max(O // groups, T))
        split = plain(w).reshape(groups, O // groups, Cg, T)
        panels = _panels_of_blocks(split, blocks)
        _transpose(_flat(u), panels, *_tables(u, window), x, images, blocks, strips)
    return _shaped(x, window.image)


def conv_weight(x, u, window):
    """x (N, C, *image), u (N, O, *out) -> (O, C / groups, *size): the adjoint of conv in w."""
    if not _served(x, u):
        return NotImplemented
    groups, T = window.groups, prod(window.size)
    O, Cg = u.shape[1], x.shape[1] // groups
    if not (x.size and u.size):
        return np.zeros((O, Cg, *window.size), x.dtype)
    strips = _strips(x, window, max(O // groups, T), most=32)
    # Each piece of the pixels has sums of its own, so that their order does not depend on the threads.
    pixels = len(x) * prod(window.out) * x.itemsize
    pieces = _clamp(min(PARTIAL // (O * Cg * T), pixels // (strips * STRIP_BYTES)), JOBS)
    blocks = _clamp(JOBS // (pieces * groups), Cg)
    parts = np.zeros((pieces, groups, O // groups, Cg, T), x.dtype)
    _weight(_flat(x), _flat(u), *_tables(x, window), parts, blocks, strips)
    return parts.sum(axis=0).reshape(O, Cg, *window.size)


def _served(*arrays):
    return all(a.dtype == arrays[0].dtype and a.dtype in FLOATS for a in arrays)


def _flat(x):
    return plain(x).reshape(*x.shape[:2], prod(x.shape[2:]))


def _shaped(x, plane):
    return x.reshape(*x.shape[:2], *plane)


def _tables(x, window):
    return *tables(window, x.itemsize), *tables(Plane(window.out), x.itemsize)


def _clamp(n, most):
    return max(1, min(n, most))


def _strips(x, window, rows, most=8):
    """Strips in a job: `rows` packed numbers for each pixel fit the cache, and there is work for all."""
    pixels = len(x) * prod(window.out) * x.itemsize * window.groups
    return _clamp(min(PACKED // (rows * STRIP_BYTES), -(-pixels // (JOBS * STRIP_BYTES))), most)


def _panels(w):
    """(G, K, rows) -> (G, panels, K, MR), zero where a panel has no row."""
    G, K, rows = w.shape
    padded = np.zeros((G, K, -(-rows // MR) * MR), w.dtype)
    padded[:, :, :rows] = w
    return np.ascontiguousarray(padded.reshape(G, K, -1, MR).swapaxes(1, 2))


def _panels_of_blocks(w, blocks):
    """(G, K, C, T) -> (G * blocks, panels, K, MR): the rows (channel, tap) of each block of channels."""
    G, K, C, T = w.shape
    width = -(-C // blocks)
    padded = np.zeros((G, K, blocks * width, T), w.dtype)
    padded[:, :, :C] = w
    padded = padded.reshape(G, K, blocks, width * T).swapaxes(1, 2)
    return _panels(padded.reshape(G * blocks, K, width * T))


# --- the jitted loops: one job is one group and one block of pixels, images or channels


@jit(parallel=True)
def _conv(x, panels, bias, taps, runs, own_taps, own_runs, y, strips, chunk):
    groups = panels.shape[0]
    blocks = -(-(y.shape[0] * y.shape[2]) // (strips * strip(x)))
    for job in prange(groups * blocks):
        g, first = job // blocks, job % blocks * strips * strip(x)
        _conv_job(x, panels[g], bias, taps, runs, own_taps, own_runs, y, g, groups, first, strips, chunk)


@jit
def _conv_job(x, panels, bias, taps, runs, own_taps, own_runs, y, g, groups, first, strips, chunk):
    """All outputs of group g at the pixels first.., `chunk` input channels at a time."""
    (N, C, I), (_, O, P), T, NR = x.shape, y.shape, taps.shape[0], strip(x)
    Cg, Og, total = C // groups, O // groups, N * P
    strips = min(strips, (total - first + NR - 1) // NR)
    plan, own_plan = new_plan(x, strips, T), new_plan(x, strips, 1)
    locate(taps, runs, C * I, first, strips, total, plan)
    locate(own_taps, own_runs, O * P, first, strips, total, own_plan)
    packed, tile = np.empty(strips * chunk * T * NR, x.dtype), np.empty(MR * NR, x.dtype)
    for c in range(0, Cg, chunk):
        depth = min(chunk, Cg - c) * T
        pack(x, (g * Cg + c) * I, I, depth // T, T, strips, plan, packed)
        for o in range(0, Og, MR):
            a = address(panels, (o // MR * Cg + c) * T * MR)
            for s in range(strips):
                outer_tile(depth, a, address(packed, s * depth * NR), address(tile, 0))
                rows = min(MR, Og - o)
                if c == 0:
                    for i in range(rows):
                        for l in range(NR):
                            tile[i * NR + l] += bias[g * Og + o + i]
                unpack(tile, o, rows, g * Og * P, P, 1, s, own_plan, c > 0, y)


@jit(parallel=True)
def _transpose(u, panels, taps, runs, own_taps, own_runs, x, images, blocks, strips):
    groups, shares = panels.shape[0] // blocks, -(-x.shape[0] // images)
    for job in prange(panels.shape[0] * shares):
        gb, n = job // shares, job % shares * images
        part, to = u[n : n + images], x[n : n + images]
        _transpose_job(part, panels[gb], taps, runs, own_taps, own_runs, to, gb, groups, blocks, strips)


@jit
def _transpose_job(u, panels, taps, runs, own_taps, own_runs, x, gb, groups, blocks, strips):
    """Block gb % blocks of the input channels of group gb // blocks, in a few images."""
    (N, C, I), (_, O, P), T, NR = x.shape, u.shape, taps.shape[0], strip(x)
    Cg, Og, g, total = C // groups, O // groups, gb // blocks, N * P
    width = -(-Cg // blocks)
    c = gb % blocks * width
    rows = max(0, min(width, Cg - c)) * T
    plan, own_plan = new_plan(x, strips, T), new_plan(x, strips, 1)
    packed, tile = np.empty(strips * Og * NR, x.dtype), np.empty(MR * NR, x.dtype)
    for first in range(0, total, strips * NR):
        used = min(strips, (total - first + NR - 1) // NR)
        locate(own_taps, own_runs, O * P, first, used, total, own_plan)
        pack(u, g * Og * P, P, Og, 1, used, own_plan, packed)
        locate(taps, runs, C * I, first, used, total, plan)
        for r in range(0, rows, MR):
            a = address(panels, r * Og)
            for s in range(used):
                outer_tile(Og, a, address(packed, s * Og * NR), address(tile, 0))
                unpack(tile, r, min(MR, rows - r), (g * Cg + c) * I, I, T, s, plan, True, x)


@jit(parallel=True)
def _weight(x, u, taps, runs, own_taps, own_runs, parts, blocks, strips):
    pieces, groups = parts.shape[:2]
    for job in prange(pieces * groups * blocks):
        piece, g, block = job % pieces, job // pieces // blocks, job // pieces % blocks
        _weight_job(x, u, taps, runs, own_taps, own_runs, parts, piece, g, block, blocks, strips)


@jit
def _weight_job(x, u, taps, runs, own_taps, own_runs, parts, piece, g, block, blocks, strips):
    """One block of the input channels of group g, summed over one piece of the pixels."""
    (N, C, I), (_, O, P), (pieces, _, Og, Cg, T), NR = x.shape, u.shape, parts.shape, strip(x)
    total, width = N * P, -(-Cg // blocks)
    all_strips = (total + NR - 1) // NR
    begin, end = all_strips * piece // pieces, all_strips * (piece + 1) // pieces
    low, high = block * width, min((block + 1) * width, Cg)
    chunk = max(1, min(high - low, PACKED // (strips * T * STRIP_BYTES)))
    plan, own_plan = new_plan(x, strips, T), new_plan(x, strips, 1)
    # the last tile of a strip reads past its rows: into the next strip, or into these spare rows
    left = np.zeros((strips * Og + DOT) * NR, x.dtype)
    right = np.zeros((strips * chunk * T + DOT) * NR, x.dtype)
    tile, out = np.empty(DOT * DOT, x.dtype), parts[piece, g].reshape(Og, Cg * T)
    for at in range(begin, end, strips):
        used = min(strips, end - at)
        locate(own_taps, own_runs, O * P, at * NR, used, total, own_plan)
        pack(u, g * Og * P, P, Og, 1, used, own_plan, left)
        locate(taps, runs, C * I, at * NR, used, total, plan)
        for c in range(low, high, chunk):
            depth = min(chunk, high - c) * T
            pack(x, (g * Cg + c) * I, I, depth // T, T, used, plan, right)
            for o in range(0, Og, DOT):
                for k in range(0, depth, DOT):
                    a, b = address(left, o * NR), address(right, k * NR)
                    dot_tile(used, a, Og * NR, b, depth * NR, address(tile, 0))
                    for i in range(min(DOT, Og - o)):
                        for j in range(min(DOT, depth - k)):
                            out[o + i, c * T + k + j] += tile[i * DOT + j]
