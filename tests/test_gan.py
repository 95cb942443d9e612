"""The adversarial game: PyTorch, closed forms and finite differences judge; runs go on bit-equal."""

import os
from copy import deepcopy

import numpy as np
import pytest
from oracle import oracle

import tinydl
from tinydl import nn, optim
from tinydl.data import DataLoader, TensorDataset
from tinydl.train import (
    Adversarial,
    Checkpoint,
    FeatureMatching,
    HistoricalAverage,
    InstanceNoise,
    Minimax,
    NonSaturating,
    Replay,
    Trainer,
    Unrolled,
    Wasserstein,
    WassersteinGP,
)
from tinydl.train.gan_losses import between, gradient_norms

SEEDS = range(int(os.environ.get("TINYDL_SEEDS", "1")))
RNG = np.random.default_rng(0)
POINTS = RNG.standard_normal((32, 2)).astype(np.float32)


def networks(latent=3, hidden=16, dtype="float32"):
    generator = nn.Sequential(nn.Linear(latent, hidden), nn.Tanh(), nn.Linear(hidden, 2))
    discriminator = nn.Sequential(nn.Linear(2, hidden), nn.Tanh(), nn.Linear(hidden, 1))
    return generator.to(dtype), discriminator.to(dtype)


def game(step=Adversarial, seed=0, optimizer=optim.Adam, lr=0.01, dtype="float32", **options):
    tinydl.manual_seed(seed)
    players = networks(dtype=dtype)
    options = {"latent": 3, **options}
    return step(*players, *(optimizer(p.parameters(), lr=lr) for p in players), **options)


def values(module):
    return [p.numpy(force=True).copy() for p in module.parameters()]


# ---------------------------------------------------------------- the game, against PyTorch
def torchs(torch, module):
    """The same network of Linear and Tanh layers in PyTorch."""
    layers = [
        torch.nn.Linear(m.in_features, m.out_features) if isinstance(m, nn.Linear) else torch.nn.Tanh() for m in module
    ]
    twin = torch.nn.Sequential(*layers).to(torch.float64 if module[0].weight.dtype == np.float64 else torch.float32)
    twin.load_state_dict({k: torch.tensor(v.numpy()) for k, v in module.state_dict().items()})
    return twin


@pytest.mark.parametrize("d_steps, g_steps", [(1, 1), (2, 1), (1, 2)])
def test_plays_as_algorithm_1(d_steps, g_steps):
    torch = oracle()
    zs = iter(z := RNG.standard_normal((20, 8, 3)))
    step = game(latent=lambda n: tinydl.tensor(next(zs)[:n]), dtype="float64", d_steps=d_steps, g_steps=g_steps)
    generator, discriminator = torchs(torch, step.generator), torchs(torch, step.discriminator)
    g_optimizer, d_optimizer = (torch.optim.Adam(p.parameters(), lr=0.01) for p in (generator, discriminator))
    draws, bce = iter(torch.tensor(z)), torch.nn.functional.binary_cross_entropy_with_logits
    for i, x in enumerate(POINTS.astype(np.float64).reshape(4, 8, 2), 1):
        figures = step([tinydl.tensor(x)])
        d_real, d_fake = discriminator(torch.tensor(x)), discriminator(generator(next(draws)).detach())
        d_loss = bce(d_real, torch.ones_like(d_real)) + bce(d_fake, torch.zeros_like(d_fake))
        d_optimizer.zero_grad()
        d_loss.backward()
        d_optimizer.step()
        assert figures["d_loss"] == pytest.approx(d_loss.item(), rel=1e-7)
        for _ in range(g_steps if i % d_steps == 0 else 0):
            d_fake = discriminator(generator(next(draws)))
            g_loss = bce(d_fake, torch.ones_like(d_fake))
            g_optimizer.zero_grad()
            g_loss.backward()
            g_optimizer.step()
            last = g_loss.item()
        assert ("g_loss" in figures) == (i % d_steps == 0)
        assert figures.get("g_loss", last if i >= d_steps else None) == (pytest.approx(last) if i >= d_steps else None)
    for mine, theirs in ((step.generator, generator), (step.discriminator, discriminator)):
        for a, b in zip(values(mine), theirs.parameters()):
            np.testing.assert_allclose(a, b.detach().numpy(), rtol=1e-7, atol=1e-10)


