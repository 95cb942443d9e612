"""Autoencoders: principal components, SciPy's median filter, PyTorch and plain NumPy judge; runs go on bit-equal."""

import os

import numpy as np
import pytest
import scipy.linalg
import scipy.ndimage
from oracle import oracle

import tinydl
from tinydl import nn, optim
from tinydl.data import DataLoader, TensorDataset
from tinydl.data.datasets import Digits
from tinydl.models import Autoencoder, ConvAutoencoder, StackedAutoencoder
from tinydl.train import (
    Checkpoint,
    Contractive,
    GaussianNoise,
    Masking,
    NextLayer,
    Reconstruct,
    SaltAndPepper,
    Sparse,
    Trainer,
    Variational,
    greedy_autoencoder,
    jacobian_norm,
    sigmoid_jacobian_norm,
)

SEEDS = range(int(os.environ.get("TINYDL_SEEDS", "1")))


def array(x):
    return x.numpy(force=True).astype(float)


def digits(train=True):
    """Images (N, 1, 8, 8) in [0, 1]."""
    pytest.importorskip("sklearn")
    return tinydl.tensor(np.stack([array(image) for image, _ in Digits(train=train)]).astype(np.float32))


def some(*shape, seed=0, dtype="float64"):
    return tinydl.tensor(np.random.default_rng(seed).random(shape).astype(dtype))


def learn(step, x, epochs):
    return Trainer(step, DataLoader(TensorDataset(x), batch_size=64, shuffle=True, seed=0)).fit(epochs)


def adam(model, lr=0.01):
    return optim.Adam(model.parameters(), lr=lr)


# ---------------------------------------------------------------- models
def test_autoencoder_is_its_layers():
    tinydl.manual_seed(0)
    model = Autoencoder(12, 7, 3, code=nn.Sigmoid).double()
    assert [tuple(p.shape) for p in model.parameters()] == [
        (7, 12), (7,), (3, 7), (3,), (7, 3), (7,), (12, 7), (12,)
    ]  # fmt: skip
    x, (A, a, B, b, C, c, D, d) = some(5, 3, 4), map(array, model.parameters())
    h = 1 / (1 + np.exp(-(np.maximum(array(x).reshape(5, 12) @ A.T + a, 0) @ B.T + b)))
    assert np.allclose(array(model.encode(x)), h)
    assert np.allclose(array(model(x)), np.maximum(h @ C.T + c, 0) @ D.T + d)


def test_stack_is_its_layers_in_and_out():
    tinydl.manual_seed(0)
    model = StackedAutoencoder(12, 7, 3).double()
    x = some(5, 12)
    below, top = model.layers
    assert np.allclose(array(model.encode(x)), array(top.encode(below.encode(x))))
    assert np.array_equal(array(model.encode(x, 1)), array(below.encode(x)))
    h = model.encode(x)
    assert np.allclose(array(model(x)), array(below.decode(top.decode(h).sigmoid())))
    network = model.to_network(4)
    assert np.allclose(array(network(x)), array(network[-1](h))) and network(x).shape == (5, 4)
    with tinydl.no_grad():
        network[1].weight.zero_()
    assert np.array_equal(array(model.encode(x)), array(h)), "the network's layers are copies"


@pytest.mark.parametrize("size", [(8, 8), (7, 9)])
def test_unpooling_is_by_the_encoders_indices(size):
    torch = oracle()
    tinydl.manual_seed(0)
    model = ConvAutoencoder(2, (4, 3)).double()
    x = some(3, 2, *size)
    theirs, conv = torch.tensor(array(x), requires_grad=True), torch.nn.functional.conv2d
    ws = [torch.tensor(array(p)) for p in model.parameters()]
    h, places = theirs, []
    for i in range(2):
        h = torch.relu(conv(h, ws[2 * i], ws[2 * i + 1], padding=1))
        shape = h.shape
        h, indices = torch.nn.functional.max_pool2d(h, 2, return_indices=True)
        places.append((indices, shape[2:]))
    for i, (indices, shape) in zip((2, 3), reversed(places)):
        h = torch.nn.functional.max_unpool2d(h, indices, 2, output_size=shape)
        h = conv(h, ws[2 * i], ws[2 * i + 1], padding=1)
        h = h if i == 3 else torch.relu(h)
    x.requires_grad_()
    y = model(x)
    y.square().sum().backward()
    h.square().sum().backward()
    assert y.shape == x.shape and np.allclose(array(y), h.detach().numpy())
    assert np.allclose(array(x.grad), theirs.grad.numpy())


