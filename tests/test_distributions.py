"""Distributions: PyTorch's values and gradients, moments of samples, gradients through samples to order 2."""

import math

import numpy as np
import pytest
from oracle import oracle

import tinydl
from tinydl import distributions as D
from tinydl.distributions import Bernoulli, Categorical, Distribution, Independent, Multinomial, Normal, Uniform
from tinydl.testing import gradcheck

A, B = np.array([[0.3, 1.2, 0.7]]), np.array([[0.9], [0.4]])
SHARES = np.array([[0.2, 0.5, 0.3], [0.6, 0.3, 0.1]])
LOGITS = np.array([[0.2, -1.5, 0.3], [2.0, 0.3, -0.1]])
COUNTS = np.array([[2.0, 0, 3], [1, 4, 0]])
POINTS = np.array([[0.5, 1.1, 0.8], [1.0, 1.1, 1.0]])
BITS = np.array([[0.0, 1, 1], [1, 0, 1]])

# name -> (how a library makes it from its parameters, these, others of the same family, values of events)
FAMILIES = {
    "Normal": (lambda d, a, b: d.Normal(a, b), (A, B), (B, A), POINTS),
    "Uniform": (lambda d, a, b: d.Uniform(a, a + b + 0.5), (A, B), (A - 0.2, B + 0.3), POINTS * 0.2 + A),
    "Exponential": (lambda d, a: d.Exponential(a), (A,), (A * 2,), POINTS),
    "Bernoulli": (lambda d, p: d.Bernoulli(p), (SHARES,), (SHARES[::-1].copy(),), BITS),
    "Bernoulli-logits": (lambda d, z: d.Bernoulli(logits=z), (LOGITS,), (-LOGITS,), BITS),
    "Categorical": (lambda d, p: d.Categorical(p * 2), (SHARES,), (SHARES[::-1].copy(),), np.array([[2, 0], [1, 1]])),
    "Categorical-logits": (lambda d, z: d.Categorical(logits=z), (LOGITS,), (-LOGITS,), np.array([2, 1])),
    "Multinomial": (lambda d, p: d.Multinomial(5, p), (SHARES,), (SHARES[::-1].copy(),), COUNTS),
    "Multinomial-logits": (lambda d, z: d.Multinomial(5, logits=z), (LOGITS,), (-LOGITS,), COUNTS),
    "Independent": (lambda d, a, b: d.Independent(d.Normal(a, b), 1), (A, B), (B, A), POINTS),
    "Independent-2": (lambda d, p: d.Independent(d.Bernoulli(p), 2), (SHARES,), (SHARES[::-1].copy(),), BITS),
}  # fmt: skip
REPARAMETRIZED = ["Normal", "Uniform", "Exponential", "Independent"]
each_family = pytest.mark.parametrize("name", FAMILIES)


def made(name, lib=tinydl, which=1, **options):
    build, *given, _ = FAMILIES[name]
    params = [lib.tensor(x, requires_grad=True) for x in given[which - 1]]
    return build(lib.distributions, *params), params


def values_and_gradients(lib, y, params):
    """y, and the gradients of a weighed sum of it."""
    weights = lib.arange(1.0, 1.0 + y.numel(), dtype=y.dtype).reshape(y.shape)
    grads = lib.autograd.grad((y * weights).sum(), params, allow_unused=True)
    return [y.detach().numpy()] + [np.zeros(p.shape) if g is None else g.numpy() for p, g in zip(params, grads)]


def assert_torchs(name, compute):
    torch = oracle()
    found = []
    for lib in (tinydl, torch):
        d, params = made(name, lib)
        found.append(values_and_gradients(lib, compute(lib, d, params), params))
    for mine, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-6, atol=1e-9)


@each_family
def test_log_prob_is_torchs(name):
    assert_torchs(name, lambda lib, d, params: d.log_prob(lib.tensor(FAMILIES[name][3])))


@each_family
def test_entropy_is_torchs(name):
    assert_torchs(name, lambda lib, d, params: d.entropy())
    assert_torchs(name, lambda lib, d, params: d.perplexity())


@pytest.mark.parametrize("name", [n for n in FAMILIES if "Multinomial" not in n])  # PyTorch has none for it
def test_divergence_is_torchs(name):
    torch = oracle()
    found = []
    for lib in (tinydl, torch):
        (p, mine), (q, its) = made(name, lib), made(name, lib, 2)
        y = lib.distributions.kl_divergence(p, q)
        found.append(values_and_gradients(lib, y, mine + its))
    for mine, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-6, atol=1e-9)


@each_family
@pytest.mark.parametrize("what", ["mean", "variance", "stddev"])
def test_moments_are_torchs(name, what):
    if name.startswith("Categorical"):
        assert getattr(made(name)[0], what).isnan().all()
    else:
        assert_torchs(name, lambda lib, d, params: getattr(d, what))


