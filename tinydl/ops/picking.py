"""Elements picked by tensors of integers, and their adjoints.

<take_at(x, i), g> = <x, add_at(g, i)> and <gather(x, i), g> = <x, scatter_sum(g, i)>: each is the
other's gradient, at every order.  An index has none; it is a tensor all the same, so that a write
to it is noticed.  Of several values put into one place the last stays, and it alone has a gradient.
"""

from __future__ import annotations

import math

from ..autograd.engine import Array, op
from ..device import CPU
from ..tensor import Tensor
from .elementwise import eq, where
from .views import ALL


def check_index(name: str, index: Tensor, size: int, dim: int, negative: bool = True) -> None:
    """Refuse an index outside a dimension of `size`; one below 0 counts from the end, if it may.

    On a GPU, where it would wait for all work queued before, a kernel notes it for the next synchronisation.
    """
    a = index.array
    if index.device is not CPU:
        noted = index.device.kernels["check_index"]
        return noted and noted(name, a, size, negative)
    if a.size == 0:
        return
    if not negative and a.dtype.kind == "i" and a.view(f"u{a.itemsize}").max() < size:
        return  # in one pass: what is below 0 is, without sign, larger than any size
    lowest, low, high = -size if negative else 0, a.min(), a.max()
    if low < lowest or high >= size:
        bad = low if low < lowest else high
        raise IndexError(f"{name}: index {bad} is out of range for dimension {dim} of size {size}")


# ---------------------------------------------------------------- indices in some dimensions
def key_at(dims, ndim, indices):
    """The index that has `indices` in dimensions `dims` and everything in the others."""
    key = [ALL] * ndim
    for dim, index in zip(dims, indices):
        key[dim] = index
    return tuple(key)


def _trailing(dims, ndim):
    """How many dimensions of x[key] come after those of the indices."""
    adjacent = dims[-1] - dims[0] + 1 == len(dims)
    return ndim - dims[-1] - 1 if adjacent else ndim - len(dims)


def picked_shape(shape, dims, block):
    """The shape of x[key], where the indices broadcast to shape `block`."""
    rest, after = [n for d, n in enumerate(shape) if d not in dims], _trailing(dims, len(shape))
    return (*rest[: len(rest) - after], *block, *rest[len(rest) - after :])


def _strides(shape):
    """Elements to step over in a contiguous array."""
    return [math.prod(shape[k + 1 :]) for k in range(len(shape))]


def _block(indices, shape, dims):
    """The indices, broadcast, as one: the place of x[i, j, ..., 0, 0] in a contiguous array."""
    strides = _strides(shape)
    return sum(i.astype("int64") % max(shape[d], 1) * strides[d] for i, d in zip(indices, dims))


def _places(xp, indices, shape, dims):
    """The place of every element of x[key] in a contiguous array of `shape`."""
    block, after = _block(indices, shape, dims), _trailing(dims, len(shape))
    rest = [d for d in range(len(shape)) if d not in dims]
    strides = _strides(shape)
    places = block.reshape(block.shape + (1,) * after)
    for k, d in enumerate(rest):
        behind = len(rest) - 1 - k + (block.ndim if k < len(rest) - after else 0)
        places = places + (xp.arange(shape[d]) * strides[d]).reshape((-1,) + (1,) * behind)
    return places


def _last(xp, places, size):
    writer, order = xp.zeros(size, "int64"), xp.arange(places.size).reshape(places.shape)
    writer[places] = order
    return writer[places] == order


@op(exact=True)
def take_at(xp, x: Array, indices: list[Array], dims):
    """x at integer indices, which broadcast, in ascending `dims`: there if adjacent, else first."""
    return x[key_at(dims, x.ndim, indices)]


@op
def add_at(xp, x: Array, start: Array | None, indices: list[Array], shape, dims):
    """Zeros of `shape`, or `start`, with the elements of x added at the indices; those that meet are summed."""
    out = xp.zeros(shape, x.dtype) if start is None else start.copy()
    places = _places(xp, indices, shape, dims)
    xp.add.at(out.reshape(-1), places.reshape(-1), xp.broadcast_to(x, places.shape).reshape(-1))
    return out


@op(exact=True)
def put_at(xp, x: Array, values: Array, indices: list[Array], dims):
    """A copy of x with `values` at the indices; of those that meet the last stays."""
    out = x.copy()
    out[key_at(dims, x.ndim, indices)] = values
    return out


