"""Sums, means, extremes over dimensions, and their adjoints.

<sum_to(x), g> = <x, broadcast_to(g)>: each is the other's gradient, at every order.
"""

from __future__ import annotations

import builtins
import math
from collections.abc import Sequence

from .. import dtype as dtypes
from ..autograd.autocast import listed
from ..autograd.engine import Array, floating, op
from ..autograd.narrow import in_float32
from ..tensor import Tensor
from .creation import ones_like
from .elementwise import cast, eq, exp, isnan, ne, where


# ---------------------------------------------------------------- the adjoint pair
@op
def sum_to(xp, x: Array, shape):
    """x summed over the dimensions in which `shape` would broadcast to x's shape."""
    if not shape:  # most often, and then at half the cost
        return x.sum(dtype=x.dtype)
    lead = x.ndim - len(shape)
    short = tuple(lead + i for i, n in enumerate(shape) if n == 1 != x.shape[lead + i])
    return x.sum((*range(lead), *short), dtype=x.dtype).reshape(shape)


@op(exact=True)
def broadcast(xp, x: Array, shape):
    """x repeated, in memory of its own, to a shape that it broadcasts to."""
    out = xp.empty(shape, x.dtype)
    out[...] = x
    return out


sum_to.grads(lambda g, x_like: broadcast(g, x_like.shape))
broadcast.grads(lambda g: g)  # the engine sums it back


def sum_to_size(x: Tensor, *size) -> Tensor:
    """x summed to `size`, a shape that broadcasts to x's."""
    shape = tuple(size[0]) if len(size) == 1 and not isinstance(size[0], int) else size
    lead = x.ndim - len(shape)
    if lead < 0 or builtins.any(n not in (1, m) for n, m in zip(shape, x.shape[lead:])):
        raise RuntimeError(f"sum_to_size: {tuple(shape)} does not broadcast to {tuple(x.shape)}")
    return sum_to(x, shape)


# ---------------------------------------------------------------- dimensions
def normalize_dim(name, dim, ndim):
    """A dimension counted from 0; IndexError if there is none such."""
    if isinstance(dim, bool) or not hasattr(dim, "__index__"):
        raise TypeError(f"{name}: dim must be an integer, got {type(dim).__name__}")
    bound = builtins.max(ndim, 1)
    if not -bound <= dim < bound:
        raise IndexError(f"{name}: dim must lie in [{-bound}, {bound - 1}], got {dim}")
    return dim % bound


def normalize_dims(name, dim, ndim):
    """One dimension, several, or None (and ()) for all: sorted.  A 0-d tensor has none."""
    if dim is None or (not hasattr(dim, "__index__") and len(dim) == 0):
        return tuple(range(ndim))
    given = (dim,) if hasattr(dim, "__index__") else tuple(dim)
    dims = sorted(normalize_dim(name, d, ndim) for d in given)
    if len(set(dims)) != len(dims):
        raise RuntimeError(f"{name}: dim {given} names a dimension twice")
    return tuple(dims) if ndim else ()


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
def sum(x: Tensor, dim: int | Sequence[int] | None = None, keepdim: bool = False, *, dtype=None) -> Tensor:
    """Sum over `dim` (one, several, None for all).  Integers and bools sum as int64."""
    if dim is None and dtype is None and not keepdim and dtypes.is_floating(x.dtype):
        return sum_to(x, ())  # most often
    dims = normalize_dims("sum", dim, x.ndim)
    if dtype is not None:
        return sum(x.to(dtype), dim, keepdim).to(dtype)
    if not dtypes.is_floating(x.dtype):
        x = x.to(dtypes.int64)
    if not keepdim and len(dims) == x.ndim:
        return sum_to(x, ())
    return drop(sum_to(x, kept_shape(x.shape, dims)), x, dims, keepdim)


def mean(x: Tensor, dim: int | Sequence[int] | None = None, keepdim: bool = False, *, dtype=None) -> Tensor:
    """Mean over `dim` (one, several, None for all) of a floating tensor."""
    x = _floating("mean", x, dtype)
    if dtypes.is_narrow(x.dtype):  # the sum might overflow
        return in_float32(mean, x, dim, keepdim)
    count = x.numel() if dim is None else _count(x, normalize_dims("mean", dim, x.ndim))
    total = sum(x, dim, keepdim)
    return total / count if count else total * math.nan


def nansum(x: Tensor, dim: int | Sequence[int] | None = None, keepdim: bool = False, *, dtype=None) -> Tensor:
    """Sum over `dim`, NaN counting as 0."""
    return sum(where(isnan(x), 0, x), dim, keepdim, dtype=dtype)


def nanmean(x: Tensor, dim: int | Sequence[int] | None = None, keepdim: bool = False, *, dtype=None) -> Tensor:
    """Mean over `dim` of the elements that are not NaN."""
    x = _floating("nanmean", x, dtype)
    if dtypes.is_narrow(x.dtype):
        return in_float32(nanmean, x, dim, keepdim)
    return nansum(x, dim, keepdim) / sum(~isnan(x), dim, keepdim)


