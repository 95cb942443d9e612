"""Choosing between elements: where, clamp, maximum, and the truth values to choose by."""

from __future__ import annotations

import math

from ..autograd.engine import Array, by_category, op, promoting
from ..autograd.fused import fused
from ..dtype import finfo, is_floating, is_narrow
from ..tensor import Tensor
from .creation import zeros_like


def zero(g):
    """The rule of a function that is constant almost everywhere."""
    return zeros_like(g)


# ---------------------------------------------------------------- operands that must be tensors
def tensors(promote, *positions):
    """`promote`, but at these positions (none given: at all) a Python number is refused."""

    def checked(op, arrays):
        for i in positions or range(len(arrays)):
            if isinstance(arrays[i], (int, float)):
                name = op.arrays[i]
                raise TypeError(f"{op.name}: '{name}' must be a tensor, got the number {arrays[i]}")
        return promote(op, arrays)

    return checked


def some_tensor(promote):
    """`promote`, but refused where every operand is a Python number."""

    def checked(op, arrays):
        if all(isinstance(a, (int, float)) for a in arrays):
            raise TypeError(f"{op.name}: at least one operand must be a tensor, got {arrays}")
        return promote(op, arrays)

    return checked


# ---------------------------------------------------------------- choice
@op(promote=promoting(1, 2))
def where_(xp, condition: Array, x: Array, other: Array):
    """x where the condition holds, else `other`.  Shapes that broadcast -> the broadcast shape."""
    return xp.where(condition, x, other)


where_.grads(
    None,
    lambda g, condition: where_(condition, g, 0),
    lambda g, condition: where_(condition, 0, g),
)


def where(condition: Tensor, x=None, other=None) -> Tensor:
    """x where the condition holds, else other; of a condition alone, the indices where it holds."""
    if x is None and other is None:
        from .index import nonzero

        return nonzero(condition, as_tuple=True)
    if getattr(condition, "dtype", None) is not None and condition.dtype.kind not in "bu":
        raise RuntimeError(f"where: expected a bool condition, got {condition.dtype}")
    return where_(condition, x, other)


def clamp(x: Tensor, min=None, max=None) -> Tensor:
    """x held between `min` and `max` (numbers or tensors; None: no limit).

    Outside the gradient is 0; a NaN limit gives NaN.
    """
    if min is None and max is None:
        raise RuntimeError("clamp: at least one of min and max must be given")
    if _is_limit(min) and _is_limit(max) and is_floating(x.dtype):
        return clamped(x, as_element(min, x), as_element(max, x))
    if min is not None:
        x = clamp_min(x, min)
    return x if max is None else clamp_max(x, max)


def as_element(number, x):
    """A number as x's type holds it, where that is narrow: so that it is compared with x's elements as one of them."""
    return float(x.dtype.type(number)) if is_narrow(x.dtype) else number


def _is_limit(v):
    return isinstance(v, (int, float)) and v == v


@op(promote=by_category, exact=True)
def clamped(xp, x: Array, low, high):
    """x held between two numbers; where low > high it is high."""
    return xp.minimum(xp.maximum(x, x.dtype.type(low)), x.dtype.type(high))


@fused
def clamped_slope(u: Array, x: Array, low, high):
    """The cotangent u through `clamped` at x."""
    return where(logical_and(x >= low, x <= high), u, 0)


clamped.grads(lambda g, x, low, high: clamped_slope(g, x, low, high))


@op(promote=tensors(by_category, 0), exact=True)
def clamp_min(xp, x: Array, min: Array):
    """x, but not below `min`, a number or a tensor; the gradient goes to the larger."""
    return xp.maximum(x, min)


@op(promote=tensors(by_category, 0), exact=True)
def clamp_max(xp, x: Array, max: Array):
    """x, but not above `max`, a number or a tensor; the gradient goes to the smaller."""
    return xp.minimum(x, max)


