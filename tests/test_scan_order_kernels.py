"""Kernels along a dimension (scans, order, picking) against plain loops, NumPy in float64 and PyTorch."""

import numpy as np
import pytest
from oracle import oracle

from tinydl.kernels import cpu
from tinydl.kernels.cpu import jit, order, picking, scan

RNG = np.random.default_rng(0)
SHAPES = [(5, 83, 89), (41, 67, 13), (257, 131), (33_001,), (7, 3, 1571)]
EVERY = [(shape, dim) for shape in SHAPES for dim in range(len(shape))]
LAYOUTS = {
    "plain": lambda a: a,
    "every other": lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
    "reversed": lambda a: a[..., ::-1].copy()[..., ::-1],
    "last first": lambda a: np.moveaxis(np.moveaxis(a, 0, -1).copy(), -1, 0),
}
along = pytest.mark.parametrize("shape, dim", EVERY, ids=str)
along_lines = pytest.mark.parametrize("shape, dim", [e for e in EVERY if len(e[0]) > 1], ids=str)
both_types = pytest.mark.parametrize("dtype", ["float32", "float64"])


@pytest.fixture(autouse=True)
def lines_of_any_length(monkeypatch):
    for module in (order, picking, scan):
        monkeypatch.setattr(module, "SHORTEST", 1)


def numbers(shape, dtype="float64"):
    return RNG.standard_normal(shape).astype(dtype)


def near_one(shape, dtype):
    """Of either sign, so that products of hundreds neither vanish nor overflow, in any order."""
    return np.exp(numbers(shape) / 30).astype(dtype) * RNG.choice([-1, 1], shape).astype(dtype)


def odd(shape, dtype):
    """With ties, both zeros, both infinities and NaN of both signs."""
    special = [-np.inf, np.inf, np.nan, -np.nan, 0.0, -0.0, 1.0, -1.0, 2.5, -2.5] + [3.0, -3.0] * 5
    return RNG.choice(special, shape).astype(dtype)


def served(name, *args):
    """What the kernel gives in every layout and at one thread and two: the same bits; it must serve and leave its
    operands alone."""
    kept, runs, before = [np.copy(a) for a in args if isinstance(a, np.ndarray)], [], jit.get_num_threads()
    try:
        for n, layout in [(1, "plain"), (2, "plain"), *((2, name) for name in LAYOUTS)]:
            jit.set_num_threads(n)
            given = [LAYOUTS[layout](a) if isinstance(a, np.ndarray) and a.ndim else a for a in args]
            runs.append(cpu.load(name)(*given))
    finally:
        jit.set_num_threads(before)
    for run in runs:
        assert run is not NotImplemented, f"{name} declines"
        np.testing.assert_array_equal(bits(run), bits(runs[0]), strict=True)
    for a, b in zip([a for a in args if isinstance(a, np.ndarray)], kept):
        np.testing.assert_array_equal(a, b)
    return runs[0]


def bits(a):
    assert a.flags.c_contiguous
    return a.view(f"u{a.itemsize}")


def close(got, want, dtype, scale):
    """To a few units of `scale` in the last place; what is not finite, exactly."""
    assert got.dtype == dtype and got.shape == want.shape
    tolerance = {"float32": 3e-7, "float64": 3e-15}[dtype]
    finite = np.isfinite(want)
    np.testing.assert_array_equal(got[~finite], want[~finite].astype(dtype))
    error = np.abs(got[finite].astype(np.float64) - want[finite])
    assert (error <= tolerance * scale[finite] + 1e-300).all(), error.max()


def test_many_short_lines_are_left_to_numpy(monkeypatch):
    monkeypatch.undo()
    x = np.ones((20_000, 5))
    for name, more in (("argsort", (1, False)), ("kth_place", (2, 1)), ("median_place", (False, 1)), ("prod", (1,))):
        assert cpu.load(name)(x, *more) is NotImplemented
        assert cpu.load(name)(x.reshape(5, -1), *more) is not NotImplemented
    assert cpu.load("gather")(x, np.zeros((40_000, 1), np.int64), 1) is NotImplemented


@pytest.mark.parametrize("name", ["cumsum", "cumprod", "logcumsumexp", "prod", "recurrence", "running_winner"])
def test_what_is_small_or_of_other_types_is_declined(name):
    more = {"cumsum": (0, False), "running_winner": (0, "maximum"), "recurrence": (np.ones(9), 0, False)}.get(
        name, (0,)
    )
    for x in (np.ones(9), np.ones((0, 5)), np.ones(99_999, np.int64)):
        assert cpu.load(name)(x, *more) is NotImplemented