def test_the_generators_turn_leaves_the_discriminator_alone():
    step = game()
    x = tinydl.tensor(POINTS)
    before = values(step.discriminator)
    step.learn_generator(x, [])
    assert all(np.array_equal(a, b) for a, b in zip(before, values(step.discriminator)))
    assert all(p.grad is None and p.requires_grad for p in step.discriminator.parameters())
    before = values(step.generator)
    step.learn_discriminator(x, [])
    assert all(np.array_equal(a, b) for a, b in zip(before, values(step.generator)))


def test_conditions_reach_both_networks():
    class Conditional(nn.Module):
        def __init__(self, inside):
            super().__init__()
            self.inside, self.seen = inside, []

        def forward(self, x, label):
            self.seen.append(label.numpy().copy())
            return self.inside(x) * label.unsqueeze(1)

    players = [Conditional(each) for each in networks()]
    step = Adversarial(
        *players, *(optim.SGD(p.parameters(), lr=0.1) for p in players), latent=3, conditional=True, tricks=[Replay(8)]
    )
    labels = tinydl.arange(1.0, 33.0)
    for _ in range(2):
        step([tinydl.tensor(POINTS), labels])
    assert all(np.array_equal(seen, labels.numpy()) for seen in players[0].seen)
    real, mixed = players[1].seen[3:5]  # what the discriminator learnt from at its second turn
    assert np.array_equal(real, labels.numpy()) and sorted(mixed[24:]) == list(range(1, 9)) and len(mixed) == 32
    assert step.sample(2, labels[:2], z=tinydl.zeros(2, 3)).shape == (2, 2)


def test_features_are_matched():
    tinydl.manual_seed(0)
    generator, discriminator = networks()
    loss = FeatureMatching(discriminator[:-1], NonSaturating(0.9))
    step = Adversarial(
        generator, discriminator, optim.SGD(generator.parameters(), lr=0.1),
        optim.SGD(discriminator.parameters(), lr=0.1), loss, latent=lambda n: tinydl.ones(n, 3),
    )  # fmt: skip
    x = tinydl.tensor(POINTS)
    expected = np.square(
        (loss.features(generator(tinydl.ones(1, 3))) - loss.features(x).mean(0)).numpy(force=True)
    ).sum()
    assert step.learn_generator(x, [])["g_loss"] == pytest.approx(float(expected), rel=1e-4)
    scores = tinydl.randn(7, 1), tinydl.randn(5, 1)
    assert loss.discriminator(*scores).item() == Minimax(0.9).discriminator(*scores).item()


def test_the_average_is_drawn_from():
    step = game(average=0.75, lr=0.1)
    start = values(step.generator)
    step([tinydl.tensor(POINTS)])
    for a, p, first in zip(values(step.average), values(step.generator), start):
        np.testing.assert_allclose(a, 0.75 * first + 0.25 * p, rtol=1e-5, atol=1e-6)
    z = tinydl.randn(4, 3)
    assert (step.sample(4, z=z) == step.average(z)).all() and not (step.sample(4, z=z) == step.generator(z)).all()


def test_wrong_arguments_are_refused():
    for options, text in (
        ({"d_steps": 0}, "d_steps and g_steps of at least 1, got 0 and 1"),
        ({"average": 1.0}, "a decay in"),
        ({"loss": "hing"}, "there is no loss 'hing'; there are minimax, non-saturating"),
    ):
        with pytest.raises(ValueError, match=text):
            game(**options)
    with pytest.raises(TypeError, match="expected Trick objects, got int"):
        game(tricks=[3])
    with pytest.raises(ValueError, match="unroll >= 0"):
        game(Unrolled, unroll=-1)
    for wrong in (lambda: Wasserstein(0.0), lambda: Minimax(1.5), lambda: InstanceNoise(steps=0), lambda: Replay(0)):
        with pytest.raises(ValueError):
            wrong()


