"""Tensors from numbers: constants, ranges, and what Python or NumPy holds.

Each takes dtype (default: of the values, floating ones the default type), device (default: cpu) and requires_grad.
"""

from __future__ import annotations

import math
import operator

import numpy as np

from .. import dtype as dtypes
from ..autograd.promotion import NUMBERS
from ..device import device as find_device
from ..device import of_array
from ..tensor import Tensor, wrap

BY_ITS_BITS = (
    "NumPy does not know another library's bfloat16; go by its bits. Of a tensor x of PyTorch: "
    "tinydl.from_numpy(x.view(torch.int16).numpy().view(tinydl.bfloat16))"
)


def _finish(array, requires_grad):
    t = wrap(array)
    return t.requires_grad_() if requires_grad else t


def tensor(data, *, dtype=None, device=None, requires_grad: bool = False) -> Tensor:
    """A new tensor with a copy of `data`: a number, nested lists, an array, or a tensor (detached)."""
    if isinstance(data, Tensor):
        device = data.device if device is None else device
        data = data.array
    place = find_device(device)
    dtype = None if dtype is None else dtypes.as_dtype(dtype)
    if not hasattr(data, "__array__") and not hasattr(data, "dtype"):
        try:
            data = np.asarray(_numbers(data), dtype)
        except (ValueError, OverflowError) as e:
            raise ValueError(f"tensor: the data do not form a regular array of numbers: {e}") from None
        if dtype is None:
            dtype = _natural(data)
    found = getattr(data, "dtype", "f8")
    if "torch.bfloat16" in str(found):
        raise TypeError(f"tensor: {BY_ITS_BITS}")
    found = np.dtype(found)
    target = dtypes.as_dtype(found if dtype is None else dtype)
    if isinstance(data, place.array_type):
        return _finish(place.xp.asarray(data).astype(target, order="C"), requires_grad)  # a copy
    return _finish(place.array(data, target), requires_grad)


def _numbers(data):
    """`data` with tensors inside lists turned into NumPy's arrays."""
    if isinstance(data, Tensor):
        return data.numpy(force=True)
    if isinstance(data, (list, tuple)) and not {*map(type, data)} <= NUMBERS:
        return [_numbers(v) for v in data]
    return data


def _natural(array):
    if dtypes.is_floating(array.dtype):
        return dtypes.get_default_dtype()
    if array.dtype.kind in "OUSc":
        kind = {"O": "objects that are none", "c": "complex ones"}.get(array.dtype.kind, "strings")
        raise TypeError(f"tensor: expected real numbers, got {kind}")
    return None


def as_tensor(data, dtype=None, device=None) -> Tensor:
    """`data` as a tensor: itself if it is one already, sharing memory with an array where type and device allow."""
    if isinstance(data, Tensor):
        return data if dtype is None and device is None else data.to(device=device, dtype=dtype)
    if hasattr(data, "dtype") and getattr(data, "ndim", 0) and "torch.bfloat16" not in str(data.dtype):
        place = of_array(data) if device is None else find_device(device)
        return wrap(place.array(data, None if dtype is None else dtypes.as_dtype(dtype)))
    return tensor(data, dtype=dtype, device=device)


asarray = as_tensor


def from_numpy(array: np.ndarray) -> Tensor:
    """A tensor on the memory of a NumPy array: writes to either are seen by both."""
    if not isinstance(array, np.ndarray):
        raise TypeError(f"from_numpy: expected a NumPy array, got {type(array).__name__}")
    dtypes.as_dtype(array.dtype)
    return wrap(np.asarray(array))  # a plain array, of a memory map, too


def from_dlpack(ext_tensor) -> Tensor:
    """A tensor on the memory of another library's array (anything with __dlpack__), on the device where it lies."""
    if not hasattr(ext_tensor, "__dlpack__"):
        raise TypeError(f"from_dlpack: expected an object with __dlpack__, got {type(ext_tensor).__name__}")
    on_cpu = ext_tensor.__dlpack_device__()[0] == 1  # DLPack's number of the CPU
    if on_cpu and "bfloat16" in str(getattr(ext_tensor, "dtype", "")):
        raise BufferError(f"from_dlpack: {BY_ITS_BITS}")
    array = find_device("cpu" if on_cpu else "cuda").xp.from_dlpack(ext_tensor)
    dtypes.as_dtype(array.dtype)
    return wrap(array)


def check_count(name: str, shape: tuple) -> tuple:
    """`shape`, unless its elements cannot be addressed.  RuntimeError, before anything overflows."""
    count = math.prod(n for n in shape if n)  # where one size is 0, NumPy counts the others
    if count >= (2**44 if 0 not in shape else 2**59):
        raise RuntimeError(f"{name}: {shape} has {count:.2g} elements, more than memory can; are the sizes right?")
    return shape


def _shape(name, size):
    """The sizes given as separate numbers or as one sequence."""
    if len(size) == 1 and not hasattr(size[0], "__index__"):
        size = size[0]
    try:
        shape = tuple(operator.index(n) for n in size)
    except TypeError:
        raise TypeError(f"{name}: sizes must be integers, got {size!r}") from None
    if any(n < 0 for n in shape):
        raise RuntimeError(f"{name}: sizes must not be negative, got {shape}")
    return check_count(name, shape)


def full(size, fill_value, *, dtype=None, device=None, requires_grad: bool = False) -> Tensor:
    """A tensor of the given shape, every element `fill_value`."""
    if isinstance(fill_value, Tensor):
        fill_value = fill_value.item()
    dtype = dtypes.of_number(fill_value) if dtype is None else dtypes.as_dtype(dtype)
    shape = _shape("full", (size,) if not hasattr(size, "__index__") else (size,))
    return _finish(find_device(device).xp.full(shape, fill_value, dtype), requires_grad)


