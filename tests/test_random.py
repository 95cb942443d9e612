"""Random numbers: streams, generators, distributions, dropout."""

import copy
import pickle

import numpy as np
import pytest
from scipy import stats

import tinydl
import tinydl.nn.functional as F
from tinydl.autograd import grad
from tinydl.autograd.graph import OPS
from tinydl.device import CPU
from tinydl.kernels import cpu
from tinydl.ops.generator import default_of
from tinydl.testing.strict import strict_device


@pytest.fixture(autouse=True)
def seeded():
    tinydl.manual_seed(0)


DRAWS = ["philox_bits", "philox_uniform", "philox_normal", "dropout"]


# ---------------------------------------------------------------- the same bits everywhere
@pytest.mark.parametrize("shape", [(), (0,), (1,), (7,), (3, 5), (10001,)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", DRAWS)
def test_kernel_and_body_give_the_same_bits(name, dtype, shape):
    x = np.ones(shape, dtype)
    p = (0.3,) if name == "dropout" else ()
    constants = (*p, 2**63 + 5, 2**33 - 2)
    served = cpu.load(name)(x, *constants)
    body = OPS[name].op.body(CPU.xp, x, *constants)
    assert served.dtype == body.dtype and served.shape == np.shape(body) == shape
    np.testing.assert_array_equal(served, body)


def test_every_device_gives_the_same_numbers():
    draws = (
        lambda d: tinydl.rand(5, device=d),
        lambda d: tinydl.randn(5, device=d, dtype=tinydl.float64),
        lambda d: tinydl.randint(-3, 90, (5,), device=d),
        lambda d: tinydl.randperm(9, device=d),
        lambda d: tinydl.zeros(5, device=d).exponential_(2.0),
        lambda d: F.dropout(tinydl.ones(9, device=d)),
    )
    with strict_device():
        for draw in draws:
            results = []
            for device in ("cpu", "strict"):
                default_of(tinydl.device(device)).manual_seed(3)
                results.append(draw(device).to("cpu").numpy())
            np.testing.assert_array_equal(*results)


def test_the_stream_continues_from_draw_to_draw():
    generator = tinydl.Generator().manual_seed(5)
    whole = tinydl.rand(8, generator=generator)
    generator.manual_seed(5)
    halves = [tinydl.rand(4, generator=generator) for _ in range(2)]
    np.testing.assert_array_equal(np.concatenate([h.numpy() for h in halves]), whole.numpy())


# ---------------------------------------------------------------- generators
def test_seed_and_state():
    first = tinydl.randn(5).tolist()
    state = tinydl.random.get_rng_state()
    second = tinydl.randn(5).tolist()
    tinydl.random.set_rng_state(state)
    assert tinydl.randn(5).tolist() == second
    assert tinydl.manual_seed(0) is tinydl.random.default_generator
    assert tinydl.randn(5).tolist() == first != second
    assert tinydl.random.initial_seed() == 0
    assert tinydl.random.seed() == tinydl.random.initial_seed() != 0


def test_generators_are_independent_and_copied():
    own = tinydl.Generator().manual_seed(-1)
    assert own.initial_seed() == 2**64 - 1
    before = tinydl.random.get_rng_state().tolist()
    tinydl.rand(3, generator=own)
    assert tinydl.random.get_rng_state().tolist() == before
    copies = [own.clone_state(), pickle.loads(pickle.dumps(own)), copy.deepcopy(own)]
    expected = tinydl.rand(3, generator=own).tolist()
    assert all(tinydl.rand(3, generator=c).tolist() == expected for c in copies)


def test_fork_rng_leaves_no_trace():
    expected = tinydl.rand(2).tolist()
    tinydl.manual_seed(0)
    with tinydl.random.fork_rng():
        tinydl.rand(100)
    assert tinydl.rand(2).tolist() == expected


@pytest.mark.parametrize("seed, error", [(1.5, TypeError), ("a", TypeError), (2**64, RuntimeError)])
def test_seeds_refused(seed, error):
    with pytest.raises(error, match="manual_seed: expected"):
        tinydl.manual_seed(seed)
    with pytest.raises(TypeError, match="expected a tinydl.Generator, got int"):
        tinydl.rand(2, generator=3)
    with pytest.raises(RuntimeError, match="set_state: expected the 16 bytes"):
        tinydl.random.set_rng_state(tinydl.zeros(3))


# ---------------------------------------------------------------- distributions
def fits(sample, distribution):
    """Kolmogorov and Smirnov's test; seeded, so that it cannot fail by chance."""
    p = stats.kstest(sample.numpy().ravel().astype("float64"), distribution.cdf).pvalue
    assert p > 1e-3


def test_continuous_distributions():
    n = 20000
    fits(tinydl.rand(n), stats.uniform())
    fits(tinydl.randn(n), stats.norm())
    fits(tinydl.randn(n, dtype=tinydl.float64), stats.norm())
    fits(tinydl.normal(1.0, 2.0, (n,)), stats.norm(1, 2))
    fits(tinydl.empty(n).uniform_(-1, 3), stats.uniform(-1, 4))
    fits(tinydl.empty(n).normal_(3, 0.5), stats.norm(3, 0.5))
    fits(tinydl.empty(n).exponential_(2), stats.expon(scale=0.5))
    fits(tinydl.empty(n).log_normal_(0, 1), stats.lognorm(1))
    fits(tinydl.empty(n).cauchy_(1, 2), stats.cauchy(1, 2))
    means = tinydl.arange(4.0).reshape(4, 1).expand(4, n)
    z = tinydl.normal(means, tinydl.tensor([[1.0], [2.0], [3.0], [0.0]])).numpy()
    np.testing.assert_allclose(z.mean(1), [0, 1, 2, 3], atol=0.1)
    np.testing.assert_allclose(z.std(1), [1, 2, 3, 0], atol=0.1)


def counts_fit(sample, probabilities):
    found = np.bincount(sample.numpy().ravel().astype("int64"), minlength=len(probabilities))
    expected = np.asarray(probabilities) * found.sum()
    assert (found[expected == 0] == 0).all()
    used = expected > 0
    assert stats.chisquare(found[used], expected[used]).pvalue > 1e-3


def test_discrete_distributions():
    n = 20000
    counts_fit(tinydl.randint(7, (n,)), np.full(7, 1 / 7))
    counts_fit(tinydl.randint(-3, 4, (n,)) + 3, np.full(7, 1 / 7))
    counts_fit(tinydl.zeros(n, dtype=tinydl.int32).random_(2, 5) - 2, np.full(3, 1 / 3))
    counts_fit(tinydl.bernoulli(tinydl.full((n,), 0.3)), [0.7, 0.3])
    counts_fit(tinydl.empty(n).bernoulli_(0.2), [0.8, 0.2])
    geometric = tinydl.empty(n).geometric_(0.4).clamp_max(4) - 1
    counts_fit(geometric, [0.4, 0.24, 0.144, 0.216])
    weights = [1.0, 0.0, 3.0, 4.0]
    counts_fit(tinydl.multinomial(tinydl.tensor(weights), n, True), np.array(weights) / 8)
    rows = tinydl.tensor([weights] * n)
    counts_fit(tinydl.multinomial(rows, 2)[:, 0], np.array(weights) / 8)
    pairs = tinydl.multinomial(rows, 2).numpy()
    assert (pairs[:, 0] != pairs[:, 1]).all()


def test_wide_integers_reach_both_ends():
    x = tinydl.randint(-(2**63), 2**63 - 1, (1000,)).numpy().astype("float64")
    assert x.min() < -0.99 * 2**63 and x.max() > 0.99 * 2**63
    big = tinydl.randint(0, 2**40, (1000,)).numpy()
    assert 0 <= big.min() < 2**31 and 2**39 < big.max() < 2**40
    whole = tinydl.zeros(1000, dtype=tinydl.uint8).random_().numpy()
    assert whole.min() < 5 and whole.max() > 250


def test_permutations():
    assert sorted(tinydl.randperm(1000).tolist()) == list(range(1000))
    first = [tinydl.randperm(5)[0].item() for _ in range(2000)]
    counts_fit(tinydl.tensor(first), np.full(5, 0.2))
    assert tinydl.randperm(0).shape == (0,)


def test_types_shapes_and_likes():
    assert tinydl.rand(2, 3).dtype == tinydl.float32 and tinydl.rand((2, 3)).shape == (2, 3)
    assert tinydl.rand(()).shape == () and tinydl.randn(3, requires_grad=True).requires_grad
    x = tinydl.zeros(2, 5, dtype=tinydl.float64)
    for like in (tinydl.rand_like, tinydl.randn_like):
        assert like(x).dtype == tinydl.float64 and like(x).shape == (2, 5)
        assert like(x, dtype=tinydl.float16).dtype == tinydl.float16
    assert tinydl.rand(50000, dtype=tinydl.float16).max().item() < 1
    assert tinydl.randint_like(x, 3).dtype == tinydl.float64
    assert tinydl.randint(5, (2,)).dtype == tinydl.int64
    assert tinydl.bernoulli(x).dtype == tinydl.float64


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: tinydl.rand(-1), "sizes must not be negative"),
        (lambda: tinydl.rand(3, dtype=tinydl.int64), "rand: expected a floating dtype, got int64"),
        (lambda: tinydl.randint(3, 3, (2,)), "randint: expected low < high"),
        (lambda: tinydl.normal(0.0, -1.0, (2,)), "normal: std must not be negative, got -1.0"),
        (lambda: tinydl.bernoulli(tinydl.tensor([1.5])), r"bernoulli: probabilities must lie in"),
        (lambda: tinydl.multinomial(tinydl.ones(3), 4), "cannot draw 4 of 3 without replacement"),
        (lambda: tinydl.multinomial(tinydl.tensor([-1.0, 2.0]), 1), "weights must be finite"),
        (lambda: tinydl.multinomial(tinydl.zeros(2), 1), "not all zero"),
        (lambda: tinydl.zeros(2).uniform_(2, 1), "uniform_: expected from <= to, got 2 and 1"),
        (lambda: tinydl.zeros(2).exponential_(0), "exponential_: lambd must be positive, got 0"),
        (lambda: tinydl.zeros(2, dtype=tinydl.int64).normal_(), "normal_: expected a floating"),
        (lambda: tinydl.randperm(-1), "randperm: n must not be negative, got -1"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(RuntimeError, match=message):
        call()


def test_drawing_in_place_cuts_the_graph():
    x = tinydl.ones(3, requires_grad=True)
    y = x * 2
    y.normal_()
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [0, 0, 0])
    with pytest.raises(RuntimeError, match="normal_: a leaf"):
        x.normal_()


# ---------------------------------------------------------------- dropout
def test_dropout_keeps_its_share_and_its_mean():
    x = tinydl.ones(100000)
    y = F.dropout(x, 0.3)
    assert set(np.unique(y.numpy())) == {0, np.float32(1 / 0.7)}
    assert abs((y == 0).to(tinydl.float32).mean().item() - 0.3) < 0.01
    assert F.dropout(x, 0.3, training=False) is x
    np.testing.assert_array_equal(F.dropout(x, 1.0).numpy(), 0)
    assert F.dropout(x.to(tinydl.float64), 0.3).dtype == tinydl.float64


def test_dropout_gradient_at_every_order_draws_the_same_numbers():
    x = tinydl.randn(50, dtype=tinydl.float64, requires_grad=True)
    g = tinydl.randn(50, dtype=tinydl.float64, requires_grad=True)
    y = F.dropout(x)
    (gx,) = grad(y, x, g, create_graph=True)
    factor = (y / x).numpy(force=True)
    np.testing.assert_allclose(gx.numpy(force=True), factor * g.numpy(force=True), rtol=1e-12)
    (gg,) = grad((gx * gx).sum(), g)
    np.testing.assert_allclose(gg.numpy(), 2 * factor**2 * g.numpy(force=True), rtol=1e-12)


@pytest.mark.parametrize(
    "function, shape, groups",
    [
        ("dropout1d", (8, 50, 9), 2),
        ("dropout1d", (50, 9), 1),
        ("dropout2d", (8, 50, 3, 4), 2),
        ("dropout3d", (50, 3, 2, 4), 1),
        ("feature_alpha_dropout", (8, 50, 6), 2),
    ],
)
def test_channels_are_dropped_whole(function, shape, groups):
    y = getattr(F, function)(tinydl.ones(*shape), 0.5, training=True).numpy()
    channels = y.reshape(*shape[:groups], -1)
    assert (channels == channels[..., :1]).all()
    assert len(np.unique(channels[..., 0])) == 2


def test_alpha_dropout_keeps_mean_and_variance():
    x = tinydl.randn(200000)
    y = F.alpha_dropout(x, 0.4, training=True).numpy()
    assert abs(y.mean()) < 0.02 and abs(y.var() - 1) < 0.02
    assert F.alpha_dropout(x, 0.4) is x


def test_dropout_in_place_and_refusals():
    x = tinydl.ones(1000)
    assert F.dropout(x, 0.5, inplace=True) is x and set(np.unique(x.numpy())) == {0, 2}
    with pytest.raises(ValueError, match="dropout: p must lie between 0 and 1, got 1.5"):
        F.dropout(x, 1.5)
    with pytest.raises(RuntimeError, match="dropout2d: expected 3 or 4 dimensions, got shape"):
        F.dropout2d(x)


# ---------------------------------------------------------------- a generator of one's own
X, P = tinydl.zeros(7, 9), tinydl.full((7, 9), 0.4)
DRAWING = {
    "coin": lambda g: tinydl.ops.random.coin(tinydl.full((50,), 0.5), g),
    "chances": lambda g: tinydl.ops.random.chances(tinydl.zeros(5), g),
    "rand": lambda g: tinydl.rand(9, generator=g),
    "randn": lambda g: tinydl.randn(9, generator=g),
    "rand_like": lambda g: tinydl.rand_like(X, generator=g),
    "randn_like": lambda g: tinydl.randn_like(X, generator=g),
    "randint": lambda g: tinydl.randint(99, (9,), generator=g),
    "randint_like": lambda g: tinydl.randint_like(X, 99, generator=g),
    "randperm": lambda g: tinydl.randperm(99, generator=g),
    "normal": lambda g: tinydl.normal(X, P, generator=g),
    "bernoulli": lambda g: tinydl.bernoulli(P, generator=g),
    "multinomial": lambda g: tinydl.multinomial(P, 5, generator=g),
    "dropout": lambda g: F.dropout(P, generator=g),
    "dropout1d": lambda g: F.dropout1d(P, generator=g),
    "alpha_dropout": lambda g: F.alpha_dropout(P, training=True, generator=g),
    "kaiming_uniform_": lambda g: tinydl.nn.init.kaiming_uniform_(tinydl.zeros(5, 6), generator=g),
    "orthogonal_": lambda g: tinydl.nn.init.orthogonal_(tinydl.zeros(5, 6), generator=g),
    "sparse_": lambda g: tinydl.nn.init.sparse_(tinydl.zeros(5, 6), 0.5, generator=g),
    "geometric_": lambda g: tinydl.zeros(9, 9).geometric_(0.2, generator=g),
    "random_": lambda g: tinydl.zeros(9).random_(99, generator=g),
} | {
    name: lambda g, name=name: getattr(tinydl.zeros(9, 9), name)(generator=g)
    for name in ("uniform_", "normal_", "log_normal_", "exponential_", "cauchy_", "bernoulli_")
}  # fmt: skip


def test_every_function_of_random_numbers_is_listed():
    from tinydl.ops import random

    public = {
        n for n, f in vars(random).items() if "generator" in getattr(getattr(f, "__code__", None), "co_varnames", ())
    }
    assert {n for n in public if not n.startswith("_")} - {"reserve"} <= set(DRAWING)


@pytest.mark.parametrize("draw", DRAWING.values(), ids=list(DRAWING))
def test_a_generator_alone_decides(draw):
    """Its state, saved and set again, gives the same numbers; the default one is left as it was."""
    generator = tinydl.Generator().manual_seed(3)
    before = tinydl.random.get_rng_state().tolist()
    state = generator.get_state()
    first, second = draw(generator).tolist(), draw(generator).tolist()
    generator.set_state(state)
    assert draw(generator).tolist() == first != second
    assert tinydl.random.get_rng_state().tolist() == before
