"""Gradients through steps of optimizers: finite differences and PyTorch's recorded steps judge."""

import numpy as np
import pytest
from oracle import oracle
from test_optim import CASES

import tinydl
from tinydl import nn, optim
from tinydl.func import functional_call
from tinydl.testing import gradcheck

START = np.array([0.7, -1.3, 0.4])
DATA = np.array([[1.0, 2.0, -1.0], [0.5, -0.3, 0.8]])
RATES = {"Adadelta": 1.0, "Rprop": 0.05}


def inner_loss(w, x):
    return (x @ w.sin()).pow(2).sum() + (w * w).sum() / 10


def unrolled(lib, name, steps, w0, lr=None, **options):
    """The outer loss at the parameters that `steps` steps on the inner loss reach from w0."""
    w, x = w0.clone(), lib.tensor(DATA)
    optimizer = getattr(lib.optim, name)(
        [w], lr=RATES.get(name, 0.1) if lr is None else lr, differentiable=True, **options
    )
    for _ in range(steps):
        (w.grad,) = lib.autograd.grad(inner_loss(w, x), w, create_graph=True)
        optimizer.step()
    return (w.cos() * lib.arange(1.0, 4.0)).sum()


@pytest.mark.parametrize("name, options", CASES, ids=[f"{n}-{o}" for n, o in CASES])
def test_gradients_with_respect_to_first_values_and_rate(name, options):
    options = {k: v for k, v in options.items() if k != "lr"}
    w0, lr = (
        tinydl.tensor(START, requires_grad=True),
        tinydl.tensor(RATES.get(name, 0.1), dtype="float64", requires_grad=True),
    )
    # the rate's counters are float32, as PyTorch's
    close = {"eps": 1e-4, "atol": 1e-3} if name == "ASGD" else {}
    gradcheck(lambda w, lr: unrolled(tinydl, name, 3, w, lr, **options), (w0, lr), **close)


@pytest.mark.parametrize("name, option", [
    ("SGD", {"momentum": 0.9}), ("SGD", {"momentum": 0.5, "weight_decay": 0.1}), ("Adam", {"betas": (0.9, 0.99)}),
    ("Adam", {"betas": (0.8, 0.9), "amsgrad": True}), ("AdamW", {"weight_decay": 0.1}),
    ("NAdam", {"betas": (0.9, 0.99)}), ("RAdam", {"betas": (0.7, 0.8)}),
    ("RMSprop", {"alpha": 0.9, "momentum": 0.5, "centered": True}),
    ("Adagrad", {"lr_decay": 0.1}), ("Adadelta", {"rho": 0.9, "eps": 1e-3}), ("Adamax", {"betas": (0.9, 0.99)}),
], ids=str)  # fmt: skip
def test_gradients_with_respect_to_options(name, option):
    flags = {k: v for k, v in option.items() if isinstance(v, bool)}
    numbers = {k: v for k, v in option.items() if k not in flags}
    given = [tinydl.tensor(v, dtype="float64", requires_grad=True) for v in numbers.values()]

    def loss(*tensors):
        each = {k: tuple(t) if t.ndim else t for k, t in zip(numbers, tensors)}
        return unrolled(
            tinydl, name, 7 if name == "RAdam" else 3, tinydl.tensor(START, requires_grad=True), **each, **flags
        )

    # the product of NAdam's rates is a float32 counter, as PyTorch's
    gradcheck(loss, given, **({"eps": 1e-3, "atol": 1e-3, "rtol": 1e-2} if name == "NAdam" else {"atol": 1e-4}))


# PyTorch 2.13 leaves SGD's first momentum out of the graph, and overwrites what its graph needs in others.
NOT_TORCHS = {"momentum", "amsgrad", "centered"}
TORCHS = [(n, o) for n, o in CASES if n not in ("Adamax", "Rprop") and NOT_TORCHS.isdisjoint(o)]


@pytest.mark.parametrize("name, options", TORCHS, ids=[f"{n}-{o}" for n, o in TORCHS])
def test_steps_and_gradients_are_torchs(name, options):
    torch = oracle()
    found = []
    for lib in (tinydl, torch):
        w0, g0 = (lib.tensor(values, requires_grad=True) for values in (START, DATA[0]))
        w = w0.clone()
        optimizer = getattr(lib.optim, name)([w], **options, differentiable=True)
        for i in range(4):
            w.grad = (g0 * (i + 1)).sin()
            optimizer.step()
        loss = (w.cos() * lib.arange(1.0, 4.0)).sum()
        found.append([t.detach().numpy() for t in (w, *lib.autograd.grad(loss, (w0, g0)))])
    for mine, theirs in zip(*found):
        np.testing.assert_allclose(mine, theirs, rtol=2e-6, atol=1e-7)


