"""Random numbers by CUDA kernels, the table of kernels, and what launches are refused."""

import numpy as np
import pytest
from emulation import kernel_device

import tinydl
from tinydl.kernels.gpu import KERNELS, load
from tinydl.kernels.gpu.launch import LaunchError, launch
from tinydl.kernels.gpu.random import RANDOM
from tinydl.testing import cudaemu

pytestmark = pytest.mark.usefixtures("place")
ORDERS = ("forward", "reverse", "shuffle")


@pytest.fixture
def device(place):
    with kernel_device() as found:
        yield found


def in_every_order(compute):
    """The result of `compute`, which must be the same bits in every order of threads, between guard pages."""
    results = []
    for order in ORDERS:
        with cudaemu.launches(order, seed=3, guard=True):
            results.append(compute())
    assert len({r.tobytes() for r in results}) == 1
    return results[0]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(0,), (1,), (7,), (3, 5, 2)])
@pytest.mark.parametrize("draw", ["rand", "randn", "dropout", "randint"])
def test_random_numbers_are_those_of_the_cpu(device, draw, shape, dtype):
    def compute(on):
        tinydl.manual_seed(2**40 + 3)
        if draw == "randint":
            return tinydl.randint(-3, 10, shape, device=on)
        if draw == "dropout":
            return tinydl.nn.functional.dropout(tinydl.ones(*shape, dtype=getattr(tinydl, dtype), device=on), 0.3)
        return getattr(tinydl, draw)(*shape, dtype=getattr(tinydl, dtype), device=on)

    found = in_every_order(lambda: compute(device).array.get())
    np.testing.assert_array_equal(found, compute("cpu").numpy())


def test_every_kernel_can_be_loaded():
    assert all(callable(load(name)) for name in KERNELS)
    assert load("nothing") is None


def test_launches_are_checked(device):
    x = tinydl.zeros(4, device=device).array
    with pytest.raises(LaunchError, match="y must hold float64, got float32"):
        launch(RANDOM, "philox_uniform<double>", 1, 32, x, 4, 0, 0, None)
    with pytest.raises(LaunchError, match="seed = -1 does not fit uint64"):
        launch(RANDOM, "philox_uniform<float>", 1, 32, x, 4, -1, 0, None)
    with pytest.raises(LaunchError, match="takes 5 arguments, got 3"):
        launch(RANDOM, "philox_uniform<float>", 1, 32, x, 4, 0)
    with pytest.raises(LaunchError, match="of shape .* is not contiguous"):
        launch(RANDOM, "philox_uniform<float>", 1, 32, x[::2], 2, 0, 0, None)
    with pytest.raises(LaunchError, match="array of the same device|CUDA kernels take arrays"):
        launch(RANDOM, "dropout<float>", 1, 32, x, np.zeros(4, "f"), 4, 0, 0, None, 0, 1.0)
    with pytest.raises(LaunchError, match="sizes must lie in"):
        launch(RANDOM, "philox_uniform<float>", (1, 70000), 32, x, 4, 0, 0, None)
    with pytest.raises(KeyError, match="no instance philox_uniform<int>"):
        launch(RANDOM, "philox_uniform<int>", 1, 32, x, 4, 0, 0, None)


def test_shared_memory_once_granted_stays_granted(device):
    """Kernels are launched with more of it, with less, and again with more; the driver keeps one number for each."""
    x, w = tinydl.rand(1, 4, 24, 24, device="strict"), tinydl.rand(64, 4, 11, 11, device="strict")
    convolve = tinydl.nn.functional.conv2d
    large = convolve(x, w).array.get()
    convolve(x, w[:, :, :3, :3])
    np.testing.assert_array_equal(convolve(x, w).array.get(), large)
