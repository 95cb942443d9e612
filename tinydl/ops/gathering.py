"""Elements read and written along one dimension, by one index for each: gather and scatter."""

from __future__ import annotations

from ..autograd.autocast import listed
from ..dtype import iinfo, is_floating
from ..tensor import Tensor
from . import creation
from .elementwise import clone, true_divide
from .elementwise import div as divide
from .picking import (
    check_index,
    gather_,
    put_at,
    scatter_extreme,
    scatter_put,
    scatter_rank,
    scatter_sum,
)
from .reduce import normalize_dim, prod
from .views import broadcast_shape, expand_, reshape_, slice_

INTEGERS = ("int32", "int64")


def _prepared(name, x, dim, index, *sources):
    """dim, x, index and sources, checked: 0-d tensors as vectors, sources cut to the index."""
    dim = normalize_dim(name, dim, x.ndim)
    if str(index.dtype) not in INTEGERS and index.array.size:
        raise RuntimeError(f"{name}: expected an index of int64 or int32, got {index.dtype}")
    tensors = [t if t.ndim else reshape_(t, (1,)) for t in (x, index, *sources)]
    x, index, *sources = tensors
    shape = index.array.shape
    if index.array.size:
        for what, t in (("input", x), *(("src", s) for s in sources)):
            free = dim if what == "input" else -1  # the index may be longer than x where it picks
            bad = any(n > m for d, (n, m) in enumerate(zip(shape, t.array.shape)) if d != free)
            if bad or t.ndim != index.ndim:
                raise RuntimeError(
                    f"{name}: index of shape {tuple(shape)} does not fit {what} of shape "
                    f"{tuple(t.shape)}: it needs as many dimensions, and no size may be larger"
                    + (f" except that of dimension {dim}" if what == "input" else "")
                )
        check_index(name, index, x.array.shape[dim], dim, negative=False)
    for s in sources:
        if s.dtype != x.dtype:
            raise RuntimeError(f"{name}: expected src of dtype {x.dtype}, got {s.dtype}")
    cut = (*(slice(n) for n in shape), ...)
    sources = [s if s.array.shape == shape else slice_(s, cut) for s in sources]
    return dim, x, index, *sources


def gather(x: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False) -> Tensor:
    """x[.., index[.., i, ..], ..], the index in dimension `dim`.  -> the shape of index.

    index: as many dimensions as x, no other size larger than that of x.
    """
    shape = index.array.shape
    dim, x, index = _prepared("gather", x, dim, index)
    return _shaped(gather_(x, index, dim), shape) if index.array.size else _empty(x, shape)


def _shaped(y, shape):
    return y if y.array.shape == shape else reshape_(y, shape)


def _empty(x, shape):
    """No elements of x, in `shape`."""
    return reshape_(slice_(reshape_(x, (x.array.size,)), (slice(0), ...)), shape)


