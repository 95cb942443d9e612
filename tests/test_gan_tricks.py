"""Tricks of adversarial games, each tested for what it does."""

import numpy as np
import pytest

import tinydl
from tinydl import nn, optim
from tinydl.testing import gradcheck
from tinydl.train import Adversarial, HistoricalAverage, InstanceNoise, Replay
from tinydl.train.gan_tricks import Tricks, follow

RNG = np.random.default_rng(0)


def rows(first, n, columns=2):
    """n distinct rows, which begin with `first`, first + 1, ..."""
    return tinydl.arange(float(first), float(first + n)).unsqueeze(1).repeat(1, columns)


# ---------------------------------------------------------------- layers
def test_closeness_in_a_batch_is_the_papers():
    layer = nn.MinibatchDiscrimination(3, 4, 2).to("float64")
    x = RNG.standard_normal((5, 3))
    m = np.einsum("ni,ibk->nbk", x, layer.weight.numpy(force=True))
    expected = np.zeros((5, 4))
    for i in range(5):
        for j in range(5):
            expected[i] += np.exp(-np.abs(m[i] - m[j]).sum(1)) / 5
    y = layer(tinydl.tensor(x)).numpy(force=True)
    np.testing.assert_allclose(y, np.concatenate([x, expected], 1), rtol=1e-9)
    gradcheck(closeness, (tinydl.tensor(x, requires_grad=True), layer.weight))


def closeness(x, w):
    layer = nn.MinibatchDiscrimination(*w.shape).to("float64")
    return tinydl.func.functional_call(layer, {"weight": w}, (x,))


def test_a_collapsed_batch_gives_itself_away():
    tinydl.manual_seed(0)
    layer = nn.MinibatchDiscrimination(2, 3)
    spread, collapsed = tinydl.randn(50, 2), tinydl.randn(1, 2).repeat(50, 1)
    close = [layer(x)[:, 2:].mean().item() for x in (spread, collapsed)]
    assert close[1] == pytest.approx(1, rel=1e-5) and close[0] < 0.5
    with pytest.raises(ValueError, match=r"expected input \(N, 2\), got \(4, 3\); flatten it"):
        layer(tinydl.ones(4, 3))


def by_reference(reference, x, eps=1e-5):
    """Each sample of x normalised by the moments of the reference batch with that sample, by plain loops."""
    axes = tuple(i for i in range(x.ndim) if i != 1)
    out = np.empty_like(x)
    for i, one in enumerate(x):
        # the sample weighs as one of R + 1, which is the plain mean over the batch that it joins
        both = np.concatenate([reference, one[None]])
        mean, var = both.mean(axes, keepdims=True), both.var(axes, keepdims=True)
        out[i] = ((one[None] - mean) / np.sqrt(var + eps))[0]
    return out


@pytest.mark.parametrize("layer, shape", [(nn.VirtualBatchNorm1d, ()), (nn.VirtualBatchNorm2d, (4, 3))])
def test_virtual_batch_norm_is_that_of_the_reference_with_each_sample(layer, shape):
    reference, x = RNG.standard_normal((6, 2, *shape)) * 3 + 1, RNG.standard_normal((4, 2, *shape))
    norm = layer(2, reference=6).to("float64")
    net = nn.Referenced(norm, tinydl.tensor(reference))
    np.testing.assert_allclose(net(tinydl.tensor(x)).numpy(force=True), by_reference(reference, x), rtol=1e-9)
    axes = tuple(i for i in range(x.ndim) if i != 1)
    own = norm(tinydl.tensor(reference)).numpy(force=True)
    assert np.allclose(own.mean(axes), 0) and np.allclose(own.var(axes), 1, atol=1e-4)
    gradcheck(net, (tinydl.tensor(x, requires_grad=True),))
    gradcheck(norm, (tinydl.tensor(np.concatenate([reference, x]), requires_grad=True),))


