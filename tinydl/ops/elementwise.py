"""Operations element by element: arithmetic, powers, exponentials, trigonometry, comparison, rounding.

Operands broadcast; the engine undoes it in gradients.  Types follow PyTorch's promotion.
"""

from __future__ import annotations

import math

from ..autograd.engine import Array, by_category, floating, op, promoting
from .creation import zeros_like

PI = math.pi


def zero(g):
    """The rule of a function that is constant almost everywhere."""
    return zeros_like(g)


# ---------------------------------------------------------------- types
@op
def cast(xp, x: Array, dtype):
    """A copy of x with elements of type `dtype`.  x: any shape -> same shape."""
    return x.astype(dtype)


cast.grads(lambda g, x_like: cast(g, x_like.dtype))


@op
def alias(xp, x: Array):
    """x itself, as a new place in the graph."""
    return x


alias.grads(lambda g: g)


@op
def clone(xp, x: Array):
    """A copy of x in memory of its own.  x: any shape -> same shape."""
    return x.copy()


clone.grads(lambda g: g)


@op
def to_device(xp, x: Array, device):
    """A copy of x on another device."""
    return x


to_device.grads(lambda g, x_like: g.to(x_like.device))


# ---------------------------------------------------------------- arithmetic
@op(promote=by_category)
def add(xp, x: Array, other: Array, *, alpha=1):
    """x + alpha * other.  Shapes that broadcast -> the broadcast shape."""
    if alpha != 1:
        other = other * _like_number(other, alpha, "add")
    return xp.add(x, other)


add.grads(lambda g: g, lambda g, alpha: g if alpha == 1 else g * alpha)


@op(promote=by_category)
def sub(xp, x: Array, other: Array, *, alpha=1):
    """x - alpha * other.  Shapes that broadcast -> the broadcast shape."""
    if "b" in (x.dtype.kind, other.dtype.kind):
        raise RuntimeError("sub: bool tensors have no difference; use logical_xor, or convert with .to(dtype)")
    if alpha != 1:
        other = other * _like_number(other, alpha, "sub")
    return xp.subtract(x, other)


sub.grads(lambda g: g, lambda g, alpha: g * -alpha)


def _like_number(array, alpha, name):
    if isinstance(alpha, float) and array.dtype.kind != "f":
        raise RuntimeError(f"{name}: alpha is {alpha}; for tensors of {array.dtype} it must be an integer")
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
    if x.dtype.kind != "f":
        _refuse_zero("floor_divide", other)
    return xp.floor_divide(x, other)


@op(promote=by_category)
def trunc_divide(xp, x: Array, other: Array):
    """Quotient rounded towards zero (div with rounding_mode='trunc')."""
    if x.dtype.kind == "f":
        return xp.trunc(xp.true_divide(x, other))
    _refuse_zero("div", other)
    quotient = xp.floor_divide(x, other)
    inexact = (quotient * other != x) & ((x < 0) != (other < 0))
    return quotient + inexact.astype(quotient.dtype)


floor_divide.grads(zero, zero)
trunc_divide.grads(zero, zero)


def _refuse_zero(name, divisor):
    if not isinstance(divisor, type(None)) and divisor.size and not divisor.all():
        raise RuntimeError(f"{name}: integer division by zero")


def div(x, other, *, rounding_mode=None):
    """x / other; rounding_mode None (true quotient), 'floor' or 'trunc'."""
    modes = {None: true_divide, "floor": floor_divide, "trunc": trunc_divide}
    if rounding_mode not in modes:
        raise RuntimeError(f"div: rounding_mode must be None, 'floor' or 'trunc', got {rounding_mode!r}")
    return modes[rounding_mode](x, other)


@op(promote=by_category)
def remainder(xp, x: Array, other: Array):
    """Remainder with the divisor's sign: x - other * floor(x / other)."""
    if x.dtype.kind != "f":
        _refuse_zero("remainder", other)
    return xp.remainder(x, other)


@op(promote=by_category)
def fmod(xp, x: Array, other: Array):
    """Remainder with the dividend's sign: x - other * trunc(x / other)."""
    if x.dtype.kind != "f":
        _refuse_zero("fmod", other)
    return xp.fmod(x, other)


remainder.grads(lambda g: g, lambda g, x, other: -g * floor_divide(x, other))
fmod.grads(lambda g: g, lambda g, x, other: -g * trunc_divide(x, other))


