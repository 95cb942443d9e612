"""Parts picked or written by masks, and by one vector of indices in one dimension."""

from __future__ import annotations

from ..autograd.autocast import listed
from ..dtype import is_floating
from ..tensor import Tensor, wrap
from . import creation
from .elementwise import where
from .gathering import INTEGERS
from .getitem import as_picks, fitted, get_item, meeting, width
from .picking import add_at, check_index, picked_shape, put_at, take_at
from .reduce import broadcast, normalize_dim
from .views import broadcast_tensors, reshape_, slice_


# ---------------------------------------------------------------- indices in several dimensions
@listed
def index_put(x: Tensor, indices, values: Tensor, accumulate: bool = False) -> Tensor:
    """x with `values` at x[indices] (a tuple of tensors): put there, or added with `accumulate`.

    Of values that meet the last stays; added ones are summed.
    """
    if values.dtype != x.dtype:
        raise RuntimeError(f"index_put: expected values of dtype {x.dtype}, got {values.dtype}")
    picks, shape = {}, x.array.shape
    for index in indices:
        dim = len(picks)
        if dim + width(index) > len(shape):
            raise IndexError(f"index_put: too many indices for a tensor of shape {tuple(shape)}")
        picks |= {dim + k: i for k, i in enumerate(as_picks("index_put", index, shape[dim:], dim))}
    if not picks:
        raise IndexError("index_put: expected at least one index, got none")
    indices, dims, block = meeting(picks)
    values = fitted("index_put", values, picked_shape(shape, dims, block))
    if accumulate:
        return add_at(values, x, indices, shape, dims)
    return put_at(x, values, indices, dims)


# ---------------------------------------------------------------- one index
def _one_index(name, x, dim, index, negative=False):
    """dim, x with at least one dimension, and the index as a vector, checked."""
    dim = normalize_dim(name, dim, x.ndim)
    if not isinstance(index, Tensor) or str(index.dtype) not in INTEGERS:
        raise RuntimeError(f"{name}: expected an index tensor of int64 or int32, got {_kind(index)}")
    if index.ndim > 1:
        raise IndexError(f"{name}: expected an index of at most 1 dimension, got {tuple(index.shape)}")
    x, index = (t if t.ndim else reshape_(t, (1,)) for t in (x, index))
    check_index(name, index, x.array.shape[dim], dim, negative)
    return dim, x, index


def _shaped(y, shape):
    """The result for a 0-d tensor, which was treated as one of 1 dimension, in its own shape."""
    return y if y.ndim == len(shape) else reshape_(y, shape)


def _kind(value):
    return value.dtype if isinstance(value, Tensor) else type(value).__name__


def index_select(x: Tensor, dim: int, index: Tensor) -> Tensor:
    """x at each of the indices (a vector) in dimension `dim`."""
    dim, vector, index = _one_index("index_select", x, dim, index)
    if not x.ndim and index.array.size != 1:
        raise IndexError(f"index_select: expected one index into a 0-d tensor, got {index.numel()}")
    return _shaped(take_at(vector, [index], (dim,)), x.array.shape)


def _sourced(name, x, dim, index, source):
    """As `_one_index`, with a source that has a place for each index, checked."""
    shape = x.array.shape
    dim, x, index = _one_index(name, x, dim, index)
    source = source if source.ndim else reshape_(source, (1,))
    expected = (*x.array.shape[:dim], index.array.size, *x.array.shape[dim + 1 :])
    if source.array.shape != expected:
        raise IndexError(
            f"{name}: expected a source of shape {expected} for {index.numel()} indices in "
            f"dimension {dim} of {tuple(shape)}, got {tuple(source.shape)}"
        )
    if source.dtype != x.dtype:
        raise RuntimeError(f"{name}: expected a source of dtype {x.dtype}, got {source.dtype}")
    return dim, x, index, source


def index_add(x: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha=1) -> Tensor:
    """x with alpha times each part of source added at its index in dimension `dim`."""
    shape = x.array.shape
    dim, x, index, source = _sourced("index_add", x, dim, index, source)
    if alpha == 1:
        return _shaped(add_at(source, x, [index], x.array.shape, (dim,)), shape)
    return _shaped(x.add(add_at(source, None, [index], x.array.shape, (dim,)), alpha=alpha), shape)


