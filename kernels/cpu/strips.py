"""Strips of pixels: gathering what lies under a window into packed operands, and putting tiles back.

The pixels of all images stand in one row, cut into strips of NR, NV vectors each. `locate` plans the moves of a
block of strips once, and all channels follow the plan. Its row for (strip, tap, vector) holds

    mask, base      RUNS times: lane l belongs to position base + l, where bit l of mask is set
    VL positions    filled in where mask is -1 (more than RUNS runs of neighbours): lane by lane, -1 for none
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ..window import taps
from .jit import jit
from .microkernel import NV, STRIP_BYTES, add_masked, address, copy_masked, lanes, put_masked, strip

RUNS = 3  # a vector of pixels that crosses two row ends of its image
LANES = 2 * RUNS  # where the positions begin in a row of a plan


class Plane(NamedTuple):
    """The window of one pixel: outputs are inputs."""

    image: tuple[int, ...]

    @property
    def out(self):
        return self.image

    def spans(self, d):
        return [range(i, i + 1) for i in range(self.image[d])]


@lru_cache(maxsize=256)
def tables(window, itemsize: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions (T, P) under the taps, and the runs (T, P, LANES) of the vector that begins at each pixel."""
    positions = taps(window)
    runs = np.empty((*positions.shape, LANES), np.int32)
    _fill_runs(positions, STRIP_BYTES // NV // itemsize, runs)
    return positions, runs


@jit
def _fill_runs(positions, VL, runs):
    row = np.empty(LANES + VL, np.int64)
    for t in range(runs.shape[0]):
        for p in range(runs.shape[1] - VL + 1):
            for l in range(VL):
                row[LANES + l] = positions[t, p + l]
            split(row)
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


@jit
def new_plan(x, strips, T):
    return np.empty((strips * T * NV, LANES + lanes(x)), np.int64)


@jit
def locate(positions, runs, image_step, first, strips, total, plan):
    """Plan the moves of pixels first.. (of `total`), in channel 0; images are `image_step` apart."""
    T, P = positions.shape
    VL = plan.shape[1] - LANES
    for sv in range(strips * NV):
        q = first + sv * VL
        n, p = q // P, q % P
        for t in range(T):
            row = plan[(sv // NV * T + t) * NV + sv % NV]
            if p + VL <= P and q < total:
                for r in range(0, LANES, 2):
                    row[r], row[r + 1] = runs[t, p, r], runs[t, p, r + 1] + n * image_step
                if row[0] >= 0:
                    continue
            for l in range(VL):
                i = positions[t, (q + l) % P] if q + l < total else -1
                row[LANES + l] = i + (q + l) // P * image_step if i >= 0 else -1
            split(row)


@jit
def pack(x, start, plane_step, channels, T, strips, plan, out):
    """out[strips, channels * T, NR]: the inputs of each strip, channel 0 beginning at `start`; 0 outside."""
    VL, NR = lanes(x), strip(x)
    flat = x.reshape(-1)
    for s in range(strips):
        for c in range(channels):
            plane = start + c * plane_step
            for k in range(T * NV):
                row = plan[s * T * NV + k]
                to = (s * channels + c) * T * NR + k * VL
                if row[0] >= 0:
                    copy_masked(address(out, to), address(x, plane + row[1]), row[0])
                    for r in range(2, LANES, 2):
                        if row[r]:
                            put_masked(address(out, to), address(x, plane + row[r + 1]), row[r])
                else:
                    for l in range(VL):
                        i = row[LANES + l]
                        out[to + l] = flat[plane + i] if i >= 0 else x.dtype.type(0)


@jit
def unpack(tile, first, rows, start, plane_step, T, s, plan, add, x):
    """Put (or add) the rows of tile[rows, NR], numbers first.. of (channel, tap), where `pack` takes them from."""
    VL, NR = lanes(x), strip(x)
    flat = x.reshape(-1)
    for i in range(rows):
        c, t = (first + i) // T, (first + i) % T
        plane = start + c * plane_step
        for j in range(NV):
            row = plan[(s * T + t) * NV + j]
            at = i * NR + j * VL
            if row[0] >= 0:
                for r in range(0, LANES, 2):
                    if row[r] and add:
                        add_masked(address(x, plane + row[r + 1]), address(tile, at), row[r])
                    elif row[r]:
                        put_masked(address(x, plane + row[r + 1]), address(tile, at), row[r])
            else:
                for l in range(VL):
                    k = row[LANES + l]
                    if k >= 0:
                        flat[plane + k] = flat[plane + k] + tile[at + l] if add else tile[at + l]
