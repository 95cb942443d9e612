"""Recorded updates: the arithmetic of `update` on tensors, so that one can differentiate through a step.

Source: unrolled optimization, D. Maclaurin et al. 2015; meta-learning, C. Finn et al. 2017.
"""

from __future__ import annotations

from ..ops.creation import zeros_like
from ..ops.elementwise import abs, clip, maximum, sign, sqrt, where
from ..tensor import Tensor
from .update import Update


class Rebound(Tensor):
    """A tensor that can stand for an array in an update: what overwrites the array replaces the tensor.

    The old values stay as they were, and with them what the graph keeps.
    """

    def __init__(self, x: Tensor):
        become(self, x)

    def __iadd__(self, other):
        return become(self, self + other)

    def __isub__(self, other):
        return become(self, self - other)

    def __imul__(self, other):
        return become(self, self * other)

    def __setitem__(self, index, value):
        if index is not ...:
            raise NotImplementedError("a recorded update overwrites whole arrays only")
        become(self, value.clone())

    def astype(self, dtype):
        return self.to(dtype)


def become(x: Tensor, y: Tensor) -> Tensor:
    """Let x, as an object, be the tensor y, which is no view: its memory and its place in the graph."""
    x._edge, x.array, x._storage = y.edge(), y.array, y._storage
    return x


def _into(operation):
    """As NumPy's function: the result may go into `out`."""

    def with_out(*args, out=None):
        result = Rebound(operation(*args))
        return result if out is None else become(out, result)

    return with_out


def _root(x):
    """sqrt with derivative 0 at 0: so steps are differentiable where all gradients were 0.

    There x is a mean of grad**2, its root as |grad|, and what updates divide by it is 0: the
    derivative of grad / (|grad| + eps) is 1 / eps.
    """
    zero = x == 0
    return where(zero, 0.0, sqrt(where(zero, 1.0, x)))


class xp:
    """What updates use of an array library, on tensors."""

    abs, clip, maximum, sign, sqrt, where, zeros_like = (
        staticmethod(_into(f)) for f in (abs, clip, maximum, sign, _root, where, zeros_like)
    )


def run(update: Update, p: Tensor, state: dict, constants: dict) -> None:
    """Replace p and the tensors of `state` by those that the update computes from them and p.grad."""
    cells = {name: Rebound(state[name]) for name in update.state if state.get(name) is not None}
    param = Rebound(p)
    update.body(xp, param, p.grad, **cells, **constants)
    for name, cell in cells.items():
        state[name] = become(state[name].detach(), cell)
    become(p, param)
