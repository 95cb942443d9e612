"""The gradient of a convolution's weights: sums over all pixels of outputs' gradients times inputs.

Many channels: outer products over pixels. With pixels as rows, u in panels (pixels, MR outputs) and x in vectors
(pixels, VL channels), what lies under a tap at a pixel is one row of x: no window is ever packed, the tile follows a
list of rows (as in Dukhan 2019, "The indirect convolution algorithm"). Positions outside of the image are a zero row.

Few channels: dot products over strips of pixels, each tap of each channel a row.
"""

from math import prod

import numpy as np

from ..window import taps as positions_of
from .arrays import empty
from .jit import get_num_threads, thread_limit
from .jobs import jobs
from .microkernel import (
    DOT,
    LOW,
    MR,
    NV,
    STRIP_BYTES,
    VECTOR_BYTES,
    address,
    dot_tile,
    gather_tile,
    lanes,
    low_gather_tile,
    strip,
)  # fmt: skip
from .panels import columns, starts
from .strips import LANES, Plane, locate, pack, regroup, tables

TURN = 384  # pixels at a time: their rows of a pair of vectors stay near
PIECES = 16  # into which the pixels are cut at most, each with sums of its own: the same at every number of threads
LONGEST = 2048  # terms in a sum, where there may be so many pieces: longer ones lose digits
PARTIAL = 1 << 22  # numbers in these sums
WASTE = 1.6  # vectors of channels times their lanes, over channels, up to which rows are worth it
PACKED = 1 << 18  # bytes of packed pixels that a job works on


