"""A stand-in for CuPy on NumPy's memory, stricter than CuPy itself: it shows where code quietly
assumes NumPy.

It refuses to mix with NumPy's arrays, offers only names that CuPy has (`cupy_names.txt`, written by
`python -m tinydl.testing.strict` where CuPy is installed), and refuses to read values back to the
host inside an operation, except in those that must; bfloat16 it takes only where CuPy does.  It is no emulation of a
GPU, and runs no kernel.

    with strict_device() as device:
        x = tinydl.tensor([1.0, 2.0], device="strict")
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import inspect
import operator
import sys
import types
from pathlib import Path

import numpy as np

from ..dtype import bfloat16

# operations whose result's size, or whose refusal, depends on values: they must read back
READS_BACK = frozenset(
    "to_device nonzero masked_select unique unique_consecutive repeat_interleave item histc bincount argwhere".split()
)
inside: list[str] = []  # names of the operations that run now
tape = None  # of a graph that is captured: takes what runs, and may refuse it (emulated.py)
_FILE = Path(__file__).with_name("cupy_names.txt")
_SPACES = {"": "cupy", "linalg": "cupy.linalg", "lib.stride_tricks": "cupy.lib.stride_tricks",
           "special": "cupyx.scipy.special"}  # fmt: skip


@functools.cache
def names(space: str = "") -> frozenset[str]:
    """The public names of CuPy, or of its `linalg`, `lib.stride_tricks`, or `special` (cupyx.scipy.special); of
    its functions that have a loop for bfloat16.
    """
    lines = [line.split(" ") for line in _FILE.read_text().splitlines() if not line.startswith("#")]
    return frozenset(next(line[1:] for line in lines if line[0] == (space or "cupy")))


def _read_back(what):
    if tape is not None:
        raise RuntimeError("strict: the current stream is capturing, so D2H transfers are disallowed")
    if inside and inside[-1] not in READS_BACK:
        raise TypeError(f"strict: {inside[-1]} reads values back to the host ({what}); a GPU would have to wait for it")


def _unwrap(a):
    if isinstance(a, ndarray):
        return a._host
    if isinstance(a, np.ndarray):
        raise TypeError("strict: a NumPy array meets an array of the device; CuPy refuses that")
    if isinstance(a, (tuple, list)):
        return type(a)(_unwrap(v) for v in a) if type(a) in (tuple, list) else tuple(_unwrap(v) for v in a)
    if isinstance(a, dict):
        return {k: _unwrap(v) for k, v in a.items()}
    return a


def _wrap(a):
    if isinstance(a, (np.ndarray, np.generic)):
        return ndarray(np.asarray(a))  # reductions give 0-d arrays of the device, not scalars
    if isinstance(a, tuple) and hasattr(a, "_fields"):
        return type(a)(*map(_wrap, a))
    return type(a)(_wrap(v) for v in a) if isinstance(a, (tuple, list)) else a


class ndarray(np.lib.mixins.NDArrayOperatorsMixin):
    """An array of the stand-in device."""

    __slots__ = ("_host", "__weakref__")

    def __init__(self, host):
        self._host = host

    def __array__(self, *args, **kwargs):
        raise TypeError("strict: implicit conversion to a NumPy array; CuPy refuses that (use .get())")

    def __array_ufunc__(self, ufunc, method, *args, **kwargs):
        return _call(getattr(ufunc, method), args, kwargs)

    def __array_function__(self, function, types, args, kwargs):
        return _call(function, args, kwargs)

    def __getitem__(self, index):
        _check_mask(index)
        return _run(operator.getitem, (self._host, _unwrap(index)), {})

    def __setitem__(self, index, value):
        _run(operator.setitem, (self._host, _unwrap(index), _unwrap(value)), {})

    def __len__(self):
        return len(self._host)

    def __iter__(self):
        return (_wrap(a) for a in self._host)

    def __bool__(self):
        _read_back("bool")
        return bool(self._host)

    def __int__(self):
        _read_back("int")
        return int(self._host)

    def __float__(self):
        _read_back("float")
        return float(self._host)

    def __index__(self):
        _read_back("index")
        return self._host.__index__()

    def item(self, *args):
        _read_back("item")
        return self._host.item(*args)

    def tolist(self):
        _read_back("tolist")
        return self._host.tolist()

    def get(self, *args, **kwargs):
        _read_back("get")
        return self._host.copy()

    def __repr__(self):
        return f"strict.{self._host!r}"

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        if name in ("base", "ctypes"):
            return getattr(self._host, name)
        if name not in names("ndarray"):
            raise AttributeError(f"strict: CuPy's array has no {name}")
        value = getattr(self._host, name)
        if callable(value) and not isinstance(value, np.ndarray):
            return lambda *args, **kwargs: _call(value, args, kwargs)
        return _wrap(value) if isinstance(value, np.ndarray) else value

    @property
    def __cuda_array_interface__(self):
        return self._host.__array_interface__  # where it lies, as CuPy tells it

    @property
    def shape(self):
        return self._host.shape

    @property
    def dtype(self):
        return self._host.dtype

    @property
    def flags(self):
        return self._host.flags


def _check_mask(index):
    for i in index if isinstance(index, tuple) else (index,):
        if isinstance(i, ndarray) and i.dtype.kind == "b":
            _read_back("a boolean mask as index")


_BY_VALUE = {
    "nonzero",
    "flatnonzero",
    "argwhere",
    "unique",
    "extract",
    "compress",
    "array_equal",
    "allclose",
    "bincount",
}


# what moves numbers of any type, as CuPy's functions without loops of their own do
_MOVES = frozenset(
    "as_strided ascontiguousarray astype broadcast_to concatenate copy full may_share_memory ravel reshape roll "
    "swapaxes transpose view".split()
)


def _check_bfloat16(function, args, kwargs):
    """Refuse what CuPy does not do in bfloat16: for want of a loop it computes in another type, or fails."""
    owner = getattr(function, "__self__", None)  # of a method, the array; of a ufunc's, the ufunc
    name = owner.__name__ if isinstance(owner, np.ufunc) else getattr(function, "__name__", "")
    given = [owner, *args, *kwargs.values()]
    given += [a for many in given if isinstance(many, (tuple, list)) for a in many]
    narrow = [a for a in given if getattr(a, "dtype", None) == bfloat16]
    product = name == "matmul" and all(a.ndim <= 2 for a in narrow)  # of matrices only
    if narrow and not product and name not in _MOVES | names("bfloat16"):
        raise TypeError(f"strict: CuPy does not do {name} in bfloat16")


def _call(function, args, kwargs):
    name = getattr(function, "__name__", "")
    if name in _BY_VALUE:
        _read_back(name)
    _check_bfloat16(function, args, kwargs)
    out = kwargs.get("out")
    result = _run(function, _unwrap(args), _unwrap(kwargs))
    return result if out is None else out[0] if isinstance(out, tuple) else out


def _run(function, args, kwargs):
    return _wrap(function(*args, **kwargs)) if tape is None else tape.run(function, args, kwargs)


def _sent(a):
    """A host array on the device."""
    if tape is not None:
        raise RuntimeError("strict: the current stream is capturing, so H2D transfers are disallowed")
    return ndarray(a)


class _Function:
    """One of NumPy's functions, for arrays of the stand-in."""

    def __init__(self, function):
        self._function = function
        self.__name__ = getattr(function, "__name__", "function")

    def __call__(self, *args, **kwargs):
        return _call(self._function, args, kwargs)

    def __getattr__(self, name):
        if name not in ("at", "reduce", "accumulate", "outer"):  # what CuPy's ufuncs have
            raise AttributeError(name)
        return _Function(getattr(self._function, name))


