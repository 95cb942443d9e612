"""Large copies, and changes of layout, on all threads and into memory that is used again."""

from .arrays import SMALLEST, copied


def clone(x):
    return copied(x) if x.nbytes >= SMALLEST else NotImplemented


def reshape(x, shape):
    if x.nbytes < SMALLEST or x.flags.c_contiguous:
        return NotImplemented  # a view
    try:
        return x.reshape(shape, copy=False)
    except ValueError:
        return copied(x).reshape(shape)
