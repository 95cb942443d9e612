"""exp, log, tanh and their like as jitted functions of numbers, which become vector code in the loops that call them.

Numba's np.exp calls libm number by number; these are polynomials without branches.  NaN, infinity and denormals pass
as they do through libm.  Largest error found in units in the last place, float32 and float64:

    exp 1.1    expm1 2    log 1    log1p 1.5    sigmoid 2.5    tanh 2.6    erf 1 (float64 3)    softplus 2
"""

from math import factorial
from math import log as _log

from .formula import ROUND, copysign, formula, pick, polynomial, split, times_power, where

# ---------------------------------------------------------------- exponentials
# e**x = 2**n e**r, n the whole number next to x / ln 2.  float32: Cephes (Moshier 1989), expf.c; float64: Taylor.
LOG2_E = 1 / _log(2)
LN2 = 0.693359375, 6.93147180369123816490e-01  # a few bits short: times n it is exact
LN2_REST = -2.12194440e-4, 1.90821492927058770002e-10
EXP = (
    (5.0000001201e-1, 1.6666665459e-1, 4.1665795894e-2, 8.3334519073e-3, 1.3981999507e-3, 1.9875691500e-4),
    tuple(1 / factorial(k) for k in range(2, 14)),
)
EXP_LOW, EXP_HIGH = (-104.0, -746.0), (89.0, 710.0)  # beyond, the result is 0 or infinite


@formula
def _reduced(x):
    """n + ROUND, and e**r - 1."""
    t = x * pick(x, (LOG2_E, LOG2_E)) + pick(x, ROUND)
    n = t - pick(x, ROUND)
    r = x - n * pick(x, LN2) - n * pick(x, LN2_REST)
    return t, r + r * r * polynomial(r, EXP)


@formula
def _within(x, low, high):
    return where(x < low, low, where(x > high, high, x))


@formula
def exp(x):
    t, rest = _reduced(_within(x, pick(x, EXP_LOW), pick(x, EXP_HIGH)))
    return times_power(1 + rest, t)


@formula
def expm1(x):
    t, rest = _reduced(_within(x, -40, pick(x, EXP_HIGH)))
    half = times_power(0.5, t)  # 2**n itself may be too large
    return copysign(2 * (half * rest + (half - 0.5)), x)


@formula
def sigmoid(x):
    """1 / (1 + exp(-x))."""
    e = exp(-abs(x))
    return where(x >= 0, 1, e) / (1 + e)


@formula
def tanh(x):
    e = expm1(-2 * abs(x))
    return copysign(e / (2 + e), x)


# ---------------------------------------------------------------- logarithms
# FreeBSD's e_log.c and e_logf.c: with s = f / (2 + f), log(1 + f) is an odd series in s.
LOG = (
    (0.66666662693, 0.40000972152, 0.28498786688, 0.24279078841),
    (
        6.666666666666735130e-01, 3.999999999940941908e-01, 2.857142874366239149e-01, 2.222219843214978396e-01,
        1.818357216161805012e-01, 1.531383769920937332e-01, 1.479819860511658591e-01,
    ),
)  # fmt: skip
SMALLEST = 2.0**-126, 2.0**-1022
INFINITY = float("inf"), float("inf")
NAN = float("nan"), float("nan")


@formula
def log(x):
    denormal = x < pick(x, SMALLEST)
    m, n = split(where(denormal, x * 0x40000000000000, x))
    n = n - where(denormal, 54, 0)
    f = m - 1
    s = f / (2 + f)
    square = 0.5 * f * f
    tail = s * (square + s * s * polynomial(s * s, LOG)) + n * pick(x, LN2_REST)
    y = n * pick(x, LN2) - ((square - tail) - f)
    y = where(x < pick(x, INFINITY), y, x)  # infinity and NaN
    return where(x > 0, y, where(x == 0, -pick(x, INFINITY), pick(x, NAN)))


@formula
def log1p(x):
    u = 1 + x
    lost = where(x >= 1, 1 - (u - x), x - (u - 1))  # what rounding took from u
    y = log(u)
    return copysign(where(abs(y) < pick(x, INFINITY), y + lost / u, y), x)


@formula
def softplus(x):
    """log(1 + exp(x))."""
    return where(x > 0, x, 0) + log1p(exp(-abs(x)))


# ---------------------------------------------------------------- the error function
# |x| <= 1: x + x P(x**2); beyond, 1 - exp(-x**2) Q((|x| - 2) / (|x| + 2)).  Interpolated at Chebyshev's nodes.
ERF = (
    (
        0.12837916584835093, -0.37612626666720334, 0.11283594715160218, -0.026854212010626412, 0.005189087423433974,
        -0.000801686428716587, 7.875875062685488e-05,
    ),
    (
        0.1283791670955126, -0.3761263890318375, 0.11283791670954879, -0.026866170645076792, 0.0052239776248180145,
        -0.000854832698083379, 0.0001205533111164271, -1.4925595266831182e-05, 1.6461000484121368e-06,
        -1.6350312701054695e-07, 1.4659775274047436e-08, -1.1372848856791674e-09, 5.957176147748911e-11,
    ),
)  # fmt: skip
ERFC = (
    (
        0.25539567625190335, -0.42718584761434303, 0.24165821109072444, -0.07897852327253349, 0.0037321413513030097,
        0.006994855413599958, -0.0008365899736486057, -0.0009441596340872735,
    ),
    (
        0.25539567631050575, -0.4271858474139585, 0.24165819424246585, -0.07897858101570611, 0.0037328924043978336,
        0.006997461736971578, -0.00084714325299195, -0.0009819769411038642, 4.355558686575482e-05,
        0.00017435947400205157, 2.7527175557227246e-05, -2.7562209161129353e-05, -1.3998283772784976e-05,
        1.3058577122278017e-06, 4.011749647325067e-06, 1.272567661840228e-06, -1.1352571477273627e-06,
    ),
)  # fmt: skip
ERF_IS_ONE = 4.0, 6.0


@formula
def erf(x):
    far = pick(x, ERF_IS_ONE)
    t = where(abs(x) > far, far, abs(x))
    near = x + x * polynomial(x * x, ERF)
    y = copysign(1 - exp(-(t * t)) * polynomial((t - 2) / (t + 2), ERFC), x)
    return where(t <= 1, near, y)
