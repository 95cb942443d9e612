"""The restricted Boltzmann machine: energies, distributions and likelihoods against sums over all states in NumPy
float64, gradients against the walk back and the textbook, learning against the exact likelihood."""

import itertools
import os

import numpy as np
import pytest

import tinydl
from tinydl.data import DataLoader, TensorDataset
from tinydl.models import RBM
from tinydl.train import (
    BernoulliRBM,
    Callback,
    Checkpoint,
    ContrastiveDivergence,
    PersistentContrastiveDivergence,
    RaiseMomentum,
    Schedule,
    Trainer,
    hintons_sgd,
)

SEEDS = range(int(os.environ.get("TINYDL_SEEDS", "1")))
KINDS = ["bernoulli", "gaussian", "learned sigma"]


def build(kind="bernoulli", V=5, H=4, dtype="float64", scale=0.7, seed=0):
    """A small RBM with parameters of order one."""
    tinydl.manual_seed(seed)
    options = {"visible_units": "gaussian", "sigma": 0.8, "learn_sigma": kind == "learned sigma"}
    rbm = RBM(V, H, **({} if kind == "bernoulli" else options), dtype=dtype)
    with tinydl.no_grad():
        for p in rbm.parameters():
            p.normal_(0, scale)
    return rbm


def states(n):
    return np.array(list(itertools.product([0.0, 1.0], repeat=n)))


def arrays(rbm):
    W, c, b = (p.numpy(force=True).astype(float) for p in (rbm.weight, rbm.hbias, rbm.vbias))
    return W, c, b, np.exp(rbm.log_var.numpy(force=True).astype(float)) if rbm.gaussian else np.ones(len(b))


def energies(rbm, v, h):
    """E of every v with every h, (N, M), from the definition."""
    W, c, b, var = arrays(rbm)
    alone = ((v - b) ** 2 / (2 * var)).sum(1) if rbm.gaussian else -v @ b
    return alone[:, None] - (v / var) @ W.T @ h.T - (h @ c)[None]


def some_v(rbm, n=6, seed=1):
    rng = np.random.default_rng(seed)
    v = rng.standard_normal((n, rbm.visible)) if rbm.gaussian else rng.integers(0, 2, (n, rbm.visible))
    return v.astype(rbm.weight.dtype.name)


