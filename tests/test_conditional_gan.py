"""Games with labels and codes: losses against NumPy, who learns from what, and what the samples show.

With TINYDL_SEEDS=5 the whole evidence runs: seeds 0 to 4.
"""

import os

import numpy as np
import pytest
import scipy.special
from digit_judge import digits, judge

import tinydl
from tinydl import metrics, nn, optim
from tinydl.data import DataLoader, TensorDataset
from tinydl.data.datasets import MNIST
from tinydl.data.datasets.labelled import stratified
from tinydl.models import DCGANDiscriminator, DCGANGenerator
from tinydl.train import (
    Adversarial,
    Average,
    Checkpoint,
    Classify,
    Codes,
    FeatureMatching,
    InfoGAN,
    InstanceNoise,
    Replay,
    SemiSupervised,
    Trainer,
    beside,
    evaluate,
)

SEEDS = range(int(os.environ.get("TINYDL_SEEDS", "1")))
RNG = np.random.default_rng(0)


def array(x):
    return x.numpy(force=True).astype(float)


def some(*shape):
    return tinydl.tensor(RNG.standard_normal(shape).astype(np.float32))


def values(module):
    return [p.numpy(force=True).copy() for p in module.parameters()]


# ---------------------------------------------------------------- conditions
def test_a_label_joins_z_and_the_picture():
    tinydl.manual_seed(0)
    G, D = DCGANGenerator(8, 5, width=4, num_classes=3), DCGANDiscriminator(8, width=4, num_classes=3)
    z, x, label = some(4, 5), some(4, 1, 8, 8), tinydl.tensor([2, 0, 1, 2])
    one_hot = np.eye(3, dtype=np.float32)[label.numpy()]
    joined = tinydl.tensor(np.concatenate([z.numpy(), one_hot], 1)[:, :, None, None])
    assert np.allclose(array(G(z, label)), array(G.layers(joined)))
    planes = np.concatenate([x.numpy(), one_hot[:, :, None, None] * np.ones((8, 8), np.float32)], 1)
    assert np.allclose(array(D(x, label)), array(D.score(D.features(tinydl.tensor(planes)))))
    assert not np.allclose(array(G(z, label)), array(G(z, (label + 1) % 3)))


# ---------------------------------------------------------------- codes
def test_codes_are_one_hot_choices_and_uniform_numbers():
    tinydl.manual_seed(0)
    codes = Codes((3, 4), numbers=2)
    drawn = codes.draw(20_000).numpy()
    assert drawn.shape == (20_000, len(codes)) == (20_000, 9) and drawn.dtype == np.float32
    for part, K in ((drawn[:, :3], 3), (drawn[:, 3:7], 4)):
        assert set(np.unique(part)) == {0, 1} and (part.sum(1) == 1).all()
        np.testing.assert_allclose(part.mean(0), 1 / K, atol=0.02)
    numbers = drawn[:, 7:]
    assert numbers.min() >= -1 and numbers.max() <= 1 and abs(numbers.mean()) < 0.02
    np.testing.assert_allclose(numbers.var(0), 1 / 3, rtol=0.05)


def test_the_surprise_is_that_of_categories_and_normals():
    codes = Codes((3, 2), numbers=1)
    answer, code = RNG.standard_normal((7, 6)), codes.draw(7, dtype="float64")
    c = code.numpy()
    expected = 0.5 * (answer[:, 5] - c[:, 5]) ** 2
    for part in (slice(0, 3), slice(3, 5)):
        p = scipy.special.softmax(answer[:, part], 1)
        expected -= np.log(p[np.arange(7), c[:, part].argmax(1)])
    assert codes.surprise(tinydl.tensor(answer), code).item() == pytest.approx(expected.mean(), rel=1e-12)


def test_codes_that_make_no_sense_are_refused():
    for wrong in (((1,), 0), ((), 0), ((3,), -1)):
        with pytest.raises(ValueError, match="Codes: expected categories of at least 2 classes, or numbers"):
            Codes(*wrong)
    assert len(Codes((), 2)) == 2
    with pytest.raises(ValueError, match=r"expected answers \(4, 3\) about the codes, got \(4, 2\)"):
        Codes((3,)).surprise(some(4, 2), Codes((3,)).draw(4))


