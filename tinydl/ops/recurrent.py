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


@fused(hidden=("acts", "before"))
def rnn(
    x: Array, h: Array, w_ih: Array, w_hh: Array, b_ih: Array | None, b_hh: Array | None, nonlinearity, sizes, backwards
):
    """h <- f(w_ih x + b_ih + w_hh h + b_hh), f tanh or relu.

    x: (rows, D), h: (N, H), w_ih: (H, D), w_hh: (H, H) -> outputs (rows, H), h (N, H).  (Elman 1990)
    """
    f, w = {"tanh": tanh, "relu": relu}[nonlinearity], w_hh.t()
    return _run(lambda x, h: (f(x + h @ w),), linear(x, w_ih, _sum(b_ih, b_hh)), (h,), sizes, backwards)


@fused(hidden=("acts", "before", "extra"))
def lstm(
    x: Array, h: Array, c: Array, w_ih: Array, w_hh: Array, b_ih: Array | None, b_hh: Array | None,
    w_hr: Array | None, sizes, backwards,
):  # fmt: skip
    """c <- s(f) c + s(i) tanh(g), h <- s(o) tanh(c), times w_hr if there is one; s is the sigmoid.

    (i, f, g, o) = w_ih x + b_ih + w_hh h + b_hh.  x: (rows, D), h: (N, P), c: (N, H), w_ih: (4H, D), w_hh: (4H, P),
    w_hr: (P, H); P is H without it -> outputs (rows, P), h (N, P), c (N, H).
    (Hochreiter and Schmidhuber 1997; Gers et al. 2000; Sak et al. 2014)
    """
    w = w_hh.t()
    shrink = None if w_hr is None else w_hr.t()

    def step(x, h, c):
        i, f, g, o = (x + h @ w).chunk(4, 1)
        c = sigmoid(f) * c + sigmoid(i) * tanh(g)
        h = sigmoid(o) * tanh(c)
        return (h if shrink is None else h @ shrink), c

    return _run(step, linear(x, w_ih, _sum(b_ih, b_hh)), (h, c), sizes, backwards)


@fused(hidden=("acts", "before", "extra"))
def gru(x: Array, h: Array, w_ih: Array, w_hh: Array, b_ih: Array | None, b_hh: Array | None, sizes, backwards):
    """h <- (1 - z) n + z h, n = tanh(x_n + r u_n), r and z = s(x + u), s the sigmoid.

    In the order r, z, n: x = w_ih x + b_ih, u = w_hh h + b_hh.  x: (rows, D), h: (N, H), w_ih: (3H, D), w_hh: (3H, H)
    -> outputs (rows, H), h (N, H).  (Cho et al. 2014)
    """

    def step(x, h):
        r, z, n = x.chunk(3, 1)
        u_r, u_z, u_n = linear(h, w_hh, b_hh).chunk(3, 1)
        n = tanh(n + sigmoid(r + u_r) * u_n)
        return (n + sigmoid(z + u_z) * (h - n),)

    return _run(step, linear(x, w_ih, b_ih), (h,), sizes, backwards)


def _sum(a, b):
    return b if a is None else a if b is None else a + b


GATES = {"RNN_TANH": 1, "RNN_RELU": 1, "GRU": 3, "LSTM": 4}  # how many stand one below another in a weight


def recurrent(
    mode: str, x: Tensor, state: tuple[Tensor, ...], w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None,
    b_hh: Tensor | None = None, w_hr: Tensor | None = None, sizes: tuple[int, ...] = (), backwards: bool = False,
) -> tuple[Tensor, ...]:  # fmt: skip
    """One layer of the kind `mode` in one direction.  x: (rows, D), state: (h,), for "LSTM" (h, c).

    w_ih: (gates * H, D), w_hh: (gates * H, P), w_hr: (P, H) -> (outputs (rows, P), *last state).
    """
    weights = w_ih, w_hh, b_ih, b_hh
    if mode == "GRU":
        return gru(x, *state, *weights, sizes, backwards)
    if mode == "LSTM":
        return lstm(x, *state, *weights, w_hr, sizes, backwards)
    return rnn(x, *state, *weights, mode.removeprefix("RNN_").lower(), sizes, backwards)