def _floating(name, x, dtype=None):
    x = x if dtype is None else cast(x, dtypes.as_dtype(dtype))
    if not dtypes.is_floating(x.dtype):
        raise RuntimeError(f"{name}: expected a floating tensor, got {x.dtype}; use .to(float)")
    return x


def _count(x, dims):
    return math.prod(x.shape[d] for d in dims)


def count_nonzero(x: Tensor, dim: int | Sequence[int] | None = None) -> Tensor:
    """How many elements are not 0, over `dim` (one, several, None for all).  -> int64"""
    return sum(ne(x, 0), dim)


def trace(x: Tensor) -> Tensor:
    """Sum of the diagonal.  x: (n, m) -> ()."""
    if x.ndim != 2:
        raise RuntimeError(f"trace: expected a matrix, got shape {tuple(x.shape)}")
    return sum(x.diagonal())


# ---------------------------------------------------------------- truth
def _quantifier(name, doc):
    def body(xp, x: Array, dims):
        """Whether all (any) are not 0 over `dims`, which stay with size 1."""
        found = getattr(xp, name)(x, axis=dims, keepdims=True)
        return found.astype(x.dtype) if x.dtype == "uint8" else found

    body.__name__ = name
    over = op(body)

    def public(x: Tensor, dim: int | Sequence[int] | None = None, keepdim: bool = False) -> Tensor:
        dims = normalize_dims(name, dim, x.ndim)
        return drop(over(x, dims), x, dims, keepdim)

    public.__name__ = public.__qualname__ = name
    public.__doc__ = f"Whether {doc} over `dim` (one, several, None for all) is not 0.  -> bool"
    return public


# ---------------------------------------------------------------- products
@op
def prod_(xp, x: Array, dim):
    """Product along `dim`, which stays with size 1."""
    return x.prod(dim, dtype=x.dtype, keepdims=True)


prod_.grads(lambda g, x, dim: g * _others(x, dim))


def _others(x, dim):
    """For each element the product of all others along `dim`.

    Pairs are multiplied, and the pairs of pairs, and so on: no division, so zeros do no harm, and
    nothing but products, so that every higher derivative is right.
    """
    n = x.shape[dim]
    if n < 2:
        return ones_like(x)
    from .shape import cat

    half = n // 2
    a, b = x.narrow(dim, 0, half), x.narrow(dim, half, half)
    rest = x.narrow(dim, 2 * half, n - 2 * half)
    others = _others(cat([a * b, rest], dim), dim)
    pairs, last = others.narrow(dim, 0, half), others.narrow(dim, half, n - 2 * half)
    return cat([pairs * b, pairs * a, last], dim)


@listed
def prod(x: Tensor, dim: int | None = None, keepdim: bool = False, *, dtype=None) -> Tensor:
    """Product along `dim`, or of all elements.  Integers and bools multiply as int64."""
    if dtype is None and not dtypes.is_floating(x.dtype):
        dtype = dtypes.int64
    if dtype is not None and x.dtype != dtypes.as_dtype(dtype):
        x = cast(x, dtypes.as_dtype(dtype))
    if dim is None or not x.ndim:
        normalize_dims("prod", dim, x.ndim)
        return prod_(x.reshape(-1), 0).reshape((1,) * x.ndim if keepdim else ())
    dim = normalize_dim("prod", dim, x.ndim)
    return drop(prod_(x, dim), x, (dim,), keepdim)


# ---------------------------------------------------------------- extremes
def _extreme(name, doc):
    def body(xp, x: Array, dims):
        """The largest (least) over `dims`, which stay with size 1."""
        return getattr(xp, name)(x, axis=dims, keepdims=True)

    body.__name__ = name
    over = op(body)
    over.grads(to_winners)

    def public(x: Tensor, dim: int | Sequence[int] = (), keepdim: bool = False) -> Tensor:
        dims = normalize_dims(name, dim, x.ndim)
        refuse_empty(name, x, dims)
        return drop(over(x, dims), x, dims, keepdim)

    public.__name__ = public.__qualname__ = name
    public.__doc__ = f"The {doc} over `dim` (one, several, () for all); equals share the gradient."
    return public


def to_winners(g, x, y, dims):
    won = cast(eq(x, y), x.dtype)
    return g * (won / sum_to(won, kept_shape(x.shape, dims)))


def refuse_empty(name, x, dims):
    """IndexError where one of `dims` has size 0: of nothing there is no largest."""
    for d in dims:
        if x.shape[d] == 0:
            raise IndexError(f"{name}: dimension {d} of shape {tuple(x.shape)} has size 0, at least 1 is needed")