class _Space(types.ModuleType):
    """A namespace that offers what both CuPy and NumPy have."""

    def __init__(self, space, library):
        super().__init__(f"{__name__}.{space}" if space else __name__)
        self._space, self._library = space, library

    def __getattr__(self, name):
        if name not in names(self._space):
            raise AttributeError(f"strict: {_SPACES[self._space]} has no {name}")
        value = getattr(importlib.import_module(self._library), name)
        if callable(value) and not isinstance(value, type):
            value = _Function(value)
        setattr(self, name, value)
        return value


class Library(_Space):
    """The stand-in for the module `cupy`."""

    def __init__(self):
        super().__init__("", "numpy")
        self.ndarray = ndarray
        self.linalg = _Space("linalg", "numpy.linalg")
        self.special = _Space("special", "scipy.special")
        self.lib = types.SimpleNamespace(stride_tricks=_Space("lib.stride_tricks", "numpy.lib.stride_tricks"))

    def asarray(self, a, dtype=None, **kwargs):
        """As cupy.asarray: takes NumPy's arrays too, copying them over."""
        if isinstance(a, ndarray):
            return a if dtype in (None, a.dtype) else a.astype(dtype)
        return _sent(np.array(_unwrap(a) if isinstance(a, (list, tuple)) else a, dtype))

    def array(self, a, dtype=None, copy=True, **kwargs):
        """As cupy.array."""
        return _run(np.array, (a._host, dtype), {}) if isinstance(a, ndarray) else _sent(np.array(a, dtype))


@contextlib.contextmanager
def strict_device():
    """Within it there is a device 'strict', and operations on it are watched for reading back."""
    from .. import device as _  # noqa: F401
    from ..autograd import engine
    from ..ops import generator

    devices = sys.modules["tinydl.device"]
    found = devices.Device("strict", None, Library(), ".kernels.gpu", ndarray)
    found.kernels = _NoKernels()
    devices.register(found)
    run = engine.execute

    def watched(op, device, arrays, constants):
        if device is not found:
            return run(op, device, arrays, constants)
        inside.append(op.name)
        try:
            return run(op, device, arrays, constants)
        finally:
            inside.pop()

    engine.execute = watched
    try:
        yield found
    finally:
        engine.execute = run
        del devices._BY_NAME["strict"], devices._BY_ARRAY[ndarray]
        generator._of_device.pop("strict", None)


class _NoKernels(dict):
    """The stand-in has no kernels: every body runs."""

    def __missing__(self, name):
        return None


def write_names() -> None:
    """Write `cupy_names.txt` from the CuPy that is installed (no GPU is needed)."""
    import cupy

    lines = [f"# Public names of CuPy {cupy.__version__}, for the stand-in of tinydl/testing/strict.py"]
    for space, module in _SPACES.items():
        found = importlib.import_module(module)
        lines.append(" ".join([space or "cupy", *sorted(n for n in dir(found) if not n.startswith("_"))]))
    ufuncs = {n: f for n, f in inspect.getmembers(cupy) if isinstance(f, cupy.ufunc)}
    letter = np.dtype(bfloat16).char
    lines.append(" ".join(["bfloat16", *(n for n, f in ufuncs.items() if any(t[0] == letter for t in f.types))]))
    methods = [n for n, _ in inspect.getmembers(cupy.ndarray) if not n.startswith("_")]
    lines.append(" ".join(["ndarray", *sorted(methods)]))
    _FILE.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    write_names()