# ---------------------------------------------------------------- losses and corruptions
@pytest.mark.parametrize("loss", ["squared", "cross-entropy"])
def test_loss_and_reconstruction(loss):
    model = Autoencoder(12, 3).double()
    x = some(5, 3, 4)
    step = Reconstruct(model, adam(model), loss)
    target, y = array(x).reshape(5, 12), array(model(x))
    p = 1 / (1 + np.exp(-y))
    cost = (y - target) ** 2 if loss == "squared" else -target * np.log(p) - (1 - target) * np.log(1 - p)
    mean = y if loss == "squared" else p
    assert np.allclose(array(step.reconstruct(x)), mean.reshape(5, 3, 4))
    assert step([x, "a label"])["loss"] == pytest.approx(cost.sum(1).mean())


def test_corruptions_by_their_statistics():
    tinydl.manual_seed(0)
    x = some(400, 100) * 0.5 + 0.25
    noisy, masked, peppered = (array(c(x)) for c in (GaussianNoise(0.3), Masking(0.3), SaltAndPepper(0.3)))
    x = array(x)
    assert abs((noisy - x).mean()) < 0.006 and abs((noisy - x).std() - 0.3) < 0.005
    assert np.array_equal(masked[masked != 0], x[masked != 0]) and abs((masked == 0).mean() - 0.3) < 0.01
    assert abs((peppered == 0).mean() - 0.15) < 0.008 and abs((peppered == 1).mean() - 0.15) < 0.008
    kept = (peppered != 0) & (peppered != 1)
    assert np.array_equal(peppered[kept], x[kept])


def test_the_clean_input_is_made_again_from_the_corrupted():
    model = Autoencoder(12, 3).double()
    x = some(5, 12)
    step = Reconstruct(model, adam(model), corrupt=lambda x: x * 0 + 2)
    y = array(model(x * 0 + 2))
    assert step(x)["loss"] == pytest.approx(((y - array(x)) ** 2).sum(1).mean())


# ---------------------------------------------------------------- penalties
def test_sparse_value_and_gradient():
    """By Ng's formula over all data, in finite differences; with a decay the value is that of the running average."""

    def kl(activity, target=0.1):
        return (target * np.log(target / activity) + (1 - target) * np.log((1 - target) / (1 - activity))).sum()

    first, h = some(6, 4, seed=1), some(8, 4, seed=2)
    h.requires_grad_()
    value = Sparse(0.1, weight=3.0, decay=0.0)(None, None, h)
    value.backward()
    assert value.item() == pytest.approx(3 * kl(array(h).mean(0)))
    moved = np.repeat(array(h)[None], 32, 0)
    moved.reshape(32, 32)[np.diag_indices(32)] += 1e-6
    slopes = [(3 * kl(m.mean(0)) - value.item()) / 1e-6 for m in moved]
    assert np.allclose(array(h.grad).ravel(), slopes, rtol=1e-4)
    penalty = Sparse(0.1, decay=0.75)
    penalty(None, None, first)
    average = 0.75 * array(first).mean(0) + 0.25 * array(h).mean(0)
    assert penalty(None, None, h).item() == pytest.approx(kl(average))


@pytest.mark.parametrize("sizes", [(6, 4), (6, 5, 4)])
def test_contractive_norm_is_that_of_the_jacobian(sizes):
    """Value against PyTorch's Jacobian, gradient in the weights against its double backward."""
    torch = oracle()
    tinydl.manual_seed(0)
    model = Autoencoder(*sizes, activation=nn.Tanh, code=nn.Sigmoid).double()
    x = some(3, 6)
    value = Contractive(2.0)(model, x, model.encode(x))
    value.backward()
    layers = [layer for layer in model.encoder if isinstance(layer, nn.Linear)]
    ps = [torch.tensor(array(p), requires_grad=True) for layer in layers for p in (layer.weight, layer.bias)]

    def encode(v):
        h = v
        for i in range(0, len(ps), 2):
            z = ps[i] @ h + ps[i + 1]
            h = torch.sigmoid(z) if i == len(ps) - 2 else torch.tanh(z)
        return h

    jacobians = [torch.autograd.functional.jacobian(encode, v, create_graph=True) for v in torch.tensor(array(x))]
    theirs = 2 * sum((J**2).sum() for J in jacobians) / 3
    theirs.backward()
    assert value.item() == pytest.approx(theirs.item())
    mine = [p for layer in layers for p in (layer.weight, layer.bias)]
    assert all(np.allclose(array(p.grad), q.grad.numpy()) for p, q in zip(mine, ps))


def test_closed_form_equals_the_walks_back():
    model = Autoencoder(6, 4, code=nn.Sigmoid).double()
    x = some(3, 6)
    closed = sigmoid_jacobian_norm(model.encode(x), model.encoder[0].weight)
    assert np.allclose(array(closed), array(jacobian_norm(model.encode, x)))


