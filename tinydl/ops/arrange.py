"""The same elements joined, repeated, turned or masked: copies, where `views` share memory."""

from __future__ import annotations

import operator

from ..autograd.engine import Array, by_category, op
from ..dtype import result_of
from ..tensor import Tensor
from . import creation
from .elementwise import cast, clone, logical_xor
from .parts import assemble, diagonal_, narrow, split_with_sizes
from .reduce import normalize_dim
from .views import (
    ALL,
    embed,
    expand_,
    flat_sizes,
    refuse_scalar,
    reshape_,
    transpose,
    unsqueeze,
)


# ---------------------------------------------------------------- the operations
@op(promote=by_category)
def cat_(xp, tensors: list[Array], dim):
    """The tensors one after another along `dim`."""
    return xp.concatenate(tensors, dim)


@op
def flip_(xp, x: Array, dims):
    """x backwards along `dims`."""
    return x[(*(slice(None, None, -1) if d in dims else ALL for d in range(x.ndim)), ...)].copy()


@op
def roll_(xp, x: Array, shifts, dims):
    """x shifted around along `dims`."""
    return xp.roll(x, shifts, dims)


@op
def tril_(xp, x: Array, diagonal):
    """x with zeros above the diagonal."""
    return xp.tril(x, diagonal)


@op
def triu_(xp, x: Array, diagonal):
    """x with zeros below the diagonal."""
    return xp.triu(x, diagonal)


cat_.grads(lambda g, tensors_like, dim: split_with_sizes(g, [t.shape[dim] for t in tensors_like], dim))
flip_.grads(lambda g, dims: flip_(g, dims))
roll_.grads(lambda g, shifts, dims: roll_(g, tuple(-s for s in shifts), dims))
tril_.grads(lambda g, diagonal: tril_(g, diagonal))
triu_.grads(lambda g, diagonal: triu_(g, diagonal))


# ---------------------------------------------------------------- joining
def _tensors(name, tensors):
    """The tensors as a list, checked to be some."""
    tensors = list(tensors)
    for i, t in enumerate(tensors):
        if not isinstance(t, Tensor):
            raise TypeError(f"{name}: expected tensors, got {type(t).__name__} at place {i}")
    if not tensors:
        raise RuntimeError(f"{name}: expected at least one tensor, got none")
    return tensors


def cat(tensors, dim: int = 0) -> Tensor:
    """The tensors one after another along `dim`; other sizes agree; empty vectors are skipped."""
    tensors = _tensors("cat", tensors)
    for t in tensors:
        refuse_scalar("cat", t)
    joined = [t for t in tensors if t.array.shape != (0,)] or tensors
    first = joined[0].array.shape
    dim = normalize_dim("cat", dim, len(first))
    for i, t in enumerate(joined):
        shape = t.array.shape
        if len(shape) != len(first) or shape[:dim] != first[:dim] or shape[dim + 1 :] != first[dim + 1 :]:
            raise RuntimeError(
                f"cat: tensors must agree in all sizes except that of dimension {dim}, "
                f"got {first} and, at place {i}, {shape}"
            )
    if len(joined) < len(tensors):
        dtype = result_of([t.array for t in tensors])
        joined = [t if t.dtype == dtype else cast(t, dtype) for t in joined]
    return cat_(joined, dim)


concat = concatenate = cat


def stack(tensors, dim: int = 0) -> Tensor:
    """Tensors of one shape along a new dimension `dim`."""
    tensors = _tensors("stack", tensors)
    first = tensors[0].shape
    if any(t.shape != first for t in tensors):
        other = next(t.shape for t in tensors if t.shape != first)
        raise RuntimeError(f"stack: tensors must have one shape, got {tuple(first)} and {tuple(other)}")
    return cat([unsqueeze(t, dim) for t in tensors], normalize_dim("stack", dim, len(first) + 1))


def _each(function, tensors):
    """`function` of one tensor, or a tuple for several or for a sequence of them."""
    if len(tensors) == 1 and isinstance(tensors[0], Tensor):
        return function(tensors[0])
    tensors = tensors[0] if len(tensors) == 1 else tensors
    return tuple(function(t) for t in tensors)


def atleast_1d(*tensors):
    """Tensors with at least one dimension: a 0-d one becomes (1,)."""
    return _each(lambda x: x if x.ndim else reshape_(x, (1,)), tensors)


def atleast_2d(*tensors):
    """Tensors with at least two dimensions: (n,) becomes (1, n)."""
    return _each(lambda x: x if x.ndim >= 2 else reshape_(x, (1, x.numel())), tensors)


def atleast_3d(*tensors):
    """Tensors with at least three dimensions: (n,) becomes (1, n, 1), (m, n) becomes (m, n, 1)."""

    def lifted(x):
        if x.ndim >= 3:
            return x
        return reshape_(x, (*x.shape, 1) if x.ndim == 2 else (1, x.numel(), 1))

    return _each(lifted, tensors)


