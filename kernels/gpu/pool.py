"""Pooling over any windows (../window.py), regular, dilated or adaptive, in 1, 2 and 3 dimensions: csrc/pool.cu.

Of a window of up to 256 taps a winner is the number of its tap, in one byte: a quarter of what a place would take of
the memory's time.  The operations read either.
"""

from functools import reduce
from math import prod

import numpy as np

from .arrays import FLOATS, instance, instances, lanes, plain, served, table, wide
from .embedding import combined
from .faults import note
from .launch import _MOST_INT, backend_of, elementwise, launch
from .source import NAMES, Source

WINNERS = ("unsigned char", "int", "i64")
POOL = Source(
    "pool.cu",
    *(i for name in ("max_pool", "max_pool_scatter", "max_pool_gather") for w in WINNERS for i in instances(name, w)),
    *(i for w in ("int", "i64") for i in instances("max_unpool", w)),
    *(i for n in ("max_pool_2x2", "max_pool_scatter_2x2", "avg_pool", "avg_pool_spread") for i in instances(n)),
)  # fmt: skip
PART = 8192  # places of a plane that a block of max_unpool fills


def max_pool(x, window):
    """x (N, C, *image) -> y (N, C, *out) and winners.

    Of equal values the first wins; a NaN wins over numbers (the last of several, as in PyTorch).
    """
    return _max_pool(x, window, "uint8" if prod(_taps(window)) <= 256 else "int32")


def max_pool_winners(x, window):
    """As `max_pool`, with winners as places in the plane, int64."""
    return _max_pool(x, window, "int64")


def max_pool_gather(x, winners, window=None):
    """x (N, C, *image), winners (N, C, *out) -> x at the winners."""
    if not _fits(x.shape[2:], winners.shape[2:]) or not served(x) or (winners.dtype == np.uint8 and window is None):
        return NotImplemented
    backend, ins, outs = backend_of(x), prod(x.shape[2:]), prod(winners.shape[2:])
    y = backend.empty(winners.shape, x.dtype)
    given = None if window is None else table(backend, _geometry, window)
    name = instance("max_pool_gather", x, NAMES[winners.dtype.name])
    for a, w, b in _parts(x, winners, y):
        elementwise(POOL, name, b.size, a, w, given, b, ins, outs, b.size)
    return y


def max_pool_scatter(g, winners, image, window=None):
    """g, winners (N, C, *out) -> (N, C, *image), each g added at its winner, which lies under its window if given."""
    if not _fits(g.shape[2:], image) or not served(g):
        return NotImplemented
    backend = backend_of(g)
    if window is None:
        planes, (ins, outs) = prod(g.shape[:2]), (prod(image), prod(g.shape[2:]))
        places = winners.reshape(planes, outs) + backend.xp.arange(planes).reshape(planes, 1) * ins
        return combined(plain(g).reshape(-1), places, None, (planes * ins,), 0).reshape(*g.shape[:2], *image)
    x = backend.empty((*g.shape[:2], *image), g.dtype)
    tiled = winners.dtype == np.uint8 and _tiled(g, window)
    name = instance("max_pool_scatter", g, NAMES[winners.dtype.name])
    for u, w, a in _parts(g, winners, x):
        if tiled and _aligned(backend, u, a):
            n = u.size // lanes(g)
            elementwise(POOL, instance("max_pool_scatter_2x2", g), n, u, w, a, *image, n)
        else:
            elementwise(POOL, name, a.size, u, w, table(backend, _geometry, window), a, a.size)
    return x


