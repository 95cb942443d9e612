"""CUDA kernels judged, in the emulator or on a GPU: against bodies in float64, the same bits at every run.

In the emulator runs are in every order of threads, between guard pages.
"""

import contextlib
import os

import evidence
import numpy as np
from samples.make import Sample
from samples.run import forward_and_gradients

from tinydl.device import CPU, Kernels
from tinydl.device import device as find_device
from tinydl.dtype import is_floating
from tinydl.kernels.gpu.pointwise import SINGLE
from tinydl.testing import cudaemu
from tinydl.testing.emulated import emulated_device

ORDERS = ("forward", "reverse", "shuffle")
TOLERANCE = {"float64": 1e-11, "float32": 4e-5, "float16": 2e-2, "bfloat16": 1.6e-1}


class Watched(Kernels):
    """Kernels of the GPU that note which of them served and which declined."""

    def __init__(self):
        super().__init__(".kernels.gpu")
        self.served, self.declined = set(), set()

    def named(self, name, args):
        """How a call is noted."""
        return name

    def __missing__(self, name):
        kernel = super().__missing__(name)
        if kernel is None:
            return None

        def watched(*args, **kwargs):
            out = kernel(*args, **kwargs)
            (self.declined if out is NotImplemented else self.served).add(self.named(name, (*args, *kwargs.values())))
            return out

        self[name] = watched
        return watched


@contextlib.contextmanager
def kernel_device():
    """The device on which this test runs CUDA kernels: emulated, or a GPU; kernels put in its place are taken back."""
    if evidence.place == "emulated":
        with emulated_device() as device:
            yield device
        return
    device = find_device("cuda")
    if "TINYDL_NO_POOL" in os.environ:  # each array is an allocation of its own: compute-sanitizer sees its ends
        device.xp.cuda.set_allocator(None)
    kept = device.kernels
    try:
        yield device
        device.synchronize()  # what went wrong shows here, not in the next test
    finally:
        device.kernels = kept


@contextlib.contextmanager
def bodies():
    """Within it the CPU has no kernels: bodies run."""
    kept, CPU.kernels = CPU.kernels, type("NoKernels", (dict,), {"__missing__": lambda self, name: None})()
    try:
        yield
    finally:
        CPU.kernels = kept


def in_every_order(compute):
    """The results, NumPy's arrays, of `compute`: the same bits in every order of threads, or at every run."""
    results = []
    for order in ORDERS:
        with cudaemu.launches(order, seed=3, guard=True):
            results.append(compute())
    for other in results[1:]:
        assert [a.tobytes() for a in other] == [a.tobytes() for a in results[0]]
    return results[0]


def near(got, want, dtype, more=1.0):
    """Whether got, of `dtype`, is want, of float64, to what that type can hold."""
    assert got.shape == want.shape
    if not is_floating(got.dtype):
        return np.testing.assert_array_equal(got, want)
    scale = np.abs(want[np.isfinite(want)]).max(initial=1)
    evidence.note(got, want, scale)
    tolerance = TOLERANCE[dtype] * more
    return np.testing.assert_allclose(got.astype("float64"), want, rtol=tolerance, atol=tolerance * scale)


def typed(sample, dtype):
    """Its arguments twice: floating arrays in `dtype`, and the same numbers in float64."""
    given = sample.map(lambda a: a.astype(dtype) if is_floating(a.dtype) else a.copy())
    return given, Sample(*given).map(lambda a: a.astype("float64") if is_floating(a.dtype) else a.copy())


def check(name, sample, dtype, order=1, served=(), declined=(), more=1.0):
    """The operation `name` and its gradients on the test's device; `served`: the kernels that must have run."""
    given, exact = typed(sample, dtype)
    with kernel_device() as device:
        device.kernels = Watched()

        def compute():
            found = forward_and_gradients(name, given, sample, order, device, create_graph=order > 1)
            return [device.to_host(t.detach().array) for t in found]

        got = in_every_order(compute)
        watched = device.kernels
    with bodies(), np.errstate(all="ignore"):
        want = [t.detach().array for t in forward_and_gradients(name, exact, sample, order)]
    assert {name, *served} - set(declined) <= watched.served, f"declined: {watched.declined}"
    left = watched.declined - set(SINGLE)  # which of float32 and float64 are left to CuPy
    assert left <= set(declined), left
    for a, b in zip(got, want, strict=True):
        if is_floating(b.dtype):
            assert a.dtype == dtype
        near(a, b, dtype, more)
