"""Smooth functions: exponentials, logarithms, trigonometry, error and gamma functions."""

from __future__ import annotations

import math

from ..autograd.engine import Array, floating, op
from ..autograd.fused import fused
from ..autograd.narrow import rounded_once
from ..tensor import Tensor
from .choice import logical_and, some_tensor, tensors, where


# ---------------------------------------------------------------- of one argument
def unary(name, doc, rule, function=None, special=None):
    """Declare what the array library calls `function`, or `xp.special` calls `special`."""
    if special:

        def body(xp, x: Array):
            return getattr(xp.special, special)(x).astype(x.dtype, copy=False)

    else:

        def body(xp, x: Array):
            return getattr(xp, function or name)(x)

    body.__name__ = body.__qualname__ = name
    body.__doc__ = f"{doc}  x: any shape -> same shape."
    declared = op(body, promote=floating)
    declared.grads(rule)
    return declared


@fused
def tanh_slope(u: Array, y: Array):
    """The cotangent u through tanh at its output y."""
    return u * (1 - y * y)


@fused
def sigmoid_slope(u: Array, y: Array):
    """The cotangent u through sigmoid at its output y."""
    return u * y * (1 - y)


PI = math.pi
HALF_ROOT_PI = math.sqrt(PI) / 2

exp = unary("exp", "e to the power x.", lambda g, y: g * y)
exp2 = unary("exp2", "2 to the power x.", lambda g, y: g * y * math.log(2))
expm1 = unary("expm1", "exp(x) - 1, accurate near 0.", lambda g, y: g * (y + 1))
log = unary("log", "Natural logarithm.", lambda g, x: g / x)
log2 = unary("log2", "Logarithm to base 2.", lambda g, x: g / (x * math.log(2)))
log10 = unary("log10", "Logarithm to base 10.", lambda g, x: g / (x * math.log(10)))
log1p = unary("log1p", "log(1 + x), accurate near 0.", lambda g, x: g / (x + 1))
sqrt = unary("sqrt", "Square root.", lambda g, y: g / (2 * y))
sin = unary("sin", "Sine.", lambda g, x: g * cos(x))
cos = unary("cos", "Cosine.", lambda g, x: -g * sin(x))
tan = unary("tan", "Tangent.", lambda g, y: g * (1 + y * y))
asin = unary("asin", "Inverse sine.", lambda g, x: g * rsqrt(1 - x * x), "arcsin")
acos = unary("acos", "Inverse cosine.", lambda g, x: -g * rsqrt(1 - x * x), "arccos")
atan = unary("atan", "Inverse tangent.", lambda g, x: g / (1 + x * x), "arctan")
sinh = unary("sinh", "Hyperbolic sine.", lambda g, x: g * cosh(x))
cosh = unary("cosh", "Hyperbolic cosine.", lambda g, x: g * sinh(x))
tanh = unary("tanh", "Hyperbolic tangent.", lambda g, y: tanh_slope(g, y))
asinh = unary("asinh", "Inverse of sinh.", lambda g, x: g * rsqrt(x * x + 1), "arcsinh")
acosh = unary("acosh", "Inverse of cosh.", lambda g, x: g * rsqrt(x - 1) * rsqrt(x + 1), "arccosh")
atanh = unary("atanh", "Inverse of tanh.", lambda g, x: g / (1 - x * x), "arctanh")
erf = unary("erf", "Error function.", lambda g, x: g * exp(-x * x) / HALF_ROOT_PI, special="erf")
erfc = unary(
    "erfc",
    "1 - erf(x), accurate for large x.",
    lambda g, x: -g * exp(-x * x) / HALF_ROOT_PI,
    special="erfc",
)
erfinv = unary("erfinv", "Inverse of erf.", lambda g, y: g * exp(y * y) * HALF_ROOT_PI, special="erfinv")
lgamma = unary("lgamma", "Logarithm of |gamma(x)|.", lambda g, x: g * digamma(x), special="gammaln")
digamma = unary("digamma", "Derivative of lgamma.", lambda g, x: g * polygamma(1, x), special="digamma")


@op(promote=floating)
def polygamma(xp, n, x: Array):
    """The n-th derivative of digamma.  x: any shape -> same shape."""
    if n < 0:
        raise RuntimeError(f"polygamma: n must not be negative, got {n}")
    return xp.special.polygamma(n, x).astype(x.dtype)


