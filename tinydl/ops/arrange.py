"""The same elements repeated, turned or masked: copies, where `views` share memory."""

from __future__ import annotations

import operator

from ..autograd.engine import Array, op
from ..tensor import Tensor
from .creation import check_count
from .elementwise import clone, logical_xor
from .joining import cat
from .parts import diagonal_, narrow
from .reduce import normalize_dim
from .views import (
    ALL,
    embed,
    expand_,
    flat_sizes,
    refuse_scalar,
    reshape_,
    transpose,
)


# ---------------------------------------------------------------- the operations
@op(exact=True)
def flip_(xp, x: Array, dims):
    """x backwards along `dims`."""
    return x[(*(slice(None, None, -1) if d in dims else ALL for d in range(x.ndim)), ...)].copy()


@op(exact=True)
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


flip_.grads(lambda g, dims: flip_(g, dims))
roll_.grads(lambda g, shifts, dims: roll_(g, tuple(-s for s in shifts), dims))
tril_.grads(lambda g, diagonal: tril_(g, diagonal))
triu_.grads(lambda g, diagonal: triu_(g, diagonal))


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
    check_count("repeat", tuple(n * size for n, size in zip(repeats, sizes)))
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
    "diag",
    "diag_embed",
    "diagflat",
    "diff",
    "flip",
    "fliplr",
    "flipud",
    "repeat",
    "roll",
    "rot90",
    "tile",
    "tril",
    "triu",
]