clamp_min.grads(lambda g, x, min: where(x >= min, g, 0), lambda g, x, min: where(x < min, g, 0))
clamp_max.grads(lambda g, x, max: where(x <= max, g, 0), lambda g, x, max: where(x > max, g, 0))
clip = clamp


def nan_to_num(x: Tensor, nan=None, posinf=None, neginf=None) -> Tensor:
    """x with NaN, inf, -inf replaced: by 0, its largest and smallest number, or what is given."""
    if not is_floating(x.dtype):
        return x.clone()
    limits = finfo(x.dtype)
    x = where(isnan(x), 0.0 if nan is None else nan, x)
    x = where(x == math.inf, float(limits.max) if posinf is None else posinf, x)
    return where(x == -math.inf, float(limits.min) if neginf is None else neginf, x)


# ---------------------------------------------------------------- the larger, the smaller
def _extreme(name, doc, *rules):
    def body(xp, x: Array, other: Array):
        return getattr(xp, name)(x, other)

    body.__name__ = body.__qualname__ = name
    body.__doc__ = f"{doc}  Shapes that broadcast -> the broadcast shape."
    declared = op(body, promote=tensors(by_category), exact=True)
    declared.grads(*rules)
    return declared


def _share(g, won, tied):
    """All of g where won, half of it where tied."""
    return where(tied, g / 2, where(won, g, 0))


maximum = _extreme(
    "maximum",
    "The larger, NaN if either is; equal ones share the gradient.",
    lambda g, x, other: _share(g, x > other, x == other),
    lambda g, x, other: _share(g, x < other, x == other),
)
minimum = _extreme(
    "minimum",
    "The smaller, NaN if either is; equal ones share the gradient.",
    lambda g, x, other: _share(g, x < other, x == other),
    lambda g, x, other: _share(g, x > other, x == other),
)
fmax = _extreme(
    "fmax",
    "The larger, or the one that is not NaN; of equal ones x takes the gradient.",
    lambda g, x, other: where(logical_or(x >= other, isnan(other)), g, 0),
    lambda g, x, other: where(logical_or(x >= other, isnan(other)), 0, g),
)
fmin = _extreme(
    "fmin",
    "The smaller, or the one that is not NaN; of equal ones x takes the gradient.",
    lambda g, x, other: where(logical_or(x <= other, isnan(other)), g, 0),
    lambda g, x, other: where(logical_or(x <= other, isnan(other)), 0, g),
)


# ---------------------------------------------------------------- truth values
def _truth(name, doc, promote=by_category, function=None, exact=True):
    """Declare a function of two arguments whose result is bool and has no gradient."""

    def body(xp, x: Array, other: Array):
        return getattr(xp, function or name)(x, other)

    body.__name__ = body.__qualname__ = name
    body.__doc__ = f"{doc}  Shapes that broadcast -> bool of the broadcast shape."
    return op(body, promote=promote, exact=exact)


def _test(name, doc):
    """Declare a function of one argument whose result is bool and has no gradient."""

    def body(xp, x: Array):
        return getattr(xp, name)(x)

    body.__name__ = body.__qualname__ = name
    body.__doc__ = f"{doc}  x: any shape -> bool of the same shape."
    return op(body, promote=by_category)


_first, _both = tensors(by_category, 0), tensors(by_category)
eq = _truth("eq", "x equals other.", _first, "equal")
ne = _truth("ne", "x differs from other.", _first, "not_equal")
lt = _truth("lt", "x is less than other.", _first, "less")
le = _truth("le", "x is at most other.", _first, "less_equal")
gt = _truth("gt", "x is greater than other.", _first, "greater")
ge = _truth("ge", "x is at least other.", _first, "greater_equal")
logical_and = _truth("logical_and", "Both are not 0.", _both, exact=False)
logical_or = _truth("logical_or", "At least one is not 0.", _both, exact=False)
logical_xor = _truth("logical_xor", "Exactly one is not 0.", _both, exact=False)
logical_not = _test("logical_not", "x is 0.")
isnan = _test("isnan", "x is NaN.")
isinf = _test("isinf", "x is infinite.")
isfinite = _test("isfinite", "x is neither infinite nor NaN.")
greater, greater_equal, less, less_equal, not_equal = gt, ge, lt, le, ne