class TwoHeads(nn.Module):
    """A discriminator that also reads the code."""

    def __init__(self, codes, wide, *body):
        super().__init__()
        self.body = nn.Sequential(*body)
        self.score, self.code = nn.Linear(wide, 1), nn.Linear(wide, codes)

    def forward(self, x):
        return self.score(self.body(x))

    def recognise(self, x):
        return self.code(self.body(x))


def info_game(weight=1.0, codes=None, **options):
    tinydl.manual_seed(0)
    codes = codes or Codes((4,), 1)
    G = nn.Sequential(nn.Linear(3 + len(codes), 16), nn.Tanh(), nn.Linear(16, 2))
    D = TwoHeads(len(codes), 16, nn.Linear(2, 16), nn.Tanh())
    adams = (optim.Adam(p.parameters(), 0.01) for p in (G, D))
    return InfoGAN(G, D, *adams, latent=3, recognise=D.recognise, codes=codes, weight=weight, **options)


def test_both_players_pay_for_codes_that_cannot_be_read():
    step, x = info_game(weight=0.7), some(6, 2)
    fake, code = step.make(6, [])
    plain = Adversarial(step.generator, step.discriminator, step.g_optimizer, step.d_optimizer, latent=8)
    surprise = step.codes.surprise(step.discriminator.recognise(fake), code).item()
    d_loss = step.discriminator_loss(step.discriminator, (x,), (fake, code))[0].item()
    g_loss = step.generator_loss(step.discriminator, (x,), (fake, code)).item()
    assert d_loss == pytest.approx(
        plain.discriminator_loss(step.discriminator, (x,), (fake,))[0].item() + 0.7 * surprise
    )
    assert g_loss == pytest.approx(plain.generator_loss(step.discriminator, (x,), (fake,)).item() + 0.7 * surprise)
    assert step.code_loss == pytest.approx(surprise)


def test_the_code_is_that_of_the_sample():
    step = info_game(tricks=[Replay(8)])
    step.generator = nn.Sequential(nn.Linear(8, 8, bias=False))  # a sample is its z
    nn.init.eye_(step.generator[0].weight)
    for _ in range(4):
        fake, code = step.tricks.fakes(*step.make(6, []))
        assert np.array_equal(array(fake)[:, 3:], array(code))
    code = step.codes.draw(5)
    assert np.array_equal(array(step.sample(5, z=step.draw(5, code)))[:, 3:], array(code))


def test_codes_become_readable_on_a_square():
    """Four places, four classes: with the code each class makes a place of its own."""
    corners = np.array([[2, 2], [-2, 2], [2, -2], [-2, -2]])
    x = tinydl.tensor((corners[RNG.integers(0, 4, 6400)] + 0.2 * RNG.standard_normal((6400, 2))).astype(np.float32))

    def learned(weight):
        step = info_game(weight, Codes((4,)), tricks=[InstanceNoise(0.5, 10**6)])
        history = Trainer(step, DataLoader(TensorDataset(x), 64, shuffle=True, seed=0)).fit(6)
        z = step.draw(400)
        at = array(step.sample(400, z=z))
        place = np.square(at[:, None] - corners).sum(2).argmin(1)
        return metrics.purity(array(z[:, 3:]).argmax(1), place), history[-1]["code_loss"]

    pure, surprise = learned(1.0)
    assert pure > 0.9 and surprise < 0.3, (pure, surprise)
    assert learned(0.0)[0] < pure - 0.1


# ---------------------------------------------------------------- K + 1 classes
def semi_game(weight=0.5, loss=None, **options):
    tinydl.manual_seed(0)
    G = nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, 2))
    D = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 3))
    adams = (optim.Adam(p.parameters(), 0.01) for p in (G, D))
    return SemiSupervised(G, D, *adams, loss or FeatureMatching(D[:-1]), latent=3, weight=weight, **options)


