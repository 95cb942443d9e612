"""Other shapes of the same elements: views, which share memory; a write to one is seen by all.

reshape, transpose and expand undo themselves.  Every other view picks some of the elements, each at
most once, and its adjoint `embed` puts them back among zeros:  <view(x), g> = <x, embed(g)>, each
the other's gradient.
"""

from __future__ import annotations

import math
import operator

from ..autograd.engine import Array, op
from ..autograd.graph import OPS
from ..tensor import Tensor
from .elementwise import clone
from .reduce import normalize_dim, normalize_dims

ALL = slice(None)


# ---------------------------------------------------------------- the operations
@op(view=True)
def reshape_(xp, x: Array, shape):
    """x in another shape with as many elements, as a view where memory allows, else a copy."""
    return x.reshape(shape)


@op(view=True)
def transpose_(xp, x: Array, dims):
    """x with its dimensions in the order `dims`."""
    return x.transpose(dims)


@op(view=True)
def expand_(xp, x: Array, shape):
    """x repeated without copying to a shape that it broadcasts to."""
    lead = len(shape) - x.ndim
    kept = [s if n == m else 0 for s, n, m in zip(x.strides, x.shape, shape[lead:])]
    return xp.lib.stride_tricks.as_strided(x, shape, [0] * lead + kept)


@op(view=True)
def slice_(xp, x: Array, index):
    """x[index], the index made of integers, slices and None, with an Ellipsis at its end."""
    return x[index]


@op(exact=True)
def embed(xp, x: Array, shape, view, constants):
    """Zeros of `shape`, except that the part to which the operation `view` leads is x."""
    out = xp.zeros(shape, x.dtype)
    OPS[view].op.body(xp, out, *constants)[...] = x
    return out


def _inverse(dims):
    return tuple(sorted(range(len(dims)), key=dims.__getitem__))


reshape_.grads(lambda g, x_like: reshape_(g, x_like.shape))
transpose_.grads(lambda g, dims: transpose_(g, _inverse(dims)))
expand_.grads(lambda g: g)  # the engine sums it back
slice_.grads(lambda g, x_like, index: embed(g, x_like.shape, "slice", (index,)))
embed.grads(lambda g, view, constants: OPS[view](g, *constants))


# ---------------------------------------------------------------- sizes
def flat_sizes(size, named=None):
    """Sizes given as separate numbers or as one sequence, or by name."""
    if named is not None:
        return tuple(named)
    return tuple(size[0]) if len(size) == 1 and not hasattr(size[0], "__index__") else tuple(size)


