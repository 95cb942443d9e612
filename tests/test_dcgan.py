"""DCGAN's players against PyTorch and their paper's sizes; what its samples are worth in a classifier's eyes.

With TINYDL_SEEDS=5 the whole evidence runs: seeds 0 to 4.
"""

import os

import numpy as np
import pytest
import scipy.linalg
from digit_judge import digits, judge
from oracle import oracle

import tinydl
from tinydl import metrics, nn, optim
from tinydl.data import DataLoader, TensorDataset
from tinydl.models import DCGANDiscriminator, DCGANGenerator
from tinydl.train import Adversarial, Checkpoint, Trainer

SEEDS = range(int(os.environ.get("TINYDL_SEEDS", "1")))
RNG = np.random.default_rng(0)


# ---------------------------------------------------------------- the players
@pytest.mark.parametrize("size, start, widths", [(8, 4, [5]), (28, 7, [10, 5]), (64, 4, [40, 20, 10, 5])])
def test_the_players_are_those_of_pytorchs_scripts(size, start, widths):
    torch = oracle("torch")
    T = torch.nn
    tinydl.manual_seed(0)
    G, D = DCGANGenerator(size, 6, 3, 5), DCGANDiscriminator(size, 3, 5)
    up = [T.ConvTranspose2d(6, widths[0], start, bias=False), T.BatchNorm2d(widths[0]), T.ReLU()]
    for c, out in zip(widths, widths[1:]):
        up += T.ConvTranspose2d(c, out, 4, 2, 1, bias=False), T.BatchNorm2d(out), T.ReLU()
    down = [T.Conv2d(3, 5, 4, 2, 1), T.LeakyReLU(0.2)]
    for out, c in reversed(list(zip(widths, widths[1:]))):
        down += T.Conv2d(c, out, 4, 2, 1, bias=False), T.BatchNorm2d(out), T.LeakyReLU(0.2)
    theirs = {
        "layers": (G, T.Sequential(*up, T.ConvTranspose2d(5, 3, 4, 2, 1), T.Tanh()), (7, 6, 1, 1)),
        "features": (D, T.Sequential(*down, T.Flatten()), (7, 3, size, size)),
    }
    for name, (mine, their, shape) in theirs.items():
        their.load_state_dict(
            {k: torch.tensor(v.numpy(force=True)) for k, v in getattr(mine, name).state_dict().items()}
        )
        x = RNG.standard_normal(shape).astype(np.float32)
        for mode in (True, False):
            y = getattr(mine.train(mode), name)(tinydl.tensor(x)).numpy(force=True)
            np.testing.assert_allclose(y, their.train(mode)(torch.tensor(x)).detach().numpy(), rtol=1e-4, atol=1e-5)
    assert G(tinydl.randn(2, 6)).shape == (2, 3, size, size) and D(tinydl.randn(2, 3, size, size)).shape == (2, 1)


def test_weights_begin_as_the_paper_says():
    tinydl.manual_seed(0)
    for player in (DCGANGenerator(32, 100, 3, 16), DCGANDiscriminator(32, 3, 16)):
        for layer in player.modules():
            if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)) and layer.weight.numel() > 3000:
                assert layer.weight.std().item() == pytest.approx(0.02, rel=0.05)
            elif isinstance(layer, nn.BatchNorm2d):
                assert layer.weight.mean().item() == pytest.approx(1, abs=0.02) and not layer.bias.any()


def test_options_of_the_discriminator():
    plain = DCGANDiscriminator(16, width=4, norm=False, dropout=0.5)
    kinds = [type(layer).__name__ for layer in plain.features]
    assert kinds == ["Conv2d", "LeakyReLU", "Dropout"] * 2 + ["Flatten"] and plain.features[3].bias is not None
    assert DCGANDiscriminator(16, codes=12).recognise(tinydl.randn(5, 1, 16, 16)).shape == (5, 12)


def test_what_the_players_cannot_do_is_refused():
    for player in (DCGANGenerator, DCGANDiscriminator):
        for size in (30, 4, 7, 2, 36 * 3):
            with pytest.raises(ValueError, match=f"{player.__name__}: image_size must be .* got {size}"):
                player(size)
    label = tinydl.tensor([1, 2])
    with pytest.raises(ValueError, match="built for 0 classes; labels mean nothing here"):
        DCGANGenerator(8, 3)(tinydl.randn(2, 3), label)
    with pytest.raises(ValueError, match="built for 10 classes; labels must be given"):
        DCGANDiscriminator(8, num_classes=10)(tinydl.randn(2, 1, 8, 8))
    with pytest.raises(ValueError, match=r"expected z \(N, 3\), got \(2, 4\)"):
        DCGANGenerator(8, 3)(tinydl.randn(2, 4))
    with pytest.raises(RuntimeError, match="there are no codes; build it with codes="):
        DCGANDiscriminator(8).recognise(tinydl.randn(2, 1, 8, 8))


