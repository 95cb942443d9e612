"""CUDA kernels of matrix products, against the operations' bodies in float64."""

import copy

import evidence
import numpy as np
import pytest
from emulation import check, in_every_order, kernel_device
from samples.make import Sample, normal

import tinydl
from tinydl.kernels.gpu import gemm, launch, precision
from tinydl.testing import cudaemu

pytestmark = pytest.mark.usefixtures("place")


@pytest.fixture(params=precision.MODES)
def mode(request, monkeypatch):
    """The mode; small products are served, too."""
    monkeypatch.setattr(gemm, "LEAST_BLOCKS", 0)
    before = precision.get_precision("matmul")
    precision.set_precision("matmul", request.param)
    yield request.param
    precision.set_precision("matmul", before)


def check_layout(tile, a_turned, b_turned, k, mode, monkeypatch):
    """A product of more than one tile in each direction, its operands as they are or on their sides."""
    monkeypatch.setattr(gemm, "LARGE", 0 if tile[0] == 128 else 1 << 30)
    monkeypatch.setenv("TINYDL_WGMMA", str(int(tile == gemm.WGMMA_TILE)))
    (n, m), bias = (tile[0] + 4, tile[1] + 8), normal(tile[1] + 8).astype("f")
    a, b = normal(2, n, k).astype("f"), normal(2, k, m).astype("f")
    with kernel_device() as device:
        if tile == gemm.WGMMA_TILE and not gemm.has_warpgroups(launch.backend_of(device.array(a))):
            pytest.skip("the device is not of Hopper's kind")
        lying = [device.array(np.ascontiguousarray(t.swapaxes(1, 2)) if turned else t)
                 for t, turned in ((a, a_turned), (b, b_turned))]  # fmt: skip
        given = [t.swapaxes(1, 2) if turned else t for t, turned in zip(lying, (a_turned, b_turned))]
        got = in_every_order(lambda: [gemm.product(*given, device.array(bias)).get()])[0]
    want = a.astype("d") @ b + bias
    evidence.note(got, want, np.abs(want).max())
    bound = {"ieee": 4e-7, "tf32": 6e-4}[mode]
    assert got.dtype == "float32" and np.linalg.norm(got - want) < bound * np.linalg.norm(want)


# three stages of 32 numbers take turns: 164 are more than they hold
TILES = [*((tile, 36) for tile in gemm.TILES), (gemm.WGMMA_TILE, 4), (gemm.WGMMA_TILE, 164)]


@pytest.mark.parametrize("tile, k", TILES, ids=str)
@pytest.mark.parametrize("a_turned", [False, True])
@pytest.mark.parametrize("b_turned", [False, True])
def test_every_layout_and_tile(tile, k, a_turned, b_turned, mode, monkeypatch):
    check_layout(tile, a_turned, b_turned, k, mode, monkeypatch)


FAULTS = {
    "no barrier": ("__syncthreads();  // the step is in", ""),
    "no fence of stores": ("fence_proxy_async();\n    __sync", "__sync"),
    "no fence of sums": ("wgmma_fence();\n#pragma", "#pragma"),
    "two stages": ("STAGES = 3", "STAGES = 2"),
    "a product is not waited for": ("wgmma_wait<0>(sums);", "wgmma_wait<1>(sums);"),
    "sums begin with what is there": ("!first || k", "1"),
    "rows in another order": ("word / 4 ^ row % 8", "word / 4 ^ row % 4"),
    "another row's end": ("r < length && w < depth", "r < length"),
    "a column too many": ("row < rows && column < columns", "row < rows && column <= columns"),
    "low parts left out": ("wgmma_tf32(sums, described(a + OPERAND + k), other", "wgmma_tf32(sums, high, other"),
}


