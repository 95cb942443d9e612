"""Tensor and the operations attached to it; written by tools/make_stubs.py."""

from builtins import bool as _bool
from builtins import complex as _complex
from builtins import float as _float
from builtins import int as _int
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from .device import Device


class Storage:
    """What tensors on the same memory share: how often it was written, and by whom last."""

    def where(self): ...
    def written(self, name, frame=...):
        """Count a write by `name`; the first caller outside the package is remembered for messages."""


class Tensor:
    """A multi-dimensional array that can take part in differentiation."""

    array: Any
    __hash__: Any
    @property
    def T(self) -> Tensor: ...
    def __abs__(self) -> Tensor:
        """|x|; its slope at 0 is 0.  x: any shape -> same shape."""
    def __add__(self, other) -> Tensor: ...
    def __and__(self, other) -> Tensor: ...
    def __array__(self, dtype=..., copy=...) -> np.ndarray: ...
    def __array_function__(self, function, types, args, kwargs) -> Tensor: ...
    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs) -> Any: ...
    def __bool__(self) -> _bool: ...
    def __contains__(self, value) -> _bool: ...
    def __copy__(self) -> Tensor: ...
    def __deepcopy__(self, memo) -> Tensor: ...
    def __dlpack__(self, **kwargs) -> Any: ...
    def __dlpack_device__(self) -> tuple[_int, _int]: ...
    def __eq__(self, other) -> Tensor: ...  # type: ignore[override]
    def __float__(self) -> _float: ...
    def __floordiv__(self, other) -> Tensor: ...
    def __format__(self, spec) -> str: ...
    def __ge__(self, other) -> Tensor: ...
    def __getitem__(self, index) -> Tensor: ...
    def __gt__(self, other) -> Tensor: ...
    def __iadd__(self, other) -> Tensor:
        """In place: the tensor becomes `add` of it.  Returns the tensor."""
    def __iand__(self, other) -> Tensor:
        """In place: the tensor becomes `bitwise_and` of it.  Returns the tensor."""
    def __ifloordiv__(self, other) -> Tensor:
        """In place: the tensor becomes `floor_divide` of it.  Returns the tensor."""
    def __ilshift__(self, other) -> Tensor:
        """In place: the tensor becomes `bitwise_left_shift` of it.  Returns the tensor."""
    def __imatmul__(self, other) -> Tensor:
        """In place: the tensor becomes `matmul` of it.  Returns the tensor."""
    def __imod__(self, other) -> Tensor:
        """In place: the tensor becomes `remainder` of it.  Returns the tensor."""
    def __imul__(self, other) -> Tensor:
        """In place: the tensor becomes `mul` of it.  Returns the tensor."""
    def __index__(self) -> _int: ...
    def __init__(self, array, requires_grad: _bool = ...) -> None: ...
    def __int__(self) -> _int: ...
    def __invert__(self) -> Tensor:
        """Every bit turned over; of bool, the negation.  Integer or bool."""
    def __ior__(self, other) -> Tensor:
        """In place: the tensor becomes `bitwise_or` of it.  Returns the tensor."""
    def __ipow__(self, other) -> Tensor:
        """In place: the tensor becomes `pow` of it.  Returns the tensor."""
    def __irshift__(self, other) -> Tensor:
        """In place: the tensor becomes `bitwise_right_shift` of it.  Returns the tensor."""
    def __isub__(self, other) -> Tensor:
        """In place: the tensor becomes `sub` of it.  Returns the tensor."""
    def __iter__(self) -> Iterator[Tensor]: ...
    def __itruediv__(self, other) -> Tensor:
        """In place: the tensor becomes `true_divide` of it.  Returns the tensor."""
    def __ixor__(self, other) -> Tensor:
        """In place: the tensor becomes `bitwise_xor` of it.  Returns the tensor."""
    def __le__(self, other) -> Tensor: ...
    def __len__(self) -> _int: ...
    def __lshift__(self, other) -> Tensor: ...
    def __lt__(self, other) -> Tensor: ...
    def __matmul__(self, other) -> Tensor: ...
    def __mod__(self, other) -> Tensor: ...
    def __mul__(self, other) -> Tensor: ...
    def __ne__(self, other) -> Tensor: ...  # type: ignore[override]
    def __neg__(self) -> Tensor:
        """-x.  x: any shape -> same shape."""
    def __or__(self, other) -> Tensor: ...
    def __pos__(self) -> Tensor:
        """+x.  x: any shape -> same shape."""
    def __pow__(self, other) -> Tensor: ...
    def __radd__(self, other) -> Tensor: ...
    def __rand__(self, other) -> Tensor: ...
    def __reduce__(self) -> tuple: ...
    def __repr__(self) -> str: ...
    def __rfloordiv__(self, other) -> Tensor: ...
    def __rlshift__(self, other) -> Tensor: ...
    def __rmatmul__(self, other) -> Tensor: ...
    def __rmod__(self, other) -> Tensor: ...
    def __rmul__(self, other) -> Tensor: ...
    def __ror__(self, other) -> Tensor: ...
    def __rpow__(self, other) -> Tensor: ...
    def __rrshift__(self, other) -> Tensor: ...
    def __rshift__(self, other) -> Tensor: ...
    def __rsub__(self, other) -> Tensor: ...
    def __rtruediv__(self, other) -> Tensor: ...
    def __rxor__(self, other) -> Tensor: ...
    def __setitem__(self, index, value) -> None: ...
    def __sub__(self, other) -> Tensor: ...
    def __truediv__(self, other) -> Tensor: ...
    def __xor__(self, other) -> Tensor: ...
    def abs(self) -> Tensor:
        """|x|; its slope at 0 is 0.  x: any shape -> same shape."""
    def abs_(self) -> Tensor:
        """In place: the tensor becomes `abs` of it.  Returns the tensor."""
    def absolute(self) -> Tensor:
        """|x|; its slope at 0 is 0.  x: any shape -> same shape."""
    def acos(self) -> Tensor:
        """Inverse cosine.  x: any shape -> same shape."""
    def acos_(self) -> Tensor:
        """In place: the tensor becomes `acos` of it.  Returns the tensor."""
    def acosh(self) -> Tensor:
        """Inverse hyperbolic cosine.  x: any shape -> same shape."""
    def acosh_(self) -> Tensor:
        """In place: the tensor becomes `acosh` of it.  Returns the tensor."""
    def add(self, other: Tensor | _complex, *, alpha=...) -> Tensor:
        """x + alpha * other.  Shapes that broadcast -> the broadcast shape."""
    def add_(self, other: Tensor | _complex, *, alpha=...) -> Tensor:
        """In place: the tensor becomes `add` of it.  Returns the tensor."""
    def addcdiv(self, tensor1, tensor2, *, value=...):
        """x + value * tensor1 / tensor2."""
    def addcdiv_(self, tensor1, tensor2, *, value=...) -> Tensor:
        """In place: the tensor becomes `addcdiv` of it.  Returns the tensor."""
    def addcmul(self, tensor1, tensor2, *, value=...):
        """x + value * tensor1 * tensor2."""
    def addcmul_(self, tensor1, tensor2, *, value=...) -> Tensor:
        """In place: the tensor becomes `addcmul` of it.  Returns the tensor."""
    def allclose(self, other, rtol=..., atol=..., equal_nan=...) -> _bool:
        """Whether all elements are close, as `isclose` says."""
    def arccos(self) -> Tensor:
        """Inverse cosine.  x: any shape -> same shape."""
    def arccos_(self) -> Tensor:
        """In place: the tensor becomes `acos` of it.  Returns the tensor."""
    def arccosh(self) -> Tensor:
        """Inverse hyperbolic cosine.  x: any shape -> same shape."""
    def arccosh_(self) -> Tensor:
        """In place: the tensor becomes `acosh` of it.  Returns the tensor."""
    def arcsin(self) -> Tensor:
        """Inverse sine.  x: any shape -> same shape."""
    def arcsin_(self) -> Tensor:
        """In place: the tensor becomes `asin` of it.  Returns the tensor."""
    def arcsinh(self) -> Tensor:
        """Inverse hyperbolic sine.  x: any shape -> same shape."""
    def arcsinh_(self) -> Tensor:
        """In place: the tensor becomes `asinh` of it.  Returns the tensor."""
    def arctan(self) -> Tensor:
        """Inverse tangent.  x: any shape -> same shape."""
    def arctan2(self, other: Tensor | _complex) -> Tensor:
        """Angle of the point (other, x).  Shapes that broadcast -> the broadcast shape."""
    def arctan_(self) -> Tensor:
        """In place: the tensor becomes `atan` of it.  Returns the tensor."""
    def arctanh(self) -> Tensor:
        """Inverse hyperbolic tangent.  x: any shape -> same shape."""
    def arctanh_(self) -> Tensor:
        """In place: the tensor becomes `atanh` of it.  Returns the tensor."""
    def asin(self) -> Tensor:
        """Inverse sine.  x: any shape -> same shape."""
    def asin_(self) -> Tensor:
        """In place: the tensor becomes `asin` of it.  Returns the tensor."""
    def asinh(self) -> Tensor:
        """Inverse hyperbolic sine.  x: any shape -> same shape."""
    def asinh_(self) -> Tensor:
        """In place: the tensor becomes `asinh` of it.  Returns the tensor."""
    def atan(self) -> Tensor:
        """Inverse tangent.  x: any shape -> same shape."""
    def atan2(self, other: Tensor | _complex) -> Tensor:
        """Angle of the point (other, x).  Shapes that broadcast -> the broadcast shape."""
    def atan2_(self, other: Tensor | _complex) -> Tensor:
        """In place: the tensor becomes `atan2` of it.  Returns the tensor."""
    def atan_(self) -> Tensor:
        """In place: the tensor becomes `atan` of it.  Returns the tensor."""
    def atanh(self) -> Tensor:
        """Inverse hyperbolic tangent.  x: any shape -> same shape."""
    def atanh_(self) -> Tensor:
        """In place: the tensor becomes `atanh` of it.  Returns the tensor."""
    def backward(self, gradient=..., retain_graph=..., create_graph: _bool = ..., inputs=...) -> None:
        """Add the gradient of this tensor to `grad` of every leaf (or of `inputs`) it depends on."""
    def bitwise_and(self, other: Tensor | _complex) -> Tensor:
        """Bits set in both.  Integer or bool; shapes that broadcast."""
    def bitwise_and_(self, other: Tensor | _complex) -> Tensor:
        """In place: the tensor becomes `bitwise_and` of it.  Returns the tensor."""
    def bitwise_left_shift(self, other: Tensor | _complex) -> Tensor:
        """x times 2 ** other.  Integer or bool; shapes that broadcast."""
    def bitwise_not(self) -> Tensor:
        """Every bit turned over; of bool, the negation.  Integer or bool."""
    def bitwise_not_(self) -> Tensor:
        """In place: the tensor becomes `bitwise_not` of it.  Returns the tensor."""
    def bitwise_or(self, other: Tensor | _complex) -> Tensor:
        """Bits set in either.  Integer or bool; shapes that broadcast."""
    def bitwise_or_(self, other: Tensor | _complex) -> Tensor:
        """In place: the tensor becomes `bitwise_or` of it.  Returns the tensor."""
    def bitwise_right_shift(self, other: Tensor | _complex) -> Tensor:
        """x divided by 2 ** other, rounded down.  Integer or bool; shapes that broadcast."""
    def bitwise_xor(self, other: Tensor | _complex) -> Tensor:
        """Bits set in exactly one.  Integer or bool; shapes that broadcast."""
    def bitwise_xor_(self, other: Tensor | _complex) -> Tensor:
        """In place: the tensor becomes `bitwise_xor` of it.  Returns the tensor."""
    def bool(self) -> Tensor:
        """The tensor as bool."""
    def byte(self) -> Tensor:
        """The tensor as uint8."""
    def ceil(self) -> Tensor:
        """The smallest integer not below x.  Integers stay as they are.  x: any shape -> same shape."""
    def ceil_(self) -> Tensor:
        """In place: the tensor becomes `ceil` of it.  Returns the tensor."""
    def char(self) -> Tensor:
        """The tensor as int8."""
    def clamp(self, min=..., max=...):
        """x held between `min` and `max` (numbers or tensors; None: no limit).  Outside, the gradient is 0."""
    def clamp_(self, min=..., max=...) -> Tensor:
        """In place: the tensor becomes `clamp` of it.  Returns the tensor."""
    def clamp_max(self, max):
        """x, but not above `max`."""
    def clamp_max_(self, max) -> Tensor:
        """In place: the tensor becomes `clamp_max` of it.  Returns the tensor."""
    def clamp_min(self, min):
        """x, but not below `min`."""
    def clamp_min_(self, min) -> Tensor:
        """In place: the tensor becomes `clamp_min` of it.  Returns the tensor."""
    def clip(self, min=..., max=...):
        """x held between `min` and `max` (numbers or tensors; None: no limit).  Outside, the gradient is 0."""
    def clip_(self, min=..., max=...) -> Tensor:
        """In place: the tensor becomes `clamp` of it.  Returns the tensor."""
    def clone(self) -> Tensor:
        """A copy of x in memory of its own.  x: any shape -> same shape."""
    def copy_(self, source, non_blocking: _bool = ...) -> Tensor:
        """In place: the elements of `source`, which must broadcast to this shape, in this tensor's type."""
    def copysign(self, other: Tensor | _complex) -> Tensor:
        """|x| with the sign of `other`.  Shapes that broadcast -> the broadcast shape."""
    def copysign_(self, other: Tensor | _complex) -> Tensor:
        """In place: the tensor becomes `copysign` of it.  Returns the tensor."""
    def cos(self) -> Tensor:
        """Cosine.  x: any shape -> same shape."""
    def cos_(self) -> Tensor:
        """In place: the tensor becomes `cos` of it.  Returns the tensor."""
    def cosh(self) -> Tensor:
        """Hyperbolic cosine.  x: any shape -> same shape."""
    def cosh_(self) -> Tensor:
        """In place: the tensor becomes `cosh` of it.  Returns the tensor."""
    def cpu(self) -> Tensor:
        """The tensor on the CPU."""
    def cuda(self, device=..., non_blocking: _bool = ...) -> Tensor:
        """The tensor on the GPU."""
    @property
    def data(self) -> Tensor:
        """The tensor's values outside the graph (`detach`); assigning replaces the array."""
    @data.setter
    def data(self, value: Any) -> None: ...
    def detach(self) -> Tensor:
        """The same memory outside the graph.  Writes to it are seen by both, and by version checks."""
    def detach_(self) -> Tensor:
        """Take this tensor out of the graph, in place."""
    @property
    def device(self):
        """Where the array lies: cpu or cuda."""
    def digamma(self) -> Tensor:
        """Derivative of lgamma.  x: any shape -> same shape."""
    def digamma_(self) -> Tensor:
        """In place: the tensor becomes `digamma` of it.  Returns the tensor."""
    def dim(self) -> _int:
        """Number of dimensions."""
    def div(self, other, *, rounding_mode=...):
        """x / other; rounding_mode None (true quotient), 'floor' or 'trunc'."""
    def div_(self, other, *, rounding_mode=...) -> Tensor:
        """In place: the tensor becomes `div` of it.  Returns the tensor."""
    def divide(self, other, *, rounding_mode=...):
        """x / other; rounding_mode None (true quotient), 'floor' or 'trunc'."""
    def divide_(self, other, *, rounding_mode=...) -> Tensor:
        """In place: the tensor becomes `div` of it.  Returns the tensor."""
    def double(self) -> Tensor:
        """The tensor as float64."""
    @property
    def dtype(self) -> np.dtype:
        """Type of the elements."""
    def edge(self):
        """The (node, slot) that made this tensor, or None; of a stale view, recorded anew."""
    def element_size(self) -> _int:
        """Bytes of one element."""
    def eq(self, other: Tensor | _complex) -> Tensor:
        """x equals other.  -> bool, of the broadcast shape."""
    def eq_(self, other: Tensor | _complex) -> Tensor:
        """In place: the tensor becomes `eq` of it.  Returns the tensor."""
    def equal(self, other) -> _bool:
        """Whether both tensors have the same shape and the same elements."""
    def erf(self) -> Tensor:
        """Error function.  x: any shape -> same shape."""
    def erf_(self) -> Tensor:
        """In place: the tensor becomes `erf` of it.  Returns the tensor."""
    def erfc(self) -> Tensor:
        """1 - erf(x), accurate for large x.  x: any shape -> same shape."""
    def erfc_(self) -> Tensor:
        """In place: the tensor becomes `erfc` of it.  Returns the tensor."""
    def erfinv(self) -> Tensor:
        """Inverse error function.  x: any shape -> same shape."""
    def erfinv_(self) -> Tensor:
        """In place: the tensor becomes `erfinv` of it.  Returns the tensor."""
    def exp(self) -> Tensor:
        """e to the power x.  x: any shape -> same shape."""
    def exp2(self) -> Tensor:
        """2 to the power x.  x: any shape -> same shape."""
    def exp2_(self) -> Tensor:
        """In place: the tensor becomes `exp2` of it.  Returns the tensor."""
    def exp_(self) -> Tensor:
        """In place: the tensor becomes `exp` of it.  Returns the tensor."""
    def expand(self, *sizes):
        """x repeated without copying: dimensions of size 1 take any size, -1 keeps one, new ones come in front."""
    def expm1(self) -> Tensor:
        """exp(x) - 1, accurate near 0.  x: any shape -> same shape."""
    def expm1_(self) -> Tensor:
        """In place: the tensor becomes `expm1` of it.  Returns the tensor."""
    def fill_(self, value) -> Tensor:
        """In place: `value` (a number or a 0-d tensor) in every element."""
    def fill_diagonal_(self, value) -> Tensor:
        """In place: `value` on the main diagonal of a matrix."""
    def fix(self) -> Tensor:
        """x without its fraction.  Integers stay as they are.  x: any shape -> same shape."""
    def fix_(self) -> Tensor:
        """In place: the tensor becomes `trunc` of it.  Returns the tensor."""
    def float(self) -> Tensor:
        """The tensor as float32."""
    def float_power(self, exponent):
        """x ** exponent computed in float64."""
    def float_power_(self, exponent) -> Tensor:
        """In place: the tensor becomes `float_power` of it.  Returns the tensor."""
    def floor(self) -> Tensor:
        """The largest integer not above x.  Integers stay as they are.  x: any shape -> same shape."""
    def floor_(self) -> Tensor:
        """In place: the tensor becomes `floor` of it.  Returns the tensor."""
    def floor_divide(self, other: Tensor | _complex) -> Tensor:
        """Quotient rounded down.  x, other: shapes that broadcast -> the broadcast shape."""
    def floor_divide_(self, other: Tensor | _complex) -> Tensor:
        """In place: the tensor becomes `floor_divide` of it.  Returns the tensor."""
    def fmax(self, other: Tensor | _complex) -> Tensor:
        """The larger, or the one that is not NaN; where equal, the gradient goes to x."""
    def fmin(self, other: Tensor | _complex) -> Tensor:
        """The smaller, or the one that is not NaN; where equal, the gradient goes to x."""
    def fmod(self, other: Tensor | _complex) -> Tensor:
        """Remainder with the dividend's sign: x - other * trunc(x / other)."""
    def fmod_(self, other: Tensor | _complex) -> Tensor:
        """In place: the tensor becomes `fmod` of it.  Returns the tensor."""
    def frac(self):
        """x - trunc(x).  x: any shape -> same shape."""
    def frac_(self) -> Tensor:
        """In place: the tensor becomes `frac` of it.  Returns the tensor."""
    def ge(self, other: Tensor | _complex) -> Tensor:
        """x is at least other.  -> bool, of the broadcast shape."""
    def ge_(self, other: Tensor | _complex) -> Tensor:
        """In place: the tensor becomes `ge` of it.  Returns the tensor."""
    @property
    def grad(self) -> Tensor | None:
        """The gradient that `backward` has added up here."""
    @grad.setter
    def grad(self, value: Any) -> None: ...
    @property
    def grad_fn(self):
        """The node of the graph that made this tensor; None for a leaf."""
    def greater(self, other: Tensor | _complex) -> Tensor:
        """x is greater than other.  -> bool, of the broadcast shape."""
    def greater_equal(self, other: Tensor | _complex) -> Tensor:
        """x is at least other.  -> bool, of the broadcast shape."""
    def gt(self, other: Tensor | _complex) -> Tensor:
        """x is greater than other.  -> bool, of the broadcast shape."""
    def gt_(self, other: Tensor | _complex) -> Tensor:
        """In place: the tensor becomes `gt` of it.  Returns the tensor."""
    def half(self) -> Tensor:
        """The tensor as float16."""
    def hypot(self, other: Tensor | _complex) -> Tensor:
        """sqrt(x^2 + other^2).  Shapes that broadcast -> the broadcast shape."""
    def hypot_(self, other: Tensor | _complex) -> Tensor:
        """In place: the tensor becomes `hypot` of it.  Returns the tensor."""
    def int(self) -> Tensor:
        """The tensor as int32."""
    def is_contiguous(self) -> _bool:
        """Whether the elements lie in memory one after another, last index fastest."""
    @property
    def is_cuda(self) -> _bool:
        """Whether the array lies on a GPU."""
    def is_floating_point(self) -> _bool:
        """Whether the elements are floating-point numbers."""
    @property
    def is_leaf(self) -> _bool:
        """Whether it was made by the user rather than computed from tensors that require grad."""
    def isclose(self, other, rtol=..., atol=..., equal_nan=...):
        """|x - other| <= atol + rtol |other|, elementwise."""
    def isfinite(self) -> Tensor:
        """x is neither infinite nor NaN.  -> bool, of the broadcast shape."""
    def isinf(self) -> Tensor:
        """x is infinite.  -> bool, of the broadcast shape."""
    def isnan(self) -> Tensor:
        """x is NaN.  -> bool, of the broadcast shape."""
    def item(self):
        """The only element, as a Python number."""
    @property
    def itemsize(self) -> _int:
        """Bytes of one element."""
    def ldexp(self, other):
        """x * 2 ** other.  Shapes that broadcast -> the broadcast shape."""
    def ldexp_(self, other) -> Tensor:
        """In place: the tensor becomes `ldexp` of it.  Returns the tensor."""
    def le(self, other: Tensor | _complex) -> Tensor:
        """x is at most other.  -> bool, of the broadcast shape."""
    def le_(self, other: Tensor | _complex) -> Tensor:
        """In place: the tensor becomes `le` of it.  Returns the tensor."""
    def lerp(self, end, weight):
        """x + weight * (end - x): weight 0 gives x, 1 gives end."""
    def lerp_(self, end, weight) -> Tensor:
        """In place: the tensor becomes `lerp` of it.  Returns the tensor."""
    def less(self, other: Tensor | _complex) -> Tensor:
        """x is less than other.  -> bool, of the broadcast shape."""
    def less_equal(self, other: Tensor | _complex) -> Tensor:
        """x is at most other.  -> bool, of the broadcast shape."""
    def lgamma(self) -> Tensor:
        """Logarithm of |gamma(x)|.  x: any shape -> same shape."""
    def lgamma_(self) -> Tensor:
        """In place: the tensor becomes `lgamma` of it.  Returns the tensor."""
    def log(self) -> Tensor:
        """Natural logarithm.  x: any shape -> same shape."""
    def log10(self) -> Tensor:
        """Logarithm to base 10.  x: any shape -> same shape."""
    def log10_(self) -> Tensor:
        """In place: the tensor becomes `log10` of it.  Returns the tensor."""
    def log1p(self) -> Tensor:
        """log(1 + x), accurate near 0.  x: any shape -> same shape."""
    def log1p_(self) -> Tensor:
        """In place: the tensor becomes `log1p` of it.  Returns the tensor."""
    def log2(self) -> Tensor:
        """Logarithm to base 2.  x: any shape -> same shape."""
    def log2_(self) -> Tensor:
        """In place: the tensor becomes `log2` of it.  Returns the tensor."""
    def log_(self) -> Tensor:
        """In place: the tensor becomes `log` of it.  Returns the tensor."""
    def logaddexp(self, other: Tensor | _complex) -> Tensor:
        """log(exp(x) + exp(other)), without overflow.  Shapes that broadcast -> the broadcast shape."""
    def logical_and(self, other: Tensor | _complex) -> Tensor:
        """Both are not 0.  -> bool, of the broadcast shape."""
    def logical_and_(self, other: Tensor | _complex) -> Tensor:
        """In place: the tensor becomes `logical_and` of it.  Returns the tensor."""
    def logical_not(self) -> Tensor:
        """x is 0.  -> bool, of the broadcast shape."""
    def logical_not_(self) -> Tensor:
        """In place: the tensor becomes `logical_not` of it.  Returns the tensor."""
    def logical_or(self, other: Tensor | _complex) -> Tensor:
        """At least one is not 0.  -> bool, of the broadcast shape."""
    def logical_or_(self, other: Tensor | _complex) -> Tensor:
        """In place: the tensor becomes `logical_or` of it.  Returns the tensor."""
    def logical_xor(self, other: Tensor | _complex) -> Tensor:
        """Exactly one is not 0.  -> bool, of the broadcast shape."""
    def logical_xor_(self, other: Tensor | _complex) -> Tensor:
        """In place: the tensor becomes `logical_xor` of it.  Returns the tensor."""
    def logit(self, eps=...):
        """log(x / (1 - x)), x first clamped to [eps, 1 - eps] if eps is given."""
    def logit_(self, eps=...) -> Tensor:
        """In place: the tensor becomes `logit` of it.  Returns the tensor."""
    def long(self) -> Tensor:
        """The tensor as int64."""
    def lt(self, other: Tensor | _complex) -> Tensor:
        """x is less than other.  -> bool, of the broadcast shape."""
    def lt_(self, other: Tensor | _complex) -> Tensor:
        """In place: the tensor becomes `lt` of it.  Returns the tensor."""
    @property
    def mT(self): ...
    def maximum(self, other: Tensor | _complex) -> Tensor:
        """The larger, NaN if either is; where equal, each takes half of the gradient."""
    def mean(self, dim=..., keepdim=..., *, dtype=...):
        """Mean over `dim` (one, several, None for all) of a floating tensor."""
    def minimum(self, other: Tensor | _complex) -> Tensor:
        """The smaller, NaN if either is; where equal, each takes half of the gradient."""
    def mul(self, other: Tensor | _complex) -> Tensor:
        """Product.  x, other: shapes that broadcast -> the broadcast shape."""
    def mul_(self, other: Tensor | _complex) -> Tensor:
        """In place: the tensor becomes `mul` of it.  Returns the tensor."""
    def multiply(self, other: Tensor | _complex) -> Tensor:
        """Product.  x, other: shapes that broadcast -> the broadcast shape."""
    def multiply_(self, other: Tensor | _complex) -> Tensor:
        """In place: the tensor becomes `mul` of it.  Returns the tensor."""
    def nan_to_num(self, nan=..., posinf=..., neginf=...):
        """x with NaN and infinities replaced: by 0 and the type's largest and smallest number unless given."""
    def nan_to_num_(self, nan=..., posinf=..., neginf=...) -> Tensor:
        """In place: the tensor becomes `nan_to_num` of it.  Returns the tensor."""
    @property
    def nbytes(self) -> _int:
        """Bytes of all elements."""
    @property
    def ndim(self) -> _int:
        """Number of dimensions."""
    def ne(self, other: Tensor | _complex) -> Tensor:
        """x differs from other.  -> bool, of the broadcast shape."""
    def ne_(self, other: Tensor | _complex) -> Tensor:
        """In place: the tensor becomes `ne` of it.  Returns the tensor."""
    def neg(self) -> Tensor:
        """-x.  x: any shape -> same shape."""
    def neg_(self) -> Tensor:
        """In place: the tensor becomes `neg` of it.  Returns the tensor."""
    def negative(self) -> Tensor:
        """-x.  x: any shape -> same shape."""
    def negative_(self) -> Tensor:
        """In place: the tensor becomes `neg` of it.  Returns the tensor."""
    def new_empty(self, *size, dtype=..., device=..., requires_grad=...) -> Tensor:
        """Memory as it is, with this tensor's type and device."""
    def new_full(self, size, fill_value, *, dtype=..., device=..., requires_grad=...) -> Tensor:
        """`fill_value` everywhere, with this tensor's type and device."""
    def new_ones(self, *size, dtype=..., device=..., requires_grad=...) -> Tensor:
        """Ones with this tensor's type and device."""
    def new_tensor(self, data, *, dtype=..., device=..., requires_grad=...) -> Tensor:
        """A tensor of `data` with this tensor's type and device."""
    def new_zeros(self, *size, dtype=..., device=..., requires_grad=...) -> Tensor:
        """Zeros with this tensor's type and device."""
    def not_equal(self, other: Tensor | _complex) -> Tensor:
        """x differs from other.  -> bool, of the broadcast shape."""
    def numel(self) -> _int:
        """Number of elements."""
    def numpy(self, *, force: _bool = ...) -> np.ndarray:
        """The array itself, sharing memory.  Writes to it are not seen by version checks."""
    @property
    def output_nr(self) -> _int:
        """Which output of `grad_fn` it is."""
    def permute(self, *dims):
        """x with its dimensions in the order `dims`: a view."""
    def positive(self) -> Tensor:
        """+x.  x: any shape -> same shape."""
    def pow(self, exponent: Tensor | _complex) -> Tensor:
        """x to the power `exponent`; 0 to the power 0 is 1.  Shapes that broadcast -> the broadcast shape."""
    def pow_(self, exponent: Tensor | _complex) -> Tensor:
        """In place: the tensor becomes `pow` of it.  Returns the tensor."""
    def reciprocal(self) -> Tensor:
        """1 / x.  x: any shape -> same shape."""
    def reciprocal_(self) -> Tensor:
        """In place: the tensor becomes `reciprocal` of it.  Returns the tensor."""
    def register_hook(self, hook):
        """Call `hook(g)` with the gradient of this tensor; what it returns (not None) replaces g."""
    def register_post_accumulate_grad_hook(self, hook):
        """Call `hook(tensor)` each time a gradient has been added to this leaf's `grad`."""
    def remainder(self, other: Tensor | _complex) -> Tensor:
        """Remainder with the divisor's sign: x - other * floor(x / other)."""
    def remainder_(self, other: Tensor | _complex) -> Tensor:
        """In place: the tensor becomes `remainder` of it.  Returns the tensor."""
    @property
    def requires_grad(self) -> _bool:
        """Whether gradients with respect to this tensor are recorded."""
    @requires_grad.setter
    def requires_grad(self, value: Any) -> None: ...
    def requires_grad_(self, requires_grad: _bool = ...) -> Tensor:
        """Ask for gradients with respect to this tensor, in place."""
    def reshape(self, *shape):
        """x in another shape with as many elements; one size may be -1.  A view where memory allows, else a copy."""
    def retain_grad(self) -> None:
        """Keep the gradient of this computed tensor in `grad` too."""
    @property
    def retains_grad(self) -> _bool:
        """Whether `retain_grad` was called."""
    def round(self, *, decimals=...) -> Tensor:
        """x rounded to `decimals` places, halves to even.  x: any shape -> same shape."""
    def round_(self, *, decimals=...) -> Tensor:
        """In place: the tensor becomes `round` of it.  Returns the tensor."""
    def rsqrt(self) -> Tensor:
        """1 / sqrt(x).  x: any shape -> same shape."""
    def rsqrt_(self) -> Tensor:
        """In place: the tensor becomes `rsqrt` of it.  Returns the tensor."""
    def rsub(self, other, *, alpha=...):
        """other - alpha * x."""
    def sgn(self) -> Tensor:
        """-1, 0 or 1.  x: any shape -> same shape."""
    def sgn_(self) -> Tensor:
        """In place: the tensor becomes `sign` of it.  Returns the tensor."""
    @property
    def shape(self) -> tuple[_int, ...]:
        """Sizes of the dimensions."""
    def short(self) -> Tensor:
        """The tensor as int16."""
    def sigmoid(self) -> Tensor:
        """Logistic function 1 / (1 + exp(-x)), without overflow.  x: any shape -> same shape."""
    def sigmoid_(self) -> Tensor:
        """In place: the tensor becomes `sigmoid` of it.  Returns the tensor."""
    def sign(self) -> Tensor:
        """-1, 0 or 1.  x: any shape -> same shape."""
    def sign_(self) -> Tensor:
        """In place: the tensor becomes `sign` of it.  Returns the tensor."""
    def sin(self) -> Tensor:
        """Sine.  x: any shape -> same shape."""
    def sin_(self) -> Tensor:
        """In place: the tensor becomes `sin` of it.  Returns the tensor."""
    def sinc(self):
        """sin(pi x) / (pi x), 1 at 0.  x: any shape -> same shape."""
    def sinc_(self) -> Tensor:
        """In place: the tensor becomes `sinc` of it.  Returns the tensor."""
    def sinh(self) -> Tensor:
        """Hyperbolic sine.  x: any shape -> same shape."""
    def sinh_(self) -> Tensor:
        """In place: the tensor becomes `sinh` of it.  Returns the tensor."""
    def size(self, dim: _int | None = ...):
        """The shape, or the size of dimension `dim`."""
    def sqrt(self) -> Tensor:
        """Square root.  x: any shape -> same shape."""
    def sqrt_(self) -> Tensor:
        """In place: the tensor becomes `sqrt` of it.  Returns the tensor."""
    def square(self) -> Tensor:
        """x * x.  x: any shape -> same shape."""
    def square_(self) -> Tensor:
        """In place: the tensor becomes `square` of it.  Returns the tensor."""
    def stride(self, dim: _int | None = ...):
        """Elements to step over for the next index, in each dimension."""
    def sub(self, other: Tensor | _complex, *, alpha=...) -> Tensor:
        """x - alpha * other.  Shapes that broadcast -> the broadcast shape."""
    def sub_(self, other: Tensor | _complex, *, alpha=...) -> Tensor:
        """In place: the tensor becomes `sub` of it.  Returns the tensor."""
    def subtract(self, other: Tensor | _complex, *, alpha=...) -> Tensor:
        """x - alpha * other.  Shapes that broadcast -> the broadcast shape."""
    def subtract_(self, other: Tensor | _complex, *, alpha=...) -> Tensor:
        """In place: the tensor becomes `sub` of it.  Returns the tensor."""
    def sum(self, dim=..., keepdim=..., *, dtype=...):
        """Sum over `dim` (one, several, None for all).  Integers and bools sum as int64."""
    def sum_to_size(self, *size):
        """x summed to `size`, a shape that broadcasts to x's."""
    def tan(self) -> Tensor:
        """Tangent.  x: any shape -> same shape."""
    def tan_(self) -> Tensor:
        """In place: the tensor becomes `tan` of it.  Returns the tensor."""
    def tanh(self) -> Tensor:
        """Hyperbolic tangent.  x: any shape -> same shape."""
    def tanh_(self) -> Tensor:
        """In place: the tensor becomes `tanh` of it.  Returns the tensor."""
    def to(self, *args, device=..., dtype=..., non_blocking: _bool = ..., copy: _bool = ...) -> Tensor:
        """The tensor on another device or with another type: to('cuda'), to(tinydl.float64), to(other), to(device, dtype)."""
    def tolist(self):
        """Nested lists of Python numbers."""
    def transpose(self, dim0, dim1):
        """x with two dimensions exchanged: a view."""
    def true_divide(self, other: Tensor | _complex) -> Tensor:
        """Quotient, always floating.  x, other: shapes that broadcast -> the broadcast shape."""
    def true_divide_(self, other: Tensor | _complex) -> Tensor:
        """In place: the tensor becomes `true_divide` of it.  Returns the tensor."""
    def trunc(self) -> Tensor:
        """x without its fraction.  Integers stay as they are.  x: any shape -> same shape."""
    def trunc_(self) -> Tensor:
        """In place: the tensor becomes `trunc` of it.  Returns the tensor."""
    def type_as(self, other: Tensor | _complex) -> Tensor:
        """The tensor with the type and on the device of `other`."""
    def unbind(self, dim=...): ...
    def xlogy(self, other: Tensor | _complex) -> Tensor:
        """x log(other), 0 where x is 0.  Shapes that broadcast -> the broadcast shape."""
    def xlogy_(self, other: Tensor | _complex) -> Tensor:
        """In place: the tensor becomes `xlogy` of it.  Returns the tensor."""
    def zero_(self) -> Tensor:
        """In place: 0 in every element."""


class Size(tuple):
    """A shape: a tuple with `numel()`."""

    def __add__(self, other): ...
    def __getitem__(self, index): ...
    def __repr__(self) -> str: ...
    def numel(self) -> _int:
        """Number of elements of a tensor of this shape."""

def wrap(array) -> Tensor:
    """The tensor of `array`, without any check: for arrays that the package made itself."""
