"""Arithmetic, powers, rounding, and copies in another type or place."""

from __future__ import annotations

from ..autograd.autocast import listed
from ..autograd.engine import Array, by_category, floating, op
from ..autograd.fused import fused
from ..autograd.narrow import rounded_once
from ..autograd.promotion import was_number
from ..device import on_host
from ..dtype import float64, is_floating
from ..tensor import Tensor
from .choice import logical_and, some_tensor, tensors, where, zero


# ---------------------------------------------------------------- types
@op(exact=True)
def cast(xp, x: Array, dtype):
    """A copy of x with elements of type `dtype`.  x: any shape -> same shape."""
    return x.astype(dtype)


cast.grads(lambda g, x_like: cast(g, x_like.dtype))


@op(exact=True)
def alias(xp, x: Array):
    """x itself, as a new place in the graph."""
    return x


alias.grads(lambda g: g)


@op(exact=True)
def clone(xp, x: Array):
    """A copy of x in memory of its own.  x: any shape -> same shape."""
    return x.copy()


clone.grads(lambda g: g)


@op(exact=True)
def to_device(xp, x: Array, device, non_blocking=False):
    """A copy of x on another device; non_blocking: a GPU may still be copying it."""
    return device.array(x, None, non_blocking)


to_device.grads(lambda g, x_like: g.to(x_like.device))


# ---------------------------------------------------------------- arithmetic
@op(promote=by_category)
def add(xp, x: Array, other: Array, *, alpha=1):
    """x + alpha * other.  Shapes that broadcast -> the broadcast shape."""
    if alpha != 1:
        other = other * _like_number(other, alpha, "add")
    return xp.add(x, other)


add.grads(lambda g: g, lambda g, alpha: g if alpha == 1 else g * alpha)


def _no_bools(op, arrays):
    if any(isinstance(a, bool) or getattr(a, "dtype", None) == "bool" for a in arrays):
        raise RuntimeError("sub: bools have no difference; use ~, logical_xor or .to(dtype)")
    return by_category(op, arrays)


@op(promote=_no_bools)
def sub(xp, x: Array, other: Array, *, alpha=1):
    """x - alpha * other.  Shapes that broadcast -> the broadcast shape."""
    if alpha != 1:
        other = other * _like_number(other, alpha, "sub")
    return xp.subtract(x, other)


sub.grads(lambda g: g, lambda g, alpha: g * -alpha)


def _like_number(array, alpha, name):
    if isinstance(alpha, float) and not is_floating(array.dtype):
        raise RuntimeError(f"{name}: for {array.dtype} alpha must be an integer, got {alpha}")
    return array.dtype.type(alpha)


@op(promote=by_category)
def mul(xp, x: Array, other: Array):
    """Product.  x, other: shapes that broadcast -> the broadcast shape."""
    return xp.multiply(x, other)


mul.grads(lambda g, other: g * other, lambda g, x: g * x)


@op(promote=floating)
def true_divide(xp, x: Array, other: Array):
    """Quotient, always floating.  x, other: shapes that broadcast -> the broadcast shape."""
    return xp.true_divide(x, other)


true_divide.grads(lambda g, other: g / other, lambda g, x, other: -g * ((x / other) / other))


@op(promote=by_category)
def floor_divide(xp, x: Array, other: Array):
    """Quotient rounded down.  x, other: shapes that broadcast -> the broadcast shape."""
    if not is_floating(x.dtype):
        _refuse_zero("floor_divide", other)
    return xp.floor_divide(x, other)


@op(promote=by_category)
def trunc_divide(xp, x: Array, other: Array):
    """Quotient rounded towards zero (div with rounding_mode='trunc')."""
    if is_floating(x.dtype):
        return xp.trunc(xp.true_divide(x, other))
    _refuse_zero("div", other)
    quotient = xp.floor_divide(x, other)
    inexact = (quotient * other != x) & ((x < 0) != (other < 0))
    return quotient + inexact.astype(quotient.dtype)


floor_divide.grads(zero, zero)
trunc_divide.grads(zero, zero)


def _refuse_zero(name, divisor):
    # on a GPU the quotient is then undefined, as in PyTorch
    if on_host(divisor) and divisor.size and not divisor.all():
        raise RuntimeError(f"{name}: integer division by zero")


def div(x: Tensor, other, *, rounding_mode: str | None = None) -> Tensor:
    """x / other; rounding_mode None (true quotient), 'floor' or 'trunc'."""
    modes = {None: true_divide, "floor": floor_divide, "trunc": trunc_divide}
    if rounding_mode not in modes:
        got = repr(rounding_mode)
        raise RuntimeError(f"div: rounding_mode must be None, 'floor' or 'trunc', got {got}")
    return modes[rounding_mode](x, other)


