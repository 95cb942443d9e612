"""The memory of a tensor seen otherwise: in steps of one's own, as another type, in another size."""

from __future__ import annotations

import math
import operator
import sys

from .. import dtype as dtypes
from ..autograd.engine import Array, op
from ..autograd.views import reform, writable
from ..tensor import Tensor, wrap
from .views import flat_sizes, reshape_, transpose_


# ---------------------------------------------------------------- the operations
def _places(xp, size, stride, offset):
    """The place in memory of every element, counted in elements."""
    places = xp.full(size, offset, "int64")
    for d, (n, step) in enumerate(zip(size, stride)):
        places += (xp.arange(n) * step).reshape((n,) + (1,) * (len(size) - d - 1))
    return places


@op(view=True)
def strided(xp, x: Array, size, stride, offset):
    """The elements of x, laid one after another, at the places offset + i[0] stride[0] + i[1] stride[1] + ..."""
    flat = xp.ascontiguousarray(x).reshape(-1)[offset:]
    return xp.lib.stride_tricks.as_strided(flat, size, [step * flat.itemsize for step in stride])


@op
def strided_sum(xp, x: Array, shape, stride, offset):
    """Zeros of `shape` to which each element of x is added in its place."""
    out = xp.zeros(math.prod(shape), x.dtype)
    xp.add.at(out, _places(xp, x.shape, stride, offset).reshape(-1), x.reshape(-1))
    return out.reshape(shape)


# <strided(x), g> = <x, strided_sum(g)>: each is the other's gradient.
strided.grads(lambda g, x_like, stride, offset: strided_sum(g, x_like.shape, stride, offset))
strided_sum.grads(lambda g, x_like, stride, offset: strided(g, x_like.shape, stride, offset))


# ---------------------------------------------------------------- other steps
def _one_after_another(name, x):
    """x with its dimensions in the order of its memory, which must have no gaps."""
    strides = x.array.strides
    dims = tuple(sorted(range(x.ndim), key=lambda d: (-strides[d], d)))
    y = x if dims == tuple(range(x.ndim)) else transpose_(x, dims)
    if not y.array.flags.c_contiguous:
        raise RuntimeError(
            f"{name}: the elements of this tensor (shape {tuple(x.shape)}, strides {x.stride()}) do not lie in memory "
            "one after another; call contiguous() first"
        )
    return y


def as_strided(x: Tensor, size, stride, storage_offset: int | None = None) -> Tensor:
    """The elements of x at steps of memory `stride` (in elements), as a view of the given size.

    x must lie in memory without gaps.  Refused where a step leads out of x, also into a tensor that x is a view of.
    """
    size, stride = tuple(map(operator.index, size)), tuple(map(operator.index, stride))
    if len(size) != len(stride) or any(n < 0 for n in (*size, *stride)):
        raise RuntimeError(f"as_strided: expected a step of at least 0 for each size, got {size} and {stride}")
    offset = 0 if storage_offset is None else operator.index(storage_offset) - x.storage_offset()
    last = offset + sum((n - 1) * step for n, step in zip(size, stride))
    y, count = _one_after_another("as_strided", x), x.array.size
    if 0 in size:
        return strided(y, size, stride, 0)
    if offset < 0 or last >= count:
        raise RuntimeError(
            f"as_strided: size {size}, stride {stride} from place {offset} reach {last}, outside of the tensor's "
            f"{count} elements (shape {tuple(x.shape)}); start from the whole tensor where it is a view"
        )
    return strided(y, size, stride, offset)


# ---------------------------------------------------------------- another type
def seen_as(x: Tensor, dtype) -> Tensor:
    """The bits of x as numbers of another type, outside the graph; the last dimension takes up what sizes differ."""
    dtype = dtypes.as_dtype(dtype)
    a, old, new = x.array, x.array.itemsize, dtype.itemsize
    if old != new and not a.ndim:
        raise RuntimeError(f"view: a 0-d tensor of {x.dtype} cannot be seen as {dtype}: elements of another size")
    if old != new and (a.shape[-1] * old % new or a.strides[-1] != old or (new > old and _uneven(a, new))):
        raise RuntimeError(
            f"view: memory of shape {tuple(x.shape)}, strides {x.stride()} and {x.dtype} cannot be seen as {dtype}: "
            f"rows of {a.shape[-1] * old} bytes, elements of {new}; contiguous() may help, to(dtype) converts"
        )
    y = wrap(a.view(dtype))
    y._storage, y._origin = x._storage, x._origin if x._base is None else x._root().array
    return y


def _uneven(a, itemsize):
    """Whether an element of the larger type would begin between two of its places."""
    return any(step % itemsize for n, step in zip(a.shape[:-1], a.strides) if n > 1)


# ---------------------------------------------------------------- another size
def resize_(x: Tensor, *sizes) -> Tensor:
    """In place: another shape, of the first elements; where it has more of them, the new ones are not set.

    The tensor must lie in memory without gaps, and no other may share it if it grows.
    """
    shape = tuple(map(operator.index, flat_sizes(sizes)))
    if any(n < 0 for n in shape):
        raise RuntimeError(f"resize_: sizes must not be negative, got {shape}")
    if x.requires_grad:
        raise RuntimeError("resize_: a tensor that requires grad cannot be resized; index it, or cat() to it")
    if not x.array.flags.c_contiguous:
        raise RuntimeError(f"resize_: strides {x.stride()} of shape {tuple(x.shape)} have gaps; use contiguous()")
    writable(x, "resize_")
    count, old = math.prod(shape), x.array.size
    if count <= old:
        return reform(x, "resize_", lambda x: reshape_(reshape_(x, (old,))[:count], shape))
    if x._base is not None or sys.getrefcount(x._storage) > _ALONE:
        raise RuntimeError(
            f"resize_: {old} elements cannot become {count} while others (views, detached tensors) share their memory; "
            "make a new tensor with tinydl.empty(...)"
        )
    grown = x.device.xp.empty(count, x.dtype)
    grown[:old] = x.array.reshape(-1)
    x.array = grown.reshape(shape)
    return x


def resize_as_(x: Tensor, other: Tensor) -> Tensor:
    """In place: the shape of `other`; see resize_."""
    return resize_(x, other.shape)


_ALONE = 2  # what getrefcount counts of a storage that one tensor has

__all__ = ["as_strided"]
