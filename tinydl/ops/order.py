"""Order along a dimension: sorting, the largest and the smallest, medians, quantiles.

Each finds indices, which have no gradient, and gathers the values there: gather has the gradient.
"""

from __future__ import annotations

import builtins
import math
from typing import NamedTuple

from .. import dtype as dtypes
from ..autograd.autocast import listed
from ..autograd.engine import Array, op
from ..tensor import Tensor
from . import elementwise, reduce, search
from .creation import as_tensor
from .elementwise import isnan, where
from .picking import gather_
from .reduce import amax, amin, drop, normalize_dim, refuse_empty, to_winners
from .scan import ValuesIndices, at, of_vectors, running
from .search import *  # noqa: F403


@of_vectors
def _picked(x, dim, keepdim, name, find, *constants):
    """Along `dim` the element whose place `find` knows, and the place."""
    dim = normalize_dim(name, dim, x.ndim)
    refuse_empty(name, x, (dim,))
    indices = find(x, *constants, dim)
    both = (gather_(x, indices, dim), indices)  # found by an operation: nothing to check
    return ValuesIndices(*[drop(t, x, (dim,), keepdim) for t in both])


# ---------------------------------------------------------------- sorting
def _order(xp, x, dim, descending=False):
    """Indices that sort x along `dim`; equal ones keep their order, NaN is the largest."""
    if not descending:
        return xp.argsort(x, axis=dim, kind="stable")
    back = at(dim, slice(None, None, -1))
    return x.shape[dim] - 1 - xp.argsort(x[back], axis=dim, kind="stable")[back]


@op
def argsort_(xp, x: Array, dim, descending):
    """Indices that sort x along `dim`.  x: any shape -> int64 of the same shape."""
    return _order(xp, x, dim, descending)


