"""Parts of a tensor, as views: places, ranges, pieces, diagonals, windows."""

from __future__ import annotations

import operator

from ..autograd.engine import Array, mark_view, op
from ..tensor import Tensor
from .reduce import normalize_dim
from .views import ALL, at, embed, refuse_scalar, reshape_, slice_


# ---------------------------------------------------------------- the operations
@op(view=True)
def diagonal_(xp, x: Array, offset, dim1, dim2):
    """The diagonals of the matrices in dim1 and dim2, as a new last dimension."""
    rows, cols = x.shape[dim1], x.shape[dim2]
    length = max(0, min(rows, cols - offset) if offset >= 0 else min(rows + offset, cols))
    start = [ALL] * x.ndim
    if length:  # an empty diagonal starts nowhere
        start[dim1 if offset < 0 else dim2] = slice(abs(offset), None)
    x = x[tuple(start)]
    rest = [d for d in range(x.ndim) if d not in (dim1, dim2)]
    strides = [*(x.strides[d] for d in rest), x.strides[dim1] + x.strides[dim2]]
    return xp.lib.stride_tricks.as_strided(x, [*(x.shape[d] for d in rest), length], strides)


@op(view=True)
def windows(xp, x: Array, dim, size, step):
    """Windows of `size` along `dim`, `step` apart, their elements in a new last dimension."""
    shape, strides = list(x.shape), list(x.strides)
    shape[dim] = (shape[dim] - size) // step + 1
    strides[dim] *= step
    return xp.lib.stride_tricks.as_strided(x, [*shape, size], [*strides, x.strides[dim]])


@op
def windows_sum(xp, x: Array, shape, dim, size, step):
    """Zeros of `shape` to which every window is added in its place."""
    out = xp.zeros(shape, x.dtype)
    index = [ALL] * len(shape)
    for i in range(size):
        index[dim] = slice(i, i + (x.shape[dim] - 1) * step + 1, step)
        out[tuple(index)] += x[..., i]
    return out


@op(exact=True)
def pieces_(xp, x: Array, indices):
    """x[index] for each index; no element is in two of them."""
    return tuple(x[index] for index in indices)


@op(exact=True)
def assemble(xp, xs: list[Array], shape, indices):
    """Zeros of `shape` with one of the tensors, all of one dtype, at each index."""
    out = xp.zeros(shape, xs[0].dtype)
    for x, index in zip(xs, indices):
        out[index] = x
    return out


def _put_together(g, x_like, indices):
    gs = g if isinstance(g, tuple) else (g,)
    used = [(piece, index) for piece, index in zip(gs, indices) if piece is not None]
    return assemble([piece for piece, _ in used], x_like.shape, tuple(index for _, index in used))


diagonal_.grads(lambda g, x_like, offset, dim1, dim2: embed(g, x_like.shape, "diagonal", (offset, dim1, dim2)))
windows.grads(lambda g, x_like, dim, size, step: windows_sum(g, x_like.shape, dim, size, step))
windows_sum.grads(lambda g, dim, size, step: windows(g, dim, size, step))
pieces_.grads(_put_together)
assemble.grads(lambda g, indices: pieces(g, indices))


def pieces(x, indices):
    """The views x[index], recorded as one operation: their gradients are put together at once."""
    parts = pieces_(x, indices)
    parts = parts if isinstance(parts, tuple) else (parts,)
    for part, index in zip(parts, indices):
        mark_view(part, slice_.op, x, (index,))
    return parts


# ---------------------------------------------------------------- places and ranges
def select(x: Tensor, dim: int, index: int) -> Tensor:
    """x at one place of dimension `dim`, which is dropped: a view."""
    if not x.ndim:
        raise IndexError("select: a 0-d tensor has no dimension to select from")
    dim, index = normalize_dim("select", dim, x.ndim), operator.index(index)
    n = x.array.shape[dim]
    if not -n <= index < n:
        raise IndexError(f"select: index {index} is out of range for dimension {dim} of size {n}")
    return slice_(x, at(dim, index))


def narrow(x: Tensor, dim: int, start: int, length: int) -> Tensor:
    """x from `start` on for `length` places of dimension `dim`: a view."""
    refuse_scalar("narrow", x)
    if isinstance(start, Tensor) and (start.ndim or start.dtype.kind not in "iu"):
        raise RuntimeError(f"narrow: start must be an integer or a 0-d integer tensor, got {start!r}")
    dim, start = normalize_dim("narrow", dim, x.ndim), operator.index(start)
    n = x.array.shape[dim]
    if not -n <= start <= n:
        raise IndexError(f"narrow: start {start} is out of range for dimension {dim} of size {n}")
    first = start + n if start < 0 else start
    if length < 0 or first + length > n:
        raise RuntimeError(f"narrow: start {start} and length {length} exceed dimension {dim} of size {n}")
    return slice_(x, at(dim, slice(first, first + length)))


