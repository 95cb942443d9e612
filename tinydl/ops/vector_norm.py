"""Lengths of vectors: p-norms over any dimensions."""

from __future__ import annotations

import math

from .. import dtype as dtypes
from ..autograd.autocast import listed
from ..autograd.engine import Array, op
from . import elementwise as E
from .creation import zeros_like
from .elementwise import cast, eq, sign, where
from .reduce import drop, normalize_dims


@op
def vector_norm_(xp, x: Array, ord, dims):
    """(sum of |x| ** ord) ** (1 / ord) over dims, which are kept with size 1."""
    if ord == 2:
        return xp.sqrt((x * x).sum(dims, keepdims=True))
    size = xp.absolute(x)
    if ord == math.inf:
        return size.max(dims, keepdims=True)
    if ord == -math.inf:
        return size.min(dims, keepdims=True)
    if ord == 0:
        return (x != 0).sum(dims, keepdims=True).astype(x.dtype)
    if ord == 1:
        return size.sum(dims, keepdims=True)
    return (size**ord).sum(dims, keepdims=True) ** (1 / ord)


def _slope(g, x, y, ord, dims):
    """d y / d x = sign(x) |x / y| ** (ord - 1); 0 where that is not defined, as PyTorch has it."""
    if ord == 0:
        return zeros_like(x)
    if ord == 1:
        return g * sign(x)
    if abs(ord) == math.inf:
        winners = eq(E.abs(x), y)
        return g * where(winners, sign(x), 0) / winners.sum(dims, True).to(x.dtype)
    if ord < 1:  # a vector with one zero element is not flat in the others
        flat = x == 0
        return g * sign(x) * where(flat, 0, E.abs(x) ** (ord - 1)) * y ** (1 - ord)
    flat = y == 0  # and NaN at the second order, where no value would be right
    if ord == 2:
        return g * where(flat, 0, x / y)
    if ord < 2:
        return where(flat, 0, sign(x) * E.abs(x) ** (ord - 1) * (g / y ** (ord - 1)))
    return where(flat, 0, x * E.abs(x) ** (ord - 2) * (g / y ** (ord - 1)))


vector_norm_.grads(_slope)


@listed
def vector_norm(x, ord=2, dim=None, keepdim=False, *, dtype=None):
    """The ord-norm of the elements along `dim` (one, several, None for all).

    ord: a number, inf or -inf.
    """
    if not dtypes.is_floating(x.dtype):
        raise RuntimeError(f"vector_norm: expected a floating tensor, got {x.dtype}; convert with .to(float)")
    if not isinstance(ord, (int, float)):
        raise TypeError(f"vector_norm: ord must be a number, got {ord!r}")
    if dtype is not None:
        x = cast(x, dtypes.as_dtype(dtype))
    dims = normalize_dims("vector_norm", dim, x.ndim)
    empty = [d for d in dims if x.shape[d] == 0]
    if empty and (ord < 0 or ord == math.inf):
        raise RuntimeError(f"vector_norm: no element to take the {ord}-norm of in dimension {empty[0]}")
    return drop(vector_norm_(x, float(ord), dims), x, dims, keepdim)


__all__ = ["vector_norm"]
