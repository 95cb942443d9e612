"""Tensor and the operations attached to it; written by tools/make_stubs.py."""

from builtins import bool as _bool
from builtins import complex as _complex
from builtins import float as _float
from builtins import int as _int
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from .device import Device

def caller(name, frame):
    """What messages say of a write by `name`: it, and the line outside of the package that led to `frame`."""

class Storage:
    """What tensors on the same memory share: how often it was written, and by whom last."""

    def where(self): ...
    def written(self, name, frame=...):
        """Count a write by `name`; the first caller outside the package is remembered for messages."""
    def written_by(self, writer):
        """Count a write by what `caller` gave."""


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
        """Inverse of cosh.  x: any shape -> same shape."""
    def acosh_(self) -> Tensor:
        """In place: the tensor becomes `acosh` of it.  Returns the tensor."""
    def add(self, other: Tensor | _complex, *, alpha=...) -> Tensor:
        """x + alpha * other.  Shapes that broadcast -> the broadcast shape."""
    def add_(self, other: Tensor | _complex, *, alpha=...) -> Tensor:
        """In place: the tensor becomes `add` of it.  Returns the tensor."""
    def addbmm(self, batch1, batch2, *, beta=..., alpha=...):
        """beta * x + alpha * sum over the batch of products."""
    def addbmm_(self, batch1, batch2, *, beta=..., alpha=...) -> Tensor:
        """In place: the tensor becomes `addbmm` of it.  Returns the tensor."""
    def addcdiv(self, tensor1: Tensor | _complex, tensor2: Tensor | _complex, *, value=...) -> Tensor:
        """x + value * tensor1 / tensor2, of shapes that broadcast."""
    def addcdiv_(self, tensor1: Tensor | _complex, tensor2: Tensor | _complex, *, value=...) -> Tensor:
        """In place: the tensor becomes `addcdiv` of it.  Returns the tensor."""
    def addcmul(self, tensor1: Tensor | _complex, tensor2: Tensor | _complex, *, value=...) -> Tensor:
        """x + value * tensor1 * tensor2, of shapes that broadcast."""
    def addcmul_(self, tensor1: Tensor | _complex, tensor2: Tensor | _complex, *, value=...) -> Tensor:
        """In place: the tensor becomes `addcmul` of it.  Returns the tensor."""
    def addmm(self, mat1, mat2, *, beta=..., alpha=...):
        """beta * x + alpha * mat1 @ mat2.  mat1: (n, k), mat2: (k, m), x broadcasts to (n, m)."""
    def addmm_(self, mat1, mat2, *, beta=..., alpha=...) -> Tensor:
        """In place: the tensor becomes `addmm` of it.  Returns the tensor."""
    def addmv(self, mat, vec, *, beta=..., alpha=...):
        """beta * x + alpha * mat @ vec.  mat: (n, k), vec: (k,), x broadcasts to (n,)."""
    def addmv_(self, mat, vec, *, beta=..., alpha=...) -> Tensor:
        """In place: the tensor becomes `addmv` of it.  Returns the tensor."""
    def addr(self, vec1, vec2, *, beta=..., alpha=...):
        """beta * x + alpha * outer(vec1, vec2).  vec1: (n,), vec2: (m,), x broadcasts to (n, m)."""
    def addr_(self, vec1, vec2, *, beta=..., alpha=...) -> Tensor:
        """In place: the tensor becomes `addr` of it.  Returns the tensor."""
    def all(self, dim: _int | Sequence[_int] | None = ..., keepdim: _bool = ...) -> Tensor:
        """Whether every element over `dim` (one, several, None for all) is not 0.  -> bool"""
    def allclose(self, other: Tensor | _complex, rtol=..., atol=..., equal_nan=...) -> _bool:
        """Whether all elements are close, as `isclose` says."""
    def amax(self, dim: _int | Sequence[_int] = ..., keepdim: _bool = ...) -> Tensor:
        """The largest over `dim` (one, several, () for all); equals share the gradient."""
    def amin(self, dim: _int | Sequence[_int] = ..., keepdim: _bool = ...) -> Tensor:
        """The smallest over `dim` (one, several, () for all); equals share the gradient."""
    def aminmax(self, *, dim: _int | None = ..., keepdim: _bool = ...) -> Any:
        """The smallest and the largest, of all elements or along `dim`."""
    def any(self, dim: _int | Sequence[_int] | None = ..., keepdim: _bool = ...) -> Tensor:
        """Whether some element over `dim` (one, several, None for all) is not 0.  -> bool"""
    def arccos(self) -> Tensor:
        """Inverse cosine.  x: any shape -> same shape."""
    def arccos_(self) -> Tensor:
        """In place: the tensor becomes `acos` of it.  Returns the tensor."""
    def arccosh(self) -> Tensor:
        """Inverse of cosh.  x: any shape -> same shape."""
    def arccosh_(self) -> Tensor:
        """In place: the tensor becomes `acosh` of it.  Returns the tensor."""
    def arcsin(self) -> Tensor:
        """Inverse sine.  x: any shape -> same shape."""
    def arcsin_(self) -> Tensor:
        """In place: the tensor becomes `asin` of it.  Returns the tensor."""
    def arcsinh(self) -> Tensor:
        """Inverse of sinh.  x: any shape -> same shape."""
    def arcsinh_(self) -> Tensor:
        """In place: the tensor becomes `asinh` of it.  Returns the tensor."""
    def arctan(self) -> Tensor:
        """Inverse tangent.  x: any shape -> same shape."""
    def arctan2(self, other: Tensor | _complex) -> Tensor:
        """Angle of the point (other, x).  Shapes that broadcast -> the broadcast shape."""
    def arctan_(self) -> Tensor:
        """In place: the tensor becomes `atan` of it.  Returns the tensor."""
    def arctanh(self) -> Tensor:
        """Inverse of tanh.  x: any shape -> same shape."""
    def arctanh_(self) -> Tensor:
        """In place: the tensor becomes `atanh` of it.  Returns the tensor."""
    def argmax(self, dim: _int | None = ..., keepdim: _bool = ...) -> Tensor:
        """Where the largest stands along `dim`, or in the flattened x.  -> int64"""
    def argmin(self, dim: _int | None = ..., keepdim: _bool = ...) -> Tensor:
        """Where the smallest stands along `dim`, or in the flattened x.  -> int64"""
    def argsort(self, dim: _int = ..., descending: _bool = ..., stable: _bool = ...) -> Tensor:
        """The indices that sort x along `dim`.  Always stable."""
    def argwhere(self) -> Tensor:
        """Indices of the elements that are not 0: (n, ndim)."""
    def as_strided(self, size, stride, storage_offset: _int | None = ...) -> Tensor:
        """The elements of x at steps of memory `stride` (in elements), as a view of the given size."""
    def as_strided_(self, size, stride, storage_offset: _int | None = ...) -> Tensor:
        """In place: the tensor takes the shape of its `as_strided`.  Returns the tensor."""
    def asin(self) -> Tensor:
        """Inverse sine.  x: any shape -> same shape."""
    def asin_(self) -> Tensor:
        """In place: the tensor becomes `asin` of it.  Returns the tensor."""
    def asinh(self) -> Tensor:
        """Inverse of sinh.  x: any shape -> same shape."""
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
        """Inverse of tanh.  x: any shape -> same shape."""
    def atanh_(self) -> Tensor:
        """In place: the tensor becomes `atanh` of it.  Returns the tensor."""
    def backward(self, gradient=..., retain_graph=..., create_graph: _bool = ..., inputs=...) -> None:
        """Add the gradient of this tensor to `grad` of every leaf (or of `inputs`) it depends on."""
    def baddbmm(self, batch1, batch2, *, beta=..., alpha=...):
        """beta * x + alpha * batch1 @ batch2."""
    def baddbmm_(self, batch1, batch2, *, beta=..., alpha=...) -> Tensor:
        """In place: the tensor becomes `baddbmm` of it.  Returns the tensor."""
    def bernoulli(self, p: _float | None = ..., *, generator=...) -> Tensor:
        """1 with probability x (or p), else 0.  x: probabilities of any shape -> same shape and type."""
    def bernoulli_(self, p=..., *, generator=...) -> Tensor:
        """In place: 1 with probability p (a number, or a tensor that broadcasts), else 0."""
    def bfloat16(self) -> Tensor:
        """The tensor as bfloat16."""
    def bincount(self, weights: Tensor | None = ..., minlength=...) -> Tensor:
        """How often, or with what weight, each number >= 0 occurs.  x: (n,) -> (max + 1,) or longer."""
    def bitwise_and(self, other: Tensor | _complex) -> Tensor:
        """Bits set in both.  Integer or bool, of shapes that broadcast."""
    def bitwise_and_(self, other: Tensor | _complex) -> Tensor:
        """In place: the tensor becomes `bitwise_and` of it.  Returns the tensor."""
    def bitwise_left_shift(self, other: Tensor | _complex) -> Tensor:
        """x times 2 ** other.  Integer or bool, of shapes that broadcast."""
    def bitwise_not(self) -> Tensor:
        """Every bit turned over; of bool, the negation.  Integer or bool."""
    def bitwise_not_(self) -> Tensor:
        """In place: the tensor becomes `bitwise_not` of it.  Returns the tensor."""
    def bitwise_or(self, other: Tensor | _complex) -> Tensor:
        """Bits set in either.  Integer or bool, of shapes that broadcast."""
    def bitwise_or_(self, other: Tensor | _complex) -> Tensor:
        """In place: the tensor becomes `bitwise_or` of it.  Returns the tensor."""
    def bitwise_right_shift(self, other: Tensor | _complex) -> Tensor:
        """x over 2 ** other, rounded down.  Integer or bool, of shapes that broadcast."""
    def bitwise_xor(self, other: Tensor | _complex) -> Tensor:
        """Bits set in exactly one.  Integer or bool, of shapes that broadcast."""
    def bitwise_xor_(self, other: Tensor | _complex) -> Tensor:
        """In place: the tensor becomes `bitwise_xor` of it.  Returns the tensor."""
    def bmm(self, mat2):
        """Products of two batches of matrices.  x: (b, n, k), mat2: (b, k, m) -> (b, n, m)."""
    def bool(self) -> Tensor:
        """The tensor as bool."""
    def broadcast_to(self, size) -> Tensor:
        """x expanded to `size`."""
    def bucketize(self, boundaries: Tensor | _complex, *, out_int32: _bool = ..., right: _bool = ...) -> Tensor:
        """The number (0 to n) of the interval between sorted `boundaries` (n,) that holds each x."""
    def byte(self) -> Tensor:
        """The tensor as uint8."""
    def cauchy_(self, median: _float = ..., sigma: _float = ..., *, generator=...) -> Tensor:
        """In place: Cauchy numbers around median, of half width sigma."""
    def ceil(self) -> Tensor:
        """The smallest integer not below x.  Integers stay as they are.  x: any shape -> same shape."""
    def ceil_(self) -> Tensor:
        """In place: the tensor becomes `ceil` of it.  Returns the tensor."""
    def char(self) -> Tensor:
        """The tensor as int8."""
    def cholesky(self, *, upper=...):
        """The triangular factor of each positive definite matrix."""
    def chunk(self, chunks: _int, dim: _int = ...) -> tuple[Tensor, ...]:
        """x cut along `dim` into at most `chunks` views of one size (the last may be smaller)."""
    def clamp(self, min=..., max=...) -> Tensor:
        """x held between `min` and `max` (numbers or tensors; None: no limit)."""
    def clamp_(self, min=..., max=...) -> Tensor:
        """In place: the tensor becomes `clamp` of it.  Returns the tensor."""
    def clamp_max(self, max: Tensor | _complex) -> Tensor:
        """x, but not above `max`, a number or a tensor; the gradient goes to the smaller."""
    def clamp_max_(self, max: Tensor | _complex) -> Tensor:
        """In place: the tensor becomes `clamp_max` of it.  Returns the tensor."""
    def clamp_min(self, min: Tensor | _complex) -> Tensor:
        """x, but not below `min`, a number or a tensor; the gradient goes to the larger."""
    def clamp_min_(self, min: Tensor | _complex) -> Tensor:
        """In place: the tensor becomes `clamp_min` of it.  Returns the tensor."""
    def clip(self, min=..., max=...) -> Tensor:
        """x held between `min` and `max` (numbers or tensors; None: no limit)."""
    def clip_(self, min=..., max=...) -> Tensor:
        """In place: the tensor becomes `clamp` of it.  Returns the tensor."""
    def clone(self) -> Tensor:
        """A copy of x in memory of its own.  x: any shape -> same shape."""
    def combinations(self, r: _int = ..., with_replacement: _bool = ...) -> Tensor:
        """All choices of r elements of a vector (n,) -> (many, r), in order; with_replacement: one several times too."""
    def contiguous(self) -> Tensor:
        """x itself if its elements lie in memory one after another, else a copy in which they do."""
    def copy_(self, source, non_blocking: _bool = ...) -> Tensor:
        """In place: the elements of `source`, which must broadcast to this shape, in this tensor's type."""
    def copysign(self, other: Tensor | _complex) -> Tensor:
        """|x| with the sign of `other`.  Shapes that broadcast -> the broadcast shape."""
    def copysign_(self, other: Tensor | _complex) -> Tensor:
        """In place: the tensor becomes `copysign` of it.  Returns the tensor."""
    def corrcoef(self) -> Tensor:
        """Correlations of the rows of x (variables, observations) -> (variables, variables), within [-1, 1]."""
    def cos(self) -> Tensor:
        """Cosine.  x: any shape -> same shape."""
    def cos_(self) -> Tensor:
        """In place: the tensor becomes `cos` of it.  Returns the tensor."""
    def cosh(self) -> Tensor:
        """Hyperbolic cosine.  x: any shape -> same shape."""
    def cosh_(self) -> Tensor:
        """In place: the tensor becomes `cosh` of it.  Returns the tensor."""
    def count_nonzero(self, dim: _int | Sequence[_int] | None = ...) -> Tensor:
        """How many elements are not 0, over `dim` (one, several, None for all).  -> int64"""
    def cov(self, *, correction: _int = ..., fweights: Tensor | None = ..., aweights: Tensor | None = ...) -> Tensor:
        """Covariances of the rows of x (variables, observations) -> (variables, variables); of a vector, its variance ()."""
    def cpu(self) -> Tensor:
        """The tensor on the CPU."""
    def cross(self, other, dim=...):
        """Cross product along `dim`, of size 3 (default: the first such dimension)."""
    def cuda(self, device=..., non_blocking: _bool = ...) -> Tensor:
        """The tensor on the GPU; non_blocking as in `to`."""
    def cummax(self, dim: _int) -> Any:
        """The largest element so far along `dim`, and where it stands (of equal ones the last)."""
    def cummin(self, dim: _int) -> Any:
        """The smallest element so far along `dim`, and where it stands (of equal ones the last)."""
    def cumprod(self, dim: _int, *, dtype=...) -> Tensor:
        """Running product along `dim`.  x: any shape -> same shape; integers and bools as int64."""
    def cumprod_(self, dim: _int, *, dtype=...) -> Tensor:
        """In place: the tensor becomes `cumprod` of it.  Returns the tensor."""
    def cumsum(self, dim: _int, *, dtype=...) -> Tensor:
        """Running sum along `dim`.  x: any shape -> same shape; integers and bools as int64."""
    def cumsum_(self, dim: _int, *, dtype=...) -> Tensor:
        """In place: the tensor becomes `cumsum` of it.  Returns the tensor."""
    @property
    def data(self) -> Tensor:
        """The tensor's values outside the graph (`detach`); assigning replaces the array."""
    @data.setter
    def data(self, value: Any) -> None: ...
    def data_ptr(self) -> _int:
        """The address of the first element."""
    def deg2rad(self) -> Tensor:
        """Degrees as radians."""
    def deg2rad_(self) -> Tensor:
        """In place: the tensor becomes `deg2rad` of it.  Returns the tensor."""
    def det(self):
        """The determinant of each square matrix.  x: (..., n, n) -> (...)."""
    def detach(self) -> Tensor:
        """The same memory outside the graph.  Writes to it are seen by both, and by version checks."""
    def detach_(self) -> Tensor:
        """Take this tensor out of the graph, in place."""
    @property
    def device(self):
        """Where the array lies: cpu or cuda."""
    def diag(self, diagonal: _int = ...) -> Tensor:
        """Of a vector the matrix with it on a diagonal; of a matrix that diagonal, copied."""
    def diag_embed(self, offset: _int = ..., dim1: _int = ..., dim2: _int = ...) -> Tensor:
        """Matrices, in new dimensions dim1 and dim2, x's last dimension on a diagonal, else zeros."""
    def diagflat(self, offset: _int = ...) -> Tensor:
        """The matrix with all elements of x on a diagonal."""
    def diagonal(self, offset: _int = ..., dim1: _int = ..., dim2: _int = ...) -> Tensor:
        """The diagonals of the matrices in dim1 and dim2, as a new last dimension: a view."""
    def diff(self, n: _int = ..., dim: _int = ..., prepend=..., append=...) -> Tensor:
        """Differences of neighbours along `dim`, n times; prepend and append are joined to x first."""
    def digamma(self) -> Tensor:
        """Derivative of lgamma.  x: any shape -> same shape."""
    def digamma_(self) -> Tensor:
        """In place: the tensor becomes `digamma` of it.  Returns the tensor."""
    def dim(self) -> _int:
        """Number of dimensions."""
    def dist(self, other, p=...):
        """The p-norm of x - other, over all elements.  Shapes that broadcast -> ()."""
    def div(self, other, *, rounding_mode: str | None = ...) -> Tensor:
        """x / other; rounding_mode None (true quotient), 'floor' or 'trunc'."""
    def div_(self, other, *, rounding_mode: str | None = ...) -> Tensor:
        """In place: the tensor becomes `div` of it.  Returns the tensor."""
    def divide(self, other, *, rounding_mode: str | None = ...) -> Tensor:
        """x / other; rounding_mode None (true quotient), 'floor' or 'trunc'."""
    def divide_(self, other, *, rounding_mode: str | None = ...) -> Tensor:
        """In place: the tensor becomes `div` of it.  Returns the tensor."""
    def dot(self, tensor):
        """Product of two vectors.  x, tensor: (n,) -> ()."""
    def double(self) -> Tensor:
        """The tensor as float64."""
    def dsplit(self, indices_or_sections) -> tuple[Tensor, ...]:
        """As tensor_split along dimension 2; a number of sections must divide it."""
    @property
    def dtype(self) -> np.dtype:
        """Type of the elements."""
    def edge(self):
        """The (node, slot) that made this tensor, or None; of a stale view, recorded anew."""
    def element_size(self) -> _int:
        """Bytes of one element."""
    def eq(self, other: Tensor | _complex) -> Tensor:
        """x equals other.  Shapes that broadcast -> bool of the broadcast shape."""
    def eq_(self, other: Tensor | _complex) -> Tensor:
        """In place: the tensor becomes `eq` of it.  Returns the tensor."""
    def equal(self, other: Tensor | _complex) -> _bool:
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
        """Inverse of erf.  x: any shape -> same shape."""
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
    def expand(self, *sizes) -> Tensor:
        """x repeated without copying: sizes 1 become any size, -1 keeps one, new ones come in front."""
    def expand_as(self, other: Tensor | _complex) -> Tensor:
        """x expanded to the shape of `other`."""
    def expm1(self) -> Tensor:
        """exp(x) - 1, accurate near 0.  x: any shape -> same shape."""
    def expm1_(self) -> Tensor:
        """In place: the tensor becomes `expm1` of it.  Returns the tensor."""
    def exponential_(self, lambd: _float = ..., *, generator=...) -> Tensor:
        """In place: exponential numbers with mean 1 / lambd."""
    def fill_(self, value) -> Tensor:
        """In place: `value` (a number or a 0-d tensor) in every element."""
    def fill_diagonal_(self, value) -> Tensor:
        """In place: `value` on the main diagonal of a matrix."""
    def fix(self) -> Tensor:
        """x without its fraction.  Integers stay as they are.  x: any shape -> same shape."""
    def fix_(self) -> Tensor:
        """In place: the tensor becomes `trunc` of it.  Returns the tensor."""
    def flatten(self, start_dim: _int = ..., end_dim: _int = ...) -> Tensor:
        """x with the dimensions from start_dim to end_dim (included) as one."""
    def flip(self, *args, dims=...) -> Tensor:
        """x backwards along `dims` (a sequence, or numbers), copied."""
    def fliplr(self) -> Tensor:
        """x with its columns in reverse order, copied."""
    def flipud(self) -> Tensor:
        """x with its rows in reverse order, copied."""
    def float(self) -> Tensor:
        """The tensor as float32."""
    def float_power(self, exponent) -> Tensor:
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
        """The larger, or the one that is not NaN; of equal ones x takes the gradient.  Shapes that broadcast -> the broadcast shape."""
    def fmin(self, other: Tensor | _complex) -> Tensor:
        """The smaller, or the one that is not NaN; of equal ones x takes the gradient.  Shapes that broadcast -> the broadcast shape."""
    def fmod(self, other: Tensor | _complex) -> Tensor:
        """Remainder with the dividend's sign: x - other * trunc(x / other)."""
    def fmod_(self, other: Tensor | _complex) -> Tensor:
        """In place: the tensor becomes `fmod` of it.  Returns the tensor."""
    def frac(self) -> Tensor:
        """x - trunc(x).  x: any shape -> same shape."""
    def frac_(self) -> Tensor:
        """In place: the tensor becomes `frac` of it.  Returns the tensor."""
    def gather(self, dim: _int, index: Tensor | _complex, *, sparse_grad: _bool = ...) -> Tensor:
        """x[.., index[.., i, ..], ..], the index in dimension `dim`.  -> the shape of index."""
    def ge(self, other: Tensor | _complex) -> Tensor:
        """x is at least other.  Shapes that broadcast -> bool of the broadcast shape."""
    def ge_(self, other: Tensor | _complex) -> Tensor:
        """In place: the tensor becomes `ge` of it.  Returns the tensor."""
    def geometric_(self, p: _float, *, generator=...) -> Tensor:
        """In place: how many trials until the first success, each with probability p."""
    def ger(self, vec2):
        """All products of two vectors' elements.  x: (n,), vec2: (m,) -> (n, m)."""
    @property
    def grad(self) -> Tensor | None:
        """The gradient that `backward` has added up here."""
    @grad.setter
    def grad(self, value: Any) -> None: ...
    @property
    def grad_fn(self):
        """The node of the graph that made this tensor; None for a leaf."""
    def greater(self, other: Tensor | _complex) -> Tensor:
        """x is greater than other.  Shapes that broadcast -> bool of the broadcast shape."""
    def greater_equal(self, other: Tensor | _complex) -> Tensor:
        """x is at least other.  Shapes that broadcast -> bool of the broadcast shape."""
    def gt(self, other: Tensor | _complex) -> Tensor:
        """x is greater than other.  Shapes that broadcast -> bool of the broadcast shape."""
    def gt_(self, other: Tensor | _complex) -> Tensor:
        """In place: the tensor becomes `gt` of it.  Returns the tensor."""
    def half(self) -> Tensor:
        """The tensor as float16."""
    def hardshrink(self, lambd: _float = ...) -> Tensor:
        """x where |x| > lambd, else 0.  x: any shape -> same shape."""
    def histc(self, bins=..., min=..., max=...) -> Tensor:
        """How many elements lie in each of `bins` equal parts of [min, max] (equal: of x's range)."""
    def hsplit(self, indices_or_sections) -> tuple[Tensor, ...]:
        """As tensor_split along columns (of a vector, its only dimension); a number of sections must divide it."""
    def hypot(self, other: Tensor | _complex) -> Tensor:
        """sqrt(x^2 + other^2).  Shapes that broadcast -> the broadcast shape."""
    def hypot_(self, other: Tensor | _complex) -> Tensor:
        """In place: the tensor becomes `hypot` of it.  Returns the tensor."""
    def index_add(self, dim: _int, index: Tensor | _complex, source: Tensor | _complex, *, alpha=...) -> Tensor:
        """x with alpha times each part of source added at its index in dimension `dim`."""
    def index_add_(self, dim: _int, index: Tensor | _complex, source: Tensor | _complex, *, alpha=...) -> Tensor:
        """In place: the tensor becomes `index_add` of it.  Returns the tensor."""
    def index_copy(self, dim: _int, index: Tensor | _complex, source: Tensor | _complex) -> Tensor:
        """x with each part of source put at its index in dimension `dim`; the last stays."""
    def index_copy_(self, dim: _int, index: Tensor | _complex, source: Tensor | _complex) -> Tensor:
        """In place: the tensor becomes `index_copy` of it.  Returns the tensor."""
    def index_fill(self, dim: _int, index: Tensor | _complex, value) -> Tensor:
        """x with `value` (a number or a 0-d tensor) at the indices in dimension `dim`."""
    def index_fill_(self, dim: _int, index: Tensor | _complex, value) -> Tensor:
        """In place: the tensor becomes `index_fill` of it.  Returns the tensor."""
    def index_put(self, indices, values: Tensor | _complex, accumulate: _bool = ...) -> Tensor:
        """x with `values` at x[indices] (a tuple of tensors): put there, or added with `accumulate`."""
    def index_put_(self, indices, values: Tensor | _complex, accumulate: _bool = ...) -> Tensor:
        """In place: the tensor becomes `index_put` of it.  Returns the tensor."""
    def index_select(self, dim: _int, index: Tensor | _complex) -> Tensor:
        """x at each of the indices (a vector) in dimension `dim`."""
    def inner(self, other):
        """Sum of products over the last dimension of both.  x: (*A, k), other: (*B, k) -> (*A, *B)."""
    def int(self) -> Tensor:
        """The tensor as int32."""
    def inverse(self):
        """The inverse of each square matrix."""
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
    def is_pinned(self, device=...) -> _bool:
        """Whether the tensor lies in memory that `pin_memory` gave."""
    def isclose(self, other: Tensor | _complex, rtol=..., atol=..., equal_nan=...) -> Tensor:
        """|x - other| <= atol + rtol |other|, elementwise; with equal_nan, NaN is close to NaN."""
    def isfinite(self) -> Tensor:
        """x is neither infinite nor NaN.  x: any shape -> bool of the same shape."""
    def isinf(self) -> Tensor:
        """x is infinite.  x: any shape -> bool of the same shape."""
    def isnan(self) -> Tensor:
        """x is NaN.  x: any shape -> bool of the same shape."""
    def isneginf(self) -> Tensor:
        """x is minus infinity.  x: any shape -> bool of the same shape."""
    def isposinf(self) -> Tensor:
        """x is plus infinity.  x: any shape -> bool of the same shape."""
    def item(self):
        """The only element, as a Python number."""
    @property
    def itemsize(self) -> _int:
        """Bytes of one element."""
    def kron(self, other):
        """Kronecker product: every element of x times all of other."""
    def kthvalue(self, k: _int, dim: _int = ..., keepdim: _bool = ...) -> Any:
        """The k-th smallest element along `dim` (k counts from 1), and where it stands."""
    def ldexp(self, other: Tensor | _complex) -> Tensor:
        """x * 2 ** other.  Shapes that broadcast -> the broadcast shape."""
    def ldexp_(self, other: Tensor | _complex) -> Tensor:
        """In place: the tensor becomes `ldexp` of it.  Returns the tensor."""
    def le(self, other: Tensor | _complex) -> Tensor:
        """x is at most other.  Shapes that broadcast -> bool of the broadcast shape."""
    def le_(self, other: Tensor | _complex) -> Tensor:
        """In place: the tensor becomes `le` of it.  Returns the tensor."""
    def lerp(self, end: Tensor | _complex, weight) -> Tensor:
        """x + weight * (end - x): weight 0 gives x, 1 gives end.  All of one dtype; they broadcast."""
    def lerp_(self, end: Tensor | _complex, weight) -> Tensor:
        """In place: the tensor becomes `lerp` of it.  Returns the tensor."""
    def less(self, other: Tensor | _complex) -> Tensor:
        """x is less than other.  Shapes that broadcast -> bool of the broadcast shape."""
    def less_equal(self, other: Tensor | _complex) -> Tensor:
        """x is at most other.  Shapes that broadcast -> bool of the broadcast shape."""
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
    def log_normal_(self, mean: _float = ..., std: _float = ..., *, generator=...) -> Tensor:
        """In place: the exponential of normal numbers with mean and std."""
    def log_softmax(self, dim: _int, dtype=...) -> Tensor:
        """log(softmax(x, dim)), without overflow.  x: any shape -> same shape."""
    def logaddexp(self, other: Tensor | _complex) -> Tensor:
        """log(exp(x) + exp(other)), without overflow.  Shapes that broadcast -> the broadcast shape."""
    def logcumsumexp(self, dim: _int) -> Tensor:
        """log(cumsum(exp(x))) along `dim`, without overflow.  x: any floating shape -> same shape."""
    def logdet(self):
        """Logarithm of the determinant, NaN where it is negative.  x: (..., n, n) -> (...)."""
    def logical_and(self, other: Tensor | _complex) -> Tensor:
        """Both are not 0.  Shapes that broadcast -> bool of the broadcast shape."""
    def logical_and_(self, other: Tensor | _complex) -> Tensor:
        """In place: the tensor becomes `logical_and` of it.  Returns the tensor."""
    def logical_not(self) -> Tensor:
        """x is 0.  x: any shape -> bool of the same shape."""
    def logical_not_(self) -> Tensor:
        """In place: the tensor becomes `logical_not` of it.  Returns the tensor."""
    def logical_or(self, other: Tensor | _complex) -> Tensor:
        """At least one is not 0.  Shapes that broadcast -> bool of the broadcast shape."""
    def logical_or_(self, other: Tensor | _complex) -> Tensor:
        """In place: the tensor becomes `logical_or` of it.  Returns the tensor."""
    def logical_xor(self, other: Tensor | _complex) -> Tensor:
        """Exactly one is not 0.  Shapes that broadcast -> bool of the broadcast shape."""
    def logical_xor_(self, other: Tensor | _complex) -> Tensor:
        """In place: the tensor becomes `logical_xor` of it.  Returns the tensor."""
    def logit(self, eps=...) -> Tensor:
        """log(x / (1 - x)), x first clamped to [eps, 1 - eps] if eps is given.  -> the same shape."""
    def logit_(self, eps=...) -> Tensor:
        """In place: the tensor becomes `logit` of it.  Returns the tensor."""
    def logsumexp(self, dim: _int | Sequence[_int], keepdim: _bool = ...) -> Tensor:
        """log(sum(exp(x))) over `dim` (one or several), without overflow."""
    def long(self) -> Tensor:
        """The tensor as int64."""
    def lt(self, other: Tensor | _complex) -> Tensor:
        """x is less than other.  Shapes that broadcast -> bool of the broadcast shape."""
    def lt_(self, other: Tensor | _complex) -> Tensor:
        """In place: the tensor becomes `lt` of it.  Returns the tensor."""
    @property
    def mT(self): ...
    def masked_fill(self, mask: Tensor | _complex, value) -> Tensor:
        """x with `value` (a number or a 0-d tensor) where the mask, which broadcasts, holds."""
    def masked_fill_(self, mask: Tensor | _complex, value) -> Tensor:
        """In place: the tensor becomes `masked_fill` of it.  Returns the tensor."""
    def masked_scatter(self, mask: Tensor | _complex, source: Tensor | _complex) -> Tensor:
        """x with the elements of source, in order, where the mask, which broadcasts, holds."""
    def masked_scatter_(self, mask: Tensor | _complex, source: Tensor | _complex) -> Tensor:
        """In place: the tensor becomes `masked_scatter` of it.  Returns the tensor."""
    def masked_select(self, mask: Tensor | _complex) -> Tensor:
        """The elements where the mask holds, as a vector; x and mask broadcast."""
    def matmul(self, other: Tensor | _complex) -> Tensor:
        """Matrix product of the last two dimensions; vectors as PyTorch's, leading dimensions"""
    def max(self, dim=..., keepdim: _bool = ..., *, other: Tensor | None = ...):
        """The largest: of all elements; along `dim` (values, indices); or of x and another tensor."""
    def maximum(self, other: Tensor | _complex) -> Tensor:
        """The larger, NaN if either is; equal ones share the gradient.  Shapes that broadcast -> the broadcast shape."""
    def mean(self, dim: _int | Sequence[_int] | None = ..., keepdim: _bool = ..., *, dtype=...) -> Tensor:
        """Mean over `dim` (one, several, None for all) of a floating tensor."""
    def median(self, dim: _int | None = ..., keepdim: _bool = ...):
        """The median (of an even number the lower of two) of all, or along `dim` with its place."""
    def min(self, dim=..., keepdim: _bool = ..., *, other: Tensor | None = ...):
        """The smallest: of all elements; along `dim` (values, indices); or of x and another tensor."""
    def minimum(self, other: Tensor | _complex) -> Tensor:
        """The smaller, NaN if either is; equal ones share the gradient.  Shapes that broadcast -> the broadcast shape."""
    def mm(self, mat2):
        """Product of two matrices.  x: (n, k), mat2: (k, m) -> (n, m)."""
    def mode(self, dim: _int = ..., keepdim: _bool = ...) -> Any:
        """The most frequent element along `dim` (of several the smallest), and where it stands last."""
    def moveaxis(self, source, destination) -> Tensor:
        """x with the dimensions `source` (one or several) at the places `destination`: a view."""
    def movedim(self, source, destination) -> Tensor:
        """x with the dimensions `source` (one or several) at the places `destination`: a view."""
    def msort(self) -> Tensor:
        """x sorted along its first dimension."""
    def mul(self, other: Tensor | _complex) -> Tensor:
        """Product.  x, other: shapes that broadcast -> the broadcast shape."""
    def mul_(self, other: Tensor | _complex) -> Tensor:
        """In place: the tensor becomes `mul` of it.  Returns the tensor."""
    def multinomial(self, num_samples: _int, replacement: _bool = ..., *, generator=...) -> Tensor:
        """Indices drawn with probabilities proportional to x.  x: (K,) or (N, K) -> (num_samples,) or"""
    def multiply(self, other: Tensor | _complex) -> Tensor:
        """Product.  x, other: shapes that broadcast -> the broadcast shape."""
    def multiply_(self, other: Tensor | _complex) -> Tensor:
        """In place: the tensor becomes `mul` of it.  Returns the tensor."""
    def mv(self, vec):
        """Product of a matrix and a vector.  x: (n, k), vec: (k,) -> (n,)."""
    def nan_to_num(self, nan=..., posinf=..., neginf=...) -> Tensor:
        """x with NaN, inf, -inf replaced: by 0, its largest and smallest number, or what is given."""
    def nan_to_num_(self, nan=..., posinf=..., neginf=...) -> Tensor:
        """In place: the tensor becomes `nan_to_num` of it.  Returns the tensor."""
    def nanmean(self, dim: _int | Sequence[_int] | None = ..., keepdim: _bool = ..., *, dtype=...) -> Tensor:
        """Mean over `dim` of the elements that are not NaN."""
    def nanmedian(self, dim: _int | None = ..., keepdim: _bool = ...):
        """The median of the elements that are not NaN; otherwise as `median`."""
    def nanquantile(self, q, dim: _int | None = ..., keepdim: _bool = ..., *, interpolation: str = ...) -> Tensor:
        """The quantiles of the elements that are not NaN; otherwise as `quantile`."""
    def nansum(self, dim: _int | Sequence[_int] | None = ..., keepdim: _bool = ..., *, dtype=...) -> Tensor:
        """Sum over `dim`, NaN counting as 0."""
    def narrow(self, dim: _int, start: _int, length: _int) -> Tensor:
        """x from `start` on for `length` places of dimension `dim`: a view."""
    @property
    def nbytes(self) -> _int:
        """Bytes of all elements."""
    @property
    def ndim(self) -> _int:
        """Number of dimensions."""
    def ne(self, other: Tensor | _complex) -> Tensor:
        """x differs from other.  Shapes that broadcast -> bool of the broadcast shape."""
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
    def nonzero(self, *, as_tuple: _bool = ...):
        """Indices of the elements that are not 0: (n, ndim), or a tuple of vectors."""
    def norm(self, p: _float | str | None = ..., dim=..., keepdim=..., *, dtype=...) -> Tensor:
        """The p-norm over `dim` (None: of all): p a number, 'fro' (2), or 'nuc' of matrices."""
    def normal_(self, mean: _float = ..., std: _float = ..., *, generator=...) -> Tensor:
        """In place: normal numbers with mean and std."""
    def not_equal(self, other: Tensor | _complex) -> Tensor:
        """x differs from other.  Shapes that broadcast -> bool of the broadcast shape."""
    def numel(self) -> _int:
        """Number of elements."""
    def numpy(self, *, force: _bool = ...) -> np.ndarray:
        """The array itself, sharing memory (of bfloat16, ml_dtypes').  Writes to it are not seen by version checks."""
    def outer(self, vec2):
        """All products of two vectors' elements.  x: (n,), vec2: (m,) -> (n, m)."""
    @property
    def output_nr(self) -> _int:
        """Which output of `grad_fn` it is."""
    def permute(self, *args, dims=...) -> Tensor:
        """x with its dimensions in the order `dims`: a view."""
    def pin_memory(self, device=...) -> Tensor:
        """The tensor in page-locked memory, from which `to("cuda", non_blocking=True)` copies while the program goes on."""
    def positive(self) -> Tensor:
        """+x.  x: any shape -> same shape."""
    def pow(self, exponent: Tensor | _complex) -> Tensor:
        """x to the power `exponent`; 0 ** 0 is 1.  Shapes that broadcast -> the broadcast shape."""
    def pow_(self, exponent: Tensor | _complex) -> Tensor:
        """In place: the tensor becomes `pow` of it.  Returns the tensor."""
    def prelu(self, weight: Tensor | _complex) -> Tensor:
        """x where positive, else weight * x.  x: (N, C, ...); weight: (1,) or (C,) -> shape of x."""
    def prod(self, dim: _int | None = ..., keepdim: _bool = ..., *, dtype=...) -> Tensor:
        """Product along `dim`, or of all elements.  Integers and bools multiply as int64."""
    def quantile(self, q, dim: _int | None = ..., keepdim: _bool = ..., *, interpolation: str = ...) -> Tensor:
        """The q-quantiles of x along `dim` (None: of all).  q: number, () or (k,) -> (k, ...)."""
    def rad2deg(self) -> Tensor:
        """Radians as degrees."""
    def rad2deg_(self) -> Tensor:
        """In place: the tensor becomes `rad2deg` of it.  Returns the tensor."""
    def rand_like(self, *, generator=..., dtype=..., device=..., requires_grad: _bool = ...) -> Tensor:
        """Uniform numbers in [0, 1), of x's shape, type and device."""
    def randint_like(self, low, high=..., *, generator=..., dtype=..., device=..., requires_grad: _bool = ...) -> Tensor:
        """Integers from low (default 0) to high - 1, of x's shape, type and device."""
    def randn_like(self, *, generator=..., dtype=..., device=..., requires_grad: _bool = ...) -> Tensor:
        """Standard normal numbers, of x's shape, type and device."""
    def random_(self, from_=..., to=..., *, generator=...) -> Tensor:
        """In place: integers from from_ to to - 1; random_(to) from 0; random_() all that x can hold."""
    def ravel(self) -> Tensor:
        """x as one dimension."""
    def reciprocal(self) -> Tensor:
        """1 / x.  x: any shape -> same shape."""
    def reciprocal_(self) -> Tensor:
        """In place: the tensor becomes `reciprocal` of it.  Returns the tensor."""
    def register_hook(self, hook):
        """Call `hook(g)` with the gradient of this tensor; what it returns (not None) replaces g."""
    def register_post_accumulate_grad_hook(self, hook):
        """Call `hook(tensor)` each time a gradient has been added to this leaf's `grad`."""
    def relu(self) -> Tensor:
        """max(x, 0); its slope at 0 is 0.  x: any shape -> same shape."""
    def relu_(self) -> Tensor:
        """In place: the tensor becomes `relu` of it.  Returns the tensor."""
    def remainder(self, other: Tensor | _complex) -> Tensor:
        """Remainder with the divisor's sign: x - other * floor(x / other)."""
    def remainder_(self, other: Tensor | _complex) -> Tensor:
        """In place: the tensor becomes `remainder` of it.  Returns the tensor."""
    def repeat(self, *repeats) -> Tensor:
        """x repeated as a whole along each dimension; further repeats add dimensions in front."""
    def repeat_interleave(self, repeats=..., dim: _int | None = ..., *, output_size=...) -> Tensor:
        """Each element of x (each part along `dim`) repeated, by a number or as often as a tensor says."""
    @property
    def requires_grad(self) -> _bool:
        """Whether gradients with respect to this tensor are recorded."""
    @requires_grad.setter
    def requires_grad(self, value: Any) -> None: ...
    def requires_grad_(self, requires_grad: _bool = ...) -> Tensor:
        """Ask for gradients with respect to this tensor, in place."""
    def reshape(self, *args, shape=...) -> Tensor:
        """x in another shape with as many elements; one size may be -1."""
    def reshape_as(self, other: Tensor | _complex) -> Tensor:
        """x in the shape of `other`."""
    def resize_(self, *sizes) -> Tensor:
        """In place: another shape, of the first elements; where it has more of them, the new ones are not set."""
    def resize_as_(self, other: Tensor | _complex) -> Tensor:
        """In place: the shape of `other`; see resize_."""
    def retain_grad(self) -> None:
        """Keep the gradient of this computed tensor in `grad` too."""
    @property
    def retains_grad(self) -> _bool:
        """Whether `retain_grad` was called."""
    def roll(self, shifts, dims=...) -> Tensor:
        """x shifted along `dims`, what leaves coming in at the other end; without dims as if flat."""
    def rot90(self, k: _int = ..., dims=...) -> Tensor:
        """x turned k times by 90 degrees, from the first dimension towards the second; a copy."""
    def round(self, *, decimals=...) -> Tensor:
        """x rounded to `decimals` places, halves to even.  x: any shape -> same shape."""
    def round_(self, *, decimals=...) -> Tensor:
        """In place: the tensor becomes `round` of it.  Returns the tensor."""
    def rsqrt(self) -> Tensor:
        """1 / sqrt(x).  x: any shape -> same shape."""
    def rsqrt_(self) -> Tensor:
        """In place: the tensor becomes `rsqrt` of it.  Returns the tensor."""
    def rsub(self, other, *, alpha=...) -> Tensor:
        """other - alpha * x.  Shapes that broadcast -> the broadcast shape."""
    def scatter(self, dim: _int, index: Tensor | _complex, src=..., value=..., *, reduce: str | None = ...) -> Tensor:
        """A copy of x with src[.., i, ..] (or the number `value`) at [.., index[.., i, ..], ..]."""
    def scatter_(self, dim: _int, index: Tensor | _complex, src=..., value=..., *, reduce: str | None = ...) -> Tensor:
        """In place: the tensor becomes `scatter` of it.  Returns the tensor."""
    def scatter_add(self, dim: _int, index: Tensor | _complex, src: Tensor | _complex) -> Tensor:
        """x with src[.., i, ..] added at [.., index[.., i, ..], ..]; all that meet are summed."""
    def scatter_add_(self, dim: _int, index: Tensor | _complex, src: Tensor | _complex) -> Tensor:
        """In place: the tensor becomes `scatter_add` of it.  Returns the tensor."""
    def scatter_reduce(self, dim: _int, index: Tensor | _complex, src: Tensor | _complex, reduce: str, *, include_self: _bool = ..., _name: str = ...) -> Tensor:
        """x with all src[.., i, ..] that go to [.., index[.., i, ..], ..] joined there."""
    def scatter_reduce_(self, dim: _int, index: Tensor | _complex, src: Tensor | _complex, reduce: str, *, include_self: _bool = ..., _name: str = ...) -> Tensor:
        """In place: the tensor becomes `scatter_reduce` of it.  Returns the tensor."""
    def select(self, dim: _int, index: _int) -> Tensor:
        """x at one place of dimension `dim`, which is dropped: a view."""
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
    def sinc(self) -> Tensor:
        """sin(pi x) / (pi x), 1 at 0.  x: any shape -> same shape."""
    def sinc_(self) -> Tensor:
        """In place: the tensor becomes `sinc` of it.  Returns the tensor."""
    def sinh(self) -> Tensor:
        """Hyperbolic sine.  x: any shape -> same shape."""
    def sinh_(self) -> Tensor:
        """In place: the tensor becomes `sinh` of it.  Returns the tensor."""
    def size(self, dim: _int | None = ...):
        """The shape, or the size of dimension `dim`."""
    def slogdet(self):
        """Sign and logarithm of |determinant|, without overflow.  x: (..., n, n) -> (...), (...)."""
    def softmax(self, dim: _int, dtype=...) -> Tensor:
        """exp(x) / sum of exp(x) over `dim`: positive, with sum 1.  x: any shape -> same shape."""
    def sort(self, dim: _int = ..., descending: _bool = ..., stable: _bool = ...) -> Any:
        """x sorted along `dim`, and where its elements stood; NaN is the largest.  Always stable."""
    def split(self, split_size_or_sections, dim: _int = ...) -> tuple[Tensor, ...]:
        """x cut along `dim` into views of one size (the last may be smaller), or of given sizes."""
    def split_with_sizes(self, split_sizes, dim: _int = ...) -> tuple[Tensor, ...]:
        """x cut along `dim` into views of the given sizes, which must add up to the whole."""
    def sqrt(self) -> Tensor:
        """Square root.  x: any shape -> same shape."""
    def sqrt_(self) -> Tensor:
        """In place: the tensor becomes `sqrt` of it.  Returns the tensor."""
    def square(self) -> Tensor:
        """x * x.  x: any shape -> same shape."""
    def square_(self) -> Tensor:
        """In place: the tensor becomes `square` of it.  Returns the tensor."""
    def squeeze(self, dim=...) -> Tensor:
        """x without its dimensions of size 1: all of them, or those among `dim` (one or several)."""
    def squeeze_(self, dim=...) -> Tensor:
        """In place: the tensor takes the shape of its `squeeze`.  Returns the tensor."""
    def std(self, dim: _int | Sequence[_int] | _bool | None = ..., unbiased: _bool | None = ..., keepdim: _bool = ..., *, correction: _float | None = ...) -> Tensor:
        """Standard deviation over `dim` (one, several, None for all); the divisor is count - correction."""
    def std_mean(self, dim=..., unbiased=..., keepdim=..., *, correction=...):
        """Standard deviation and mean, as `std` and `mean` give them."""
    def storage_offset(self) -> _int:
        """How many elements after that of its base its first element lies."""
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
    def sum(self, dim: _int | Sequence[_int] | None = ..., keepdim: _bool = ..., *, dtype=...) -> Tensor:
        """Sum over `dim` (one, several, None for all).  Integers and bools sum as int64."""
    def sum_to_size(self, *size) -> Tensor:
        """x summed to `size`, a shape that broadcasts to x's."""
    def swapaxes(self, axis0: _int, axis1: _int) -> Tensor:
        """x with two dimensions exchanged: a view."""
    def swapaxes_(self, axis0: _int, axis1: _int) -> Tensor:
        """In place: the tensor takes the shape of its `swapaxes`.  Returns the tensor."""
    def swapdims(self, axis0: _int, axis1: _int) -> Tensor:
        """x with two dimensions exchanged: a view."""
    def swapdims_(self, axis0: _int, axis1: _int) -> Tensor:
        """In place: the tensor takes the shape of its `swapaxes`.  Returns the tensor."""
    def t(self) -> Tensor:
        """The transpose of a matrix; a tensor of fewer dimensions as it is.  A view."""
    def t_(self) -> Tensor:
        """In place: the tensor takes the shape of its `t`.  Returns the tensor."""
    def take(self, index: Tensor | _complex) -> Tensor:
        """The elements of x, as if flat, at integer indices.  -> the shape of index."""
    def take_along_dim(self, indices: Tensor | _complex, dim: _int | None = ...) -> Tensor:
        """As gather, with x and indices broadcast in the other dimensions; without dim both as if flat."""
    def tan(self) -> Tensor:
        """Tangent.  x: any shape -> same shape."""
    def tan_(self) -> Tensor:
        """In place: the tensor becomes `tan` of it.  Returns the tensor."""
    def tanh(self) -> Tensor:
        """Hyperbolic tangent.  x: any shape -> same shape."""
    def tanh_(self) -> Tensor:
        """In place: the tensor becomes `tanh` of it.  Returns the tensor."""
    def tensor_split(self, indices_or_sections, dim: _int = ...) -> tuple[Tensor, ...]:
        """x cut along `dim` before each index of a sequence, or into a number of nearly equal views."""
    def tensordot(self, other, dims=...):
        """Sum of products over `dims`: the last of x with the first of other, or two lists of"""
    def tile(self, *args, dims=...) -> Tensor:
        """x repeated as a whole along its last dimensions: missing numbers stand for 1."""
    def to(self, *args, device=..., dtype=..., non_blocking: _bool = ..., copy: _bool = ...) -> Tensor:
        """The tensor on another device or with another type: to('cuda'), to(tinydl.float64), to(other), to(device, dtype)."""
    def tolist(self):
        """Nested lists of Python numbers."""
    def topk(self, k: _int, dim: _int = ..., largest: _bool = ..., sorted: _bool = ...) -> Any:
        """The k largest (or smallest) elements along `dim`, sorted, and where they stand."""
    def trace(self) -> Tensor:
        """Sum of the diagonal.  x: (n, m) -> ()."""
    def transpose(self, dim0: _int, dim1: _int) -> Tensor:
        """x with two dimensions exchanged: a view."""
    def transpose_(self, dim0: _int, dim1: _int) -> Tensor:
        """In place: the tensor takes the shape of its `transpose`.  Returns the tensor."""
    def tril(self, diagonal: _int = ...) -> Tensor:
        """x with zeros above the given diagonal of the matrices in its last two dimensions."""
    def tril_(self, diagonal: _int = ...) -> Tensor:
        """In place: the tensor becomes `tril` of it.  Returns the tensor."""
    def triu(self, diagonal: _int = ...) -> Tensor:
        """x with zeros below the given diagonal of the matrices in its last two dimensions."""
    def triu_(self, diagonal: _int = ...) -> Tensor:
        """In place: the tensor becomes `triu` of it.  Returns the tensor."""
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
    def unbind(self, dim: _int = ...) -> tuple[Tensor, ...]:
        """x at each place of dimension `dim`: views."""
    def unflatten(self, dim: _int, sizes) -> Tensor:
        """x with dimension `dim` as several of the given sizes; one may be -1."""
    def unfold(self, dimension: _int, size: _int, step: _int) -> Tensor:
        """Windows of `size` along a dimension, `step` apart, in a new last dimension: a view."""
    def uniform_(self, from_: _float = ..., to: _float = ..., *, generator=...) -> Tensor:
        """In place: uniform numbers in [from_, to); in narrow types those that are rounded to `to` become from_."""
    def unique(self, sorted: _bool = ..., return_inverse: _bool = ..., return_counts: _bool = ..., dim: _int | None = ...):
        """The distinct elements, sorted, or the distinct slices along `dim`."""
    def unique_consecutive(self, return_inverse: _bool = ..., return_counts: _bool = ..., dim: _int | None = ...):
        """As `unique`, but of equal neighbours only, and in their order."""
    def unsqueeze(self, dim: _int) -> Tensor:
        """x with a new dimension of size 1 at `dim`."""
    def unsqueeze_(self, dim: _int) -> Tensor:
        """In place: the tensor takes the shape of its `unsqueeze`.  Returns the tensor."""
    def var(self, dim: _int | Sequence[_int] | _bool | None = ..., unbiased: _bool | None = ..., keepdim: _bool = ..., *, correction: _float | None = ...) -> Tensor:
        """Variance over `dim` (one, several, None for all); the divisor is count - correction."""
    def var_mean(self, dim=..., unbiased=..., keepdim=..., *, correction=...):
        """Variance and mean, as `var` and `mean` give them."""
    def vdot(self, other):
        """Product of two real vectors, as `dot`.  x, other: (n,) -> ()."""
    def view(self, *shape) -> Tensor:
        """x in another shape with as many elements, as a view; refused where memory allows none."""
    def view_as(self, other: Tensor | _complex) -> Tensor:
        """x as a view in the shape of `other`."""
    def vsplit(self, indices_or_sections) -> tuple[Tensor, ...]:
        """As tensor_split along rows; a number of sections must divide it."""
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
