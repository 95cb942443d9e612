"""Every sample of an operation that has a CUDA kernel, in float32; of every operation, in bfloat16."""

import numpy as np
import pytest
from emulation import Watched, bodies, in_every_order, kernel_device, near, typed
from samples import EVERY
from samples.run import forward_and_gradients

from tinydl.dtype import is_floating
from tinydl.kernels.gpu import KERNELS, precision
from tinydl.testing import cudaemu

pytestmark = pytest.mark.usefixtures("place")
# what is drawn at random is other numbers in other types
SERVED = [p for p in EVERY if p.values[0] in KERNELS and p.values[1].typed]


@pytest.mark.parametrize("order", [1, 2], ids=["gradients by kernels", "second gradients"])
@pytest.mark.parametrize("name, sample", SERVED)
def test_samples(name, sample, order, monkeypatch):
    monkeypatch.setattr(precision, "_now", dict.fromkeys(precision._now, "ieee"))
    given, exact = typed(sample, "float32")
    order = min(order, sample.order)
    with kernel_device() as device, np.errstate(all="ignore"):
        device.kernels = Watched()

        def compute():
            found = forward_and_gradients(name, given, sample, order, device, create_graph=order > 1)
            return [device.to_host(t.detach().array) for t in found]

        if order == 1:
            got = in_every_order(compute)
        else:
            with cudaemu.launches("shuffle", seed=5, guard=True):
                got = compute()
    with bodies(), np.errstate(all="ignore"):
        want = forward_and_gradients(name, exact, sample, order)
    for a, b in zip(got, want, strict=True):
        near(a, b.detach().array, "float32", 5)


# of these terms cancel, which a composite rounds on their way
CANCELLING = {"cofactor", "group_norm"}


@pytest.mark.parametrize("name, sample", [p for p in EVERY if p.values[1].typed and p.values[0] not in CANCELLING])
def test_samples_in_bfloat16(name, sample):
    """As on the CPU, which computes in float32 from end to end: kernels, bodies in float32, and gradients."""
    given, _ = typed(sample, "bfloat16")
    order = min(1, sample.order)
    with kernel_device() as device, np.errstate(all="ignore"):
        got = [device.to_host(t.detach().array) for t in forward_and_gradients(name, given, sample, order, device)]
        want = [t.detach().array for t in forward_and_gradients(name, given, sample, order)]
    for a, b in zip(got, want, strict=True):
        assert a.dtype == b.dtype
        if not is_floating(a.dtype):
            np.testing.assert_array_equal(a, b)
            continue
        a, b = a.astype("float64"), b.astype("float64")
        np.testing.assert_allclose(a, b, 3e-2, 1e-3 + 3e-2 * np.abs(b[np.isfinite(b)]).max(initial=0))
