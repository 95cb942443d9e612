"""Winograd's convolutions: the maps against plain sums, the kernels against direct convolution, errors, switch, NaN."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import oracle
from samples_conv_pool import window

import tinydl
import tinydl.nn.functional as F
from tinydl.autograd.graph import OPS
from tinydl.device import CPU
from tinydl.kernels.cpu import jit, winograd
from tinydl.kernels.cpu.transforms import evaluate, spread, weigh
from tinydl.ops.window import Window

KERNELS = ("conv", "conv_transpose", "conv_weight")


def plane(*image, padding=1):
    """3 x 3 windows of stride 1."""
    padding = padding if isinstance(padding, tuple) else (padding, padding)
    out = tuple(n + 2 * p - 2 for n, p in zip(image, padding, strict=True))
    return Window((3, 3), (1, 1), padding, (1, 1), 1, image, out)


def halved(*out):
    """4 x 4 windows of stride 2, from an image of twice the sides."""
    return Window((4, 4), (2, 2), (1, 1), (1, 1), 1, tuple(2 * n for n in out), out)


def operands(w, N, C, O, dtype="float32", seed=0):
    """Arguments of the three kernels."""
    rng = np.random.default_rng(seed)
    x, k, u, b, c = (
        rng.standard_normal(shape).astype(dtype)
        for shape in ((N, C, *w.image), (O, C, *w.size), (N, O, *w.out), (O,), (C,))
    )
    return {"conv": (x, k, b), "conv_transpose": (u, k, c), "conv_weight": (x, u)}


def compare(w, N, C, O, bound=6e-6):
    for name, args in operands(w, N, C, O).items():
        got = getattr(winograd, name)(*args, window=w)
        assert got is not NotImplemented and got.dtype == np.float32
        want = OPS[name].op.body(CPU.xp, *(a.astype("float64") for a in args), window=w)
        assert got.shape == want.shape
        np.testing.assert_allclose(got, want, rtol=0, atol=bound * np.abs(want).max(), err_msg=name)


@pytest.mark.parametrize("points, taps", [(6, 3), (6, 4), (5, 2), (5, 4)])
def test_the_three_maps_are_a_correlation(points, taps):
    rng = np.random.default_rng(0)
    g, d, outputs = rng.standard_normal(taps), rng.standard_normal(points), points + 1 - taps
    got = weigh(outputs)([a * b for a, b in zip(evaluate(points)(list(g)), spread(list(d)), strict=True)])
    np.testing.assert_allclose(got, np.correlate(d, g), rtol=0, atol=1e-13)


@settings(max_examples=40, deadline=None)
@given(
    image=st.tuples(st.sampled_from([3, 4, 5, 7, 8, 13, 21]), st.sampled_from([3, 4, 6, 8, 17, 37])),
    padding=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    N=st.sampled_from([1, 2, 5, 13]), C=st.sampled_from([16, 17, 31, 40]), O=st.sampled_from([16, 29, 33, 67]),
)  # fmt: skip
def test_equals_the_body_on_any_shape(image, padding, N, C, O):
    w = plane(*image, padding=padding)
    served = np.prod([-(-n // 4) * 4 for n in w.out]) <= 2.5 * np.prod(w.out)
    if served:
        compare(w, N, C, O)
    else:
        args = operands(w, N, C, O)
        assert winograd.conv(*args["conv"], window=w) is NotImplemented


@settings(max_examples=30, deadline=None)
@given(
    out=st.tuples(st.sampled_from([3, 4, 5, 7, 8, 13]), st.sampled_from([3, 4, 6, 8, 17])),
    N=st.sampled_from([1, 2, 5, 13]), C=st.sampled_from([16, 17, 31, 40]), O=st.sampled_from([16, 29, 33, 67]),
)  # fmt: skip
def test_strides_of_two_equal_the_body_on_any_shape(out, N, C, O):
    compare(halved(*out), N, C, O)


@pytest.mark.parametrize(
    "N, C, O, side",
    [(2, 64, 96, 32), (9, 128, 130, 16), (33, 70, 260, 4), (3, 200, 64, 8), (1, 16, 16, 131)],
    ids=["many tiles", "ranges of channels", "few tiles", "deep", "wide"],
)
@pytest.mark.parametrize("kind", [plane, halved], ids=["stride 1", "stride 2"])
def test_larger_layers_equal_the_body(kind, N, C, O, side):
    compare(kind(side, side), N, C, O)


BOTH = pytest.mark.parametrize("w", [plane(10, 10), halved(6, 6)], ids=["stride 1", "stride 2"])


@pytest.mark.parametrize("w", [plane(16, 16), halved(8, 8)], ids=["stride 1", "stride 2"])
def test_the_error_is_bounded_by_a_few_times_that_of_direct_convolution(w):
    for name, args in operands(w, 4, 256, 256).items():
        exact = OPS[name].op.body(CPU.xp, *(a.astype("float64") for a in args), window=w)
        fast = getattr(winograd, name)(*args, window=w)
        tinydl.set_winograd(False)
        try:
            direct = CPU.kernels[name](*args, window=w)
        finally:
            tinydl.set_winograd(True)
        assert not np.array_equal(fast, direct)
        ours, its = (np.abs(y - exact).mean() for y in (fast, direct))
        assert ours <= 10 * its and np.abs(fast - exact).max() <= 6e-6 * np.abs(exact).max(), (name, ours / its)


def test_bits_do_not_depend_on_threads():
    before, results = jit.get_num_threads(), []
    try:
        for n in (1, 2, 2):
            jit.set_num_threads(n)
            results.append([
                getattr(winograd, name)(*args, window=w)
                for w, N, C, O in ((plane(9, 14), 7, 66, 33), (plane(4, 4), 5, 20, 130), (halved(5, 7), 6, 35, 70))
                for name, args in operands(w, N, C, O).items()
            ])  # fmt: skip
    finally:
        jit.set_num_threads(before)
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


@BOTH
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_stay_where_a_direct_convolution_puts_them(value, w):
    for name, args in operands(w, 3, 16, 20).items():
        args[0][1, 2, 3, 4] = value
        assert getattr(winograd, name)(*args, window=w) is NotImplemented
        with np.errstate(invalid="ignore"):
            want = OPS[name].op.body(CPU.xp, *args, window=w)
        assert not np.isfinite(want).all()
        np.testing.assert_allclose(CPU.kernels[name](*args, window=w), want, rtol=1e-4, atol=1e-4)


def test_declines_what_it_is_not_for():
    declined = [
        (plane(8, 8), 0, 16, 16, "float32"), (plane(8, 8), 2, 15, 16, "float32"), (plane(8, 8), 2, 16, 15, "float32"),
        (plane(8, 8), 2, 16, 16, "float64"), (plane(2, 2), 2, 16, 16, "float32"),
        (plane(8, 8, padding=3), 2, 16, 16, "float32"),
        (window((9, 9), (3, 3), stride=2), 2, 16, 16, "float32"),
        (window((9, 9), (3, 3), dilation=2), 2, 16, 16, "float32"),
        (window((9, 9), (4, 4), stride=2, padding=1), 2, 16, 16, "float32"),
        (window((8, 8), (4, 4), stride=2), 2, 16, 16, "float32"),
        (window((8, 8), (4, 4), padding=1), 2, 16, 16, "float32"), (halved(4, 4), 2, 15, 16, "float32"),
    ]  # fmt: skip
    for w, N, C, O, dtype in declined:
        for name, args in operands(w, N, C, O, dtype).items():
            assert getattr(winograd, name)(*args, window=w) is NotImplemented


@BOTH
def test_operands_may_be_strided_and_stay_as_they_are(w):
    for name, args in operands(w, 3, 18, 21).items():
        want = getattr(winograd, name)(*args, window=w)
        others = [np.asfortranarray(a) for a in args]
        np.testing.assert_array_equal(getattr(winograd, name)(*others, window=w), want)
        for a, b in zip(args, others):
            np.testing.assert_array_equal(a, b)


def test_it_serves_layers_and_can_be_switched_off():
    assert tinydl.get_winograd()
    x, w = tinydl.randn(2, 32, 12, 12), tinydl.randn(32, 32, 3, 3)
    fast = F.conv2d(x, w, padding=1).numpy()
    np.testing.assert_array_equal(
        fast, winograd.conv(x.numpy(), w.numpy(), None, plane(12, 12)), "another kernel than Winograd's has run"
    )
    tinydl.set_winograd(False)
    try:
        assert not tinydl.get_winograd()
        assert winograd.conv(x.numpy(), w.numpy(), None, plane(12, 12)) is NotImplemented
        direct = F.conv2d(x, w, padding=1).numpy()
    finally:
        tinydl.set_winograd(True)
    assert not np.array_equal(fast, direct)
    np.testing.assert_allclose(fast, direct, rtol=0, atol=1e-5 * np.abs(direct).max())
    with pytest.raises(TypeError, match="set_winograd: expected a bool, got int"):
        tinydl.set_winograd(0)


def test_gradients_equal_torch():
    torch = oracle()
    rng = np.random.default_rng(0)
    x, w, b = rng.standard_normal((4, 24, 11, 11)), rng.standard_normal((40, 24, 3, 3)), rng.standard_normal(40)
    g, results = rng.standard_normal((4, 40, 11, 11)), []
    for lib, f, kind in ((tinydl, F, tinydl.float32), (torch, torch.nn.functional, torch.float64)):
        leaves = [lib.tensor(a, dtype=kind, requires_grad=True) for a in (x, w, b)]
        f.conv2d(*leaves, padding=1).backward(lib.tensor(g, dtype=kind))
        results.append([t.grad.numpy() for t in leaves])
    for got, want in zip(*results, strict=True):
        np.testing.assert_allclose(got, want, rtol=0, atol=6e-6 * np.abs(want).max())
