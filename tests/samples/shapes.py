"""Samples of what takes elements elsewhere: views, parts, joining, picking by index, padding."""

import itertools

import numpy as np

from tinydl.autograd.graph import OPS

from .make import Sample, by_torch, distinct, integers, normal

INDEX = np.index_exp[1:, ::2, ...]
TURNED = np.index_exp[::-1, None, 1, ...]
HALVES = (np.index_exp[:2], np.index_exp[2:])
ROWS, COLS = np.array([[2, 0], [2, 1]]), np.array([1, 3])
ALONG = np.array([[0, 2, 1, 0], [2, 2, 0, 1]])  # one index for each element, in dimension 0 of (3, 4)
TWICE = np.array([2, 0, 2])
ONCE = np.array([[2, 0], [1, 1]])


def chain(*steps):
    """The way from a base to a view: (the way so far, operation, constants)."""
    way = ()
    for name, *constants in steps:
        way = (way, OPS[name].op, constants)
    return way


SAMPLES = {
    # views
    "reshape": [
        Sample(normal(3, 4), (2, 6)),
        Sample(normal(0, 3), (3, 0)),
        Sample(normal(130, 140).T, (70, 260), order=0, kernel=True),
    ],
    "transpose": [Sample(normal(2, 3, 4), (2, 0, 1)), Sample(normal(0, 3), (1, 0))],
    "expand": [Sample(normal(3, 1), (2, 3, 4)), Sample(normal(), (2,))],
    "slice": [Sample(normal(3, 4), INDEX), Sample(normal(3, 2), TURNED), Sample(normal(0, 3), INDEX)],
    "diagonal": [Sample(normal(3, 4), 1, 0, 1), Sample(normal(2, 3, 3), -1, 2, 0), Sample(normal(2, 2), 5, 0, 1)],
    "windows": [Sample(normal(7, 2), 0, 3, 2), Sample(normal(2, 5), 1, 2, 1)],
    "windows_sum": [Sample(normal(3, 2, 3), (7, 2), 0, 3, 2), Sample(normal(2, 4, 2), (2, 5), 1, 2, 1)],
    "strided": [Sample(normal(3, 4), (2, 3), (4, 1), 1), Sample(normal(7), (3, 2), (1, 2), 0)],
    "strided_sum": [Sample(normal(2, 3), (3, 4), (4, 1), 1), Sample(normal(3, 2), (7,), (1, 2), 0)],
    "embed": [Sample(normal(2, 2), (3, 4), "slice", (INDEX,)), Sample(normal(3), (3, 4), "diagonal", (0, 0, 1))],
    "overwrite": [
        Sample(normal(3, 4), normal(2, 2), chain(("slice", INDEX))),
        Sample(normal(3, 4), normal(2), chain(("transpose", (1, 0)), ("slice", np.index_exp[1, 1:, ...]))),
    ],
    "pieces": [Sample(normal(5, 2), HALVES), Sample(normal(3, 2), (np.index_exp[0], np.index_exp[2]))],
    "assemble": [Sample([normal(2, 2), normal(3, 2)], (5, 2), HALVES), Sample([normal(2)], (3, 2), (np.index_exp[1],))],
    # joining and moving
    "cat": [Sample([normal(2, 3), normal(2, 1)], 1), Sample([normal(0, 2), normal(3, 2), normal(1, 2)], 0)],
    "flip": [Sample(normal(3, 4), (0,)), Sample(normal(2, 3), (0, 1)), Sample(normal(0, 3), (0,))],
    "roll": [Sample(normal(3, 4), (1, -2), (0, 1)), Sample(normal(0, 3), (1,), (0,))],
    "tril": [Sample(normal(2, 3, 4), 1), Sample(normal(3, 3), -1), Sample(normal(0, 3, 3), 0)],
    "triu": [Sample(normal(2, 3, 4), 1), Sample(normal(3, 3), -1), Sample(normal(0, 3, 3), 0)],
    "broadcast": [
        *(Sample(normal(3, 1), (2, 3, 4)), Sample(normal(), (2,)), Sample(normal(1, 3), (0, 3))),
        *(Sample(normal(*given), (130, 1, 140), order=0, kernel=True) for given in ((130, 1, 1), (140,), (1, 1, 1))),
    ],
    "constant_pad": [Sample(normal(3, 4), ((1, 0), (2, 1)), 1.5), Sample(normal(3, 4), ((-1, 2), (1, -2)), 0.0)],
    # integers in some dimensions: adjacent ones, ones apart, broadcasting ones, repeated ones
    "take_at": [
        Sample(normal(3, 4), [ROWS], (0,)),
        Sample(normal(3, 4, 2), [ROWS, COLS], (0, 1)),
        Sample(normal(3, 2, 4), [ROWS, COLS], (0, 2)),
        Sample(normal(2, 3), [-TWICE], (1,)),
        Sample(normal(97, 64), [integers(97, 53, 5)], (0,), order=0, kernel=True),
        Sample(normal(3, 31, 33), [integers(31, 257) - 31], (1,), order=0, kernel=True),
    ],
    "add_at": [
        Sample(normal(2, 2, 4), None, [ROWS], (3, 4), (0,)),
        Sample(normal(2, 2, 2), None, [ROWS, COLS], (3, 4, 2), (0, 1)),
        Sample(normal(2, 2, 2), None, [ROWS, COLS], (3, 2, 4), (0, 2)),
        Sample(normal(2, 2, 4), normal(3, 4), [ROWS], (3, 4), (0,)),
        Sample(normal(2, 2, 2), normal(3, 4, 2), [ROWS, COLS], (3, 4, 2), (0, 1)),
        Sample(normal(2, 3), None, [-TWICE], (2, 3), (1,)),
        Sample(normal(53, 5, 64), None, [integers(97, 53, 5)], (97, 64), (0,), order=0, kernel=True),
        Sample(normal(3, 257, 33), None, [integers(31, 257) - 31], (3, 31, 33), (1,), order=0, kernel=True),
        Sample(
            normal(301, 61), None, [integers(99, 301) - 50], (2503, 61), (0,), order=0, kernel=True
        ),  # few rows of many
        Sample(normal(3, 91, 67), None, [integers(50, 91)], (3, 743, 67), (1,), order=0, kernel=True),
        Sample(normal(53, 5, 64), normal(97, 64), [integers(97, 53, 5)], (97, 64), (0,), order=0, kernel=True),
        Sample(normal(301, 61), normal(2503, 61), [integers(99, 301)], (2503, 61), (0,), order=0, kernel=True),
    ],
    "put_at": [
        Sample(normal(3, 4), normal(3, 4), [TWICE], (0,)),
        Sample(normal(3, 4), normal(), [ROWS, COLS], (0, 1)),
        Sample(normal(3, 2, 4), normal(2, 2, 2), [ROWS, COLS], (0, 2)),
    ],
    "last_at": [Sample([TWICE], (3,), (0,)), Sample([ROWS, COLS], (3, 4), (0, 1))],
    # one index for each element
    "gather": [
        Sample(normal(3, 4), ALONG, 0),
        Sample(normal(2, 3), ONCE, 1),
        Sample(normal(131, 257), integers(131, 129, 257), 0, order=0, kernel=True),
        Sample(normal(3, 131, 9), integers(9, 3, 131, 99).astype(np.int32), 2, order=0, kernel=True),
    ],
    "scatter_sum": [
        Sample(normal(2, 4), ALONG, (3, 4), 0),
        Sample(normal(2, 2), ONCE, (2, 3), 1),
        Sample(normal(129, 257), integers(131, 129, 257), (131, 257), 0, order=0, kernel=True),
        Sample(normal(3, 131, 99), integers(9, 3, 131, 99).astype(np.int32), (3, 131, 9), 2, order=0, kernel=True),
    ],
    "scatter_put": [
        Sample(normal(3, 4), normal(2, 4), ALONG, 0),
        Sample(normal(2, 3), normal(2, 2), ONCE, 1),
        Sample(normal(131, 257), normal(129, 257), integers(131, 129, 257), 0, order=0, kernel=True),
        Sample(normal(3, 131, 9), 2.5, integers(9, 3, 131, 99).astype(np.int32), 2, order=0, kernel=True),
    ],
    "scatter_last": [Sample(ALONG, (3, 4), 0), Sample(ONCE, (2, 3), 1)],
    "scatter_rank": [Sample(ALONG, (3, 4), 0), Sample(ONCE, (2, 3), 1)],
    "scatter_extreme": [
        Sample(distinct(3, 4), distinct(2, 4) * 1.1, ALONG, 0, True),
        Sample(distinct(2, 3), distinct(2, 2) * 1.1, ONCE, 1, False),
    ],
    # interpolation: two of the old values for each new one; the weights are the geometry's
    "resample": [
        Sample(normal(2, 3, 2), integers(3, 2, 5), normal(2, 5), 1, fixed=(2,), kernel=True),
        Sample(normal(4), integers(4, 1, 3), None, 0),
    ],
    "resample_adjoint": [
        Sample(normal(2, 5, 2), integers(3, 2, 5), normal(2, 5), 1, 3, fixed=(2,), kernel=True),
        Sample(normal(3), integers(4, 1, 3), None, 0, 4),
    ],
    "blend": [
        Sample(normal(2, 3, 7), integers(7, 2, 4, 5), normal(2, 4, 5)),
        Sample(normal(2, 17, 31), integers(31, 2, 4, 37), normal(2, 4, 37), kernel=True, order=1),
        Sample(normal(1, 2, 3), integers(3, 1, 1, 0), normal(1, 1, 0)),
    ],
}


