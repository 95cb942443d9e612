"""CUDA kernels of matrix products, against the operations' bodies in float64."""

import evidence
import numpy as np
import pytest
from emulation import check, in_every_order, kernel_device
from samples.make import Sample, normal

from tinydl.kernels.gpu import gemm, precision

pytestmark = pytest.mark.usefixtures("place")


@pytest.fixture(params=precision.MODES)
def mode(request, monkeypatch):
    """The mode; small products are served, too."""
    monkeypatch.setattr(gemm, "LEAST_BLOCKS", 0)
    before = precision.get_precision("matmul")
    precision.set_precision("matmul", request.param)
    yield request.param
    precision.set_precision("matmul", before)


@pytest.mark.parametrize("tile", gemm.TILES, ids=str)
@pytest.mark.parametrize("a_turned", [False, True])
@pytest.mark.parametrize("b_turned", [False, True])
def test_every_layout_and_tile(tile, a_turned, b_turned, mode, monkeypatch):
    monkeypatch.setattr(gemm, "LARGE", 0 if tile[0] == 128 else 1 << 30)
    (n, m), k, bias = (tile[0] + 4, tile[1] + 8), 36, normal(tile[1] + 8).astype("f")
    a = normal(2, n, k).astype("f")
    b = normal(2, k, m).astype("f")
    with kernel_device() as device:
        lying = [device.array(np.ascontiguousarray(t.swapaxes(1, 2)) if turned else t)
                 for t, turned in ((a, a_turned), (b, b_turned))]  # fmt: skip
        given = [t.swapaxes(1, 2) if turned else t for t, turned in zip(lying, (a_turned, b_turned))]
        got = in_every_order(lambda: [gemm.product(*given, device.array(bias)).get()])[0]
    want = a.astype("d") @ b + bias
    evidence.note(got, want, np.abs(want).max())
    bound = {"ieee": 4e-7, "tf32": 6e-4}[mode]
    assert got.dtype == "float32" and np.linalg.norm(got - want) < bound * np.linalg.norm(want)


# operands, and of the gradients' kernels those that must serve: sizes of 4 in each
@pytest.mark.parametrize(
    "name, sample",
    [
        ("matmul", Sample(normal(4, 8), normal(8, 12))),
        ("matmul", Sample(normal(2, 3, 4, 8), normal(2, 3, 8, 12))),
        ("matmul", Sample(normal(3, 4, 8), normal(8, 12))),
        ("linear", Sample(normal(2, 4, 8), normal(12, 8), normal(12))),
        ("linear", Sample(normal(4, 8), normal(12, 8), None)),
    ],
)
def test_operations_and_their_gradients(name, sample, mode):
    check(name, sample, "float32", served=["matmul"], more={"ieee": 1, "tf32": 50}[mode])


def test_what_is_declined(mode):
    with kernel_device() as device:
        x = device.array(normal(2, 8, 8).astype("f"))
        assert gemm.matmul(x, device.array(normal(3, 1, 8, 8).astype("f"))) is NotImplemented  # broadcast
        assert gemm.matmul(x[:, :, :5], x[:, :5]) is NotImplemented  # rows of 20 bytes
        assert gemm.matmul(device.array(normal(8, 8)), device.array(normal(8, 8))) is NotImplemented  # cuBLAS's
        assert gemm.linear(x, x[0], device.array(np.zeros((1,), "f"))) is NotImplemented
        gemm.LEAST_BLOCKS = 64
        assert gemm.matmul(x, x) is NotImplemented