def isposinf(x: Tensor) -> Tensor:
    """x is plus infinity.  x: any shape -> bool of the same shape."""
    return eq(x, math.inf)


def isneginf(x: Tensor) -> Tensor:
    """x is minus infinity.  x: any shape -> bool of the same shape."""
    return eq(x, -math.inf)


def isclose(x: Tensor, other: Tensor, rtol=1e-05, atol=1e-08, equal_nan=False) -> Tensor:
    """|x - other| <= atol + rtol |other|, elementwise; with equal_nan, NaN is close to NaN."""
    for name, v in (("x", x), ("other", other)):
        if not isinstance(v, Tensor):
            raise TypeError(f"isclose: {name} must be a tensor, got {type(v).__name__}")
    if x.dtype != other.dtype:
        raise RuntimeError(f"isclose: expected tensors of one dtype, got {x.dtype}, {other.dtype}")
    if rtol < 0 or atol < 0:
        raise RuntimeError(f"isclose: rtol and atol must not be negative, got {rtol} and {atol}")
    close = eq(x, other)
    if x.dtype.kind != "b":
        near = (x - other).abs() <= atol + (rtol * other).abs()
        close = logical_or(close, logical_and(near, isfinite(other)))
    return logical_or(close, logical_and(isnan(x), isnan(other))) if equal_nan else close


def allclose(x: Tensor, other: Tensor, rtol=1e-05, atol=1e-08, equal_nan=False) -> bool:
    """Whether all elements are close, as `isclose` says."""
    return bool(isclose(x, other, rtol, atol, equal_nan).array.all())


def equal(x: Tensor, other: Tensor) -> bool:
    """Whether both tensors have the same shape and the same elements."""
    return x.shape == other.shape and bool(eq(x, other).array.all())


# ---------------------------------------------------------------- bits
def _bits(name, doc, function=None):
    def body(xp, x: Array, other: Array):
        if is_floating(x.dtype) or is_floating(other.dtype):
            got = f"{x.dtype} and {other.dtype}"
            raise RuntimeError(f"{name}: expected integer or bool tensors, got {got}")
        return getattr(xp, function or name)(x, other)

    body.__name__ = body.__qualname__ = name
    body.__doc__ = f"{doc}  Integer or bool, of shapes that broadcast."
    return op(body, promote=by_category, exact=True)


bitwise_and = _bits("bitwise_and", "Bits set in both.")
bitwise_or = _bits("bitwise_or", "Bits set in either.")
bitwise_xor = _bits("bitwise_xor", "Bits set in exactly one.")
bitwise_left_shift = _bits("bitwise_left_shift", "x times 2 ** other.", "left_shift")
bitwise_right_shift = _bits("bitwise_right_shift", "x over 2 ** other, rounded down.", "right_shift")


@op(exact=True)
def bitwise_not(xp, x: Array):
    """Every bit turned over; of bool, the negation.  Integer or bool."""
    if is_floating(x.dtype):
        raise RuntimeError(f"bitwise_not: expected an integer or bool tensor, got {x.dtype}")
    return xp.invert(x)


__all__ = [
    "allclose", "bitwise_and", "bitwise_left_shift", "bitwise_not", "bitwise_or",
    "bitwise_right_shift", "bitwise_xor", "clamp", "clamp_max", "clamp_min", "clip", "eq", "equal",
    "fmax", "fmin", "ge", "greater", "greater_equal", "gt", "isclose", "isfinite", "isinf", "isnan",
    "isneginf", "isposinf", "le", "less", "less_equal", "logical_and", "logical_not", "logical_or", "logical_xor", "lt",
    "maximum", "minimum", "nan_to_num", "ne", "not_equal", "where",
]  # fmt: skip
