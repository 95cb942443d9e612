"""Elementwise functions and their gradients, each one pass over large arrays on all threads.

A kernel is a line of the table (../formulas.py), in the functions of vmath.py.  The loop around it is made at the
first use (loops.py), and only then is Numba imported; of small arrays NumPy's own functions are as quick.
"""

import numpy as np

from ..formulas import kernels_of
from .arrays import FLOATS, empty, plain

SMALLEST = 1 << 15  # elements; below, NumPy's one thread is done before others have woken up


def _serve(name, arrays, constants=()):
    """The table's function `name` of arrays, some of which may be numbers; declines all but large ones of one kind."""
    for x in arrays:  # if none is an array, the last number: it is too small as well
        if isinstance(x, np.ndarray) and x.ndim:
            break
    if x.size < SMALLEST or x.dtype not in FLOATS:
        return NotImplemented
    shape, dtype, numbers = x.shape, x.dtype, 0
    for i, a in enumerate(arrays):
        if getattr(a, "dtype", dtype) != dtype:
            return NotImplemented
        if not isinstance(a, np.ndarray) or not a.ndim:
            numbers |= 1 << i
        elif a.shape != shape:
            return NotImplemented
    from .loops import run

    y = empty(shape, dtype)
    if numbers:
        constants = (*constants, *[float(a) for i, a in enumerate(arrays) if numbers >> i & 1])
        arrays = [a for i, a in enumerate(arrays) if not numbers >> i & 1]
    run(name, numbers, [y, *map(plain, arrays)], constants)
    return y


def _is_small(x):
    return isinstance(x, np.ndarray) and x.ndim > 0 and x.size < SMALLEST


globals().update(kernels_of(_serve, declines=_is_small))


def add(x, other, alpha=1):
    if alpha != 1:
        return NotImplemented
    y = _serve("add", (x, other))
    if y is not NotImplemented or x.size < SMALLEST:
        return y
    return _of_channels(x, other, lambda b: (np.ones_like(b), b))


def mul(x, other):
    y = _serve("mul", (x, other))
    if y is not NotImplemented or x.size < SMALLEST:
        return y
    return _of_channels(x, other, lambda w: (w, np.full_like(w, -0.0)))


def _of_channels(x, other, weight_and_bias):
    """weight * x + bias, where `other` holds a number for each channel of a large x (N, C, *)."""
    if not (isinstance(x, np.ndarray) and isinstance(other, np.ndarray)) or x.ndim < 3:
        return NotImplemented
    C = x.shape[1]
    if other.shape not in ((C, *[1] * (x.ndim - 2)), (1, C, *[1] * (x.ndim - 2))) or other.dtype != x.dtype:
        return NotImplemented
    from .norm import affine

    return affine(x, *weight_and_bias(other.reshape(C, *[1] * (x.ndim - 2))))


def sub(x, other, alpha=1):
    return _serve("sub", (x, other)) if alpha == 1 else NotImplemented
