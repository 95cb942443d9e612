"""Tensors among other libraries' arrays: DLPack, einops, NumPy's functions, Python's protocols."""

import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest
from oracle import oracle

import tinydl
from tinydl import Tensor
from tinydl.testing import gradcheck
from tinydl.testing.strict import strict_device


def normal(*shape):
    return np.random.default_rng(0).standard_normal(shape)


# ---------------------------------------------------------------- DLPack
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "uint8", "bool"])
def test_dlpack_shares_memory_with_numpy(dtype):
    a = np.ones((2, 3), dtype)[:, ::2]
    t = tinydl.from_dlpack(a)
    assert isinstance(t, Tensor) and t.dtype == a.dtype and t.stride() == (3, 2)
    a[0, 0] = 0
    assert t[0, 0].item() == 0
    back = np.from_dlpack(t)
    assert back.ctypes.data == a.ctypes.data and back.dtype == a.dtype


def test_dlpack_shares_memory_with_torch():
    torch = oracle()
    theirs = torch.arange(6.0).reshape(2, 3).T
    mine = tinydl.from_dlpack(theirs)
    assert mine.shape == (3, 2) and mine.array.ctypes.data == theirs.data_ptr()
    mine.mul_(2)
    assert theirs[2, 1].item() == 10
    assert torch.from_dlpack(mine).data_ptr() == theirs.data_ptr()
    with pytest.raises(BufferError):
        tinydl.from_dlpack(torch.ones(2, requires_grad=True))


def test_dlpack_refuses():
    with pytest.raises(BufferError, match=r"requires grad; export \.detach\(\)"):
        np.from_dlpack(tinydl.ones(2, requires_grad=True))
    with pytest.raises(TypeError, match="from_dlpack: expected an object with __dlpack__, got list"):
        tinydl.from_dlpack([1.0])
    with pytest.raises(TypeError, match="complex64"):
        tinydl.from_dlpack(np.ones(2, "complex64"))


def test_read_only_memory_stays_read_only():
    a = np.ones(3)
    a.flags.writeable = False
    for t in (tinydl.from_dlpack(a), tinydl.from_numpy(a)):
        with pytest.raises(RuntimeError, match="read-only array; clone"):
            t.add_(1)
        assert not np.from_dlpack(t).flags.writeable
        np.testing.assert_array_equal((t + 1).numpy(), 2)
    np.testing.assert_array_equal(a, 1)


# ---------------------------------------------------------------- einops
PATTERNS = [
    lambda e, x: e.rearrange(x, "b (h k) w -> w (b h) k", k=2),
    lambda e, x: e.rearrange([x, x * 2], "n b h w -> b (n h) w"),
    lambda e, x: e.reduce(x, "b (h k) w -> b h", "mean", k=2),
    lambda e, x: e.reduce(x, "b h w -> w", "max"),
    lambda e, x: e.reduce(x, "b h w -> b", "prod"),
    lambda e, x: e.reduce(x, "b h w -> ", "sum"),
    lambda e, x: e.repeat(x, "b h w -> b (h r) w s", r=2, s=3),
    lambda e, x: e.einsum(x, x, "b h w, b k w -> b h k"),
    lambda e, x: e.pack([x, x[:, :, 0]], "b h *")[0],
]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_einops_computes_and_differentiates(pattern):
    einops = oracle("einops")
    a = normal(2, 4, 3)
    x = tinydl.tensor(a, requires_grad=True)
    y = pattern(einops, x)
    assert isinstance(y, Tensor)
    np.testing.assert_allclose(y.detach().numpy(), pattern(einops, a), rtol=1e-12)
    assert gradcheck(lambda x: pattern(einops, x), (x,))


@pytest.mark.parametrize("order", ["einops, tinydl", "tinydl, einops"])
def test_einops_knows_us_whichever_comes_first(order):
    oracle("einops")
    code = f"import {order}; print(einops.rearrange(tinydl.ones(2, 3), 'a b -> b a').shape)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "tinydl.Size([3, 2])", done.stderr


def test_einops_is_not_imported_by_us():
    code = "import sys, tinydl; tinydl.ones(2).sum(); sys.exit('einops' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


