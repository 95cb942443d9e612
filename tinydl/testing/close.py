"""Comparison of tensors, arrays, numbers, and collections of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..tensor import Tensor

# rtol and atol by dtype, as PyTorch's
TOLERANCES = {
    "bfloat16": (1.6e-2, 1e-5), "float16": (1e-3, 1e-5), "float32": (1.3e-6, 1e-5), "float64": (1e-7, 1e-7),
}  # fmt: skip


def assert_close(
    actual,
    expected,
    *,
    allow_subclasses: bool = True,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_device: bool = True,
    check_dtype: bool = True,
    check_layout: bool = True,
    check_stride: bool = False,
    msg=None,
) -> None:
    """AssertionError unless |actual - expected| <= atol + rtol * |expected|, in one shape and
    dtype.

    Tensors, arrays, numbers, sequences and mappings of them.  rtol and atol, given both or neither,
    default to what the less precise dtype allows; msg replaces the text (a function gets it).
    """
    if (rtol is None) != (atol is None):
        raise ValueError("assert_close: give rtol and atol, or neither")
    difference = _compare(actual, expected, "", (rtol, atol), equal_nan, check_device, check_dtype, check_stride)
    if difference is not None:
        raise AssertionError(difference if msg is None else msg(difference) if callable(msg) else msg)


def _compare(a, b, where, tolerances, equal_nan, *checks):
    """What differs, as a text; None where all is close."""
    if isinstance(b, Mapping) and isinstance(a, Mapping):
        if set(a) != set(b):
            return f"keys differ{where}: {sorted(a, key=str)} and {sorted(b, key=str)}"
        pairs = [(a[k], b[k], k) for k in b]
    elif _is_sequence(a) and _is_sequence(b):
        if len(a) != len(b):
            return f"lengths differ{where}: {len(a)} and {len(b)}"
        pairs = [(x, y, i) for i, (x, y) in enumerate(zip(a, b))]
    else:
        return _compare_arrays(a, b, where, tolerances, equal_nan, *checks)
    for x, y, key in pairs:
        place = f"{where or ' at '}[{key!r}]"
        if (found := _compare(x, y, place, tolerances, equal_nan, *checks)) is not None:
            return found
    return None


def _is_sequence(x):
    return isinstance(x, Sequence) and not isinstance(x, str)


def _compare_arrays(a, b, where, tolerances, equal_nan, check_device, check_dtype, check_stride):
    if a is None and b is None:
        return None
    kinds = [isinstance(x, (Tensor, np.ndarray, np.generic, int, float)) for x in (a, b)]
    if not all(kinds):
        return f"cannot compare{where}: {type(a).__name__} and {type(b).__name__}"
    if check_device and isinstance(a, Tensor) and isinstance(b, Tensor) and a.device is not b.device:
        return f"devices differ{where}: {a.device} and {b.device}"
    if check_stride and isinstance(a, Tensor) and isinstance(b, Tensor) and a.stride() != b.stride():
        return f"strides differ{where}: {a.stride()} and {b.stride()}"
    typed = [hasattr(x, "dtype") for x in (a, b)]
    a, b = (x.numpy(force=True) if isinstance(x, Tensor) else np.asarray(x) for x in (a, b))
    if a.shape != b.shape:
        return f"shapes differ{where}: {a.shape} and {b.shape}"
    if check_dtype and all(typed) and a.dtype != b.dtype:
        return f"dtypes differ{where}: {a.dtype} and {b.dtype}"
    rtol, atol = tolerances
    if rtol is None:
        rtol, atol = np.maximum(*(TOLERANCES.get(x.dtype.name, (0.0, 0.0)) for x in (a, b)))
    return _describe(a.astype(np.float64), b.astype(np.float64), where, rtol, atol, equal_nan)


def _describe(a, b, where, rtol, atol, equal_nan):
    close = np.isclose(a, b, rtol, atol, equal_nan)
    if close.all():
        return None
    with np.errstate(all="ignore"):
        size = np.abs(a - b)
        relative = size / np.abs(b)
    wrong = np.where(close, -np.inf, np.where(np.isnan(size), np.inf, size))
    worst = tuple(map(int, np.unravel_index(wrong.argmax(), a.shape)))
    return (
        f"values differ{where}: {int((~close).sum())} of {a.size} elements\n"
        f"  largest difference {size[worst]:.6g} (relative {relative[worst]:.3g}) at {worst}: "
        f"got {a[worst]:.9g}, expected {b[worst]:.9g}\n"
        f"  allowed: atol {atol:g} + rtol {rtol:g} * |expected|"
    )