@op(promote=some_tensor(by_category))
def remainder(xp, x: Array, other: Array):
    """Remainder with the divisor's sign: x - other * floor(x / other)."""
    if not is_floating(x.dtype):
        _refuse_zero("remainder", other)
    return xp.remainder(x, other)


@op(promote=tensors(by_category, 0))
def fmod(xp, x: Array, other: Array):
    """Remainder with the dividend's sign: x - other * trunc(x / other)."""
    if not is_floating(x.dtype):
        _refuse_zero("fmod", other)
    return xp.fmod(x, other)


remainder.grads(lambda g: g, lambda g, x, other: -g * floor_divide(x, other))
fmod.grads(lambda g: g, lambda g, x, other: -g * trunc_divide(x, other))


_POWERS = {  # by a number: at a tenth of the cost, and less where x is negative
    2.0: lambda xp, x: x * x,
    3.0: lambda xp, x: x * x * x,
    0.5: lambda xp, x: xp.sqrt(x),
    -1.0: lambda xp, x: 1 / x,
    -0.5: lambda xp, x: 1 / xp.sqrt(x),
}


@op(promote=some_tensor(by_category))
def pow(xp, x: Array, exponent: Array):
    """x to the power `exponent`; 0 ** 0 is 1.  Shapes that broadcast -> the broadcast shape."""
    if not is_floating(x.dtype) and on_host(exponent) and exponent.size and (exponent < 0).any():
        raise RuntimeError("pow: an integer to a negative power is none; convert with .to(float)")
    if x.dtype.kind == "b":
        return x | ~exponent
    simpler = was_number(exponent) and is_floating(x.dtype) and _POWERS.get(float(exponent))
    return simpler(xp, x) if simpler else xp.power(x, exponent)


def _power_by_base(g, x, exponent):
    # where the exponent is 0 the slope is 0, although x ** -1 may be infinite
    slope = exponent * pow(x, where(exponent == 0, 1, exponent - 1))
    return g * where(exponent == 0, 0, slope)


def _power_by_exponent(g, x, exponent, y):
    # y log x tends to 0 with x for a positive exponent
    flat = logical_and(x == 0, exponent >= 0)
    return g * where(flat, 0, y * where(flat, 1, x).log())


pow.grads(_power_by_base, _power_by_exponent)


def float_power(x: Tensor, exponent) -> Tensor:
    """x ** exponent computed in float64."""
    wide = [cast(v, float64) if isinstance(v, Tensor) else float(v) for v in (x, exponent)]
    return pow(*wide)


@op(promote=by_category, exact=True)
def neg(xp, x: Array):
    """-x.  x: any shape -> same shape."""
    if x.dtype.kind == "b":
        raise RuntimeError("neg: bool tensors have no negative; use logical_not (~)")
    return xp.negative(x)


neg.grads(lambda g: -g)


@op(promote=by_category, exact=True)
def abs(xp, x: Array):
    """|x|; its slope at 0 is 0.  x: any shape -> same shape."""
    return xp.absolute(x)


abs.grads(lambda g, x: g * sign(x))


@op(promote=floating)
def reciprocal(xp, x: Array):
    """1 / x.  x: any shape -> same shape."""
    return 1 / x


reciprocal.grads(lambda g, y: -g * y * y)


@op(promote=by_category)
def square(xp, x: Array):
    """x * x.  x: any shape -> same shape."""
    return xp.multiply(x, x) if x.dtype.kind != "b" else x.astype("int64")


square.grads(lambda g, x: g * 2 * x)


# ---------------------------------------------------------------- steps and rounding
@op(promote=by_category, exact=True)
def sign(xp, x: Array):
    """-1, 0 or 1.  x: any shape -> same shape."""
    return xp.sign(x) if x.dtype.kind != "b" else x.copy()


sign.grads(zero)
sgn = sign


def _rounding(name, doc):
    def body(xp, x: Array):
        return getattr(xp, name)(x) if is_floating(x.dtype) else x.copy()

    body.__name__, body.__doc__ = (
        name,
        f"{doc}  Integers stay as they are.  x: any shape -> same shape.",
    )
    declared = op(body, promote=by_category, exact=True)
    declared.grads(zero)
    return declared


floor = _rounding("floor", "The largest integer not above x.")
ceil = _rounding("ceil", "The smallest integer not below x.")
trunc = _rounding("trunc", "x without its fraction.")
fix = trunc


