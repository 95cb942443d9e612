"""Elementwise functions and their gradients, each one pass over large arrays on all threads.

A kernel is a line of the table (../formulas.py), in the functions of vmath.py.  The loop around it is made at the
first use (loops.py), and only then is Numba imported; of small arrays NumPy's own functions are as quick.
"""

from math import prod

import numpy as np

from ..formulas import kernels_of
from .arrays import FLOATS, output

SMALLEST = 1 << 15  # elements; below, NumPy's one thread is done before others have woken up
POWERS = {2.0: "square", 3.0: "cube", 0.5: "sqrt", -1.0: "reciprocal", -0.5: "rsqrt"}


def _serve(name, arrays, constants=()):
    """The table's function `name` of arrays that broadcast, some of which may be numbers; declines all but large ones
    of one floating type."""
    dtype = _common_type(arrays[1:] if name == "where" else arrays)  # the condition has its own
    found = [a for a in arrays if isinstance(a, np.ndarray) and a.ndim]
    if dtype is None or not found:
        return NotImplemented
    shape = found[0].shape
    alike = all(a.shape == shape for a in found)
    try:
        if not alike:
            shape = np.broadcast(*found).shape
        if prod(shape) < SMALLEST:
            return NotImplemented
        y, same = output(name, shape, dtype, found)
    except ValueError:  # the body says what does not fit together, or into memory
        return NotImplemented
    letters = iter("y" if s else "e" for s in same)
    kinds = "".join(next(letters) if isinstance(a, np.ndarray) and a.ndim else "n" for a in arrays)
    numbers = [float(a) for a, kind in zip(arrays, kinds) if kind == "n"]
    found = [a for a, s in zip(found, same) if not s]
    from .loops import run, run_in_lines

    loop = run if alike and all(a.flags.carray for a in found) else run_in_lines
    loop(name, kinds, [y, *found], (*constants, *numbers))
    return y


def _common_type(arrays):
    """The one floating type of all arrays, Python's numbers apart; None if there is none."""
    types = {a.dtype for a in arrays if hasattr(a, "dtype")}
    return next(iter(types)) if len(types) == 1 and types.issubset(FLOATS) else None


def _is_small(args):
    x = args[0]
    if not isinstance(x, np.ndarray) or not x.ndim or x.size >= SMALLEST:
        return False
    other = args[1] if len(args) > 1 else None
    return not isinstance(other, np.ndarray) or x.size * other.size < SMALLEST or x.shape == other.shape


globals().update(kernels_of(_serve, declines=_is_small))
clamp_min, clamp_max = maximum, minimum  # noqa: F821


def add(x, other, alpha=1):
    if _is_small((x, other)):
        return NotImplemented
    return _serve("add", (x, other)) if alpha == 1 else _serve("add_scaled", (x, other), (alpha,))


def sub(x, other, alpha=1):
    if _is_small((x, other)):
        return NotImplemented
    return _serve("sub", (x, other)) if alpha == 1 else _serve("add_scaled", (x, other), (-alpha,))


def where(condition, x, other):
    if condition.dtype != bool or not condition.ndim or _is_small((condition, x)):
        return NotImplemented
    return _serve("where", (condition, x, other))


def pow(x, exponent):
    name = None if getattr(exponent, "ndim", 0) else POWERS.get(float(exponent))
    return NotImplemented if name is None else _serve(name, (x,))


def huber_grad(g, x, target, delta, needed):
    y = NotImplemented if x.shape != target.shape else _serve("huber_slope", (g, x, target), (delta,))
    if y is NotImplemented:
        return y
    return y if needed[0] else None, np.negative(y) if needed[1] else None
