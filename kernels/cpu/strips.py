"""Strips of pixels: gathering what lies under a window into packed operands, and putting tiles back.

The pixels of all images stand in one row, cut into strips of NR, NV vectors each. `locate` plans the moves of a
block of strips once, and all channels follow the plan. Its row for (strip, tap, vector) holds

    mask, base      RUNS times: lane l belongs to position base + l, where bit l of mask is set
    VL positions    filled in where mask is -1 (more than RUNS runs of neighbours): lane by lane, -1 for none
"""

from functools import lru_cache
from math import prod
from typing import NamedTuple

import numpy as np

from ..window import taps
from .arrays import empty
from .jit import jit
from .jobs import jobs
from .microkernel import NV, STRIP_BYTES, address, lanes, strip
from .moves import RUNS, add_runs, gather_runs, scatter_runs

LANES = 2 * RUNS  # where the positions begin in a row of a plan
TOGETHER = 8
IMAGE = 1 << 26  # times k, in a table, before a position in the k-th image after


class Plane(NamedTuple):
    """The window of one pixel: outputs are inputs."""

    image: tuple[int, ...]
    groups = 1

    @property
    def out(self):
        return self.image

    @property
    def size(self):
        return (1,) * len(self.image)

    def spans(self, d):
        return [range(i, i + 1) for i in range(self.image[d])]