def weight_gradient(x, u, window):
    """x (N, C, I), u (N, O, P) -> (O, C / groups * taps)."""
    lanes = VECTOR_BYTES // x.itemsize
    Cg = x.shape[1] // window.groups
    waste, largest = -(-Cg // lanes) * lanes / Cg, x.shape[0] * x.shape[2] * lanes
    return (_by_dots if waste > WASTE or largest >= 1 << 31 else _by_rows)(x, u, window)


# --- outer products


def _by_rows(x, u, window):
    (N, C, I), (_, O, P), G, T = x.shape, u.shape, window.groups, prod(window.size)
    VL = VECTOR_BYTES // x.itemsize
    left, right = columns(u, G), columns(x, G, VL)
    pairs, blocks = -(-T * right.shape[1] // NV), left.shape[1]
    tiles = G * pairs * blocks * MR * NV * VL
    wanted = max(-(-2 * PIECES // (G * pairs)), N * P // LONGEST)
    pieces = max(1, min(wanted, PIECES, PARTIAL // tiles, N * P // TURN))
    shares = max(1, min(pairs, 4 * get_num_threads() // (pieces * G)))
    parts = empty((pieces, G, pairs, blocks, MR, NV, VL), x.dtype)
    rows = empty((thread_limit(), T, TURN), np.int32)
    begins = starts(O // G)
    _rows(pieces * G * shares, left, right, begins, positions_of(window), I, parts, rows, shares)
    out = empty((O, C // G, T), x.dtype)
    _gather(G * blocks * right.shape[1], parts, begins, out)
    return out


@jobs
def _rows(job, thread, left, right, begins, taps, I, parts, rows_of_threads, shares):
    """One share of the pairs of vectors (tap, channels), summed over one piece of the pixels."""
    (T, P), (_, blocks, pixels, width), (_, vectors, length, VL) = taps.shape, left.shape, right.shape
    pieces, G, pairs = parts.shape[:3]
    piece, g, share, rows = job // shares // G, job // shares % G, job % shares, rows_of_threads[thread]
    low, high = pairs * share // shares, pairs * (share + 1) // shares
    total = pixels - 1
    begin, end = total * piece // pieces, total * (piece + 1) // pieces
    tile = MR * NV * VL
    first = ((piece * G + g) * pairs + low) * blocks * tile
    parts.reshape(-1)[first : first + (high - low) * blocks * tile] = 0
    for at in range(begin, end, TURN):
        many = min(TURN, end - at)
        for t in range(low * NV // vectors, min(T, (high * NV - 1) // vectors + 1)):
            for k in range(many):
                n, p = (at + k) // P, (at + k) % P
                i = taps[t, p]
                rows[t, k] = (n * I + i if i >= 0 else length - 1) * VL
        for pair in range(low, high):
            # the last pair may have one vector only: it is taken twice
            v, w = pair * NV, min(pair * NV + 1, T * vectors - 1)
            b = address(right, (g * vectors + v % vectors) * length * VL)
            d = address(right, (g * vectors + w % vectors) * length * VL)
            rows_b, rows_d = address(rows, v // vectors * TURN), address(rows, w // vectors * TURN)
            for block in range(blocks):
                a = address(left, ((g * blocks + block) * pixels + at) * width)
                c = address(parts, (((piece * G + g) * pairs + pair) * blocks + block) * tile)
                if begins[block + 1] - begins[block] > LOW:
                    gather_tile(many, a, b, rows_b, d, rows_d, c)
                else:
                    low_gather_tile(many, a, b, rows_b, d, rows_d, c)


@jobs
def _gather(job, parts, begins, out):
    """out (O, channels, taps) = the sum of the pieces: a block of outputs, a vector of channels."""
    (O, C, T), (pieces, G, pairs, blocks, _, _, VL) = out.shape, parts.shape
    vectors, tile, flat = (C + VL - 1) // VL, MR * NV * VL, parts.reshape(-1)
    g, block, vector = job // vectors // blocks, job // vectors % blocks, job % vectors
    total, first = np.empty((T, VL), out.dtype), vector * VL
    for row in range(begins[block], begins[block + 1]):
        for t in range(T):
            v = t * vectors + vector
            at = ((g * pairs + v // NV) * blocks + block) * tile + ((row - begins[block]) * NV + v % NV) * VL
            for l in range(VL):
                total[t, l] = flat[at + l]
            for _ in range(1, pieces):
                at += len(flat) // pieces
                for l in range(VL):
                    total[t, l] += flat[at + l]
        for l in range(min(VL, C - first)):
            for t in range(T):
                out[g * (O // G) + row, first + l, t] = total[t, l]


# --- dot products


def _by_dots(x, u, window):
    groups, T = window.groups, prod(window.size)
    O, Cg = u.shape[1], x.shape[1] // groups
    pixels = u.shape[0] * u.shape[2] * x.itemsize
    strips = max(1, min(PACKED // (max(O // groups, T) * STRIP_BYTES), -(-pixels // (PIECES * STRIP_BYTES)), 32))
    pieces = max(1, min(PARTIAL // (O * Cg * T), pixels // (strips * STRIP_BYTES), PIECES))
    blocks = max(1, min(PIECES // (pieces * groups), Cg))
    parts = np.zeros((pieces, groups, O // groups, Cg, T), x.dtype)
    own = tables(Plane(window.out), x.itemsize)
    rows = regroup(x, window), u, *tables(window, x.itemsize), *own
    _dots(pieces * groups * blocks, *rows, parts, blocks, strips)
    return parts.sum(axis=0)


@jobs
def _dots(job, x, u, taps, runs, own_taps, own_runs, parts, blocks, strips):
    """One block of the input channels of a group, summed over one piece of the pixels."""
    piece, g, block = job % len(parts), job // len(parts) // blocks, job // len(parts) % blocks
    (N, C, I), (_, O, P), (pieces, _, Og, Cg, T), NR = x.shape, u.shape, parts.shape, strip(x)
    total, width = N * P, -(-Cg // blocks)
    all_strips = (total + NR - 1) // NR
    begin, end = all_strips * piece // pieces, all_strips * (piece + 1) // pieces
    low, high = block * width, min((block + 1) * width, Cg)
    chunk = max(1, min(high - low, PACKED // (strips * T * STRIP_BYTES)))
    plan = np.empty((strips * T * NV, LANES + lanes(x)), np.int64)
    own_plan = np.empty((strips * NV, LANES + lanes(x)), np.int64)
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
