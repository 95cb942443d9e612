"""Kernels of elements and rows against the bodies of their operations: any shape and layout, NaN, infinity, threads."""

from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinydl
import tinydl.nn.functional as F
from tinydl import Tensor
from tinydl.autograd import dispatch, engine
from tinydl.autograd.graph import OPS
from tinydl.device import CPU
from tinydl.kernels.cpu import KERNELS, embedding, jit, loops, pointwise, softmax
from tinydl.kernels.cpu.narrow import kind

SPECIAL = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-40, -1e-40, 1.0, -1.0, 30.0, -30.0, 200.0, -200.0, 3e38])
CONSTANTS = {
    "hardtanh": (-1.0, 1.0), "leaky_relu": (0.2,), "elu": (0.7, 1.3, 0.9), "softplus": (2.0, 20.0), "gelu": ("tanh",),
    "clamped": (-0.5, 0.7), "threshold": (0.1, 5.0), "hardshrink": (0.5,), "softshrink": (0.5,), "between": (0.3,),
    "plus_product": (0.3,), "plus_quotient": (-0.3,), "huber": (0.4,),
}  # fmt: skip
BY_NUMBERS = "cast", "fmod", "pow", "remainder"
POINTWISE = {
    name: CONSTANTS.get(name.removesuffix("_slope"), ()) for name, family in KERNELS.items()
    if family == "pointwise" and name in OPS and name not in BY_NUMBERS
}  # fmt: skip
TWO = [
    n for n in POINTWISE if len(OPS[n].op.arrays) == 2 and n not in CONSTANTS and not n.endswith("_slope")
    and not OPS[n].op.fused
]  # fmt: skip
WITH_GRADIENTS = [name for name in POINTWISE if f"{name}_grad" in KERNELS]
DTYPES = "float32", "float64"


@pytest.fixture(autouse=True)
def served_at_any_size(monkeypatch):
    for module in (pointwise, softmax, embedding):
        monkeypatch.setattr(module, "SMALLEST", 1)


def arrays_of(name):
    """The names of the arrays that the operation takes."""
    return OPS[name].op.arrays


def operands(name, rng, shape, dtype):
    """Arrays for the operation, for the condition of a choice bools."""
    arrays = [rng.standard_normal(shape).astype(dtype) for _ in arrays_of(name)]
    if name in ("log", "sqrt", "rsqrt"):
        arrays = [abs(a) for a in arrays]
    return [a > 0 if n == "condition" else a for n, a in zip(arrays_of(name), arrays)]


def agree(name, *args, tolerance=None):
    """Kernel and body give the same; returns the kernel's output."""
    want = by_body(name, args)
    got = CPU.kernels[name](*args)
    assert got is not NotImplemented and got.shape == want.shape and got.dtype == want.dtype
    tolerance = tolerance if tolerance is not None else 3e-6 if got.dtype == "float32" else 1e-14
    np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance)
    return got


@contextmanager
def unserved():
    """No array is large enough for a kernel of elements."""
    before, pointwise.SMALLEST = pointwise.SMALLEST, 1 << 60
    yield
    pointwise.SMALLEST = before


def by_body(name, args):
    """What the body gives; that of a composite is in operations on tensors."""
    body = OPS[name].op.body
    with np.errstate(all="ignore"), unserved():
        if not OPS[name].op.fused:
            return body(CPU.xp, *args)
        return body(*(Tensor(a) if isinstance(a, np.ndarray) else a for a in args)).numpy()


@settings(max_examples=15)
@given(st.data())
@pytest.mark.parametrize("name", POINTWISE)
def test_elements_of_any_shape_and_layout(name, data):
    shape = data.draw(st.sampled_from([(1,), (7,), (3, 5), (1, 17, 2), (8191,), (3, 5461)]))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    dtype = data.draw(st.sampled_from(DTYPES))
    args = operands(name, rng, shape, dtype)
    if data.draw(st.booleans()):
        args = [np.repeat(a, 2, axis=-1)[..., ::2] for a in args]
    before = [a.copy() for a in args]
    agree(name, *args, *POINTWISE[name], tolerance=2e-5 if dtype == "float32" else 1e-13)
    for a, b in zip(args, before):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", POINTWISE)