def test_the_loss_is_that_of_k_plus_1_classes():
    step = semi_game(weight=0.3)
    x, labelled, target = some(8, 2), some(5, 2), tinydl.tensor([0, 2, 1, 1, 0])
    fake = array(step.make(8, [labelled, target])[0])

    def log_p(points):
        scores = array(step.discriminator(tinydl.tensor(points.astype(np.float32))))
        return scipy.special.log_softmax(np.c_[scores, np.zeros(len(scores))], 1)  # the last one: generated

    real = np.log1p(-np.exp(log_p(array(x))[:, 3]))
    told = log_p(array(labelled))[:, :3]
    told = scipy.special.log_softmax(told, 1)[np.arange(5), target.numpy()]
    expected = -told.mean() - 0.3 * (real.mean() + log_p(fake)[:, 3].mean())
    made = (tinydl.tensor(fake.astype(np.float32)),)
    loss = step.discriminator_loss(step.discriminator, (x, labelled, target), made)[0]
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    assert step.class_loss == pytest.approx(-told.mean(), rel=1e-5)
    features = step.discriminator[:-1]
    expected = np.square(array(features(x)).mean(0) - array(features(made[0])).mean(0)).sum()
    assert step.generator_loss(step.discriminator, (x, labelled, target), made).item() == pytest.approx(
        expected, rel=1e-4
    )
    step.loss = semi_game(loss="non-saturating").loss
    expected = -np.log1p(-np.exp(log_p(fake)[:, 3])).mean()
    assert step.generator_loss(step.discriminator, (x, labelled, target), made).item() == pytest.approx(
        expected, rel=1e-5
    )


def test_labels_come_again_beside_all_pictures():
    x, labelled, target = some(7, 2), some(3, 2), tinydl.tensor([5, 6, 7])
    items = beside(x, labelled, target)
    assert len(items) == 7 and np.array_equal(items.tensors[0].numpy(), x.numpy())
    assert items.tensors[2].numpy().tolist() == [5, 6, 7, 5, 6, 7, 5]
    assert np.array_equal(items[4][1].numpy(), labelled[1].numpy())
    for wrong in ((x, labelled, target[:2]), (x[:2], labelled, target), (x, labelled[:0], target[:0])):
        with pytest.raises(ValueError, match="beside: expected as many labels"):
            beside(*wrong)


# ---------------------------------------------------------------- checkpoints
GAMES = {
    "info": (lambda: info_game(average=0.9, tricks=[Replay(20)]), TensorDataset(some(32, 2))),
    "semi": (semi_game, beside(some(32, 2), some(6, 2), tinydl.tensor([0, 1, 2, 0, 1, 2]))),
}


@pytest.mark.parametrize("kind", GAMES)
def test_a_resumed_game_is_bit_equal(tmp_path, kind):
    make, data = GAMES[kind]

    def run(name):
        return Trainer(make(), DataLoader(data, 8, shuffle=True, seed=1), Checkpoint(tmp_path / name))

    whole = run("whole")
    whole.fit(4)
    run("half").fit(2)
    tinydl.rand(7)
    second = run("half")
    second.callbacks[0].resume(second)
    second.fit(4)
    assert second.history == whole.history
    for name in ("generator", "discriminator"):
        pair = (values(getattr(trainer.step, name)) for trainer in (whole, second))
        assert all(np.array_equal(a, b) for a, b in zip(*pair))


# ---------------------------------------------------------------- evidence
@pytest.mark.parametrize("seed", SEEDS)
def test_samples_are_what_their_labels_say(seed):
    tinydl.manual_seed(seed)
    players = DCGANGenerator(8, 16, width=64, num_classes=10), DCGANDiscriminator(8, width=64, num_classes=10)
    adams = (optim.Adam(p.parameters(), 1e-3, betas=(0.5, 0.999)) for p in players)
    step = Adversarial(*players, *adams, latent=16, conditional=True, average=0.99)
    batches = DataLoader(TensorDataset(*digits()), 64, shuffle=True, seed=seed)
    Trainer(step, batches).fit(20)
    labels = tinydl.arange(1000) % 10
    right = metrics.accuracy(judge()(step.sample(1000, labels)), labels)
    print(f"seed {seed}: {100 * right:.1f} % of the samples are classified as their label")
    assert right >= 0.9


def layers(*sizes, norm):
    """Linear layers, each but the last followed by batch norm and ReLU, or by a leaky ReLU."""
    made = []
    for c, out in zip(sizes, sizes[1:]):
        made += [nn.Linear(c, out), nn.BatchNorm1d(out), nn.ReLU()] if norm else [nn.Linear(c, out), nn.LeakyReLU(0.2)]
    return made