def _filled(name, value, doc):
    def create(*size, dtype=None, device=None, requires_grad: bool = False) -> Tensor:
        dtype = dtypes.get_default_dtype() if dtype is None else dtypes.as_dtype(dtype)
        xp = find_device(device).xp
        return _finish(getattr(xp, name)(_shape(name, size), dtype), requires_grad)

    def create_like(x: Tensor, *, dtype=None, device=None, requires_grad: bool = False) -> Tensor:
        place = x.device if device is None else find_device(device)
        array = getattr(place.xp, name)(tuple(x.shape), x.dtype if dtype is None else dtypes.as_dtype(dtype))
        return _finish(array, requires_grad)

    create.__name__ = create.__qualname__ = name
    create_like.__name__ = create_like.__qualname__ = f"{name}_like"
    create.__doc__ = f"A tensor of {doc}.  size: the shape, as separate numbers or one sequence."
    create_like.__doc__ = f"A tensor of {doc}, of the shape, dtype and device of x."
    return create, create_like


zeros, zeros_like = _filled("zeros", 0, "zeros")
ones, ones_like = _filled("ones", 1, "ones")
empty, empty_like = _filled("empty", None, "whatever the memory holds")


def full_like(x: Tensor, fill_value, *, dtype=None, device=None, requires_grad: bool = False) -> Tensor:
    """A tensor of `fill_value`, of the shape, dtype and device of x."""
    dtype = x.dtype if dtype is None else dtype
    return full(x.shape, fill_value, dtype=dtype, device=device or x.device, requires_grad=requires_grad)


def arange(start, end=None, step=1, *, dtype=None, device=None, requires_grad: bool = False) -> Tensor:
    """start, start + step, ... up to but without `end`; arange(n) counts from 0."""
    start, end = (0, start) if end is None else (start, end)
    start, end, step = (v.item() if isinstance(v, Tensor) else v for v in (start, end, step))
    if step == 0:
        raise RuntimeError("arange: step must not be 0")
    if (end - start) * step < 0 or not all(map(math.isfinite, (start, end))):
        raise RuntimeError(f"arange: step {step} does not lead from {start} to {end}")
    whole = all(isinstance(v, int) for v in (start, end, step))
    dtype = (dtypes.int64 if whole else dtypes.get_default_dtype()) if dtype is None else dtypes.as_dtype(dtype)
    (count,) = check_count("arange", (math.ceil((end - start) / step),))
    xp = find_device(device).xp
    kind = "float64" if dtypes.is_floating(dtype) or not whole else "int64"
    return _finish((start + xp.arange(count, dtype=kind) * step).astype(dtype), requires_grad)


def linspace(start, end, steps, *, dtype=None, device=None, requires_grad: bool = False) -> Tensor:
    """`steps` values from start to end, both included, evenly spaced."""
    start, end = (v.item() if isinstance(v, Tensor) else v for v in (start, end))
    if steps < 0:
        raise RuntimeError(f"linspace: steps must not be negative, got {steps}")
    check_count("linspace", (steps,))
    dtype = dtypes.get_default_dtype() if dtype is None else dtypes.as_dtype(dtype)
    values = find_device(device).xp.linspace(start, end, steps, dtype="float64")
    return _finish((values if dtypes.is_floating(dtype) else values.astype("float64")).astype(dtype), requires_grad)


def logspace(start, end, steps, base=10.0, *, dtype=None, device=None, requires_grad: bool = False) -> Tensor:
    """base ** start to base ** end, evenly spaced in the exponent."""
    dtype = dtypes.get_default_dtype() if dtype is None else dtypes.as_dtype(dtype)
    exponents = linspace(start, end, steps, dtype=dtypes.float64, device=device).array
    return _finish((base**exponents).astype(dtype), requires_grad)


def eye(n, m=None, *, dtype=None, device=None, requires_grad: bool = False) -> Tensor:
    """The n x m (default: n x n) matrix with ones on the diagonal."""
    m = n if m is None else m
    if n < 0 or m < 0:
        raise RuntimeError(f"eye: sizes must not be negative, got {n} and {m}")
    check_count("eye", (n, m))
    dtype = dtypes.get_default_dtype() if dtype is None else dtypes.as_dtype(dtype)
    return _finish(find_device(device).xp.eye(n, m, dtype=dtype), requires_grad)


def _triangle(name, below):
    def indices(row, col, offset=0, *, dtype=dtypes.int64, device=None) -> Tensor:
        xp = find_device(device).xp
        check_count(name, (row, col))
        i, j = xp.arange(row)[:, None], xp.arange(col)[None, :]
        inside = (j - i <= offset) if below else (j - i >= offset)
        return wrap(xp.stack(xp.nonzero(inside)).astype(dtypes.as_dtype(dtype)))

    side = "lower" if below else "upper"
    indices.__name__ = indices.__qualname__ = name
    indices.__doc__ = f"Rows and columns (2, n) of the {side} triangle of a row x col matrix, from diagonal `offset`."
    return indices


tril_indices, triu_indices = _triangle("tril_indices", True), _triangle("triu_indices", False)
__all__ = [
    "arange", "as_tensor", "asarray", "empty", "empty_like", "eye", "from_dlpack", "from_numpy", "full", "full_like",
    "linspace", "logspace", "ones", "ones_like", "tensor", "tril_indices", "triu_indices", "zeros", "zeros_like",
]  # fmt: skip
