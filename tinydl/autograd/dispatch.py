"""Where an operation runs: the device of its operands, and there its kernel, or else its body."""

from __future__ import annotations

import functools
import re
import time

import numpy as np

from .. import dtype as dtypes
from ..device import _BY_ARRAY, CPU
from ..dtype import NARROW
from ..kernels.gpu.recording import refuse_in_capture
from ..tensor import Tensor
from .narrow import run_in_float32
from .promotion import NUMBERS

observers: list = []  # profilers: each is told of every operation that ran


def place(op, inputs):
    """The device that the inputs lie on, and their arrays; numbers stay numbers."""
    device = None
    arrays = []
    for x in inputs:
        if isinstance(x, Tensor):
            x = x.array
            found = _BY_ARRAY[x.__class__]
            if device is None:
                device = found
            elif found is not device:
                return _place_mixed(op, inputs)
        elif not (x is None or x.__class__ in NUMBERS):
            return _place_mixed(op, inputs)
        arrays.append(x)
    return device or CPU, arrays


def _place_mixed(op, inputs):
    """As `place` for what is less common: NumPy's arrays and scalars, 0-d CPU tensors among CUDA ones."""
    arrays = [_as_array(op, i, x) for i, x in enumerate(inputs)]
    devices = {_BY_ARRAY[type(a)] for a in arrays if type(a) in _BY_ARRAY}
    if len(devices) > 1:
        other = [d for d in devices if d is not CPU]
        if len(other) > 1 or any(type(a) is np.ndarray and a.ndim for a in arrays):
            names = " and ".join(sorted(map(str, devices)))
            raise RuntimeError(f"{op.name}: tensors on {names}; call .to('{other[0]}')")
        refuse_in_capture("takes a number from a CPU tensor, which would be the same at every replay")
        return other[0], [a[()] if type(a) is np.ndarray else a for a in arrays]
    return devices.pop() if devices else CPU, arrays


def _as_array(op, i, x):
    if isinstance(x, Tensor):
        return x.array
    if isinstance(x, np.generic):  # also np.float64, which is a float of Python's
        return x.item()
    if x is None or isinstance(x, (int, float)):
        return x
    if type(x) in _BY_ARRAY:
        dtypes.as_dtype(x.dtype)
        return x
    name = op.arrays[min(i, len(op.arrays) - 1)]
    raise TypeError(f"{op.name}: argument '{name}' must be a tensor or a number, got {type(x).__name__}")


def execute(op, device, arrays, constants, kernel=None):
    """The output array or arrays, by the kernel (the device's unless given) where it serves, else by the body.

    No body runs in narrow types, unless it is exact: kernel or body run in float32, and visible outputs are rounded.
    """
    kernel = kernel or device.kernels[op.name]
    if kernel is not None:
        out = op.with_kernel(kernel, arrays, constants)
        if out is not NotImplemented or op.fused:
            return out
    if not op.exact:
        for a in arrays:
            if a is not None and a.dtype in NARROW:
                again = functools.partial(execute, op, device, constants=constants, kernel=kernel)
                as_given = functools.partial(_by_body, op, device, constants=constants)
                return run_in_float32(again, arrays, len(op.hidden), as_given)
    return _by_body(op, device, arrays, constants)


def _by_body(op, device, arrays, constants):
    try:
        return op.with_body(op.body, device.xp, arrays, constants)
    except ValueError as e:
        if str(e).startswith(op.name):
            raise
        raise ValueError(f"{op.name}: {_explain(op, arrays, e)}") from None


def _explain(op, arrays, e):
    shapes = [tuple(a.shape) for a in arrays if hasattr(a, "shape")]
    if "broadcast" in str(e):
        return f"shapes {' and '.join(map(str, shapes))} do not broadcast: sizes must be equal, or one of them 1"
    if re.search("too (big|large)|Maximum allowed", str(e)):  # NumPy's words
        return f"shapes {' and '.join(map(str, shapes))} give more elements than memory can have; are the sizes right?"
    return f"{e} (shapes {', '.join(map(str, shapes))})"


def observed(op, device, arrays, constants):
    """As `execute`, telling the observers what ran, by what, and how long it took."""
    kernel, served = device.kernels[op.name], False

    def watched(*args, **kwargs):
        nonlocal served
        out = kernel(*args, **kwargs)
        served = out is not NotImplemented
        return out

    device.synchronize()
    start = time.perf_counter()
    out = execute(op, device, arrays, constants, watched if kernel else None)
    device.synchronize()
    spent = time.perf_counter() - start
    for observer in observers:
        observer.ran(op.name, device, arrays, out, spent, served, declined=kernel is not None and not served)
    return out
