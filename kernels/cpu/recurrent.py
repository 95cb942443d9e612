"""Recurrent layers over whole sequences (ops/recurrent.py): one layer in one direction.

What the inputs give to all steps is one product (gemm.py), and so are the gradients of the inputs and of the
weights.  Between them lies one jitted loop over the steps: in each, rows of the state are multiplied by the weights of
NR hidden units, in register tiles, and these units' gates computed while the tiles are in the cache.  Threads share
the sequences, or, where the weights are large, at every step the units.

    acts     (rows, gates * H)   what the inputs give, then the gates' values in its place
    before   (rows, H)           h before each step: the left operand of the step's product
    extra    (rows, H)           LSTM: c before each step.  GRU: u_n, what the state gives to n
    left     (2, N, wide)        the left operand of a step's product and of the next: before, or gradients of gates
    tiles    (numbers, MR * NR)  of one job: gates, states and gradients of a few rows, one below another
"""

import numpy as np
from numba import carray, prange
from numba.extending import register_jitable

from .arrays import FLOATS, empty, plain
from .gemm import pack, product, products
from .jit import get_num_threads, jit
from .microkernel import MR, STRIP_BYTES, VECTOR_BYTES, address, strip
from .reduce import sum_to
from .tiles import add_rows, columns, fetch_rows, put_rows, rows_tile
from .vmath import sigmoid, tanh

TANH, RELU, GRU, LSTM = range(4)
GATES = 1, 1, 3, 4
TILES = 7  # as many as a cell uses at most
SMALL = 1 << 20  # bytes of weights up to which the second-level cache of each core holds them all


def rnn(x, h, w_ih, w_hh, b_ih, b_hh, nonlinearity, sizes, backwards):
    """-> y (rows, H), h (N, H); acts, before."""
    kind = {"tanh": TANH, "relu": RELU}[nonlinearity]
    out = _forward(kind, x, h, None, w_ih, w_hh, b_ih, b_hh, sizes, backwards)
    return out if out is NotImplemented else (*out[:2], *out[3:5])


def rnn_grad(g, x, h, w_ih, w_hh, b_ih, b_hh, nonlinearity, sizes, backwards, acts, before, needed):
    """-> the gradients of x, h, w_ih, w_hh, b_ih, b_hh."""
    kind = {"tanh": TANH, "relu": RELU}[nonlinearity]
    found = _backward(kind, (*g, None), x, h, w_ih, w_hh, sizes, backwards, acts, before, None, needed)
    return found[:2] + found[3:]


def gru(x, h, w_ih, w_hh, b_ih, b_hh, sizes, backwards):
    """-> y (rows, H), h (N, H); acts, before, extra."""
    out = _forward(GRU, x, h, None, w_ih, w_hh, b_ih, b_hh, sizes, backwards)
    return out if out is NotImplemented else (*out[:2], *out[3:])


def gru_grad(g, x, h, w_ih, w_hh, b_ih, b_hh, sizes, backwards, acts, before, extra, needed):
    """-> the gradients of x, h, w_ih, w_hh, b_ih, b_hh."""
    found = _backward(GRU, (*g, None), x, h, w_ih, w_hh, sizes, backwards, acts, before, extra, needed)
    return found[:2] + found[3:]


def lstm(x, h, c, w_ih, w_hh, b_ih, b_hh, w_hr, sizes, backwards):
    """-> y (rows, H), h, c (N, H); acts, before, extra.  Declines projections."""
    if w_hr is not None:
        return NotImplemented
    return _forward(LSTM, x, h, c, w_ih, w_hh, b_ih, b_hh, sizes, backwards)


def lstm_grad(g, x, h, c, w_ih, w_hh, b_ih, b_hh, w_hr, sizes, backwards, acts, before, extra, needed):
    """-> the gradients of x, h, c, w_ih, w_hh, b_ih, b_hh, w_hr (None)."""
    return [*_backward(LSTM, g, x, h, w_ih, w_hh, sizes, backwards, acts, before, extra, needed), None]


