"""Recurrent layers: one layer, in one direction, over sequences of one or of different lengths.

The rows of all steps stand one below another: those of step 0, then those of step 1, ...  `sizes` holds how many rows
each step has and never rises: the sequences are sorted by length, longest first, and packed without gaps.  Where all
N sequences have length T, sizes is (N,) * T.  What each step gets from its input, the same product for all steps, is
computed at once, before the first step.
"""

from __future__ import annotations

from ..autograd.engine import Array
from ..autograd.fused import fused
from ..tensor import Tensor
from .activation import relu
from .elementwise import sigmoid, tanh
from .embedding import linear
from .shape import cat, split


def _run(step, x, first, sizes, backwards):
    """step(rows of x, *state) -> state through all steps.  -> (its first part at all steps, *the last state)."""
    rows = split(x, sizes)
    ys, ended = [None] * len(sizes), []
    state = [s[: sizes[-1 if backwards else 0]] for s in first]
    for t in reversed(range(len(sizes))) if backwards else range(len(sizes)):
        n, running = sizes[t], len(state[0])
        if n < running:  # the shorter sequences are through
            ended.append([s[n:] for s in state])
            state = [s[:n] for s in state]
        elif n > running:  # backwards, the shorter ones begin later
            state = [cat([s, begin[running:n]]) for s, begin in zip(state, first)]
        state = step(rows[t], *state)
        ys[t] = state[0]
    last = [cat(parts) if ended else parts[0] for parts in zip(state, *reversed(ended))]
    return cat(ys), *last


@fused
def rnn(gates: Array, h: Array, w: Array, nonlinearity, sizes, backwards):
    """h <- f(gates + h w^T), f tanh or relu.  gates: (rows, H), h: (N, H), w: (H, H) -> outputs (rows, H), h (N, H).

    (Elman 1990)
    """
    f, w = {"tanh": tanh, "relu": relu}[nonlinearity], w.t()
    return _run(lambda x, h: (f(x + h @ w),), gates, (h,), sizes, backwards)


@fused
def lstm(gates: Array, h: Array, c: Array, w: Array, projection: Array | None, sizes, backwards):
    """c <- s(f) c + s(i) tanh(g), h <- s(o) tanh(c), projected if asked; (i, f, g, o) = gates + h w^T, s the sigmoid.

    gates: (rows, 4H), h: (N, P), c: (N, H), w: (4H, P), projection: (P, H); P is H without one
    -> outputs (rows, P), h (N, P), c (N, H).  (Hochreiter and Schmidhuber 1997; Gers et al. 2000; Sak et al. 2014)
    """
    w = w.t()
    shrink = None if projection is None else projection.t()

    def step(x, h, c):
        i, f, g, o = (x + h @ w).chunk(4, 1)
        c = sigmoid(f) * c + sigmoid(i) * tanh(g)
        h = sigmoid(o) * tanh(c)
        return (h if shrink is None else h @ shrink), c

    return _run(step, gates, (h, c), sizes, backwards)


@fused
def gru(gates: Array, h: Array, w: Array, bias: Array | None, sizes, backwards):
    """h <- (1 - z) n + z h, n = tanh(gates_n + r u_n), r and z = s(gates + u), u = h w^T + bias, s the sigmoid.

    gates, in the order r, z, n: (rows, 3H), h: (N, H), w: (3H, H), bias: (3H,) -> outputs (rows, H), h (N, H).
    (Cho et al. 2014)
    """

    def step(x, h):
        r, z, n = x.chunk(3, 1)
        u_r, u_z, u_n = linear(h, w, bias).chunk(3, 1)
        n = tanh(n + sigmoid(r + u_r) * u_n)
        return (n + sigmoid(z + u_z) * (h - n),)

    return _run(step, gates, (h,), sizes, backwards)


GATES = {"RNN_TANH": 1, "RNN_RELU": 1, "GRU": 3, "LSTM": 4}  # how many stand one below another in a weight


def recurrent(
    mode: str, x: Tensor, state: tuple[Tensor, ...], w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None,
    b_hh: Tensor | None = None, w_hr: Tensor | None = None, sizes: tuple[int, ...] = (), backwards: bool = False,
) -> tuple[Tensor, ...]:  # fmt: skip
    """One layer of the kind `mode` in one direction.  x: (rows, D), state: (h,), for "LSTM" (h, c).

    w_ih: (gates * H, D), w_hh: (gates * H, P), w_hr: (P, H) -> (outputs (rows, P), *last state).
    """
    if mode == "GRU":  # its second bias stands inside a product
        return gru(linear(x, w_ih, b_ih), *state, w_hh, b_hh, sizes, backwards)
    gates = linear(x, w_ih, None if b_ih is None else b_ih + b_hh)
    if mode == "LSTM":
        return lstm(gates, *state, w_hh, w_hr, sizes, backwards)
    return rnn(gates, *state, w_hh, mode.removeprefix("RNN_").lower(), sizes, backwards)