@op(promote=by_category)
def pow(xp, x: Array, exponent: Array):
    """x to the power `exponent`; 0 to the power 0 is 1.  Shapes that broadcast -> the broadcast shape."""
    if x.dtype.kind != "f" and exponent.size and (exponent < 0).any():
        raise RuntimeError("pow: integers to a negative power are not integers; convert with .to(float)")
    if x.dtype.kind == "b":
        return x | ~exponent
    return xp.power(x, exponent)


def _power_by_base(g, x, exponent):
    # where the exponent is 0 the slope is 0, although x ** -1 may be infinite
    slope = exponent * pow(x, where(exponent == 0, 1, exponent - 1))
    return g * where(exponent == 0, 0, slope)


def _power_by_exponent(g, x, exponent, y):
    # y log x tends to 0 with x for a positive exponent
    flat = logical_and(x == 0, exponent >= 0)
    return g * where(flat, 0, y * log(where(flat, 1, x)))


pow.grads(_power_by_base, _power_by_exponent)


def float_power(x, exponent):
    """x ** exponent computed in float64."""
    from .. import dtype as d

    return pow(*(v.to(d.float64) if hasattr(v, "to") else float(v) for v in (x, exponent)))


@op(promote=by_category)
def neg(xp, x: Array):
    """-x.  x: any shape -> same shape."""
    if x.dtype.kind == "b":
        raise RuntimeError("neg: bool tensors have no negative; use logical_not (~)")
    return xp.negative(x)


neg.grads(lambda g: -g)


@op(promote=by_category)
def abs(xp, x: Array):
    """|x|; its slope at 0 is 0.  x: any shape -> same shape."""
    return xp.absolute(x)


abs.grads(lambda g, x: g * sign(x))


# ---------------------------------------------------------------- smooth functions of one argument
def _unary(name, doc, rule, special=False, function=None, promote=floating):
    """Declare the function that the array library has under `name` (in `xp.special` if so)."""

    if special:

        def body(xp, x: Array):
            return getattr(xp.special, function or name)(x)

    else:

        def body(xp, x: Array):
            return getattr(xp, function or name)(x)

    body.__name__ = body.__qualname__ = name
    body.__doc__ = f"{doc}  x: any shape -> same shape."
    declared = op(body, promote=promote)
    declared.grads(rule)
    return declared


exp = _unary("exp", "e to the power x.", lambda g, y: g * y)
exp2 = _unary("exp2", "2 to the power x.", lambda g, y: g * y * math.log(2))
expm1 = _unary("expm1", "exp(x) - 1, accurate near 0.", lambda g, y: g * (y + 1))
log = _unary("log", "Natural logarithm.", lambda g, x: g / x)
log2 = _unary("log2", "Logarithm to base 2.", lambda g, x: g / (x * math.log(2)))
log10 = _unary("log10", "Logarithm to base 10.", lambda g, x: g / (x * math.log(10)))
log1p = _unary("log1p", "log(1 + x), accurate near 0.", lambda g, x: g / (x + 1))
sqrt = _unary("sqrt", "Square root.", lambda g, y: g / (2 * y))
sin = _unary("sin", "Sine.", lambda g, x: g * cos(x))
cos = _unary("cos", "Cosine.", lambda g, x: -g * sin(x))
tan = _unary("tan", "Tangent.", lambda g, y: g * (1 + y * y))
asin = _unary("asin", "Inverse sine.", lambda g, x: g * rsqrt(1 - x * x), function="arcsin")
acos = _unary("acos", "Inverse cosine.", lambda g, x: -g * rsqrt(1 - x * x), function="arccos")
atan = _unary("atan", "Inverse tangent.", lambda g, x: g / (1 + x * x), function="arctan")
sinh = _unary("sinh", "Hyperbolic sine.", lambda g, x: g * cosh(x))
cosh = _unary("cosh", "Hyperbolic cosine.", lambda g, x: g * sinh(x))
tanh = _unary("tanh", "Hyperbolic tangent.", lambda g, y: g * (1 - y * y))
asinh = _unary("asinh", "Inverse hyperbolic sine.", lambda g, x: g * rsqrt(x * x + 1), function="arcsinh")
acosh = _unary("acosh", "Inverse hyperbolic cosine.", lambda g, x: g * rsqrt(x - 1) * rsqrt(x + 1), function="arccosh")
atanh = _unary("atanh", "Inverse hyperbolic tangent.", lambda g, x: g / (1 - x * x), function="arctanh")
erf = _unary("erf", "Error function.", lambda g, x: g * (2 / math.sqrt(PI)) * exp(-x * x), special=True)
erfc = _unary("erfc", "1 - erf(x), accurate for large x.", lambda g, x: g * (-2 / math.sqrt(PI)) * exp(-x * x), special=True)
erfinv = _unary("erfinv", "Inverse error function.", lambda g, y: g * (math.sqrt(PI) / 2) * exp(y * y), special=True)
lgamma = _unary("lgamma", "Logarithm of |gamma(x)|.", lambda g, x: g * digamma(x), special=True, function="gammaln")
digamma = _unary("digamma", "Derivative of lgamma.", lambda g, x: g * polygamma(1, x), special=True)


