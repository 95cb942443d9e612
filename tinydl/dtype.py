"""The types of tensor elements, and PyTorch's rules for what comes of mixing them.

A dtype is NumPy's own `numpy.dtype`, so that arrays, CuPy and tensors speak of the same thing.
"""

from __future__ import annotations

import numpy as np

float16 = half = np.dtype("float16")
float32 = np.dtype("float32")
float64 = double = np.dtype("float64")
uint8 = np.dtype("uint8")
int8 = np.dtype("int8")
int16 = short = np.dtype("int16")
int32 = np.dtype("int32")
int64 = long = np.dtype("int64")
bool_ = np.dtype("bool")

_SUPPORTED = {float16, float32, float64, uint8, int8, int16, int32, int64, bool_}
_default = float32
_CATEGORY = {"b": 0, "u": 1, "i": 1, "f": 2}


def get_default_dtype() -> np.dtype:
    """The type of floating tensors made without one: float32 unless set otherwise."""
    return _default


def set_default_dtype(dtype) -> None:
    """Make `dtype` (float16, float32 or float64) the type of new floating tensors."""
    global _default
    dtype = as_dtype(dtype)
    if dtype.kind != "f":
        raise TypeError(f"set_default_dtype: expected a floating dtype, got {dtype}")
    _default = dtype
    _result_cache.clear()


def as_dtype(dtype) -> np.dtype:
    """`dtype` as one of the supported types: a numpy.dtype, a name, or Python's float, int, bool."""
    if isinstance(dtype, np.dtype) and dtype in _SUPPORTED:
        return dtype
    if dtype is float:
        return _default
    try:
        found = np.dtype(dtype)
    except TypeError as e:
        raise TypeError(f"dtype: expected a dtype such as tinydl.float32, got {dtype!r}") from e
    if dtype is None or found not in _SUPPORTED:
        names = ", ".join(sorted(d.name for d in _SUPPORTED))
        raise TypeError(f"dtype: {dtype!r} is not supported; choose one of {names}")
    return found


def of_number(value) -> np.dtype:
    """The type that a Python number stands for: bool, int64 or the default floating type."""
    if isinstance(value, bool):
        return bool_
    return int64 if isinstance(value, int) else _default


def promote_types(a, b) -> np.dtype:
    """The smallest type that holds both: a floating type wins over any integer."""
    a, b = as_dtype(a), as_dtype(b)
    if a is b or a == b:
        return a
    if a.kind == "f" and b.kind != "f":
        return a
    if b.kind == "f" and a.kind != "f":
        return b
    return np.promote_types(a, b)


def _outrank(higher, lower):
    """Type of two groups of operands: the lower group counts only where its category is higher."""
    if higher is None or lower is None:
        return higher or lower
    if higher.kind == "f":
        return higher
    if higher.kind == "b" or lower.kind == "f":
        return promote_types(higher, lower)
    return higher


_result_cache: dict[tuple, np.dtype] = {}


def result_of(operands) -> np.dtype:
    """The common type of arrays and Python numbers: dimensioned arrays outrank 0-d ones, these numbers."""
    key = tuple((x.dtype, x.ndim > 0) if hasattr(x, "dtype") else (type(x),) for x in operands)
    found = _result_cache.get(key)
    if found is None:
        groups = [None, None, None]
        for x in operands:
            rank = (0 if x.ndim else 1) if hasattr(x, "dtype") else 2
            dtype = x.dtype if rank < 2 else of_number(x)
            groups[rank] = dtype if groups[rank] is None else promote_types(groups[rank], dtype)
        found = _outrank(groups[0], _outrank(groups[1], groups[2]))
        _result_cache[key] = found
    return found


def can_cast(source, target) -> bool:
    """Whether an in-place result of type `source` may be stored as `target` (not: float to int)."""
    return _CATEGORY[as_dtype(source).kind] <= _CATEGORY[as_dtype(target).kind]


class finfo(np.finfo):
    """Limits of a floating type (NumPy's, which has PyTorch's names: eps, max, min, tiny, bits)."""


class iinfo(np.iinfo):
    """Limits of an integer type."""
