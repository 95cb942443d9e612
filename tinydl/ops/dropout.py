"""Dropout: in training, elements or whole channels are set to zero at random.

The operation keeps the counter of its random numbers, not a mask: its gradient draws them again.
"""

from __future__ import annotations

from math import sqrt

from ..autograd.engine import Array, op
from ..autograd.views import in_place
from ..tensor import Tensor
from . import random
from .creation import ones


@op
def dropout_(xp, x: Array, p, seed, offset):
    """x / (1 - p) where the uniform number of the element is at least p, else 0: linear in x."""
    drawn = random.words(xp, x.size, seed, offset) >> xp.uint64(8)
    keep = (drawn >= xp.uint64(-(-p * 2**24 // 1))).reshape(x.shape)
    return xp.where(keep, x * (1 / (1 - p) if p < 1 else 0.0), x.dtype.type(0))


dropout_.grads(lambda g, p, seed, offset: dropout_(g, p, seed, offset))


def _check(name, p):
    if not 0 <= p <= 1:
        raise ValueError(f"{name}: p must lie between 0 and 1, got {p}")


def _placed(name, function, input, inplace):
    return in_place(function, name)(input) if inplace else function(input)


def _dropped(name, input, p, inplace, shape, generator):
    """Dropout of numbers that are shared by what `shape` has size 1 in."""
    whole = tuple(shape) == tuple(input.shape)

    def drop(x):
        if whole:
            return dropout_(x, p, *random.reserve(generator, x))
        noise = ones(shape, dtype=x.dtype, device=x.device)
        return x * dropout_(noise, p, *random.reserve(generator, noise))

    return _placed(name, drop, input, inplace)


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False, *, generator=None) -> Tensor:
    """In training, elements are zero with probability p, the others 1 / (1 - p) times as large.

    Any shape -> same shape.  (Srivastava et al. 2014)
    """
    _check("dropout", p)
    if not training or p == 0:
        return input
    return _dropped("dropout", input, p, inplace, input.shape, generator)


def _channels(name, input, n):
    """The shape with one number for each channel: (N, C, 1, ..), or (C, 1, ..) without batch."""
    if n is None:
        if input.ndim < 2:
            raise RuntimeError(f"{name}: expected (N, C, *), got shape {tuple(input.shape)}")
        lead = 2
    elif input.ndim not in (n + 1, n + 2):
        raise RuntimeError(f"{name}: expected {n + 1} or {n + 2} dimensions, got shape {tuple(input.shape)}")
    else:
        lead = input.ndim - n
    return (*input.shape[:lead], *(1,) * (input.ndim - lead))


def _channel_dropout(name, n, doc):
    def function(
        input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False, *,
        generator=None,
    ) -> Tensor:  # fmt: skip
        _check(name, p)
        shape = _channels(name, input, n)
        if not training or p == 0:
            return input
        return _dropped(name, input, p, inplace, shape, generator)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"As `dropout`, for whole channels.  {doc} -> same shape."
    return function


feature_dropout = _channel_dropout("feature_dropout", None, "(N, C, *)")
dropout1d = _channel_dropout("dropout1d", 1, "(N, C, L) or (C, L)")
dropout2d = _channel_dropout("dropout2d", 2, "(N, C, H, W) or (C, H, W)")
dropout3d = _channel_dropout("dropout3d", 3, "(N, C, D, H, W) or (C, D, H, W)")

SELU_FLOOR = -1.7580993408473766  # what SELU tends to: -alpha * scale


def _alpha(name, input, p, training, inplace, shape, generator):
    _check(name, p)
    if not training or p == 0:
        return input
    if p == 1:
        return _placed(name, lambda x: x * 0.0, input, inplace)
    # dropped numbers become SELU's floor; then scale and shift restore mean 0 and variance 1
    scale = 1 / sqrt((1 - p) * (1 + p * SELU_FLOOR**2))

    def drop(x):
        noise = ones(shape, dtype=x.dtype, device=x.device)
        keep = (dropout_(noise, p, *random.reserve(generator, noise)) > 0).to(x.dtype)
        return (x * keep + (1 - keep) * SELU_FLOOR - p * SELU_FLOOR) * scale

    return _placed(name, drop, input, inplace)


def alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False, *, generator=None
) -> Tensor:
    """Dropout for networks of SELU: mean and variance stay.  Any shape.  (Klambauer et al. 2017)"""
    return _alpha("alpha_dropout", input, p, training, inplace, input.shape, generator)


def feature_alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False, *, generator=None
) -> Tensor:
    """As `alpha_dropout`, for whole channels.  (N, C, *) -> same shape."""
    shape = _channels("feature_alpha_dropout", input, None)
    return _alpha("feature_alpha_dropout", input, p, training, inplace, shape, generator)


__all__ = [
    "alpha_dropout", "dropout", "dropout1d", "dropout2d", "dropout3d", "feature_alpha_dropout", "feature_dropout",
]  # fmt: skip