@op
def polygamma(xp, n, x: Array):
    """The n-th derivative of digamma.  x: any shape -> same shape."""
    return xp.special.polygamma(n, x).astype(x.dtype)


polygamma.grads(lambda g, n, x: g * polygamma(n + 1, x))


@op(promote=floating)
def sigmoid(xp, x: Array):
    """Logistic function 1 / (1 + exp(-x)), without overflow.  x: any shape -> same shape."""
    e = xp.exp(-xp.absolute(x))
    return xp.where(x >= 0, 1 / (1 + e), e / (1 + e))


sigmoid.grads(lambda g, y: g * y * (1 - y))


@op(promote=floating)
def rsqrt(xp, x: Array):
    """1 / sqrt(x).  x: any shape -> same shape."""
    return 1 / xp.sqrt(x)


rsqrt.grads(lambda g, y: g * -0.5 * y * y * y)


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


def sinc(x):
    """sin(pi x) / (pi x), 1 at 0.  x: any shape -> same shape."""
    at_zero = x == 0
    angle = where(at_zero, 1, x) * PI
    # near 0 the series, so that the second derivative there is right too
    return where(at_zero, 1 - (PI * PI / 6) * x * x, sin(angle) / angle)


def logit(x, eps=None):
    """log(x / (1 - x)), x first clamped to [eps, 1 - eps] if eps is given."""
    if eps is not None:
        x = clamp(x, eps, 1 - eps)
    return log(x / (1 - x))


# ---------------------------------------------------------------- steps and rounding
@op(promote=by_category)
def sign(xp, x: Array):
    """-1, 0 or 1.  x: any shape -> same shape."""
    return xp.sign(x) if x.dtype.kind != "b" else x.copy()


sign.grads(zero)
sgn = sign


def _rounding(name, doc):
    def body(xp, x: Array):
        return getattr(xp, name)(x) if x.dtype.kind == "f" else x.copy()

    body.__name__, body.__doc__ = name, f"{doc}  Integers stay as they are.  x: any shape -> same shape."
    declared = op(body, promote=by_category)
    declared.grads(zero)
    return declared


floor = _rounding("floor", "The largest integer not above x.")
ceil = _rounding("ceil", "The smallest integer not below x.")
trunc = _rounding("trunc", "x without its fraction.")
fix = trunc


@op(promote=by_category)
def round(xp, x: Array, *, decimals=0):
    """x rounded to `decimals` places, halves to even.  x: any shape -> same shape."""
    if x.dtype.kind != "f" and decimals >= 0:
        return x.copy()
    return xp.round(x, decimals)


round.grads(zero)


def frac(x):
    """x - trunc(x).  x: any shape -> same shape."""
    if x.dtype.kind != "f":
        raise RuntimeError(f"frac: expected a floating tensor, got {x.dtype}")
    return x - trunc(x)


@op(promote=by_category)
def positive(xp, x: Array):
    """+x.  x: any shape -> same shape."""
    if x.dtype.kind == "b":
        raise RuntimeError("positive: not defined for bool tensors")
    return x.copy()


positive.grads(lambda g: g)


# ---------------------------------------------------------------- two arguments
@op(promote=floating)
def atan2(xp, x: Array, other: Array):
    """Angle of the point (other, x).  Shapes that broadcast -> the broadcast shape."""
    return xp.arctan2(x, other)


atan2.grads(lambda g, x, other: g * other / (x * x + other * other), lambda g, x, other: -g * x / (x * x + other * other))
arctan2 = atan2


@op(promote=floating)
def hypot(xp, x: Array, other: Array):
    """sqrt(x^2 + other^2).  Shapes that broadcast -> the broadcast shape."""
    return xp.hypot(x, other)


