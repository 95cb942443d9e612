"""Large copies, and changes of layout, on all threads and into memory that is used again."""

from math import prod

from numpy.lib.stride_tricks import as_strided

from .arrays import SMALLEST, STRAIGHT, copied, empty, offered


def clone(x):
    return copied(x) if x.nbytes >= SMALLEST else NotImplemented


def reshape(x, shape):
    if x.nbytes < SMALLEST or x.flags.c_contiguous:
        return NotImplemented  # a view
    try:
        return x.reshape(shape, copy=False)
    except ValueError:
        return copied(x).reshape(shape)


def broadcast(x, shape):
    fits = len(shape) >= x.ndim and all(n in (1, m) for n, m in zip(x.shape[::-1], shape[::-1]))
    if not fits or prod(shape) * x.itemsize < SMALLEST or x.itemsize < 4:  # the body says what does not fit
        return NotImplemented
    return _repeated(x, empty(shape, x.dtype))


def overwritten(x, value):
    if x.nbytes < STRAIGHT or x.itemsize < 4 or value.dtype != x.dtype or value.ndim > x.ndim:
        return NotImplemented
    if any(n not in (1, m) for n, m in zip(value.shape[::-1], x.shape[::-1])):
        return NotImplemented
    y = offered("overwritten", x.shape, x.dtype, (value,))
    return _repeated(value, empty(x.shape, x.dtype) if y is None else y)


def _repeated(x, y):
    """y, made to hold x along all that x lacks."""
    from .strided import gather

    steps = (0,) * (y.ndim - x.ndim) + tuple(0 if n == 1 else s for n, s in zip(x.shape, x.strides))
    return y if gather(as_strided(x, y.shape, steps), y) else NotImplemented