def max_unpool(x, indices, plane):
    """x, indices (N, C, *) -> (N, C, *plane): x put at indices of zeros; of several the last stays."""
    if not _fits(x.shape[2:], plane) or not served(x) or indices.dtype.name not in ("int32", "int64"):
        return NotImplemented
    outs, ins = prod(plane), prod(x.shape[2:])
    y = backend_of(x).empty((*x.shape[:2], *plane), x.dtype)
    name = instance("max_unpool", x, NAMES[indices.dtype.name])
    for a, i, b in _parts(x, indices, y, most=65535):
        if b.size:
            launch(
                POOL,
                name,
                (-(-outs // PART), len(b)),
                256,
                a,
                i,
                b,
                note(backend_of(x)),
                ins,
                outs,
                shared=4 * min(PART, outs),
            )
    return y


def avg_pool(x, window, counts):
    """x (N, C, *image) -> (N, C, *out): sums over the windows, divided by the product of
    `counts`, which holds for each dimension a number for each output."""
    return _average("avg_pool", x, window, counts, window.image, window.out)


def avg_pool_spread(g, window, counts):
    """g (N, C, *out) -> (N, C, *image): the adjoint of avg_pool."""
    return _average("avg_pool_spread", g, window, counts, window.out, window.image)


def _average(name, x, window, counts, before, after):
    if x.dtype.name not in FLOATS or not _fits(before, after):
        return NotImplemented
    backend = backend_of(x)
    y, shares = backend.empty((*x.shape[:2], *after), x.dtype), table(backend, _shares, counts, wide(x))
    for a, b in _parts(x, y):
        elementwise(POOL, instance(name, x), b.size, a, table(backend, _geometry, window), shares, b, b.size)
    return y


def _max_pool(x, window, kind):
    if not served(x) or not _fits(x.shape[2:], window.out):
        return NotImplemented
    backend = backend_of(x)
    shape = *x.shape[:2], *window.out
    y, winners = backend.empty(shape, x.dtype), backend.empty(shape, kind)
    tiled = kind == "uint8" and _tiled(y, window)
    for a, b, w in _parts(x, y, winners):
        if tiled and _aligned(backend, a, b):
            n = b.size // lanes(x)
            elementwise(POOL, instance("max_pool_2x2", x), n, a, b, w, *window.image, n)
        else:
            name = instance("max_pool", x, NAMES[kind])
            elementwise(POOL, name, b.size, a, table(backend, _geometry, window), b, w, b.size)
    return y, winners


def _fits(*planes):
    """Whether the places of such planes fit int, with room for a last step."""
    return max(map(prod, planes)) <= _MOST_INT


def _parts(*arrays, most=_MOST_INT):
    """The arrays (N, C, *) as planes, in parts of which each array has few enough elements for an int."""
    planes = [plain(a).reshape(prod(a.shape[:2]), prod(a.shape[2:])) for a in arrays]
    step = min(most, _MOST_INT // max(1, *(p.shape[1] for p in planes)))
    for begin in range(0, len(planes[0]), step):
        yield [p[begin : begin + step] for p in planes]


def _tiled(y, window):
    """Whether the windows are 2 x 2 side by side, and outputs come in whole groups of 16 bytes."""
    if getattr(window, "size", None) != (2, 2) or not y.size:  # bins have no size
        return False
    (H, W), regular = window.image, (window.stride, window.padding, window.dilation) == ((2, 2), (0, 0), (1, 1))
    return regular and window.out == (H // 2, W // 2) and W % (2 * lanes(y)) == 0


def _aligned(backend, *arrays):
    return not any(backend.address(a) % 16 for a in arrays)


def _taps(window):
    return [max(map(len, window.spans(d)), default=0) for d in range(len(window.image))]


def _geometry(window):
    """The table that csrc/pool.cu tells of."""
    n = len(window.image)
    image, out = (1,) * (3 - n) + tuple(window.image), (1,) * (3 - n) + tuple(window.out)
    spans = [[range(1)]] * (3 - n) + [window.spans(d) for d in range(n)]
    steps = [s[0].step if s else 1 for s in spans]
    head = [*image, *out, *(max(map(len, s), default=0) for s in spans), *steps]
    return np.concatenate([head, *map(_axis, spans, image, steps)]).astype(np.int32)


def _axis(spans, size, step):
    start = np.array([s.start for s in spans], np.int64)
    length = np.array([len(s) for s in spans], np.int64)
    low = np.minimum(np.maximum(0, -(start // step)), length)
    high = np.maximum(low, np.minimum(length, -(-(size - start) // step)))
    # windows begin and end in their order: those that may read an input lie together
    first = np.searchsorted(start + (length - 1) * step, np.arange(size), "left")
    last = np.maximum(first, np.searchsorted(start, np.arange(size), "right"))
    return np.concatenate([start, low, high, first, last])


def _shares(counts, dtype):
    return (1 / reduce(np.multiply.outer, counts, np.ones(()))).reshape(-1).astype(dtype)
