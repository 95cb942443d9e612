"""3 x 3 convolutions of stride 1 by Winograd's F(4 x 4, 3 x 3): a quarter of the multiplications (transforms.py).

A job takes rows of tiles, as many as fit the second-level cache, through all steps, with channels as lanes:

    pixels      x (N, C, H, W)     -> band[6, columns, VL], the rows under a row of tiles, transposed
    spread      band               -> V[36, tiles, C]
    multiply    V[i] times U[i]    -> M[36, tiles, NR]            U[36, C, NR]: weights, evaluated
    weigh       M                  -> band[4, columns, VL]        -> y (N, O, *out), transposed back

The data gradient is the same with mirrored weights; for the weights' gradient the products are sums over tiles.
Sums of large and opposite terms lose digits: errors in float32 are a few times those of a direct convolution.
`TINYDL_WINOGRAD=0`, or `tinydl.set_winograd(False)`, switches it off.
"""

import os
from math import prod

import numpy as np
from numba import prange

from .arrays import empty, plain
from .jit import get_num_threads, jit
from .microkernel import NV, STRIP_BYTES, VECTOR_BYTES, address, lanes, strip
from .transforms import ROWS, evaluate_3, evaluate_4, product_tile, spread_6, transpose, weigh_3, weigh_4

TILES = 32  # tiles in a block, at least, so that reading the weights costs little beside multiplying
CACHE = 640 << 10  # bytes that a block of tiles, transformed, may take
CHANNELS = 64  # input channels in a job of the weights' gradient


def conv(x, w, b, window):
    """As conv.conv, in float32, where tiles of 4 x 4 outputs fit; declines the rest, and results with NaN or
    infinity, which a tile would spread to its neighbours."""
    if not _served(x, w, window, *w.shape[:2]):
        return NotImplemented
    O, C = w.shape[:2]
    return _tiled(plain(x), plain(w), (9 * C, 9, False), b, O, window.padding, window.out)


def conv_transpose(u, w, b, window):
    """As conv.conv_transpose, as `conv` does it."""
    if not _served(u, w, window, *w.shape[:2]):
        return NotImplemented
    C, padding = w.shape[1], tuple(2 - p for p in window.padding)
    return _tiled(plain(u), plain(w), (9, 9 * C, True), b, C, padding, window.image)


