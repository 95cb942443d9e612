"""Gradients of gradients through whole networks and through updates, against PyTorch's."""

import numpy as np
import pytest
from oracle import oracle

import tinydl

torch = oracle()
rng = np.random.default_rng(0)


def twins(build, dtype="float64"):
    """[(library, network)], both networks with PyTorch's first parameters."""
    torch.manual_seed(0)
    theirs, mine = (build(lib.nn).to(getattr(lib, dtype)) for lib in (torch, tinydl))
    mine.load_state_dict({k: tinydl.tensor(v.numpy()) for k, v in theirs.state_dict().items()})
    return [(torch, theirs), (tinydl, mine)]


def agree(found, rtol=1e-8, atol=1e-10):
    for a, b in zip(*found, strict=True):
        assert str(b.dtype) == str(a.dtype).removeprefix("torch.")
        a, b = a.detach().numpy(), b.detach().numpy()
        np.testing.assert_allclose(b, a, rtol=rtol, atol=atol * max(1, abs(a).max()))


# ---------------------------------------------------------------- critics
NORMS = {
    "none": lambda nn, c, size: nn.Identity(),
    "batch": lambda nn, c, size: nn.BatchNorm2d(c),
    "layer": lambda nn, c, size: nn.LayerNorm((c, size, size)),
    "instance": lambda nn, c, size: nn.InstanceNorm2d(c, affine=True),
    "group": lambda nn, c, size: nn.GroupNorm(2, c),
}