@lru_cache(maxsize=256)
def tables(window, itemsize: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions (T, P) under the taps, and the runs (T, P, LANES) of the vector that begins at each pixel.

    A vector may go on in the next images, positions of which are IMAGE further on.
    """
    return _with_runs(regrouped(taps(window), window), itemsize)


def regrouped(positions, window):
    """Where positions of the image are after `regroup`."""
    n, stride = columns_of(window)
    if stride == 1:
        return positions
    line, column = positions // n, positions % n
    share = -(-n // stride)
    return np.where(positions < 0, -1, (line * stride + column % stride) * share + column // stride)


@lru_cache(maxsize=256)
def columns_of(window) -> tuple[int, int]:
    """The number of columns of a window's image, and their stride."""
    spans = window.spans(len(window.image) - 1)
    stride = spans[1].start - spans[0].start if len(spans) > 1 else 1
    return window.image[-1], stride


def regroup(x, window):
    """x (N, C, I) with the columns of each line by their residues modulo the stride: so outputs read neighbours."""
    n, stride = columns_of(window)
    if stride == 1:
        return x
    out = empty((*x.shape[:2], x.shape[2] // n * -(-n // stride) * stride), x.dtype)
    _regroup(len(x) * x.shape[1], x, out, n, stride, True)
    return out


def ungroup(x, window):
    """x (N, C, *image) from what `regroup` makes."""
    n, stride = columns_of(window)
    if stride == 1:
        return x
    out = empty((*x.shape[:2], prod(window.image)), x.dtype)
    _regroup(len(x) * x.shape[1], out, x, n, stride, False)
    return out


@jobs
def _regroup(job, x, groups, n, stride, to_groups):
    """In a plane, column k * stride + r of each line of n becomes column k of the line's group r, or the other way."""
    plane, grouped = x[job // x.shape[1], job % x.shape[1]], groups[job // x.shape[1], job % x.shape[1]]
    share = (n + stride - 1) // stride
    for line in range(len(plane) // n):
        for r in range(stride):
            many, at, to = (n - r + stride - 1) // stride, line * n + r, (line * stride + r) * share
            if to_groups:
                for k in range(many):
                    grouped[to + k] = plane[at + k * stride]
            else:
                for k in range(many):
                    plane[at + k * stride] = grouped[to + k]


@lru_cache(maxsize=256)
def phases(window, itemsize: int, meet: bool = False):
    """The adjoint of a window as products: [(taps, tables of outputs read, tables of inputs written)], are all written.

    Inputs whose positions are equal modulo the stride are read by the same taps, the others by none of these. Where
    no two windows meet, or if they shall (`meet`), `taps` is None: inputs under all taps are written from each output.
    """
    positions, image = taps(window), prod(window.image)
    if meet or np.bincount(positions[positions >= 0], minlength=1).max() < 2:
        own = _with_runs(regrouped(positions, window), itemsize)
        return [(None, tables(Plane(window.out), itemsize), own)], False
    T, P = positions.shape
    reader = np.full((T, image + 1), -1, np.int64)
    np.put_along_axis(reader, np.where(positions < 0, image, positions), np.arange(P)[None], 1)
    residue, steps = np.zeros(window.image, np.int64), 1
    for d, size in enumerate(window.image):
        spans = window.spans(d)
        stride = spans[1].start - spans[0].start if len(spans) > 1 else 1
        along = np.arange(size).reshape(-1, *[1] * (len(window.image) - d - 1))
        residue, steps = residue * stride + along % stride, steps * stride
    found, covered = [], True
    for phase in range(steps):
        own = np.flatnonzero(residue.reshape(-1) == phase)
        read = np.flatnonzero((reader[:, own] >= 0).any(1))
        covered &= not len(own) or len(read) > 0
        if len(own) and len(read):
            into = _with_runs(np.ascontiguousarray(reader[np.ix_(read, own)]), itemsize)
            found.append((tuple(read.tolist()), into, _with_runs(regrouped(own[None], window), itemsize)))
    return found, covered


def _with_runs(positions, itemsize):
    positions = np.array(positions)  # writable, as all that kernels are compiled for
    runs = np.empty((*positions.shape, LANES), np.int32)
    _fill_runs(positions, STRIP_BYTES // NV // itemsize, runs)
    return positions, runs


@jit
def _fill_runs(positions, VL, runs):
    row = np.empty(LANES + VL, np.int64)
    T, P = positions.shape
    for t in range(T):
        for p in range(P):
            for l in range(VL):
                later, i = (p + l) // P, (p + l) % P
                row[LANES + l] = positions[t, i] + later * IMAGE if positions[t, i] >= 0 else -1
            split(row)
            if p + VL > P and positions[t].max() >= IMAGE // 2:
                row[0] = -1
            for r in range(LANES):
                runs[t, p, r] = row[r]


@jit
def split(row):
    """Cut the positions of a plan's row into runs of neighbours."""
    for k in range(LANES):
        row[k] = 0
    r = -2
    for l in range(len(row) - LANES):
        i = row[LANES + l]
        if i >= 0:
            if r < 0 or i - l != row[r + 1]:
                r += 2
                if r == LANES:
                    row[0] = -1
                    return
                row[r + 1] = i - l
            row[r] |= 1 << l


@jit(apart=True)
def locate(positions, runs, image_step, first, strips, total, plan):
    """Plan the moves of pixels first.. (of `total`), in channel 0; images are `image_step` apart."""
    T, P = positions.shape
    VL = plan.shape[1] - LANES
    for sv in range(strips * NV):
        q = first + sv * VL
        n, p = q // P, q % P
        for t in range(T):
            row = plan[(sv // NV * T + t) * NV + sv % NV]
            if q + VL <= total:
                for r in range(0, LANES, 2):
                    row[r], base = runs[t, p, r], runs[t, p, r + 1]
                    if r and not row[r]:  # the others do not count
                        break
                    later = (base + IMAGE // 2) // IMAGE if p + VL > P else 0
                    row[r + 1] = base - later * IMAGE + (n + later) * image_step
                if row[0] >= 0:
                    continue
            i, image = p, n * image_step
            for l in range(VL):
                if i == P:
                    i, image = 0, image + image_step
                at = positions[t, i] if q + l < total else -1
                row[LANES + l] = at + image if at >= 0 else -1
                i += 1
            split(row)


@jit(apart=True)
def pack(x, start, plane_step, channels, T, strips, plan, out):
    """out[strips, channels * T, NR]: the inputs of each strip, channel 0 beginning at `start`; 0 outside."""
    VL, NR = lanes(x), strip(x)
    flat = x.reshape(-1)
    for s in range(strips):
        # a few channels at a time: each move of the plan is read once for all, and their lines stay in the cache
        for c in range(0, channels, TOGETHER):
            many = min(TOGETHER, channels - c)
            for k in range(T * NV):
                row = plan[s * T * NV + k]
                to, plane = (s * channels + c) * T * NR + k * VL, start + c * plane_step
                if row[0] >= 0:
                    gather_runs(address(out, to), T * NR, address(x, plane), plane_step, many, address(row, 0))
                else:
                    for i in range(many):
                        for l in range(VL):
                            p = row[LANES + l]
                            out[to + i * T * NR + l] = flat[plane + i * plane_step + p] if p >= 0 else x.dtype.type(0)


@jit(apart=True)
def unpack(tiles, at, first, rows, channels, T, start, plane_step, s, plan, add, y):
    """Put the rows of the tile (rows, NR) at tiles[at..], numbers first.. of (tap, channel), to the pixels; or add."""
    VL, NR = lanes(y), strip(y)
    flat = y.reshape(-1)
    # neighbouring rows belong to different planes: what is added to one plane is not waited for by the next row
    for j in range(NV):
        t, c = first // channels, first % channels
        for i in range(rows):
            row, plane = plan[(s * T + t) * NV + j], start + c * plane_step
            source = at + i * NR + j * VL
            if row[0] < 0:
                for l in range(VL):
                    k = row[LANES + l]
                    if k >= 0:
                        flat[plane + k] = flat[plane + k] + tiles[source + l] if add else tiles[source + l]
            elif add:
                add_runs(address(y, plane), address(tiles, source), address(row, 0))
            else:
                scatter_runs(address(y, plane), address(tiles, source), address(row, 0))
            c += 1
            if c == channels:
                t, c = t + 1, 0
