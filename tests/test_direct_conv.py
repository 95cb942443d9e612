"""Depthwise convolutions against the bodies of the operations, on any window; which they serve; NaN and infinity."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples_conv_pool import same_bits_on_any_threads, window

from tinydl.autograd.graph import OPS
from tinydl.device import CPU
from tinydl.kernels.cpu import direct


def operands(w, N, m, dtype, seed=0):
    """Arguments of the three kernels, with m outputs for each channel."""
    rng, C = np.random.default_rng(seed), w.groups
    x, k, u, b, c = (
        rng.standard_normal(shape).astype(dtype)
        for shape in ((N, C, *w.image), (C * m, 1, *w.size), (N, C * m, *w.out), (C * m,), (C,))
    )
    return {"conv": (x, k, b), "conv_transpose": (u, k, c), "conv_weight": (x, u)}


def body(name, args, w):
    return OPS[name].op.body(CPU.xp, *(a.astype("float64") for a in args), window=w)


@st.composite
def windows(draw):
    n = draw(st.integers(1, 2))
    size = tuple(draw(st.integers(1, 5)) for _ in range(n))
    stride, dilation, padding = draw(st.integers(1, 3)), draw(st.integers(1, 2)), draw(st.integers(0, 3))
    least = [max(1, dilation * (k - 1) + 1 - 2 * padding) for k in size]
    image = tuple(a + draw(st.sampled_from([0, 1, 2, 6, 13, 40])) for a in least)
    groups = draw(st.sampled_from([2, 3, 7]))
    return window(image, size, stride=stride, padding=padding, dilation=dilation, groups=groups)


@settings(max_examples=80, deadline=None)
@given(windows(), st.integers(1, 3), st.integers(1, 3), st.sampled_from(["float32", "float64"]))
def test_equals_the_body_on_any_window(w, N, m, dtype):
    for name, args in operands(w, N, m, dtype).items():
        got, want = getattr(direct, name)(*args, window=w), body(name, args, w)
        assert got is not NotImplemented and got.dtype == dtype and got.shape == want.shape
        bound = 3e-6 if dtype == "float32" else 1e-13
        np.testing.assert_allclose(got, want, rtol=0, atol=bound * np.abs(want).max(initial=1), err_msg=name)


def test_bits_do_not_depend_on_threads():
    w = window((19, 23), (3, 3), stride=2, padding=1, groups=5)
    same_bits_on_any_threads(direct, w, operands(w, 4, 2, "float32"))


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("which", [0, 1])
def test_nan_and_infinity_stay_where_they_belong(value, which):
    w = window((6, 7), (3, 3), padding=1, groups=4)
    for name, args in operands(w, 2, 1, "float32").items():
        args[which].reshape(-1)[-1] = value
        with np.errstate(invalid="ignore"):
            got, want = CPU.kernels[name](*args, window=w), body(name, args, w)
        assert not np.isfinite(want).all()
        if name == "conv_transpose" and which == 1:  # weights times the zeros between rows
            assert direct.conv_transpose(*args, window=w) is NotImplemented
        else:
            np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)


def test_declines_what_it_is_not_for():
    for w, m in (
        (window((5, 5), (3, 3)), 3),
        (window((4, 4, 4), (3, 3, 3), groups=2), 1),
    ):
        for name, args in operands(w, 2, m, "float32").items():
            assert getattr(direct, name)(*args, window=w) is NotImplemented
    x, k = np.ones((2, 4, 5), "float32"), np.ones((4, 2, 3), "float32")
    assert direct.conv(x, k, None, window((5,), (3,), groups=2)) is NotImplemented
