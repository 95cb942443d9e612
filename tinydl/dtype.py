"""The types of tensor elements, and PyTorch's rules for what comes of mixing them.

A dtype is NumPy's own `numpy.dtype`, so that arrays, CuPy and tensors speak of the same thing.  bfloat16, which NumPy
lacks, is that of the package ml_dtypes; to NumPy it is of no kind, so whether a type is floating is asked of
`is_floating`.
"""

from __future__ import annotations

import ml_dtypes
import numpy as np

float16 = half = np.dtype("float16")
bfloat16 = np.dtype(ml_dtypes.bfloat16)
float32 = np.dtype("float32")
float64 = double = np.dtype("float64")
uint8 = np.dtype("uint8")
int8 = np.dtype("int8")
int16 = short = np.dtype("int16")
int32 = np.dtype("int32")
int64 = long = np.dtype("int64")
bool_ = np.dtype("bool")

# Floating types of 16 bits: what is computed of them is computed in float32, and rounded once.
NARROW = frozenset((float16, bfloat16))
FLOATING = NARROW | {float32, float64}
_SUPPORTED = FLOATING | {uint8, int8, int16, int32, int64, bool_}
_default = float32
_CATEGORY = {"b": 0, "u": 1, "i": 1}


def is_floating(dtype: np.dtype) -> bool:
    """Whether numbers of this type have a fraction."""
    return dtype in FLOATING


def is_narrow(dtype: np.dtype) -> bool:
    """Whether it is a floating type of 16 bits, in whose sums small numbers are lost."""
    return dtype in NARROW


def get_default_dtype() -> np.dtype:
    """The type of floating tensors made without one: float32 unless set otherwise."""
    return _default


def set_default_dtype(dtype) -> None:
    """Make `dtype` (float16, bfloat16, float32 or float64) the type of new floating tensors."""
    global _default
    dtype = as_dtype(dtype)
    if not is_floating(dtype):
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
    """The smallest type that holds both: a floating type wins over any integer, float32 holds both narrow ones."""
    a, b = as_dtype(a), as_dtype(b)
    if a is b or a == b:
        return a
    if is_floating(a) != is_floating(b):
        return a if is_floating(a) else b
    if bfloat16 in (a, b):
        a, b = (float32 if t in NARROW else t for t in (a, b))
    return np.promote_types(a, b)


def _outrank(higher, lower):
    """Type of two groups of operands: the lower group counts only where its category is higher."""
    if higher is None or lower is None:
        return higher or lower
    if is_floating(higher):
        return higher
    if higher.kind == "b" or is_floating(lower):
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
    return _category(as_dtype(source)) <= _category(as_dtype(target))


def _category(dtype):
    return 2 if is_floating(dtype) else _CATEGORY[dtype.kind]


class _FloatLimits(type):
    """So that what `finfo` gives is one of its instances, for bfloat16 too."""

    def __instancecheck__(cls, x):
        return isinstance(x, (np.finfo, ml_dtypes.finfo))


class finfo(np.finfo, metaclass=_FloatLimits):
    """Limits of a floating type (NumPy's, which has PyTorch's names: eps, max, min, tiny, bits)."""

    def __new__(cls, dtype):
        dtype = as_dtype(dtype)
        if not is_floating(dtype):
            raise TypeError(f"finfo: expected a floating type, got {dtype}; of integers see iinfo")
        return ml_dtypes.finfo(dtype) if dtype == bfloat16 else super().__new__(cls, dtype)


class iinfo(np.iinfo):
    """Limits of an integer type."""
