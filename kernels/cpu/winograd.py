"""Convolutions by Winograd's algorithm: 3 x 3 of stride 1 with a quarter of the multiplications, by F(4 x 4, 3 x 3),
and 4 x 4 of stride 2, as DCGAN's, with two fifths, by F(4 x 4, 2 x 2).

A window of stride 2 falls into phases: the pixels of even and of odd rows and columns meet 2 x 2 taps each, with
stride 1. Phases are more channels of what is read, or of what is written.

A job takes rows of tiles, as many as fit the second-level cache, through all steps (winograd_steps.py, transforms.py),
with channels as lanes; P is the number of points, 6 or 5, S the stride:

    pixels      x (N, C, H, W)     -> band[P * S, columns, VL], the rows under a row of tiles, transposed
    spread      band               -> V[P * P, tiles, phases * C]
    multiply    V[i] times U[i]    -> M[P * P, tiles, NR]         U[P * P, phases * C, NR]: weights, evaluated
    weigh       M                  -> band[4, columns, VL]        -> y (N, O, *out), transposed back

The data gradient is the same with mirrored weights, and S * S phases of y; for the weights' gradient the products are
sums over tiles. Sums of large and opposite terms lose digits: errors in float32 are a few times those of a direct
convolution. `TINYDL_WINOGRAD=0`, or `tinydl.set_winograd(False)`, switches it off.
"""

import os
from math import prod

import numpy as np
from numba import prange

from .arrays import empty, plain
from .jit import get_num_threads, jit
from .microkernel import NV, STRIP_BYTES, VECTOR_BYTES, address, lanes, strip
from .transforms import FIVE, ROWS, SIX, product_tile
from .winograd_steps import (
    finish_tiles,
    finish_weights,
    sizes_of,
    sum_products,
    transform_tiles,
    weights_of,
    whole,
)

TILES = 32  # tiles in a block, at least, so that reading the weights costs little beside multiplying
CACHE = 640 << 10  # bytes that a block of tiles, transformed, may take
POINTS = {(3, 3): SIX, (4, 4): FIVE}
CHANNELS = 64  # input channels, each phase for itself, in a job of the weights' gradient


def conv(x, w, b, window):
    """As conv.conv, in float32, where tiles of 4 x 4 outputs fit; declines the rest, and results with NaN or
    infinity, which a tile would spread to its neighbours."""
    points = _points(x, w, window, *w.shape[:2])
    if not points:
        return NotImplemented
    (O, C), (_, T, S) = w.shape[:2], sizes_of(points)
    steps = C * (S * T) ** 2, (S * T) ** 2, False
    return _tiled(points, plain(x), plain(w), steps, b, O, S, 1, window.padding, window.out)


