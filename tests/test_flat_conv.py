"""Convolutions that are plain products: which they serve, against the bodies of the operations; threads, NaN."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples_conv_pool import same_bits_on_any_threads, window

from tinydl.autograd.graph import OPS
from tinydl.device import CPU
from tinydl.kernels.cpu import flat

ONE, SOME = window((8, 12), (1, 1)), window((15, 31), (1, 1), stride=2, padding=1)
WHOLE = window((4, 3), (4, 3))


def operands(w, N, C, O, dtype="float32"):
    """Arguments of the three kernels."""
    rng = np.random.default_rng(0)
    x, k, u, b, c = (
        rng.standard_normal(shape).astype(dtype)
        for shape in ((N, C, *w.image), (O, C, *w.size), (N, O, *w.out), (O,), (C,))
    )
    return {"conv": (x, k, b), "conv_transpose": (u, k, c), "conv_weight": (x, u)}


def body(name, args, w):
    return OPS[name].op.body(CPU.xp, *(a if a is None else a.astype("float64") for a in args), window=w)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from([ONE, SOME, WHOLE]), *[st.sampled_from([1, 2, 5, 33])] * 3, st.sampled_from("fd"), st.booleans())
def test_equals_the_body(w, N, C, O, dtype, biased):
    for name, args in operands(w, N, C, O, dtype).items():
        args = args if biased or name == "conv_weight" else (*args[:2], None)
        got, want = getattr(flat, name)(*args, window=w), body(name, args, w)
        assert got is not NotImplemented and got.dtype == dtype and got.shape == want.shape
        bound = 3e-6 if dtype == "f" else 1e-14
        np.testing.assert_allclose(got, want, rtol=0, atol=bound * np.abs(want).max(initial=1), err_msg=name)


@pytest.mark.parametrize("w", [ONE, SOME, WHOLE])
def test_bits_do_not_depend_on_threads(w):
    same_bits_on_any_threads(flat, w, operands(w, 9, 130, 120))


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("w", [ONE, SOME, WHOLE])
def test_nan_and_infinity_stay_where_they_belong(value, which, w):
    for name, args in operands(w, 2, 3, 5).items():
        args[which][tuple(min(1, n - 1) for n in args[which].shape)] = value
        with np.errstate(invalid="ignore"):
            got, want = getattr(flat, name)(*args, window=w), body(name, args, w)
        assert not np.isfinite(want).all()
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)


def test_declines_what_it_is_not_for():
    for w in (
        window((3, 3), (1, 1)),  # too few pixels
        window((5, 5), (3, 3)),
        window((4, 4), (4, 4), padding=1),
        window((8, 12), (1, 1), groups=2),
    ):
        for name, args in operands(w, 2, 4, 4).items():
            assert getattr(flat, name)(*args, window=w) is NotImplemented