def test_samples_do_not_depend_on_their_batch():
    """What batch norm lacks (Salimans et al. 2016, figure 4)."""
    tinydl.manual_seed(0)
    x = tinydl.randn(8, 3, 4, 4)

    def network(*norm):
        tinydl.manual_seed(1)
        return nn.Sequential(nn.Conv2d(3, 5, 3), *norm, nn.ReLU(), nn.Flatten())

    virtual = nn.Referenced(network(nn.VirtualBatchNorm2d(5, reference=6)), tinydl.randn(6, 3, 4, 4))
    for net, alone in ((virtual, True), (network(nn.BatchNorm2d(5)), False)):
        assert np.allclose(net(x)[:2].numpy(force=True), net(x[:2]).numpy(force=True), atol=1e-5) == alone
    assert "reference" in virtual.state_dict() and len(list(virtual.parameters())) == 4


def test_virtual_batch_norm_refuses_what_it_cannot_use():
    norm = nn.VirtualBatchNorm2d(3, reference=4)
    with pytest.raises(ValueError, match="expected 4D input of 3 channels"):
        norm(tinydl.ones(5, 2, 3, 3))
    with pytest.raises(ValueError, match="2 samples came, of which 4 should be the reference; see nn.Referenced"):
        norm(tinydl.ones(2, 3, 2, 2))
    with pytest.raises(ValueError, match="reference must be at least 1"):
        nn.VirtualBatchNorm1d(3, reference=0)


# ---------------------------------------------------------------- tricks
def test_noise_fades_to_nothing():
    tinydl.manual_seed(0)
    noise, x = InstanceNoise(2.0, steps=4), tinydl.zeros(20_000)
    deviations = []
    for _ in range(6):
        deviations.append(noise.look(x).numpy().std())
        noise.after(None)
    np.testing.assert_allclose(deviations, [2, 1.5, 1, 0.5, 0, 0], rtol=0.03)
    assert noise.look(x) is x


def test_noise_is_on_all_that_the_discriminator_sees():
    tinydl.manual_seed(0)
    seen = []

    class Eye(nn.Linear):
        def forward(self, x):
            seen.append(x.numpy(force=True))
            return super().forward(x)

    generator, discriminator = nn.Linear(2, 2), Eye(2, 1)
    tinydl.nn.init.zeros_(generator.weight)
    tinydl.nn.init.zeros_(generator.bias)
    step = Adversarial(
        generator, discriminator, optim.SGD(generator.parameters(), lr=0.0),
        optim.SGD(discriminator.parameters(), lr=0.0), latent=2, tricks=[InstanceNoise(3.0, 1000)],
    )  # fmt: skip
    step(tinydl.zeros(5000, 2))
    assert [x.std() for x in seen] == pytest.approx([3.0] * 3, rel=0.03)  # real; fake; the generator's turn


