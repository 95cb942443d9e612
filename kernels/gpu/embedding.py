"""Rows of an array picked by an index, and rows added up where an index says (csrc/embedding.cu).

Sums go through the index sorted, stably: each row of the result has one thread, which adds in the index's order.
"""

from math import prod

from .arrays import WIDE, instance, instances, lanes, plain, served
from .faults import note
from .launch import backend_of, elementwise
from .source import NAMES, Source

EMBEDDING = Source(
    "embedding.cu",
    *(f"take<{kind}, {wide}, {i}>" for kind, wide in WIDE.items() for i in ("int", "i64")),
    *(i for name in ("combine", "resample") for i in instances(name)),
)


def take_at(x, indices, dims):
    """As the operation, for one index: x[:, index]."""
    if len(indices) != 1 or not served(x) or indices[0].dtype.name not in ("int32", "int64"):
        return NotImplemented
    (index,), (dim,) = map(plain, indices), dims
    _, V, B = three(x.shape, dim)
    y = backend_of(x).empty((*x.shape[:dim], *index.shape, *x.shape[dim + 1 :]), x.dtype)
    if V == 0 and y.size:
        return NotImplemented
    name = instance("take", x, NAMES[index.dtype.name])
    given = plain(x), index, y, note(backend_of(x)), V, index.size, B, y.size
    elementwise(EMBEDDING, name, y.size, *given, lanes=lanes(x))
    return y


def add_at(x, start, indices, shape, dims):
    """Zeros of `shape`, or `start`, with the rows of x added; for indices in dimensions that lie together."""
    if not served(x) or list(dims) != list(range(dims[0], dims[-1] + 1)):
        return NotImplemented
    first, last = dims[0], dims[-1] + 1
    index = sum(i.astype("int64") % max(shape[d], 1) * prod(shape[d + 1 : last]) for i, d in zip(indices, dims))
    if x.shape != (*shape[:first], *index.shape, *shape[last:]):
        return NotImplemented
    flat = (*shape[:first], prod(shape[first:last]), *shape[last:])
    return combined(x, index, None, flat, first, start).reshape(shape)


def combined(x, index, weights, shape, dim, start=None):
    """Zeros of `shape`, or `start`, to which, along `dim`, x is added where the index says, times weights.

    index: of rows of x, or of several goes through all of them, (K * rows,); weights likewise, or None.
    """
    backend, (A, V, B) = backend_of(x), three(shape, dim)
    xp, flat = backend.xp, index.reshape(-1)
    order = xp.argsort(flat, kind="stable")
    starts = xp.searchsorted(flat[order], xp.arange(V + 1)).astype("int64", copy=False)
    weights = None if weights is None else weights.reshape(-1)[order]
    y = backend.empty(shape, x.dtype)
    rows = x.size // max(A * B, 1)
    begun = None if start is None else plain(start)
    given = plain(x), begun, starts, order.astype("int64", copy=False), weights, y, max(rows, 1), V, B, y.size
    elementwise(EMBEDDING, instance("combine", x), y.size, *given, lanes=lanes(x))
    return y


def three(shape, dim):
    """(A, V, B): what lies before the dimension, its size, and what lies behind."""
    return prod(shape[:dim]), shape[dim], prod(shape[dim + 1 :])
