"""Convolution and its two adjoints, as matrix products on packed strips of pixels (strips.py, microkernel.py).

Forward, y[MR outputs, NR pixels] = panel of w (channels * taps, MR) times what lies under the window at a strip of
pixels (channels * taps, NR). The adjoint in x is the same product with x and y exchanged, taps and all, one residue of
the stride after the other: no sum is scattered. The adjoint in w is in weights.py.

Arrays are (N, C, I) for x, (N, O, P) for y and u, I and P being flattened planes: 1, 2 and 3 dimensions
are alike. Implicit matrix products as in Chetlur et al. 2014 (cuDNN); packing as in Goto and van de Geijn 2008.
"""

import functools
from math import prod

import numpy as np

from . import batch, direct, flat, volumes, winograd
from .arrays import FLOATS, empty, plain
from .jit import thread_limit
from .jobs import jobs
from .microkernel import LOW, MR, STRIP_BYTES, address, low_panel_tile, panel_tile, strip
from .panels import columns, panels, starts
from .strips import LANES, NV, Plane, columns_of, locate, pack, phases, regroup, tables, ungroup, unpack
from .weights import weight_gradient

JOBS = 16  # into which a call is cut where it can be: the same at every number of threads
DEPTH = 512  # rows of a packed strip: more channels are added in turns
PACKED = 1 << 19  # bytes of packed pixels that a job works on: they stay in the second-level cache


def _after(*special):
    """The kernel, unless one of the same name in the special families serves."""

    def wrap(kernel):
        @functools.wraps(kernel)
        def first_that_serves(*args, **constants):
            for family in special:
                y = getattr(family, kernel.__name__)(*args, **constants)
                if y is not NotImplemented:
                    return y
            return kernel(*args, **constants)

        return first_that_serves

    return wrap


@_after(flat, batch, winograd, volumes, direct)
def conv(x, w, b, window):
    """x (N, C, *image), w (O, C / groups, *size), b (O,) or None -> (N, O, *out), float32 or 64."""
    if not _served(x, w, *[b] * (b is not None)):
        return NotImplemented
    O, Cg, *_ = w.shape
    y = empty((len(x), O, prod(window.out)), x.dtype)
    if x.size and w.size and y.size:
        operand = columns(plain(w).reshape(1, O, -1), window.groups)
        own = tables(Plane(window.out), x.itemsize)
        multiply(regroup(_flat(x), window), operand, O, b, tables(window, x.itemsize), own, y)
    else:
        y[...] = 0 if b is None else b[:, None]
    return y.reshape(*y.shape[:2], *window.out)


