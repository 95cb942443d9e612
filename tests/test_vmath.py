"""The functions of numbers that kernels are built of: their error in units in the last place, over all magnitudes."""

import numba
import numpy as np
import pytest
from scipy import special

from tinydl.kernels.cpu import vmath
from tinydl.kernels.cpu.jit import jit


def _softplus(x):
    return np.log1p(np.exp(-np.abs(x))) + np.maximum(x, 0)


def _sigmoid(x):
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + e), e / (1 + e))


def _normal_cdf(x):
    tail = special.erfcx(np.abs(x).astype(float) / np.sqrt(2)) * np.exp(-x * x / 2) / 2
    return np.where(x > 0, 1 - tail, tail)


def _normal_pdf(x):
    return np.exp(-x * x / 2) / np.sqrt(2 * np.pi)


# name: (judge, largest error of float32, of float64)
FUNCTIONS = {
    "exp": (np.exp, 1.1, 1.1), "expm1": (np.expm1, 2, 2), "log": (np.log, 1, 1), "log1p": (np.log1p, 1.5, 1.5),
    "sigmoid": (_sigmoid, 2.5, 2.5), "tanh": (np.tanh, 2.6, 2.6), "softplus": (_softplus, 2, 2),
    "erf": (special.erf, 1, 4),  # the judge itself is known to float64 only
    "decay": (lambda x: np.exp(np.minimum(x, 0)), 1.1, 1.1),
    "normal_cdf": (_normal_cdf, 6, 10), "normal_pdf": (_normal_pdf, 2.5, 2.5),
}  # fmt: skip
FLUSHED = "decay", "sigmoid", "softplus", "normal_cdf", "normal_pdf"  # are 0 instead of denormal numbers


def looped(name, jit=jit):
    """The function over an array, jitted, writing to another."""
    function = getattr(vmath, name)

    @jit
    def loop(x, y):
        for i in range(len(x)):
            y[i] = function(x[i])

    return loop


def applied(name, x):
    y = np.empty_like(x)
    looped(name)(np.minimum(x, 0) if name == "decay" else x, y)
    return y


def errors(got, exact):
    """In units in the last place of got's type; denormal numbers count in the smallest unit."""
    with np.errstate(over="ignore"):
        unit = np.spacing(np.abs(exact).astype(got.dtype))
    finite = np.isfinite(exact.astype(got.dtype))
    return np.where(finite, np.abs(got - exact) / unit, 0)


def excess(name, x, got, exact):
    """The largest error, without what the rounding of x * x explains in functions of it."""
    found = errors(got, exact)
    if name in FLUSHED:
        found = np.where((got == 0) & (exact < 1.0001 * np.finfo(got.dtype).tiny), 0, found)
    return np.where(found > 0, found - x * x / 2, 0).max() if name.startswith("normal") else found.max()


@pytest.mark.parametrize("name", FUNCTIONS)
@np.errstate(all="ignore")
def test_every_magnitude_of_float32(name):
    judge, allowed, _ = FUNCTIONS[name]
    x = np.arange(0, 2**32, 1009, dtype=np.uint64).astype(np.uint32).view(np.float32)
    special_numbers = [0.0, -0.0, 1, -1, np.inf, -np.inf, np.nan, 1e-45, -1e-45, 3.4e38, -3.4e38, 88.72, -103.9]
    x = np.concatenate([x, np.float32(special_numbers)])
    got, exact = applied(name, x), judge(x.astype(np.float64))
    assert got.dtype == np.float32
    assert excess(name, x, got, exact) <= allowed
    rounded = exact.astype(np.float32)
    odd = ~np.isfinite(rounded)
    np.testing.assert_array_equal(got[odd], rounded[odd])
    zero = x == 0
    np.testing.assert_array_equal(np.signbit(got[zero]), np.signbit(rounded[zero]))


@pytest.mark.parametrize("name", FUNCTIONS)
@np.errstate(all="ignore")
def test_float64_of_all_sizes(name):
    judge, _, allowed = FUNCTIONS[name]
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.standard_normal(50000) * s for s in (1e-310, 1e-8, 0.1, 1, 5, 30, 400)])
    x = np.concatenate([x, [0.0, -0.0, np.inf, -np.inf, np.nan, 1.7e308, -1.7e308, 709.78, -745.1]])
    wide = x if name == "erf" else x.astype(np.longdouble)
    got, exact = applied(name, x), judge(wide)
    assert excess(name, x, got, exact) <= allowed
    odd = ~np.isfinite(exact.astype(np.float64))
    np.testing.assert_array_equal(got[odd], exact.astype(np.float64)[odd])


def test_no_type_but_its_own_and_no_call_of_libm():
    """A float64 in a formula would halve its speed, a call of libm would keep the loop from being vector code."""
    for name in FUNCTIONS:
        loop = looped(name, numba.njit)  # of what comes from the cache there is no text
        loop(np.ones(3, np.float32), np.empty(3, np.float32))
        (code,) = loop.inspect_asm().values()
        body = [words for line in code.splitlines() if line.startswith("\t") and (words := line.split())]
        called = " ".join(words[-1] for words in body if words[0].startswith("call"))
        assert not any(libm in called for libm in ("exp", "log", "tanh", "erf")), called
        assert any(words[0].startswith(("vmulps", "mulps")) for words in body), f"{name} is not vector code"
        assert not any(words[0].startswith(("vmulpd", "mulpd", "vmulsd", "mulsd")) for words in body), name