# ---------------------------------------------------------------- evidence
@pytest.mark.parametrize("seed", SEEDS)
def test_a_linear_autoencoder_spans_the_principal_components(seed):
    tinydl.manual_seed(seed)
    x = digits()[:400].flatten(1).double()
    x = x - x.mean(0)
    model = Autoencoder(64, 4).double()
    optimizer = adam(model, 0.02)
    step = Reconstruct(model, optimizer)
    history = Trainer(step, [x] * 50).fit(8)
    optimizer.param_groups[0]["lr"] = 0.002
    history = Trainer(step, [x] * 50).fit(4)
    _, s, principal = np.linalg.svd(array(x), full_matrices=False)
    angles = np.degrees(scipy.linalg.subspace_angles(array(model.decoder[0].weight), principal[:4].T))
    print(f"seed {seed}: largest angle {angles.max():.3f} degrees")
    assert angles.max() < 1, angles
    assert history[-1]["loss"] == pytest.approx((s[4:] ** 2).sum() / len(x), rel=1e-3)


def decibels(found, x):
    return -10 * np.log10(((found - x) ** 2).mean())


@pytest.mark.parametrize("seed", SEEDS)
def test_the_denoiser_beats_the_median_filter(seed):
    tinydl.manual_seed(seed)
    train, test = digits(), digits(train=False)
    model = Autoencoder(64, 128, 32)
    step = Reconstruct(model, adam(model, 0.003), "cross-entropy", corrupt=GaussianNoise(0.3))
    learn(step, train, 12)
    noisy = step.corrupt(test)
    filtered = [scipy.ndimage.median_filter(array(noisy), (1, 1, n, n)) for n in (2, 3)]
    best = max(decibels(f, array(test)) for f in [*filtered, array(noisy)])
    gain = decibels(array(step.reconstruct(noisy)), array(test)) - best
    print(f"seed {seed}: {gain:.2f} dB above the best median filter, {best:.2f} dB")
    assert gain > 1


@pytest.mark.parametrize("seed", SEEDS)
def test_the_sparse_code_meets_its_activity(seed):
    tinydl.manual_seed(seed)
    train, test = digits(), digits(train=False)
    model = Autoencoder(64, 48, code=nn.Sigmoid)
    dense = array(model.encode(test)).mean()
    history = learn(Reconstruct(model, adam(model), penalty=Sparse(0.05, 2.0)), train, 25)
    activity = array(model.encode(test)).mean(0)
    print(f"seed {seed}: activity {activity.mean():.4f}, of units {activity.min():.3f} to {activity.max():.3f}")
    assert abs(activity.mean() - 0.05) < 0.01 < 0.3 < dense and np.abs(activity - 0.05).max() < 0.05
    assert history[-1]["loss"] < 0.5 * array(train).reshape(-1, 64).var(0).sum(), "and it still carries the image"


def test_the_contractive_code_moves_less():
    x, norms = digits(), []
    for weight in (0.0, 1.0):
        tinydl.manual_seed(0)
        model = Autoencoder(64, 32, code=nn.Sigmoid)
        learn(Reconstruct(model, adam(model), penalty=Contractive(weight)), x, 15)
        norms.append(jacobian_norm(model.encode, x[:50]).mean().item())
    assert norms[1] < 0.5 * norms[0]


@pytest.mark.parametrize("seed", SEEDS)
def test_layer_by_layer_then_as_one(seed):
    tinydl.manual_seed(seed)
    x = digits()
    model = StackedAutoencoder(64, 32, 16)
    greedy = greedy_autoencoder(model, lambda p: optim.Adam(p, lr=0.01), "cross-entropy")
    top = [array(p).copy() for p in model.layers[1].parameters()]
    learn(greedy, x, 10)
    assert all(np.array_equal(array(p), q) for p, q in zip(model.layers[1].parameters(), top))
    first = [array(p).copy() for p in model.layers[0].parameters()]
    whole = Reconstruct(model, adam(model, 0.003), "cross-entropy")
    before = whole.cost(model(x), x).item()
    greedy.layer = 1
    learn(greedy, x, 10)
    assert all(np.array_equal(array(p), q) for p, q in zip(model.layers[0].parameters(), first))
    between = whole.cost(model(x), x).item()
    learn(whole, x, 10)
    after = whole.cost(model(x), x).item()
    print(f"seed {seed}: first layer {before:.2f}, both {between:.2f}, as one {after:.2f} nats")
    assert after < between < before


