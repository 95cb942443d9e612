"""Convolutions of small images whose batch lies in the vectors: a row is one number of each of NR images.

    x (strips, blocks, pixels, rows, NR)        the images by NR, the channels as rows, by blocks

No window is gathered: what a tap reads at a pixel is rows as they stand, and neighbouring taps read rows one after the
other. Each result has a list of runs of taps (first tap, first pixel, how many), without those outside of the image.

    conv             y[p] = sum over the runs of w[taps] times the rows of x
    conv_transpose   the same of u, the taps in reverse, so that they read ascending pixels
    conv_weight      dot products over all pixels and images of rows of u and rows of x, zeros around it
"""

from functools import lru_cache
from math import gcd, prod
from typing import NamedTuple

import numpy as np

from ..window import taps
from . import volumes, winograd
from .arrays import FLOATS, empty, plain
from .jit import jit
from .jobs import jobs
from .microkernel import (
    DOT,
    LOW,
    MR,
    NV,
    STRIP_BYTES,
    address,
    lanes,
    listed_dot_tile,
    low_runs_tile,
    runs_tile,
    transpose,
)  # fmt: skip
from .panels import columns, starts, turn
from .weights import PARTIAL, PIECES

WASTE = 1.25  # lanes of the strips over images, up to which they are worth it
FILLED = 1.25  # lanes of vectors of channels over channels, up to which conv_weight is left to weights.py
NEAR = 1 << 20  # bytes of a strip of images: they stay in the second-level cache
TERMS = 1024  # in a sum: longer ones lose digits
LITTLE = 1 << 22  # multiplications for weights below which turning images over is most of the work
MANY = 1 << 12  # channels times outputs from which Winograd's algorithm is faster
SHARES = 8  # into which a call is cut where it can be
TILE = 1 << 16  # bytes of results that a job turns over at a time
NEIGHBOURS = 32  # pixels of which the first-level cache holds the rows of both operands


def conv(x, w, b, window):
    """As conv.conv, for such images; declines the rest, and weights with NaN or infinity that zeros would meet."""
    O, C = w.shape[:2]
    if not _served(window, O, x, w, b) or prod(window.size) * C > TERMS:
        return NotImplemented
    if any(map(any, window.padded())) and not np.isfinite(w).all():
        return NotImplemented
    operand = w.reshape(O, C, -1).swapaxes(1, 2)
    return _product(x, operand, b, _runs(window, False)).reshape(len(x), O, *window.out)


