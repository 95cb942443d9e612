"""Convolutions of volumes through those of their slices: against the body, on any depth; what is declined."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import tinydl
import tinydl.nn.functional as F
from tinydl.autograd.graph import OPS
from tinydl.device import CPU
from tinydl.kernels.cpu import volumes
from tinydl.ops.window import Window


def volume(depth, plane, size=3, padding=1, dilation=1, stride=1):
    """3 x 3 windows on slices of a volume, with `size` taps along the depth."""
    out = (depth + 2 * padding - dilation * (size - 1) - 1) // stride + 1
    return Window((size, 3, 3), (stride, 1, 1), (padding, 1, 1), (dilation, 1, 1), 1, (depth, *plane), (out, *plane))


def operands(w, N, C, O, dtype="float32"):
    rng = np.random.default_rng(0)
    shapes = (N, C, *w.image), (O, C, *w.size), (N, O, *w.out), (O,), (C,)
    x, k, u, b, c = (rng.standard_normal(shape).astype(dtype) for shape in shapes)
    return {"conv": (x, k, b), "conv_transpose": (u, k, c), "conv_weight": (x, u)}


def body(name, args, w):
    return OPS[name].op.body(CPU.xp, *(a.astype("float64") for a in args), window=w)


@settings(max_examples=40, deadline=None)
@given(
    depth=st.integers(1, 7), plane=st.sampled_from([(4, 4), (7, 8), (8, 13), (21, 5)]), size=st.integers(1, 4),
    padding=st.integers(0, 3), dilation=st.integers(1, 3), N=st.integers(1, 3), C=st.sampled_from([16, 19]),
    O=st.sampled_from([16, 33]),
)  # fmt: skip
def test_equals_the_body_on_any_depth(depth, plane, size, padding, dilation, N, C, O):
    w = volume(depth, plane, size, padding, dilation)
    assume(w.out[0] > 0)
    for name, args in operands(w, N, C, O).items():
        got, want = getattr(volumes, name)(*args, window=w), body(name, args, w)
        assert got is not NotImplemented and got.dtype == np.float32 and got.flags.c_contiguous
        assert got.shape == want.shape
        np.testing.assert_allclose(got, want, rtol=0, atol=6e-6 * max(1, np.abs(want).max()), err_msg=name)


def test_it_serves_layers():
    w, x, k = volume(5, (8, 8)), tinydl.randn(2, 16, 5, 8, 8), tinydl.randn(32, 16, 3, 3, 3)
    fast = F.conv3d(x, k, padding=1).numpy()
    np.testing.assert_array_equal(fast, volumes.conv(x.numpy(), k.numpy(), None, w), "another kernel has run")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_stays_where_a_direct_convolution_puts_it(value):
    w = volume(4, (8, 8))
    for name, args in operands(w, 2, 16, 20).items():
        args[0][1, 2, 3, 4, 5] = value
        assert getattr(volumes, name)(*args, window=w) is NotImplemented
        with np.errstate(invalid="ignore"):
            want = OPS[name].op.body(CPU.xp, *args, window=w)
        np.testing.assert_allclose(CPU.kernels[name](*args, window=w), want, rtol=1e-4, atol=1e-4)


def test_declines_what_it_is_not_for():
    declined = [
        (volume(6, (8, 8), stride=2), 2, 16, 16, "float32"), (volume(6, (8, 8)), 2, 16, 16, "float64"),
        (volume(6, (8, 8), size=1), 2, 15, 16, "float32"), (volume(6, (8, 8)), 0, 16, 16, "float32"),
        (Window((3, 3), (1, 1), (1, 1), (1, 1), 1, (8, 8), (8, 8)), 2, 16, 16, "float32"),
    ]  # fmt: skip
    for w, N, C, O, dtype in declined:
        for name, args in operands(w, N, C, O, dtype).items():
            assert getattr(volumes, name)(*args, window=w) is NotImplemented, (name, w)
