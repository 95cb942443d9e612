"""Kernels of elements and rows against the bodies of their operations: any shape and layout, NaN, infinity, threads."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinydl
import tinydl.nn.functional as F
from tinydl import Tensor
from tinydl.autograd.graph import OPS
from tinydl.device import CPU
from tinydl.kernels import formulas
from tinydl.kernels.cpu import KERNELS, embedding, jit, loops, pointwise, softmax

SPECIAL = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-40, -1e-40, 1.0, -1.0, 30.0, -30.0, 200.0, -200.0, 3e38])
CONSTANTS = {
    "hardtanh": (-1.0, 1.0), "leaky_relu": (0.2,), "elu": (0.7, 1.3, 0.9), "softplus": (2.0, 20.0), "gelu": ("tanh",),
}  # fmt: skip
POINTWISE = {
    name: CONSTANTS.get(name.removesuffix("_slope"), ()) for name, family in KERNELS.items()
    if family == "pointwise" and name in OPS
}  # fmt: skip
DTYPES = "float32", "float64"


@pytest.fixture(autouse=True)
def served_at_any_size(monkeypatch):
    for module in (pointwise, softmax, embedding):
        monkeypatch.setattr(module, "SMALLEST", 1)


def arrays_of(name):
    """How many arrays the operation takes."""
    return len(formulas.TABLE[name][0].split())


def agree(name, *args, tolerance=None):
    """Kernel and body give the same; returns the kernel's output."""
    with np.errstate(all="ignore"):
        op = OPS[name].op
        want = by_body(name, args) if op.fused else op.body(CPU.xp, *args)
    got = CPU.kernels[name](*args)
    assert got is not NotImplemented and got.shape == want.shape and got.dtype == want.dtype
    tolerance = tolerance if tolerance is not None else 3e-6 if got.dtype == "float32" else 1e-14
    np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance)
    return got


def by_body(name, args):
    """A composite, whose body is in operations on tensors."""
    return OPS[name].op.body(*(Tensor(a) if isinstance(a, np.ndarray) else a for a in args)).numpy()


@settings(max_examples=15)
@given(st.data())
@pytest.mark.parametrize("name", POINTWISE)
def test_elements_of_any_shape_and_layout(name, data):
    shape = data.draw(st.sampled_from([(1,), (7,), (3, 5), (1, 17, 2), (8191,), (3, 5461)]))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    dtype = data.draw(st.sampled_from(DTYPES))
    args = [rng.standard_normal(shape).astype(dtype) for _ in range(arrays_of(name))]
    if name in ("log", "sqrt"):
        args = [abs(a) for a in args]
    if data.draw(st.booleans()):
        args = [np.repeat(a, 2, axis=-1)[..., ::2] for a in args]
    before = [a.copy() for a in args]
    agree(name, *args, *POINTWISE[name], tolerance=2e-5 if dtype == "float32" else 1e-13)
    for a, b in zip(args, before):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", POINTWISE)
def test_elements_that_are_nan_infinite_or_tiny(name, dtype):
    grid = list(np.meshgrid(*[SPECIAL.astype(dtype)] * arrays_of(name)))
    if name.endswith("_slope") and name.startswith(("tanh", "sigmoid")):
        grid[1] = np.clip(grid[1], -1, 1)  # what these functions give
    agree(name, *[np.ascontiguousarray(a) for a in grid], *POINTWISE[name])


@pytest.mark.parametrize("name", [n for n in POINTWISE if arrays_of(n) == 2 and not n.endswith("_slope")])
def test_a_number_on_either_side(name):
    x = np.random.default_rng(0).standard_normal(1009).astype("float32")
    agree(name, x, np.float32(1.7))
    agree(name, np.float32(1.7), x)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["add", "mul"])
@pytest.mark.parametrize("shape", [(17, 1, 1), (1, 17, 1, 1)])
def test_a_number_for_each_channel(name, shape, dtype):
    rng = np.random.default_rng(0)
    x, other = rng.standard_normal((3, 17, 9, 11)).astype(dtype), rng.standard_normal(shape).astype(dtype)
    x[0, 0, 0, :4] = np.nan, np.inf, -0.0, 0.0
    other.reshape(-1)[:5] = 0.0, -0.0, np.inf, np.nan, 1.0
    y, want = agree(name, x, other, tolerance=0), OPS[name].op.body(np, x, other)
    np.testing.assert_array_equal(np.signbit(y[~np.isnan(y)]), np.signbit(want[~np.isnan(y)]))
    for declined in (rng.standard_normal(11), rng.standard_normal((17, 9, 1)), rng.standard_normal((3, 1, 1, 1))):
        assert CPU.kernels[name](x, declined.astype(dtype)) is NotImplemented


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1), (3, 31), (2, 5, 33), (67, 3), (2, 20_011)])
def test_rows_of_softmax(shape, dtype):
    rng = np.random.default_rng(0)
    x, g = (rng.standard_normal(shape).astype(dtype) * 9 for _ in range(2))
    tolerance = 1e-5 if dtype == "float32" else 1e-13
    for name in ("softmax", "log_softmax"):
        y = agree(name, x, len(shape) - 1, tolerance=tolerance)
        slope = f"{name}_slope"
        want = by_body(slope, (g.astype("float64"), y.astype("float64"), len(shape) - 1))
        got = CPU.kernels[slope](g, y, len(shape) - 1)
        np.testing.assert_allclose(got, want, rtol=0, atol=tolerance * np.abs(want).max() * 20)


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_rows_of_softmax_with_nan_or_infinity(odd):
    x = np.random.default_rng(0).standard_normal((5, 70)).astype("float32")
    x[1, 0] = x[2, 69] = x[3, 33] = x[4, :] = odd
    for name in ("softmax", "log_softmax"):
        agree(name, x, 1, tolerance=1e-5)


