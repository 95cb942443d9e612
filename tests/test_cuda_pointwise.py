"""CUDA kernels of elementwise functions, against the operations' bodies."""

import numpy as np
import pytest
from emulation import Watched, check, kernel_device
from samples.make import Sample, normal

import tinydl
from tinydl.kernels.gpu import FAMILIES
from tinydl.kernels.gpu.pointwise import SINGLE, TWO

pytestmark = pytest.mark.usefixtures("place")
CONSTANTS = {
    "hardtanh": (-1.0, 1.0), "leaky_relu": (0.2,), "elu": (0.7, 1.3, 0.9), "softplus": (2.0, 20.0), "gelu": ("none",),
    "clamped": (-0.5, 0.7), "threshold": (0.1, 5.0), "hardshrink": (0.5,), "softshrink": (0.5,),
}  # fmt: skip
# each with its slope or gradient
FUNCTIONS = [n for n in FAMILIES["pointwise"] if not n.endswith(("_slope", "_grad")) and n not in SINGLE]


def derivative(name):
    return next(n for n in (f"{name}_slope", f"{name}_grad") if n in FAMILIES["pointwise"])


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_and_slopes(name, dtype):
    for shape in ((), (0, 3), (7,), (3, 5, 16)):
        sample = Sample(np.asarray(normal(*shape) * 3), *CONSTANTS.get(name, ()))
        check(name, sample, dtype, served=[derivative(name)])


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", SINGLE)
def test_single_functions_of_narrow_types(name, dtype):
    for shape in ((7,), (3, 5, 16)):
        operands = [np.abs(normal(*shape)) + 0.5 for _ in range(1 + (name in TWO))]
        check(name, Sample(*operands), dtype)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", TWO)
def test_numbers_beside_narrow_arrays(name, dtype):
    """One pass, in which the number is not rounded first; float32 is left to CuPy."""
    function = getattr(tinydl, name)
    with kernel_device() as device:
        device.kernels = Watched()
        x = tinydl.tensor(np.linspace(0.5, 200, 40), dtype=dtype, device=device)
        for got, want in (
            (function(x, 0.999), function(x.double(), 0.999)),
            (function(0.999, x), function(0.999, x.double())),
        ):
            assert tinydl.equal(got, want.to(x.dtype)) and name in device.kernels.served
        device.kernels.served.clear()
        function(x.float(), 0.999)
        assert not device.kernels.served


def test_another_gelu_and_tanh():
    x = normal(5, 7)
    check("gelu", Sample(x, "tanh"), "float32", served=["gelu_grad"])
    with kernel_device() as device:
        kernel = device.kernels["tanh_slope"]
        g, y = (tinydl.tensor(normal(5, 7), device=device).array for _ in range(2))
        got = kernel(g, y).get()
        np.testing.assert_allclose(got, g.get() * (1 - y.get() ** 2), rtol=1e-13, atol=1e-14)
        assert kernel(g, y[:2]) is NotImplemented
        assert kernel(g, y.astype("float32")) is NotImplemented


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_is_not_finite(name):
    x = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 30.0, -30.0, 80.0, -80.0])
    check(name, Sample(x, *CONSTANTS.get(name, ())), "float32", 0)


def test_other_layouts():
    with kernel_device() as device:
        x = tinydl.tensor(normal(4, 6), device=device)
        for view in (x.T, x[:, ::2], x[0].expand(3, 6)):
            y = tinydl.nn.functional.silu(view)
            want = view.array.get() / (1 + np.exp(-view.array.get()))
            np.testing.assert_allclose(y.array.get(), want, rtol=1e-12)
