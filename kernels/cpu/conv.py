"""Convolution and its two adjoints, as matrix products on packed strips of pixels (strips.py, microkernel.py).

Forward, y[MR outputs, NR pixels] = panel of w (channels * taps, MR) times what lies under the window at a strip of
pixels (channels * taps, NR). The adjoint in x is the same product with x and y exchanged, taps and all, one residue of
the stride after the other: no sum is scattered. The adjoint in w is in weights.py.

Arrays are (N, C, I) for x, (N, O, P) for y and u, I and P being flattened planes: 1, 2 and 3 dimensions
are alike. Implicit matrix products as in Chetlur et al. 2014 (cuDNN); packing as in Goto and van de Geijn 2008.
"""

from math import prod

import numpy as np
from numba import get_thread_id, prange

from .arrays import FLOATS, empty, plain
from .jit import get_num_threads, jit, thread_limit
from .microkernel import MR, STRIP_BYTES, address, lanes, panel_tile, strip
from .panels import columns, panels
from .strips import LANES, NV, Plane, locate, pack, phases, tables, unpack
from .weights import weight_gradient

DEPTH = 512  # rows of a packed strip: more channels are added in turns
PACKED = 1 << 19  # bytes of packed pixels that a job works on: they stay in the second-level cache


def conv(x, w, b, window):
    """x (N, C, *image), w (O, C / groups, *size), b (O,) or None -> (N, O, *out), float32 or 64."""
    if not _served(x, w, *[b] * (b is not None)):
        return NotImplemented
    O, Cg, *_ = w.shape
    y = empty((len(x), O, prod(window.out)), x.dtype)
    if x.size and w.size and y.size:
        operand = columns(plain(w).reshape(1, O, -1), window.groups, MR)
        multiply(_flat(x), operand, O, b, tables(window, x.itemsize), tables(Plane(window.out), x.itemsize), y)
    else:
        y[...] = 0 if b is None else b[:, None]
    return y.reshape(*y.shape[:2], *window.out)


def conv_transpose(u, w, b, window):
    """u (N, O, *out), w (O, C / groups, *size), b (C,) or None -> (N, C, *image): adjoint in x."""
    if not _served(u, w, *[b] * (b is not None)):
        return NotImplemented
    (O, Cg, *_), groups, T = w.shape, window.groups, prod(window.size)
    parts, covered = phases(window, u.itemsize) if u.size and w.size else ((), False)
    x = empty((len(u), Cg * groups, prod(window.image)), u.dtype)
    if not covered:
        x[...] = 0 if b is None else b[:, None]
    u = _flat(u)
    for taps, into, own in parts:
        # a row of the product is a channel, or where taps is None, a channel and a tap
        rows, step, taps = (Cg, T, taps) if taps is not None else (Cg * T, 1, (0,))
        multiply(u, panels(plain(w), groups, rows, step, taps), groups * rows, b, into, own, x)
    return x.reshape(*x.shape[:2], *window.image)


def conv_weight(x, u, window):
    """x (N, C, *image), u (N, O, *out) -> (O, C / groups, *size): the adjoint of conv in w."""
    if not _served(x, u):
        return NotImplemented
    O, Cg = u.shape[1], x.shape[1] // window.groups
    if not (x.size and u.size):
        return np.zeros((O, Cg, *window.size), x.dtype)
    return weight_gradient(_flat(x), _flat(u), window).reshape(O, Cg, *window.size)


def _served(*arrays):
    return all(a.dtype == arrays[0].dtype and a.dtype in FLOATS for a in arrays)


def _flat(x):
    return plain(x).reshape(*x.shape[:2], prod(x.shape[2:]))


def multiply(x, operand, rows, b, into, own, y):
    """y = operand times x under the taps `into`, plus b: at the pixels `own`; `rows` of all groups."""
    groups, blocks, K, _ = operand.shape
    T, pixels = into[0].shape
    channels = K // T
    chunk = -(-channels // -(-channels // max(1, DEPTH // T)))
    strips = -(-len(x) * pixels * x.itemsize // STRIP_BYTES)
    wanted = 4 * get_num_threads()
    most = min(8, PACKED // (chunk * T * STRIP_BYTES), -(-strips * groups // wanted))
    most = max(1, most)
    shares = max(1, min(wanted // (2 * groups * -(-strips // most)), blocks))
    bias = np.zeros(y.shape[1], x.dtype) if b is None else plain(b)
    VL = STRIP_BYTES // NV // x.itemsize
    packed = empty((thread_limit(), (most * chunk * T + MR) * VL * NV), x.dtype)
    plans = empty((thread_limit(), most * (T + len(own[0])) * NV, LANES + VL), np.int64)
    _multiply(x, operand, rows // groups, bias, *into, *own, y, most, chunk, shares, packed, plans)


@jit(parallel=True)
def _multiply(x, panels, rows, bias, taps, runs, own_taps, own_runs, y, strips, chunk, shares, packed, plans):
    groups, blocks = panels.shape[:2]
    jobs = -(-(x.shape[0] * taps.shape[1]) // (strips * strip(x)))
    for job in prange(groups * jobs * shares):
        g, first, share = job // shares // jobs, job // shares % jobs * strips * strip(x), job % shares
        mine, plan = packed[get_thread_id()], plans[get_thread_id()]
        low, high = blocks * share // shares * MR, min(blocks * (share + 1) // shares * MR, rows)
        _job(x, panels, rows, bias, taps, runs, own_taps, own_runs, y, g, low, high, first, strips, chunk, mine, plan)


@jit
def _job(x, panels, rows, bias, taps, runs, own_taps, own_runs, y, g, low, high, first, strips, chunk, packed, plan):
    """Rows low..high of group g at the pixels first.., `chunk` channels at a time."""
    (N, C, I), (T, P), (To, _), NR = x.shape, taps.shape, own_taps.shape, strip(x)
    groups, blocks, K, width = panels.shape
    Cg, total, O, plane = C // groups, N * P, y.shape[1], y.shape[2]
    used = min(strips, (total - first + NR - 1) // NR)
    into, own = plan[: strips * T * NV], plan[strips * T * NV :]
    locate(taps, runs, C * I, first, used, total, into)
    locate(own_taps, own_runs, O * plane, first, used, total, own)
    tile = len(packed) - MR * NR
    channel = g * rows // To
    for c in range(0, Cg, chunk):
        depth = min(chunk, Cg - c) * T
        pack(x, (g * Cg + c) * I, I, depth // T, T, used, into, packed)
        for r in range(low, high, MR):
            a = address(panels, ((g * blocks + r // MR) * K + c * T) * width)
            for s in range(used):
                panel_tile(depth, a, address(packed, s * depth * NR), address(packed, tile))
                unpack(packed, tile, r, min(MR, high - r), channel, bias, plane, To, s, own, c > 0, y)