@of_vectors
def sort(x: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> ValuesIndices:
    """x sorted along `dim`, and where its elements stood; NaN is the largest.  Always stable."""
    dim = normalize_dim("sort", dim, x.ndim)
    indices = argsort_(x, dim, descending)
    return ValuesIndices(gather_(x, indices, dim), indices)


@of_vectors
def argsort(x: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> Tensor:
    """The indices that sort x along `dim`.  Always stable."""
    return argsort_(x, normalize_dim("argsort", dim, x.ndim), descending)


def msort(x: Tensor) -> Tensor:
    """x sorted along its first dimension."""
    return sort(x, 0).values


@op
def topk_places(xp, x: Array, k, dim, largest):
    """Where the k largest (or smallest) along `dim` stand, the foremost first."""
    n = x.shape[dim]
    places = xp.argpartition(x, builtins.min(n - k if largest else k, n - 1), axis=dim)
    places = places[at(dim, slice(n - k, None) if largest else slice(k))]
    chosen = xp.take_along_axis(x, places, dim)
    return xp.take_along_axis(places, _order(xp, chosen, dim, largest), dim)


@of_vectors
def topk(x: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> ValuesIndices:
    """The k largest (or smallest) elements along `dim`, sorted, and where they stand."""
    dim = normalize_dim("topk", dim, x.ndim)
    if not 0 <= k <= x.shape[dim]:
        raise RuntimeError(f"topk: k must lie in [0, {x.shape[dim]}], the size of dim {dim}; got {k}")
    if k == 0:
        indices = argsort_(x.narrow(dim, 0, 0), dim, False)
    else:
        indices = topk_places(x, k, dim, largest)
    return ValuesIndices(gather_(x, indices, dim), indices)


@op
def kth_place(xp, x: Array, k, dim):
    """Where the k-th smallest along `dim` stands."""
    return _order(xp, x, dim)[at(dim, slice(k - 1, k))]


def kthvalue(x: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> ValuesIndices:
    """The k-th smallest element along `dim` (k counts from 1), and where it stands."""
    size = x.shape[normalize_dim("kthvalue", dim, x.ndim)] if x.ndim else 1
    if not 1 <= k <= size:
        raise RuntimeError(f"kthvalue: k must lie in [1, {size}], the size of dim {dim}; got {k}")
    return _picked(x, dim, keepdim, "kthvalue", kth_place, k)


# ---------------------------------------------------------------- largest, smallest
def _extreme(largest):
    """max and argmax, or min and argmin."""
    name, arg = ("max", "argmax") if largest else ("min", "argmin")
    over_all = amax if largest else amin
    of_two = elementwise.maximum if largest else elementwise.minimum

    def find(xp, x: Array, dim):
        """Where the first of the largest (least) along `dim` stands."""
        return getattr(xp, arg)(x, axis=dim, keepdims=True)

    find.__name__ = arg
    find = op(find)

    def extreme(x: Tensor, dim=None, keepdim: bool = False, *, other: Tensor | None = None):
        if not isinstance(x, Tensor):
            raise TypeError(f"{name}: x must be a tensor, got {type(x).__name__}")
        other = dim if isinstance(dim, Tensor) else other
        if other is not None:
            return of_two(x, other)
        return over_all(x) if dim is None else _picked(x, dim, keepdim, name, find)

    def place(x: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
        if dim is None:
            index = _picked(x.reshape(-1), 0, False, arg, find).indices
            return index.reshape((1,) * x.ndim) if keepdim else index
        return _picked(x, dim, keepdim, arg, find).indices

    word = "largest" if largest else "smallest"
    extreme.__name__ = extreme.__qualname__ = name
    extreme.__doc__ = f"The {word}: of all elements; along `dim` (values, indices); or of x and another tensor."
    place.__name__ = place.__qualname__ = arg
    place.__doc__ = f"Where the {word} stands along `dim`, or in the flattened x.  -> int64"
    return extreme, place


class MinMax(NamedTuple):
    """The smallest and the largest."""

    min: Tensor
    max: Tensor


def aminmax(x: Tensor, *, dim: int | None = None, keepdim: bool = False) -> MinMax:
    """The smallest and the largest, of all elements or along `dim`."""
    over = () if dim is None else dim
    return MinMax(amin(x, over, keepdim), amax(x, over, keepdim))


# ---------------------------------------------------------------- in the middle, most often
def _median_place(xp, x, skip_nan, dim):
    n = x.shape[dim]
    valid = n - (x != x).sum(dim, keepdims=True)
    rank = xp.maximum(valid - 1, 0) // 2
    if not skip_nan:
        rank = xp.where(valid < n, valid, rank)  # the first NaN
    return xp.take_along_axis(_order(xp, x, dim), rank, dim)


@op
def median_place(xp, x: Array, skip_nan, dim):
    """Where the (lower) median along `dim` stands."""
    return _median_place(xp, x, skip_nan, dim)


@op
def median_of_all(xp, x: Array, skip_nan, dims):
    """The (lower) median of all elements."""
    if not x.size:
        return xp.full((), math.nan, x.dtype)
    flat = x.reshape(-1)
    return xp.take_along_axis(flat, _median_place(xp, flat, skip_nan, 0), 0).reshape(())


median_of_all.grads(to_winners)


def median(x: Tensor, dim: int | None = None, keepdim: bool = False):
    """The median (of an even number the lower of two) of all, or along `dim` with its place.

    NaN where there is a NaN.
    """
    return _median("median", x, dim, keepdim, False)


def nanmedian(x: Tensor, dim: int | None = None, keepdim: bool = False):
    """The median of the elements that are not NaN; otherwise as `median`."""
    return _median("nanmedian", x, dim, keepdim, True)


def _median(name, x, dim, keepdim, skip_nan):
    if dim is None:
        return median_of_all(x, skip_nan, tuple(range(x.ndim)))
    return _picked(x, dim, keepdim, name, median_place, skip_nan)


@op
def mode_place(xp, x: Array, dim):
    """Where the last of the most frequent (smallest of these) elements along `dim` stands."""
    order = _order(xp, x, dim)
    ranked = xp.take_along_axis(x, order, dim)
    shape = [1] * x.ndim
    shape[dim] = -1
    i = xp.arange(x.shape[dim]).reshape(shape) + xp.zeros_like(order)
    new = ranked[at(dim, slice(1, None))] != ranked[at(dim, slice(None, -1))]
    start = i.copy()
    start[at(dim, slice(1, None))] *= new
    run = i - running(xp, xp.maximum, start, dim)
    return xp.take_along_axis(order, xp.argmax(run, axis=dim, keepdims=True), dim)


def mode(x: Tensor, dim: int = -1, keepdim: bool = False) -> ValuesIndices:
    """The most frequent element along `dim` (of several the smallest), and where it stands last."""
    return _picked(x, dim, keepdim, "mode", mode_place)


# ---------------------------------------------------------------- quantiles
_ROUNDING = {
    "linear": None, "midpoint": None, "lower": elementwise.floor, "higher": elementwise.ceil,
    "nearest": elementwise.round,
}  # fmt: skip


@listed
def quantile(x: Tensor, q, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear") -> Tensor:
    """The q-quantiles of x along `dim` (None: of all).  q: number, () or (k,) -> (k, ...).

    interpolation between two elements: 'linear', 'lower', 'higher', 'midpoint' or 'nearest'.
    """
    return _quantile("quantile", x, q, dim, keepdim, interpolation)


@listed
def nanquantile(
    x: Tensor, q, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Tensor:
    """The quantiles of the elements that are not NaN; otherwise as `quantile`."""
    return _quantile("nanquantile", x, q, dim, keepdim, interpolation)


def _quantile(name, x, q, dim, keepdim, interpolation):
    q = _checked_q(name, x, q, interpolation)
    where_to = 0 if dim is None else normalize_dim(name, dim, x.ndim)
    rows = x.reshape(-1) if dim is None or not x.ndim else x.movedim(where_to, -1)
    refuse_empty(name, rows, (rows.ndim - 1,))
    rows = sort(rows, -1).values
    found = _at_ranks(rows, _ranks(name, rows, q.reshape(-1)), interpolation).movedim(-1, 0)
    if keepdim:
        kept = (1,) * x.ndim if dim is None else reduce.kept_shape(x.shape, (where_to,))
        found = found.reshape(q.numel(), *kept)
    return found if q.ndim else found[0]


def _checked_q(name, x, q, interpolation):
    if x.dtype not in (dtypes.float32, dtypes.float64):
        raise RuntimeError(f"{name}: expected a float32 or float64 tensor, got {x.dtype}")
    if interpolation not in _ROUNDING:
        raise RuntimeError(f"{name}: interpolation must be one of {', '.join(_ROUNDING)}, got {interpolation!r}")
    if not isinstance(q, Tensor):
        q = as_tensor(q, x.dtype, x.device)
    if q.ndim > 1 or q.dtype != x.dtype:
        raise RuntimeError(f"{name}: q must be a number or a vector of {x.dtype}, got {q.dtype} {tuple(q.shape)}")
    if q.device.type == "cpu" and not ((q.array >= 0) & (q.array <= 1)).all():
        raise RuntimeError(f"{name}: q must lie in [0, 1], got {q.tolist()}")
    return q


def _ranks(name, rows, q):
    """Where in the sorted rows the quantiles lie: (..., n), (k,) -> (..., k)."""
    last = rows.shape[-1] - 1
    nan = isnan(rows)
    if name == "nanquantile":
        return q * ((~nan).sum(-1, True) - 1).clamp(min=0).to(q.dtype)
    return where(nan.narrow(-1, last, 1), last, q * last)


def _at_ranks(rows, ranks, interpolation):
    """Elements of the sorted rows at ranks that may lie between two."""
    from .index import gather

    rounding = _ROUNDING[interpolation]
    ranks = ranks if rounding is None else rounding(ranks)
    below = ranks.detach().floor().to(dtypes.int64)
    low = gather(rows, rows.ndim - 1, below)
    if rounding is not None:
        return low
    high = gather(rows, rows.ndim - 1, ranks.detach().ceil().to(dtypes.int64))
    return low + (0.5 if interpolation == "midpoint" else ranks - below) * (high - low)


max, argmax = _extreme(largest=True)
min, argmin = _extreme(largest=False)

__all__ = search.__all__ + [
    "aminmax", "argmax", "argmin", "argsort", "kthvalue", "max", "median", "min", "mode", "msort",
    "nanmedian", "nanquantile", "quantile", "sort", "topk",
]  # fmt: skip