# ---------------------------------------------------------------- unrolled
@pytest.mark.parametrize("optimizer", [optim.SGD, optim.Adam], ids=lambda o: o.__name__)
def test_the_gradient_goes_through_the_discriminators_own_steps(optimizer):
    z, real = tinydl.tensor(RNG.standard_normal((6, 3))), tinydl.tensor(RNG.standard_normal((6, 2)))
    step = game(Unrolled, unroll=3, optimizer=optimizer, lr=0.05, dtype="float64", latent=lambda n: z)
    for _ in range(2):  # so that moments are not zero
        step([real])

    def foreseen():
        """The generator's loss after three plain steps of a copy of the discriminator."""
        copy, holder = deepcopy(step.discriminator), optimizer(step.discriminator.parameters(), lr=0.05)
        holder.load_state_dict(deepcopy(step.d_optimizer.state_dict()))
        plain = Adversarial(
            step.generator, copy, step.g_optimizer, optimizer(copy.parameters(), lr=0.05), latent=step.latent
        )
        plain.d_optimizer.load_state_dict(holder.state_dict())
        for _ in range(3):
            plain.learn_discriminator(real, [])
        return plain.generator_loss(copy, (real,), (step.generator(z),)).item()

    p, before, h = step.generator[0].weight, values(step.discriminator), 1e-5
    with tinydl.no_grad():
        slopes = np.zeros(p.shape)
        for at in np.ndindex(*p.shape[:1], 2):
            for sign in (1, -1):
                p[at] += sign * h
                with tinydl.enable_grad():
                    slopes[at] += sign * foreseen() / (2 * h)
                p[at] -= sign * h
    loss = step.learn_generator(real, [])["g_loss"]
    np.testing.assert_allclose(p.grad.numpy()[:, :2], slopes[:, :2], rtol=1e-4, atol=1e-8)
    assert all(np.array_equal(a, b) for a, b in zip(before, values(step.discriminator)))
    assert loss != pytest.approx(game(dtype="float64").learn_generator(real, [])["g_loss"])


def test_unrolling_nothing_is_the_plain_game():
    plain, unrolled = game(), game(Unrolled, unroll=0)
    for step in (plain, unrolled):
        tinydl.manual_seed(1)
        for _ in range(3):
            step([tinydl.tensor(POINTS)])
    assert all(np.array_equal(a, b) for a, b in zip(values(plain.generator), values(unrolled.generator)))


# ---------------------------------------------------------------- checkpoints
def flat(state, path=""):
    """(path, value) of all that a state holds."""
    if isinstance(state, (dict, list, tuple)):
        for key, part in state.items() if isinstance(state, dict) else enumerate(state):
            yield from flat(part, f"{path}.{key}")
    else:
        yield path, state.numpy(force=True) if isinstance(state, tinydl.Tensor) else state


GAMES = {
    "plain": {},
    "tricks": {"average": 0.9, "tricks": lambda: [InstanceNoise(0.5, 30), Replay(40), HistoricalAverage(0.1)]},
    "wgan": {"loss": "wasserstein-gp", "d_steps": 3},
    "unrolled": {"step": Unrolled, "unroll": 2},
}