def take_along_dim(x: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """As gather, with x and indices broadcast in the other dimensions; without dim both as if flat.

    An index below 0 counts from the end.
    """
    if str(indices.dtype) != "int64":
        raise RuntimeError(f"take_along_dim: expected indices of int64, got {indices.dtype}")
    if dim is None:
        x, indices, dim = reshape_(x, (x.numel(),)), reshape_(indices, (indices.numel(),)), 0
    if x.ndim != indices.ndim:
        raise RuntimeError(f"take_along_dim: expected indices of {x.ndim} dimensions, got {indices.ndim}")
    dim = normalize_dim("take_along_dim", dim, x.ndim)
    rest = [t.array.shape[:dim] + (1,) + t.array.shape[dim + 1 :] for t in (x, indices)]
    common = broadcast_shape("take_along_dim", *rest)
    x, indices = (expand_(t, (*common[:dim], *t.array.shape[dim : dim + 1], *common[dim + 1 :])) for t in (x, indices))
    n = x.array.shape[dim] if x.ndim else 1
    check_index("take_along_dim", indices, n, dim)
    return gather(x, dim, indices % max(n, 1))


def scatter(x: Tensor, dim: int, index: Tensor, src=None, value=None, *, reduce: str | None = None) -> Tensor:
    """A copy of x with src[.., i, ..] (or the number `value`) at [.., index[.., i, ..], ..].

    index: as many dimensions as x; src: at least its sizes.  Of values that meet the last stays.
    reduce: 'add' or 'multiply' joins them with what is there.
    """
    src = value if src is None else src
    if src is None:
        raise TypeError("scatter: give src (a tensor) or value (a number)")
    if reduce not in (None, "add", "multiply"):
        raise RuntimeError(f"scatter: reduce must be 'add' or 'multiply', got {reduce!r}")
    if reduce is not None:
        src = src if isinstance(src, Tensor) else creation.full_like(index, src, dtype=x.dtype)
        return scatter_reduce(x, dim, index, src, "sum" if reduce == "add" else "prod")
    sources = (src,) if isinstance(src, Tensor) else ()
    shape = x.array.shape
    dim, x, index, *sources = _prepared("scatter", x, dim, index, *sources)
    if not index.array.size:
        return _shaped(clone(x), shape)
    return _shaped(scatter_put(x, *(sources or (src,)), index, dim), shape)


@listed
def scatter_add(x: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """x with src[.., i, ..] added at [.., index[.., i, ..], ..]; all that meet are summed."""
    return scatter_reduce(x, dim, index, src, "sum", _name="scatter_add")


def _identity(dtype, largest):
    """The number that no maximum (or minimum) takes."""
    if dtype.kind == "b":
        return not largest
    if is_floating(dtype):
        return float("-inf") if largest else float("inf")
    return iinfo(dtype).min if largest else iinfo(dtype).max


def scatter_reduce(
    x: Tensor,
    dim: int,
    index: Tensor,
    src: Tensor,
    reduce: str,
    *,
    include_self: bool = True,
    _name: str = "scatter_reduce",
) -> Tensor:
    """x with all src[.., i, ..] that go to [.., index[.., i, ..], ..] joined there.

    reduce: 'sum', 'prod', 'mean', 'amax', 'amin'; include_self: with what x has there, or without.
    """
    if reduce not in _REDUCTIONS:
        raise RuntimeError(f"{_name}: reduce must be one of {list(_REDUCTIONS)}, got {reduce!r}")
    shape = x.array.shape
    dim, x, index, src = _prepared(_name, x, dim, index, src)
    if not index.array.size:
        return _shaped(clone(x), shape)
    if not include_self:
        start = {"prod": 1, "amax": _identity(x.dtype, True), "amin": _identity(x.dtype, False)}
        x = scatter_put(x, start.get(reduce, 0), index, dim)
    return _shaped(_REDUCTIONS[reduce](x, src, index, dim, include_self), shape)


def _sum(x, src, index, dim, include_self):
    return x + scatter_sum(src, index, x.array.shape, dim)


def _mean(x, src, index, dim, include_self):
    count = scatter_sum(creation.ones_like(src), index, x.array.shape, dim)
    count = count + 1 if include_self else count.clamp(min=1)
    total = _sum(x, src, index, dim, include_self)
    return true_divide(total, count) if is_floating(x.dtype) else divide(total, count, rounding_mode="floor")


def _prod(x, src, index, dim, include_self):
    # factors that meet get a column of their own, so that the gradient is that of `prod`
    places, rank = scatter_rank(index, x.array.shape, dim)
    size = x.array.size
    rows = int(rank.array.max()) + 1
    table = creation.ones(rows * size, dtype=x.dtype, device=x.device)
    table = put_at(table, reshape_(src, (src.array.size,)), [rank * size + places], (0,))
    return x * prod(reshape_(table, (rows, *x.array.shape)), 0).to(x.dtype)


_REDUCTIONS = {
    "sum": _sum,
    "prod": _prod,
    "mean": _mean,
    "amax": lambda x, src, index, dim, _: scatter_extreme(x, src, index, dim, True),
    "amin": lambda x, src, index, dim, _: scatter_extreme(x, src, index, dim, False),
}

__all__ = ["gather", "scatter", "scatter_add", "scatter_reduce", "take_along_dim"]
