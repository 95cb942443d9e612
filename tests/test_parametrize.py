"""Parameters computed from others: weight and spectral normalisation against PyTorch, and the machinery itself."""

import copy

import numpy as np
import pytest
from oracle import oracle

import tinydl
from tinydl import nn
from tinydl.nn.utils import parametrizations, parametrize

torch = oracle()
rng = np.random.default_rng(0)
LAYERS = {
    "Linear": ((4, 3), (5, 4)),
    "Conv2d": ((2, 3, 2), (2, 2, 4, 4)),
    "ConvTranspose2d": ((2, 3, 2), (2, 2, 3, 3)),
}


NORMS = [
    ("weight_norm", {"dim": 1}),
    ("weight_norm", {"dim": -1}),
    ("weight_norm", {"dim": None}),
    ("spectral_norm", {}),
]


def styles(lib, newer):
    return lib.nn.utils.parametrizations if newer else lib.nn.utils


def normal(*shape):
    return rng.standard_normal(shape)


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("newer", [False, True])
@pytest.mark.parametrize("norm, options", NORMS)
@pytest.mark.parametrize("kind", LAYERS)
def test_norms_are_pytorchs(kind, norm, options, newer):
    """Keys, outputs over several steps in training, gradients, and what stays once it is removed."""
    args, shape = LAYERS[kind]
    theirs = getattr(styles(torch, newer), norm)(getattr(torch.nn, kind)(*args).double(), **options)
    mine = getattr(styles(tinydl, newer), norm)(getattr(nn, kind)(*args).double(), **options)
    assert list(mine.state_dict()) == list(theirs.state_dict())
    mine.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    for step in range(4):
        train = step < 3
        x, w = normal(*shape), normal(*theirs.train(train)(torch.tensor(np.zeros(shape))).shape)
        mine.train(train)(tinydl.zeros(shape, dtype="float64"))
        a, b = theirs(torch.tensor(x)), mine(tinydl.tensor(x))
        np.testing.assert_allclose(b.detach().numpy(), a.detach().numpy(), rtol=1e-9, atol=1e-12)
        (a * torch.tensor(w)).sum().backward()
        (b * tinydl.tensor(w)).sum().backward()
    named = dict(mine.named_parameters())
    for name, p in theirs.named_parameters():
        np.testing.assert_allclose(named[name].grad.numpy(), p.grad.numpy(), rtol=1e-8, atol=1e-10)
    y = mine(tinydl.tensor(x)).detach().numpy()
    if newer:
        assert type(mine).__name__ == f"Parametrized{kind}" and isinstance(mine, getattr(nn, kind))
        parametrize.remove_parametrizations(mine, "weight")
        assert type(mine) is getattr(nn, kind)
    else:
        getattr(nn.utils, f"remove_{norm}")(mine)
    assert sorted(mine.state_dict()) == ["bias", "weight"] and isinstance(mine.weight, nn.Parameter)
    np.testing.assert_allclose(mine(tinydl.tensor(x)).detach().numpy(), y, rtol=1e-12)


@pytest.mark.parametrize("newer", [False, True])
def test_the_largest_singular_value_becomes_one(newer):
    layer = styles(tinydl, newer).spectral_norm(nn.Linear(6, 4), n_power_iterations=50)
    layer(tinydl.zeros(1, 6))
    assert np.linalg.svd(layer.weight.detach().numpy(), compute_uv=False)[0] == pytest.approx(1, rel=1e-4)


@pytest.mark.parametrize("newer", [False, True])
def test_two_forwards_before_a_backward(newer):
    """As a discriminator does, of real and of generated samples: each keeps its vectors."""
    layer = styles(tinydl, newer).spectral_norm(nn.Linear(4, 3))
    real, fake = (tinydl.tensor(normal(2, 4).astype("float32")) for _ in range(2))
    (layer(real) - layer(fake)).sum().backward()
    assert all(p.grad is not None for p in layer.parameters())


class Symmetric(nn.Module):
    """The upper triangle, mirrored."""

    def forward(self, x):
        return x.triu() + x.triu(1).mT

    def right_inverse(self, a):
        return a.triu()


class Double(nn.Module):
    def forward(self, x):
        return 2 * x

    def right_inverse(self, a):
        return a / 2


def test_a_parametrization_of_ones_own():
    layer = nn.Linear(3, 3)
    weight = layer.weight
    parametrize.register_parametrization(layer, "weight", Symmetric())
    assert layer.parametrizations.weight.original is weight  # an optimizer that has it keeps it
    np.testing.assert_array_equal(layer.weight.detach().numpy(), layer.weight.mT.detach().numpy())
    layer(tinydl.ones(1, 3)).sum().backward()
    assert not np.tril(weight.grad.numpy(), -1).any() and weight.grad.numpy().any()
    wanted = np.array([[1, 2, 3], [2, 4, 5], [3, 5, 6]], "float32")
    layer.weight = tinydl.tensor(wanted)
    np.testing.assert_array_equal(layer.weight.detach().numpy(), wanted)
    parametrize.register_parametrization(layer, "weight", Double())
    np.testing.assert_array_equal(layer.weight.detach().numpy(), wanted)
    np.testing.assert_array_equal(weight.detach().numpy(), np.triu(wanted) / 2)
    twin = copy.deepcopy(layer)
    np.testing.assert_array_equal(twin.weight.detach().numpy(), wanted)
    assert parametrize.is_parametrized(twin, "weight") and not parametrize.is_parametrized(twin, "bias")
    parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
    np.testing.assert_array_equal(layer.weight.detach().numpy(), np.triu(wanted) / 2)
    assert list(dict(layer.named_modules())) == [""] and type(layer) is nn.Linear


class Flat(nn.Module):
    def forward(self, x):
        return x.reshape(-1)


REFUSED = [
    (lambda m: parametrizations.weight_norm(m, "wait"), ValueError, "Linear has no parameter or buffer 'wait'"),
    (lambda m: parametrizations.spectral_norm(m, n_power_iterations=0), ValueError, "must be positive, got 0"),
    (lambda m: parametrizations.spectral_norm(m, dim=2), IndexError, r"dim 2 is out of range .* \(2, 3\)"),
    (lambda m: parametrize.register_parametrization(m, "weight", Flat()), ValueError, r"gives float32 \(6,\)"),
    (lambda m: parametrize.remove_parametrizations(m, "weight"), ValueError, "Linear has no parametrized 'weight'"),
]  # fmt: skip


@pytest.mark.parametrize("call, error, text", REFUSED, ids=[text[:40] for *_, text in REFUSED])
def test_refused_and_nothing_changed(call, error, text):
    layer = nn.Linear(3, 2)
    before = list(layer.state_dict())
    with pytest.raises(error, match=text):
        call(layer)
    assert list(layer.state_dict()) == before and type(layer) is nn.Linear
