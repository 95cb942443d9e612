"""Tensors joined: along a dimension they have, along a new one, as blocks, as axes of a grid."""

from __future__ import annotations

import itertools

from ..autograd.engine import Array, by_category, op
from ..dtype import result_of
from ..tensor import Tensor
from . import creation
from .elementwise import cast
from .parts import assemble, split_with_sizes
from .reduce import normalize_dim
from .views import expand_, refuse_scalar, reshape_, unsqueeze


@op(promote=by_category, exact=True)
def cat_(xp, tensors: list[Array], dim):
    """The tensors one after another along `dim`."""
    return xp.concatenate(tensors, dim)


cat_.grads(lambda g, tensors_like, dim: split_with_sizes(g, [t.shape[dim] for t in tensors_like], dim))


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
        if shape == first:
            continue
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


def cartesian_prod(*tensors) -> Tensor:
    """All combinations of an element of each vector (n,), (m,), ... -> (n * m * ..., vectors); of one, itself."""
    grid = meshgrid(*tensors, indexing="ij")
    if any(t.ndim != 1 for t in tensors):
        raise RuntimeError(f"cartesian_prod: expected vectors, got shapes {[tuple(t.shape) for t in tensors]}")
    return grid[0] if len(grid) == 1 else stack([t.reshape(-1) for t in grid], 1)


def combinations(x: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """All choices of r elements of a vector (n,) -> (many, r), in order; with_replacement: one several times too."""
    if x.ndim != 1 or r < 0:
        raise RuntimeError(f"combinations: expected a vector and r >= 0, got {tuple(x.shape)} and r={r}")
    if not r:
        return creation.empty(0, dtype=x.dtype, device=x.device)
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    places = list(choose(range(len(x)), r))
    return x[creation.tensor(places, dtype="int64", device=x.device).reshape(len(places), r)]


__all__ = [
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "block_diag",
    "cartesian_prod",
    "cat",
    "column_stack",
    "combinations",
    "concat",
    "concatenate",
    "dstack",
    "hstack",
    "meshgrid",
    "row_stack",
    "stack",
    "vstack",
]
