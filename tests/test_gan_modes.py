"""A plain game on a ring of eight Gaussians loses modes; the unrolled one and minibatch discrimination keep them.

With TINYDL_SEEDS=5 the whole evidence runs: seeds 0 to 4, trained for longer.
"""

import os

import numpy as np
import pytest

import tinydl
from tinydl import nn, optim
from tinydl.data import DataLoader, TensorDataset
from tinydl.data.datasets import GaussianRing
from tinydl.train import Adversarial, Trainer, Unrolled

SEEDS = range(int(os.environ.get("TINYDL_SEEDS", "1")))
LATENT, HIDDEN, BATCH = 16, 64, 128
WHOLE = 1500  # batches, for the whole evidence


def test_the_ring_counts_its_modes():
    ring = GaussianRing()
    points = ring.draw(8000)
    assert ring.kept(points) == 8 and ring.kept(points[:0].new_zeros(10, 2)) == 0
    assert ring.shares(points) == pytest.approx(0.989 / 8, rel=0.1)  # 3 deviations in the plane: 1 - exp(-9 / 2)
    one = tinydl.tensor(np.repeat(ring.centres[2:3], 50, 0).astype(np.float32))
    assert ring.kept(one) == 1 and ring.shares(one)[2] == 1


def hidden(inputs):
    return nn.Linear(inputs, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU()


def play(step, seed, steps, *closeness, d_rate=5e-4, **options):
    """How many modes a game keeps after `steps` batches."""
    steps = steps if len(SEEDS) == 1 else WHOLE
    tinydl.manual_seed(seed)
    ring, wide = GaussianRing(), HIDDEN + sum(layer.out_features for layer in closeness)
    generator = nn.Sequential(*hidden(LATENT), nn.Linear(HIDDEN, 2))
    discriminator = nn.Sequential(*hidden(2), *closeness, nn.Linear(wide, 1))
    game = step(
        generator, discriminator, optim.Adam(generator.parameters(), lr=1e-3, betas=(0.5, 0.999)),
        optim.Adam(discriminator.parameters(), lr=d_rate, betas=(0.5, 0.999)), latent=LATENT, **options,
    )  # fmt: skip
    points = TensorDataset(ring.draw(steps * BATCH, seed))
    Trainer(game, DataLoader(points, batch_size=BATCH, shuffle=True, seed=seed)).fit(1)
    samples = game.sample(4000)
    print(f"{step.__name__} {'with closeness ' if closeness else ''}seed {seed}: {ring.kept(samples)} modes,", end=" ")
    print(f"{100 * ring.shares(samples).sum():.0f} % of the samples on one")
    return ring.kept(samples)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_plain_game_loses_modes(seed):
    assert play(Adversarial, seed, 700) <= 4


@pytest.mark.parametrize("seed", SEEDS)
def test_the_unrolled_game_keeps_them(seed):
    assert play(Unrolled, seed, 700, unroll=5) >= 7


@pytest.mark.parametrize("seed", SEEDS)
def test_minibatch_discrimination_keeps_them(seed):
    tinydl.manual_seed(seed)
    assert play(Adversarial, seed, 900, nn.MinibatchDiscrimination(HIDDEN, 16, 4), d_rate=1e-3) >= 7
