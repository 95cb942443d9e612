"""PyTorch's `special`: the functions of the gamma, error and entropy families, under its names."""

from __future__ import annotations

import math

from .ops.activation import log_softmax, softmax
from .ops.elementwise import (
    digamma,
    erf,
    erfc,
    erfinv,
    exp,
    exp2,
    expm1,
    lgamma,
    log,
    log1p,
    logit,
    polygamma,
    round,
    sigmoid,
    sign,
    sinc,
    where,
    xlogy,
)
from .ops.functions import unary
from .ops.reduce import logsumexp
from .tensor import Tensor

expit, gammaln, psi = sigmoid, lgamma, digamma
ROOT_2PI = math.sqrt(2 * math.pi)


def _ratio(y, x):
    """y / x; where x is 0 the series, so that derivatives there are right too (up to order 7)."""
    s = x * x / 4
    series = (1 + s / 2 + s * s / 12 + s * s * s / 144) / 2
    return where(x == 0, series, y / where(x == 0, 1, x))


def _special(name, doc, rule):
    return unary(name, doc, rule, special=name)


i0 = _special("i0", "Modified Bessel function of order 0.", lambda g, x: g * i1(x))
i0e = _special("i0e", "i0(x) exp(-|x|).", lambda g, x, y: g * (i1e(x) - sign(x) * y))
i1 = _special("i1", "Modified Bessel function of order 1.", lambda g, x, y: g * (i0(x) - _ratio(y, x)))
i1e = _special("i1e", "i1(x) exp(-|x|).", lambda g, x, y: g * (i0e(x) - sign(x) * y - _ratio(y, x)))
ndtr = _special(
    "ndtr",
    "The area under the standard normal density up to x.",
    lambda g, x: g * exp(x * x / -2) / ROOT_2PI,
)
ndtri = _special("ndtri", "Inverse of ndtr; x in [0, 1].", lambda g, y: g * ROOT_2PI * exp(y * y / 2))
log_ndtr = _special(
    "log_ndtr",
    "log(ndtr(x)), accurate far below 0.",
    lambda g, x: g * math.sqrt(2 / math.pi) / erfcx(x * -math.sqrt(0.5)),
)
erfcx = _special("erfcx", "exp(x^2) erfc(x).", lambda g, x, y: g * (2 * x * y - 2 / math.sqrt(math.pi)))
entr = _special("entr", "-x log(x), 0 at 0, -inf below.", lambda g, x: g * (-log(x) - 1))


def xlog1py(x: Tensor, other: Tensor) -> Tensor:
    """x log(1 + other), 0 where x is 0.  Shapes that broadcast -> the broadcast shape."""
    return where(x == 0, 0, x * log1p(where(x == 0, 0, other)))


def multigammaln(x: Tensor, p: int) -> Tensor:
    """Logarithm of the p-dimensional gamma function.  x: any shape -> same shape."""
    if p < 1:
        raise RuntimeError(f"multigammaln: p must be at least 1, got {p}")
    terms = [lgamma(x - j / 2) for j in range(p)]
    return sum(terms[1:], terms[0]) + p * (p - 1) / 4 * math.log(math.pi)


__all__ = [
    "digamma", "entr", "erf", "erfc", "erfcx", "erfinv", "exp2", "expit", "expm1", "gammaln", "i0",
    "i0e", "i1", "i1e", "log1p", "log_ndtr", "log_softmax", "logit", "logsumexp", "multigammaln",
    "ndtr", "ndtri", "polygamma", "psi", "round", "sinc", "softmax", "xlog1py", "xlogy",
]  # fmt: skip