# ---------------------------------------------------------------- rows by index
@settings(max_examples=60)
@given(st.data())
def test_rows_picked_and_added(data):
    """To the bit: sums go in the order of the index."""
    size = st.sampled_from([1, 2, 3, 7, 31, 257])
    shape, dim = tuple(data.draw(size) for _ in range(data.draw(st.integers(1, 3)))), 0
    dim = data.draw(st.integers(0, len(shape) - 1))
    block = tuple(data.draw(st.sampled_from([0, 1, 5, 67])) for _ in range(data.draw(st.integers(1, 2))))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    index = rng.integers(-shape[dim], shape[dim], block).astype(data.draw(st.sampled_from(["int32", "int64"])))
    x = rng.standard_normal(shape).astype(data.draw(st.sampled_from(DTYPES)))
    picked = CPU.kernels["take_at"](x, [index], (dim,))
    if not index.size:
        assert picked is NotImplemented
        return
    np.testing.assert_array_equal(picked, np.take(x, index, dim, mode="wrap"), strict=True)
    want = x.copy() if data.draw(st.booleans()) else np.zeros(shape, x.dtype)
    added = CPU.kernels["add_at"](picked, want.copy() if want.any() else None, [index], shape, (dim,))
    np.add.at(np.moveaxis(want, dim, 0), index, np.moveaxis(picked, range(dim, dim + len(block)), range(len(block))))
    np.testing.assert_array_equal(added, want, strict=True)


def test_rows_that_do_not_exist_are_refused_by_numpy():
    x = np.ones((5, 8), "float32")
    for bad in (5, -6):
        with pytest.raises(IndexError):
            OPS["take_at"](Tensor(x), [Tensor(np.array([0, bad]))], (0,))


def test_an_index_that_was_overwritten_writes_nowhere_else():
    """NumPy's array is not watched: by the backward pass the index may say anything."""
    index = np.zeros((64, 16), "int64")
    table = tinydl.ones(50, 64, requires_grad=True)
    y = F.embedding(tinydl.from_numpy(index), table)
    index[0] = 10**8
    y.sum().backward()
    assert float(table.grad.sum()) == y.numel()  # as the body does: modulo the number of rows


@pytest.mark.parametrize("tokens, V", [(2048, 65), (640, 10_000)])
def test_the_gradient_of_an_embedding(tokens, V):
    rng = np.random.default_rng(0)
    index, w = rng.integers(0, V, (tokens // 64, 64)), rng.standard_normal((V, 96)).astype("float32")
    g = rng.standard_normal((*index.shape, 96)).astype("float32")
    table = Tensor(w, requires_grad=True)
    y = F.embedding(Tensor(index), table)
    y.backward(Tensor(g))
    want = np.zeros((V, 96))
    for i, row in zip(index.ravel(), g.reshape(-1, 96)):
        want[i] += row
    np.testing.assert_array_equal(y.detach().numpy(), w[index])
    np.testing.assert_allclose(table.grad.numpy(), want, rtol=1e-5, atol=1e-5)


# ---------------------------------------------------------------- how they are compiled and run
def test_one_thread_or_two_give_the_same_bits():
    rng, before = np.random.default_rng(0), jit.get_num_threads()
    x = rng.standard_normal((300, 257)).astype("float32")
    index = rng.integers(0, 40, 300)
    results = []
    try:
        for n in (1, 2):
            jit.set_num_threads(n)
            rows = CPU.kernels["add_at"](x, None, [index], (40, 257), (0,))
            results.append([rows, CPU.kernels["softmax"](x, 1), CPU.kernels["erf"](x)])
    finally:
        jit.set_num_threads(before)
    for one, two in zip(*results):
        np.testing.assert_array_equal(one, two)


def test_one_signature_for_each_dtype():
    for dtype in DTYPES:
        x = np.ones((64, 8), dtype)
        for a in (x, np.asfortranarray(x), x[::2]):
            for layout in (a, np.ones_like(a)):
                CPU.kernels["softmax"](layout, 1)
            for index in (np.arange(8), np.arange(8, dtype="int32"), np.arange(16)[::2]):
                y = CPU.kernels["take_at"](x, [index], (0,))
                for start in (None, x, np.asfortranarray(x)):
                    CPU.kernels["add_at"](y, start, [index], x.shape, (0,))
            CPU.kernels["exp"](a)
    for compiled in (softmax._softmax, embedding._take, embedding._add):
        assert len(compiled.dispatcher.signatures) == len(DTYPES)
    assert len(embedding._sorted.signatures) == len(loops._pieces.dispatcher.signatures) == 1