@op(promote=floating)
def logsumexp_(xp, x: Array, dims):
    """log(sum(exp(x))) over `dims`, which stay with size 1."""
    if not x.size:
        return xp.full([1 if i in dims else n for i, n in enumerate(x.shape)], -math.inf, x.dtype)
    top = x.max(dims, keepdims=True)
    top = xp.where(xp.isfinite(top), top, 0).astype(x.dtype, copy=False)
    return xp.log(xp.exp(x - top).sum(dims, keepdims=True, dtype=x.dtype)) + top


# where all are -inf, so is y: the softmax there is 0, not NaN
logsumexp_.grads(lambda g, x, y: g * exp(x - where(y == -math.inf, 0, y)))


def logsumexp(x: Tensor, dim: int | Sequence[int], keepdim: bool = False) -> Tensor:
    """log(sum(exp(x))) over `dim` (one or several), without overflow."""
    dims = normalize_dims("logsumexp", dim, x.ndim)
    return drop(logsumexp_(x, dims), x, dims, keepdim)


# ---------------------------------------------------------------- spread
@op
def var_(xp, x: Array, dims, correction):
    """Sum of squared deviations over (count - correction), over `dims`, which stay with size 1."""
    away = x - x.mean(dims, keepdims=True)
    count = math.prod(x.shape[d] for d in dims)
    return (away * away).sum(dims, keepdims=True) / x.dtype.type(builtins.max(0, count - correction))


@op
def std_(xp, x: Array, dims, correction):
    """Square root of the variance over `dims`, which stay with size 1."""
    return xp.sqrt(var_.op.body(xp, x, dims, correction))


def _var_slope(g, x, dims, correction):
    freedom = _count(x, dims) - correction
    return g * (2 / freedom if freedom > 0 else math.inf) * (x - mean(x, dims, True))


def _std_slope(g, x, y, dims, correction):
    flat = y == 0  # where all are equal; the slope is then taken as 0
    return where(flat, 0, _var_slope(g / (2 * where(flat, 1, y)), x, dims, correction))


var_.grads(_var_slope)
std_.grads(_std_slope)


def _spread(name, over, doc):
    def public(
        x: Tensor,
        dim: int | Sequence[int] | bool | None = None,
        unbiased: bool | None = None,
        keepdim: bool = False,
        *,
        correction: float | None = None,
    ) -> Tensor:
        if isinstance(dim, bool):
            dim, unbiased = None, dim
        if unbiased is not None and correction is not None:
            raise TypeError(f"{name}: give unbiased or correction, not both")
        if correction is None:
            correction = 1 if unbiased is None else int(unbiased)
        dims = normalize_dims(name, dim, x.ndim)
        return drop(over(_floating(name, x), dims, correction), x, dims, keepdim)

    public.__name__ = public.__qualname__ = name
    public.__doc__ = (
        f"{doc} over `dim` (one, several, None for all); the divisor is count - correction.\n\n"
        "    unbiased: True is correction 1 (the default), False is correction 0."
    )
    return public


var = _spread("var", var_, "Variance")
std = _spread("std", std_, "Standard deviation")


def var_mean(x: Tensor, dim=None, unbiased=None, keepdim=False, *, correction=None):
    """Variance and mean, as `var` and `mean` give them."""
    return _with_mean(var, x, dim, unbiased, keepdim, correction)


def std_mean(x: Tensor, dim=None, unbiased=None, keepdim=False, *, correction=None):
    """Standard deviation and mean, as `std` and `mean` give them."""
    return _with_mean(std, x, dim, unbiased, keepdim, correction)


def _with_mean(spread, x, dim, unbiased, keepdim, correction):
    over = None if isinstance(dim, bool) else dim
    return spread(x, dim, unbiased, keepdim, correction=correction), mean(x, over, keepdim)


# ---------------------------------------------------------------- norms
@listed
def norm(x: Tensor, p: float | str | None = "fro", dim=None, keepdim=False, *, dtype=None) -> Tensor:
    """The p-norm over `dim` (None: of all): p a number, 'fro' (2), or 'nuc' of matrices."""
    from .vector_norm import vector_norm

    if p == "nuc":
        from ..linalg import matrix_norm

        dims = (0, 1) if dim is None and x.ndim == 2 else dim
        if dims is None or len(dims) != 2:
            raise RuntimeError(f"norm: 'nuc' takes two dimensions, got dim={dim} of {x.ndim}")
        return matrix_norm(x, "nuc", dims, keepdim, dtype=dtype)
    if isinstance(p, str) and p != "fro":
        raise RuntimeError(f"norm: p must be a number, 'fro' or 'nuc', got {p!r}")
    return vector_norm(x, 2 if p in (None, "fro") else p, dim, keepdim, dtype=dtype)


amax, amin = _extreme("amax", "largest"), _extreme("amin", "smallest")
all, any = _quantifier("all", "every element"), _quantifier("any", "some element")

__all__ = [
    "all", "amax", "amin", "any", "count_nonzero", "logsumexp", "mean", "nanmean", "nansum", "norm",
    "prod", "std", "std_mean", "sum", "sum_to_size", "trace", "var", "var_mean",
]  # fmt: skip