@both_types
def test_the_product_of_one_long_line(dtype):
    x = np.exp(numbers(99_999) / 99).astype(dtype)
    want = x.astype(np.longdouble).prod(keepdims=True).astype(np.float64)
    close(served("prod", x, 0), want, dtype, 99 * want)


def test_running_sums_of_one_long_line_are_left_to_numpy():
    x = numbers(99_999, "float32")
    assert cpu.load("cumsum")(x, 0, False) is NotImplemented and cpu.load("cumprod")(x, 0) is NotImplemented


# ---------------------------------------------------------------- scans
@along_lines
@both_types
@pytest.mark.parametrize("reverse", [False, True])
def test_running_sums_are_numpys_in_long_double(shape, dim, dtype, reverse):
    x = numbers(shape, dtype)
    turn = (lambda a: np.flip(a, dim)) if reverse else lambda a: a
    want, scale = (turn(np.cumsum(turn(a.astype(np.longdouble)), dim)) for a in (x, abs(x)))
    got = served("cumsum", x, dim, reverse)
    if dtype == "float32":
        close(got, want.astype(np.float64), dtype, np.maximum(abs(want), 1e-6 * scale).astype(np.float64))
    else:
        close(got, want.astype(np.float64), dtype, 9 * scale.astype(np.float64))


def test_running_sums_of_float32_are_rounded_once():
    x = np.full((64, 4096), 0.1, np.float32)
    got = served("cumsum", x, 1, False)
    np.testing.assert_array_equal(got, np.cumsum(x.astype(np.float64), 1).astype(np.float32))


@along_lines
@both_types
def test_running_products_and_products(shape, dim, dtype):
    x = near_one(shape, dtype)
    want = np.cumprod(x.astype(np.longdouble), dim)
    n = shape[dim]
    steps = n if dtype == "float64" else 1
    close(served("cumprod", x, dim), want.astype(np.float64), dtype, steps * abs(want).astype(np.float64))
    last = np.take(want, [-1], dim).astype(np.float64)
    close(served("prod", x, dim), last, dtype, n * abs(last))


@both_types
@pytest.mark.parametrize("dim", [0, 1])
def test_nan_infinities_and_zeros_in_running_sums_and_products(dtype, dim):
    x = near_one((257, 131), dtype)
    for value in (np.inf, -np.inf, np.nan, 0.0, -0.0):
        x[RNG.random(x.shape) < 0.002] = value
    with np.errstate(invalid="ignore"):
        sums, products = np.cumsum(x, dim, dtype=np.float64), np.cumprod(x, dim, dtype=np.float64)
    for got, want in ((served("cumsum", x, dim, False), sums), (served("cumprod", x, dim), products)):
        np.testing.assert_allclose(got, want.astype(dtype), rtol=1e-4, atol=1e-4)
        zero = got == 0
        np.testing.assert_array_equal(np.signbit(got[zero]), np.signbit(want[zero]))
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(served("prod", x, dim), x.prod(dim, keepdims=True), rtol=1e-4, atol=1e-30)
    zeros = np.full((257, 131), -0.0, dtype)
    assert np.signbit(served("cumsum", zeros, dim, False)).all()


@along
@both_types
@pytest.mark.parametrize("reverse", [False, True])
def test_recurrences_are_those_of_a_plain_loop(shape, dim, dtype, reverse):
    x, a = numbers(shape, dtype), numbers(shape, dtype).clip(-0.9, 0.9)
    edge = [slice(None)] * len(shape)
    edge[dim] = -1 if reverse else 0
    a[tuple(edge)] = np.inf  # of the first nothing is asked
    terms = [np.moveaxis(v.astype(np.longdouble), dim, 0)[:: -1 if reverse else 1] for v in (x, a)]
    want, y = [], 0
    for i, (v, factor) in enumerate(zip(*terms)):
        y = v + factor * y if i else v
        want.append(y)
    want = np.moveaxis(np.array(want)[:: -1 if reverse else 1], 0, dim).astype(np.float64)
    close(served("recurrence", x, a, dim, reverse), want, dtype, 10 + abs(want))


@along
@both_types
@pytest.mark.parametrize("name", ["maximum", "minimum"])
@pytest.mark.parametrize("make", [numbers, odd])
def test_running_winners_are_pytorchs(shape, dim, dtype, name, make):
    torch = oracle()
    x = make(shape, dtype)
    want = (torch.cummax if name == "maximum" else torch.cummin)(torch.tensor(x), dim)
    got = served("running_winner", x, dim, name)
    np.testing.assert_array_equal(got, want.indices.numpy(), strict=True)