@pytest.mark.parametrize("kind", GAMES)
def test_a_resumed_game_is_bit_equal(tmp_path, kind):
    def run(*callbacks):
        options = dict(GAMES[kind])
        if "tricks" in options:
            options["tricks"] = options["tricks"]()
        data = DataLoader(TensorDataset(tinydl.tensor(POINTS)), batch_size=8, shuffle=True, seed=1)
        return Trainer(game(**options), data, *callbacks)

    whole = run(Checkpoint(tmp_path / "whole"))
    whole.fit(4)
    run(Checkpoint(tmp_path / "half")).fit(2)
    tinydl.rand(7)
    second = run(Checkpoint(tmp_path / "half"))
    second.callbacks[0].resume(second)
    second.fit(4)
    assert second.history == whole.history
    for a, b in zip(values(whole.step.generator), values(second.step.generator)):
        assert np.array_equal(a, b)
    ends = [dict(flat(run.step.state_dict())) for run in (whole, second)]
    assert ends[0].keys() == ends[1].keys() and len(ends[0]) > 20
    assert all(np.array_equal(ends[0][name], ends[1][name]) for name in ends[0])


# ---------------------------------------------------------------- evidence
class Fixed(nn.Module):
    """A generator of known density, N(mean, std^2)."""

    def __init__(self, mean, std):
        super().__init__()
        self.mean, self.std = nn.Parameter(tinydl.tensor([mean])), nn.Parameter(tinydl.tensor([std]))

    def forward(self, z):
        return self.mean + self.std * z


def density(x, mean, std):
    return np.exp(-0.5 * ((x - mean) / std) ** 2) / (std * np.sqrt(2 * np.pi))


@pytest.mark.parametrize("seed", SEEDS)
def test_the_discriminator_learns_p_over_p_plus_q(seed):
    """Data from two normals, fakes from one between: D* = p / (p + q) is known (Goodfellow 2014, proposition 1)."""
    tinydl.manual_seed(seed)
    rng = np.random.default_rng(seed)
    x = (rng.choice([-2.0, 2.0], 40_000) + 0.6 * rng.standard_normal(40_000)).astype(np.float32)[:, None]
    generator = Fixed(0.0, 1.5)
    discriminator = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1))
    step = Adversarial(
        generator, discriminator, optim.SGD(generator.parameters(), lr=0.0),
        optim.Adam(discriminator.parameters(), lr=5e-3), latent=1, d_steps=1_000_000,
    )  # fmt: skip
    Trainer(step, DataLoader(TensorDataset(tinydl.tensor(x)), batch_size=400, shuffle=True, seed=seed)).fit(6)
    at = np.linspace(-6, 6, 601, dtype=np.float32)[:, None]
    p, q = (density(at, -2, 0.6) + density(at, 2, 0.6)) / 2, density(at, 0, 1.5)
    learned = tinydl.sigmoid(discriminator(tinydl.tensor(at))).numpy(force=True)
    error = float(np.average(np.abs(learned - p / (p + q)), weights=p + q))
    print(f"seed {seed}: mean |D - D*| = {error:.4f}")
    assert error < 0.05


@pytest.mark.parametrize("seed", SEEDS)
def test_the_penalised_critic_has_slope_one_between_data_and_samples(seed):
    tinydl.manual_seed(seed)
    rng = np.random.default_rng(seed)
    x = tinydl.tensor((rng.standard_normal((12_800, 2)) * 0.3 + [2.0, 0.0]).astype(np.float32))
    generator = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 2))
    critic = nn.Sequential(nn.Linear(2, 64), nn.LeakyReLU(0.2), nn.Linear(64, 64), nn.LeakyReLU(0.2), nn.Linear(64, 1))
    step = Adversarial(
        generator, critic, optim.Adam(generator.parameters(), lr=1e-4, betas=(0.0, 0.9)),
        optim.Adam(critic.parameters(), lr=2e-3, betas=(0.0, 0.9)), WassersteinGP(), latent=4, d_steps=5,
    )  # fmt: skip
    Trainer(step, DataLoader(TensorDataset(x), batch_size=128, shuffle=True, seed=seed)).fit(4)
    norms = gradient_norms(critic, between(x[:1000], step.sample(1000))).numpy(force=True)
    print(f"seed {seed}: mean gradient norm {norms.mean():.3f}, deviation {norms.std():.3f}")
    assert abs(norms.mean() - 1) < 0.1