def test_replay_gives_half_a_batch_of_the_past():
    tinydl.manual_seed(0)
    replay = Replay(16)
    (first,) = replay.fakes(rows(0, 8))
    assert np.array_equal(first.numpy(), rows(0, 8).numpy())
    for turn in range(1, 6):
        (mixed,) = replay.fakes(rows(100 * turn, 8))
        ages = mixed[:, 0].numpy() // 100
        assert len(mixed) == 8 and (ages == turn).sum() == 4 and len(np.unique(mixed[:, 0].numpy())) == 8
    assert len(replay.past[0]) == 16  # full: later ones took the places of some
    assert {0, 1, 2, 3, 4, 5} >= set(replay.past[0][:, 0].numpy() // 100) > {5}


def test_replay_keeps_conditions_with_their_samples():
    tinydl.manual_seed(0)
    replay = Replay(4)
    for turn in range(3):
        samples, labels = replay.fakes(rows(10 * turn, 6), tinydl.arange(10.0 * turn, 10.0 * turn + 6))
        assert np.array_equal(samples[:, 0].numpy(), labels.numpy())


def test_the_historical_average_is_the_mean_of_the_past():
    tinydl.manual_seed(0)
    trick, player = HistoricalAverage(0.5), nn.Linear(2, 1)
    step = type("Step", (), {"generator": player, "discriminator": nn.Linear(1, 1)})
    assert trick.cost("generator", player) == 0
    past = []
    for i in range(4):
        with tinydl.no_grad():
            player.weight.fill_(float(i * i))
        past.append(player.weight.numpy(force=True).copy())
        trick.after(step)
    mean = np.mean(past, 0)
    np.testing.assert_allclose(trick.means["generator"][0].numpy(), mean, rtol=1e-6)
    cost = trick.cost("generator", player)
    assert cost.item() == pytest.approx(0.5 * np.square(past[-1] - mean).sum(), rel=1e-5)
    cost.backward()
    np.testing.assert_allclose(player.weight.grad.numpy(), past[-1] - mean, rtol=1e-5)


def test_the_historical_average_damps_an_orbit():
    """min over x, max over y of x y: gradient descent by turns circles the answer; with the average it comes nearer."""

    class Number(nn.Module):
        def __init__(self):
            super().__init__()
            self.at = nn.Parameter(tinydl.ones(1))

        def forward(self, x):
            return x * self.at

    class Product:
        relative, features, penalty = False, None, None

        def discriminator(self, real, fake):
            return -fake.mean()

        def generator(self, fake):
            return fake.mean()

        def constrain(self, discriminator):
            pass

    def distance(*tricks):
        x, y = Number(), Number()
        optimizers = (optim.SGD(player.parameters(), lr=0.1) for player in (x, y))
        step = Adversarial(x, y, *optimizers, Product(), latent=lambda n: tinydl.ones(n, 1), tricks=tricks)
        for _ in range(300):
            step(tinydl.ones(1, 1))
        return float(np.hypot(x.at.item(), y.at.item()))

    assert distance() > 1 and distance(HistoricalAverage(0.1)) < 0.1


def test_tricks_apply_in_order_and_keep_their_states():
    tricks = Tricks(InstanceNoise(0.5, 10), Replay(4))
    tricks.fakes(rows(0, 3))
    tricks.after(None)
    fresh = Tricks(InstanceNoise(0.5, 10), Replay(4))
    fresh.load_state_dict(tricks.state_dict())
    assert fresh.tricks[0].sigma == tricks.tricks[0].sigma == 0.45
    assert np.array_equal(fresh.tricks[1].past[0].numpy(), rows(0, 3).numpy())
    with pytest.raises(ValueError, match=r"expected states of \['0-Replay'\], got \['0-InstanceNoise', '1-Replay'\]"):
        Tricks(Replay(4)).load_state_dict(tricks.state_dict())


def test_the_average_follows():
    average, model = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
    with tinydl.no_grad():
        model.weight.fill_(3.0)
        model.running_mean.fill_(7.0)
    for _ in range(2):
        follow(average, model, 0.5)
    assert (average.weight == 2.5).all() and (average.running_mean == 7).all()  # 1 -> 2 -> 2.5


def test_spectral_norm_keeps_the_critics_slope_below_one():
    """Linear and ReLU layers of norm 1: no slope is larger (Miyato et al. 2018)."""
    tinydl.manual_seed(0)
    norm = nn.utils.parametrizations.spectral_norm
    critic = nn.Sequential(
        norm(nn.Linear(2, 32)), nn.ReLU(), norm(nn.Linear(32, 32)), nn.ReLU(), norm(nn.Linear(32, 1))
    )
    generator = nn.Linear(2, 2)
    step = Adversarial(
        generator, critic, optim.Adam(generator.parameters(), lr=1e-3), optim.Adam(critic.parameters(), lr=1e-2),
        "hinge", latent=2,
    )  # fmt: skip
    for _ in range(30):
        step(tinydl.randn(32, 2) + 3)
    critic.eval()
    x = (3 * tinydl.randn(500, 2)).requires_grad_()
    critic(x).sum().backward()
    slopes = np.linalg.norm(x.grad.numpy(), axis=1)
    assert 0.3 < slopes.max() < 1.02
