"""Functions of functions and modules, held against PyTorch's torch.func."""

import numpy as np
import pytest
from oracle import oracle

import tinydl
from tinydl import nn
from tinydl.func import functional_call, grad, grad_and_value, per_sample_grad, vmap
from tinydl.nn import functional as F

X = np.random.default_rng(0).standard_normal((5, 1, 6, 6))
T = np.array([0, 2, 1, 1, 0])


def network(lib):
    layers = lib.nn
    net = layers.Sequential(
        layers.Conv2d(1, 3, 3), layers.Tanh(), layers.MaxPool2d(2), layers.Flatten(), layers.Linear(12, 3)
    ).to(lib.float64)
    rng = np.random.default_rng(1)
    net.load_state_dict({k: lib.tensor(rng.standard_normal(tuple(v.shape))) for k, v in net.state_dict().items()})
    return net


# ---------------------------------------------------------------- single samples
def test_gradients_of_single_samples_are_torchs():
    torch = oracle()
    found = []
    for lib, func in ((tinydl, tinydl.func), (torch, torch.func)):
        net, cross_entropy = network(lib), lib.nn.functional.cross_entropy
        params = {name: p.detach() for name, p in net.named_parameters()}

        def loss(params, x, t, func=func, net=net, cross_entropy=cross_entropy):
            return cross_entropy(func.functional_call(net, params, (x.unsqueeze(0),)), t.unsqueeze(0))

        grads = func.vmap(func.grad(loss), in_dims=(None, 0, 0))(params, lib.tensor(X), lib.tensor(T))
        found.append({name: g.numpy() for name, g in grads.items()})
    mine, theirs = found
    assert list(mine) == list(theirs)
    for name in mine:
        np.testing.assert_allclose(mine[name], theirs[name], rtol=1e-10, atol=1e-12)


def test_they_are_those_of_batches_of_one_and_add_up():
    net = network(tinydl)
    x, t = tinydl.tensor(X), tinydl.tensor(T)
    grads = per_sample_grad(net, F.cross_entropy, x, t)
    assert all(p.grad is None for p in net.parameters())
    for i in range(len(T)):
        net.zero_grad()
        F.cross_entropy(net(x[i : i + 1]), t[i : i + 1]).backward()
        for name, p in net.named_parameters():
            np.testing.assert_allclose(grads[name][i].numpy(), p.grad.numpy(), rtol=1e-10, atol=1e-12)
    net.zero_grad()
    F.cross_entropy(net(x), t).backward()
    for name, p in net.named_parameters():
        assert grads[name].shape == (5, *p.shape) and not grads[name].requires_grad
        np.testing.assert_allclose(grads[name].mean(0).numpy(), p.grad.numpy(), rtol=1e-9, atol=1e-12)


def test_buffers_and_frozen_parameters_stay():
    net = nn.Sequential(nn.BatchNorm2d(1), nn.Flatten(), nn.Linear(36, 2))
    net[2].bias.requires_grad_(False)
    before = {name: b.clone() for name, b in net.named_buffers()}
    grads = per_sample_grad(net, lambda y: y.square().sum(), tinydl.tensor(X, dtype="float32"))
    assert set(grads) == {"0.weight", "0.bias", "2.weight"} and grads["2.weight"].dtype == tinydl.float32
    assert all((before[name] == b).all() for name, b in net.named_buffers())


# ---------------------------------------------------------------- grad, vmap
def test_grad_is_torchs():
    torch = oracle()
    found = []
    for lib, func in ((tinydl, tinydl.func), (torch, torch.func)):
        a, b = lib.tensor([0.5, -1.5]), lib.tensor([2.0, 3.0])

        def f(tree, b, scale=1.0):
            return (tree["a"].sin() * b * tree["more"][0]).sum() * scale, tree["a"] * 2

        tree = {"a": a, "more": [b]}
        (got, gb), (value, aux) = func.grad_and_value(f, argnums=(0, -1), has_aux=True)(tree, b, scale=2.0)
        cube = func.grad(func.grad(lambda x: x**3))(lib.tensor(2.0))
        nested = func.grad(lambda x, grad=func.grad: grad(lambda y: x * y * y)(x))(lib.tensor(3.0))
        found.append([got["a"], got["more"][0], gb, value, aux, cube, nested])
    for mine, theirs in zip(*found):
        assert not mine.requires_grad
        np.testing.assert_allclose(mine.numpy(), theirs.numpy(), rtol=1e-5)


def test_a_gradient_is_tied_to_what_requires_grad():
    w = tinydl.tensor(2.0, requires_grad=True)
    assert grad(lambda x: w * x * x)(tinydl.tensor(3.0)).requires_grad
    (second,) = tinydl.autograd.grad(grad(lambda x: w * x * x)(tinydl.tensor(3.0)), w)
    assert second.item() == 6
    (through,) = tinydl.autograd.grad(grad(lambda x: x * x * x)(w), w)
    assert through.item() == 12
    (slope,), value = grad_and_value(lambda x: tinydl.tensor(7.0), (0,))(w)
    assert slope.item() == 0 and value.item() == 7