def conv_transpose(u, w, b, window):
    """As conv.conv_transpose, as `conv` does it."""
    points = _points(u, w, window, *w.shape[:2])
    if not points:
        return NotImplemented
    C, (_, T, S) = w.shape[1], sizes_of(points)
    steps = (S * T) ** 2, C * (S * T) ** 2, True
    padding = tuple(2 - p if S == 1 else p for p in window.padding)
    y = _tiled(points, plain(u), plain(w), steps, b, C, 1, S * S, padding, [n // S for n in window.image])
    if y is NotImplemented or S == 1:
        return y
    x = empty((len(u), C, *window.image), u.dtype)
    _interleave(y, x)
    return x


def conv_weight(x, u, window):
    """As conv.conv_weight, as `conv` does it."""
    points = _points(x, u, window, x.shape[1], u.shape[1])
    if not points:
        return NotImplemented
    x, u = plain(x), plain(u)
    (N, C), O, (P, T, S) = x.shape[:2], u.shape[1], sizes_of(points)
    rows, columns = (-(-n // 4) for n in window.out)
    most = CHANNELS // S**2
    ranges = -(-C // most)
    width = whole(-(-C // ranges), ROWS if S == 1 else VECTOR_BYTES // x.itemsize)
    pieces = max(1, min(4 // ranges, N * rows))
    block = max(1, min(TILES // columns, -(-N * rows // pieces)))
    tiles, workers = block * columns, min(get_num_threads(), ranges * pieces)
    a, b = _row(x, S * S * width), _row(x, O)
    V, U, M = (empty((workers, P * P * n), x.dtype) for n in (tiles * a, tiles * b, S * S * width * b))
    band = np.zeros((workers, 2 * _band(columns, P, S, VECTOR_BYTES // x.itemsize)), x.dtype)
    parts = empty((pieces, O, C, S * T, S * T), x.dtype)
    bad = np.zeros((workers, VECTOR_BYTES // x.itemsize), x.dtype)
    _weight(points, x, u, *window.padding, parts, width, block, V, a, U, b, M, band, bad)
    if not np.isfinite(bad).all():
        return NotImplemented
    return parts[0] if pieces == 1 else parts.sum(axis=0)


def _points(x, other, window, *channels):
    """The points, where the method is for these operands, of enough channels and pixels; else None."""
    if not served(window, x, other) or min(channels) < 16:
        return None
    fits = prod(whole(n, 4) for n in window.out) <= 2.5 * prod(window.out)
    return POINTS[window.size] if fits else None


def served(window, *arrays):
    """Whether these are 3 x 3 windows of stride 1 or 4 x 4 of stride 2, on numbers of 32 bits."""
    if window.groups != 1 or window.dilation != (1, 1) or os.environ.get("TINYDL_WINOGRAD") == "0":
        return False
    image, padding, out = window.image, window.padding, window.out
    if window.size == (3, 3) and window.stride == (1, 1):
        regular = max(padding) <= 2 and all(i + 2 * p - 2 == o for i, p, o in zip(image, padding, out))
    elif window.size == (4, 4) and window.stride == (2, 2):
        regular = padding == (1, 1) and all(i == 2 * o for i, o in zip(image, out))
    else:
        return False
    return regular and all(a.dtype == np.float32 and a.size for a in arrays)


def _row(x, channels):
    """Numbers in a row of channels: whole strips, and a vector more, lest rows fall into the same cache sets."""
    strip = STRIP_BYTES // x.itemsize
    return whole(channels, strip) + strip // NV


def _band(columns, P, stride, lanes):
    """Numbers in the rows under a row of tiles."""
    return P * stride * stride * (4 * columns + P - 4) * lanes


def _tiled(points, x, w, steps, b, O, stride, phases, padding, out):
    """x (N, C, H, W), w[o, c] at o * steps[0] + c * steps[1] (mirrored where steps[2]) -> (N, O, *out).

    stride: of the windows in x; phases: of y, which is (N, O, phases, *out) where there are several.
    """
    (N, C), (rows, columns), P = x.shape[:2], (-(-n // 4) for n in out), len(points) + 1
    NR, threads = STRIP_BYTES // x.itemsize, get_num_threads()
    pitch = C if stride == 1 else whole(C, NR // NV)  # channels of a phase
    strips, depth = -(-O // NR), stride * stride * pitch
    row = _row(x, depth)
    bias = np.zeros(strips * NR, x.dtype)
    if b is not None:
        bias[:O] = b
    most = max(TILES, CACHE // (P * P * (depth + NR) * x.itemsize))
    block = max(1, min(most // columns, -(-N * rows // threads)))
    blocks = -(-N * rows // block)
    shares = min(strips, -(-threads // blocks))  # of the outputs, where there are fewer blocks than threads
    workers = min(threads, blocks * shares)
    tiles = whole(block * columns, ROWS)
    kept = blocks > 2  # the weights of all outputs, transformed once; else each job transforms its own
    U = empty((strips * phases if kept else workers, P * P * depth * NR), x.dtype)
    V, M = (empty((workers, P * P * tiles * n), x.dtype) for n in (row, NR))
    band = np.zeros((workers, 2 * _band(columns, P, stride, NR // NV)), x.dtype)
    y = empty((N, O, phases, *out), x.dtype)
    bad = np.zeros((workers, VECTOR_BYTES // x.itemsize), x.dtype)
    if kept:
        _weights(points, w, *steps, C, pitch, O, stride, U)
    sizes = block, shares, stride, pitch, row
    _convolve(points, x, w, *steps, bias, *padding, y, sizes, kept, U, V, M, band, bad)
    if not np.isfinite(bad).all():
        return NotImplemented
    return y.reshape(N, O, *out) if phases == 1 else y


# --- jobs: shared out to workers, each with scratch of its own


@jit(parallel=True)
def _weights(points, w, o_step, c_step, mirrored, C, pitch, O, stride, U):
    strips = (O + strip(w) - 1) // strip(w)
    for s in prange(len(U)):
        scratch, o, phase = np.empty(16 * lanes(w) * 2, w.dtype), s % strips * strip(w), s // strips
        weights_of(points, w, o_step, c_step, mirrored, C, pitch, O, o, stride, phase, scratch, U[s])


@jit(parallel=True)
def _convolve(points, x, w, o_step, c_step, mirrored, bias, ph, pw, y, sizes, kept, U, V, M, band, bad):
    for worker in prange(len(V)):
        _convolve_jobs(
            points, x, w, o_step, c_step, mirrored, bias, ph, pw, y, sizes, kept, U,
            V[worker], M[worker], band[worker], bad[worker], worker, len(V),
        )  # fmt: skip


@jit(apart=True)
def _convolve_jobs(
    points, x, w, o_step, c_step, mirrored, bias, ph, pw, y, sizes, kept, U, V, M, band, bad, worker, workers
):
    (N, C, _, _), (_, O, phases, H, W), NR, P = x.shape, y.shape, strip(x), len(points) + 1
    block, shares, stride, pitch, row = sizes
    side = 1 if phases == 1 else 2
    depth, step = stride * stride * pitch, len(M) // (P * P)
    tile_rows, columns = (H + 3) // 4, (W + 3) // 4
    blocks, strips = (N * tile_rows + block - 1) // block, (O + NR - 1) // NR
    other = band[len(band) // 2 :]
    for job in range(worker, blocks * shares, workers):
        begin, share = job % blocks * block, job // blocks
        end = min(begin + block, N * tile_rows)
        tiles = (end - begin) * columns
        for phase in range(phases):
            top, left = ph - phase // side, pw - phase % side
            transform_tiles(
                points, x, begin, end, top, left, stride, P, tile_rows, columns, 0, C, pitch, band, V, row
            )  # fmt: skip
            for s in range(strips * share // shares, strips * (share + 1) // shares):
                if not kept:
                    weights_of(
                        points, w, o_step, c_step, mirrored, C, pitch, O, s * NR, stride, phase, M, U[worker]
                    )  # fmt: skip
                u = U[phase * strips + s if kept else worker]
                for i in range(P * P):
                    for t in range(0, tiles, ROWS):
                        a, b = address(V, (i * tiles + t) * row), address(u, i * depth * NR)
                        product_tile(depth, a, row, 1, b, NR, address(M, i * step + t * NR), NR, False)
                finish_tiles(points, M, begin, end, tile_rows, columns, s * NR, bias, bad, other, y, phase)


@jit(parallel=True)
def _interleave(y, x):
    """x (N, C, 2 H, 2 W) from its phases y (N, C, 4, H, W)."""
    N, C, _, H, W = y.shape
    for job in prange(N * C * H):
        n, c, h = job // (C * H), job // H % C, job % H
        for phase in range(2):
            even, odd, row = y[n, c, 2 * phase, h], y[n, c, 2 * phase + 1, h], x[n, c, 2 * h + phase]
            for k in range(W):
                row[2 * k] = even[k]
                row[2 * k + 1] = odd[k]


@jit(parallel=True)
def _weight(points, x, u, ph, pw, parts, width, block, V, a, U, b, M, band, bad):
    for worker in prange(len(V)):
        _weight_jobs(
            points, x, u, ph, pw, parts, width, block, V[worker], a, U[worker], b, M[worker], band[worker], bad[worker],
            worker, len(V),
        )  # fmt: skip


@jit(apart=True)
def _weight_jobs(points, x, u, ph, pw, parts, width, block, V, a, U, b, M, band, bad, worker, workers):
    """Channels in ranges of `width`, tiles in pieces, whose sums are kept apart: the same at any number of workers."""
    (N, O, H, W), (pieces, _, C, _, _), (P, _, S) = u.shape, parts.shape, sizes_of(points)
    tile_rows, columns = (H + 3) // 4, (W + 3) // 4
    ranges, total, other = (C + width - 1) // width, N * tile_rows, band[len(band) // 2 :]
    for job in range(worker, ranges * pieces, workers):
        c, piece = job // pieces * width, job % pieces
        channels = min(width, C - c)
        low, high = total * piece // pieces, total * (piece + 1) // pieces
        for begin in range(low, high, block):
            end = min(begin + block, high)
            transform_tiles(points, x, begin, end, ph, pw, S, P, tile_rows, columns, c, channels, width, band, V, a)
            transform_tiles(points, u, begin, end, 0, 0, 1, 4, tile_rows, columns, 0, O, O, other, U, b)
            tiles = (end - begin) * columns
            sum_products(points, V, a, U, b, tiles, channels, O, begin > low, width, M)
        finish_weights(points, M, b, width, c, channels, parts[piece], bad)
