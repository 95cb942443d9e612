"""What Tensor can do: operations as methods, operators, and methods that write in place.

Every public function (of `__all__`) of the families below whose first parameter is named `x` is a method.
"""

from __future__ import annotations

import inspect

import numpy as np

from .. import dtype as dtypes
from ..autograd.views import in_place, reshaping, write
from ..device import CPU
from ..device import device as find_device
from ..tensor import Tensor, wrap
from . import (
    activation,
    creation,
    decompose,
    elementwise,
    linalg,
    order,
    pinning,
    random,
    reduce,
    scan,
    shape,
    statistics,
    strided,
)
from . import index as indexing
from .aliases import taking_numpys_names

FAMILIES = (elementwise, reduce, scan, order, shape, indexing, linalg, random, activation, decompose, statistics)

# methods that write in place: NAME_ overwrites the tensor with what NAME gives
IN_PLACE = """
abs acos acosh add addbmm addcdiv addcmul addmm addmv addr arccos arccosh arcsin arcsinh arctan arctanh asin asinh
atan atan2 atanh baddbmm bitwise_and bitwise_not bitwise_or bitwise_xor ceil clamp clamp_max clamp_min clip copysign
cos cosh cumprod cumsum deg2rad digamma div divide eq erf erfc erfinv exp exp2 expm1 fix float_power floor
floor_divide fmod frac ge gt hypot index_add index_copy index_fill index_put ldexp le lerp lgamma log log10 log1p log2
logical_and logical_not logical_or logical_xor logit lt masked_fill masked_scatter mul multiply nan_to_num ne neg
negative pow rad2deg reciprocal relu remainder round rsqrt scatter scatter_add scatter_reduce sgn sigmoid sign sin
sinc sinh sqrt square sub subtract tan tanh tril triu true_divide trunc xlogy
""".split()

RESHAPING = "as_strided squeeze swapaxes swapdims t transpose unsqueeze".split()  # NAME_: the same for shapes

# operator -> function; with other=True the reflected operator exists too
BINARY = {
    "add": elementwise.add, "sub": elementwise.sub, "mul": elementwise.mul, "truediv": elementwise.true_divide,
    "floordiv": elementwise.floor_divide, "mod": elementwise.remainder, "pow": elementwise.pow,
    "matmul": linalg.matmul, "and": elementwise.bitwise_and, "or": elementwise.bitwise_or,
    "xor": elementwise.bitwise_xor, "lshift": elementwise.bitwise_left_shift,
    "rshift": elementwise.bitwise_right_shift,
}  # fmt: skip
COMPARE = ("eq", "ne", "lt", "le", "gt", "ge")
_OPERANDS = (Tensor, int, float, np.ndarray, np.generic)


def _operator(function, reflected=False):
    def method(self, other):
        if isinstance(other, _OPERANDS) or hasattr(other, "__cuda_array_interface__"):
            return function(self, other)
        return NotImplemented

    def reflected_method(self, other):
        return function(other, self) if isinstance(other, _OPERANDS) else NotImplemented

    return reflected_method if reflected else method


def _attach():
    for family in FAMILIES:
        for name in family.__all__:
            function = getattr(family, name)
            code = getattr(inspect.unwrap(function), "__code__", None)
            if code and code.co_argcount and code.co_varnames[0] == "x" and name not in vars(Tensor):
                setattr(Tensor, name, taking_numpys_names(function))
    for name, function in BINARY.items():
        setattr(Tensor, f"__{name}__", _operator(function))
        setattr(Tensor, f"__r{name}__", _operator(function, reflected=True))
        setattr(Tensor, f"__i{name}__", in_place(function, f"__i{name}__"))
    for name in COMPARE:
        setattr(Tensor, f"__{name}__", _operator(getattr(elementwise, name)))
    for name in IN_PLACE:
        if hasattr(Tensor, name):
            setattr(Tensor, f"{name}_", in_place(getattr(Tensor, name), f"{name}_"))
    for name in RESHAPING:
        setattr(Tensor, f"{name}_", reshaping(getattr(Tensor, name), f"{name}_"))
    Tensor.__neg__, Tensor.__abs__, Tensor.__invert__ = elementwise.neg, elementwise.abs, elementwise.bitwise_not
    Tensor.__pos__ = elementwise.positive
    Tensor.__hash__ = object.__hash__
    for function in _METHODS:
        setattr(Tensor, function.__name__, function)
    for name, function in _PROPERTIES.items():
        setattr(Tensor, name, property(function))


