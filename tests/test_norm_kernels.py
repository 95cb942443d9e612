"""Kernels of normalisation, sums and resampling on any shape, against float64: values, gradients, accuracy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import oracle

import tinydl
import tinydl.nn.functional as F
from tinydl.autograd.graph import OPS
from tinydl.device import CPU

SIZES = st.sampled_from([1, 2, 3, 5, 8, 17])
TOLERANCE = {"float32": 2e-6, "float64": 1e-13}


def rng(*shape, seed=0):
    return np.random.default_rng((seed, *shape)).standard_normal(shape)


def against_torch(function, dtype, *arrays):
    """The outputs and all gradients of function(F, tensors...) here in `dtype`, in PyTorch in float64."""
    torch = oracle()
    found = []
    for lib, f, kind in ((tinydl, F, dtype), (torch, torch.nn.functional, "float64")):
        leaves = [lib.tensor(a.astype(kind)).requires_grad_() for a in arrays]
        y = function(f, *leaves)
        y.backward(lib.tensor(rng(*y.shape, seed=1).astype(kind)))
        found.append([y.detach().numpy(), *(t.grad.numpy() for t in leaves)])
    for got, want in zip(*found, strict=True):
        assert got.dtype == dtype and got.shape == want.shape
        scale = max(1, np.abs(want).max(initial=0)) * max(1, want.size) ** 0.25
        np.testing.assert_allclose(got, want, rtol=0, atol=TOLERANCE[dtype] * scale)


@pytest.fixture
def served(monkeypatch):
    """Names of the kernels that served."""
    names = []

    def watch(name, kernel):
        def called(*args, **named):
            out = kernel(*args, **named)
            if out is not NotImplemented:
                names.append(name)
            return out

        return called

    families = "batch_norm", "group_norm", "layer_norm", "rms_norm"
    for name in (*families, *(f"{n}_grad" for n in families), "affine", "affine_grad", "sum_to", "resample"):
        monkeypatch.setitem(CPU.kernels, name, watch(name, CPU.kernels[name]))
    return names


# eps is large: groups of two numbers are else ill-conditioned
NORMS = {
    "batch_norm": (lambda f, x, w, b: f.batch_norm(x, None, None, w, b, True, 0.1, 0.1), 1),
    "group_norm": (lambda f, x, w, b: f.group_norm(x, 2, w, b, 0.1), 1),
    "layer_norm": (lambda f, x, w, b: f.layer_norm(x, x.shape[1:], w, b, 0.1), None),
    "rms_norm": (lambda f, x, w: f.rms_norm(x, x.shape[1:], w, 0.1), None),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NORMS)
def test_norms_of_any_shape(name, dtype, served):
    function, channels = NORMS[name]

    @settings(max_examples=15, deadline=None)
    @given(st.tuples(SIZES, SIZES, SIZES), st.booleans())
    def check(sizes, flat):
        N, C, P = sizes
        shape = (N + 1, 2 * C) if flat else (N + 1, 2 * C, P + 1, 3)
        if channels and name == "group_norm" and flat and C == 1:
            return  # one number to a group is refused
        count = shape[1:2] if channels else shape[1:]
        vectors = [rng(*count, seed=s) for s in range(2, 2 + function.__code__.co_argcount - 2)]
        against_torch(function, dtype, 1 + 2 * rng(*shape), *vectors)

    check()
    assert {name, f"{name}_grad"} <= set(served)


def test_variance_of_a_large_mean():
    """The mean of squares less the square of the mean would lose all digits."""
    x = (1000 + rng(16, 3, 31, 33)).astype("float32")
    y = F.batch_norm(tinydl.tensor(x), None, None, training=True).numpy()
    exact = x.astype("float64")
    want = (exact - exact.mean((0, 2, 3), keepdims=True)) / exact.std((0, 2, 3), keepdims=True)
    # the mean itself is known to half a unit of 1000 in float32, 3e-5
    np.testing.assert_allclose(y, want, rtol=0, atol=1e-4)


def test_running_statistics_follow(served):
    x, m, v = rng(8, 5, 4, 4).astype("float32"), tinydl.zeros(5), tinydl.ones(5)
    F.batch_norm(tinydl.tensor(x), m, v, training=True, momentum=0.25)
    assert "batch_norm" in served
    np.testing.assert_allclose(m.numpy(), 0.25 * x.mean((0, 2, 3)), atol=1e-6)
    np.testing.assert_allclose(v.numpy(), 0.75 + 0.25 * x.var((0, 2, 3), ddof=1), atol=1e-6)


def test_gradients_of_the_statistics_themselves():
    """Mean and variance are outputs of the composite, too; their gradient goes by its body."""
    x = tinydl.tensor(rng(6, 3, 2, 5), requires_grad=True)
    y, mean, var = OPS["batch_norm"](x, None, None, 1e-5)
    (y.sum() + (mean * 2).sum() + (var * 3).sum()).backward()
    a, n = x.detach().numpy(), 60
    want = 2 / n + 6 / n * (a - a.mean((0, 2, 3), keepdims=True))
    np.testing.assert_allclose(x.grad.numpy(), want, atol=1e-9)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_no_number_stays_in_its_group(value):
    x = rng(4, 6, 9, 5).astype("float32")
    x[1, 2, 3, 4] = value
    torch = oracle()
    for name in ("batch_norm", "group_norm", "layer_norm"):
        function = NORMS[name][0]
        got = function(F, tinydl.tensor(x), None, None).numpy()
        want = function(torch.nn.functional, torch.tensor(x), None, None).numpy()
        np.testing.assert_array_equal(np.isnan(got), np.isnan(want))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("dims", [(0, 1, 2), (0, 2), (0,), (2,), (1, 2), (0, 1), (1,)])
def test_sums(dims, dtype, served):
    for shape in ((131, 17, 23), (2, 70, 300), (300, 1, 131)):
        x = rng(*shape).astype(dtype)
        got = tinydl.tensor(x).sum(dims).numpy()
        want = x.astype("float64").sum(dims)
        assert got.dtype == dtype
        np.testing.assert_allclose(got, want, rtol=0, atol=TOLERANCE[dtype] * max(1, abs(want).max()) * 4)
    assert "sum_to" in served or dims == (1,)


def test_a_long_sum_is_accurate():
    """Of equal numbers all roundings go one way: a running sum in float32 is off by more than 1e-3 here."""
    x = np.full(1 << 22, 0.1, "float32")
    assert (
        abs(tinydl.tensor(x).sum().item() / (x.astype("float64").sum()) - 1) < 5e-6
    )  # the fewer lanes a vector has, the longer the sums of each


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("mode, n", [("nearest", 2), ("bilinear", 2), ("bicubic", 2), ("linear", 1), ("trilinear", 3)])
def test_resampling(mode, n, dtype, served):
    for size in ((7, 5, 9)[:n], (2, 3, 4)[:n]):
        against_torch(lambda f, x, size=size: f.interpolate(x, size=size, mode=mode), dtype, rng(2, 3, *(5, 4, 3)[:n]))
    assert "resample" in served