def test_elements_that_are_nan_infinite_or_tiny(name, dtype):
    grid = list(np.meshgrid(*[SPECIAL.astype(dtype)] * len(arrays_of(name))))
    if name == "where":
        grid[0] = grid[0] > 0
    if name.endswith("_slope") and name.startswith(("tanh", "sigmoid")):
        grid[1] = np.clip(grid[1], -1, 1)  # what these functions give
    agree(name, *[np.ascontiguousarray(a) for a in grid], *POINTWISE[name])


@pytest.mark.parametrize("name", TWO)
def test_a_number_on_either_side(name):
    x = np.random.default_rng(0).standard_normal(1009).astype("float32")
    agree(name, x, np.float32(1.7))
    agree(name, np.float32(1.7), x)


SHAPES = [  # of two operands
    ((300, 17), (17,)), ((7, 300), (7, 1)), ((7, 1), (1, 300)), ((3, 17, 9, 11), (17, 1, 1)), ((2, 1, 5, 9), (3, 1, 9)),
    ((2, 3, 4, 15), (2, 1, 4, 1)), ((1, 1), (5, 7)), ((40_000,), (1,)), ((2, 20_000), (2, 1)),
    ((5, 1, 7, 1, 13), (1, 4, 1, 2, 1)), ((3, 2, 9, 2, 11), (1, 2, 1, 2, 1)),
]  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shapes", SHAPES)
def test_operands_that_broadcast(shapes, dtype):
    rng = np.random.default_rng(0)
    for x, other in (shapes, shapes[::-1]):
        x, other = rng.standard_normal(x).astype(dtype), rng.standard_normal(other).astype(dtype)
        x.reshape(-1)[:4] = np.array([np.nan, np.inf, -0.0, 0.0])[: x.size]
        for name in ("add", "mul", "sub", "true_divide", "maximum", "with_slope"):
            y, want = agree(name, x, other, tolerance=0), by_body(name, (x, other))
            np.testing.assert_array_equal(np.signbit(y[~np.isnan(y)]), np.signbit(want[~np.isnan(y)]))
        agree("where", x > 0, x, other, tolerance=0)
        agree("where", other > 0, x, dtype_of(dtype)(2.5), tolerance=0)
        for name in (n for n in POINTWISE if 1 < len(arrays_of(n)) and n not in ("where", "overwritten")):
            given = [x, other, x][: len(arrays_of(name))]
            agree(name, *given, *POINTWISE[name], tolerance=2e-5 if dtype == "float32" else 1e-13)


def dtype_of(name):
    return np.dtype(name).type


@pytest.mark.parametrize("shape", [(6, 5, 18), (1, 40, 1)])
def test_operands_that_broadcast_in_any_layout(shape):
    rng = np.random.default_rng(0)
    x = rng.standard_normal(shape).astype("float32")
    big = rng.standard_normal([2 * n for n in shape]).astype("float32")
    others = big[::2, ::2, ::2], big[: shape[0], : shape[1], : shape[2]], big[::2, ::2, ::2][:, ::-1], big[:1, ::2, ::2]
    turned = rng.standard_normal(shape[::-1]).astype("float32").T
    read_only = np.broadcast_to(x[:, :1], shape)
    for other in (*others, turned, read_only):
        agree("sub", x, other, tolerance=0)
        agree("sub", other, x, tolerance=0)
        agree("where", np.asfortranarray(other > 0), x, other, tolerance=0)