def bits(n, features=16, seed=0):
    """Rows in which either a left or a right half is on, with noise: something to learn."""
    rng = np.random.default_rng(seed)
    half = np.repeat(rng.integers(0, 2, (n, 2)), features // 2, 1)
    return tinydl.tensor((half ^ (rng.random((n, features)) < 0.1)).astype(np.float32))


# ---------------------------------------------------------------- energies and distributions
@pytest.mark.parametrize("kind", KINDS)
def test_energy_and_its_marginals(kind):
    rbm = build(kind)
    v, hs = some_v(rbm), states(rbm.hidden)
    E = energies(rbm, v, hs)
    found = np.stack(
        [rbm.energy(tinydl.tensor(v), tinydl.tensor(np.tile(h, (len(v), 1)))).numpy(force=True) for h in hs], 1
    )
    assert np.allclose(found, E)
    F = -np.log(np.exp(-E).sum(1))
    assert np.allclose(rbm.free_energy(tinydl.tensor(v)).numpy(force=True), F)
    prob = np.exp(-E + F[:, None]) @ hs
    assert np.allclose(rbm.prob_hidden(tinydl.tensor(v)).numpy(force=True), prob)


def test_visible_side_of_bernoulli():
    rbm = build()
    vs, h = states(rbm.visible), states(rbm.hidden)
    p = np.exp(-energies(rbm, vs, h))
    assert np.allclose(rbm.hidden_free_energy(tinydl.tensor(h)).numpy(force=True), -np.log(p.sum(0)))
    assert np.allclose(rbm.prob_visible(tinydl.tensor(h)).numpy(force=True), (p / p.sum(0)).T @ vs)


def test_visible_side_of_gaussian_by_quadrature():
    rbm = build("gaussian", V=1, H=3)
    grid = np.linspace(-15, 15, 20001)[:, None]
    h = states(3)
    p = np.exp(-energies(rbm, grid, h))
    width = grid[1, 0] - grid[0, 0]
    assert np.allclose(rbm.hidden_free_energy(tinydl.tensor(h)).numpy(force=True), -np.log(p.sum(0) * width))
    mean = (p * grid).sum(0) / p.sum(0)
    assert np.allclose(rbm.prob_visible(tinydl.tensor(h)).numpy(force=True)[:, 0], mean)


@pytest.mark.parametrize("kind", ["bernoulli", "gaussian"])
def test_gibbs_sampling_reaches_the_model(kind):
    """Means and covariances of 40,000 chains are those of the exact distribution."""
    rbm = build(kind, V=3, H=3, dtype="float32")
    g = tinydl.Generator().manual_seed(5)
    v = rbm.gibbs(tinydl.zeros(40000, 3), 40, g).numpy().astype(float)
    W, c, b, var = arrays(rbm)
    h = states(3)
    log_p = -rbm.hidden_free_energy(tinydl.tensor(h.astype(np.float32))).numpy(force=True)
    p_h = np.exp(log_p - log_p.max()) / np.exp(log_p - log_p.max()).sum()
    x = h @ W + b
    of_h = x if rbm.gaussian else 1 / (1 + np.exp(-x))
    within = var[None] * np.ones_like(of_h) if rbm.gaussian else of_h * (1 - of_h)
    mean = p_h @ of_h
    cov = (of_h - mean).T @ (p_h[:, None] * (of_h - mean)) + np.diag(p_h @ within)
    assert np.abs(v.mean(0) - mean).max() < 0.03
    assert np.abs(np.cov(v.T) - cov).max() < 0.04


def test_biases_of_the_data():
    v = tinydl.tensor([[1.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
    assert np.allclose(RBM(3, 2).fit_biases(v).vbias.numpy(force=True), np.log([3, 1 / 3, 1]))
    assert np.allclose(RBM(3, 2, "gaussian").fit_biases(v).vbias.numpy(force=True), [1, 0, 0.5])


# ---------------------------------------------------------------- gradients
@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_those_of_the_free_energy(kind):
    rbm = build(kind)
    v = tinydl.tensor(some_v(rbm))
    names, parameters = zip(*rbm.named_parameters())
    rows = tinydl.linspace(-1, 2, len(v), dtype=v.dtype)
    for given, weights in ((None, 1 / len(v)), (rows, rows)):
        expected = tinydl.autograd.grad((weights * rbm.free_energy(v)).sum(), parameters)
        found = rbm.gradients(v, rbm.prob_hidden(v), given)
        assert set(found) == set(names)
        for name, g in zip(names, expected):
            assert np.allclose(found[name].numpy(), g.numpy(), atol=1e-12), name


def learned(step_type, rbm, v, k=1, **options):
    """Parameters after one step of plain descent at rate 1, and the sample it took."""
    seen = {}

    class Watched(step_type):
        def descend(self, v, h, sample, h_sample):
            seen["sample"] = sample.numpy().copy()
            super().descend(v, h, sample, h_sample)

    before = [p.numpy(force=True).copy() for p in rbm.parameters()]
    Watched(rbm, tinydl.optim.SGD(rbm.parameters(), 1.0), k, **options)(v)
    return [p.numpy(force=True) - old for p, old in zip(rbm.parameters(), before)], seen["sample"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("k", [1, 3])
def test_cd_goes_down_the_difference_of_free_energies(kind, k):
    rbm = build(kind)
    v = tinydl.tensor(some_v(rbm))
    twin = build(kind)
    moved, sample = learned(ContrastiveDivergence, rbm, v, k)
    gap = (twin.free_energy(v) - twin.free_energy(tinydl.tensor(sample))).mean()
    for step, g in zip(moved, tinydl.autograd.grad(gap, list(twin.parameters()))):
        assert np.allclose(step, -g.numpy(), atol=1e-12)


def test_cd_1_is_the_textbook_formula():
    """dW = <h v>data - <h v>reconstruction, and so on.  (Hinton 2002; Hinton 2010, equation 9)"""
    rbm = build()
    W, c, b, _ = arrays(rbm)
    v0 = some_v(rbm)
    (dW, dc, db), v1 = learned(ContrastiveDivergence, rbm, tinydl.tensor(v0))
    assert set(np.unique(v1)) <= {0.0, 1.0} and not np.array_equal(v0, v1)
    h0, h1 = (1 / (1 + np.exp(-(v @ W.T + c))) for v in (v0, v1))
    assert np.allclose(dW, (h0.T @ v0 - h1.T @ v1) / len(v0))
    assert np.allclose(dc, (h0 - h1).mean(0)) and np.allclose(db, (v0 - v1).mean(0))


def test_the_sample_of_cd_1_is_drawn_from_the_right_distribution():
    """Over 20,000 rows the reconstruction has the mean p(v'|v) = sum_h p(v'|h) p(h|v)."""
    rbm = build(dtype="float32", V=3, H=2)
    v = np.tile(np.float32([[1, 0, 1]]), (20000, 1))
    expected = states(2)
    p_h = rbm.prob_hidden(tinydl.tensor(v[:1])).numpy(force=True)[0]
    weight = np.prod(np.where(expected == 1, p_h, 1 - p_h), 1)
    mean = weight @ rbm.prob_visible(tinydl.tensor(expected.astype(np.float32))).numpy(force=True)
    _, sample = learned(ContrastiveDivergence, rbm, tinydl.tensor(v))
    assert np.abs(sample.mean(0) - mean).max() < 0.015


def test_pcd_goes_down_the_difference_of_the_mean_free_energies():
    rbm, twin = build(), build()
    v = tinydl.tensor(some_v(rbm))
    moved, sample = learned(PersistentContrastiveDivergence, rbm, v, chains=11)
    assert sample.shape == (11, 5)
    gap = twin.free_energy(v).mean() - twin.free_energy(tinydl.tensor(sample)).mean()
    for step, g in zip(moved, tinydl.autograd.grad(gap, list(twin.parameters()))):
        assert np.allclose(step, -g.numpy(), atol=1e-12)


def test_the_chains_of_pcd_go_on():
    """With a rate of nothing they are Gibbs sampling: after many steps, the model's own distribution."""
    rbm = build(dtype="float32", V=3, H=3)
    step = PersistentContrastiveDivergence(rbm, hintons_sgd(rbm, 0.0), chains=20000)
    for _ in range(30):
        step(tinydl.zeros(1, 3))
    W, c, b, _ = arrays(rbm)
    p = np.exp(-energies(rbm, states(3), states(3))).sum(0)
    assert np.abs(step.kept["chains"].numpy().mean(0) - p / p.sum() @ states(3)).max() < 0.015


def test_weight_decay_spares_the_biases():
    rbm = build()
    before = arrays(rbm)
    optimizer = hintons_sgd(rbm, lr=0.5, weight_decay=0.1)
    for p in rbm.parameters():
        p.grad = tinydl.zeros_like(p)
    optimizer.step()
    W, c, b, _ = arrays(rbm)
    assert np.allclose(W, before[0] * 0.95) and np.array_equal(c, before[1]) and np.array_equal(b, before[2])


def test_sparsity_pulls_the_activity_to_its_target():
    x = bits(200)
    shares = []
    for sparsity in (None, 0.1):
        tinydl.manual_seed(0)
        rbm = RBM(16, 12)
        step = ContrastiveDivergence(rbm, hintons_sgd(rbm, 0.05), sparsity=sparsity, sparsity_cost=5.0)
        Trainer(step, DataLoader(TensorDataset(x), 20, seed=0)).fit(30)
        shares.append(rbm.prob_hidden(x).mean().item())
    assert shares[0] > 0.3 and abs(shares[1] - 0.1) < 0.07


# ---------------------------------------------------------------- likelihood
@pytest.mark.parametrize("kind, V, H", [("bernoulli", 6, 3), ("bernoulli", 3, 6), ("gaussian", 2, 4)])
def test_log_partition(kind, V, H):
    rbm = build(kind, V, H, dtype="float32")
    if kind == "bernoulli":
        expected = np.log(np.exp(-energies(rbm, states(V), states(H))).sum())
    else:  # a Gaussian integral for each h, by numbers
        axis = np.linspace(-12, 12, 601)
        grid = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
        expected = np.log(np.exp(-energies(rbm, grid, states(H))).sum() * (axis[1] - axis[0]) ** 2)
    assert rbm.log_partition() == pytest.approx(expected, abs=1e-5)
    assert rbm.log_partition(chunk=3) == pytest.approx(expected, abs=1e-5)


def test_probabilities_sum_to_one():
    rbm = build(V=7, H=3)
    assert np.exp(rbm.log_likelihood(tinydl.tensor(states(7))).numpy()).sum() == pytest.approx(1)


def test_too_many_states_are_refused():
    with pytest.raises(ValueError, match=r"2\*\*26 states are too many .*; use ais\(\)"):
        RBM(30, 26).log_partition()


def test_pseudo_likelihood_is_on_average_the_exact_one():
    rbm = build(V=4, H=3)
    v = states(4)
    log_p = np.log(np.exp(-energies(rbm, v, states(3))).sum(1))
    flipped = np.stack([[log_p[i ^ (8 >> j)] for j in range(4)] for i in range(16)])
    exact = -np.log1p(np.exp(flipped - log_p[:, None])).sum(1)
    rows = tinydl.tensor(np.repeat(v, 4000, 0))
    found = rbm.pseudo_likelihood(rows, tinydl.Generator().manual_seed(0)).numpy().reshape(16, 4000)
    assert np.all(np.abs(found.mean(1) - exact) < 5 * found.std(1) / np.sqrt(4000) + 1e-9)


@pytest.mark.parametrize("kind", ["bernoulli", "gaussian"])
def test_annealed_importance_sampling_agrees_with_the_sum(kind):
    rbm = build(kind, V=10, H=6, dtype="float32", scale=0.5)
    exact = rbm.log_partition()
    g = tinydl.Generator().manual_seed(0)
    for base in (None, tinydl.full((10,), 0.3)):
        found = rbm.ais(300, chains=200, base=base, generator=g)
        assert found.low < exact < found.high
        assert found.high - found.low < 0.5 and found.low < found.value < found.high


def test_annealed_importance_sampling_of_a_model_without_weights_is_exact():
    rbm = build(V=8, H=5)
    with tinydl.no_grad():
        rbm.weight.zero_()
        rbm.hbias.zero_()
    found = rbm.ais(5, chains=3)
    assert found.value == pytest.approx(rbm.log_partition(), abs=1e-9)
    assert found.high - found.low < 1e-9


# ---------------------------------------------------------------- learning
@pytest.mark.parametrize(
    "step_type, lr, momentum", [(ContrastiveDivergence, 0.02, 0.9), (PersistentContrastiveDivergence, 0.05, 0.5)]
)
def test_the_exact_likelihood_rises(step_type, lr, momentum):
    x = bits(300)
    tinydl.manual_seed(0)
    rbm = RBM(16, 6).fit_biases(x)
    independent = rbm.log_likelihood(x).mean().item()
    likelihoods = []

    class Likelihood(Callback):
        def on_epoch_end(self, run):
            likelihoods.append(rbm.log_likelihood(x).mean().item())

    batches = DataLoader(TensorDataset(x), 10, shuffle=True, seed=0)
    Trainer(step_type(rbm, hintons_sgd(rbm, lr, momentum)), batches, Likelihood()).fit(30)
    # the noise alone costs 16 * 0.325 nats and which halves are on 2 * log 2: no model does better than -6.6 on average
    # (the noise of the samples lets it swing by some tenths)
    assert independent < -10.9 and likelihoods[-1] > -8.2
    assert likelihoods[0] < likelihoods[4] < likelihoods[-1]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("step_type", [ContrastiveDivergence, PersistentContrastiveDivergence])
def test_on_digits_the_exact_likelihood_rises_and_ais_agrees(step_type, seed):
    """Of test digits in bits, 12 hidden units, at a rate that falls to nothing; log Z by the sum over all states."""
    pytest.importorskip("sklearn")
    from tinydl.data.datasets import Digits

    x, test = (
        (next(iter(DataLoader(part, len(part))))[0].flatten(1) > 0.5).float()
        for part in (Digits(train=True), Digits(train=False))
    )
    tinydl.manual_seed(seed)
    rbm = RBM(64, 12).fit_biases(x)
    likelihoods = [rbm.log_likelihood(test).mean().item()]
    optimizer = hintons_sgd(rbm, 0.1)
    falling = Schedule(tinydl.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, 20))
    run = Trainer(step_type(rbm, optimizer), DataLoader(TensorDataset(x), 20, shuffle=True, seed=seed), falling)
    for epoch in (5, 20):
        run.fit(epoch)
        likelihoods.append(rbm.log_likelihood(test).mean().item())
    exact, found = rbm.log_partition(), rbm.ais(1000, chains=100)
    figures = (
        f"seed {seed}: log p {likelihoods[0]:.2f} -> {likelihoods[-1]:.2f} nats, AIS off by {found.value - exact:+.3f}"
    )
    print(step_type.__name__, figures)
    assert likelihoods == sorted(likelihoods) and likelihoods[-1] > likelihoods[0] + 4
    assert found.low < exact < found.high and abs(found.value - exact) < 0.2


def test_momentum_is_raised():
    run = trainer(ContrastiveDivergence, False)
    run.fit(3)
    assert {g["momentum"] for g in run.step.optimizer.param_groups} == {0.5}
    run.fit(4)
    assert {g["momentum"] for g in run.step.optimizer.param_groups} == {0.9}


def test_gaussian_units_learn_two_clusters_and_their_width():
    rng = np.random.default_rng(0)
    which = rng.integers(0, 2, (600, 1)) * 2 - 1
    x = tinydl.tensor((1.5 * which + 0.4 * rng.standard_normal((600, 3))).astype(np.float32))
    tinydl.manual_seed(1)
    rbm = RBM(3, 4, "gaussian", learn_sigma=True).fit_biases(x)
    before = rbm.log_likelihood(x).mean().item()
    step = ContrastiveDivergence(rbm, tinydl.optim.Adam(rbm.parameters(), 0.01), k=5)
    Trainer(step, DataLoader(TensorDataset(x), 50, shuffle=True, seed=0)).fit(60)
    # of the true model: log 2 for the cluster, and the entropy of the noise
    best = -np.log(2) - 3 * (np.log(0.4) + 0.5 * np.log(2 * np.pi * np.e))
    assert before < best - 1.5 and rbm.log_likelihood(x).mean().item() > best - 0.25
    assert np.allclose(np.exp(rbm.log_var.numpy(force=True) / 2), 0.4, atol=0.1)


def trainer(step_type, generator, *callbacks):
    tinydl.manual_seed(3)
    rbm = RBM(16, 6)
    options = {"generator": tinydl.Generator().manual_seed(9)} if generator else {}
    optimizer = hintons_sgd(rbm)
    step = step_type(rbm, optimizer, sparsity=0.3, **options)
    batches = DataLoader(TensorDataset(bits(60)), 20, shuffle=True, seed=1)
    return Trainer(step, batches, RaiseMomentum(optimizer, epoch=3), *callbacks)


@pytest.mark.parametrize("step_type", [ContrastiveDivergence, PersistentContrastiveDivergence])
@pytest.mark.parametrize("generator", [False, True])
def test_a_resumed_run_is_bit_equal(tmp_path, step_type, generator):
    whole = trainer(step_type, generator)
    whole.fit(4)
    trainer(step_type, generator, Checkpoint(tmp_path)).fit(2)
    tinydl.rand(7)
    second = trainer(step_type, generator, Checkpoint(tmp_path))
    second.callbacks[-1].resume(second)
    second.fit(4)
    assert whole.history == second.history
    for a, b in zip(whole.step.rbm.parameters(), second.step.rbm.parameters()):
        assert np.array_equal(a.numpy(force=True), b.numpy(force=True))
    for name, value in whole.step.kept.items():
        assert np.array_equal(value.numpy(), second.step.kept[name].numpy())


def test_a_state_of_another_step_is_refused():
    rbm = build(dtype="float32")
    state = PersistentContrastiveDivergence(rbm, hintons_sgd(rbm), chains=4).state_dict()
    with pytest.raises(ValueError, match=r"expected states of \['optimizer', 'rbm'\], got \['kept', 'opt"):
        ContrastiveDivergence(rbm, hintons_sgd(rbm)).load_state_dict(state)
    with pytest.raises(ValueError, match=r"kept.chains: the state has shape \(4, 4\), here it is \(5, 4\)"):
        PersistentContrastiveDivergence(rbm, hintons_sgd(rbm), chains=5).load_state_dict(state)


def test_wrong_calls_are_refused():
    rbm = build()
    with pytest.raises(ValueError, match=r"RBM.visible_energy: expected \(N, 5\), got \(2, 6\)"):
        rbm.free_energy(tinydl.zeros(2, 6))
    with pytest.raises(ValueError, match=r"visible_units must be 'bernoulli' or 'gaussian', got 'relu'"):
        RBM(2, 2, "relu")
    with pytest.raises(ValueError, match="only Gaussian visible units have a sigma"):
        RBM(2, 2, sigma=2.0)
    with pytest.raises(ValueError, match="betas must rise from 0 to 1"):
        rbm.ais(tinydl.tensor([0.0, 0.5]))
    with pytest.raises(ValueError, match="it is of binary visible units"):
        build("gaussian").pseudo_likelihood(tinydl.zeros(2, 5))
    with pytest.raises(ValueError, match="k must be at least 1, got 0"):
        ContrastiveDivergence(rbm, hintons_sgd(rbm), 0)


@pytest.mark.parametrize("kind", KINDS)
def test_float32_stays_float32(kind):
    rbm = build(kind, dtype="float32")
    v = tinydl.tensor(some_v(rbm))
    h = rbm.sample_hidden(v)
    values = (
        rbm.energy(v, h),
        rbm.free_energy(v),
        rbm.hidden_free_energy(h),
        rbm.gibbs(v),
        *rbm.gradients(v, h).values(),
    )
    assert {x.dtype.name for x in values} == {"float32"}


# ---------------------------------------------------------------- in scikit-learn's manner
@pytest.mark.parametrize("persistent", [True, False])
def test_estimator_learns(persistent):
    x = bits(300).numpy()
    model = BernoulliRBM(8, learning_rate=0.2, batch_size=20, n_iter=40, random_state=0, persistent=persistent).fit(x)
    flat = BernoulliRBM(8, learning_rate=0.0, batch_size=20, n_iter=1, random_state=0).fit(x)
    assert model.score_samples(x).mean() > flat.score_samples(x).mean() + 3
    assert model.components_.shape == (8, 16) and model.components_.dtype == np.float32
    assert model.transform(x).shape == (300, 8) and isinstance(model.transform(x), np.ndarray)
    assert isinstance(model.transform(tinydl.tensor(x)), tinydl.Tensor)
    again = BernoulliRBM(8, learning_rate=0.2, batch_size=20, n_iter=40, random_state=0, persistent=persistent).fit(x)
    assert np.array_equal(model.components_, again.components_)


def test_estimator_transforms_as_scikit_learns_with_the_same_weights():
    sklearn = pytest.importorskip("sklearn.neural_network")
    x = bits(50).numpy()
    mine = BernoulliRBM(5, n_iter=2, random_state=0).fit(x)
    theirs = sklearn.BernoulliRBM(5, n_iter=1, random_state=0).fit(x)
    theirs.components_, theirs.intercept_hidden_ = mine.components_, mine.intercept_hidden_
    theirs.intercept_visible_ = mine.intercept_visible_
    assert np.allclose(mine.transform(x), theirs.transform(x), atol=1e-6)
    many = np.tile(x, (40, 1))
    assert mine.score_samples(many).mean() == pytest.approx(theirs.score_samples(many).mean(), abs=0.15)


def test_estimator_in_a_pipeline_of_scikit_learns():
    pytest.importorskip("sklearn")
    from sklearn.base import clone
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    x = bits(200).numpy()
    y = x[:, :8].mean(1) > 0.5
    model = make_pipeline(clone(BernoulliRBM(6, n_iter=5, random_state=0)), LogisticRegression())
    assert model.fit(x, y).score(x, y) > 0.95


def test_estimator_goes_on_and_refuses():
    x = bits(40).numpy()
    model = BernoulliRBM(4, random_state=0)
    with pytest.raises(RuntimeError, match="nothing was learned yet"):
        model.transform(x)
    first = model.partial_fit(x).components_.copy()
    assert not np.array_equal(first, model.partial_fit(x).components_)
    with pytest.raises(ValueError, match="X has 3 columns, what was learned 16"):
        model.transform(x[:, :3])
    with pytest.raises(ValueError, match=r"expected X within \[0, 1\]"):
        model.fit(x * 2)
    with pytest.raises(ValueError, match="no such argument: layers"):
        model.set_params(layers=2)