hypot.grads(lambda g, x, y: g * x / y, lambda g, other, y: g * other / y)


@op(promote=floating)
def copysign(xp, x: Array, other: Array):
    """|x| with the sign of `other`.  Shapes that broadcast -> the broadcast shape."""
    return xp.copysign(x, other)


def _copysign_by_x(g, x, other):
    same = copysign(sign(x), other) * sign(x)
    return g * same


copysign.grads(_copysign_by_x, zero)


@op(promote=by_category)
def maximum(xp, x: Array, other: Array):
    """The larger, NaN if either is; where equal, each takes half of the gradient."""
    return xp.maximum(x, other)


@op(promote=by_category)
def minimum(xp, x: Array, other: Array):
    """The smaller, NaN if either is; where equal, each takes half of the gradient."""
    return xp.minimum(x, other)


@op(promote=by_category)
def fmax(xp, x: Array, other: Array):
    """The larger, or the one that is not NaN; where equal, the gradient goes to x."""
    return xp.fmax(x, other)


@op(promote=by_category)
def fmin(xp, x: Array, other: Array):
    """The smaller, or the one that is not NaN; where equal, the gradient goes to x."""
    return xp.fmin(x, other)


def _share(g, mine, its, larger):
    """The part of g for `mine`: all where it won, half where equal."""
    won = mine > its if larger else mine < its
    return where(mine == its, g / 2, where(won, g, 0))


maximum.grads(lambda g, x, other: _share(g, x, other, True), lambda g, x, other: _share(g, other, x, True))
minimum.grads(lambda g, x, other: _share(g, x, other, False), lambda g, x, other: _share(g, other, x, False))
fmax.grads(
    lambda g, x, other: where(logical_or(x >= other, isnan(other)), g, 0),
    lambda g, x, other: where(logical_or(x >= other, isnan(other)), 0, g),
)
fmin.grads(
    lambda g, x, other: where(logical_or(x <= other, isnan(other)), g, 0),
    lambda g, x, other: where(logical_or(x <= other, isnan(other)), 0, g),
)


@op(promote=floating)
def logaddexp(xp, x: Array, other: Array):
    """log(exp(x) + exp(other)), without overflow.  Shapes that broadcast -> the broadcast shape."""
    return xp.logaddexp(x, other)


logaddexp.grads(lambda g, x, other: g * sigmoid(x - other), lambda g, x, other: g * sigmoid(other - x))


@op(promote=floating)
def xlogy(xp, x: Array, other: Array):
    """x log(other), 0 where x is 0.  Shapes that broadcast -> the broadcast shape."""
    return xp.special.xlogy(x, other)


xlogy.grads(
    lambda g, x, other: g * where(logical_and(x == 0, other <= 0), 0, log(other)),
    lambda g, x, other: g * x / other,
)


def ldexp(x, other):
    """x * 2 ** other.  Shapes that broadcast -> the broadcast shape."""
    from .. import dtype as d

    x = x if x.dtype.kind == "f" else x.to(d.get_default_dtype())
    return x * pow(2.0, other)


def lerp(x, end, weight):
    """x + weight * (end - x): weight 0 gives x, 1 gives end."""
    for name, v in (("end", end), ("weight", weight)):
        if hasattr(v, "dtype") and v.dtype != x.dtype:
            raise RuntimeError(f"lerp: expected {name} of dtype {x.dtype}, got {v.dtype}")
    return x + weight * (end - x)


def addcmul(x, tensor1, tensor2, *, value=1):
    """x + value * tensor1 * tensor2."""
    return x + value * (tensor1 * tensor2)


def addcdiv(x, tensor1, tensor2, *, value=1):
    """x + value * tensor1 / tensor2."""
    if not any(t.dtype.kind == "f" for t in (tensor1, tensor2)):
        raise RuntimeError("addcdiv: integer division is ambiguous; convert tensor1 or tensor2 with .to(float)")
    return x + value * (tensor1 / tensor2)


def rsub(x, other, *, alpha=1):
    """other - alpha * x."""
    return sub(other, x, alpha=alpha)


# ---------------------------------------------------------------- choice
@op(promote=promoting(1, 2))
def where_(xp, condition: Array, x: Array, other: Array):
    """x where the condition holds, else `other`.  Shapes that broadcast -> the broadcast shape."""
    return xp.where(condition, x, other)


