"""exp, log, tanh and their like as jitted functions of numbers, which become vector code in the loops that call them.

Numba's np.exp calls libm number by number; these are polynomials without branches.  NaN, infinity and denormals pass
as they do through libm; but where exp(x) of x <= 0 would be a denormal number, which costs Intel's processors more
than a hundred cycles, it is 0 in decay and what is built of it (sigmoid, softplus, normal_cdf, normal_pdf).  Largest
error found in units in the last place, float32 and float64:

    exp, decay 1.1    expm1 2    log 1    log1p 1.5    sigmoid 2.5    tanh 2.6    erf 1 (float64 3)    softplus 2

normal_cdf 6 (float64 10) and normal_pdf 2.5, and x * x / 2 more, since x * x is rounded.
"""

from math import factorial
from math import log as _log

from .formula import LEVEL, ROUND, copysign, formula, pick, polynomial, power, split, times_power, where

# ---------------------------------------------------------------- exponentials
# e**x = 2**n e**r, n the whole number next to x / ln 2.  float32: interpolated at Chebyshev's nodes; float64: Taylor.
LOG2_E = 1 / _log(2)
LN2 = 0.693359375, 6.93147180369123816490e-01  # a few bits short: times n it is exact
LN2_REST = -2.12194440e-4, 1.90821492927058770002e-10
EXP = (
    (1.0, 1.0, 0.5, 0.16666577, 0.0416665546, 0.00836317905, 0.00139261836),
    tuple(1 / factorial(k) for k in range(14)),
)
REST = EXP[0][2:], EXP[1][2:]  # r + r * r times this series is e**r - 1
EXP_LOW, EXP_HIGH = (-104.0, -746.0), (89.0, 710.0)  # beyond, the result is 0 or infinite
EXP_NORMAL = -87.33654, -708.39641  # below, it is denormal


@formula
def _reduced(x, ahead):
    """n + ahead and r.  Adding `ahead`, of which ROUND is the larger part, makes n whole."""
    t = x * pick(x, (LOG2_E, LOG2_E)) + ahead
    n = t - ahead
    return t, x - n * pick(x, LN2) - n * pick(x, LN2_REST)


@formula
def exp(x):
    low, high = pick(x, EXP_LOW), pick(x, EXP_HIGH)
    t, r = _reduced(where(x < low, 0, where(x > high, high, x)), pick(x, ROUND))  # not of `low`: that is denormal
    return where(x < low, 0, times_power(polynomial(r, EXP), t))


@formula
def decay(x):
    """exp(x) of x <= 0, in two thirds of the time; 0 where it would be a denormal number."""
    low = pick(x, EXP_NORMAL)
    t, r = _reduced(where(x < low, 0, x), pick(x, LEVEL))
    return where(x < low, 0, polynomial(r, EXP) * power(t))


@formula
def expm1(x):
    high = pick(x, EXP_HIGH)
    t, r = _reduced(where(x < -40, -40, where(x > high, high, x)), pick(x, ROUND))
    half = times_power(0.5, t)  # 2**n itself may be too large
    return copysign(2 * (half * (r + r * r * polynomial(r, REST)) + (half - 0.5)), x)


@formula
def sigmoid(x):
    """1 / (1 + exp(-x))."""
    e = decay(-abs(x))
    return where(x >= 0, 1, e) / (1 + e)


@formula
def tanh(x):
    u = -2 * abs(x)
    t, r = _reduced(where(u < -40, -40, u), pick(x, LEVEL))
    e = power(t) * (r + r * r * polynomial(r, REST)) + (power(t) - 1)  # expm1(u)
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
    return where(x > 0, x, 0) + log1p(decay(-abs(x)))


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
    y = copysign(1 - decay(-(t * t)) * polynomial((t - 2) / (t + 2), ERFC), x)
    return where(t <= 1, near, y)


# ---------------------------------------------------------------- the normal distribution
# The probability of less than -|x| is exp(-x**2 / 2) Q((t - 3.75) / (t + 3.75)), t = |x| / sqrt(2): the mapping of
# Shepherd and Laframboise 1981.  Interpolated at Chebyshev's nodes, up to where the probability is 0.
TAIL = (
    (
        0.0727948606, -0.136710966, 0.113004032, -0.0817859169, 0.0513022249, -0.0274018229, 0.0120702468,
        -0.00410612151, 0.000912550085, -1.66829214e-5, -0.000105424853,
    ),
    (
        0.072794860637519269, -0.13671096574771327, 0.11300403345831076, -0.08178594776195832, 0.05130215601609747,
        -0.027401163347614915, 0.012071611986225979, -0.0041103105750713964, 0.00090148120887529542,
        -1.2767683035435192e-5, -7.6231340702353475e-5, 2.3949483377770055e-5, 1.7919196073113661e-6,
        -3.0920227002577116e-6, 3.7401018097810319e-7, 3.3035506264751446e-7, -9.1032054494825204e-8,
        -3.7062496544974656e-8, 1.4722416731470472e-8, 5.0147929171350193e-9, -1.572534607459488e-9,
        -6.5734533966997263e-10, -1.8644485066263755e-11,
    ),
)  # fmt: skip
TAIL_IS_ZERO = 15.0, 39.0


@formula
def normal_pdf(x):
    """The density of the standard normal distribution."""
    return decay(-0.5 * x * x) * 0.3989422804014327


@formula
def normal_cdf(x):
    """The probability that a standard normal number is less than x."""
    far = pick(x, TAIL_IS_ZERO)
    t = where(abs(x) > far, far, abs(x)) * 0.7071067811865476
    tail = decay(-0.5 * x * x) * polynomial((t - 3.75) / (t + 3.75), TAIL)
    return where(x > 0, 1 - tail, tail)