polygamma.grads(lambda g, n, x: g * polygamma(n + 1, x))


@op(promote=floating)
def sigmoid(xp, x: Array):
    """Logistic function 1 / (1 + exp(-x)), without overflow.  x: any shape -> same shape."""
    e = xp.exp(-xp.absolute(x))
    return xp.where(x >= 0, 1 / (1 + e), e / (1 + e))


sigmoid.grads(lambda g, y: sigmoid_slope(g, y))


@op(promote=floating)
def rsqrt(xp, x: Array):
    """1 / sqrt(x).  x: any shape -> same shape."""
    return 1 / xp.sqrt(x)


rsqrt.grads(lambda g, y: -0.5 * g * y * y * y)


@rounded_once
def sinc(x: Tensor) -> Tensor:
    """sin(pi x) / (pi x), 1 at 0.  x: any shape -> same shape."""
    at_zero = x == 0
    angle = where(at_zero, 1, x) * PI
    # at 0 the series, so that derivatives there are right too (up to order 5)
    s = (PI * x) * (PI * x)
    return where(at_zero, 1 - s / 6 + s * s / 120, sin(angle) / angle)


@op(promote=floating)
def logit(xp, x: Array, eps=None):
    """log(x / (1 - x)), x first clamped to [eps, 1 - eps] if eps is given.  -> the same shape."""
    if eps is not None:
        x = xp.clip(x, eps, 1 - eps)
    return xp.log(x / (1 - x))


def _logit_slope(g, x, eps):
    slope = g / (x * (1 - x))
    return slope if eps is None else where(logical_and(x >= eps, x <= 1 - eps), slope, 0)


logit.grads(_logit_slope)


# ---------------------------------------------------------------- of two arguments
@op(promote=tensors(floating))
def atan2(xp, x: Array, other: Array):
    """Angle of the point (other, x).  Shapes that broadcast -> the broadcast shape."""
    return xp.arctan2(x, other)


def _square_of_radius(x, other):
    """x^2 + other^2; at the origin, where the angle has no derivative, 1: it comes out as 0."""
    return where(logical_and(x == 0, other == 0), 1, x * x + other * other)


atan2.grads(
    lambda g, x, other: g * other / _square_of_radius(x, other),
    lambda g, x, other: -g * x / _square_of_radius(x, other),
)


@op(promote=tensors(floating))
def hypot(xp, x: Array, other: Array):
    """sqrt(x^2 + other^2).  Shapes that broadcast -> the broadcast shape."""
    return xp.hypot(x, other)


hypot.grads(lambda g, x, y: g * x / y, lambda g, other, y: g * other / y)


@op(promote=tensors(floating))
def logaddexp(xp, x: Array, other: Array):
    """log(exp(x) + exp(other)), without overflow.  Shapes that broadcast -> the broadcast shape."""
    return xp.logaddexp(x, other)


logaddexp.grads(lambda g, x, other: g * sigmoid(x - other), lambda g, x, other: g * sigmoid(other - x))


@op(promote=some_tensor(floating))
def xlogy(xp, x: Array, other: Array):
    """x log(other), 0 where x is 0.  Shapes that broadcast -> the broadcast shape."""
    return xp.special.xlogy(x, other).astype(x.dtype, copy=False)


xlogy.grads(
    lambda g, x, other: g * where(logical_and(x == 0, other <= 0), 0, log(other)),
    lambda g, x, other: g * x / other,
)


def deg2rad(x: Tensor) -> Tensor:
    """Degrees as radians."""
    return x * (PI / 180)


def rad2deg(x: Tensor) -> Tensor:
    """Radians as degrees."""
    return x * (180 / PI)


# PyTorch's other names
arccos, arcsin, arctan, arccosh, arcsinh, arctanh = acos, asin, atan, acosh, asinh, atanh
arctan2 = atan2

__all__ = [
    "acos", "acosh", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh",
    "asin", "asinh", "atan", "atan2", "atanh", "cos", "cosh", "deg2rad", "digamma", "erf", "erfc", "erfinv",
    "exp", "exp2", "expm1", "hypot", "lgamma", "log", "log10", "log1p", "log2", "logaddexp",
    "logit", "polygamma", "rad2deg", "rsqrt", "sigmoid", "sin", "sinc", "sinh", "sqrt", "tan", "tanh", "xlogy",
]  # fmt: skip