def index_copy(x: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """x with each part of source put at its index in dimension `dim`; the last stays."""
    shape = x.array.shape
    dim, x, index, source = _sourced("index_copy", x, dim, index, source)
    return _shaped(put_at(x, source, [index], (dim,)), shape)


def index_fill(x: Tensor, dim: int, index: Tensor, value) -> Tensor:
    """x with `value` (a number or a 0-d tensor) at the indices in dimension `dim`."""
    shape, value = x.array.shape, _number("index_fill", value, x)
    dim, x, index = _one_index("index_fill", x, dim, index, negative=True)
    return _shaped(put_at(x, value, [index], (dim,)), shape)


def _number(name, value, x):
    """A number or 0-d tensor that x can hold, in x's type."""
    if isinstance(value, Tensor):
        if value.ndim:
            raise RuntimeError(f"{name}: expected a number or a 0-d tensor, got {tuple(value.shape)}")
        if is_floating(value.dtype) and not is_floating(x.dtype):
            raise RuntimeError(f"{name}: a value of {value.dtype} does not fit a tensor of {x.dtype}")
        return value.to(x.device, x.dtype)
    if isinstance(value, float) and not is_floating(x.dtype) and not value.is_integer():
        raise RuntimeError(f"{name}: {value} does not fit a tensor of {x.dtype}")
    return wrap(x.device.xp.full((), value, x.dtype))


def take(x: Tensor, index: Tensor) -> Tensor:
    """The elements of x, as if flat, at integer indices.  -> the shape of index."""
    if str(index.dtype) != "int64":
        raise RuntimeError(f"take: expected an index of int64, got {index.dtype}")
    if not x.array.size and index.array.size:
        raise IndexError(f"take: a tensor of shape {tuple(x.shape)} has no elements to take")
    check_index("take", index, x.array.size, 0)
    flat = index if index.ndim else reshape_(index, (1,))
    return reshape_(take_at(reshape_(x, (x.array.size,)), [flat], (0,)), index.array.shape)


def repeat_interleave(x: Tensor, repeats=None, dim: int | None = None, *, output_size=None) -> Tensor:
    """Each element of x (each part along `dim`) repeated, by a number or as often as a tensor says.

    With one argument, a vector of numbers n: 0 n[0] times, 1 n[1] times, and so on.
    """
    if repeats is None:
        return repeat_interleave(creation.arange(x.numel(), device=x.device), x, 0)
    x = reshape_(x, (x.array.size,)) if dim is None or not x.ndim else x
    dim = 0 if dim is None else normalize_dim("repeat_interleave", dim, x.ndim)
    n = x.array.shape[dim]
    counts = repeats if isinstance(repeats, Tensor) else creation.tensor(repeats, dtype="int64")
    if str(counts.dtype) not in INTEGERS or counts.ndim > 1 or counts.numel() not in (1, n):
        raise RuntimeError(
            f"repeat_interleave: expected int64 repeats for {n} parts along dimension {dim}, "
            f"got {counts.dtype} of shape {tuple(counts.shape)}"
        )
    if counts.numel() == 1:
        return _repeated(x, int(counts.item()), dim, output_size)
    host = counts.tolist()
    if any(count < 0 for count in host):
        raise RuntimeError(f"repeat_interleave: repeats must not be negative, got {min(host)}")
    creation.check_count("repeat_interleave", (sum(host),))
    if output_size is not None and sum(host) != output_size:
        raise RuntimeError(f"repeat_interleave: {sum(host)} parts, but output_size is {output_size}")
    xp = x.device.xp
    return index_select(x, dim, wrap(xp.repeat(xp.arange(n), host)))


def _repeated(x, count, dim, output_size):
    """Each part along `dim` as often as `count` says."""
    if count < 0:
        raise RuntimeError(f"repeat_interleave: repeats must not be negative, got {count}")
    before, n, behind = x.array.shape[:dim], x.array.shape[dim], x.array.shape[dim + 1 :]
    creation.check_count("repeat_interleave", (n * count,))
    if output_size is not None and n * count != output_size:
        raise RuntimeError(f"repeat_interleave: {n * count} parts, but output_size is {output_size}")
    repeated = broadcast(reshape_(x, (*before, n, 1, *behind)), (*before, n, count, *behind))
    return reshape_(repeated, (*before, n * count, *behind))


# ---------------------------------------------------------------- masks
def _mask(name, mask):
    if mask.dtype != "bool":
        raise RuntimeError(f"{name}: expected a bool mask, got {mask.dtype}; compare, as in x > 0")
    return mask


def masked_fill(x: Tensor, mask: Tensor, value) -> Tensor:
    """x with `value` (a number or a 0-d tensor) where the mask, which broadcasts, holds."""
    return where(_mask("masked_fill", mask), _number("masked_fill", value, x), x)


def masked_select(x: Tensor, mask: Tensor) -> Tensor:
    """The elements where the mask holds, as a vector; x and mask broadcast."""
    x, mask = broadcast_tensors(x, _mask("masked_select", mask))
    return get_item(x, mask)


def masked_scatter(x: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """x with the elements of source, in order, where the mask, which broadcasts, holds."""
    if source.dtype != x.dtype:
        raise RuntimeError(f"masked_scatter: expected a source of dtype {x.dtype}, got {source.dtype}")
    shape = x.array.shape
    x, mask = broadcast_tensors(x, _mask("masked_scatter", mask))
    x, mask = (t if t.ndim else reshape_(t, (1,)) for t in (x, mask))
    indices = nonzero(mask, as_tuple=True)
    count = indices[0].array.size
    if count > source.array.size:
        raise RuntimeError(f"masked_scatter: the mask holds {count} times, source has {source.numel()} elements")
    values = slice_(reshape_(source, (source.array.size,)), (slice(count), ...))
    y = put_at(x, values, list(indices), tuple(range(x.ndim)))
    return y if shape or y.numel() != 1 else reshape_(y, shape)


def nonzero(x: Tensor, *, as_tuple: bool = False):
    """Indices of the elements that are not 0: (n, ndim), or a tuple of vectors."""
    array = x.array if x.ndim else x.array.reshape(1)
    found = array.nonzero()
    if as_tuple:
        return tuple(map(wrap, found))
    return wrap(x.device.xp.stack(found, -1)[:, : x.ndim])


def argwhere(x: Tensor) -> Tensor:
    """Indices of the elements that are not 0: (n, ndim)."""
    return nonzero(x)


__all__ = [
    "argwhere",
    "index_add",
    "index_copy",
    "index_fill",
    "index_put",
    "index_select",
    "masked_fill",
    "masked_scatter",
    "masked_select",
    "nonzero",
    "repeat_interleave",
    "take",
]
