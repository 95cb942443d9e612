"""Deep belief networks: passes up and down by hand, greedy training layer by layer, and what it is good for."""

import os

import numpy as np
import pytest

import tinydl
from tinydl import nn, optim
from tinydl.data import DataLoader, TensorDataset
from tinydl.data.datasets import MNIST
from tinydl.models import DBN
from tinydl.train import Checkpoint, Classify, NextLayer, RaiseMomentum, Trainer, evaluate, greedy_dbn

SEEDS = range(int(os.environ.get("TINYDL_SEEDS", "1")))


def digits():
    """(images, labels) to learn from and to test with: rows (N, 64) in [0, 1]."""
    pytest.importorskip("sklearn")
    from tinydl.data.datasets import Digits

    sets = [Digits(train=True), Digits(train=False)]
    return [
        (tinydl.stack([d[i][0] for i in range(len(d))]).flatten(1), tinydl.tensor([d[i][1] for i in range(len(d))]))
        for d in sets
    ]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def random_dbn(*sizes, **options):
    tinydl.manual_seed(0)
    dbn = DBN(*sizes, dtype="float64", **options)
    with tinydl.no_grad():
        for p in dbn.parameters():
            p.normal_()
    return dbn


def test_up_is_the_stack_of_conditional_probabilities():
    dbn = random_dbn(5, 4, 3)
    v = np.random.default_rng(0).random((6, 5))
    x = v
    for rbm in dbn.layers:
        x = sigmoid(x @ rbm.weight.numpy(force=True).T + rbm.hbias.numpy(force=True))
    assert np.allclose(dbn(tinydl.tensor(v)).numpy(force=True), x)
    assert np.allclose(dbn.up(tinydl.tensor(v), 0).numpy(force=True), v)


@pytest.mark.parametrize("kind", ["bernoulli", "gaussian"])
def test_the_network_computes_what_the_stack_does(kind):
    dbn = random_dbn(5, 4, 3, visible_units=kind)
    network = dbn.to_network(7)
    v = tinydl.tensor(np.random.default_rng(0).random((6, 5)))
    assert np.allclose(network[:-1](v).numpy(force=True), dbn(v).numpy(force=True))
    assert network(v).shape == (6, 7) and {p.dtype.name for p in network.parameters()} == {"float64"}
    with tinydl.no_grad():
        network[0].weight.zero_()
    assert dbn.layers[0].weight.square().sum().item() > 0  # a copy


def test_samples_are_of_the_joint_model():
    """p(v) = sum over h2, h1 of p(v | h1) p_top(h1, h2), from the sums over all states."""
    dbn = random_dbn(3, 3, 2).float()
    states = np.array(np.meshgrid(*[[0.0, 1.0]] * 3, indexing="ij")).reshape(3, -1).T
    log_p = -dbn.layers[1].free_energy(tinydl.tensor(states.astype(np.float32))).numpy(force=True).astype(float)
    p = np.exp(log_p) / np.exp(log_p).sum()
    below = dbn.layers[0]
    means = p @ sigmoid(states @ below.weight.numpy(force=True) + below.vbias.numpy(force=True))
    v = dbn.sample(tinydl.zeros(20000, 3), 30, tinydl.Generator().manual_seed(0))
    assert np.abs(v.numpy().mean(0) - means).max() < 0.02


def build(x, *callbacks):
    tinydl.manual_seed(1)
    dbn = DBN(64, 20, 10)
    dbn.layers[0].fit_biases(x)
    step = greedy_dbn(dbn, sparsity=0.2)
    return dbn, Trainer(step, DataLoader(TensorDataset(x), 50, shuffle=True, seed=0), NextLayer(2), *callbacks)