def _forward(kind, x, h, c, w_ih, w_hh, b_ih, b_hh, sizes, backwards):
    (N, H), gates = h.shape, GATES[kind]
    if x.dtype not in FLOATS or not (x.size and H) or min(sizes) < 1 or max(sizes) != N:
        return NotImplemented
    bias, inner = np.zeros(gates * H, x.dtype), np.zeros(H, x.dtype)
    for b in (b_ih, b_hh):
        if b is not None:
            bias += b
    if kind == GRU and b_hh is not None:  # of n, it stands inside of a product with r
        bias[2 * H :], inner[:] = 0 if b_ih is None else b_ih[2 * H :], b_hh[2 * H :]
    acts = products(x[None], w_ih.T[None], bias)[0]
    strips = pack(w_hh, STRIP_BYTES // x.itemsize, True, gates)
    y, before, last = (empty(shape, x.dtype) for shape in ((len(x), H), (len(x), H), (N, H)))
    extra = empty((len(x) if kind >= GRU else 0, H), x.dtype)
    last_c = empty((N if kind == LSTM else 0, H), x.dtype)
    order = _order(sizes, backwards)
    begun = 0
    for start, rows in order[:-1]:  # rows that begin with this step
        before[start + begun : start + rows] = h[begun:rows]
        if kind == LSTM:
            extra[start + begun : start + rows] = c[begun:rows]
        begun = max(begun, rows)
    left = _left(N, H, x.dtype)
    left[:, :, :H] = h
    _steps(kind, order, strips, inner, acts, before, extra, y, last, last_c, left, _parts(N, strips))
    return y, last, last_c, acts, before, extra


def _backward(kind, g, x, h, w_ih, w_hh, sizes, backwards, acts, before, extra, needed):
    """-> gradients of x, h, c, w_ih, w_hh, b_ih, b_hh."""
    (N, H), gates, dtype = h.shape, GATES[kind], x.dtype
    gy = np.zeros((len(x), H), dtype) if g[0] is None else plain(g[0])
    dh, dc = (np.zeros((N, H), dtype) if s is None else s.copy(order="C") for s in g[1:])
    du = empty((len(x), gates * H), dtype)
    dx = empty((len(x), gates * H), dtype) if kind == GRU else du
    strips = pack(w_hh, STRIP_BYTES // x.itemsize, False)[0]
    extra = before if extra is None else extra
    order, left = _order(sizes, backwards), _left(N, gates * H, dtype)
    _steps_back(kind, order, strips, acts, before, extra, gy, dh, dc, dx, du, left, _parts(N, strips))
    bias = _over_rows(dx)
    more = _over_rows(du) if kind == GRU else bias.copy()
    of_c = (None,) if kind != LSTM else (dc,)
    need_w_ih, need_w_hh = needed[3:5] if kind == LSTM else needed[2:4]
    return [
        product(dx, w_ih) if needed[0] else None,
        dh,
        *of_c,
        product(dx, x, a_turned=True) if need_w_ih else None,
        product(du, before, a_turned=True) if need_w_hh else None,
        bias,
        more,
    ]


def _left(N, width, dtype):
    """Operands of two steps, their rows apart by no power of two: those of a tile would share few sets of the cache."""
    vector = VECTOR_BYTES // np.dtype(dtype).itemsize
    return empty((2, N, (-(-width // vector) | 1) * vector), dtype)


def _over_rows(x):
    sums = sum_to(x, x.shape[1:])
    return x.sum(0) if sums is NotImplemented else sums


def _parts(N, weights):
    """Into how many parts the sequences are cut, each of which one thread takes through all steps.

    Then no thread waits for another; but each reads all weights.  0: at every step the threads share the units.
    """
    threads = get_num_threads()
    return threads if N >= 4 * threads and weights.nbytes <= SMALL else 0


def _order(sizes, backwards):
    """(T + 1, 2): first row and number of rows of each step, in the order of the steps; then no rows."""
    starts = np.cumsum([0, *sizes[:-1]])
    steps = np.stack([starts, sizes], 1)
    return np.concatenate([steps[::-1] if backwards else steps, [[0, 0]]])


# --- forward


@jit(parallel=True)
def _steps(kind, order, strips, inner, acts, before, extra, y, last, last_c, left, parts):
    T, N = len(order) - 1, left.shape[1]
    for p in prange(parts):
        rows = N * p // parts, N * (p + 1) // parts
        for t in range(T):
            for u in range(strips.shape[1]):
                a, state, steps = left[t % 2], left[(t + 1) % 2], (order[t], order[t + 1])
                _units(kind, steps, rows, u, strips, inner, acts, before, extra, y, last, last_c, a, state)
    for t in range(0 if parts else T):
        for u in prange(strips.shape[1]):
            a, state, steps = left[t % 2], left[(t + 1) % 2], (order[t], order[t + 1])
            _units(kind, steps, (0, N), u, strips, inner, acts, before, extra, y, last, last_c, a, state)


@jit(apart=True)
def _units(kind, steps, rows, u, strips, inner, acts, before, extra, y, last, last_c, left, state):
    """One step of the NR units from u * NR on, of the sequences in `rows`."""
    (now, after), (gates, U, H, NR) = steps, strips.shape
    begin, size, G, wide = u * NR, MR * NR, gates * H, left.shape[1]
    masks, tiles = columns(y, min(NR, H - begin)), np.zeros((TILES, size), y.dtype)
    for low in range(rows[0], min(rows[1], now[1]), MR):
        n = min(MR, min(rows[1], now[1]) - low)
        at = (now[0] + low) * H + begin  # of these rows and units, in all matrices but acts
        to = (now[0] + low) * G + begin
        stay = max(0, min(n, after[1] - low))
        on, end = (after[0] + low) * H + begin, (low + stay) * H + begin
        fetch_rows(y, at, H, n)
        fetch_rows(before, on, H, stay)
        if kind >= GRU:
            fetch_rows(extra, at, H, n)
        if kind == LSTM:
            fetch_rows(extra, on, H, stay)
        for q in range(gates):
            fetch_rows(acts, to + q * H, G, n)
            b = address(strips, (q * U + u) * H * NR)
            rows_tile(n, H, address(left, low * wide), wide, b, NR, address(tiles, q * size))
            if q < 2 or kind != GRU:
                add_rows(tiles, q * size, NR, acts, to + q * H, G, n, masks)
        if kind == LSTM:
            put_rows(tiles, 4 * size, NR, extra, at, H, n, masks)
            _lstm_cell(tiles, n * NR)
        elif kind == GRU:
            add_rows(tiles, 2 * size, NR, inner, begin, 0, n, masks)
            put_rows(extra, at, H, tiles, 2 * size, NR, n, masks)
            put_rows(tiles, 3 * size, NR, acts, to + 2 * H, G, n, masks)
            put_rows(tiles, 5 * size, NR, before, at, H, n, masks)
            _gru_cell(tiles, n * NR)
        else:
            _rnn_cell(kind, tiles, n * NR)
        for q in range(gates):
            put_rows(acts, to + q * H, G, tiles, q * size, NR, n, masks)
        put_rows(y, at, H, tiles, 5 * size, NR, n, masks)
        # the state goes on to the next step, that of the sequences that end here to the last
        put_rows(before, on, H, tiles, 5 * size, NR, stay, masks)
        put_rows(state, low * wide + begin, wide, tiles, 5 * size, NR, stay, masks)
        put_rows(last, end, H, tiles, 5 * size + stay * NR, NR, n - stay, masks)
        if kind == LSTM:
            put_rows(extra, on, H, tiles, 4 * size, NR, stay, masks)
            put_rows(last_c, end, H, tiles, 4 * size + stay * NR, NR, n - stay, masks)


@register_jitable
def _apart(tiles):
    """The tiles, at distances that the compiler knows: of arrays that might overlap it makes no vectors."""
    size = MR * strip(tiles)
    first, second = carray(address(tiles, 0), size), carray(address(tiles, size), size)
    third, fourth = carray(address(tiles, 2 * size), size), carray(address(tiles, 3 * size), size)
    fifth, sixth = carray(address(tiles, 4 * size), size), carray(address(tiles, 5 * size), size)
    return first, second, third, fourth, fifth, sixth, carray(address(tiles, 6 * size), size)


@jit(apart=True)
def _lstm_cell(tiles, n):
    """The gates become their values, c the next; h is the next state."""
    i, f, g, o, c, h, _ = _apart(tiles)
    for k in range(n):
        in_, forget, new, out = sigmoid(i[k]), sigmoid(f[k]), tanh(g[k]), sigmoid(o[k])
        cell = forget * c[k] + in_ * new
        i[k], f[k], g[k], o[k], c[k], h[k] = in_, forget, new, out, cell, out * tanh(cell)


@jit(apart=True)
def _gru_cell(tiles, n):
    """The gates become their values, in tile 2 that of n, to which the inputs give tile 3; h the next state."""
    r, z, u, x, _, h, _ = _apart(tiles)
    for k in range(n):
        reset, keep = sigmoid(r[k]), sigmoid(z[k])
        new = tanh(x[k] + reset * u[k])
        r[k], z[k], u[k], h[k] = reset, keep, new, new + keep * (h[k] - new)


@jit(apart=True)
def _rnn_cell(kind, tiles, n):
    a, h = tiles[0], tiles[5]
    if kind == TANH:
        for k in range(n):
            a[k] = tanh(a[k])
    else:
        for k in range(n):
            a[k] = 0 if a[k] < 0 else a[k]
    for k in range(n):
        h[k] = a[k]


# --- backward


@jit(parallel=True)
def _steps_back(kind, order, strips, acts, before, extra, gy, dh, dc, dx, du, left, parts):
    T, N = len(order) - 1, left.shape[1]  # the state before the first step comes last: t - 1 is none then
    for p in prange(parts):
        rows = N * p // parts, N * (p + 1) // parts
        for t in range(T, -1, -1):
            for u in range(len(strips)):
                steps, lefts = (order[t], order[t - 1]), (left[t % 2], left[(t + 1) % 2])
                _units_back(kind, steps, rows, u, strips, acts, before, extra, gy, dh, dc, dx, du, lefts)
    for t in range(-1 if parts else T, -1, -1):
        for u in prange(len(strips)):
            steps, lefts = (order[t], order[t - 1]), (left[t % 2], left[(t + 1) % 2])
            _units_back(kind, steps, (0, N), u, strips, acts, before, extra, gy, dh, dc, dx, du, lefts)


@jit(apart=True)
def _units_back(kind, steps, rows, u, strips, acts, before, extra, gy, dh, dc, dx, du, lefts):
    """The gradients of NR units' state, to which the gates of the step after it add, and of the gates before it."""
    (after, now), (left, next_left), (_, G, NR), H = steps, lefts, strips.shape, dh.shape[1]
    gates, begin, size, wide = G // H, u * NR, MR * NR, left.shape[1]
    masks, tiles = columns(dh, min(NR, H - begin)), np.zeros((TILES, size), dh.dtype)
    for low in range(rows[0], min(rows[1], max(after[1], now[1])), MR):
        at, state, grads = (now[0] + low) * H + begin, low * H + begin, low * wide + begin
        to, n = (now[0] + low) * G + begin, min(MR, min(rows[1], now[1]) - low)
        for q in range(gates):
            fetch_rows(acts, to + q * H, G, n)
            fetch_rows(dx, to + q * H, G, n)
        fetch_rows(gy, at, H, n)
        fetch_rows(extra, at, H, n)
        came = min(MR, min(rows[1], after[1]) - low)
        if came > 0:
            rows_tile(came, G, address(left, low * wide), wide, address(strips, u * G * NR), NR, address(tiles, 0))
            add_rows(dh, state, H, tiles, 0, NR, came, masks)
        for q in range(gates):
            put_rows(tiles, q * size, NR, acts, to + q * H, G, n, masks)
        put_rows(tiles, 5 * size, NR, dh, state, H, n, masks)
        add_rows(tiles, 5 * size, NR, gy, at, H, n, masks)
        if kind == LSTM:
            put_rows(tiles, 4 * size, NR, extra, at, H, n, masks)
            put_rows(tiles, 6 * size, NR, dc, state, H, n, masks)
            _lstm_back(tiles, n * NR)
            put_rows(dc, state, H, tiles, 6 * size, NR, n, masks)
        elif kind == GRU:
            put_rows(tiles, 3 * size, NR, extra, at, H, n, masks)
            put_rows(tiles, 4 * size, NR, before, at, H, n, masks)
            _gru_back(tiles, n * NR)
            put_rows(du, to + 2 * H, G, tiles, 3 * size, NR, n, masks)
            put_rows(next_left, grads + 2 * H, wide, tiles, 3 * size, NR, n, masks)
        else:
            _rnn_back(kind, tiles, n * NR)
        for q in range(gates):
            put_rows(dx, to + q * H, G, tiles, q * size, NR, n, masks)
            if q < 2 or kind != GRU:
                put_rows(next_left, grads + q * H, wide, tiles, q * size, NR, n, masks)
            if kind == GRU and q < 2:
                put_rows(du, to + q * H, G, tiles, q * size, NR, n, masks)
        put_rows(dh, state, H, tiles, 5 * size, NR, n, masks)


# Without numbers: with one of Numba's integers, float32 becomes float64.
@jit(apart=True)
def _lstm_back(tiles, n):
    """The gates become their gradients, dc that of the step before."""
    i, f, g, o, c, dh, dc = _apart(tiles)
    for k in range(n):
        in_, forget, new, out, cell = i[k], f[k], g[k], o[k], c[k]
        t = tanh(forget * cell + in_ * new)
        of_t = dh[k] * out
        d = dc[k] + (of_t - of_t * t * t)
        i[k], f[k] = d * new * (in_ - in_ * in_), d * cell * (forget - forget * forget)
        g[k], o[k] = in_ * (d - d * new * new), dh[k] * t * (out - out * out)
        dc[k] = d * forget
    dh[: max(n, 0)] = 0


@jit(apart=True)
def _gru_back(tiles, n):
    """The gates become their gradients, u, the state's share of n, that of its own; of dh stays what reaches h."""
    r, z, m, u, h, dh, _ = _apart(tiles)
    for k in range(n):
        reset, keep, new, share, d = r[k], z[k], m[k], u[k], dh[k]
        of_new = d - d * keep
        of_new -= of_new * new * new
        r[k], z[k] = of_new * share * (reset - reset * reset), d * (h[k] - new) * (keep - keep * keep)
        m[k], u[k], dh[k] = of_new, of_new * reset, d * keep


@jit(apart=True)
def _rnn_back(kind, tiles, n):
    a, dh = tiles[0], tiles[5]
    if kind == TANH:
        for k in range(n):
            a[k] = dh[k] - dh[k] * a[k] * a[k]
    else:
        for k in range(n):
            a[k] = dh[k] if a[k] > 0 else 0 * a[k]
    for k in range(n):
        dh[k] = 0
