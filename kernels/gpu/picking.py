"""Elements picked, put and added by an index for each: csrc/picking.cu.  Of what meets the last stays, and sums are
made in the index's order."""

from math import prod

from .arrays import WIDE, instance, plain, served
from .embedding import combined, three
from .faults import note
from .launch import _MOST_INT, backend_of, elementwise
from .source import NAMES, Source

WORDS = {1: "unsigned char", 2: "unsigned short", 4: "unsigned", 8: "u64"}  # what is put is moved, whatever it means
PICKING = Source(
    "picking.cu",
    *(f"{n}<{k}, {w}, {i}>" for n in ("gather", "scatter_few") for k, w in WIDE.items() for i in ("int", "i64")),
    *(f"put<{word}>" for word in WORDS.values()),
    "note_writers",
    "stayed",
)
FEW = 32  # values to a line that each result can look through


def gather(x, index, dim):
    """x[.., index[.., i, ..], ..], the index in dimension `dim`."""
    if not served(x) or not x.ndim or index.dtype.name not in ("int32", "int64"):
        return NotImplemented
    x = x[tuple(slice(None if d == dim else n) for d, n in enumerate(index.shape))]
    (_, V, B), y = three(x.shape, dim), backend_of(x).empty(index.shape, x.dtype)
    name = instance("gather", x, NAMES[index.dtype.name])
    elementwise(PICKING, name, y.size, plain(x), plain(index), y, note(backend_of(x)), V, index.shape[dim], B, y.size)
    return y


def scatter_sum(src, index, shape, dim):
    """Zeros of `shape` with src[.., i, ..] added at [.., index[.., i, ..], ..]."""
    if not served(src) or index.dtype.name not in ("int32", "int64"):
        return NotImplemented
    if index.shape[dim] > FEW or not _alike(shape, index.shape, dim):
        places = places_along(backend_of(src).xp, index, shape, dim)
        return combined(plain(src).reshape(-1), places, None, (prod(shape),), 0).reshape(shape)
    (_, V, B), y = three(shape, dim), backend_of(src).empty(shape, src.dtype)
    name = instance("scatter_few", src, NAMES[index.dtype.name])
    elementwise(PICKING, name, y.size, plain(src), plain(index), y, V, index.shape[dim], B, y.size)
    return y


def strided_sum(x, shape, stride, offset):
    """Zeros of `shape` to which each element of x is added in its place, offset + i[0] stride[0] + ..."""
    if not served(x) or not x.ndim:
        return NotImplemented
    xp, places = backend_of(x).xp, offset
    for d, (n, step) in enumerate(zip(x.shape, stride)):
        places = places + (xp.arange(n) * step).reshape((n, *[1] * (x.ndim - 1 - d)))
    return combined(plain(x).reshape(-1), places, None, (prod(shape),), 0).reshape(shape)


def scatter_put(x, src, index, dim):
    """A copy of x with src[.., i, ..] (or a number) put at [.., index[.., i, ..], ..]."""
    return _put(x, src, places_along(backend_of(x).xp, index, x.shape, dim))


def scatter_last(index, shape, dim):
    """Which values put along the index stay."""
    return _last(places_along(backend_of(index).xp, index, shape, dim), prod(shape))


def put_at(x, values, indices, dims):
    """A copy of x with `values` at the indices, that must lie in one dimension."""
    if len(indices) != 1:
        return NotImplemented
    xp, (index,), (dim,) = backend_of(x).xp, indices, dims
    _, V, B = three(x.shape, dim)
    around = xp.arange(prod(x.shape[:dim])).reshape(-1, 1, 1) * (V * B) + xp.arange(B)
    places = around + (index.astype("int64").reshape(1, -1, 1) % max(V, 1)) * B
    return _put(x, values, places.reshape(*x.shape[:dim], *index.shape, *x.shape[dim + 1 :]))


def places_along(xp, index, shape, dim):
    """The place of element [.., index[.., i, ..], ..] in a contiguous array of `shape`."""
    places = index.astype("int64") * prod(shape[dim + 1 :])
    for d, n in enumerate(index.shape):
        if d != dim:
            places = places + (xp.arange(n) * prod(shape[d + 1 :])).reshape((-1, *[1] * (index.ndim - 1 - d)))
    return places


def _alike(a, b, dim):
    return len(a) == len(b) > 0 and a[:dim] == b[:dim] and a[dim + 1 :] == b[dim + 1 :]


def _writers(backend, places, size):
    writers = backend.xp.full(size, -1, "int32")
    elementwise(PICKING, "note_writers", places.size, places, writers, note(backend), size, places.size)
    return writers


def _put(x, src, places):
    """x with src, an array or a number, at the places, of several that meet the last."""
    word, backend = WORDS.get(x.dtype.itemsize), backend_of(x)
    alone = not getattr(src, "ndim", 0)
    if word is None or places.size > _MOST_INT or (not alone and src.dtype != x.dtype):
        return NotImplemented
    src = backend.xp.full((1,), src, x.dtype) if alone else plain(backend.xp.broadcast_to(src, places.shape))
    y, kind = backend.empty(x.shape, x.dtype), f"u{x.dtype.itemsize}"
    given = (a.reshape(-1).view(kind) for a in (plain(x), src))
    writers = _writers(backend, plain(places), x.size)
    elementwise(PICKING, f"put<{word}>", y.size, *given, writers, y.reshape(-1).view(kind), int(not alone), y.size)
    return y


def _last(places, size):
    if places.size > _MOST_INT:
        return NotImplemented
    backend, places = backend_of(places), plain(places)
    y = backend.empty(places.shape, "bool")
    elementwise(PICKING, "stayed", y.size, places, _writers(backend, places, size), y, size, y.size)
    return y