def unbind(x: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """x at each place of dimension `dim`: views."""
    refuse_scalar("unbind", x)
    dim = normalize_dim("unbind", dim, x.ndim)
    return pieces(x, tuple(at(dim, i) for i in range(x.array.shape[dim])))


def split(x: Tensor, split_size_or_sections, dim: int = 0) -> tuple[Tensor, ...]:
    """x cut along `dim` into views of one size (the last may be smaller), or of given sizes."""
    if not hasattr(split_size_or_sections, "__index__"):
        return split_with_sizes(x, split_size_or_sections, dim)
    refuse_scalar("split", x)
    size, n = (
        operator.index(split_size_or_sections),
        x.array.shape[normalize_dim("split", dim, x.ndim)],
    )
    if size < 0 or (size == 0 and n):
        raise RuntimeError(f"split: the size of a piece must be positive, got {size} for dimension {dim} of {n}")
    whole, rest = divmod(n, size) if n else (0, 0)
    return split_with_sizes(x, [size] * whole + [rest] * (rest > 0 or not n), dim)


def split_with_sizes(x: Tensor, split_sizes, dim: int = 0) -> tuple[Tensor, ...]:
    """x cut along `dim` into views of the given sizes, which must add up to the whole."""
    refuse_scalar("split", x)
    dim = normalize_dim("split", dim, x.ndim)
    sizes, n = [operator.index(s) for s in split_sizes], x.array.shape[dim]
    if sum(sizes) != n or any(s < 0 for s in sizes):
        raise RuntimeError(
            f"split: sizes {sizes} must not be negative and must add up to {n}, the size of dimension {dim}"
        )
    ends = [sum(sizes[: i + 1]) for i in range(len(sizes))]
    return pieces(x, tuple(at(dim, slice(end - s, end)) for s, end in zip(sizes, ends)))


def chunk(x: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """x cut along `dim` into at most `chunks` views of one size (the last may be smaller)."""
    refuse_scalar("chunk", x)
    if chunks <= 0:
        raise RuntimeError(f"chunk: the number of chunks must be positive, got {chunks}")
    n = x.array.shape[normalize_dim("chunk", dim, x.ndim)]
    return split(x, -(-n // chunks), dim) if n else split_with_sizes(x, [0] * chunks, dim)


def tensor_split(x: Tensor, indices_or_sections, dim: int = 0) -> tuple[Tensor, ...]:
    """x cut along `dim` before each index of a sequence, or into a number of nearly equal views."""
    refuse_scalar("tensor_split", x)
    dim = normalize_dim("tensor_split", dim, x.ndim)
    cuts, n = indices_or_sections, x.array.shape[dim]
    if isinstance(cuts, Tensor):
        if cuts.dtype != "int64" or cuts.ndim > 1:
            raise RuntimeError(
                f"tensor_split: expected int64 of at most 1 dimension, got {cuts.dtype} of shape {tuple(cuts.shape)}"
            )
        cuts = cuts.tolist()
    if hasattr(cuts, "__index__"):
        if cuts <= 0:
            raise RuntimeError(f"tensor_split: the number of sections must be positive, got {cuts}")
        size, longer = divmod(n, cuts)
        return split_with_sizes(x, [size + 1] * longer + [size] * (cuts - longer), dim)
    cuts = [0, *map(operator.index, cuts), n]
    return tuple(slice_(x, at(dim, slice(*ends))) for ends in zip(cuts, cuts[1:]))


def _splitter(name, least, dim_of):
    def cut(x: Tensor, indices_or_sections) -> tuple[Tensor, ...]:
        if x.ndim < least:
            raise RuntimeError(f"{name}: expected at least {least} dimensions, got shape {tuple(x.shape)}")
        dim, cuts = dim_of(x), indices_or_sections
        if hasattr(cuts, "__index__") and (cuts <= 0 or x.shape[dim] % cuts):
            raise RuntimeError(f"{name}: {cuts} sections do not divide dimension {dim} of size {x.shape[dim]}")
        return tensor_split(x, cuts, dim)

    cut.__name__ = cut.__qualname__ = name
    cut.__doc__ = "As tensor_split along {}; a number of sections must divide it.".format(
        {
            "hsplit": "columns (of a vector, its only dimension)",
            "vsplit": "rows",
            "dsplit": "dimension 2",
        }[name]
    )
    return cut


hsplit = _splitter("hsplit", 1, lambda x: min(1, x.ndim - 1))
vsplit = _splitter("vsplit", 2, lambda x: 0)
dsplit = _splitter("dsplit", 3, lambda x: 2)


def diagonal(x: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The diagonals of the matrices in dim1 and dim2, as a new last dimension: a view."""
    a, b = normalize_dim("diagonal", dim1, x.ndim), normalize_dim("diagonal", dim2, x.ndim)
    if a == b or x.ndim < 2:
        raise RuntimeError(f"diagonal: expected two dimensions, got {dim1} and {dim2} of shape {tuple(x.shape)}")
    return diagonal_(x, operator.index(offset), a, b)


def unfold(x: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """Windows of `size` along a dimension, `step` apart, in a new last dimension: a view."""
    dim = normalize_dim("unfold", dimension, x.ndim)
    if not x.ndim:
        return select(unfold(reshape_(x, (1,)), 0, size, step), 0, 0)
    n = x.array.shape[dim]
    if not 0 <= size <= n or step <= 0:
        raise RuntimeError(
            f"unfold: size must lie in [0, {n}] (dimension {dim}) and step be positive, got size {size}, step {step}"
        )
    return windows(x, dim, size, step)


__all__ = [
    "chunk",
    "diagonal",
    "dsplit",
    "hsplit",
    "narrow",
    "select",
    "split",
    "split_with_sizes",
    "tensor_split",
    "unbind",
    "unfold",
    "vsplit",
]