def test_shapes_and_types_that_do_not_fit_are_declined():
    x = np.ones((30, 40), "float32")
    for other in (np.ones(30, "float32"), np.ones((30, 40)), np.ones((30, 40), "int64")):
        assert CPU.kernels["add"](x, other) is NotImplemented
    assert CPU.kernels["add"](x.reshape(-1, 4), x.reshape(-1, 4)[:, :1]) is NotImplemented  # lines of four
    assert CPU.kernels["where"](x, x, x) is NotImplemented
    assert CPU.kernels["where"](x > 0, x.astype("int32"), x.astype("int32")) is NotImplemented


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("exponent", [2, 3, 0.5, -1, -0.5])
def test_powers_that_are_products_quotients_or_roots(exponent, dtype):
    x = np.array([0.3, -1.7, 2.5, -0.2, 0.0, np.inf, np.nan, 1e-30, 3e18], dtype)
    with np.errstate(all="ignore"), unserved():
        want = (Tensor(x) ** exponent).numpy()
        close = np.power(x.astype("longdouble"), exponent)
    got = CPU.kernels["pow"](x, dtype_of(dtype)(exponent))
    np.testing.assert_allclose(got, want, rtol=3e-7 if dtype == "float32" else 1e-15)
    with np.errstate(over="ignore"):
        np.testing.assert_allclose(got, close.astype(dtype), rtol=6e-7 if dtype == "float32" else 1e-15)
    assert CPU.kernels["pow"](x, dtype_of(dtype)(1.7)) is NotImplemented
    assert CPU.kernels["pow"](x, x) is NotImplemented


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["fmod", "remainder"])
def test_remainders_are_numpys_to_the_bit(name, dtype):
    """Also where the quotient is whole, or rounds to a whole number."""
    rng = np.random.default_rng(0)
    for other in (1.0, -1.0, 0.1, 3.7, -0.3, 1e-20, 2.0**60):
        other = dtype_of(dtype)(other)
        whole = np.round(rng.standard_normal(3000) * 1000).astype(dtype) * other
        x = np.concatenate([whole, np.nextafter(whole, np.inf), np.nextafter(whole, -np.inf), whole / 7, [0.0, -0.0]])
        x = x.astype(dtype)
        got, want = CPU.kernels[name](x, other), getattr(np, name)(x, other)
        np.testing.assert_array_equal(got, want)
        np.testing.assert_array_equal(np.signbit(got), np.signbit(want))


def test_remainders_that_lose_digits_are_left_to_numpy():
    x = np.ones(40_000, "float32")
    for k, odd in enumerate((np.nan, np.inf, -np.inf, 2.0**24)):
        x[k] = odd
        assert CPU.kernels["fmod"](x, np.float32(1)) is NotImplemented
        x[k] = 0
    for other in (np.float32(0), np.float32(np.inf), np.float32(np.nan), x):
        assert CPU.kernels["remainder"](x, other) is NotImplemented