# ---------------------------------------------------------------- NumPy's functions
B = normal(3, 3) + 4 * np.eye(3)
DIFFERENTIABLE = {
    "ufuncs": lambda x: np.exp(x) + np.sin(x) * np.tanh(x) / np.sqrt(np.square(x) + 1),
    "two operands": lambda x: np.hypot(x, B) + np.arctan2(B, x) + np.maximum(x, 0.1) + np.logaddexp(x, B),
    "scalars": lambda x: np.float64(2) * x + x / np.float64(3) - np.multiply(x, 2),
    "array first": lambda x: B @ x + B * x - B / (x + 9) + (B**2) ** (x / 9),
    "array second": lambda x: x @ B + x * B - x / B,
    "concatenate": lambda x: np.concatenate([x, B], axis=1),
    "concatenate flat": lambda x: np.concatenate([x, B[0]], axis=None),
    "stack": lambda x: np.stack([B, x], axis=-1),
    "split": lambda x: np.split(x, 3, axis=1)[1] + np.array_split(x, 3)[0].reshape(3, 1),
    "where": lambda x: np.where(B > 0, x, B * 1.0),
    "reshape": lambda x: np.reshape(x, (9,)) + np.ravel(x) + np.ravel(np.expand_dims(x, 0)),
    "transpose": lambda x: np.transpose(x) @ np.transpose(x, (1, 0)) + np.swapaxes(x, axis1=0, axis2=1),
    "moved": lambda x: np.moveaxis(x, 0, -1) + np.flip(x) + np.flip(x, axis=1) + np.roll(x, 1, axis=0),
    "repeated": lambda x: np.tile(x, (2, 1)) + np.repeat(x, 2, axis=0) + np.broadcast_to(x[0], (6, 3)),
    "triangles": lambda x: np.tril(x, k=1) + np.triu(x) + np.diag(np.diag(x, k=0)) + np.diagonal(x, offset=0),
    "sort": lambda x: np.sort(x) + np.sort(x, axis=0),
    "sums": lambda x: np.sum(x, axis=(0, 1)) + np.mean(x) + np.sum(x, axis=1, keepdims=True) + np.prod(x, axis=0),
    "extremes": lambda x: np.max(x, axis=0) + np.min(x, axis=1, keepdims=True) + np.max(x),
    "spread": lambda x: np.std(x, axis=0) + np.var(x, ddof=1) + np.var(x),
    "running": lambda x: np.cumsum(x, axis=1) + np.cumsum(x).reshape(3, 3) + np.cumprod(x, axis=0),
    "clip": lambda x: np.clip(x, -0.5, 0.5) + np.clip(x, a_min=None, a_max=0.2),
    "products": lambda x: np.dot(x, B) + np.outer(x[0], x[1]) + np.trace(x) + np.tensordot(x, B, 1) + np.dot(x, B[0]),
    "einsum": lambda x: np.einsum("ij,kj->ik", x, B) + np.kron(x, B)[:3, :3],
    "norms": lambda x: np.linalg.norm(x) + np.linalg.norm(x, axis=1) + np.linalg.norm(x, ord=np.inf, axis=0),
    "linalg": lambda x: np.linalg.inv(x + B) + np.linalg.det(x + B) + np.linalg.solve(x + B, B),
    "powers": lambda x: np.linalg.matrix_power(x, 3) + np.linalg.slogdet(x + 9 * np.eye(3))[1],
}  # fmt: skip


@pytest.mark.parametrize("function", DIFFERENTIABLE.values(), ids=list(DIFFERENTIABLE))
def test_numpys_functions_compute_and_differentiate(function):
    a = normal(3, 3)
    x = tinydl.tensor(a, requires_grad=True)
    y = function(x)
    assert isinstance(y, Tensor) and y.requires_grad
    np.testing.assert_allclose(y.detach().numpy(), function(a), rtol=1e-10, atol=1e-12)
    assert gradcheck(function, (x,))


def test_numpys_other_functions():
    a = normal(3, 3)
    x = tinydl.tensor(a)
    for function in (np.argmax, np.argmin, np.any, np.all, np.argsort, np.count_nonzero, np.shape, np.size, np.ndim):
        np.testing.assert_array_equal(function(x), function(a))
    for function in (np.isnan, np.isfinite, np.sign, np.floor, np.round, np.zeros_like, np.ones_like, np.copy):
        np.testing.assert_array_equal(function(x), function(a))
    np.testing.assert_array_equal(np.argmax(x, axis=1), a.argmax(1))
    np.testing.assert_array_equal(np.full_like(x, 2, dtype="int64"), np.full((3, 3), 2))
    assert np.allclose(x, a) and np.allclose(a, x) and not np.allclose(x, a + 1)
    assert np.array_equal(x, a) and np.isclose(x, a).all()
    single = tinydl.tensor(a, dtype="float32")
    for y in (np.float64(2) * single, single * np.float64(2), np.exp(single), np.std(single), np.linalg.norm(single)):
        assert y.dtype == np.float32