def test_recorded_steps_are_the_plain_ones():
    for name, options in CASES:
        ends = []
        for recorded in (False, True):
            w = tinydl.tensor(START, dtype="float32")
            optimizer = getattr(optim, name)([w], **options, differentiable=recorded)
            for i in range(6):
                w.grad = tinydl.tensor(DATA[i % 2], dtype="float32")
                optimizer.step()
            ends.append(w.numpy())
            assert all(v.dtype == tinydl.float32 for v in optimizer.state[w].values())
        np.testing.assert_allclose(*ends, rtol=1e-6, err_msg=name)


@pytest.mark.parametrize("name", ["Adam", "AdamW", "NAdam", "RAdam", "RMSprop", "Adagrad", "Adadelta", "Adamax"])
def test_gradients_that_are_zero_spoil_nothing(name):
    """Where PyTorch has NaN, the derivative of sqrt at 0 being infinite."""
    x = tinydl.tensor([0.0, 0.7], dtype="float64", requires_grad=True)

    def final(x):
        w = tinydl.zeros(2, dtype="float64")
        optimizer = getattr(optim, name)([w], lr=0.1, eps=0.1, differentiable=True)
        for i in range(7):
            w.grad = x * (1 + i)
            optimizer.step()
        return w

    gradcheck(final, (x,), eps=1e-7, rtol=1e-3)


@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_second_derivatives(name):
    w0 = tinydl.tensor(START, requires_grad=True)
    gradcheck(lambda w: unrolled(tinydl, name, 2, w), (w0,), order=2)


def test_a_module_learns_where_to_start():
    """MAML: the network's own parameters get the gradient through steps taken on clones of them."""
    tinydl.manual_seed(0)
    net = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1)).to("float64")
    x = tinydl.linspace(-1, 1, 9, dtype="float64").unsqueeze(1)
    before = {name: p.detach().clone() for name, p in net.named_parameters()}

    def adapted(*starts):
        weights = dict(zip(before, (w.clone() for w in starts)))
        optimizer = optim.SGD(weights.values(), lr=0.1, momentum=0.5, differentiable=True)
        for _ in range(2):
            loss = (functional_call(net, weights, x) - (3 * x).sin()).square().mean()
            loss.backward(create_graph=True, inputs=list(weights.values()))
            optimizer.step()
            optimizer.zero_grad()
        return (functional_call(net, weights, x) - (3 * x).sin()).square().mean()

    adapted(*net.parameters()).backward()
    assert all(p.grad.abs().sum() > 0 and (p == before[n]).all() for n, p in net.named_parameters())
    gradcheck(adapted, tuple(net.parameters()))


def test_what_earlier_graphs_need_survives_a_step():
    w0 = tinydl.tensor(START, requires_grad=True)
    w = w0.clone()
    early = (w * w).sum()
    shared, w.grad = w.detach(), tinydl.ones_like(w)
    optim.SGD([w], lr=0.5, differentiable=True).step()
    early.backward()
    np.testing.assert_allclose(w0.grad.numpy(), 2 * START)
    np.testing.assert_allclose(shared.numpy(), START)
    np.testing.assert_allclose(w.detach().numpy(), START - 0.5)


def test_leaves_and_views_are_refused_and_nothing_is_changed():
    leaf = tinydl.ones(3, requires_grad=True)
    for wrong, text in ((leaf, "is a leaf; optimize clones"), ((leaf * 2)[1:], "is a view; optimize clones")):
        free = leaf.clone()
        optimizer = optim.Adam([free, wrong], differentiable=True)
        free.grad, wrong.grad = tinydl.ones_like(free), tinydl.ones_like(wrong)
        with pytest.raises(RuntimeError, match=text):
            optimizer.step()
        assert (free == 1).all() and not optimizer.state
    with pytest.raises(ValueError, match="can only optimize leaves"):
        optim.Adam([leaf * 2])
