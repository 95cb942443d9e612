"""Steps of optimizers: all parameters in one call, by a table of their addresses.

Parameters, gradients and state keep their own memory; what is shared out between threads are pieces of at most PIECE
numbers, however many parameters they belong to.  An update reads and writes each array once: more than that a step
on much memory does not cost.
"""

import numpy as np
from numba import carray, prange

from .arrays import FLOATS, plain
from .jit import jit
from .objects import place, pointer

PIECE = 1 << 14
SMALL, CALLS = 1 << 14, 1 << 10  # less is left to NumPy, whose calls for a parameter cost as much as CALLS numbers


def adam_update(
    param, grad, exp_avg, exp_avg_sq, max_exp_avg_sq, lr, betas, eps, weight_decay, decoupled_weight_decay, maximize,
    step,
):  # fmt: skip
    """As tinydl.optim.adam.adam_update, in place; amsgrad is declined."""
    if any(a is not None for a in max_exp_avg_sq):
        return NotImplemented
    a, b = betas
    decay, shrink = (0.0, 1 - lr * weight_decay) if decoupled_weight_decay else (weight_decay, 1.0)
    shared = 1 - a, b, 1 - b, eps, decay, shrink, -1.0 if maximize else 1.0
    rows = {t: (lr / (1 - a**t), (1 - b**t) ** -0.5, *shared) for t in set(step)}
    return _run(_adam, (param, grad, exp_avg, exp_avg_sq), rows, step)


def sgd_update(param, grad, momentum_buffer, lr, momentum, dampening, weight_decay, nesterov, maximize, first):
    """As tinydl.optim.sgd.sgd_update, in place."""
    shared = lr, weight_decay, -1.0 if maximize else 1.0
    bare = {b is None for b in momentum_buffer}
    if bare == {True}:
        return _run(_descend, (param, grad), {False: shared}, [False] * len(param))
    if bare == {True, False}:
        return NotImplemented
    ahead = (momentum, 1.0) if nesterov else (1.0, 0.0)
    rows = {True: (*shared, 0.0, 1.0, *ahead), False: (*shared, momentum, 1 - dampening, *ahead)}
    return _run(_roll, (param, grad, momentum_buffer), rows, first)


def _run(update, columns, rows, keys):
    """`update` on the arrays of `columns`; the numbers for each parameter are the row of its key."""
    params, grads, *states = columns
    dtype, sizes = params[0].dtype, np.array([p.size for p in params])
    if sizes.sum() + CALLS * len(sizes) < SMALL or dtype not in FLOATS:
        return NotImplemented
    columns = [params, list(map(plain, grads)), *states]
    if not all(a.dtype == dtype and a.flags.carray for column in columns for a in column):
        return NotImplemented
    objects = np.array([[*map(id, column)] for column in columns])
    counts = -(-sizes // PIECE)
    which = np.repeat(np.arange(len(sizes)), counts)
    starts = (np.arange(len(which)) - (counts.cumsum() - counts)[which]) * PIECE
    numbers = np.array([*rows.values()], dtype)[[*map([*rows].index, keys)]]
    if len(which):
        update(objects, sizes, np.stack([which, starts], 1), numbers)
    return None


@jit
def _piece(objects, column, sizes, piece, like):
    """The numbers of one array that are one piece."""
    i, start = piece
    where = place(objects[column, i]) + start * like.itemsize
    return carray(pointer(where, like), (min(PIECE, sizes[i] - start),))


@jit(parallel=True)
def _adam(objects, sizes, pieces, numbers):
    for k in prange(len(pieces)):
        piece = pieces[k, 0], pieces[k, 1]
        p, g = _piece(objects, 0, sizes, piece, numbers), _piece(objects, 1, sizes, piece, numbers)
        m, v = _piece(objects, 2, sizes, piece, numbers), _piece(objects, 3, sizes, piece, numbers)
        _adam_piece(p, g, m, v, numbers[piece[0]])


@jit
def _adam_piece(p, g, m, v, numbers):
    rate, root, new = numbers[0], numbers[1], numbers[2]
    kept, new_square, eps = numbers[3], numbers[4], numbers[5]
    decay, shrink, sign = numbers[6], numbers[7], numbers[8]
    for i in range(len(p)):
        x, d = p[i] * shrink, sign * g[i]
        if decay != 0:
            d += decay * x
        a = m[i] + new * (d - m[i])
        b = v[i] * kept + new_square * (d * d)
        m[i], v[i] = a, b
        p[i] = x - rate * (a / (np.sqrt(b) * root + eps))


@jit(parallel=True)
def _descend(objects, sizes, pieces, numbers):
    for k in prange(len(pieces)):
        piece = pieces[k, 0], pieces[k, 1]
        p, g = _piece(objects, 0, sizes, piece, numbers), _piece(objects, 1, sizes, piece, numbers)
        rate, decay, sign = numbers[piece[0], 0], numbers[piece[0], 1], numbers[piece[0], 2]
        for i in range(len(p)):
            d = sign * g[i]
            if decay != 0:
                d += decay * p[i]
            p[i] -= rate * d


@jit(parallel=True)
def _roll(objects, sizes, pieces, numbers):
    """With momentum: b is the velocity."""
    for k in prange(len(pieces)):
        piece = pieces[k, 0], pieces[k, 1]
        p, g = _piece(objects, 0, sizes, piece, numbers), _piece(objects, 1, sizes, piece, numbers)
        _roll_piece(p, g, _piece(objects, 2, sizes, piece, numbers), numbers[piece[0]])


@jit
def _roll_piece(p, g, b, numbers):
    rate, decay, sign = numbers[0], numbers[1], numbers[2]
    kept, share, of_velocity, of_gradient = numbers[3], numbers[4], numbers[5], numbers[6]
    for i in range(len(p)):
        d = sign * g[i]
        if decay != 0:
            d += decay * p[i]
        velocity = b[i] * kept + share * d
        b[i] = velocity
        if of_gradient != 0:  # not "+ 0 * d": d may be infinite
            velocity = of_velocity * velocity + of_gradient * d
        p[i] -= rate * velocity