# ---------------------------------------------------------------- judges: NumPy's indexing, and plain loops
def key(indices, dims, ndim):
    parts = [slice(None)] * ndim
    for dim, index in zip(dims, indices):
        parts[dim] = index
    return tuple(parts)


def numbered(shape):
    return np.arange(int(np.prod(shape))).reshape(shape)


def added(places, x, shape, start=None):
    """Zeros, or `start`, to which each of x is added at its flat place, one after the other."""
    out = np.zeros(int(np.prod(shape)), x.dtype) if start is None else start.flatten()
    for place, value in zip(places.ravel(), np.broadcast_to(x, places.shape).ravel()):
        out[place] += value
    return out.reshape(shape)


def last(places):
    """Whether no later element goes to the same place."""
    flat = places.ravel().tolist()
    return np.array([p not in flat[i + 1 :] for i, p in enumerate(flat)]).reshape(places.shape)


def along(index, shape, dim):
    """The flat place of element [.., index[.., i, ..], ..] for each i."""
    places, flat = np.empty(index.shape, int), numbered(shape)
    for at in np.ndindex(*index.shape):
        places[at] = flat[(*at[:dim], index[at], *at[dim + 1 :])]
    return places


def put(x, places, values):
    out = x.copy().ravel()
    for place, value in zip(places.ravel(), np.broadcast_to(values, places.shape).ravel()):
        out[place] = value
    return out.reshape(x.shape)