@along
@both_types
def test_logarithms_of_running_sums(shape, dim, dtype):
    x = numbers(shape, dtype) * 9
    want = np.logaddexp.accumulate(x.astype(np.longdouble), dim).astype(np.float64)
    close(served("logcumsumexp", x, dim), want, dtype, 2 + abs(want))


@both_types
@pytest.mark.parametrize("values", [(-np.inf,), (-np.inf, 0.5), (np.inf, 0.5, -np.inf), (np.nan, 0.5, np.inf, -np.inf)])
def test_logarithms_of_running_sums_with_infinities(dtype, values):
    x = RNG.choice(values, (131, 257)).astype(dtype)
    x[0] = np.where(RNG.random(257) < 0.5, -np.inf, 1000.0)
    with np.errstate(invalid="ignore"):
        want = np.logaddexp.accumulate(x.astype(np.float64), 0)
    close(served("logcumsumexp", x, 0), want, dtype, 2 + abs(want))


# ---------------------------------------------------------------- order
def stable(x, dim, descending=False):
    """Indices by Python's own stable sort, line by line: NaN is the largest, equal ones keep their order."""

    def key(v):
        return (v != v, 0.0 if v != v else v + 0.0)

    def of_line(line):
        line = line.tolist()
        # of two equal ones a sort in reverse keeps the order too
        return np.array(sorted(range(len(line)), key=lambda i: key(line[i]), reverse=descending))

    return np.apply_along_axis(of_line, dim, x)


@along
@both_types
@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("make", [numbers, odd])
def test_sorting_is_pythons(shape, dim, dtype, descending, make):
    x = make(shape, dtype)
    np.testing.assert_array_equal(served("argsort", x, dim, descending), stable(x, dim, descending), strict=True)


@both_types
@pytest.mark.parametrize("make", [lambda n, t: np.arange(n, dtype=t) % 7, lambda n, t: np.full(n, 3.0, t), numbers])
def test_long_lines_are_sorted_by_longer_digits(dtype, make):
    x = make(70_001, dtype)
    for descending in (False, True):
        np.testing.assert_array_equal(served("argsort", x, 0, descending), stable(x, 0, descending), strict=True)


@both_types
def test_numbers_of_every_size_are_sorted(dtype):
    """Each exponent and both signs, the smallest and the largest numbers, and neighbours."""
    word = np.uint32 if dtype == "float32" else np.uint64
    x = RNG.integers(0, np.iinfo(word).max, 50_000, word, endpoint=True)
    x[1000:2000] = x[:1000] + word(1)
    x = x.view(dtype)
    got = x[served("argsort", x, 0, False)]
    np.testing.assert_array_equal(got, np.sort(x))


@along
@both_types
@pytest.mark.parametrize("make", [numbers, odd])
def test_one_is_found_where_a_stable_sort_puts_it(shape, dim, dtype, make):
    x = make(shape, dtype)
    order, n = stable(x, dim), shape[dim]
    for k in sorted({1, 2, n // 3, n - 1, n} - {0}):
        want = np.take(order, [k - 1], dim)
        np.testing.assert_array_equal(served("kth_place", x, k, dim), want, strict=True)


@along
@both_types
@pytest.mark.parametrize("skip_nan", [False, True])
@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 1.0])
def test_medians_with_and_without_nan(shape, dim, dtype, skip_nan, share):
    x = np.where(RNG.random(shape) < share, np.nan, np.round(numbers(shape), 2)).astype(dtype)
    order = stable(x, dim)
    valid = (x == x).sum(dim, keepdims=True)
    rank = np.maximum(valid - 1, 0) // 2
    if not skip_nan:
        rank = np.where(valid < shape[dim], valid, rank)
    want = np.take_along_axis(order, rank, dim)
    np.testing.assert_array_equal(served("median_place", x, skip_nan, dim), want, strict=True)