def test_layers_learn_one_after_another():
    (x, _), _ = digits()
    dbn, run = build(x[:300])
    values = [[p.numpy(force=True).copy() for p in rbm.parameters()] for rbm in dbn.layers]

    def moved():
        return [
            any(not np.array_equal(a, b.numpy(force=True)) for a, b in zip(old, rbm.parameters()))
            for old, rbm in zip(values, dbn.layers)
        ]

    run.fit(2)
    assert moved() == [True, False]
    values = [[p.numpy(force=True).copy() for p in rbm.parameters()] for rbm in dbn.layers]
    run.fit(4)
    assert moved() == [False, True]


@pytest.mark.parametrize("stopped", [1, 2, 3])
def test_a_resumed_run_is_bit_equal(tmp_path, stopped):
    (x, _), _ = digits()
    dbn, whole = build(x[:200])
    whole.fit(4)
    build(x[:200], Checkpoint(tmp_path))[1].fit(stopped)
    tinydl.rand(7)
    other, second = build(x[:200], Checkpoint(tmp_path))
    second.callbacks[-1].resume(second)
    second.fit(4)
    assert whole.history == second.history
    assert all(
        np.array_equal(a.numpy(force=True), b.numpy(force=True)) for a, b in zip(dbn.parameters(), other.parameters())
    )


def accuracy(network, labelled, test, seed):
    """In per cent, after 400 steps."""
    tinydl.manual_seed(seed)
    step = Classify(network, optim.Adam(network.parameters(), 1e-3))
    Trainer(step, DataLoader(TensorDataset(*labelled), 50, shuffle=True, seed=seed)).fit(20_000 // len(labelled[0]))
    return 100 * evaluate(network, DataLoader(TensorDataset(*test), 500))["accuracy"]


def gain(seed, data, test, labels, hidden, epochs):
    """Points that a stack pre-trained on all of `data` is above random weights (Glorot's), where few have labels."""
    x, t = data
    chosen = np.random.default_rng(seed).permutation(len(x))[:labels].tolist()
    tinydl.manual_seed(seed)
    dbn = DBN(x.shape[1], hidden, hidden)
    dbn.layers[0].fit_biases(x)
    step = greedy_dbn(dbn, lr=0.1)
    faster = RaiseMomentum(*[s.optimizer for s in step.steps], epoch=3)
    batches = DataLoader(TensorDataset(x), 100, shuffle=True, seed=seed)
    Trainer(step, batches, NextLayer(epochs), faster).fit(2 * epochs)
    tinydl.manual_seed(seed)
    fresh = DBN(x.shape[1], hidden, hidden).to_network(10)
    for layer in (layer for layer in fresh if isinstance(layer, nn.Linear)):
        nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(layer.bias)
    labelled = x[chosen], t[chosen]
    trained, untrained = (accuracy(network, labelled, test, seed) for network in (dbn.to_network(10), fresh))
    print(f"seed {seed}: pre-trained {trained:.2f} %, random {untrained:.2f} %, gain {trained - untrained:.2f} points")
    return trained - untrained


@pytest.mark.skipif("TINYDL_DATA" not in os.environ, reason="needs the MNIST files of TINYDL_DATA")
@pytest.mark.parametrize("seed", SEEDS)
def test_pretraining_helps_where_labels_are_few(seed):
    """By 2 points: 8,500 digits of MNIST without their labels, then 500 with.

    The whole evidence, with TINYDL_SEEDS=5: wider and longer.
    """
    parts = [next(iter(DataLoader(part, len(part)))) for part in MNIST.held_out()]
    data, test = [(x.flatten(1), t) for x, t in parts]
    hidden, epochs = (200, 4) if len(SEEDS) == 1 else (500, 12)
    assert gain(seed, data, test, labels=500, hidden=hidden, epochs=epochs) >= 2


def test_wrong_calls_are_refused():
    with pytest.raises(ValueError, match="expected at least two sizes"):
        DBN(5)
    with pytest.raises(ValueError, match="epochs must be at least 1, got 0"):
        NextLayer(0)
    two, three = greedy_dbn(DBN(4, 3, 2)), greedy_dbn(DBN(4, 3, 2, 2))
    with pytest.raises(ValueError, match="the state is of 2 layers, this is of 3"):
        three.load_state_dict(two.state_dict())