@pytest.mark.parametrize("alpha", [2, -0.75])
def test_sums_scaled(alpha):
    rng = np.random.default_rng(0)
    x, other = (rng.standard_normal((300, 40)).astype("float32") for _ in range(2))
    column = other[:, :1]
    np.testing.assert_allclose(CPU.kernels["add"](x, other, alpha=alpha), x + alpha * other, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(CPU.kernels["sub"](x, column, alpha=alpha), x - alpha * column, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", WITH_GRADIENTS)
def test_gradients_of_composites(name):
    """Also at the kinks, where the body's `where` decides."""
    kinks = np.array(
        [v for v in CONSTANTS.get(name, ()) if isinstance(v, float)] + [0.0, 3.0, -3.0, 1.0, np.inf, np.nan]
    )
    x = np.concatenate([kinks, -kinks, np.random.default_rng(0).standard_normal(1000) * 3])
    found = []
    for dtype, limit in (("float64", 1), ("float64", 1 << 60), ("float32", 1)):
        pointwise.SMALLEST = limit  # the fixture sets it back
        leaves = [Tensor(np.roll(x, k).astype(dtype), requires_grad=True) for k in range(len(arrays_of(name)))]
        with np.errstate(all="ignore"):
            OPS[name](*leaves, *CONSTANTS.get(name, ())).backward(Tensor(np.linspace(-1, 2, len(x)).astype(dtype)))
        found.append([leaf.grad.numpy() for leaf in leaves])
    np.testing.assert_allclose(found[0], found[1], rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(found[2], np.float32(found[1]), rtol=1e-5, atol=1e-5)


# ---------------------------------------------------------------- narrow types
NARROW = [tinydl.float16, tinydl.bfloat16]


@pytest.mark.parametrize("dtype", [*NARROW, tinydl.float64])
def test_casts_round_as_numpy_does(dtype):
    """To the bit, over all magnitudes; NaN stays NaN."""
    rng = np.random.default_rng(0)
    wide = (rng.standard_normal(40_000) * np.exp(rng.uniform(-100, 80, 40_000))).astype("float32")
    wide[: len(SPECIAL)] = SPECIAL
    if kind(dtype) is None:  # no instruction for it
        assert CPU.kernels["cast"](wide, dtype) is NotImplemented
        return
    other = np.arange(1 << 16, dtype="uint16").view(dtype) if dtype in NARROW else np.float64(wide) * (1 + 1e-9)
    with np.errstate(all="ignore"):
        for x, to in ((wide, dtype), (other, np.dtype("float32")), (other[::-1], np.dtype("float32"))):
            got, want = CPU.kernels["cast"](x, to), x.astype(to)
            assert got.dtype == to
            nan = np.isnan(want.astype("float64"))
            np.testing.assert_array_equal(np.isnan(got.astype("float64")), nan)
            words = f"u{to.itemsize}"
            np.testing.assert_array_equal(got[~nan].view(words), want[~nan].view(words))


def test_casts_of_other_types_are_left_to_numpy():
    x = np.ones(40_000, "float32")
    for a, to in ((x, "int64"), (x.astype("int64"), "float32"), (x.astype("float16"), tinydl.bfloat16), (x, "float32")):
        assert CPU.kernels["cast"](a, to) is NotImplemented


@pytest.mark.parametrize("dtype", NARROW)
@pytest.mark.parametrize("name", [n for n in POINTWISE if n not in ("where", "overwritten")])
def test_narrow_elements_are_computed_in_float32_and_rounded_once(name, dtype):
    rng = np.random.default_rng(0)
    given = [np.asarray(a).astype(dtype) for a in operands(name, rng, (37, 41), "float32")]
    got = CPU.kernels[name](*given, *POINTWISE[name])
    if kind(dtype) is None:  # no instruction for it
        assert got is NotImplemented
        return
    want = CPU.kernels[name](*[a.astype("float32") for a in given], *POINTWISE[name])
    np.testing.assert_array_equal(got.view("u2"), want.astype(dtype).view("u2"))
    assert CPU.kernels["add"](given[0], given[0][:1]) is NotImplemented  # these go by way of float32


@pytest.mark.parametrize("dtype", NARROW)
def test_a_number_beside_narrow_elements_is_not_rounded(dtype):
    x = np.linspace(-3, 3, 999, dtype="float32").astype(dtype)
    for name in ("add", "mul", "sub", "true_divide"):
        with unserved():
            want = OPS[name](Tensor(x).float(), 0.999).to(dtype)
        np.testing.assert_array_equal(OPS[name](Tensor(x), 0.999).array.view("u2"), want.array.view("u2"))


# ---------------------------------------------------------------- written straight to a tensor
def in_place_cases(rng):
    """(method, arguments): all that may write where the tensor lies."""
    a, b = (tinydl.tensor(rng.standard_normal((300, 400)).astype("float32")) for _ in range(2))
    row = tinydl.tensor(rng.standard_normal(400).astype("float32"))
    yield from ((name, (other,)) for name in ("add_", "sub_", "mul_", "div_") for other in (a, row, 1.5))
    yield from (("add_", (a,), {"alpha": 0.3}), ("sub_", (row,), {"alpha": -2}), ("lerp_", (a, 0.2)), ("lerp_", (a, b)))
    yield from (("addcmul_", (a, b), {"value": 0.5}), ("addcdiv_", (a, b)), ("addcmul_", (a, row)))
    yield from (("clamp_", (-0.5, 0.7)), ("clamp_", (a, b)), ("clamp_", (None, 0.3)), ("clamp_min_", (0.1,)))
    yield from ((name, ()) for name in ("exp_", "tanh_", "relu_", "neg_", "abs_", "square_", "sigmoid_", "zero_"))
    yield from (("pow_", (3,)), ("masked_fill_", (a > 0, 2.0)), ("fill_", (2.5,)), ("copy_", (row,)), ("copy_", (a,)))
    yield from (("__iadd__", (a,)), ("__imul__", (0.5,)), ("add_", (a.double(),)), ("copy_", (a.double(),)))


@pytest.mark.parametrize("recorded", [True, False])
def test_in_place_gives_what_the_function_gives(recorded):
    """Operands that are the tensor itself, or share memory with it otherwise, among them."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((301, 400)).astype("float32")
    parts = {
        "itself": lambda m: m[:300], "shifted": lambda m: m[1:], "turned": lambda m: m[:300].flip(0),
        "row": lambda m: m[0], "column": lambda m: m[:300, :1], "one": lambda m: m[0, 0],
    }  # fmt: skip
    for name, args, *named in in_place_cases(rng):
        named = named[0] if named else {}
        changes = [(None, None), *((i, part) for i in range(len(args)) for part in parts)]
        for i, part in changes:
            memory = tinydl.tensor(x.copy())
            target = memory[:300]
            given = [parts[part](memory) if k == i else v for k, v in enumerate(args)]
            apart = [v.clone() if isinstance(v, Tensor) else v for v in given]
            with unserved(), np.errstate(invalid="ignore"):
                want = tinydl.tensor(x[:300].copy())
                try:
                    getattr(want, name)(*apart, **named)
                except (RuntimeError, TypeError):
                    continue  # no tensor is taken there
            with tinydl.set_grad_enabled(recorded), np.errstate(invalid="ignore"):
                assert getattr(target, name)(*given, **named) is target
            said = f"{name}, operand {i} is {part}"
            np.testing.assert_allclose(target.numpy(), want.numpy(), rtol=2e-6, atol=2e-6, err_msg=said)
            np.testing.assert_array_equal(memory[300].numpy(), x[300])
            assert memory._storage.version == 1


def test_in_place_where_gradients_are_recorded():
    """The old values are kept where a rule needs them, and versions count on."""
    x = tinydl.tensor(np.linspace(-1, 1, 40_000).astype("float32"))
    w = tinydl.full((40_000,), 2.0, requires_grad=True)
    (x.clone().mul_(w).sum()).backward()
    np.testing.assert_array_equal(w.grad.numpy(), x.numpy())
    y = w * 3
    z = y * y
    with tinydl.no_grad():
        y.mul_(2)
    with pytest.raises(RuntimeError, match="overwritten in place by mul_"):
        z.sum().backward()


def test_a_refused_write_changes_nothing():
    x = tinydl.ones(300, 400)
    for wrong in (tinydl.ones(7), tinydl.ones(2, 300, 400), "a"):
        with pytest.raises((RuntimeError, TypeError, ValueError)), tinydl.no_grad():
            x.add_(wrong)
    with pytest.raises(TypeError), tinydl.no_grad():
        x.addcmul_(1.0, 2.0, 3.0)
    with pytest.raises((RuntimeError, TypeError)), tinydl.no_grad():
        x.clamp_(tinydl.full((300, 400), 7.0), "a")
    assert x.sum().item() == 120_000 and x._storage.version == 0


def test_a_write_that_is_interrupted_counts_as_one(monkeypatch):
    """Else a gradient would be computed of what is there no more."""

    class Interrupts:
        def ran(self, *args, **named):
            raise KeyboardInterrupt

    x, w = tinydl.full((300, 400), 3.0), tinydl.tensor(2.0, requires_grad=True)
    y = (w * x).sum()
    monkeypatch.setattr(dispatch, "observers", [Interrupts()])
    monkeypatch.setattr(engine, "observers", dispatch.observers)
    with pytest.raises(KeyboardInterrupt):
        x.mul_(5)
    monkeypatch.undo()
    assert x[0, 0].item() == 15 and x._storage.version == 1
    with pytest.raises(RuntimeError, match="overwritten in place by mul_"):
        y.backward()


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
            for index in (np.arange(16), np.arange(16, dtype="int32"), np.arange(32)[::2]):
                y = CPU.kernels["take_at"](x, [index], (0,))
                for start in (None, x, np.asfortranarray(x)):
                    CPU.kernels["add_at"](y, start, [index], x.shape, (0,))
            CPU.kernels["exp"](a)
    for compiled in (softmax._softmax, embedding._take, embedding._add):
        assert len(compiled.dispatcher.signatures) == len(DTYPES)
    assert len(embedding._sorted.signatures) == len(loops._pieces.dispatcher.signatures) == 1
