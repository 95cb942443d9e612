"""Recurrent layers over whole sequences (ops/recurrent.py): one layer in one direction.

What the inputs give to all steps is one product, and so are the gradients of inputs and weights.  Between them lie
either two launches a step, a product and the cells (csrc/recurrent.cu), or one launch for all steps, whose blocks keep
their weights and meet once a step (csrc/sequence.cu), where the weights fit the GPU's shared memory.
"""

import numpy as np

from . import gemm
from .arrays import FLOATS, WIDE, plain, table, wide
from .launch import backend_of, elementwise, launch, resident
from .precision import arithmetic
from .source import NAMES, Source
from .tiles import STEP

KINDS = {"tanh": "TANH", "relu": "RELU", "gru": "GRU", "lstm": "LSTM"}
GATES = {"TANH": 1, "RELU": 1, "GRU": 3, "LSTM": 4}
# numbers and their arithmetic on tensor cores
NUMBERS = (
    ("float", "Tf32"), ("float", "Ieee"), ("double", "Double"), ("__half", "Half"), ("__nv_bfloat16", "Brain"),
)  # fmt: skip
BATCHES = ((16, 4), (64, 2))  # rows that a block takes at once, and parts of k that it multiplies side by side
UNITS, COLUMNS, RING = 8, 32, 4  # of a block, forwards and backwards; steps of k on their way (csrc/sequence.cu)
MOST_SHARED = 227 << 10

STEPS = Source(
    "recurrent.cu",
    *(f"{name}<{n}, {a}, {kind}>" for name in ("step", "step_back") for kind in GATES for n, a in WIDE.items()),
    apart=True,
)
SEQUENCES = Source(
    "sequence.cu",
    *(f"{name}, {a}, {kind}, {rows}, {parts}>" for kind in ("GRU", "LSTM") for n, a in NUMBERS
      for rows, parts in BATCHES for name in (f"sequence<{n}", f"sequence_back<{n}, {WIDE[n]}")),
    cooperative=True, apart=True,
)  # fmt: skip


def rnn(x, h, w_ih, w_hh, b_ih, b_hh, nonlinearity, sizes, backwards):
    """-> y (rows, H), h (N, H); acts, before."""
    out = _forward(KINDS[nonlinearity], x, h, None, w_ih, w_hh, b_ih, b_hh, sizes, backwards)
    return out if out is NotImplemented else (*out[:2], *out[3:5])


def gru(x, h, w_ih, w_hh, b_ih, b_hh, sizes, backwards):
    """-> y (rows, H), h (N, H); acts, before, extra."""
    out = _forward("GRU", x, h, None, w_ih, w_hh, b_ih, b_hh, sizes, backwards)
    return out if out is NotImplemented else (*out[:2], *out[3:])


def lstm(x, h, c, w_ih, w_hh, b_ih, b_hh, w_hr, sizes, backwards):
    """-> y (rows, H), h, c (N, H); acts, before, extra.  Declines projections."""
    if w_hr is not None:
        return NotImplemented
    return _forward("LSTM", x, h, c, w_ih, w_hh, b_ih, b_hh, sizes, backwards)


def rnn_grad(g, x, h, w_ih, w_hh, b_ih, b_hh, nonlinearity, sizes, backwards, acts, before, needed):
    """-> the gradients of x, h, w_ih, w_hh, b_ih, b_hh."""
    found = _backward(KINDS[nonlinearity], (*g, None), x, h, w_ih, w_hh, sizes, backwards, acts, before, None, needed)
    return found[:2] + found[3:]


def gru_grad(g, x, h, w_ih, w_hh, b_ih, b_hh, sizes, backwards, acts, before, extra, needed):
    """-> the gradients of x, h, w_ih, w_hh, b_ih, b_hh."""
    found = _backward("GRU", (*g, None), x, h, w_ih, w_hh, sizes, backwards, acts, before, extra, needed)
    return found[:2] + found[3:]


def lstm_grad(g, x, h, c, w_ih, w_hh, b_ih, b_hh, w_hr, sizes, backwards, acts, before, extra, needed):
    """-> the gradients of x, h, c, w_ih, w_hh, b_ih, b_hh, w_hr (None)."""
    needed = (*needed[:2], *needed[3:])
    return [*_backward("LSTM", g, x, h, w_ih, w_hh, sizes, backwards, acts, before, extra, needed), None]