def complete(name, count, shape):
    """`shape` for `count` elements, with its -1, if any, worked out."""
    try:
        shape = tuple(map(operator.index, shape))
    except TypeError:
        raise TypeError(f"{name}: sizes must be integers, got {tuple(shape)}") from None
    if math.prod(shape) == count and (not shape or min(shape) >= 0):  # as nearly always
        return shape
    known = math.prod(n for n in shape if n != -1)
    if shape.count(-1) > 1 or any(n < -1 for n in shape):
        raise RuntimeError(f"{name}: one size may be -1 and none may be less, got {shape}")
    open_size = -1 in shape
    if (open_size and (known == 0 or count % known)) or (not open_size and known != count):
        raise RuntimeError(f"{name}: {count} elements do not fit shape {shape}")
    return tuple(count // known if n == -1 else n for n in shape)


def broadcast_shape(name, *shapes, error=RuntimeError):
    """The shape to which all shapes broadcast."""
    longest = max(map(len, shapes), default=0)
    result = [1] * longest
    for shape in shapes:
        for i, n in enumerate(shape, longest - len(shape)):
            if n != 1 and result[i] not in (1, n):
                got = " and ".join(str(tuple(s)) for s in shapes)
                raise error(f"{name}: shapes {got} do not broadcast: sizes must be equal, or one of them 1")
            result[i] = result[i] if n == 1 else n
    return tuple(result)


def at(dim, what):
    """The index that applies `what` to dimension `dim`."""
    return (*(ALL,) * dim, what, ...)


def refuse_scalar(name, x):
    """Refuse a 0-d tensor where a dimension is needed."""
    if not x.ndim:
        raise RuntimeError(f"{name}: expected a tensor with a dimension, got a 0-d one; unsqueeze(0) gives it one")


# ---------------------------------------------------------------- shapes
def reshape(x: Tensor, *args, shape=None) -> Tensor:
    """x in another shape with as many elements; one size may be -1.

    A view where memory allows, else a copy.
    """
    return reshape_(x, complete("reshape", x.array.size, flat_sizes(args, shape)))


def view(x: Tensor, *shape) -> Tensor:
    """x in another shape with as many elements, as a view; refused where memory allows none.

    view(dtype) sees the same bits as numbers of another type, outside the graph.
    """
    if len(shape) == 1 and not hasattr(shape[0], "__index__") and not isinstance(shape[0], (tuple, list)):
        from .strided import seen_as

        return seen_as(x, shape[0])
    y = reshape_(x, complete("view", x.array.size, flat_sizes(shape)))
    if y._base is None and x.array.size:
        raise RuntimeError(
            f"view: memory of shape {tuple(x.shape)} and strides {x.stride()} cannot be seen in "
            f"shape {tuple(y.shape)} without a copy; use reshape(...), or contiguous().view(...)"
        )
    return y


def view_as(x: Tensor, other: Tensor) -> Tensor:
    """x as a view in the shape of `other`."""
    return view(x, other.shape)


def reshape_as(x: Tensor, other: Tensor) -> Tensor:
    """x in the shape of `other`."""
    return reshape(x, other.shape)


def flatten(x: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """x with the dimensions from start_dim to end_dim (included) as one."""
    first, last = (normalize_dim("flatten", d, x.ndim) for d in (start_dim, end_dim))
    if first > last:
        raise RuntimeError(f"flatten: start_dim {start_dim} comes after end_dim {end_dim}")
    shape = x.array.shape
    return reshape_(x, (*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :]))


def ravel(x: Tensor) -> Tensor:
    """x as one dimension."""
    return reshape_(x, (x.array.size,))


def unflatten(x: Tensor, dim: int, sizes) -> Tensor:
    """x with dimension `dim` as several of the given sizes; one may be -1."""
    refuse_scalar("unflatten", x)
    dim = normalize_dim("unflatten", dim, x.ndim)
    if len(sizes) == 0:
        raise RuntimeError("unflatten: sizes must not be empty")
    shape = x.array.shape
    return reshape_(x, (*shape[:dim], *complete("unflatten", shape[dim], sizes), *shape[dim + 1 :]))


def squeeze(x: Tensor, dim=None) -> Tensor:
    """x without its dimensions of size 1: all of them, or those among `dim` (one or several)."""
    dims = range(x.ndim) if dim is None else normalize_dims("squeeze", dim, x.ndim) if dim != () else ()
    shape = x.array.shape
    return reshape_(x, tuple(n for i, n in enumerate(shape) if n != 1 or i not in dims))


def unsqueeze(x: Tensor, dim: int) -> Tensor:
    """x with a new dimension of size 1 at `dim`."""
    dim = normalize_dim("unsqueeze", dim, x.ndim + 1)
    shape = x.array.shape
    return reshape_(x, (*shape[:dim], 1, *shape[dim:]))


# ---------------------------------------------------------------- order of dimensions
def permute(x: Tensor, *args, dims=None) -> Tensor:
    """x with its dimensions in the order `dims`: a view."""
    dims = tuple(normalize_dim("permute", d, x.ndim) for d in flat_sizes(args, dims))
    if sorted(dims) != list(range(x.ndim)):
        raise RuntimeError(f"permute: expected each of {x.ndim} dimensions once, got {dims}")
    return transpose_(x, dims)


def transpose(x: Tensor, dim0: int, dim1: int) -> Tensor:
    """x with two dimensions exchanged: a view."""
    a, b = normalize_dim("transpose", dim0, x.ndim), normalize_dim("transpose", dim1, x.ndim)
    dims = list(range(x.ndim))
    if dims:
        dims[a], dims[b] = b, a
    return transpose_(x, tuple(dims))


def swapaxes(x: Tensor, axis0: int, axis1: int) -> Tensor:
    """x with two dimensions exchanged: a view."""
    return transpose(x, axis0, axis1)


swapdims = swapaxes


def t(x: Tensor) -> Tensor:
    """The transpose of a matrix; a tensor of fewer dimensions as it is.  A view."""
    if x.ndim > 2:
        raise RuntimeError(f"t: expected at most 2 dimensions, got shape {tuple(x.shape)}; use transpose or mT")
    return transpose_(x, tuple(range(x.ndim))[::-1])


def movedim(x: Tensor, source, destination) -> Tensor:
    """x with the dimensions `source` (one or several) at the places `destination`: a view."""
    given = [(d,) if hasattr(d, "__index__") else tuple(d) for d in (source, destination)]
    source, destination = ([normalize_dim("movedim", d, x.ndim) for d in dims] for dims in given)
    if len(source) != len(destination):
        raise RuntimeError(f"movedim: {len(source)} dimensions cannot move to {len(destination)} places")
    for dims in (source, destination):
        if len(set(dims)) != len(dims):
            raise RuntimeError(f"movedim: {dims} names a dimension twice")
    if not x.ndim:
        return transpose_(x, ())
    order = [d for d in range(x.ndim) if d not in source]
    for place, d in sorted(zip(destination, source)):
        order.insert(place, d)
    return transpose_(x, tuple(order))


moveaxis = movedim


# ---------------------------------------------------------------- repetition without copying
def expand(x: Tensor, *sizes) -> Tensor:
    """x repeated without copying: sizes 1 become any size, -1 keeps one, new ones come in front."""
    sizes = flat_sizes(sizes)
    lead = len(sizes) - x.ndim
    if lead < 0:
        raise RuntimeError(f"expand: {sizes} has fewer dimensions than the tensor, shape {tuple(x.shape)}")
    shape = tuple(x.shape[i - lead] if n == -1 and i >= lead else operator.index(n) for i, n in enumerate(sizes))
    if any(n < 0 for n in shape) or any(m not in (1, n) for m, n in zip(x.shape, shape[lead:])):
        raise RuntimeError(f"expand: shape {tuple(x.shape)} does not expand to {sizes}; only sizes 1 can grow")
    if math.prod(n for n in shape if n) >= 2**59:
        raise RuntimeError(f"expand: {shape} has more elements than can be counted; are the sizes right?")
    return expand_(x, shape)


def expand_as(x: Tensor, other: Tensor) -> Tensor:
    """x expanded to the shape of `other`."""
    return expand(x, other.shape)


def broadcast_to(x: Tensor, size) -> Tensor:
    """x expanded to `size`."""
    return expand(x, size)


def broadcast_tensors(*tensors) -> tuple[Tensor, ...]:
    """The tensors, expanded to the shape to which all of them broadcast."""
    shape = broadcast_shape("broadcast_tensors", *(t.shape for t in tensors))
    return tuple(expand_(t, shape) for t in tensors)


def broadcast_shapes(*shapes) -> tuple[int, ...]:
    """The shape to which all shapes (or sizes of one dimension) broadcast."""
    return broadcast_shape("broadcast_shapes", *((s,) if hasattr(s, "__index__") else tuple(s) for s in shapes))


def contiguous(x: Tensor) -> Tensor:
    """x itself if its elements lie in memory one after another, else a copy in which they do."""
    return x if x.array.flags.c_contiguous else clone(x)


__all__ = [
    "broadcast_shapes",
    "broadcast_tensors",
    "broadcast_to",
    "contiguous",
    "expand",
    "expand_as",
    "flatten",
    "moveaxis",
    "movedim",
    "permute",
    "ravel",
    "reshape",
    "reshape_as",
    "squeeze",
    "swapaxes",
    "swapdims",
    "t",
    "transpose",
    "unflatten",
    "unsqueeze",
    "view",
    "view_as",
]