@_after(flat, batch, winograd, volumes, direct)
def conv_transpose(u, w, b, window):
    """u (N, O, *out), w (O, C / groups, *size), b (C,) or None -> (N, C, *image): adjoint in x.

    Declines weights with NaN or infinity where they would meet the zeros that stand outside of u.
    """
    if not _served(u, w, *[b] * (b is not None)):
        return NotImplemented
    Cg, groups, T = w.shape[1], window.groups, prod(window.size)
    meet = len(u) >= JOBS // 2 and _few(Cg, T, len(w) // groups)
    parts, covered = phases(window, u.itemsize, meet) if u.size and w.size else ((), False)
    if any(taps is not None for taps, *_ in parts) and not np.isfinite(w.sum()):
        return NotImplemented
    n, stride = columns_of(window)
    x = empty((len(u), Cg * groups, prod(window.image[:-1]) * -(-n // stride) * stride), u.dtype)
    if not covered:
        x[...] = 0 if b is None else b[:, None]
    u, w = _flat(u), plain(w).reshape(len(w), Cg, T)
    for taps, into, own in parts:
        if taps is None:  # a row of the product is a tap and a channel: those that add to the same place are far apart
            operand = panels(plain(w.swapaxes(1, 2)), groups, Cg * T, 1, (0,))
        else:
            operand = panels(w, groups, Cg, T, taps)
        multiply(u, operand, Cg * groups, b, into, own, x, meet)
    return ungroup(x, window).reshape(*x.shape[:2], *window.image)


@_after(flat, batch, winograd, volumes, direct)
def conv_weight(x, u, window):
    """x (N, C, *image), u (N, O, *out) -> (O, C / groups, *size): the adjoint of conv in w."""
    if not _served(x, u):
        return NotImplemented
    O, Cg = u.shape[1], x.shape[1] // window.groups
    if not (x.size and u.size):
        return np.zeros((O, Cg, *window.size), x.dtype)
    return weight_gradient(_flat(x), _flat(u), window).reshape(O, Cg, *window.size)


def _few(Cg, T, O):
    """Whether channels are so few that adding all taps of each into x costs less than packing all taps of u.

    In nanoseconds for each strip and output, as measured: 8 for a row of a tile, 4 for one packed, 9 for one added.
    """
    return 8 * -(-Cg * T // MR) + 4 + 9 * Cg * T / O < T * (4 + 8 * -(-Cg // MR))


def _served(*arrays):
    return all(a.dtype == arrays[0].dtype and a.dtype in FLOATS for a in arrays)


def _flat(x):
    return plain(x).reshape(*x.shape[:2], prod(x.shape[2:]))


def multiply(x, operand, outputs, b, into, own, y, meet=False):
    """y = operand times x under the taps `into`, plus b: at the pixels `own`.

    meet: pixels may be the same for several taps, and the product is added to what y holds: a job has whole images.
    """
    groups, blocks, K, _ = operand.shape
    T, pixels = into[0].shape
    channels, rows = K // T, outputs // groups * len(own[0])
    chunk = -(-channels // -(-channels // max(1, DEPTH // T)))
    strips = -(-len(x) * pixels * x.itemsize // STRIP_BYTES)
    most = max(1, min(8, PACKED // (chunk * T * STRIP_BYTES), -(-strips * groups // JOBS)))
    VL = STRIP_BYTES // NV // x.itemsize
    span = -(-len(x) // JOBS) * pixels if meet else most * NV * VL
    shares = 1 if meet else max(1, min(JOBS // (2 * groups * -(-strips // most)), blocks))
    # after the biases, zeros: what tiles begin with that are added
    bias = np.zeros((groups + 1, rows + MR), x.dtype)
    if b is not None and not meet:
        bias[:groups, :rows] = np.tile(b.reshape(groups, -1), len(own[0]))
    packed = empty((thread_limit(), (most * chunk * T + MR) * VL * NV), x.dtype)
    plans = empty((thread_limit(), most * (T + len(own[0])) * NV, LANES + VL), np.int64)
    many = groups * -(-len(x) * pixels // span) * shares
    _multiply(many, x, operand, starts(rows), bias, *into, *own, y, span, most, chunk, shares, meet, packed, plans)


@jobs
def _multiply(
    job,
    thread,
    x,
    panels,
    begins,
    bias,
    taps,
    runs,
    own_taps,
    own_runs,
    y,
    span,
    strips,
    chunk,
    shares,
    meet,
    packed,
    plans,
):
    """A share of the panels of a group at the pixels of one span, a few strips and `chunk` channels at a time."""
    (N, C, I), (T, P), (To, _), NR = x.shape, taps.shape, own_taps.shape, strip(x)
    groups, blocks, K, width = panels.shape
    spans = (N * P + span - 1) // span
    g, begin, share = job // shares // spans, job // shares % spans * span, job % shares
    low, high, end = blocks * share // shares, blocks * (share + 1) // shares, min(begin + span, N * P)
    packed, plan = packed[thread], plans[thread]
    Cg, O, plane = C // groups, y.shape[1], y.shape[2]
    into, own = plan[: strips * T * NV], plan[strips * T * NV :]
    tile, channels = len(packed) - MR * NR, begins[blocks] // To
    start = g * channels * plane
    for first in range(begin, end, strips * NR):
        used = min(strips, (end - first + NR - 1) // NR)
        locate(taps, runs, C * I, first, used, end, into)
        locate(own_taps, own_runs, O * plane, first, used, end, own)
        for c in range(0, Cg, chunk):
            depth = min(chunk, Cg - c) * T
            pack(x, (g * Cg + c) * I, I, depth // T, T, used, into, packed)
            for p in range(low, high):
                r, height = begins[p], begins[p + 1] - begins[p]
                a = address(panels, ((g * blocks + p) * K + c * T) * width)
                b = address(bias, g * bias.shape[1] + r if c == 0 else groups * bias.shape[1])
                for s in range(used):
                    if height > LOW:
                        panel_tile(depth, a, address(packed, s * depth * NR), b, address(packed, tile))
                    else:
                        low_panel_tile(depth, a, address(packed, s * depth * NR), b, address(packed, tile))
                    unpack(packed, tile, r, height, channels, To, start, plane, s, own, meet or c > 0, y)