@pytest.mark.parametrize("name", ["Normal", "Uniform", "Exponential"])
def test_distribution_functions_are_torchs_and_inverse(name):
    assert_torchs(name, lambda lib, d, params: d.cdf(lib.tensor(FAMILIES[name][3])))
    assert_torchs(name, lambda lib, d, params: d.icdf(lib.tensor(SHARES)))
    d, _ = made(name)
    np.testing.assert_allclose(d.cdf(d.icdf(tinydl.tensor(SHARES))).detach().numpy(), SHARES, rtol=1e-9)


@each_family
def test_shapes_support_mode_and_expansion_are_torchs(name):
    torch = oracle()
    (mine, _), (theirs, _) = made(name), made(name, torch)
    for d, e in ((mine, theirs), (mine.expand((4, *mine.batch_shape)), theirs.expand((4, *theirs.batch_shape)))):
        assert tuple(d.batch_shape) == tuple(e.batch_shape) and tuple(d.event_shape) == tuple(e.event_shape)
        assert d.has_rsample == e.has_rsample and d.has_enumerate_support == e.has_enumerate_support
        assert tuple(d.sample((2, 3)).shape) == tuple(e.sample((2, 3)).shape)
        assert tuple(d.sample().shape) == tuple(e.sample().shape)
        assert d.entropy().shape == d.batch_shape and d.mean.shape == d.sample().shape
        if e.has_enumerate_support:
            for expand in (True, False):
                np.testing.assert_array_equal(d.enumerate_support(expand).numpy(), e.enumerate_support(expand).numpy())
        if "Multinomial" not in name:
            np.testing.assert_array_equal(d.mode.detach().numpy(), e.mode.detach().numpy())


@pytest.mark.parametrize("name", ["Normal", "Uniform", "Bernoulli", "Categorical", "Independent"])
def test_descriptions_are_torchs(name):
    mine, theirs = (repr(made(name, lib)[0]) for lib in (tinydl, oracle()))
    assert mine.replace("tinydl.Size", "torch.Size") == theirs


# ---------------------------------------------------------------- samples
@each_family
def test_samples_have_the_moments(name):
    tinydl.manual_seed(1)
    n, (d, _) = 40000, made(name)
    x = d.sample((n,))
    assert not x.requires_grad and (d.support.check(x)).all()
    if name.startswith("Categorical"):
        x = tinydl.nn.functional.one_hot(x, 3).to("float64")
        mean, variance = d.probs, d.probs * (1 - d.probs)
    else:
        mean, variance = d.mean, d.variance
    sigma = variance.detach().numpy() ** 0.5
    assert (np.abs(x.mean(0).numpy() - mean.detach().numpy()) < 5 * sigma / math.sqrt(n)).all()
    np.testing.assert_allclose(x.numpy().std(0), sigma, rtol=0.03)


@each_family
def test_a_generator_decides(name):
    d, _ = made(name)
    a, b, c = (d.sample((50,), generator=tinydl.Generator().manual_seed(s)) for s in (5, 5, 6))
    assert (a == b).all() and not (a == c).all()


@pytest.mark.parametrize("name", REPARAMETRIZED)
def test_gradients_through_samples_to_order_2(name):
    build, given, _, _ = FAMILIES[name]

    def sample(*params):
        x = build(D, *params).rsample((2,), generator=tinydl.Generator().manual_seed(3))
        return x.sin()

    gradcheck(sample, [tinydl.tensor(x, requires_grad=True) for x in given], order=2)


@each_family
def test_second_derivatives(name):
    build, given, other, value = FAMILIES[name]
    params = [tinydl.tensor(x, requires_grad=True) for x in given]
    gradcheck(lambda *ps: build(D, *ps).log_prob(tinydl.tensor(value)), params, order=2)
    gradcheck(lambda *ps: build(D, *ps).entropy(), params, order=2)
    q = build(D, *map(tinydl.tensor, other))
    gradcheck(lambda *ps: D.kl_divergence(build(D, *ps), q), params, order=2)


@pytest.mark.parametrize("name", ["Normal", "Bernoulli", "Categorical", "Multinomial"])
def test_the_divergence_is_the_mean_of_log_ratios(name):
    tinydl.manual_seed(2)
    p, q = made(name)[0], made(name, which=2)[0]
    x = p.sample((40000,))
    ratio = (p.log_prob(x) - q.log_prob(x)).detach().numpy()
    error = 5 * ratio.std(0) / math.sqrt(len(ratio))
    assert (np.abs(ratio.mean(0) - D.kl_divergence(p, q).detach().numpy()) < error).all()
    assert (D.kl_divergence(p, p).detach().abs() < 1e-12).all()


def test_score_function_gradients_point_the_right_way():
    """REINFORCE (Williams 1992): the mean of f(x) grad log p(x) is the gradient of the mean of f."""
    tinydl.manual_seed(0)
    logits = tinydl.tensor([0.1, -0.4, 0.3], requires_grad=True)
    reward = tinydl.tensor([1.0, 5.0, 2.0])
    d = Categorical(logits=logits)
    x = d.sample((100000,))
    (estimate,) = tinydl.autograd.grad((d.log_prob(x) * reward[x]).mean(), logits)
    (exact,) = tinydl.autograd.grad((tinydl.softmax(logits, 0) * reward).sum(), logits)
    np.testing.assert_allclose(estimate.numpy(), exact.numpy(), atol=0.03)


