"""Sums, means, extremes over dimensions, and their adjoints.

<sum_to(x), g> = <x, broadcast_to(g)>: each is the other's gradient, at every order.
"""

from __future__ import annotations

import math

from .. import dtype as dtypes
from ..autograd.engine import Array, op
from .elementwise import cast, where


# ---------------------------------------------------------------- the adjoint pair
@op
def sum_to(xp, x: Array, shape):
    """x summed over the dimensions in which `shape` would broadcast to x's shape."""
    lead = x.ndim - len(shape)
    dims = tuple(range(lead)) + tuple(lead + i for i, n in enumerate(shape) if n == 1 != x.shape[lead + i])
    return x.sum(dims, dtype=x.dtype).reshape(shape)


@op
def broadcast(xp, x: Array, shape):
    """x repeated, in memory of its own, to a shape that it broadcasts to."""
    out = xp.empty(shape, x.dtype)
    out[...] = x
    return out


sum_to.grads(lambda g, x_like: broadcast(g, x_like.shape))
broadcast.grads(lambda g: g)  # the engine sums it back


def sum_to_size(x, *size):
    """x summed to `size`, a shape that broadcasts to x's."""
    shape = tuple(size[0]) if len(size) == 1 and not isinstance(size[0], int) else size
    lead = x.ndim - len(shape)
    if lead < 0 or any(n not in (1, m) for n, m in zip(shape, x.shape[lead:])):
        raise RuntimeError(f"sum_to_size: {tuple(shape)} does not broadcast to {tuple(x.shape)}")
    return sum_to(x, shape)


# ---------------------------------------------------------------- dimensions
def normalize_dim(name, dim, ndim):
    """A dimension counted from 0; IndexError if there is none such."""
    if isinstance(dim, bool) or not hasattr(dim, "__index__"):
        raise TypeError(f"{name}: dim must be an integer, got {type(dim).__name__}")
    bound = max_(ndim, 1)
    if not -bound <= dim < bound:
        raise IndexError(f"{name}: dim must lie in [{-bound}, {bound - 1}], got {dim}")
    return dim % bound


max_ = max


def normalize_dims(name, dim, ndim):
    """One dimension, several, or None (and ()) for all: as a sorted tuple without repetition."""
    if dim is None or (not hasattr(dim, "__index__") and len(dim) == 0):
        return tuple(range(ndim))
    given = (dim,) if hasattr(dim, "__index__") else tuple(dim)
    dims = sorted(normalize_dim(name, d, ndim) for d in given)
    if len(set(dims)) != len(dims):
        raise RuntimeError(f"{name}: dim {given} names a dimension twice")
    return tuple(dims)


def kept_shape(shape, dims):
    """`shape` with size 1 in `dims`: what a reduction leaves that keeps its dimensions."""
    return tuple(1 if i in dims else n for i, n in enumerate(shape))


def dropped_shape(shape, dims):
    """`shape` without `dims`."""
    return tuple(n for i, n in enumerate(shape) if i not in dims)


def drop(y, x, dims, keepdim):
    """A reduction that kept its dimensions, with or without them."""
    return y if keepdim or not x.ndim else y.reshape(dropped_shape(x.shape, dims))


# ---------------------------------------------------------------- sums and means
def sum(x, dim=None, keepdim=False, *, dtype=None):
    """Sum over `dim` (one, several, None for all).  Integers and bools sum as int64."""
    dims = normalize_dims("sum", dim, x.ndim)
    if dtype is None and x.dtype.kind != "f":
        dtype = dtypes.int64
    if dtype is not None and x.dtype != dtypes.as_dtype(dtype):
        x = cast(x, dtypes.as_dtype(dtype))
    return drop(sum_to(x, kept_shape(x.shape, dims)), x, dims, keepdim)


def mean(x, dim=None, keepdim=False, *, dtype=None):
    """Mean over `dim` (one, several, None for all) of a floating tensor."""
    if dtype is not None:
        x = cast(x, dtypes.as_dtype(dtype))
    if x.dtype.kind != "f":
        raise RuntimeError(f"mean: expected a floating tensor, got {x.dtype}; convert with .to(float) or give dtype")
    dims = normalize_dims("mean", dim, x.ndim)
    count = math.prod(x.shape[d] for d in dims if x.ndim)
    return sum(x, dim, keepdim) / count if count else sum(x, dim, keepdim) * math.nan


_ = where
__all__ = ["mean", "sum", "sum_to_size"]