X = tinydl.tensor(normal(3, 3), requires_grad=True)
OUT = np.ones((3, 3))
REFUSED = {
    "numpy.exp with out=": lambda: np.exp(X, out=OUT),
    "numpy.add with out=": lambda: OUT.__iadd__(X),
    "numpy.add with where=": lambda: np.add(X, X, where=OUT > 0),
    "numpy.exp with dtype=": lambda: np.exp(X, dtype="float64"),
    "numpy.add.reduce is not": lambda: np.add.reduce(X),
    "numpy.multiply.outer is not": lambda: np.multiply.outer(X, X),
    "numpy.add.at is not": lambda: np.add.at(X, [0], 1),
    "numpy.modf is not": lambda: np.modf(X),
    "numpy.median is not": lambda: np.median(X),
    "numpy.fft.fft is not": lambda: np.fft.fft(X),
    "numpy.copyto is not": lambda: np.copyto(OUT, X),
    "numpy.sum cannot be called so on tensors": lambda: np.sum(X, out=OUT),
    "numpy.mean cannot be called so on tensors": lambda: np.mean(X, dtype="float64"),
    "numpy.reshape cannot be called so on tensors": lambda: np.reshape(X, (9,), order="F"),
    "numpy.max cannot be called so on tensors": lambda: np.max(X, initial=3.0),
    "numpy.dot has rules of its own": lambda: np.dot(X, 2.0),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_numpy_cannot_do_is_refused_with_advice(message):
    with pytest.raises(TypeError, match=rf"^{message}.*t\.detach\(\)\.numpy\(\)"):
        REFUSED[message]()
    np.testing.assert_array_equal(OUT, 1)


def test_arrays_of_tensors():
    with pytest.raises(RuntimeError, match=r"requires grad; call \.detach\(\)\.numpy\(\)"):
        np.asarray(X)
    x = X.detach()
    assert np.shares_memory(np.asarray(x), x.array) and not np.shares_memory(np.array(x), x.array)
    assert np.asarray(x, "float32").dtype == np.float32
    with pytest.raises(ValueError, match="float64 cannot be seen as float32 without a copy"):
        np.asarray(x, "float32", copy=False)
    assert np.array([x, x]).shape == (2, 3, 3)


# ---------------------------------------------------------------- Python's protocols
def test_numbers():
    one = tinydl.tensor([[2.75]])
    assert (float(one), int(one), bool(one), complex(one)) == (2.75, 2, True, 2.75 + 0j)
    assert [0, 1, 2][tinydl.tensor(2)] == 2 and list(range(tinydl.tensor(2))) == [0, 1]
    assert f"{one[0, 0]:.1f}" == "2.8" and f"{one}" == str(one)
    with pytest.raises(TypeError, match="index: only an integer tensor"):
        [0][tinydl.tensor(0.0)]
    for convert, what in ((bool, "neither true nor false"), (float, "one element"), (int, "one element")):
        with pytest.raises((RuntimeError, ValueError), match=what):
            convert(tinydl.ones(2))


def test_sequences():
    x = tinydl.tensor(normal(3, 2), requires_grad=True)
    rows = list(x)
    assert len(x) == len(rows) == 3 and all(r.shape == (2,) and r.requires_grad for r in rows)
    first, *_ = x
    (first * rows[2]).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy()[0], x.detach().numpy()[2])
    assert 1.0 in tinydl.ones(2) and 3.0 not in tinydl.ones(2)
    zero = tinydl.tensor(1.0)
    for use in (len, iter):
        with pytest.raises(TypeError, match="0-d tensor"):
            use(zero)


@pytest.mark.parametrize("make", [copy.deepcopy, lambda t: pickle.loads(pickle.dumps(t))])
@pytest.mark.parametrize("requires_grad", [False, True])
def test_copies_are_independent(make, requires_grad):
    for t in (tinydl.tensor(normal(2, 3), requires_grad=requires_grad), tinydl.nn.Parameter(tinydl.ones(2))):
        u = make(t)
        assert type(u) is type(t) and u.requires_grad == t.requires_grad and u.dtype == t.dtype
        np.testing.assert_array_equal(u.detach().numpy(), t.detach().numpy())
        assert not np.shares_memory(u.array, t.array)
    with pytest.raises(RuntimeError, match=r"this tensor was computed; use \.detach\(\)"):
        make(t * 2)


def test_a_shallow_copy_shares_memory():
    t = tinydl.ones(2, requires_grad=True)
    u = copy.copy(t)
    assert np.shares_memory(u.array, t.array) and u.requires_grad
    a = tinydl.ones(1)
    assert copy.deepcopy([a, a])[0] is not a
    first, second = copy.deepcopy([a, a])
    assert first is second
    assert len(pickle.dumps(tinydl.zeros(100_000)[:2])) < 1000


@pytest.mark.parametrize(
    "make, text",
    [
        (lambda t: t.tensor([1.0, 2.5]), "tensor([1.0000, 2.5000])"),
        (lambda t: t.tensor([1, 2], dtype=t.int8), "tensor([1, 2], dtype=int8)"),
        (lambda t: t.tensor([True, False]), "tensor([ True, False])"),
        (lambda t: t.tensor(1.5, dtype=t.float64), "tensor(1.5000, dtype=float64)"),
        (lambda t: t.ones(2, requires_grad=True), "tensor([1., 1.], requires_grad=True)"),
        (lambda t: t.ones(1, requires_grad=True).exp(), "tensor([2.7183], grad_fn=<exp>)"),
        (lambda t: t.zeros(0, 3), "tensor([], size=(0, 3))"),
    ],
)
def test_printing(make, text):
    torch = oracle()
    theirs = repr(make(torch)).replace("torch.", "").replace("<ExpBackward0>", "<exp>")
    assert theirs == text
    assert repr(make(tinydl)) == text


def test_printing_abbreviates_and_names_the_device():
    text = repr(tinydl.arange(5000))
    assert "..." in text and len(text) < 80
    assert repr(tinydl.zeros(300, 300)).count("\n") < 10
    with strict_device() as device:
        assert repr(tinydl.ones(1).to(device)) == f"tensor([1.], device='{device}')"