where_.grads(None, lambda g, condition: where_(condition, g, 0), lambda g, condition: where_(condition, 0, g))


def where(condition, x=None, other=None):
    """x where the condition holds, else `other`; with the condition alone, the indices where it holds."""
    if x is None and other is None:
        from .index import nonzero

        return nonzero(condition, as_tuple=True)
    if getattr(condition, "dtype", None) is not None and condition.dtype.kind not in "bu":
        raise RuntimeError(f"where: expected a bool condition, got {condition.dtype}")
    return where_(condition, x, other)


def clamp(x, min=None, max=None):
    """x held between `min` and `max` (numbers or tensors; None: no limit).  Outside, the gradient is 0."""
    if min is None and max is None:
        raise RuntimeError("clamp: at least one of min and max must be given")
    # a NaN limit gives NaN; at the limit itself the gradient flows
    if min is not None:
        x = _limit(x, min, lower=True)
    return x if max is None else _limit(x, max, lower=False)


@op(promote=by_category)
def clamp_min_(xp, x: Array, limit: Array):
    """x, but not below the limit."""
    return xp.maximum(x, limit)


@op(promote=by_category)
def clamp_max_(xp, x: Array, limit: Array):
    """x, but not above the limit."""
    return xp.minimum(x, limit)


clamp_min_.grads(lambda g, x, limit: where(x >= limit, g, 0), lambda g, x, limit: where(x < limit, g, 0))
clamp_max_.grads(lambda g, x, limit: where(x <= limit, g, 0), lambda g, x, limit: where(x > limit, g, 0))


def _limit(x, limit, lower):
    return (clamp_min_ if lower else clamp_max_)(x, limit)


def clamp_min(x, min):
    """x, but not below `min`."""
    return clamp(x, min=min)


def clamp_max(x, max):
    """x, but not above `max`."""
    return clamp(x, max=max)


clip = clamp


def nan_to_num(x, nan=None, posinf=None, neginf=None):
    """x with NaN and infinities replaced: by 0 and the type's largest and smallest number unless given."""
    if x.dtype.kind != "f":
        return clone(x)
    from ..dtype import finfo

    limits = finfo(x.dtype)
    x = where(isnan(x), 0.0 if nan is None else nan, x)
    x = where(x == math.inf, float(limits.max) if posinf is None else posinf, x)
    return where(x == -math.inf, float(limits.min) if neginf is None else neginf, x)


# ---------------------------------------------------------------- truth values
def _truth(name, doc, count, body):
    """Declare a function of one or two arguments whose result is bool and has no gradient."""
    if count == 1:

        def declared(xp, x: Array):
            return body(xp, x)

    else:

        def declared(xp, x: Array, other: Array):
            return body(xp, x, other)

    declared.__name__, declared.__doc__ = name, f"{doc}  -> bool, of the broadcast shape."
    return op(declared, promote=by_category)


eq = _truth("eq", "x equals other.", 2, lambda xp, a, b: xp.equal(a, b))
ne = _truth("ne", "x differs from other.", 2, lambda xp, a, b: xp.not_equal(a, b))
lt = _truth("lt", "x is less than other.", 2, lambda xp, a, b: xp.less(a, b))
le = _truth("le", "x is at most other.", 2, lambda xp, a, b: xp.less_equal(a, b))
gt = _truth("gt", "x is greater than other.", 2, lambda xp, a, b: xp.greater(a, b))
ge = _truth("ge", "x is at least other.", 2, lambda xp, a, b: xp.greater_equal(a, b))
logical_and = _truth("logical_and", "Both are not 0.", 2, lambda xp, a, b: xp.logical_and(a, b))
logical_or = _truth("logical_or", "At least one is not 0.", 2, lambda xp, a, b: xp.logical_or(a, b))
logical_xor = _truth("logical_xor", "Exactly one is not 0.", 2, lambda xp, a, b: xp.logical_xor(a, b))
logical_not = _truth("logical_not", "x is 0.", 1, lambda xp, a: xp.logical_not(a))
isnan = _truth("isnan", "x is NaN.", 1, lambda xp, a: xp.isnan(a))
isinf = _truth("isinf", "x is infinite.", 1, lambda xp, a: xp.isinf(a))
isfinite = _truth("isfinite", "x is neither infinite nor NaN.", 1, lambda xp, a: xp.isfinite(a))
greater, greater_equal, less, less_equal, not_equal = gt, ge, lt, le, ne