@op(promote=by_category)
def round(xp, x: Array, *, decimals=0):
    """x rounded to `decimals` places, halves to even.  x: any shape -> same shape."""
    if not is_floating(x.dtype) and decimals >= 0:
        return x.copy()
    return xp.round(x, decimals)


round.grads(zero)


def frac(x: Tensor) -> Tensor:
    """x - trunc(x).  x: any shape -> same shape."""
    if not is_floating(x.dtype):
        raise RuntimeError(f"frac: expected a floating tensor, got {x.dtype}")
    return x - trunc(x)


@op(promote=by_category, exact=True)
def positive(xp, x: Array):
    """+x.  x: any shape -> same shape."""
    if x.dtype.kind == "b":
        raise RuntimeError("positive: not defined for bool tensors")
    return x.copy()


positive.grads(lambda g: g)


# ---------------------------------------------------------------- two arguments
@op(promote=tensors(floating, 0))
def copysign(xp, x: Array, other: Array):
    """|x| with the sign of `other`.  Shapes that broadcast -> the broadcast shape."""
    return xp.copysign(x, other)


def _copysign_by_x(g, x, other):
    same = copysign(sign(x), other) * sign(x)
    return g * same


copysign.grads(_copysign_by_x, zero)


def ldexp(x: Tensor, other: Tensor) -> Tensor:
    """x * 2 ** other.  Shapes that broadcast -> the broadcast shape."""
    for name, v in (("x", x), ("other", other)):
        if not isinstance(v, Tensor):
            raise TypeError(f"ldexp: {name} must be a tensor, got {type(v).__name__}")
    return x * pow(2.0, other)


@rounded_once
def lerp(x: Tensor, end: Tensor, weight) -> Tensor:
    """x + weight * (end - x): weight 0 gives x, 1 gives end.  All of one dtype; they broadcast."""
    for name, v in (("end", end), ("weight", weight)):
        if hasattr(v, "dtype") and v.dtype != x.dtype:
            raise RuntimeError(f"lerp: expected {name} of dtype {x.dtype}, got {v.dtype}")
    return x + weight * (end - x) if isinstance(weight, Tensor) else between(x, end, weight)


@fused
def between(x: Array, end: Array, weight):
    """lerp by a number."""
    return x + weight * (end - x)


@listed
@rounded_once
def addcmul(x: Tensor, tensor1: Tensor, tensor2: Tensor, *, value=1) -> Tensor:
    """x + value * tensor1 * tensor2, of shapes that broadcast."""
    return plus_product(x, tensor1, tensor2, value)


@fused
def plus_product(x: Array, a: Array, b: Array, value):
    """x + value a b."""
    return x + value * (a * b)


@listed
@rounded_once
def addcdiv(x: Tensor, tensor1: Tensor, tensor2: Tensor, *, value=1) -> Tensor:
    """x + value * tensor1 / tensor2, of shapes that broadcast."""
    if not any(is_floating(t.dtype) for t in (tensor1, tensor2)):
        raise RuntimeError("addcdiv: both divide as integers; convert one with .to(float)")
    return plus_quotient(x, tensor1, tensor2, value)


@fused
def plus_quotient(x: Array, a: Array, b: Array, value):
    """x + value a / b."""
    return x + value * (a / b)


def rsub(x: Tensor, other, *, alpha=1) -> Tensor:
    """other - alpha * x.  Shapes that broadcast -> the broadcast shape."""
    if not isinstance(x, Tensor):
        raise TypeError(f"rsub: x must be a tensor, got {type(x).__name__}")
    return sub(other, x, alpha=alpha)


@op(exact=True)
def overwritten(xp, x: Array, value: Array):
    """What `x` is after `value` was copied into it: the functional twin of copy_ and fill_."""
    out = xp.empty(x.shape, x.dtype)
    out[...] = value
    return out


overwritten.grads(zero, lambda g: g)


# PyTorch's other names
absolute, negative, multiply, subtract, divide = abs, neg, mul, sub, div

__all__ = [
    "abs", "absolute", "add", "addcdiv", "addcmul", "ceil", "clone", "copysign", "div", "divide",
    "fix", "float_power", "floor", "floor_divide", "fmod", "frac", "ldexp", "lerp", "mul",
    "multiply", "neg", "negative", "positive", "pow", "reciprocal", "remainder", "round", "rsub",
    "sgn", "sign", "square", "sub", "subtract", "true_divide", "trunc",
]  # fmt: skip