def hstack(tensors) -> Tensor:
    """Tensors side by side: along columns, or for vectors along their only dimension."""
    tensors = [atleast_1d(t) for t in _tensors("hstack", tensors)]
    return cat(tensors, 0 if tensors[0].ndim == 1 else 1)


def vstack(tensors) -> Tensor:
    """Tensors below one another; vectors are rows."""
    return cat([atleast_2d(t) for t in _tensors("vstack", tensors)], 0)


def dstack(tensors) -> Tensor:
    """Tensors behind one another, along dimension 2."""
    return cat([atleast_3d(t) for t in _tensors("dstack", tensors)], 2)


def column_stack(tensors) -> Tensor:
    """Tensors side by side; vectors are columns."""
    tensors = _tensors("column_stack", tensors)
    return cat([t if t.ndim >= 2 else reshape_(t, (t.numel(), 1)) for t in tensors], 1)


row_stack = vstack


def block_diag(*tensors) -> Tensor:
    """The matrices (vectors are rows) along the diagonal of one matrix, zeros elsewhere."""
    if not tensors:
        return creation.empty(1, 0)
    tensors = _tensors("block_diag", tensors)
    if any(t.ndim > 2 for t in tensors):
        raise RuntimeError(f"block_diag: expected at most 2 dimensions, got {[tuple(t.shape) for t in tensors]}")
    dtype = result_of([t.array for t in tensors])
    blocks = [b if b.dtype == dtype else cast(b, dtype) for b in map(atleast_2d, tensors)]
    indices, row, col = [], 0, 0
    for block in blocks:
        m, n = block.array.shape
        indices.append((slice(row, row + m), slice(col, col + n)))
        row, col = row + m, col + n
    return assemble(blocks, (row, col), tuple((*index, ...) for index in indices))


def meshgrid(*tensors, indexing: str | None = None) -> tuple[Tensor, ...]:
    """The coordinates of a grid, from its axes (vectors or numbers).

    indexing 'xy' exchanges the first two dimensions of every result.
    """
    axes = _tensors(
        "meshgrid",
        tensors[0] if len(tensors) == 1 and not isinstance(tensors[0], Tensor) else tensors,
    )
    if any(t.ndim > 1 for t in axes):
        raise RuntimeError(f"meshgrid: expected vectors, got shapes {[tuple(t.shape) for t in axes]}")
    if any(t.dtype != axes[0].dtype for t in axes):
        raise RuntimeError(f"meshgrid: expected one dtype, got {[str(t.dtype) for t in axes]}")
    if indexing not in (None, "ij", "xy"):
        raise RuntimeError(f"meshgrid: indexing must be 'ij' or 'xy', got {indexing!r}")
    places = list(range(len(axes)))  # the dimension along which each axis lies
    if indexing == "xy" and len(axes) > 1:
        places[:2] = 1, 0
    shape = [0] * len(axes)
    for place, t in zip(places, axes):
        shape[place] = t.numel()
    lying = [tuple(n if d == place else 1 for d, n in enumerate(shape)) for place in places]
    return tuple(expand_(reshape_(t, own), tuple(shape)) for t, own in zip(axes, lying))


# ---------------------------------------------------------------- repetition
def repeat(x: Tensor, *repeats) -> Tensor:
    """x repeated as a whole along each dimension; further repeats add dimensions in front."""
    repeats = tuple(map(operator.index, flat_sizes(repeats)))
    lead = len(repeats) - x.ndim
    if lead < 0 or any(n < 0 for n in repeats):
        raise RuntimeError(
            f"repeat: expected a number of at least 0 for each dimension of {tuple(x.shape)}, got {repeats}"
        )
    sizes = (1,) * lead + x.array.shape
    apart = reshape_(x, tuple(n for size in sizes for n in (1, size)))
    repeated = expand_(apart, tuple(n for pair in zip(repeats, sizes) for n in pair))
    y = reshape_(repeated, tuple(n * size for n, size in zip(repeats, sizes)))
    return y if y._base is None else clone(y)


def tile(x: Tensor, *args, dims=None) -> Tensor:
    """x repeated as a whole along its last dimensions: missing numbers stand for 1."""
    dims = flat_sizes(args, dims)
    return repeat(x, (1,) * (x.ndim - len(dims)) + dims)


# ---------------------------------------------------------------- order of elements
def _distinct(name, dims, ndim):
    """The dimensions counted from 0, each once."""
    normal = tuple(normalize_dim(name, d, ndim) for d in dims)
    if len(set(normal)) != len(normal):
        raise RuntimeError(f"{name}: dims {tuple(dims)} name a dimension twice")
    return normal


def flip(x: Tensor, *args, dims=None) -> Tensor:
    """x backwards along `dims` (a sequence, or numbers), copied."""
    return flip_(x, _distinct("flip", flat_sizes(args, dims), x.ndim))