def extreme(x, src, index, dim, largest):
    out = x.copy().ravel()
    for place, value in zip(along(index, x.shape, dim).ravel(), src.ravel()):
        out[place] = (max if largest else min)(out[place], value)
    return out.reshape(x.shape)


def ranks(index, shape, dim):
    places = along(index, shape, dim).ravel()
    return places, np.array([places[:i].tolist().count(p) for i, p in enumerate(places)])


def windowed(x, dim, size, step):
    starts = range(0, x.shape[dim] - size + 1, step)
    return np.stack([np.moveaxis(np.take(x, range(s, s + size), dim), dim, -1) for s in starts], dim)


def embedded(x, shape, view, constants):
    judge = ORACLES.get(view) or (lambda places, index: places[index])
    return added(judge(numbered(shape), *constants), x, shape)


def overwritten_part(base, value, chain):
    def places(way):
        if not way:
            return numbered(base.shape)
        before, op, (constant,) = way
        return places(before)[constant] if op.name == "slice" else places(before).transpose(constant)

    return put(base, places(chain), value)


def stepped(x, size, stride, offset):
    return np.array([x.ravel()[offset + np.dot(at, stride)] for at in np.ndindex(*size)]).reshape(size)


def resampled(x, index, weight, dim):
    weight = np.ones(index.shape) if weight is None else weight
    columns = [sum(w * np.take(x, i, dim) for i, w in zip(index[:, j], weight[:, j])) for j in range(index.shape[1])]
    return np.stack(columns, dim)


def blended(x, index, weight):
    return np.stack([(w * a[:, i]).sum(1) for a, i, w in zip(x, index, weight)])


def spread(g, index, weight, dim, size):
    weight = np.ones(index.shape) if weight is None else weight
    x = np.zeros((*g.shape[:dim], size, *g.shape[dim + 1 :]))
    for k, j in itertools.product(*map(range, index.shape)):
        x[(slice(None),) * dim + (index[k, j],)] += weight[k, j] * np.take(g, j, dim)
    return x


def assembled(xs, shape, indices):
    out = np.zeros(shape)
    for x, index in zip(xs, indices):
        out[index] = x
    return out


ORACLES = {
    "reshape": np.reshape,
    "transpose": np.transpose,
    "expand": np.broadcast_to,
    "broadcast": np.broadcast_to,
    "slice": lambda x, index: x[index],
    "diagonal": np.diagonal,
    "windows": windowed,
    "windows_sum": lambda x, shape, *window: added(windowed(numbered(shape), *window), x, shape),
    "strided": stepped,
    "strided_sum": lambda x, shape, *steps: added(stepped(numbered(shape), x.shape, *steps), x, shape),
    "embed": embedded,
    "overwrite": overwritten_part,
    "pieces": lambda x, indices: tuple(x[index] for index in indices),
    "assemble": assembled,
    "constant_pad": by_torch(
        lambda torch, x, widths, value: torch.nn.functional.pad(x, [n for w in widths[::-1] for n in w], value=value)
    ),
    "take_at": lambda x, indices, dims: x[key(indices, dims, x.ndim)],
    "add_at": lambda x, start, indices, shape, dims: added(
        numbered(shape)[key(indices, dims, len(shape))], x, shape, start
    ),
    "put_at": lambda x, values, indices, dims: put(x, numbered(x.shape)[key(indices, dims, x.ndim)], values),
    "last_at": lambda indices, shape, dims: last(numbered(shape)[key(indices, dims, len(shape))]),
    "gather": lambda x, index, dim: x.ravel()[along(index, x.shape, dim)],
    "scatter_sum": lambda src, index, shape, dim: added(along(index, shape, dim), src, shape),
    "scatter_put": lambda x, src, index, dim: put(x, along(index, x.shape, dim), src),
    "scatter_last": lambda index, shape, dim: last(along(index, shape, dim)),
    "scatter_rank": ranks,
    "scatter_extreme": extreme,
    "blend": blended,
    "resample": resampled,
    "resample_adjoint": spread,
}
