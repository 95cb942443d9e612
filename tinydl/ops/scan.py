"""Running sums, products and extremes along a dimension, and the linear recurrence they need.

A dimension of a 0-d tensor may be 0 or -1: it counts as a vector of one element.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

from .. import dtype as dtypes
from ..autograd.autocast import listed
from ..autograd.engine import Array, op
from ..autograd.narrow import rounded_once
from ..tensor import Tensor
from .creation import full_like
from .elementwise import cast, exp, where
from .picking import gather_
from .reduce import normalize_dim
from .views import refuse_scalar


class ValuesIndices(NamedTuple):
    """Elements picked along a dimension, and where they stood."""

    values: Tensor
    indices: Tensor


def of_vectors(function):
    """Make a function that needs a dimension take a 0-d x: as a vector, the results 0-d again."""

    @functools.wraps(function)
    def lifted(x, *args, **kwargs):
        if x.ndim:
            return function(x, *args, **kwargs)
        out = function(x.reshape(1), *args, **kwargs)
        return out.reshape(()) if isinstance(out, Tensor) else type(out)(*[o.reshape(()) for o in out])

    return lifted


def at(dim, index):
    """The index that takes `index` along `dim`, and everything along those before."""
    return (slice(None),) * dim + (index,)


def running(xp, combine, x, dim):
    """x combined (by an associative function) with all before it along `dim`: log2(n) steps."""
    y = x.copy()
    step = 1
    while step < x.shape[dim]:
        y[at(dim, slice(step, None))] = combine(y[at(dim, slice(step, None))], y[at(dim, slice(None, -step))])
        step *= 2
    return y


# ---------------------------------------------------------------- sums
@op
def cumsum_(xp, x: Array, dim, reverse=False):
    """Running sum along `dim`, from the end if `reverse`.  x: any shape -> same shape."""
    if not reverse:
        return xp.cumsum(x, dim, dtype=x.dtype)
    back = at(dim, slice(None, None, -1))
    return xp.ascontiguousarray(xp.cumsum(x[back], dim, dtype=x.dtype)[back])


cumsum_.grads(lambda g, dim, reverse: cumsum_(g, dim, not reverse))


def _operand(name, x, dim, dtype):
    """x in the type to compute in (integers and bools: int64), and dim counted from 0."""
    if dtype is None and not dtypes.is_floating(x.dtype):
        dtype = dtypes.int64
    dim = normalize_dim(name, dim, x.ndim)
    return (x if dtype is None else cast(x, dtypes.as_dtype(dtype))), dim


@listed
@of_vectors
def cumsum(x: Tensor, dim: int, *, dtype=None) -> Tensor:
    """Running sum along `dim`.  x: any shape -> same shape; integers and bools as int64."""
    return cumsum_(*_operand("cumsum", x, dim, dtype))


# ---------------------------------------------------------------- linear recurrence
@op
def recurrence(xp, x: Array, a: Array, dim, reverse=False):
    """y[i] = x[i] + a[i] y[i - 1] along `dim`, or with y[i + 1] if `reverse`; y outside is 0."""
    y = x.copy()
    n = x.shape[dim]
    order, back = (range(n - 2, -1, -1), 1) if reverse else (range(1, n), -1)
    for i in order:
        y[at(dim, i)] += a[at(dim, i)] * y[at(dim, i + back)]
    return y


def shifted(x, dim, reverse, fill):
    """x moved by one along `dim` (to the start if `reverse`); `fill` takes the place left free."""
    from .shape import cat

    n = x.shape[dim]
    if n == 0:
        return x
    edge = full_like(x.narrow(dim, 0, 1), fill)
    kept = x.narrow(dim, int(reverse), n - 1)
    return cat([kept, edge] if reverse else [edge, kept], dim)


# its adjoint runs the other way with the factors moved by one: the family is closed
recurrence.grads(
    lambda g, a, dim, reverse: recurrence(g, shifted(a, dim, not reverse, 0), dim, not reverse),
    lambda g, a, y, dim, reverse: (
        recurrence(g, shifted(a, dim, not reverse, 0), dim, not reverse) * shifted(y, dim, reverse, 0)
    ),
)


# ---------------------------------------------------------------- products
@op
def cumprod_(xp, x: Array, dim):
    """Running product along `dim`.  x: any shape -> same shape."""
    return xp.cumprod(x, dim, dtype=x.dtype)


def _cumprod_slope(g, x, dim):
    """sum over k >= i of g[k] times the product of all x[j], j <= k, but x[i]: without division."""
    before = shifted(cumprod_(x, dim), dim, False, 1)
    return before * recurrence(g, shifted(x, dim, True, 0), dim, True)


cumprod_.grads(_cumprod_slope)


@listed
@of_vectors
def cumprod(x: Tensor, dim: int, *, dtype=None) -> Tensor:
    """Running product along `dim`.  x: any shape -> same shape; integers and bools as int64."""
    return cumprod_(*_operand("cumprod", x, dim, dtype))


# ---------------------------------------------------------------- extremes
@op
def running_winner(xp, x: Array, dim, name):
    """Where the running 'maximum' or 'minimum' (`name`) stands; of equal ones the last."""
    best = running(xp, getattr(xp, name), x, dim)
    shape = [1] * x.ndim
    shape[dim] = -1
    place = xp.arange(x.shape[dim]).reshape(shape)
    return running(xp, xp.maximum, xp.where((x == best) | (x != x), place, 0), dim)


def _running_extreme(public_name, name, doc):
    @of_vectors
    def public(x: Tensor, dim: int) -> ValuesIndices:
        dim = normalize_dim(public_name, dim, x.ndim)
        indices = running_winner(x, dim, name)
        return ValuesIndices(gather_(x, indices, dim), indices)

    public.__name__ = public.__qualname__ = public_name
    public.__doc__ = f"The {doc} so far along `dim`, and where it stands (of equal ones the last)."
    return public


cummax = _running_extreme("cummax", "maximum", "largest element")
cummin = _running_extreme("cummin", "minimum", "smallest element")


# ---------------------------------------------------------------- log of sums of exponentials
@op
def logcumsumexp_(xp, x: Array, dim):
    """log(cumsum(exp(x))) along `dim`.  x: any shape -> same shape."""
    return running(xp, xp.logaddexp, x, dim)


def _logcumsumexp_slope(g, x, y, dim):
    """sum over k >= i of g[k] exp(x[i] - y[k]), as a recurrence without a positive exponent."""
    y_or_0 = where(y == -math.inf, 0, y)
    fade = exp(y - shifted(y_or_0, dim, True, math.inf))
    return exp(x - y_or_0) * recurrence(g, fade, dim, True)


logcumsumexp_.grads(_logcumsumexp_slope)


@of_vectors
@rounded_once
def logcumsumexp(x: Tensor, dim: int) -> Tensor:
    """log(cumsum(exp(x))) along `dim`, without overflow.  x: any floating shape -> same shape."""
    if not dtypes.is_floating(x.dtype):
        raise RuntimeError(f"logcumsumexp: expected a floating tensor, got {x.dtype}")
    return logcumsumexp_(x, normalize_dim("logcumsumexp", dim, x.ndim))


# ---------------------------------------------------------------- areas under a curve
def _slices(name, y, x, dx, dim):
    """The areas of the trapezoids between neighbours of y along `dim`, which x (vector, or like y) or dx sets apart."""
    refuse_scalar(name, y)
    if y.dtype == "bool":
        raise RuntimeError(f"{name}: y must be numbers, got bool; convert it by .to(dtype)")
    dim = normalize_dim(name, dim, y.ndim)
    n = y.shape[dim]
    if x is None:
        width = dx
    else:
        along = 0 if x.ndim == 1 else x.ndim - y.ndim + dim
        if not x.ndim or along < 0 or x.shape[along] != n:
            raise RuntimeError(f"{name}: x must have the {n} points of y along dim {dim}, got {tuple(x.shape)}")
        width = x.narrow(along, min(1, n), max(0, n - 1)) - x.narrow(along, 0, max(0, n - 1))
        width = width.reshape(-1, *(1,) * (y.ndim - dim - 1)) if x.ndim == 1 else width
    left, right = (y.narrow(dim, min(at, n), max(0, n - 1)) for at in (0, 1))
    return (left + right) * width / 2, dim


def trapezoid(y: Tensor, x: Tensor | None = None, *, dx: float = 1, dim: int = -1) -> Tensor:
    """The area under y along `dim` by the trapezoidal rule, its points at x, or dx apart."""
    areas, dim = _slices("trapezoid", y, x, dx, dim)
    return areas.sum(dim)


def cumulative_trapezoid(y: Tensor, x: Tensor | None = None, *, dx: float = 1, dim: int = -1) -> Tensor:
    """As `trapezoid`, up to each point but the first."""
    areas, dim = _slices("cumulative_trapezoid", y, x, dx, dim)
    return cumsum(areas, dim)


trapz = trapezoid

__all__ = [
    "cummax", "cummin", "cumprod", "cumsum", "cumulative_trapezoid", "logcumsumexp", "trapezoid", "trapz",
]  # fmt: skip