@pytest.mark.parametrize("seed", SEEDS)
def test_the_code_is_the_digit(seed):
    """No label was seen.  Noise on all that the discriminator sees keeps the code from hiding in faint patterns."""
    tinydl.manual_seed(seed)
    codes = Codes((10,))
    G = nn.Sequential(
        *layers(16 + len(codes), 256, 256, norm=True), nn.Linear(256, 64), nn.Tanh(), nn.Unflatten(1, (1, 8, 8))
    )
    D = TwoHeads(len(codes), 256, nn.Flatten(), *layers(64, 256, 256, norm=False))
    adams = (optim.Adam(p.parameters(), 1e-3, betas=(0.5, 0.999)) for p in (G, D))
    step = InfoGAN(
        G, D, *adams, latent=16, average=0.99, recognise=D.recognise, codes=codes, tricks=[InstanceNoise(0.3, 10**9)]
    )
    batches = DataLoader(TensorDataset(digits()[0]), 32, shuffle=True, seed=seed)
    Trainer(step, batches).fit(40)
    z = step.draw(2000)
    drawn = metrics.purity(z[:, 16:].argmax(1), judge()(step.sample(2000, z=z)).argmax(1))
    x, t = digits(False)
    held_out = metrics.purity(D.eval().recognise(x).argmax(1), t)
    print(f"seed {seed}: purity of codes {drawn:.3f} over samples, {held_out:.3f} over held-out digits")
    assert drawn >= 0.7 and held_out >= 0.5


class Noise(nn.Module):
    """Normal noise while learning."""

    def __init__(self, std):
        super().__init__()
        self.std = std

    def forward(self, x):
        return x + self.std * tinydl.randn_like(x) if self.training else x


@tinydl.no_grad()
def whitened(network, x):
    """Weight norm on all linear layers, each unit of mean 0 and deviation 1 on x at first (Salimans and Kingma 2016).

    Without that the noise drowns the signal in the deeper layers.
    """
    for layer in network:
        if isinstance(layer, nn.Linear):
            y = nn.utils.weight_norm(layer)(x)
            layer.weight_g.div_(y.std(0).unsqueeze(1))
            layer.bias.sub_(y.mean(0)).div_(y.std(0))
        x = layer(x)
    return network


def classifier(seed, x):
    """The network that learns alone, and in the game: the paper's, half as wide."""
    tinydl.manual_seed(seed)
    hidden = [nn.Flatten(), Noise(0.3)]
    for c, out in ((784, 500), (500, 250), (250, 250)):
        hidden += [nn.Linear(c, out), nn.ReLU(), Noise(0.25)]
    return whitened(nn.Sequential(*hidden, nn.Linear(250, 10)), x)


@pytest.mark.parametrize("seed", SEEDS)
def test_pictures_without_labels_help(seed):
    """100 labels of MNIST: the same classifier, labels and steps, alone and with 8,500 pictures without labels.

    Both are tested with averaged weights.
    """
    (x, t), (x_test, t_test) = (next(iter(DataLoader(part, len(part)))) for part in MNIST.held_out())
    chosen = stratified(t.numpy(), 100, seed)[1]
    items = beside(x, x[chosen], t[chosen])
    adam = lambda model, lr: optim.Adam(model.parameters(), lr, betas=(0.5, 0.999))

    def right(step, model, data):
        """The percentage of test pictures that the model gets right after the step's training."""
        average = Average(model, 0.99)
        Trainer(step, DataLoader(data, 100, shuffle=True, seed=seed), average).fit(7 if len(SEEDS) == 1 else 20)
        return 100 * evaluate(average.model, DataLoader(TensorDataset(x_test, t_test), 500))["accuracy"]

    D = classifier(seed, x[chosen])
    alone = right(Classify(D, adam(D, 2e-3)), D, TensorDataset(*items.tensors[1:]))
    D = classifier(seed, x[chosen])
    G = nn.Sequential(
        *layers(100, 500, 500, norm=True), nn.Linear(500, 784), nn.Sigmoid(), nn.Unflatten(1, (1, 28, 28))
    )
    game = SemiSupervised(G, D, adam(G, 1e-2), adam(D, 2e-3), FeatureMatching(D[:-1]), latent=100, g_steps=2)
    with_pictures = right(game, D, items)
    print(f"seed {seed}: alone {alone:.1f} %, in the game {with_pictures:.1f} %, +{with_pictures - alone:.1f}")
    assert with_pictures >= alone + 2