def _forward(kind, x, h, c, w_ih, w_hh, b_ih, b_hh, sizes, backwards):
    """-> y, h, c; acts, before, extra."""
    (N, H), xp = h.shape, backend_of(x).xp
    if x.dtype.name not in FLOATS or not (x.size and H) or min(sizes) < 1 or max(sizes) != N:
        return NotImplemented
    w_hh, b_ih, b_hh = plain(w_hh), *(b if b is None else plain(b) for b in (b_ih, b_hh))
    acts, steps = _product(x, w_ih.T), _order(sizes, backwards)
    y, before = (xp.empty((len(x), H), x.dtype) for _ in range(2))
    extra = xp.empty((len(x), H) if kind in ("GRU", "LSTM") else (0, H), x.dtype)
    last, last_c = xp.empty((N, H), x.dtype), xp.empty((N if kind == "LSTM" else 0, H), x.dtype)
    begun = 0
    for start, rows in steps[:-1]:  # rows that begin with this step
        if rows > begun:
            before[start + begun : start + rows] = h[begun:rows]
            if kind == "LSTM":
                extra[start + begun : start + rows] = c[begun:rows]
            begun = rows
    arrays = acts, before, extra, y, last, last_c, b_ih, b_hh
    served = _in_one_launch(f"sequence<{NAMES[x.dtype.name]}", kind, w_hh, arrays, -(-H // UNITS), steps, N)
    if not served:
        number, turned = NAMES[x.dtype.name], w_hh.T
        instance = f"step<{number}, {WIDE[number]}, {kind}>"
        for (start, rows), (following, stay) in zip(steps, steps[1:]):
            z = _product(before[start : start + rows], turned)
            elementwise(STEPS, instance, rows * H, z, *arrays, H, start, rows, following, min(stay, rows))
    return y, last, last_c, acts, before, extra


def _in_one_launch(name, kind, w_hh, arrays, blocks, steps, N, *more):
    """Run all steps by one launch of the kernel `name`; False where the weights do not fit."""
    H, batch = w_hh.shape[1], BATCHES[N > BATCHES[0][0]]
    if kind not in ("GRU", "LSTM") or len(steps) < 3 or H * w_hh.itemsize % 16:
        return False
    instance = f"{name}, {arithmetic(w_hh.dtype, 'rnn')}, {kind}, {batch[0]}, {batch[1]}>"
    shared = _shared(H * w_hh.itemsize, *batch, max(4, w_hh.itemsize))
    threads = batch[0] * batch[1] * 2
    if shared > MOST_SHARED or blocks > resident(SEQUENCES, instance, w_hh, threads, shared):
        return False
    backend = backend_of(w_hh)
    last = table(backend, _int32, steps), backend.xp.zeros(1, "uint32"), H, len(steps) - 1, *more
    launch(SEQUENCES, instance, blocks, threads, w_hh, *arrays, *last, shared=shared)
    return True


def _shared(length, rows, parts, word):
    """Bytes of the weights of a block, `length` bytes of k for each gate of its units, and of the ring beside them."""
    line = STEP + 4 * word
    return -(-length // (STEP * parts)) * parts * COLUMNS * line + RING * rows * parts * line


def _backward(kind, g, x, h, w_ih, w_hh, sizes, backwards, acts, before, extra, needed):
    """-> gradients of x, h, c, w_ih, w_hh, b_ih, b_hh; needed: of all of them but c."""
    (N, H), backend = h.shape, backend_of(x)
    xp, total, number = backend.xp, wide(x), NAMES[x.dtype.name]
    gy = None if g[0] is None else plain(g[0])
    dh, dc = (xp.zeros((N, H), total) if s is None else s.astype(total) for s in g[1:])
    dx = xp.empty((len(x), GATES[kind] * H), x.dtype)
    du = xp.empty(dx.shape, x.dtype) if kind == "GRU" else dx
    extra = before if extra is None else extra
    w_hh, steps, arrays = plain(w_hh), _order(sizes, backwards), (gy, acts, before, extra, dh, dc, dx, du)
    kernel, blocks = f"sequence_back<{number}, {WIDE[number]}", GATES[kind] * -(-H // COLUMNS)
    parts = xp.empty((GATES[kind], N, H), total)
    if not _in_one_launch(kernel, kind, w_hh, (*arrays, parts), blocks, steps, N, N):
        instance, z, carried = f"step_back<{number}, {WIDE[number]}, {kind}>", before, 0
        for start, rows in (*reversed(steps[:-1]), (0, 0)):
            elementwise(STEPS, instance, max(rows, carried) * H, z, *arrays, H, start, rows, carried)
            if rows:
                z, carried = _product(du[start : start + rows], w_hh), rows
    dh, dc = (s.astype(x.dtype) for s in (dh, dc))
    return [
        _product(dx, w_ih) if needed[0] else None,
        dh,
        dc if kind == "LSTM" else None,
        _product(dx.T, x) if needed[2] else None,
        _product(du.T, before) if needed[3] else None,
        _sums(dx) if needed[4] else None,
        _sums(du) if needed[5] else None,
    ]


def _product(a, b):
    y = gemm.product(a[None], b[None], what="rnn")
    return (a @ b).astype(a.dtype, copy=False) if y is NotImplemented else y[0]


def _sums(d):
    """Of the columns of d, added up in the type that is wide enough."""
    return d.astype(wide(d), copy=False).sum(0).astype(d.dtype, copy=False)


def _order(sizes, backwards):
    """(first row, number of rows) of each step, in the order of the steps; no rows at the end."""
    starts = np.cumsum([0, *sizes[:-1]]).tolist()
    steps = list(zip(starts, sizes))
    return (*(reversed(steps) if backwards else steps), (0, 0))


def _int32(steps):
    return np.array(steps, "int32")