# ---------------------------------------------------------------- type and place
def to(self, *args, device=None, dtype=None, non_blocking: bool = False, copy: bool = False) -> Tensor:
    """The tensor on another device or with another type: to('cuda'), to(tinydl.float64), to(other), to(device, dtype).

    The tensor itself where nothing changes and copy is False.  non_blocking: from the CPU to a GPU, go on while the
    copy is under way; a tensor in pinned memory must not be written to until the stream has been synchronized.  To the
    CPU it waits, as nothing could tell an early reader that the values have not arrived.
    """
    flags = iter([a for a in args if isinstance(a, bool)])
    non_blocking, copy = next(flags, non_blocking), next(flags, copy)
    for a in args:
        if isinstance(a, Tensor):
            device, dtype = a.device, a.dtype
        elif isinstance(a, np.dtype) or (isinstance(a, type) and not isinstance(a, str)):
            dtype = a
        elif isinstance(a, bool):
            continue
        elif isinstance(a, str) and a in dtypes.__dict__ and isinstance(getattr(dtypes, a), np.dtype):
            dtype = a
        elif a is not None:
            device = a
    x = self
    if dtype is not None and x.dtype != dtypes.as_dtype(dtype):
        x = elementwise.cast(x, dtypes.as_dtype(dtype))
    if device is not None and find_device(device) is not x.device:
        x = elementwise.to_device(x, find_device(device), non_blocking)
    return elementwise.clone(x) if copy and x is self else x


def cpu(self) -> Tensor:
    """The tensor on the CPU."""
    return self.to("cpu")


def cuda(self, device=None, non_blocking: bool = False) -> Tensor:
    """The tensor on the GPU; non_blocking as in `to`."""
    return self.to("cuda" if device is None else device, non_blocking=non_blocking)


def type_as(self, other: Tensor) -> Tensor:
    """The tensor with the type and on the device of `other`."""
    return self.to(other)


def _converter(name, dtype):
    def convert(self) -> Tensor:
        return self.to(dtype)

    convert.__name__, convert.__doc__ = name, f"The tensor as {dtype.name}."
    return convert


# ---------------------------------------------------------------- writing
def copy_(self, source, non_blocking: bool = False) -> Tensor:
    """In place: the elements of `source`, which must broadcast to this shape, in this tensor's type.

    non_blocking: go on while the copy from the CPU to a GPU, or from a GPU to pinned memory, is under way; neither
    tensor may be used on the CPU until the stream, or an event recorded behind the copy, has been synchronized.
    """
    source = source if isinstance(source, Tensor) else creation.as_tensor(source)
    if source.device is not self.device:
        if non_blocking and pinning.takes_copies(self, source):
            source.device.to_host(source.array, out=self.array)
            self._wrote("copy_")
            return self
        source = source.to(self.device, non_blocking=non_blocking)

    def compute(x):
        value = source if source.dtype == x.dtype else elementwise.cast(source, x.dtype)
        return elementwise.overwritten(x, value)

    return write(self, "copy_", compute, ("overwritten",), (source,))


def fill_(self, value) -> Tensor:
    """In place: `value` (a number or a 0-d tensor) in every element."""
    if isinstance(value, Tensor) and value.ndim:
        raise RuntimeError(f"fill_: expected a number or a 0-d tensor, got shape {tuple(value.shape)}")
    given = value if isinstance(value, Tensor) else wrap(self.device.xp.full((), value, self.dtype))
    number = given if given is not value else given.to(self.device, self.dtype)
    return write(self, "fill_", lambda x: elementwise.overwritten(x, number), ("overwritten",), (given,))


def zero_(self) -> Tensor:
    """In place: 0 in every element."""
    return self.fill_(0)


def fill_diagonal_(self, value) -> Tensor:
    """In place: `value` on the main diagonal of a matrix."""
    self.diagonal().fill_(value)
    return self


def __setitem__(self, index, value):
    indexing.set_item(self, index, value)


# ---------------------------------------------------------------- Python's protocols
def __bool__(self):
    if self.array.size != 1:
        raise RuntimeError(
            f"bool: a tensor of shape {tuple(self.shape)} is neither true nor false; use .any() or .all()"
        )
    return bool(self.array)


def __len__(self):
    if not self.array.ndim:
        raise TypeError("len: a 0-d tensor has no length")
    return self.array.shape[0]


def __iter__(self):
    if not self.array.ndim:
        raise TypeError("iter: a 0-d tensor cannot be iterated over")
    return iter(shape.unbind(self))


def __contains__(self, value):
    return bool((self == value).array.any())


def __float__(self):
    return float(self.item())


def __int__(self):
    return int(self.item())


def __index__(self):
    if dtypes.is_floating(self.dtype) or self.array.size != 1:
        raise TypeError(f"index: only an integer tensor with one element, got {self.dtype} {tuple(self.shape)}")
    return int(self.item())


def __format__(self, spec):
    return format(self.item(), spec) if spec and not self.array.ndim else str(self)


def __repr__(self):
    from ..printing import describe

    return describe(self)


