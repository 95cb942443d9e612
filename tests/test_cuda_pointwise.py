"""CUDA kernels of elementwise functions, against the operations' bodies."""

import numpy as np
import pytest
from emulation import Watched, check, kernel_device
from samples.make import Sample, normal

import tinydl
from tinydl.kernels.formulas import TABLE
from tinydl.kernels.gpu import FAMILIES
from tinydl.kernels.gpu.pointwise import SINGLE, TWO

pytestmark = pytest.mark.usefixtures("place")
CONSTANTS = {
    "hardtanh": (-1.0, 1.0), "leaky_relu": (0.2,), "elu": (0.7, 1.3, 0.9), "softplus": (2.0, 20.0), "gelu": ("none",),
    "clamped": (-0.5, 0.7), "threshold": (0.1, 5.0), "hardshrink": (0.5,), "softshrink": (0.5,), "between": (0.3,),
    "plus_product": (1.7,), "plus_quotient": (1.7,), "huber": (0.8,),
}  # fmt: skip
FUNCTIONS = [n for n in FAMILIES["pointwise"] if not n.endswith(("_slope", "_grad")) and n not in SINGLE]


def derivative(name):
    """The kernel of its slope or gradient, in a list, if it has one."""
    return [n for n in (f"{name}_slope", f"{name}_grad") if n in FAMILIES["pointwise"]]


def sample_of(name, *arrays):
    """Without gradients where these are the business of the steps that it is made of."""
    steps = name in ("plus_product", "plus_quotient", "between", "with_slope")
    return Sample(*arrays, *CONSTANTS.get(name, ()), fixed=range(len(arrays)) if steps else ())


def operands(name, *shape):
    """As many as it takes: a root's, and what plus_quotient divides by, the last, are not near 0."""
    given = [np.asarray(normal(*shape) * 3) for _ in TABLE[name][0].split()]
    if name in ("rsqrt", "plus_quotient"):
        given[-1] = np.asarray(np.abs(given[-1]) + 0.5)
    return given


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_and_slopes(name, dtype):
    for shape in ((), (0, 3), (7,), (3, 5, 16)):
        check(name, sample_of(name, *operands(name, *shape)), dtype, served=derivative(name))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", SINGLE)
def test_single_functions_of_narrow_types(name, dtype):
    for shape in ((7,), (3, 5, 16)):
        given = [np.abs(normal(*shape)) + 0.5 for _ in range(1 + (name in TWO))]
        check(name, Sample(*given), dtype)


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


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
@pytest.mark.parametrize("name", ["add", "sub"])
def test_sums_with_a_factor(name, dtype):
    for shape in ((), (7,), (3, 5, 16)):
        check(name, Sample(normal(*shape), normal(*shape), alpha=-1.7), dtype)


def test_what_stands_beside_another_shape_or_a_number_is_left_to_the_body():
    check("add", Sample(normal(3, 5), normal(5), alpha=2), "float32", declined=["add"])
    check("with_slope", sample_of("with_slope", normal(3, 5), normal(5)), "float32", declined=["with_slope"])
    with kernel_device() as device:
        for x in (tinydl.tensor(1.5, device=device), tinydl.tensor([1.5, 2.5], device=device)):
            assert tinydl.equal(tinydl.add(x, 3, alpha=2), x + 6) and tinydl.equal(tinydl.sub(3, x, alpha=2), 3 - x * 2)
            assert tinydl.equal(x.lerp(x + 1, 0.5), x + 0.5)


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
    arrays = np.meshgrid(*[x] * len(TABLE[name][0].split()))
    check(name, sample_of(name, *arrays), "float32", 0)


def test_other_layouts():
    with kernel_device() as device:
        x = tinydl.tensor(normal(4, 6), device=device)
        for view in (x.T, x[:, ::2], x[0].expand(3, 6)):
            y = tinydl.nn.functional.silu(view)
            want = view.array.get() / (1 + np.exp(-view.array.get()))
            np.testing.assert_allclose(y.array.get(), want, rtol=1e-12)
