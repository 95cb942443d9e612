"""Losses of adversarial games: the papers' formulas, in NumPy, and PyTorch judge."""

import numpy as np
import pytest
from oracle import oracle
from test_gan import POINTS, game, networks, torchs, values

import tinydl
from tinydl import nn
from tinydl.train import LOSSES, R1, GradientPenalty, Minimax, NonSaturating, Wasserstein, gan_loss
from tinydl.train.gan_losses import between, gradient_norms

RNG = np.random.default_rng(0)
REAL, FAKE = RNG.normal(1, 2, (7, 1)), RNG.normal(-1, 2, (5, 1))  # scores


def log_sigmoid(s):
    return -np.log1p(np.exp(-s))


def mean(x):
    return float(np.mean(x))


# name -> the discriminator's and the generator's loss, as the papers write them
FORMULAS = {
    "minimax": (
        lambda r, f: -mean(log_sigmoid(r)) - mean(np.log(1 - np.exp(log_sigmoid(f)))),
        lambda f: mean(np.log(1 - np.exp(log_sigmoid(f)))),
    ),
    "non-saturating": (
        lambda r, f: -mean(log_sigmoid(r)) - mean(np.log(1 - np.exp(log_sigmoid(f)))),
        lambda f: -mean(log_sigmoid(f)),
    ),
    "least-squares": (lambda r, f: (mean((r - 1) ** 2) + mean(f**2)) / 2, lambda f: mean((f - 1) ** 2) / 2),
    "hinge": (lambda r, f: mean(np.maximum(0, 1 - r)) + mean(np.maximum(0, 1 + f)), lambda f: -mean(f)),
    "wasserstein": (lambda r, f: mean(f) - mean(r), lambda f: -mean(f)),
    "wasserstein-gp": (lambda r, f: mean(f) - mean(r), lambda f: -mean(f)),
    "relativistic": (
        lambda r, f: -mean(log_sigmoid(r - mean(f))) - mean(log_sigmoid(mean(r) - f)),
        lambda f: -mean(log_sigmoid(f - mean(REAL))) - mean(log_sigmoid(mean(f) - REAL)),
    ),
}


@pytest.mark.parametrize("name", LOSSES)
def test_losses_are_those_of_the_papers(name):
    loss, (of_discriminator, of_generator) = gan_loss(name), FORMULAS[name]
    real, fake = tinydl.tensor(REAL), tinydl.tensor(FAKE)
    assert loss.discriminator(real, fake).item() == pytest.approx(of_discriminator(REAL, FAKE), rel=1e-6)
    seen = (fake, real) if loss.relative else (fake,)
    assert loss.generator(*seen).item() == pytest.approx(of_generator(FAKE), rel=1e-6)


def test_smoothing_is_cross_entropy_with_soft_labels_for_real_samples_only():
    real, fake = tinydl.tensor(REAL), tinydl.tensor(FAKE)
    bce = nn.functional.binary_cross_entropy_with_logits
    expected = bce(real, tinydl.full_like(real, 0.9)) + bce(fake, tinydl.zeros_like(fake))
    assert Minimax(0.9).discriminator(real, fake).item() == pytest.approx(expected.item(), rel=1e-6)
    # the best answer where p = q is then 0.9 / 2 (Salimans et al. 2016), here a score of log(0.45 / 0.55)
    best = tinydl.full((4,), np.log(0.45 / 0.55), dtype="float64").requires_grad_()
    NonSaturating(0.9).discriminator(best, best).backward()
    assert best.grad.numpy() == pytest.approx(0, abs=1e-12)


def test_the_saturating_gradient_vanishes_where_the_generator_loses():
    score = tinydl.tensor([-10.0], requires_grad=True)  # the discriminator is sure that it is a fake
    slopes = [
        abs(tinydl.autograd.grad(loss.generator(score), score)[0].item()) for loss in (Minimax(), NonSaturating())
    ]
    assert slopes[0] == pytest.approx(1 / (1 + np.exp(10)), rel=1e-4) and slopes[1] > 0.99


def test_gradient_norms_and_penalties():
    tinydl.manual_seed(0)
    w = tinydl.tensor([3.0, 4.0])
    x = tinydl.randn(6, 2)
    assert gradient_norms(lambda x: x @ w, x).numpy() == pytest.approx(5, rel=1e-5)
    assert GradientPenalty(2.0)(lambda x: x @ w, x, -x).item() == pytest.approx(2 * 16, rel=1e-5)
    assert R1(2.0)(lambda x: x @ w, x, -x).item() == pytest.approx(25, rel=1e-5)
    middle = between(x, x + 1) - x
    assert (middle[:, 0] - middle[:, 1]).abs().max() < 1e-5 and 0 <= middle.min() and middle.max() <= 1
    assert len(np.unique(middle[:, 0].numpy())) == 6


def test_the_gradient_of_the_penalty_is_torchs():
    torch = oracle()
    x = RNG.standard_normal((8, 2))
    found = []
    _, discriminator = networks(dtype="float64")
    GradientPenalty()(discriminator, tinydl.tensor(x), tinydl.tensor(x)).backward()
    found.append([p.grad.numpy() if p.grad is not None else np.zeros(p.shape) for p in discriminator.parameters()])
    twin = torchs(torch, discriminator)
    points = torch.tensor(x, requires_grad=True)
    (slopes,) = torch.autograd.grad(twin(points).sum(), points, create_graph=True)
    (10 * ((slopes.norm(dim=1) - 1) ** 2).mean()).backward()
    found.append([p.grad.numpy() if p.grad is not None else np.zeros(p.shape) for p in twin.parameters()])
    for mine, theirs in zip(*found):
        np.testing.assert_allclose(mine, theirs, rtol=1e-7, atol=1e-9)


def test_clipping_bounds_the_critic_and_nothing_else():
    step = game(loss=Wasserstein(0.02), lr=0.5)
    step([tinydl.tensor(POINTS)])
    assert max(abs(p).max() for p in values(step.discriminator)) == pytest.approx(0.02)
    assert max(abs(p).max() for p in values(step.generator)) > 0.1