def test_the_next_layer_has_its_turn():
    model = StackedAutoencoder(12, 6, 3)
    greedy = greedy_autoencoder(model, lambda p: optim.SGD(p, lr=0.1))
    assert [step.loss for step in greedy.steps] == ["squared", "cross-entropy"]
    trainer = Trainer(greedy, [some(4, 12, dtype="float32")], NextLayer(2))
    layers = []
    for epochs in range(1, 5):
        trainer.fit(epochs)
        layers.append(greedy.layer)
    assert layers == [0, 0, 1, 1]


def test_a_convolutional_one_learns():
    tinydl.manual_seed(0)
    x = digits()[:400]
    model = ConvAutoencoder(1, (8, 4))
    history = learn(Reconstruct(model, adam(model)), x, 6)
    assert history[-1]["loss"] < 0.25 * history[0]["loss"]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_chain_of_a_denoiser_comes_to_the_data(seed):
    """Two patterns of bits, 70 % and 30 %; from noise the chain goes to them, and about as often to each."""
    tinydl.manual_seed(seed)
    rng = np.random.default_rng(seed)
    patterns = np.repeat(np.eye(2), 4, 1).astype(np.float32)
    x = tinydl.tensor(patterns[(rng.random(2000) < 0.3).astype(int)])
    model = Autoencoder(8, 32, 16, code=nn.ReLU)
    step = Reconstruct(model, adam(model), "cross-entropy", corrupt=SaltAndPepper(0.4))
    learn(step, x, 25)
    states = array(step.chain(tinydl.rand(300, 8).round(), 150))[100:]
    distance = np.abs(states[..., None, :] - patterns).mean(-1)
    near, second = (distance.min(-1) < 0.25).mean(), (distance.argmin(-1) == 1).mean()
    print(f"seed {seed}: {100 * near:.0f} % near a pattern, {100 * second:.0f} % at the second, of 30 %")
    assert near > 0.85 and abs(second - 0.3) < 0.12
    assert (distance.argmin(-1)[:-1] != distance.argmin(-1)[1:]).mean() > 0.02, "it goes from one to the other"


# ---------------------------------------------------------------- going on, and refusals
STEPS = {
    "noisy and sparse": lambda: Reconstruct(
        model := Autoencoder(12, 6, code=nn.Sigmoid), adam(model), corrupt=Masking(0.3), penalty=Sparse()
    ),
    "contractive": lambda: Reconstruct(model := Autoencoder(12, 6, 4), adam(model), penalty=Contractive()),
    "stacked": lambda: greedy_autoencoder(StackedAutoencoder(12, 6, 3), lambda p: optim.Adam(p), corrupt=Masking(0.3)),
    "variational": lambda: Variational(model := tinydl.models.VAE(12, 6, 3), adam(model)),
}


@pytest.mark.parametrize("name", STEPS)
def test_resumed_is_bit_equal(name, tmp_path):
    def build(seed):
        tinydl.manual_seed(seed)
        step = STEPS[name]()
        batches = DataLoader(TensorDataset(some(40, 12, dtype="float32")), batch_size=8, shuffle=True, seed=seed)
        callbacks = [Checkpoint(tmp_path)] + ([NextLayer(1)] if name == "stacked" else [])
        return Trainer(step, batches, *callbacks)

    def values(trainer):
        steps = getattr(trainer.step, "steps", [trainer.step])
        return [array(p) for step in steps for p in step.model.parameters()]

    whole = build(0)
    whole.fit(4)
    end = values(whole)
    build(0).fit(2)
    resumed = build(1)
    resumed.callbacks[0].resume(resumed)
    resumed.fit(4)
    assert all(np.array_equal(a, b) for a, b in zip(end, values(resumed)))
    assert whole.history[2:] == resumed.history[2:]


@pytest.mark.parametrize(
    "build, message",
    [
        (lambda: Autoencoder(12), "Autoencoder: expected at least two sizes.*got"),
        (lambda: StackedAutoencoder(12, 0), "StackedAutoencoder: expected at least two sizes"),
        (lambda: ConvAutoencoder(1, (4,), 2), "odd kernel_size, got \\(4,\\) and 2"),
        (lambda: Masking(1.5), "Masking: p must be a probability, got 1.5"),
        (lambda: SaltAndPepper(-1), "SaltAndPepper: p must be a probability"),
        (lambda: GaussianNoise(-0.1), "std must not be negative, got -0.1"),
        (lambda: Sparse(1.0), "target in \\(0, 1\\).*got 1.0"),
        (lambda: Sparse()(None, None, some(3, 2) + 1), "expected a code in \\[0, 1\\].*from 1"),
        (lambda: Reconstruct(None, None, "l1"), "squared, cross-entropy, got 'l1'"),
        (lambda: Reconstruct(None, None).chain(some(2, 3), 1), "build the step with corrupt="),
    ],
)
def test_refusals(build, message):
    with pytest.raises(ValueError, match=message):
        build()