def __array__(self, dtype=None, copy=None):
    array = self.numpy()
    if dtype is not None and array.dtype != dtype:
        if copy is False:
            raise ValueError(f"array: {array.dtype} cannot be seen as {np.dtype(dtype)} without a copy")
        return array.astype(dtype)
    return array.copy() if copy else array


def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
    from ..numpy_protocol import call_ufunc

    return call_ufunc(ufunc, method, inputs, kwargs)


def __array_function__(self, function, types, args, kwargs):
    from ..numpy_protocol import call_function

    return call_function(function, args, kwargs)


def __dlpack__(self, **kwargs):
    if self.requires_grad:
        raise BufferError("dlpack: this tensor requires grad; export .detach()")
    if self.dtype == dtypes.bfloat16 and self.device is CPU:
        raise BufferError(
            "dlpack: NumPy cannot give bfloat16 by DLPack; go by its bits. To PyTorch: "
            "torch.from_numpy(x.numpy().view('int16')).view(torch.bfloat16)"
        )
    return self.array.__dlpack__(**kwargs)


def __dlpack_device__(self):
    return self.array.__dlpack_device__()


def __copy__(self):
    t = wrap(self.array)
    t.__dict__.update(self.__dict__)
    t._retained = None
    if self.is_leaf and self.requires_grad:  # a leaf of its own, or gradients would go to the original
        t._edge = None
        t.requires_grad_()
    return t


def __deepcopy__(self, memo):
    if not self.is_leaf:
        raise RuntimeError("deepcopy: only leaves can be copied deeply, this tensor was computed; use .detach()")
    t = wrap(self.array.copy())
    t.__class__ = type(self)
    memo[id(self)] = t
    t.__dict__.update({k: v for k, v in self.__dict__.items() if not k.startswith("_") and k != "array"})
    if self.requires_grad:
        t.requires_grad_()
    if self.grad is not None:
        t.grad = self.grad.detach().clone()
    return t


def __reduce__(self):
    if not self.is_leaf:
        raise RuntimeError("pickle: only leaves can be pickled, this tensor was computed; use .detach()")
    return _rebuild, (type(self), self.device.to_host(self.array), str(self.device), self.requires_grad)


def _rebuild(kind, array, device, requires_grad):
    t = wrap(find_device(device).array(array))
    t.__class__ = kind
    return t.requires_grad_() if requires_grad else t


def new_tensor(self, data, *, dtype=None, device=None, requires_grad=False) -> Tensor:
    """A tensor of `data` with this tensor's type and device."""
    return creation.tensor(data, dtype=dtype or self.dtype, device=device or self.device, requires_grad=requires_grad)


def new_zeros(self, *size, dtype=None, device=None, requires_grad=False) -> Tensor:
    """Zeros with this tensor's type and device."""
    return creation.zeros(*size, dtype=dtype or self.dtype, device=device or self.device, requires_grad=requires_grad)


def new_ones(self, *size, dtype=None, device=None, requires_grad=False) -> Tensor:
    """Ones with this tensor's type and device."""
    return creation.ones(*size, dtype=dtype or self.dtype, device=device or self.device, requires_grad=requires_grad)


def new_empty(self, *size, dtype=None, device=None, requires_grad=False) -> Tensor:
    """Memory as it is, with this tensor's type and device."""
    return creation.empty(*size, dtype=dtype or self.dtype, device=device or self.device, requires_grad=requires_grad)


def new_full(self, size, fill_value, *, dtype=None, device=None, requires_grad=False) -> Tensor:
    """`fill_value` everywhere, with this tensor's type and device."""
    return creation.full(
        size, fill_value, dtype=dtype or self.dtype, device=device or self.device, requires_grad=requires_grad
    )


_METHODS = [
    strided.resize_, strided.resize_as_, to, cpu, cuda, type_as, pinning.pin_memory, pinning.is_pinned,
    copy_, fill_, zero_, fill_diagonal_, new_tensor, new_zeros, new_ones, new_empty, new_full,
    __setitem__, __bool__, __len__, __iter__, __contains__, __float__, __int__, __index__, __format__, __repr__,
    __array__, __array_ufunc__, __array_function__, __dlpack__, __dlpack_device__, __copy__, __deepcopy__, __reduce__,
    *(_converter(n, d) for n, d in {
        "half": dtypes.float16, "bfloat16": dtypes.bfloat16, "float": dtypes.float32, "double": dtypes.float64,
        "byte": dtypes.uint8,
        "char": dtypes.int8, "short": dtypes.int16, "int": dtypes.int32, "long": dtypes.int64, "bool": dtypes.bool_,
    }.items()),
]  # fmt: skip
_PROPERTIES = {
    "T": lambda self: shape.permute(self, *range(self.ndim)[::-1]),
    "mT": lambda self: shape.transpose(self, -2, -1),
}
Tensor.__getitem__ = lambda self, index: indexing.get_item(self, index)
_attach()
