"""Pooling and unpooling in 1, 2 and 3 dimensions, with regular and with adaptive windows.

Linear pairs, each the other's gradient at every order (the winners being fixed):

    max_pool    gather at each window's winner     <gather(x), g> = <x, scatter(g)>
    avg_pool    mean over each window              <avg_pool(x), g> = <x, avg_pool_spread(g)>
"""

from __future__ import annotations

from math import prod

from ..autograd.engine import Array, op
from ..kernels.window import taps, taps_inside


# ---------------------------------------------------------------- the largest number of each window
def _planes(x):
    """(N, C, *) -> (N, C, pixels)."""
    return x.reshape(*x.shape[:2], prod(x.shape[2:]))


def _max_pool(xp, x, window, kind):
    table = xp.asarray(taps_inside(window))
    planes = _planes(x)
    values = planes[:, :, table]
    nan = values != values
    last_nan = len(table) - 1 - xp.argmax(nan[:, :, ::-1].astype("int8"), 2)
    best = xp.where(nan.any(2), last_nan, xp.argmax(values, 2))
    winners = table[best, xp.arange(table.shape[1])].astype(kind)
    y = xp.take_along_axis(planes, winners, 2)
    shape = (*x.shape[:2], *window.out)
    return y.reshape(shape), winners.reshape(shape)


@op(hidden=("winners",))
def max_pool(xp, x: Array, window):
    """The largest number under each window.  x: (N, C, *image) -> (N, C, *out).

    Of equal numbers the first wins; a NaN wins over numbers, the last of several.
    Hidden: the winners, positions in the flattened plane, or, of uint8, numbers of taps (window.py).
    """
    return _max_pool(xp, x, window, "int32" if prod(window.image) < 2**31 else "int64")


@op
def max_pool_winners(xp, x: Array, window):
    """As `max_pool`, but the winners' positions are an output, too: int64, in the flattened plane."""
    return _max_pool(xp, x, window, "int64")


def _places(xp, winners, window):
    """Winners (N, C, *out) as positions in the flattened plane: (N, C, outputs)."""
    winners = _planes(winners)
    if winners.dtype != "uint8":
        return winners
    table = xp.asarray(taps(window))
    return table[winners, xp.arange(table.shape[1])]


# Their window, where there is one, says where winners can be: kernels need not look elsewhere.
@op
def max_pool_gather(xp, x: Array, winners: Array, window=None):
    """x: (N, C, *image), winners: (N, C, *out) of the window -> x there."""
    return xp.take_along_axis(_planes(x), _places(xp, winners, window), 2).reshape(winners.shape)


@op
def max_pool_scatter(xp, g: Array, winners: Array, image, window=None):
    """g, winners: (N, C, *out) -> (N, C, *image): each number added at its winner."""
    N, C = g.shape[:2]
    x = xp.zeros((N * C, prod(image)), g.dtype)
    where = _places(xp, winners, window).reshape(N * C, prod(g.shape[2:]))
    xp.add.at(x, (xp.arange(N * C)[:, None], where), g.reshape(where.shape))
    return x.reshape(N, C, *image)


max_pool.grads(
    lambda g, x_like, winners, window: max_pool_scatter(g, winners, tuple(x_like.shape[2:]), window),
)
max_pool_winners.grads(
    lambda g, y, x_like, window: max_pool_scatter(g[0], y[1], tuple(x_like.shape[2:]), window),
)
max_pool_gather.grads(
    lambda g, x_like, winners, window: max_pool_scatter(g, winners, tuple(x_like.shape[2:]), window), None
)
max_pool_scatter.grads(lambda g, winners, window: max_pool_gather(g, winners, window), None)


@op
def max_unpool(xp, x: Array, indices: Array, plane):
    """x put at `indices` of planes of zeros.  x, indices: (N, C, *) -> (N, C, *plane).

    Where several numbers have one index the last stays, and, as in PyTorch, each of them gets the
    gradient of that place.
    """
    N, C = x.shape[:2]
    out = xp.zeros((N * C, prod(plane)), x.dtype)
    where = indices.reshape(N * C, prod(x.shape[2:]))
    out[xp.arange(N * C)[:, None], where] = x.reshape(where.shape)
    return out.reshape(N, C, *plane)


max_unpool.grads(lambda g, indices: max_pool_gather(g, indices), None)


# ---------------------------------------------------------------- the mean of each window
def _inside(window, d):
    """For each output position along dimension d, the slice of the image under the window."""
    size = window.image[d]
    return [slice(max(0, s.start), max(0, min(size, s.stop))) for s in window.spans(d)]


def _divided(xp, x, counts):
    """x divided by the numbers of `counts`, one for each output position of each dimension."""
    total = xp.ones((1,) * len(counts), x.dtype)
    for d, numbers in enumerate(counts):
        shape = [-1 if i == d else 1 for i in range(len(counts))]
        total = total * xp.asarray(numbers, x.dtype).reshape(shape)
    return x / total


@op
def avg_pool(xp, x: Array, window, counts):
    """Sums over the windows, divided by the product of `counts`: for each dimension a number for
    each output position.  x: (N, C, *image) -> (N, C, *out).
    """
    for d in range(len(window.image)):
        at = (slice(None),) * (d + 2)
        x = xp.stack([x[(*at, part)].sum(d + 2, dtype=x.dtype) for part in _inside(window, d)], d + 2)
    return _divided(xp, x, counts)


@op
def avg_pool_spread(xp, g: Array, window, counts):
    """The adjoint of avg_pool: each output's share added to all inputs under its window.

    g: (N, C, *out) -> (N, C, *image).
    """
    x = _divided(xp, g, counts)
    for d in range(len(window.image)):
        shape = (*x.shape[: d + 2], window.image[d], *x.shape[d + 3 :])
        at, spread = (slice(None),) * (d + 2), xp.zeros(shape, x.dtype)
        for o, part in enumerate(_inside(window, d)):
            spread[(*at, part)] += x[(*at, slice(o, o + 1))]
        x = spread
    return x


avg_pool.grads(lambda g, window, counts: avg_pool_spread(g, window, counts))
avg_pool_spread.grads(lambda g, window, counts: avg_pool(g, window, counts))