def _flipper(name, dim, words):
    def turned(x: Tensor) -> Tensor:
        if x.ndim <= dim:
            raise RuntimeError(f"{name}: expected at least {dim + 1} dimensions, got shape {tuple(x.shape)}")
        return flip_(x, (dim,))

    turned.__name__ = turned.__qualname__ = name
    turned.__doc__ = f"x with its {words} in reverse order, copied."
    return turned


fliplr, flipud = _flipper("fliplr", 1, "columns"), _flipper("flipud", 0, "rows")


def roll(x: Tensor, shifts, dims=None) -> Tensor:
    """x shifted along `dims`, what leaves coming in at the other end; without dims as if flat."""
    shifts = (shifts,) if hasattr(shifts, "__index__") else tuple(shifts)
    dims = () if dims is None else (dims,) if hasattr(dims, "__index__") else tuple(dims)
    if not dims and len(shifts) == 1:
        return reshape_(roll_(reshape_(x, (x.numel(),)), shifts, (0,)), x.array.shape)
    if len(shifts) != len(dims) or not shifts:
        raise RuntimeError(f"roll: expected as many shifts as dims, got {shifts} and {dims}")
    if not x.ndim:
        raise IndexError("roll: a 0-d tensor has no dimension to roll along; leave out dims")
    return roll_(x, shifts, tuple(normalize_dim("roll", d, x.ndim) for d in dims))


def rot90(x: Tensor, k: int = 1, dims=(0, 1)) -> Tensor:
    """x turned k times by 90 degrees, from the first dimension towards the second; a copy."""
    if len(dims) != 2:
        raise RuntimeError(f"rot90: expected two dims, got {tuple(dims)}")
    a, b = _distinct("rot90", dims, x.ndim)
    backwards = ((), (b,), (a, b), (a,))[k % 4]
    return transpose(flip_(x, backwards), a, b) if k % 2 else flip_(x, backwards)


# ---------------------------------------------------------------- triangles and diagonals
def _masked(name, function, side):
    def triangle(x: Tensor, diagonal: int = 0) -> Tensor:
        if x.ndim < 2:
            raise RuntimeError(f"{name}: expected at least 2 dimensions, got shape {tuple(x.shape)}")
        return function(x, diagonal)

    triangle.__name__ = triangle.__qualname__ = name
    triangle.__doc__ = f"x with zeros {side} the given diagonal of the matrices in its last two dimensions."
    return triangle


tril, triu = _masked("tril", tril_, "above"), _masked("triu", triu_, "below")


def diag_embed(x: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Matrices, in new dimensions dim1 and dim2, x's last dimension on a diagonal, else zeros."""
    refuse_scalar("diag_embed", x)
    ndim = x.ndim + 1
    a, b = _distinct("diag_embed", (dim1, dim2), ndim)
    n = x.array.shape[-1] + abs(offset)
    rest = iter(x.array.shape[:-1])
    shape = tuple(n if d in (a, b) else next(rest) for d in range(ndim))
    return embed(x, shape, "diagonal", (offset, a, b))


def diag(x: Tensor, diagonal: int = 0) -> Tensor:
    """Of a vector the matrix with it on a diagonal; of a matrix that diagonal, copied."""
    if x.ndim not in (1, 2):
        raise RuntimeError(f"diag: expected a vector or a matrix, got shape {tuple(x.shape)}")
    return diag_embed(x, diagonal) if x.ndim == 1 else clone(diagonal_(x, diagonal, 0, 1))


def diagflat(x: Tensor, offset: int = 0) -> Tensor:
    """The matrix with all elements of x on a diagonal."""
    return diag_embed(reshape_(x, (x.numel(),)), offset)


# ---------------------------------------------------------------- differences
def diff(x: Tensor, n: int = 1, dim: int = -1, prepend=None, append=None) -> Tensor:
    """Differences of neighbours along `dim`, n times; prepend and append are joined to x first."""
    refuse_scalar("diff", x)
    if n < 0:
        raise RuntimeError(f"diff: n must not be negative, got {n}")
    dim = normalize_dim("diff", dim, x.ndim)
    if n == 0:
        return clone(x)
    parts = [part for part in (prepend, x, append) if part is not None]
    x = cat(parts, dim) if len(parts) > 1 else x
    subtract = logical_xor if x.dtype.kind == "b" else operator.sub
    for _ in range(min(n, x.shape[dim])):
        length = x.shape[dim] - 1
        x = subtract(narrow(x, dim, 1, length), narrow(x, dim, 0, length))
    return x


__all__ = [
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "block_diag",
    "cat",
    "column_stack",
    "concat",
    "concatenate",
    "diag",
    "diag_embed",
    "diagflat",
    "diff",
    "dstack",
    "flip",
    "fliplr",
    "flipud",
    "hstack",
    "meshgrid",
    "repeat",
    "roll",
    "rot90",
    "row_stack",
    "stack",
    "tile",
    "tril",
    "triu",
    "vstack",
]
