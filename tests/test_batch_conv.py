"""Convolutions whose batch lies in the vectors: which they serve, against the operations' bodies; threads, NaN."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples_conv_pool import same_bits_on_any_threads, window
from test_flat_conv import body, operands

from tinydl.kernels.cpu import batch, conv, microkernel

WINDOWS = [
    window((6, 7), (3, 3)),
    window((9, 5), (3, 3), padding=1),
    window((11, 12), (5, 5), stride=2, padding=2),
    window((9, 10), (2, 3), stride=3, padding=1),  # some pixels are read by no tap
    window((5, 20), (5, 2)),  # windows as tall as the image
    window((40,), (3,), padding=4, dilation=3),
    window((4, 5, 6), (2, 3, 2), stride=2, padding=1),
]
STRIP = microkernel.STRIP_BYTES // 4


@pytest.fixture(autouse=True)
def serves_what_is_little(monkeypatch):
    monkeypatch.setattr(batch, "LITTLE", 0)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(WINDOWS), st.sampled_from([1, 2, 19]), st.integers(0, STRIP // 5),
    *[st.sampled_from([1, 2, 5, 17])] * 2, st.sampled_from("fd"), st.booleans(),
)  # fmt: skip
def test_equals_the_body(w, strips, missing, C, O, dtype, biased):
    N = strips * STRIP - missing  # in float64 strips hold half as many
    for name, args in operands(w, N, C, O, dtype).items():
        args = args if biased or name == "conv_weight" else (*args[:2], None)
        got = getattr(batch, name)(*args, window=w)
        if got is NotImplemented:
            wide = -(-C // (STRIP // 2)) * STRIP // 2 <= 1.25 * C or -(-C // (STRIP // 4)) * STRIP // 4 <= 1.25 * C
            assert wide and name == "conv_weight"
            continue
        want = body(name, args, w)
        assert got.dtype == dtype and got.shape == want.shape and got.flags.c_contiguous
        bound = 3e-6 if dtype == "f" else 1e-14
        np.testing.assert_allclose(got, want, rtol=0, atol=bound * np.abs(want).max(initial=1), err_msg=name)


@pytest.mark.parametrize("w", WINDOWS)
def test_bits_do_not_depend_on_threads(w):
    same_bits_on_any_threads(batch, w, operands(w, 3 * STRIP, 5, 9))


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("w", WINDOWS)
def test_nan_and_infinity_stay_where_they_belong(value, which, w):
    for name, args in operands(w, STRIP - 1, 3, 5).items():
        args[which][(0,) * args[which].ndim] = value
        with np.errstate(invalid="ignore"):
            got, want = getattr(conv, name)(*args, window=w), body(name, args, w)
        assert not np.isfinite(want).all()
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)


def test_the_layers_of_lenet_are_served():
    for w, C, O in ((window((28, 28), (5, 5), padding=2), 1, 6), (window((14, 14), (5, 5)), 6, 16)):
        for name, args in operands(w, 64, C, O).items():
            assert getattr(batch, name)(*args, window=w) is not NotImplemented


def test_declines_what_it_is_not_for():
    small = window((6, 6), (3, 3))
    for w, N, C, O in (
        (small, STRIP // 2, 3, 4),  # half of a strip is empty
        (window((2, 2), (2, 2), padding=1), STRIP, 3, 4) if STRIP > 8 else (small, 1, 3, 4),  # no vector of pixels
        (window((6, 6), (3, 3), groups=2), STRIP, 4, 4),
        (window((64, 64), (3, 3), padding=1), STRIP, 17, 17),  # too large for the cache
        (small, STRIP, 256, 256),  # Winograd's
    ):
        for name, args in operands(w, N, C, O).items():
            args = args if name == "conv_weight" else (args[0], args[1][:, : C // w.groups], args[2])
            assert getattr(batch, name)(*args, window=w) is NotImplemented
    x, k, b = operands(small, STRIP, 3, 4)["conv"]
    assert batch.conv(x, k.astype("float64"), b, small) is NotImplemented
    assert batch.conv(x.astype("float16"), k.astype("float16"), b, small) is NotImplemented
    assert batch.conv(x, k, b.astype("float64"), small) is NotImplemented
    long = window((30,), (30,), padding=15)
    assert batch.conv(*operands(long, STRIP, 35, 4)["conv"], window=long) is NotImplemented  # 1,050 terms


def test_weights_whose_sum_overflows_warn_of_nothing():
    x, k, b = operands(WINDOWS[1], STRIP, 3, 4)["conv"]
    with np.errstate(all="raise"):
        assert batch.conv(1e-30 * x, np.full_like(k, 1e38), b, WINDOWS[1]) is not NotImplemented
