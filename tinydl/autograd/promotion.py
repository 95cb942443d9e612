"""How the types of an operation's operands are brought together before it runs."""

from __future__ import annotations

import numpy as np

from .. import dtype as dtypes
from ..device import _BY_ARRAY
from ..dtype import FLOATING, NARROW

NUMBERS = frozenset((int, float, bool))


def was_number(operand) -> bool:
    """Whether what a body or a kernel got was a number of Python's, and no 0-d tensor."""
    return isinstance(operand, np.generic)


def by_category(op, arrays):
    """PyTorch's promotion: categories bool < int < float; numbers and 0-d tensors only lift the category."""
    if len(arrays) == 2:  # the usual cases, quickly
        a, b = arrays
        if a.__class__ is np.ndarray:
            if b.__class__ is np.ndarray:
                if a.dtype is b.dtype:
                    return arrays
            elif b.__class__ in NUMBERS and a.dtype in FLOATING:
                return [a, (_of_numbers(op, a.dtype) if a.dtype in NARROW else a.dtype).type(b)]
    elif len(arrays) == 1 and arrays[0].__class__ is np.ndarray:
        return arrays
    return _cast(op, arrays, dtypes.result_of([a for a in arrays if a is not None]))


def floating(op, arrays):
    """As `by_category`; integers then become the default floating type."""
    arrays = by_category(op, arrays)
    if dtypes.is_floating(next(a for a in arrays if a is not None).dtype):
        return arrays
    return _cast(op, arrays, dtypes.get_default_dtype())


def equal(op, arrays):
    """All of one type; a mixture is refused."""
    dtype = getattr(arrays[0], "dtype", None)
    for a in arrays:
        if a is not None and (a.__class__ is not np.ndarray or a.dtype is not dtype):
            break
    else:  # as nearly always
        return arrays
    found = {a.dtype for a in arrays if hasattr(a, "dtype")}
    if len(found) > 1:
        got = ", ".join(f"{n} {a.dtype}" for n, a in zip(op.arrays, arrays) if hasattr(a, "dtype"))
        raise RuntimeError(f"{op.name}: expected tensors of one dtype, got {got}; convert with .to(dtype)")
    return _cast(op, arrays, found.pop()) if found else by_category(op, arrays)


def promoting(*positions, to=by_category):
    """Promotion among some of the arguments only: the condition of `where` takes no part, say."""

    def promote(op, arrays):
        among = to(op, [arrays[i] for i in positions])
        arrays = list(arrays)
        for i, a in zip(positions, among):
            arrays[i] = a
        return [typed(a, dtypes.of_number(a)) if a.__class__ in NUMBERS else a for a in arrays]

    return promote


def _cast(op, arrays, dtype):
    number = _of_numbers(op, dtype) if any(type(a) in _BY_ARRAY for a in arrays) else dtype
    return [
        a
        if a is None or (a.__class__ is np.ndarray and a.dtype is dtype)
        else typed(a, number if a.__class__ in NUMBERS else dtype)
        for a in arrays
    ]


def _of_numbers(op, dtype):
    """The type of Python numbers among arrays of `dtype`: that in which the operation computes."""
    return dtypes.float32 if dtype in NARROW and not op.exact else dtype


def typed(a, dtype):
    if hasattr(a, "dtype"):
        return a if a.dtype == dtype else a.astype(dtype)
    try:
        return dtype.type(a)
    except OverflowError:
        if dtype.kind == "u" or isinstance(a, float):
            return np.asarray(a).astype(dtype)[()]
        raise