def conv_weight(x, u, window):
    """As conv.conv_weight, as `conv` does it."""
    if not _served(x, u, window, x.shape[1], u.shape[1]):
        return NotImplemented
    x, u = plain(x), plain(u)
    (N, C), O = x.shape[:2], u.shape[1]
    rows, columns = (-(-n // 4) for n in window.out)
    ranges = -(-C // CHANNELS)
    width = -(-C // ranges // ROWS) * ROWS
    pieces = max(1, min(4 // ranges, N * rows))
    block = max(1, min(TILES // columns, -(-N * rows // pieces)))
    tiles, workers = block * columns, min(get_num_threads(), ranges * pieces)
    a, b = _row(x, width), _row(x, O)
    V, U, M = (empty((workers, n), x.dtype) for n in (36 * tiles * a, 36 * tiles * b, 36 * width * b))
    band = np.zeros((workers, 2 * _band(x, columns)), x.dtype)
    parts = empty((pieces, O, C, 3, 3), x.dtype)
    bad = np.zeros((workers, VECTOR_BYTES // 4), x.dtype)
    _weight(x, u, *window.padding, parts, width, block, V, a, U, b, M, band, bad)
    if not np.isfinite(bad).all():
        return NotImplemented
    return parts[0] if pieces == 1 else parts.sum(axis=0)


def _served(x, other, window, *channels):
    """Whether these are 3 x 3 windows of stride 1, over enough channels and pixels."""
    if window.size != (3, 3) or window.groups != 1 or os.environ.get("TINYDL_WINOGRAD") == "0":
        return False
    padding = window.padding
    regular = window.stride == window.dilation == (1, 1) and max(padding) <= 2
    regular = regular and all(i + 2 * p - 2 == o for i, p, o in zip(window.image, padding, window.out))
    whole = prod(-(-n // 4) * 4 for n in window.out) <= 2.5 * prod(window.out)
    return regular and whole and min(channels) >= 16 and len(x) and x.dtype == other.dtype == np.float32


def _row(x, channels):
    """Numbers in a row of channels: whole strips, and a vector more, lest rows fall into the same cache sets."""
    strip = STRIP_BYTES // x.itemsize
    return -(-channels // strip) * strip + strip // NV


def _band(x, columns):
    """Numbers in the rows under a row of tiles: the last store of a row reaches past its end."""
    VL = VECTOR_BYTES // x.itemsize
    return (6 * (4 * columns + 2) + 2 * VL) * VL


def _tiled(x, w, steps, b, O, padding, out):
    """x (N, C, H, W), w[o, c, 3, 3] at o * steps[0] + c * steps[1] (mirrored where steps[2]) -> (N, O, *out)."""
    (N, C), (rows, columns) = x.shape[:2], (-(-n // 4) for n in out)
    NR, threads = STRIP_BYTES // x.itemsize, get_num_threads()
    strips, row = -(-O // NR), _row(x, C)
    bias = np.zeros(strips * NR, x.dtype)
    if b is not None:
        bias[:O] = b
    most = max(TILES, CACHE // (36 * (C + NR) * x.itemsize))
    block = max(1, min(most // columns, -(-N * rows // threads)))
    blocks = -(-N * rows // block)
    shares = min(strips, -(-threads // blocks))  # of the outputs, where there are fewer blocks than threads
    workers = min(threads, blocks * shares)
    tiles = -(-block * columns // ROWS) * ROWS
    kept = blocks > 2  # the weights of all outputs, transformed once; else each job transforms its own
    U = empty((strips if kept else workers, 36 * C * NR), x.dtype)
    V, M = (empty((workers, 36 * tiles * n), x.dtype) for n in (row, NR))
    band = np.zeros((workers, 2 * _band(x, columns)), x.dtype)
    y = empty((N, O, *out), x.dtype)
    bad = np.zeros((workers, VECTOR_BYTES // x.itemsize), x.dtype)
    if kept:
        _weights(w, *steps, C, O, U)
    _convolve(x, w, *steps, bias, *padding, y, block, shares, kept, U, V, row, M, band, bad)
    return y if np.isfinite(bad).all() else NotImplemented


# --- the steps of a job: loops over vectors of channels


@jit(apart=True)
def _fill_band(x, n, c, top, left, rows, width, band):
    """band[rows, width, VL]: VL channels of image n, channel c.., from pixel (top, -left) on; 0 outside."""
    (_, C, H, W), VL = x.shape, lanes(x)
    for i in range(rows):
        at = i * width
        if 0 <= top + i < H:
            for q in range(0, W, VL):
                pixel = ((n * C + c) * H + top + i) * W + q
                to = address(band, (at + left + q) * VL)
                transpose(address(x, pixel), H * W, min(VL, C - c), min(VL, W - q), to, VL, VL, VL)
        else:
            for k in range(at * VL, (at + width) * VL):
                band[k] = 0


@jit(apart=True)
def _transform_tiles(x, begin, end, ph, pw, size, tile_rows, columns, c, channels, band, V, row):
    """V[36, tiles, channels]: the tiles of rows begin..end, of channels c.. of x: 6 pixels wide and spread,
    or 4 and evaluated."""
    VL, width, step = lanes(x), 4 * columns + 2, (end - begin) * columns * row
    for r in range(begin, end):
        n, top = r // tile_rows, r % tile_rows * 4
        for k in range(0, channels, VL):
            _fill_band(x, n, c + k, top - ph, pw, size, width, band)
            for t in range(columns):
                source, to = address(band, 4 * t * VL), address(V, ((r - begin) * columns + t) * row + k)
                if size == 6:
                    spread_6(source, width * VL, VL, to, 6 * step, step)
                else:
                    evaluate_4(source, width * VL, VL, to, 6 * step, step)


@jit(apart=True)
def _weights_of(w, o_step, c_step, mirrored, C, O, o, scratch, U, base):
    """U[36, C, NR]: the weights of outputs o.., evaluated."""
    VL, NR = lanes(w), strip(w)
    flat = w.reshape(-1)
    first, sign = (8, -1) if mirrored else (0, 1)
    for c in range(C):
        for j in range(0, NR, VL):
            rows, at = min(VL, O - o - j), (o + j) * o_step + c * c_step
            for t in range(0, 9, VL):
                transpose(address(flat, at + t), o_step, rows, min(VL, 9 - t), address(scratch, t * VL), VL, VL, VL)
            source, to = address(scratch, first * VL), address(U, base + c * NR + j)
            evaluate_3(source, sign * 3 * VL, sign * VL, to, 6 * C * NR, C * NR)


@jit(apart=True)
def _finish_tiles(M, begin, end, tile_rows, columns, o, bias, bad, band, y):
    """The outputs o.. of tiles begin..end, from their products M[36, tiles, NR]."""
    (_, O, H, W), VL, NR = y.shape, lanes(y), strip(y)
    tiles = len(M) // 36 // NR
    width = 4 * columns
    for r in range(begin, end):
        n, top = r // tile_rows, r % tile_rows * 4
        for j in range(0, min(NR, O - o), VL):
            for t in range(columns):
                source, to = address(M, ((r - begin) * columns + t) * NR + j), address(band, 4 * t * VL)
                add, flags = address(bias, o + j), address(bad, 0)
                weigh_4(source, 6 * tiles * NR, tiles * NR, to, width * VL, VL, add, flags)
            for i in range(min(4, H - top)):
                for q in range(0, W, VL):
                    to = address(y, ((n * O + o + j) * H + top + i) * W + q)
                    source = address(band, (i * width + q) * VL)
                    transpose(source, VL, VL, VL, to, H * W, min(VL, O - o - j), min(VL, W - q))


@jit(apart=True)
def _sum_products(V, a, U, b, tiles, channels, O, add, width, M):
    """M[36, width, b]: sums over tiles of V times U."""
    NR = strip(V)
    for i in range(36):
        for c in range(0, channels, ROWS):
            for o in range(0, O, NR):
                left, right = address(V, i * tiles * a + c), address(U, i * tiles * b + o)
                product_tile(tiles, left, 1, a, right, b, address(M, (i * width + c) * b + o), b, add)


@jit(apart=True)
def _finish_weights(M, b, width, first, channels, w, bad):
    """The weights' gradient w (O, C, 3, 3) of channels first.., from the sums M."""
    (O, C, _, _), VL = w.shape, lanes(w)
    zero, tile = np.zeros(VL, w.dtype), np.empty(16 * VL, w.dtype)
    for c in range(channels):
        for o in range(0, O, VL):
            source, flags = address(M, c * b + o), address(bad, 0)
            weigh_3(source, 6 * width * b, width * b, address(tile, 0), 3 * VL, VL, address(zero, 0), flags)
            for t in range(0, 9, VL):
                taps, to = min(VL, 9 - t), address(w, (o * C + first + c) * 9 + t)
                transpose(address(tile, t * VL), VL, taps, VL, to, C * 9, min(VL, O - o), taps)


# --- jobs: shared out to workers, each with scratch of its own


@jit(parallel=True)
def _weights(w, o_step, c_step, mirrored, C, O, U):
    for s in prange(len(U)):
        scratch = np.empty(16 * lanes(w) * 2, w.dtype)
        _weights_of(w, o_step, c_step, mirrored, C, O, s * strip(w), scratch, U[s], 0)


@jit(parallel=True)
def _convolve(x, w, o_step, c_step, mirrored, bias, ph, pw, y, block, shares, kept, U, V, row, M, band, bad):
    for worker in prange(len(V)):
        _convolve_jobs(
            x, w, o_step, c_step, mirrored, bias, ph, pw, y, block, shares, kept, U,
            V[worker], row, M[worker], band[worker], bad[worker], worker, len(V),
        )  # fmt: skip


@jit(apart=True)
def _convolve_jobs(
    x, w, o_step, c_step, mirrored, bias, ph, pw, y, block, shares, kept, U, V, row, M, band, bad, worker, workers
):
    (N, C, _, _), (_, O, H, W), NR = x.shape, y.shape, strip(x)
    tile_rows, columns = (H + 3) // 4, (W + 3) // 4
    blocks, strips = (N * tile_rows + block - 1) // block, (O + NR - 1) // NR
    other = band[len(band) // 2 :]
    for job in range(worker, blocks * shares, workers):
        begin, share = job % blocks * block, job // blocks
        end = min(begin + block, N * tile_rows)
        tiles = (end - begin) * columns
        _transform_tiles(x, begin, end, ph, pw, 6, tile_rows, columns, 0, C, band, V, row)
        for s in range(strips * share // shares, strips * (share + 1) // shares):
            if not kept:
                _weights_of(w, o_step, c_step, mirrored, C, O, s * NR, M, U[worker], 0)
            u, step = U[s if kept else worker], len(M) // 36
            for i in range(36):
                for t in range(0, tiles, ROWS):
                    a, b = address(V, (i * tiles + t) * row), address(u, i * C * NR)
                    product_tile(C, a, row, 1, b, NR, address(M, i * step + t * NR), NR, False)
            _finish_tiles(M, begin, end, tile_rows, columns, s * NR, bias, bad, other, y)


@jit(parallel=True)
def _weight(x, u, ph, pw, parts, width, block, V, a, U, b, M, band, bad):
    for worker in prange(len(V)):
        _weight_jobs(
            x, u, ph, pw, parts, width, block, V[worker], a, U[worker], b, M[worker], band[worker], bad[worker],
            worker, len(V),
        )  # fmt: skip


@jit(apart=True)
def _weight_jobs(x, u, ph, pw, parts, width, block, V, a, U, b, M, band, bad, worker, workers):
    """Channels in ranges of `width`, tiles in pieces, whose sums are kept apart: the same at any number of workers."""
    (N, O, H, W), (pieces, _, C, _, _) = u.shape, parts.shape
    tile_rows, columns = (H + 3) // 4, (W + 3) // 4
    ranges, total, other = (C + width - 1) // width, N * tile_rows, band[len(band) // 2 :]
    for job in range(worker, ranges * pieces, workers):
        c, piece = job // pieces * width, job % pieces
        channels = min(width, C - c)
        low, high = total * piece // pieces, total * (piece + 1) // pieces
        for begin in range(low, high, block):
            end = min(begin + block, high)
            _transform_tiles(x, begin, end, ph, pw, 6, tile_rows, columns, c, channels, band, V, a)
            _transform_tiles(u, begin, end, 0, 0, 4, tile_rows, columns, 0, O, other, U, b)
            _sum_products(V, a, U, b, (end - begin) * columns, channels, O, begin > low, width, M)
        _finish_weights(M, b, width, c, channels, parts[piece], bad)