def conv_transpose(u, w, b, window):
    """As conv.conv_transpose, likewise; what would meet zeros is left out."""
    O, C = w.shape[:2]
    at_a_pixel = prod(-(-k * gcd(s, d) // s) for k, s, d in zip(window.size, window.stride, window.dilation))
    if not _served(window, C, u, w, b) or at_a_pixel * O > TERMS:
        return NotImplemented
    operand = w.reshape(O, C, -1)[:, :, ::-1].transpose(1, 2, 0)
    return _product(u, operand, b, _runs(window, True)).reshape(len(u), C, *window.image)


def conv_weight(x, u, window):
    """As conv.conv_weight, likewise; what is little, or has channels that fill vectors, is left to weights.py."""
    O, C, VL = u.shape[1], x.shape[1], STRIP_BYTES // NV // x.itemsize
    if not _served(window, O, x, u) or prod(window.out) > TERMS or -(-C // VL) * VL <= FILLED * C:
        return NotImplemented
    if len(x) * prod(window.out) * O * C * prod(window.size) < LITTLE:
        return NotImplemented
    pixels, begins, tiles, places = _places(window, C)
    x, u = _turned(_padded(x, window), C), _turned(u, DOT)
    of_one = u.shape[1], tiles, DOT, DOT, VL
    sums = empty((max(1, min(len(x), PIECES, PARTIAL // prod(of_one))), *of_one), x.dtype)
    _dots(len(sums) * len(sums[0]), x, u, pixels, begins, sums)
    w = sums.sum(0).sum(-1).swapaxes(1, 2).reshape(-1, tiles * DOT)[:O, places]
    return np.ascontiguousarray(w.reshape(O, -1, C).swapaxes(1, 2)).reshape(O, C, *window.size)


def _padded(x, window):
    """x with the zeros around it that the window reads."""
    around = window.padded()
    if not any(map(any, around)):
        return x
    plane = [a + n + b for n, (a, b) in zip(window.image, around)]
    out = np.zeros((*x.shape[:2], *plane), x.dtype)
    out[(..., *(slice(a, a + n) for n, (a, _) in zip(window.image, around)))] = x
    return out


def _served(window, outputs, x, other, bias=None):
    """Whether turning x over, images or outputs' gradients, is worth it; `outputs`: the channels of what it gives."""
    N, NR, least = len(x), STRIP_BYTES // x.itemsize, min(prod(window.image), prod(window.out))
    if x.dtype not in FLOATS or any(a is not None and a.dtype != x.dtype for a in (other, bias)):
        return False
    if not (x.size and other.size) or window.groups > 1:
        return False
    if -(-N // NR) * NR > WASTE * N or NV * least < NR or prod(x.shape[1:]) * STRIP_BYTES > NEAR:
        return False
    others = winograd.served(window, x) or volumes.served(window, x)
    return not (others and x.shape[1] * outputs >= MANY)


class Runs(NamedTuple):
    """Runs of taps (first tap, first pixel, taps), and where those of each result begin."""

    table: np.ndarray
    begins: np.ndarray


@lru_cache(maxsize=256)
def _runs(window, adjoint):
    """The runs of each output; of the adjoint, of each pixel of the image, by descending taps."""
    pixels, I = taps(window), prod(window.image)
    (T, P) = pixels.shape
    if adjoint:
        reader = np.full((T, I + 1), -1, np.int64)
        np.put_along_axis(reader, np.where(pixels < 0, I, pixels), np.arange(P)[None], 1)
        pixels = reader[::-1, :-1]
    here = np.pad(pixels, ((1, 1), (0, 0)), constant_values=-1)
    goes_on = (here[:-1] >= 0) & (here[1:] == here[:-1] + 1)
    begin, end = (pixels >= 0) & ~goes_on[:-1], (pixels >= 0) & ~goes_on[1:]
    (p, first), (_, last) = np.nonzero(begin.T), np.nonzero(end.T)
    table = np.stack([first, pixels[first, p], last + 1 - first], 1)
    return Runs(np.ascontiguousarray(table), np.concatenate([[0], begin.sum(0).cumsum()]))


@lru_cache(maxsize=256)
def _places(window, C):
    """Pixels of the padded image under each tap, (T, P); where runs of taps begin, the same at all outputs; how many
    tiles of DOT rows these have, each run its own; and each tap's and channel's row in them."""
    plane = tuple(n + sum(around) for n, around in zip(window.image, window.padded()))
    pixels = taps(window._replace(image=plane, padding=(0,) * len(plane)))
    goes_on = (pixels[1:] == pixels[:-1] + 1).all(1)
    begins = np.array([0, *np.flatnonzero(~goes_on) + 1, len(pixels)])
    rows = np.diff(begins) * C
    tiles = -(-rows // DOT)
    places = np.arange(rows.sum()) + np.repeat((tiles.cumsum() - tiles) * DOT - begins[:-1] * C, rows)
    return pixels, begins, int(tiles.sum()), places


# --- images side by side


def _turned(x, rows):
    """x (N, C, *image) -> (strips, blocks, pixels, rows, NR), zero where there is no channel or no image."""
    (N, C), I, NR = x.shape[:2], prod(x.shape[2:]), STRIP_BYTES // x.itemsize
    shape = -(-N // NR), -(-C // rows), I, rows, NR
    room = empty((prod(shape) + DOT * NR,), x.dtype)
    room[-DOT * NR :] = 0  # tiles read past the last rows
    out = room[: prod(shape)].reshape(shape)
    if C % rows:
        out[:, -1, :, C % rows :] = 0
    _turn(shape[0] * C, plain(x).reshape(N, C, I), out)
    return out


@jobs
def _turn(job, x, out):
    """One channel of one strip."""
    (N, C, _), (_, blocks, I, rows, NR), VL = x.shape, out.shape, lanes(x)
    s, c = job // C, job % C
    to = ((s * blocks + c // rows) * I * rows + c % rows) * NR
    for n in range(0, NR, VL):
        images = min(VL, N - s * NR - n)
        if images > 0:
            turn(x.reshape(-1), ((s * NR + n) * C + c) * I, C * I, I, images, out.reshape(-1), to + n, rows * NR)
        if images < VL:
            out[s, c // rows, :, c % rows, n + max(0, images) : n + VL] = 0


# --- conv and conv_transpose


def _product(x, operand, b, runs):
    """x (N, C, *image), operand (R, T, C), b (R,) or None -> (N, R, P)."""
    R, P, VL = len(operand), len(runs.begins) - 1, STRIP_BYTES // NV // x.itemsize
    y = empty((len(x), R, P), x.dtype)
    x, bias = _turned(x, x.shape[1]), np.zeros(R + MR, x.dtype)
    if b is not None:
        bias[:R] = b
    panels = columns(np.ascontiguousarray(operand).reshape(1, R, -1), 1)[0]
    # pixels enough for whole vectors in each; results few enough for the cache
    shares = min(P // VL, max(-(-SHARES // len(x)), -(-P * R * STRIP_BYTES // TILE)))
    _multiply(len(x) * shares, x, panels, starts(R), bias, *runs, y, shares)
    return y


@jobs
def _multiply(job, x, panels, rows, bias, runs, begins, y, shares):
    """One share of the results' pixels, for one strip of images."""
    (_, _, I, C, NR), (blocks, K, width), (_, R, P) = x.shape, panels.shape, y.shape
    s, share = job // shares, job % shares
    low, high = P * share // shares, P * (share + 1) // shares
    tile, images = np.empty(((high - low) * R + MR) * NR, x.dtype), address(x, s * I * C * NR)
    for p in range(low, high):
        n, listed = begins[p + 1] - begins[p], address(runs, begins[p] * 3)
        for block in range(blocks):  # what a tile has past the last row, the next pixel's first is put over
            r = rows[block]
            a, to = address(panels, block * K * width), address(tile, ((p - low) * R + r) * NR)
            if rows[block + 1] - r > LOW:
                runs_tile(n, listed, C, a, images, address(bias, r), to)
            else:
                low_runs_tile(n, listed, C, a, images, address(bias, r), to)
    _put(tile, s * NR, low, high, y)


@jit(apart=True)
def _put(tile, first, low, high, y):
    """Turn a tile (pixels low to high, R, NR) over, to NR images from the first on, as far as there are so many."""
    (N, R, P), VL = y.shape, lanes(y)
    NR, few = NV * VL, np.empty(VL * VL, y.dtype)
    for n in range(first, min(first + NR, N), VL):
        for r in range(R):
            for p in range(low, high, VL):
                p = min(p, high - VL)  # the last block overlaps the one before
                a, to = address(tile, ((p - low) * R + r) * NR + n - first), (n * R + r) * P + p
                if n + VL <= N:
                    transpose(a, R * NR, VL, address(y, to), R * P)
                else:
                    transpose(a, R * NR, VL, address(few, 0), VL)
                    for i in range((N - n) * VL):
                        y[n + i // VL, r, p + i % VL] = few[i]


# --- conv_weight


@jobs
def _dots(job, x, u, pixels, begins, sums):
    """DOT outputs, for some strips of images: sums (pieces, blocks of outputs, tiles of rows, DOT, DOT, VL)."""
    (S, _, I, C, NR), (_, blocks, P, _, _), pieces, VL = x.shape, u.shape, len(sums), lanes(x)
    piece, block = job % pieces, job // pieces
    tiles = sums[piece, block].reshape(-1)
    tiles[:] = 0
    for s in range(S * piece // pieces, S * (piece + 1) // pieces):
        for p in range(0, P, NEIGHBOURS):
            t, many, a = 0, min(NEIGHBOURS, P - p), address(u, ((s * blocks + block) * P + p) * DOT * NR)
            for run in range(len(begins) - 1):
                listed = address(pixels, begins[run] * P + p)
                for k in range(0, (begins[run + 1] - begins[run]) * C, DOT):
                    b, tile = address(x, (s * I * C + k) * NR), address(tiles, t * DOT * DOT * VL)
                    listed_dot_tile(many, a, DOT * NR, b, C * NR, listed, tile)
                    t += 1