# ---------------------------------------------------------------- the measures
def test_the_distance_is_the_formula_with_scipys_root():
    x, y = RNG.standard_normal((50, 6)) @ RNG.standard_normal((6, 6)), RNG.standard_normal((40, 6)) + 0.5
    A, B = np.cov(x.T), np.cov(y.T)
    expected = np.square(x.mean(0) - y.mean(0)).sum() + np.trace(A + B - 2 * scipy.linalg.sqrtm(A @ B).real)
    assert metrics.frechet_distance(x, y) == pytest.approx(expected, rel=1e-9)
    assert metrics.frechet_distance(y, x) == pytest.approx(expected, rel=1e-9)
    assert metrics.frechet_distance(tinydl.tensor(x), y.astype(np.float32)) == pytest.approx(expected, rel=1e-5)


def test_the_distance_in_closed_form():
    x = RNG.standard_normal((200, 4))
    assert metrics.frechet_distance(x, x) == pytest.approx(0, abs=1e-9)
    shift = np.array([1.0, -2.0, 0.0, 0.5])
    assert metrics.frechet_distance(x, x + shift) == pytest.approx(5.25)
    root = np.trace(np.cov(x.T))  # of covariances A and 9 A: trace A (1 + 9 - 2 * 3), beside the means'
    expected = 4 * root + 4 * np.square(x.mean(0)).sum()
    assert metrics.frechet_distance(x, 3 * x) == pytest.approx(expected)
    flat = np.c_[x[:, :2], np.ones((200, 2))]  # without rank, and one number alone
    assert metrics.frechet_distance(flat, flat + shift) == pytest.approx(5.25)
    a, b = x[:, :1], 2 * x[:, 1:2]
    expected = (a.mean() - b.mean()) ** 2 + (a.std(ddof=1) - b.std(ddof=1)) ** 2
    assert metrics.frechet_distance(a, b) == pytest.approx(expected)
    for wrong in (x[:, 0], x[:, :3], x[:1]):
        with pytest.raises(ValueError, match=r"expected features \(N, D\) and \(M, D\)"):
            metrics.frechet_distance(x, wrong)


def test_purity_by_counting():
    clusters, target = RNG.integers(0, 4, 60), RNG.integers(0, 3, 60)
    most = sum(max((target[clusters == c] == k).sum() for k in range(3)) for c in range(4))
    assert metrics.purity(clusters, target) == pytest.approx(most / 60)
    assert metrics.purity((target + 1) % 3, tinydl.tensor(target)) == 1.0
    with pytest.raises(ValueError, match="purity: no samples"):
        metrics.purity(target[:0], target[:0])


# ---------------------------------------------------------------- games
def seen(images):
    """What the judge sees in pictures, and the distance is measured in: (N, 84)."""
    lenet = judge()
    return lenet.classifier[:-1](lenet.features(images)).detach()


def game(seed, width=32, latent=32, lr=1e-3):
    tinydl.manual_seed(seed)
    players = DCGANGenerator(8, latent, width=width), DCGANDiscriminator(8, width=width)
    adams = (optim.Adam(p.parameters(), lr, betas=(0.5, 0.999)) for p in players)
    return Adversarial(*players, *adams, latent=latent, average=0.99)


def test_a_resumed_game_is_bit_equal(tmp_path):
    x = tinydl.tensor(RNG.uniform(-1, 1, (48, 1, 8, 8)).astype(np.float32))

    def run(name):
        batches = DataLoader(TensorDataset(x), 16, shuffle=True, seed=1)
        return Trainer(game(0, width=4), batches, Checkpoint(tmp_path / name))

    whole = run("whole")
    whole.fit(4)
    run("half").fit(2)
    tinydl.rand(7)
    second = run("half")
    second.callbacks[0].resume(second)
    second.fit(4)
    assert second.history == whole.history
    z = tinydl.randn(5, 32)
    assert (whole.step.sample(5, z=z) == second.step.sample(5, z=z)).all()


def blurred_means(x, t):
    """Each picture replaced by the mean of its class, blurred by a normal kernel of one pixel."""
    from scipy.ndimage import gaussian_filter

    x, t = x.numpy()[:, 0], t.numpy()
    means = np.stack([gaussian_filter(x[t == k].mean(0), 1, mode="nearest") for k in range(10)])
    return tinydl.tensor(means[t][:, None])


@pytest.mark.parametrize("seed", SEEDS)
def test_samples_are_nearer_to_digits_than_blurred_means(seed):
    x, t = digits()
    held_out = seen(digits(False)[0])
    distance = lambda images: metrics.frechet_distance(seen(images), held_out)
    step = game(seed)
    Trainer(step, DataLoader(TensorDataset(x), 64, shuffle=True, seed=seed)).fit(25)
    reached, bar = distance(step.sample(1437)), distance(blurred_means(x, t))
    print(f"seed {seed}: samples {reached:.1f}, blurred means {bar:.1f}, training images {distance(x):.1f}")
    assert reached < bar / 3
