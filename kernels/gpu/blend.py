"""What lies under a grid: weighted sums of numbers picked by index, and their gradients (csrc/blend.cu).

The gradient of the image goes through the index sorted, stably: each of its numbers has one thread, which adds in the
index's order.  Weights of zero, of places outside of the image, are left out there.
"""

from .arrays import instance, instances, plain, served
from .faults import note
from .launch import _MOST_INT, MOST_BLOCKS, THREADS, backend_of, launch
from .source import Source

BLEND = Source("blend.cu", *(i for name in ("blend", "blend_spread", "blend_agree") for i in instances(name)))
PART = 4  # channels of a thread
MOST_ROWS = 65535  # of a grid, which a launch grants its y


def blend(x, index, weight):
    """As the composite blend: x (N, C, M), index and weight (N, K, P) -> (N, C, P)."""
    if not _served(x, x, index, weight):
        return NotImplemented
    (N, C, M), (_, K, P), backend = x.shape, index.shape, backend_of(x)
    y = backend.empty((N, C, P), x.dtype)
    given = *map(plain, (x, index, weight)), y, note(backend)
    _run("blend", x, N * -(-C // PART), P, *given, N, C, M, K, P)
    return y


def blend_grad(g, x, index, weight, needed):
    """The gradients of x and weight, g that of the output."""
    if not _served(g, x, index, weight):
        return NotImplemented
    (N, C, M), (_, K, P), backend = x.shape, index.shape, backend_of(x)
    g, x, index, weight = map(plain, (g, x, index, weight))
    gx = gw = None
    if needed[0]:
        gx = backend.empty(x.shape, x.dtype)
        given = g, *_sorted(backend.xp, index, weight, M), weight, gx
        _run("blend_spread", x, N * -(-C // PART), M, *given, N, C, M, K, P)
    if needed[2]:
        gw = backend.empty(weight.shape, x.dtype)
        _run("blend_agree", x, N * K, P, g, x, index, gw, note(backend), N, C, M, K, P)
    return gx, None, gw


def _served(g, x, index, weight):
    (N, C, M), (_, K, P) = x.shape, index.shape
    fits = max(N, C, M, K * P) <= _MOST_INT
    return served(g, x, weight) and index.shape == weight.shape and index.dtype.name == "int64" and fits


def _sorted(xp, index, weight, M):
    """(starts, entries): from starts[n * M + m] to the next lie the entries of index that go to m of image n."""
    N = len(index)
    places = (index + xp.arange(N).reshape(N, 1, 1) * M).reshape(-1)
    places = xp.where(weight.reshape(-1) == 0, N * M, places)
    entries = xp.argsort(places, kind="stable").astype("int64", copy=False)
    starts = xp.searchsorted(places[entries], xp.arange(N * M + 1))
    return starts.astype("int64", copy=False), entries


def _run(name, x, rows, places, *args):
    """Launch with threads for `places` along x, and rows along y."""
    if rows and places:
        block = min(THREADS, -(-places // 32) * 32)
        grid = min(-(-places // block), MOST_BLOCKS), min(rows, MOST_ROWS)
        launch(BLEND, instance(name, x), grid, block, *args)