# ---------------------------------------------------------------- types, limits, refusals
def test_float32_stays_float32():
    for name, (build, given, _, value) in FAMILIES.items():
        d = build(D, *(tinydl.tensor(x, dtype="float32") for x in given))
        value = tinydl.tensor(value, dtype="int64" if "Categorical" in name else "float32")
        for x in (d.log_prob(value), d.entropy(), d.mean, d.variance, D.kl_divergence(d, d)):
            assert x.dtype == tinydl.float32, name
        assert d.sample().dtype == value.dtype
    assert Normal(0, 1).sample().dtype == tinydl.float32


def test_certainty():
    p = tinydl.tensor([0.0, 1.0])
    b = Bernoulli(p)
    assert (b.sample((10,)) == p).all() and b.log_prob(p).abs().max() < 1e-6
    sure = D.kl_divergence(b, Bernoulli(tinydl.tensor([0.5, 0.5])))
    np.testing.assert_allclose(sure.numpy(), [math.log(2)] * 2, rtol=1e-5)
    assert D.kl_divergence(Bernoulli(tinydl.tensor([0.5, 0.5])), b).isinf().all()
    c = Multinomial(3, logits=tinydl.tensor([0.0, -math.inf]), validate_args=False)
    assert c.log_prob(tinydl.tensor([3.0, 0.0])).item() == 0 and c.sample().tolist() == [3, 0]
    outside = Uniform(0, 1, validate_args=False).log_prob(tinydl.tensor([-0.1, 0.5, 1.1]))
    assert outside.tolist() == [-math.inf, 0, -math.inf]
    assert D.kl_divergence(Uniform(0.0, 2.0), Uniform(0.0, 1.0)).item() == math.inf


class Shifted(Normal):
    pass


@pytest.mark.parametrize(
    "wrong, error, text",
    [
        (lambda: Normal(0.0, -1.0), ValueError, "Normal: parameter scale .* must satisfy positive"),
        (lambda: Normal(tinydl.arange(3), 1.0), TypeError, "floating tensor, got int64"),
        (lambda: Normal(float("nan"), 1.0), ValueError, "loc .* must satisfy real"),
        (lambda: Uniform(1.0, 1.0), ValueError, "low must lie below high"),
        (lambda: Bernoulli(), ValueError, "either probs or logits, not neither"),
        (lambda: Bernoulli(0.5, 0.1), ValueError, "not both"),
        (lambda: Bernoulli(1.5), ValueError, "Bernoulli: parameter probs"),
        (lambda: Bernoulli(0.5).log_prob(tinydl.tensor(0.5)), ValueError, "the value .* must satisfy boolean"),
        (lambda: Bernoulli(0.5).rsample(), NotImplementedError, "no differentiable samples"),
        (lambda: Categorical(tinydl.tensor([-1.0, 2.0])), ValueError, "must satisfy simplex"),
        (lambda: Categorical(tinydl.tensor([0.0, 0.0])), ValueError, "must satisfy simplex"),
        (lambda: Categorical(tinydl.tensor(1.0)), ValueError, "dimension of classes"),
        (lambda: Categorical(tinydl.ones(3)).log_prob(tinydl.tensor(3)), ValueError, r"integer_interval\(0, 2\)"),
        (lambda: Multinomial(2, tinydl.ones(3)).log_prob(tinydl.ones(3)), ValueError, r"multinomial\(2\)"),
        (lambda: Multinomial(2, tinydl.ones(3)).log_prob(tinydl.ones(1)), ValueError, "does not fit"),
        (lambda: Multinomial(1.5, tinydl.ones(3)), NotImplementedError, "total_count"),
        (lambda: Normal(tinydl.zeros(2), 1.0).log_prob(tinydl.zeros(3)), ValueError, r"shape \(3,\) does not fit"),
        (lambda: Normal(0.0, 1.0).log_prob(0.0), ValueError, "must be a tensor, got float"),
        (lambda: Normal(0.0, 1.0).enumerate_support(), NotImplementedError, "no finite support"),
        (lambda: Independent(Normal(0.0, 1.0), 1), ValueError, "between 0 and 0"),
        (lambda: D.kl_divergence(Normal(0, 1), Uniform(0, 1)), NotImplementedError, "for Normal and Uniform"),
        (lambda: Distribution.set_default_validate_args(3), ValueError, "True or False"),
    ],
)
def test_what_makes_no_sense_is_refused(wrong, error, text):
    with pytest.raises(error, match=text):
        wrong()


def test_checks_can_be_switched_off_and_divergences_added():
    assert Normal(0.0, -1.0, validate_args=False).scale.item() == -1
    Distribution.set_default_validate_args(False)
    try:
        assert Bernoulli(1.5).probs.item() == 1.5
    finally:
        Distribution.set_default_validate_args(True)
    assert D.kl_divergence(Shifted(0.0, 1.0), Normal(0.0, 1.0)).item() == 0
    D.register_kl(Shifted, Uniform)(lambda p, q: "mine")
    assert D.kl_divergence(Shifted(0, 1), Uniform(0, 1)) == "mine"