@along
@both_types
@pytest.mark.parametrize("largest", [False, True])
@pytest.mark.parametrize("make", [numbers, odd])
def test_of_equal_ones_among_the_largest_the_first_comes_first(shape, dim, dtype, largest, make):
    x = make(shape, dtype)
    order, n = stable(x, dim, largest), shape[dim]
    for k in sorted({1, 2, n // 3, n} - {0}):
        want = np.take(order, range(k), dim)
        np.testing.assert_array_equal(served("topk_places", x, k, dim, largest), want, strict=True)


@pytest.mark.parametrize("name", ["sort", "topk", "kthvalue", "median"])
def test_values_found_are_pytorchs(name):
    import tinydl

    torch = oracle()
    # No two alike: which of two equal ones comes first, PyTorch leaves open.
    x = RNG.permutation(301 * 257).reshape(301, 257).astype("float32")
    more = {"topk": (17,), "kthvalue": (99,)}.get(name, ())
    for dim in (0, 1):
        got, want = (getattr(m.tensor(x), name)(*more, dim=dim) for m in (tinydl, torch))
        np.testing.assert_array_equal(got.values.numpy(), want.values.numpy())
        np.testing.assert_array_equal(got.indices.numpy(), want.indices.numpy())


# ---------------------------------------------------------------- picking
INDICES = [  # sizes of the array and of the index, the dimension
    ((131, 257), (129, 257), 0),
    ((131, 257), (131, 301), 1),
    ((3, 131, 9), (3, 131, 99), 2),
    ((5, 7, 301), (5, 29, 301), 1),
    ((7, 3001, 3), (7, 2001, 3), 1),
    ((50_001,), (40_001,), 0),
]
picked = pytest.mark.parametrize("shape, sizes, dim", INDICES, ids=str)
integer_types = pytest.mark.parametrize("integer", ["int32", "int64"])


def indices(shape, sizes, dim, integer):
    return RNG.integers(0, shape[dim], sizes).astype(integer)


@picked
@both_types
@integer_types
def test_gathering_is_numpys(shape, sizes, dim, dtype, integer):
    x, index = numbers(shape, dtype), indices(shape, sizes, dim, integer)
    np.testing.assert_array_equal(served("gather", x, index, dim), np.take_along_axis(x, index, dim), strict=True)


def test_gathering_from_a_part():
    x, index = numbers((301, 257), "float32"), RNG.integers(0, 301, (345, 99))
    np.testing.assert_array_equal(served("gather", x, index, 0), np.take_along_axis(x[:, :99], index, 0), strict=True)


@picked
@both_types
@integer_types
def test_of_values_that_meet_the_last_stays(shape, sizes, dim, dtype, integer):
    x, src, index = numbers(shape, dtype), numbers(sizes, dtype), indices(shape, sizes, dim, integer)
    want, number = x.copy(), x.copy()
    for place in np.ndindex(*sizes):
        to = (*place[:dim], index[place], *place[dim + 1 :])
        want[to], number[to] = src[place], -0.5
    np.testing.assert_array_equal(served("scatter_put", x, src, index, dim), want, strict=True)
    np.testing.assert_array_equal(served("scatter_put", x, -0.5, index, dim), number, strict=True)


@picked
@both_types
@integer_types
def test_sums_go_in_the_order_of_the_index(shape, sizes, dim, dtype, integer):
    src, index = odd(sizes, dtype), indices(shape, sizes, dim, integer)
    src = np.where(RNG.random(sizes) < 0.9, numbers(sizes, dtype), src)
    want = np.zeros(shape, dtype)
    with np.errstate(invalid="ignore"):
        for place in np.ndindex(*sizes):
            want[(*place[:dim], index[place], *place[dim + 1 :])] += src[place]
    np.testing.assert_array_equal(served("scatter_sum", src, index, shape, dim), want, strict=True)


@pytest.mark.parametrize("bad", [-1, 301, 1 << 40])
def test_an_index_outside_is_left_to_the_body(bad):
    x, index = numbers((301, 257), "float32"), RNG.integers(0, 301, (301, 257))
    index[17, 5] = bad
    for dim in (0, 1):
        clean = index % 257
        for name, args in {"gather": (x,), "scatter_put": (x, x), "scatter_sum": (x,)}.items():
            more = ((301, 257), dim) if name == "scatter_sum" else (dim,)
            assert cpu.load(name)(*args, clean, *more) is not NotImplemented
            assert cpu.load(name)(*args, np.where(index == bad, bad, clean), *more) is NotImplemented


def test_an_index_that_leaves_out_parts_is_left_to_the_body():
    x, index = numbers((301, 257), "float32"), RNG.integers(0, 200, (200, 200))
    assert cpu.load("scatter_put")(x, x[:200, :200], index, 0) is NotImplemented
    assert cpu.load("scatter_sum")(x[:200, :200], index, (301, 257), 0) is NotImplemented


@pytest.mark.parametrize("bad, word", [(-1, "-1"), (301, "301")])
@integer_types
def test_a_large_index_outside_is_refused(bad, word, integer):
    import tinydl

    x, index = numbers((301, 257), "float32"), RNG.integers(0, 301, (301, 257)).astype(integer)
    index[299, 255] = bad
    with pytest.raises(IndexError, match=f"gather: index {word} is out of range for dimension 0 of size 301"):
        tinydl.tensor(x).gather(0, tinydl.tensor(index))