@pytest.mark.emulated
@pytest.mark.parametrize("mode", ["ieee"], indirect=True)
@pytest.mark.parametrize("old, new", FAULTS.values(), ids=FAULTS)
def test_planted_faults_in_products_of_warpgroups_are_caught(old, new, mode, monkeypatch):
    broken = copy.copy(gemm.WGMMA)
    assert old in broken.text
    broken.__dict__["text"] = broken.text.replace(old, new)
    monkeypatch.setattr(gemm, "WGMMA", broken)
    with pytest.raises((cudaemu.EmulationError, AssertionError)):
        check_layout(gemm.WGMMA_TILE, False, True, 164, mode, monkeypatch)


# operands, and of the gradients' kernels those that must serve: sizes of 4 in each
@pytest.mark.parametrize(
    "name, sample",
    [
        ("matmul", Sample(normal(4, 8), normal(8, 12))),
        ("matmul", Sample(normal(2, 3, 4, 8), normal(2, 3, 8, 12))),
        ("matmul", Sample(normal(3, 4, 8), normal(8, 12))),
        ("linear", Sample(normal(2, 4, 8), normal(12, 8), normal(12))),
        ("linear", Sample(normal(4, 8), normal(12, 8), None)),
        ("linear_grad", Sample(normal(2, 4, 12), normal(2, 4, 8), normal(12, 8))),
    ],
)
def test_operations_and_their_gradients(name, sample, mode):
    served = "linear_grad" if name.startswith("linear") else "matmul"
    check(name, sample, "float32", served=[served], more={"ieee": 1, "tf32": 50}[mode])


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize(
    "name, sample",
    [
        ("matmul", Sample(normal(5, 7), normal(7, 3))),
        ("matmul", Sample(normal(7), normal(7, 3))),
        ("matmul", Sample(normal(2, 5, 7), normal(7))),
        ("matmul", Sample(normal(2, 5, 7), normal(7, 3))),
        ("matmul", Sample(normal(2, 4, 8), normal(2, 8, 12))),
        ("linear", Sample(normal(2, 5, 7), normal(3, 7), normal(3))),
    ],
)
def test_narrow_types(name, sample, dtype, mode):
    """By cuBLAS, or (stacks of bfloat16) by TF32, whatever the mode; both sum in float32."""
    with kernel_device() as device:
        given = [tinydl.tensor(a, dtype=dtype, device=device) for a in sample.args]
        got = device.kernels[name](*(t.array for t in given), *[None] * (name == "linear" and len(given) < 3))
        assert got.dtype == dtype
        exact = [t.double().cpu().array for t in given]
        want = exact[0] @ (exact[1] if name == "matmul" else exact[1].T) + (exact[2] if len(exact) > 2 else 0)
        unit = float(tinydl.finfo(dtype).eps)
        near = np.abs(got.get().astype("d") - want) <= unit * (np.abs(want) + 8)
        assert near.all() and got.shape == want.shape


def test_a_stack_of_bfloat16_loses_nothing_in_tf32(mode):
    """10 bits hold bfloat16's 8: the products are exact, the sums in float32."""
    a, b = (np.asarray(normal(2, 8, 64)).astype("bfloat16"), np.asarray(normal(2, 64, 8)).astype("bfloat16"))
    with kernel_device() as device:
        got = gemm._matmul(*(device.array(t.astype("f")) for t in (a, b)), "Tf32").get()
    want = a.astype("d") @ b.astype("d")
    assert np.abs(got - want).max() < 4e-6 * np.abs(want).max()


def test_what_is_declined(mode):
    with kernel_device() as device:
        x = device.array(normal(2, 8, 8).astype("f"))
        assert gemm.matmul(x, device.array(normal(3, 1, 8, 8).astype("f"))) is NotImplemented  # broadcast
        assert gemm.matmul(x[:, :, :5], x[:, :5]) is NotImplemented  # rows of 20 bytes
        assert gemm.matmul(device.array(normal(8, 8)), device.array(normal(8, 8))) is NotImplemented  # cuBLAS's
        assert gemm.linear(x, x[0], device.array(np.zeros((1,), "f"))) is NotImplemented
        gemm.LEAST_BLOCKS = 64
        assert gemm.matmul(x, x) is NotImplemented
