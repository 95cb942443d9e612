"""Elementwise functions and their gradients, each one pass over large arrays on all threads.

A kernel is a line of the table (../formulas.py), in the functions of vmath.py.  The loop around it is made at the
first use (loops.py), and only then is Numba imported; of small arrays NumPy's own functions are as quick.
"""

from math import prod

import numpy as np

from ..formulas import kernels_of
from .arrays import FLOATS, NARROW, empty, offered, plain

SMALLEST = 1 << 15  # elements; below, NumPy's one thread is done before others have woken up
SERVED = (*FLOATS, *NARROW)
POWERS = {2.0: "square", 3.0: "cube", 0.5: "sqrt", -1.0: "reciprocal", -0.5: "rsqrt"}


def _serve(name, arrays, constants=()):
    """The table's function `name` of arrays that broadcast, some of which may be numbers; declines all but large ones
    of one floating type."""
    found, kinds, alike, dtype = [], "", True, None
    for a in arrays:
        if isinstance(a, np.ndarray) and a.ndim:
            alike = alike and (not found or a.shape == found[0].shape)
            found.append(a)
            kinds += "e"
        else:
            kinds += "n"
        own = getattr(a, "dtype", None)
        if own is None or (name == "where" and len(kinds) == 1):  # a number of Python's; the condition
            continue
        if dtype is not None and own != dtype:
            return NotImplemented
        dtype = own
    if not found or dtype not in SERVED:
        return NotImplemented
    numbers = [float(a) for a, kind in zip(arrays, kinds) if kind == "n"] if "n" in kinds else ()
    constants = (*constants, *numbers)
    if dtype not in FLOATS:
        return _serve_narrow(name, found, kinds, constants, dtype) if alike and name != "where" else NotImplemented
    try:
        shape = found[0].shape if alike else np.broadcast(*found).shape
        if prod(shape) < SMALLEST:
            return NotImplemented
        y = offered(name, shape, dtype, found)
        if y is None:
            y = empty(shape, dtype)
        else:
            at_y = iter([a is y for a in found])
            kinds = "".join("y" if kind == "e" and next(at_y) else kind for kind in kinds)
            found = [a for a in found if a is not y]
    except ValueError:  # the body says what does not fit together, or into memory
        return NotImplemented
    from .loops import run, run_in_lines

    loop = run if alike and all([a.flags.carray for a in found]) else run_in_lines
    return y if loop(name, kinds, [y, *found], constants) else NotImplemented


def _serve_narrow(name, arrays, kinds, constants, dtype):
    """As `_serve`, of narrow arrays of one shape, in float32 and rounded once."""
    from .loops import run
    from .narrow import kind

    letter = kind(dtype)
    if letter is None or arrays[0].size < SMALLEST:
        return NotImplemented
    y = empty(arrays[0].shape, dtype)
    run(name, kinds.replace("e", letter), [y, *map(plain, arrays)], constants, letter)
    return y


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
    if _is_small((x, exponent)):
        return NotImplemented
    name = None if isinstance(exponent, np.ndarray) else POWERS.get(float(exponent))
    return NotImplemented if name is None else _serve(name, (x,))


def fmod(x, other):
    return _serve("fmod", (x, other)) if _has_exact_rest(x, other) else NotImplemented


def remainder(x, other):
    return _serve("remainder", (x, other)) if _has_exact_rest(x, other) else NotImplemented


def _has_exact_rest(x, other):
    """Whether `other` is a number, and the whole part of each x / other has all of its digits."""
    if getattr(other, "ndim", 0) or getattr(x, "dtype", None) not in FLOATS or x.size < SMALLEST:
        return False
    bound = np.abs(float(other)) * (2.0**22 if x.dtype == np.float32 else 2.0**51)
    return 0 < bound < np.inf and -bound < x.min() and x.max() < bound


def cast(x, dtype):
    """Between float32 and another floating type."""
    found, dtype = x.dtype, np.dtype(dtype)
    if x.size < SMALLEST or found == dtype or FLOATS[0] not in (found, dtype) or not {found, dtype}.issubset(SERVED):
        return NotImplemented
    from .loops import run
    from .narrow import kind

    read, stored = kind(found), kind(dtype)
    if read is None or stored is None:
        return NotImplemented
    y = empty(x.shape, dtype)
    run("itself", read, [y, plain(x)], (), stored)
    return y