@pytest.mark.parametrize("in_dims, out_dims", [(0, 0), ((1, None), 1), ((None, 0), -1), ((-1, 0), 0)])
def test_vmap_is_torchs(in_dims, out_dims):
    torch = oracle()
    rng = np.random.default_rng(3)
    a, b = rng.standard_normal((3, 3, 3)), rng.standard_normal((3, 3))
    mine, theirs = (
        lib.func.vmap(lambda x, y: (x @ y).sin(), in_dims, out_dims)(lib.tensor(a), lib.tensor(b)).numpy()
        for lib in (tinydl, torch)
    )
    np.testing.assert_allclose(mine, theirs, rtol=1e-10, atol=1e-12)


def test_vmap_of_trees():
    tree = {"a": tinydl.arange(6).reshape(2, 3), "b": 4}
    out, first = vmap(lambda t, k=None: ({"s": t["a"].sum() * t["b"] + k}, t["a"]), ({"a": 0, "b": None},), (0, None))(
        tree, k=tinydl.tensor([10, 20])
    )
    assert out["s"].tolist() == [22, 68] and first.tolist() == [0, 1, 2]
    x = tinydl.ones(2, 3, requires_grad=True)
    vmap(lambda row: (row * row).sum())(x).sum().backward()
    assert (x.grad == 2).all()


# ---------------------------------------------------------------- functional_call
class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(2, 2, bias=False)
        self.b = nn.Linear(2, 2, bias=False)
        self.b.weight = self.a.weight

    def forward(self, x, scale=1.0):
        return self.b(self.a(x)) * scale


def test_tied_weights_stand_for_all_their_names():
    net, x, double = Tied(), tinydl.ones(1, 2), 2 * tinydl.eye(2)
    own = net.a.weight
    for name in ("a.weight", "b.weight"):
        np.testing.assert_allclose(functional_call(net, {name: double}, (x,), {"scale": 0.5}).numpy(), [[2, 2]])
    with tinydl.no_grad():
        untied = functional_call(net, {"a.weight": double}, x, tie_weights=False)
        np.testing.assert_allclose(untied.numpy(), net.b(x * 2).numpy(), rtol=1e-6)
    assert net.a.weight is own and net.b.weight is own and dict(net.named_parameters())["a.weight"] is own


def test_buffers_come_back_in_the_dict():
    net, x = nn.BatchNorm1d(2), tinydl.randn(8, 2)
    state = {name: t.detach().clone() for name, t in net.state_dict().items()}
    functional_call(net, state, x)
    expected = 0.1 * x.mean(0).numpy()
    np.testing.assert_allclose(state["running_mean"].numpy(), expected, rtol=1e-5, atol=1e-7)
    assert state["num_batches_tracked"].item() == 1 and net.num_batches_tracked.item() == 0
    assert (net.running_mean == 0).all()


def test_a_failing_call_leaves_the_module_as_it_was():
    net = nn.Linear(2, 2)
    own = net.weight
    with pytest.raises(RuntimeError, match="expects"):
        functional_call(net, {"weight": tinydl.ones(3, 5)}, tinydl.ones(1, 2))
    assert net.weight is own


NET = nn.Linear(2, 2)
ONE = tinydl.ones(1, 2)


@pytest.mark.parametrize(
    "wrong, error, text",
    [
        (lambda: functional_call(NET, {"kernel": ONE}, ONE), RuntimeError, r"Linear has no \['kernel'\]"),
        (lambda: functional_call(NET, {"bias": ONE}, ONE, strict=True), RuntimeError, r"missing.*\['weight'\]"),
        (lambda: functional_call(NET, [{"bias": ONE}, {"bias": ONE}], ONE), ValueError, "more than one dict"),
        (lambda: grad(lambda x: x)(ONE), RuntimeError, r"must return a scalar tensor, got shape \(1, 2\)"),
        (lambda: grad(lambda x: 3)(ONE), RuntimeError, "a scalar tensor, got int"),
        (lambda: grad(lambda x: x, 1)(ONE), RuntimeError, "argument 1, but there are 1 positional"),
        (lambda: grad(lambda x: x)(tinydl.arange(3)), TypeError, "floating tensors, got int64"),
        (lambda: vmap(lambda x, y: x, (0,))(ONE, ONE), ValueError, "in_dims .* is not built like"),
        (lambda: vmap(lambda x, y: x)(ONE, tinydl.ones(2)), ValueError, r"they have \[1, 2\]"),
        (lambda: vmap(lambda x: x, None)(ONE), ValueError, "must have one size"),
        (lambda: vmap(lambda x, k: x)(ONE, 3), TypeError, "in_dims names a dimension of a int"),
        (lambda: vmap(lambda x: 3)(ONE), TypeError, "out_dims names a dimension of a int"),
    ],
)
def test_what_makes_no_sense_is_refused(wrong, error, text):
    with pytest.raises(error, match=text):
        wrong()