def critic(norm, spectral=False):
    def build(nn):
        layers = [
            nn.Conv2d(2, 4, 3, 2, 1), nn.LeakyReLU(0.2),
            nn.Conv2d(4, 6, 3, 1, 1), NORMS[norm](nn, 6, 4), nn.SiLU(), nn.AvgPool2d(2),
            nn.ConvTranspose2d(6, 4, 2, 2), nn.Softplus(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(16, 1),
        ]  # fmt: skip
        normed = nn.utils.spectral_norm if spectral else lambda layer: layer
        return nn.Sequential(*(normed(m) if hasattr(m, "weight") and "Norm" not in str(m) else m for m in layers))

    return build


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("norm", [*NORMS, "spectral"])
@pytest.mark.filterwarnings("ignore")  # PyTorch's newer name of spectral_norm
def test_wasserstein_critic_with_gradient_penalty(norm, dtype):
    """Gulrajani et al. 2017: the slope of the critic between real and false images is drawn to 1."""
    real, false = rng.standard_normal((2, 3, 2, 8, 8)).astype(dtype)
    share = rng.uniform(size=(3, 1, 1, 1)).astype(dtype)
    found = []
    for lib, net in twins(critic(norm if norm in NORMS else "none", norm == "spectral"), dtype):
        between = lib.tensor(share * real + (1 - share) * false, requires_grad=True)
        score = net(between)
        (g,) = lib.autograd.grad(score.sum(), between, create_graph=True)
        slope = (g.reshape(3, -1) ** 2).sum(1).sqrt()
        loss = net(lib.tensor(false)).mean() - net(lib.tensor(real)).mean() + 10 * ((slope - 1) ** 2).mean()
        loss.backward()
        found.append([loss, between.grad, *(p.grad for p in net.parameters())])
        assert len(found[-1]) == 2 + len(list(net.parameters()))
    agree(found, **({} if dtype == "float64" else {"rtol": 1e-3, "atol": 1e-4}))


def test_packed_sequences_twice():
    lengths, x = [4, 2, 1], rng.standard_normal((4, 3, 2))
    for kind in ("LSTM", "GRU", "RNN"):
        found = []
        for lib, net in twins(lambda nn, kind=kind: getattr(nn, kind)(2, 3, 2, bidirectional=True)):
            leaf = lib.tensor(x, requires_grad=True)
            packed = lib.nn.utils.rnn.pack_padded_sequence(leaf, lengths)
            y, _ = lib.nn.utils.rnn.pad_packed_sequence(net(packed)[0])
            grads = lib.autograd.grad((y**2).sum(), [leaf, *net.parameters()], create_graph=True)
            penalty = sum((g * g).sum() for g in grads)
            found.append([y, *grads, *lib.autograd.grad(penalty, [leaf, *net.parameters()])])
        agree(found)


# ---------------------------------------------------------------- through updates
RATE = 0.3


def test_unrolled_gan():
    """Metz et al. 2017: the generator's gradient through three steps of the discriminator's own training."""
    noise, data = rng.standard_normal((2, 8, 2))
    found = []
    for which in range(2):
        (lib, g), (_, d) = (
            twins(lambda nn, n=n: nn.Sequential(nn.Linear(2, 6), nn.Tanh(), nn.Linear(6, n)))[which] for n in (2, 1)
        )
        bce = lib.nn.functional.binary_cross_entropy_with_logits
        call = lib.func.functional_call
        false, real = g(lib.tensor(noise)), lib.tensor(data)
        weights = {name: p.clone() for name, p in d.named_parameters()}
        optimizer = lib.optim.SGD(weights.values(), lr=RATE, differentiable=True)
        for _ in range(3):
            judged, true = call(d, weights, (false,)), call(d, weights, (real,))
            loss = bce(judged, lib.zeros_like(judged)) + bce(true, lib.ones_like(true))
            slopes = lib.autograd.grad(loss, list(weights.values()), create_graph=True)
            if lib is torch:  # its own step overwrites what its graph needs
                weights = {name: w - RATE * slope for (name, w), slope in zip(weights.items(), slopes)}
                continue
            for w, slope in zip(weights.values(), slopes):
                w.grad = slope
            optimizer.step()
        judged = call(d, weights, (false,))
        loss = bce(judged, lib.ones_like(judged))
        loss.backward()
        found.append([loss, *(p.grad for net in (g, d) for p in net.parameters())])
    agree(found)


# ---------------------------------------------------------------- Jacobians, Hessians and products
def net_of(lib, w):
    """A small network as a function of its input alone."""
    w1, w2 = (lib.tensor(a) for a in w)
    return lambda x: (x @ w1).tanh() @ w2


WEIGHTS = [rng.standard_normal((3, 4)), rng.standard_normal((4, 2))]
POINT, DIRECTION, ROW = rng.standard_normal((2, 3)), rng.standard_normal((2, 3)), rng.standard_normal((2, 2))


def both_orders(call):
    """What `call(lib, functional, f, x)` returns, and the slope of its sum of squares by x."""
    found = []
    for lib in (torch, tinydl):
        x = lib.tensor(POINT, requires_grad=True)
        y = call(lib, lib.autograd.functional, net_of(lib, WEIGHTS), x)
        y = y[-1] if isinstance(y, tuple) else y
        found.append([y, *lib.autograd.grad((y * y).sum(), x)])
    agree(found)


@pytest.mark.parametrize("strict", [False, True])
def test_derivatives_can_be_differentiated(strict):
    how = {"create_graph": True, "strict": strict}
    scalar = lambda f: lambda x: (f(x) ** 2).sum()
    both_orders(lambda lib, functional, f, x: functional.jacobian(f, x, **how))
    both_orders(lambda lib, functional, f, x: functional.hessian(scalar(f), x, **how))
    both_orders(lambda lib, functional, f, x: functional.vjp(f, x, lib.tensor(ROW), **how))
    both_orders(lambda lib, functional, f, x: functional.jvp(f, x, lib.tensor(DIRECTION), **how))
    both_orders(lambda lib, functional, f, x: functional.hvp(scalar(f), x, lib.tensor(DIRECTION), **how))
    both_orders(lambda lib, functional, f, x: functional.vhp(scalar(f), x, lib.tensor(DIRECTION), **how))


@pytest.mark.parametrize("options", [
    {"vectorize": True}, {"vectorize": True, "strategy": "forward-mode"},
], ids=str)  # fmt: skip
def test_ways_of_making_a_jacobian_give_the_same(options):
    found = []
    for lib in (torch, tinydl):
        pair = lambda x, y, lib=lib: (x.sin() * y.sum(), x.sum() * y)
        given = lib.tensor(POINT), lib.tensor(ROW)
        found.append([b for row in lib.autograd.functional.jacobian(pair, given, **options) for b in row])
    agree(found)
    name = "outer_jacobian_strategy"
    options = {name if k == "strategy" else k: v for k, v in options.items()}
    found = []
    for lib in (torch, tinydl):
        both = lambda x, y: (x.sin() * (y**3).sum()).sum() + (x.mean() * y).exp().sum()
        given = lib.tensor(POINT), lib.tensor(ROW)
        found.append([b for row in lib.autograd.functional.hessian(both, given, **options) for b in row])
    agree(found)


@pytest.mark.parametrize("name", ["jacobian", "hessian", "vjp", "jvp", "hvp", "vhp"])
def test_what_strict_refuses_is_pytorchs(name):
    """No dependence at all; on one input only; and, of second derivatives, a first one that is constant."""
    more = lambda lib: () if name in ("jacobian", "hessian", "vjp") else (lib.ones(2),)
    calls = [
        lambda lib, f: f(lambda x: lib.ones(()), lib.ones(2), *more(lib), strict=True),
        lambda lib, f: f(lambda x, y: (x * x).sum(), (lib.ones(2),) * 2, *((m, m) for m in more(lib)), strict=True),
        lambda lib, f: f(lambda x: x.sum(), lib.ones(2), *more(lib), strict=True),
        lambda lib, f: f(lambda x: (x**3).sum(), lib.ones(2), *more(lib), strict=True),
    ]
    for call in calls:
        refused = []
        for lib in (torch, tinydl):
            try:
                call(lib, getattr(lib.autograd.functional, name))
                refused.append(False)
            except RuntimeError:
                refused.append(True)
        assert refused[0] == refused[1]