@op(exact=True)
def last_at(xp, indices: list[Array], shape, dims):
    """Which values put at the indices stay, in a shape that broadcasts to theirs."""
    shape = tuple(n if d in dims else 1 for d, n in enumerate(shape))  # the others do not matter, nor that one is empty
    block = _block(indices, shape, dims)
    last = _last(xp, block, math.prod(shape))
    return last.reshape(block.shape + (1,) * _trailing(dims, len(shape)))


take_at.grads(lambda g, x_like, indices, dims: add_at(g, None, indices, x_like.shape, dims), None)
add_at.grads(lambda g, indices, dims: take_at(g, indices, dims), lambda g: g, None)
put_at.grads(
    lambda g, indices, dims: put_at(g, 0, indices, dims),
    lambda g, x_like, indices, dims: where(last_at(indices, x_like.shape, dims), take_at(g, indices, dims), 0),
    None,
)


# ---------------------------------------------------------------- one index for each element
def _places_along(xp, index, shape, dim):
    """The place of element [.., index[.., i, ..], ..] in a contiguous array of `shape`."""
    places, strides = index.astype("int64") * _strides(shape)[dim], _strides(shape)
    for d, n in enumerate(index.shape):
        if d != dim:
            behind = (1,) * (index.ndim - 1 - d)
            places = places + (xp.arange(n) * strides[d]).reshape((-1, *behind))
    return places


@op(exact=True)
def gather_(xp, x: Array, index: Array, dim):
    """x[.., index[.., i, ..], ..], the index in dimension `dim`."""
    return x.reshape(-1)[_places_along(xp, index, x.shape, dim)]


@op
def scatter_sum(xp, src: Array, index: Array, shape, dim):
    """Zeros of `shape` with src[.., i, ..] added at [.., index[.., i, ..], ..]."""
    out = xp.zeros(shape, src.dtype)
    xp.add.at(out.reshape(-1), _places_along(xp, index, shape, dim).reshape(-1), src.reshape(-1))
    return out


@op(exact=True)
def scatter_put(xp, x: Array, src: Array, index: Array, dim):
    """A copy of x with src[.., i, ..] (or a number) put at [.., index[.., i, ..], ..]."""
    out = x.copy()
    out.reshape(-1)[_places_along(xp, index, x.shape, dim)] = src
    return out


@op(exact=True)
def scatter_last(xp, index: Array, shape, dim):
    """Which values put along the index stay."""
    return _last(xp, _places_along(xp, index, shape, dim), math.prod(shape))


@op
def scatter_extreme(xp, x: Array, src: Array, index: Array, dim, largest):
    """The largest (or least) of x and of all src[.., i, ..] put at [.., index[.., i, ..], ..]."""
    out = x.copy()
    function = xp.maximum if largest else xp.minimum
    places = _places_along(xp, index, x.shape, dim)
    function.at(out.reshape(-1), places.reshape(-1), src.reshape(-1))
    return out


@op(exact=True)
def scatter_rank(xp, index: Array, shape, dim):
    """Two integers for each element of the index: its place, and how many before it went there."""
    places = _places_along(xp, index, shape, dim)
    order = xp.argsort(places.reshape(-1), kind="stable")
    ordered, numbers = places.reshape(-1)[order], xp.arange(order.size)
    starts = xp.concatenate([xp.ones(min(1, order.size), bool), ordered[1:] != ordered[:-1]])
    rank = xp.empty_like(order)
    rank[order] = numbers - xp.maximum.accumulate(xp.where(starts, numbers, 0))
    return places.reshape(-1), rank


def _share_extreme(g, x, src, y, index, dim):
    """All that reached the extreme share its gradient evenly."""
    x_won, src_won = eq(x, y), eq(src, gather_(y, index, dim))
    count = x_won.to(g.dtype) + scatter_sum(src_won.to(g.dtype), index, g.shape, dim)
    share = g / count
    return where(x_won, share, 0), where(src_won, gather_(share, index, dim), 0), None


gather_.grads(lambda g, x_like, index, dim: scatter_sum(g, index, x_like.shape, dim), None)
scatter_sum.grads(lambda g, index, dim: gather_(g, index, dim), None)
scatter_put.grads(
    lambda g, index, dim: scatter_put(g, 0, index, dim),
    lambda g, index, dim: where(scatter_last(index, g.shape, dim), gather_(g, index, dim), 0),
    None,
)
scatter_extreme.grads_together(_share_extreme)