def isclose(x, other, rtol=1e-05, atol=1e-08, equal_nan=False):
    """|x - other| <= atol + rtol |other|, elementwise."""
    if x.dtype != other.dtype:
        raise RuntimeError(f"isclose: expected tensors of one dtype, got {x.dtype} and {other.dtype}")
    if rtol < 0 or atol < 0:
        raise RuntimeError(f"isclose: rtol and atol must not be negative, got {rtol} and {atol}")
    close = eq(x, other)
    if x.dtype.kind != "b":
        near = le(abs(x - other), atol + abs(rtol * other))
        close = logical_or(close, logical_and(near, isfinite(other)))
    return logical_or(close, logical_and(isnan(x), isnan(other))) if equal_nan else close


def allclose(x, other, rtol=1e-05, atol=1e-08, equal_nan=False) -> bool:
    """Whether all elements are close, as `isclose` says."""
    return bool(isclose(x, other, rtol, atol, equal_nan).array.all())


def equal(x, other) -> bool:
    """Whether both tensors have the same shape and the same elements."""
    return x.shape == other.shape and bool(eq(x, other).array.all())


# ---------------------------------------------------------------- bits
def _bits(name, doc, function):
    def declared(xp, x: Array, other: Array):
        if "f" in (x.dtype.kind, other.dtype.kind):
            raise RuntimeError(f"{name}: expected integer or bool tensors, got {x.dtype} and {other.dtype}")
        return getattr(xp, function)(x, other)

    declared.__name__, declared.__doc__ = name, f"{doc}  Integer or bool; shapes that broadcast."
    return op(declared, promote=by_category)


bitwise_and = _bits("bitwise_and", "Bits set in both.", "bitwise_and")
bitwise_or = _bits("bitwise_or", "Bits set in either.", "bitwise_or")
bitwise_xor = _bits("bitwise_xor", "Bits set in exactly one.", "bitwise_xor")
bitwise_left_shift = _bits("bitwise_left_shift", "x times 2 ** other.", "left_shift")
bitwise_right_shift = _bits("bitwise_right_shift", "x divided by 2 ** other, rounded down.", "right_shift")


@op
def bitwise_not(xp, x: Array):
    """Every bit turned over; of bool, the negation.  Integer or bool."""
    if x.dtype.kind == "f":
        raise RuntimeError(f"bitwise_not: expected an integer or bool tensor, got {x.dtype}")
    return xp.invert(x)


# PyTorch's other names
arccos, arcsin, arctan, arccosh, arcsinh, arctanh = acos, asin, atan, acosh, asinh, atanh
absolute, negative, multiply, subtract, divide = abs, neg, mul, sub, div


@op
def overwritten(xp, x: Array, value: Array):
    """What `x` is after `value` was copied into it: the functional twin of copy_ and fill_."""
    out = xp.empty(x.shape, x.dtype)
    out[...] = value
    return out


overwritten.grads(zero, lambda g: g)


__all__ = [
    "abs", "absolute", "acos", "acosh", "add", "addcdiv", "addcmul", "allclose", "arccos",
    "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh", "asin", "asinh", "atan",
    "atan2", "atanh", "bitwise_and", "bitwise_left_shift", "bitwise_not", "bitwise_or",
    "bitwise_right_shift", "bitwise_xor", "ceil", "clamp", "clamp_max", "clamp_min", "clip",
    "clone", "copysign", "cos", "cosh", "digamma", "div", "divide", "eq", "equal", "erf", "erfc",
    "erfinv", "exp", "exp2", "expm1", "fix", "float_power", "floor", "floor_divide", "fmax",
    "fmin", "fmod", "frac", "ge", "greater", "greater_equal", "gt", "hypot", "isclose", "isfinite",
    "isinf", "isnan", "ldexp", "le", "lerp", "less", "less_equal", "lgamma", "log", "log10",
    "log1p", "log2", "logaddexp", "logical_and", "logical_not", "logical_or", "logical_xor",
    "logit", "lt", "maximum", "minimum", "mul", "multiply", "nan_to_num", "ne", "neg", "negative",
    "not_equal", "polygamma", "positive", "pow", "reciprocal", "remainder", "round", "rsqrt",
    "rsub", "sgn", "sigmoid", "sign", "sin", "sinc", "sinh", "sqrt", "square", "sub", "subtract",
    "tan", "tanh", "true_divide", "trunc", "where", "xlogy",
]  # fmt: skip
