"""Steps of optimizers: all parameters in one call, by a table of their addresses.

Parameters, gradients and state keep their own memory; what is shared out between threads are pieces of at most PIECE
numbers, however many parameters they belong to.  An update reads and writes each array once: more than that a step
on much memory does not cost.
"""

import numpy as np
from numba import carray, prange, types
from numba.extending import intrinsic

from .arrays import FLOATS, plain
from .jit import jit

PIECE = 1 << 14
HEAD = object.__basicsize__  # bytes before the address of an array's numbers (NumPy's PyArrayObject_fields)
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
    rates = {t: (lr / (1 - a**t), (1 - b**t) ** -0.5) for t in set(step)}
    shared = 1 - a, b, 1 - b, eps, decay, shrink, -1.0 if maximize else 1.0
    return _run(_adam, (param, grad, exp_avg, exp_avg_sq), [rates[t] + shared for t in step])


def sgd_update(param, grad, momentum_buffer, lr, momentum, dampening, weight_decay, nesterov, maximize, first):
    """As tinydl.optim.sgd.sgd_update, in place."""
    shared = lr, weight_decay, -1.0 if maximize else 1.0
    bare = {b is None for b in momentum_buffer}
    if bare == {True}:
        return _run(_descend, (param, grad), [shared] * len(param))
    if bare == {True, False}:
        return NotImplemented
    ahead = (momentum, 1.0) if nesterov else (1.0, 0.0)
    start, go_on = (*shared, 0.0, 1.0, *ahead), (*shared, momentum, 1 - dampening, *ahead)
    return _run(_roll, (param, grad, momentum_buffer), [start if f else go_on for f in first])


def _run(update, columns, numbers):
    """`update` on the arrays of `columns`, with a row of `numbers` for each parameter."""
    params, grads, *states = columns
    dtype, sizes = params[0].dtype, [p.size for p in params]
    if sum(sizes) + CALLS * len(sizes) < SMALL or dtype not in FLOATS:
        return NotImplemented
    columns = [params, list(map(plain, grads)), *states]
    if not all(a.dtype == dtype and a.flags.carray for column in columns for a in column):
        return NotImplemented
    objects = np.array([[*map(id, column)] for column in columns])
    pieces = np.array([(i, start) for i, n in enumerate(sizes) for start in range(0, n, PIECE)])
    if len(pieces):
        update(objects, np.array(sizes), pieces, np.array(numbers, dtype))
    return None


@intrinsic
def _pointer(typingctx, address, like):
    """An address as a pointer to numbers of the type of `like`."""

    def codegen(context, builder, signature, args):
        return builder.inttoptr(args[0], context.get_value_type(signature.return_type))

    return types.CPointer(like.dtype)(address, like), codegen


@jit
def _piece(objects, column, sizes, piece, like):
    """The numbers of one array that are one piece."""
    i, start = piece
    address = carray(_pointer(objects[column, i] + HEAD, sizes), (1,))[0]
    return carray(_pointer(address + start * like.itemsize, like), (min(PIECE, sizes[i] - start),))


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
