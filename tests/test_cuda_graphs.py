"""Training steps as CUDA graphs, emulated: replays are eager steps, and what a graph cannot hold is refused by name.

On the stand-in a capture notes kernels and array functions without running them, and a replay runs them again on the
same memory (tinydl/testing/tape.py).  Nothing here has run on a GPU.
"""

import numpy as np
import pytest

import tinydl
import tinydl.nn.functional as F
from tinydl import nn, optim
from tinydl.kernels.gpu import precision, recording
from tinydl.models import lenet
from tinydl.testing import cudaemu
from tinydl.testing.emulated import emulated_device

pytestmark = pytest.mark.skipif(not cudaemu.available(), reason="emulation needs g++")


@pytest.fixture
def device():
    with emulated_device() as found:
        yield found


def mlp():
    return nn.Sequential(nn.Linear(6, 7, bias=False), nn.BatchNorm1d(7), nn.ReLU(), nn.Dropout(0.3), nn.Linear(7, 4))


class Words(nn.Module):
    """Classes of sequences of words."""

    def __init__(self):
        super().__init__()
        self.table, self.lstm, self.out = nn.Embedding(11, 4), nn.LSTM(4, 6), nn.Linear(6, 4)

    def forward(self, x):
        return self.out(self.lstm(self.table(x))[0][-1])


def trained(model, inputs, make, place, graphed, schedule=None, warmup=2):
    """Losses, parameters and buffers after a step on each of `inputs`."""
    model, optimizer, losses = model.to(place), make(model.parameters()), []
    rates = schedule and schedule(optimizer)

    def step(x, target):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), target)
        loss.backward()
        optimizer.step()
        return {"loss": loss}

    run = tinydl.cuda.graph(step, warmup=warmup) if graphed else step
    tinydl.manual_seed(5)
    for x, target in inputs:
        losses.append(run(x.to(place), target.to(place))["loss"].item())
        if rates:
            rates.step()
    return [np.array(losses), *(t.detach().to("cpu").numpy() for t in model.state_dict().values())]


def compare(build, draw, make, device, **options):
    """Graphed steps on the device against eager ones on the CPU."""
    results = []
    for place, graphed in (("cpu", False), (device, True)):
        tinydl.manual_seed(3)
        model = build()
        inputs = [(draw(), tinydl.randint(4, (3,))) for _ in range(6)]
        results.append(trained(model, inputs, make, place, graphed, **options))
    for want, got in zip(*results, strict=True):
        np.testing.assert_allclose(got, want, rtol=2e-5, atol=2e-6)
    assert len(set(results[0][0])) == 6  # no two losses are equal: inputs, weights or masks did change
    return results


STEPS = {
    "MLP": (mlp, lambda: tinydl.randn(3, 6), lambda p: optim.Adam(p, 1e-2)),
    "convolutions": (
        lambda: lenet.LeNet(8, 1, 4),
        lambda: tinydl.randn(3, 1, 8, 8),
        lambda p: optim.AdamW(p, 1e-2, eps=1e-3),
    ),
    "LSTM": (Words, lambda: tinydl.randint(11, (4, 3)), lambda p: optim.SGD(p, 0.1, 0.9, nesterov=True)),
}


@pytest.mark.parametrize("name", STEPS)
def test_replays_are_steps(name, device, monkeypatch):
    monkeypatch.setattr(precision, "_now", dict.fromkeys(precision._now, "ieee"))
    compare(*STEPS[name], device)


SCHEDULED = {
    "SGD": lambda p: optim.SGD(p, 0.1, 0.9),
    "AdamW": lambda p: optim.AdamW(p, 1e-2, amsgrad=True),
    "RMSprop": lambda p: optim.RMSprop(p, 1e-2),
    "Adagrad": lambda p: optim.Adagrad(p, 1e-2, lr_decay=0.1),
    "Adamax": lambda p: optim.Adamax(p, 1e-2),
    "NAdam": lambda p: optim.NAdam(p, 1e-2),
    "Adadelta": lambda p: optim.Adadelta(p, 1.0),
}


@pytest.mark.parametrize("name", SCHEDULED)
def test_rates_and_counts_go_on(name, device):
    compare(mlp, STEPS["MLP"][1], SCHEDULED[name], device, schedule=lambda o: optim.lr_scheduler.ExponentialLR(o, 0.5))


def test_numbers_beyond_one_launch(device):
    """So many numbers that they do not fit what one launch passes by value."""
    p = [nn.Parameter(tinydl.full((2,), float(i)).to(device)) for i in range(2 * recording.LENGTH)]
    optimizer = optim.Adagrad(p, 0.5)

    def step():
        optimizer.zero_grad()
        sum((q * q).sum() for q in p[::100]).backward()
        for q in p:
            q.grad = q.detach() * 2 if q.grad is None else q.grad
        optimizer.step()

    fast = tinydl.cuda.graph(step, warmup=1, device=device)
    want = torch_adagrad(2 * recording.LENGTH)
    for k in range(4):
        fast()
        np.testing.assert_allclose(np.array([q.tolist()[0] for q in p]), want[k], rtol=1e-5, atol=1e-6)


def torch_adagrad(count):
    """Adagrad's steps on p**2, p = 0, 1, .., in float64."""
    p, total, found = np.arange(count, dtype="d"), 0.0, []
    for _ in range(4):
        total = total + 4 * p * p
        p = p - 0.5 * 2 * p / (np.sqrt(total) + 1e-10)
        found.append(p)
    return found


# ---------------------------------------------------------------- random numbers
def test_random_numbers_go_on_and_follow_the_seed(device):
    def draws(run):
        tinydl.manual_seed(7)
        x = tinydl.zeros(3, 5).to(device)
        found = []
        for k in range(6):
            found += [t.tolist() for t in run(x)]
            if k == 3:  # eager draws come between, and a seed begins anew
                found.append(tinydl.rand(2, device=device).tolist())
                tinydl.manual_seed(9)
        return found, tinydl.rand(3, device=device).tolist()

    def step(x):
        noise = tinydl.rand_like(x)
        return noise, tinydl.randn_like(x), F.dropout(x + 1), tinydl.randint_like(x, 100), x.clone().exponential_()

    want = draws(step)
    got = draws(tinydl.cuda.graph(step, warmup=2))
    assert got == want
    assert len({str(t) for t in want[0]}) == len(want[0])


def test_random_numbers_of_a_checkpoint(device):
    """What runs a second time within the step draws the same numbers again."""

    def step(x):
        w = x.detach().requires_grad_()
        y = tinydl.autograd.checkpoint(lambda w: F.dropout(w * w, 0.5) * w, w)
        (g,) = tinydl.autograd.grad(y.sum(), w)
        return y, g

    fast, x = tinydl.cuda.graph(step, warmup=1), tinydl.arange(1.0, 40.0).to(device)
    seen = set()
    for _ in range(4):
        y, g = fast(x)
        np.testing.assert_allclose(g.cpu().numpy(), 3 * y.detach().cpu().numpy() / x.cpu().numpy(), rtol=1e-5)
        seen.add(str(y.tolist()))
    assert len(seen) == 4


# ---------------------------------------------------------------- arguments, results, gradients
def test_arguments_and_results(device):
    def step(pair, *, scale, extra=None):
        a, b = pair["a"], pair["b"]
        return [a * scale + b, (None, {"sum": a.sum()})]

    fast = tinydl.cuda.graph(step, warmup=1)
    for k in range(4):
        a, b = tinydl.full((2, 3), k, dtype="float32").to(device), tinydl.ones(3).to(device)
        first, (nothing, more) = fast({"a": a, "b": b}, scale=2)
        assert nothing is None and more["sum"].item() == 6 * k
        assert first.tolist() == [[2 * k + 1.0] * 3] * 2
    again = fast({"a": a, "b": b}, scale=2)[0]
    assert again is first  # the graph's own memory
    for wrong, text in (
        (lambda: fast({"a": a.cpu(), "b": b}, scale=2), r"tensor 0 is on cpu; call \.to\('strict'\)"),
        (lambda: fast({"a": a[:1], "b": b}, scale=2), r"tensor 0 is \(1, 3\) float32, at .* \(2, 3\) float32; pad"),
        (lambda: fast({"a": a, "b": b.to("float64")}, scale=2), r"tensor 1 is \(3,\) float64, at .* \(3,\) float32"),
        (lambda: fast({"a": a, "b": b.clone().requires_grad_()}, scale=2), "tensor 1 requires grad, but"),
        (lambda: fast({"a": a, "b": b}, scale=3), r"'scale': 3}\), at the first call they were .*'scale': 2}"),
        (lambda: fast({"a": a}, scale=2), "make one for each such case"),
    ):
        with pytest.raises(ValueError, match=text):
            wrong()


def test_gradients_stay_where_the_graph_writes_them(device):
    p = nn.Parameter(tinydl.ones(3).to(device))

    def step(x):
        (p * x).sum().backward()

    fast = tinydl.cuda.graph(step, warmup=1)
    for k in range(4):
        p.grad = None
        fast(tinydl.full((3,), float(k)).to(device))
        assert p.grad.tolist() == [k] * 3
    with pytest.raises(RuntimeError, match=r"parameter of shape \(3,\) has a gradient, .*call zero_grad\(\) before"):
        fast(tinydl.ones(3).to(device))


def test_operands_that_a_replay_overwrites_are_noticed(device):
    p = nn.Parameter(tinydl.ones(3).to(device))
    optimizer = optim.SGD([p], 0.1)

    def step(x):
        optimizer.zero_grad()
        (p * p * x).sum().backward()
        optimizer.step()
        return p * 1

    fast, x = tinydl.cuda.graph(step, warmup=1), tinydl.ones(3).to(device)
    out = [fast(x) for _ in range(2)][-1]
    of_parameter, of_result = p.exp() * p, out.requires_grad_() * out
    fast(x)
    for y in (of_parameter, of_result):
        with pytest.raises(RuntimeError, match="overwritten in place by a replay of cuda.graph"):
            y.sum().backward()


def test_what_the_graph_holds_must_stay(device):
    model = nn.Linear(3, 2).to(device)
    optimizer = optim.RMSprop(model.parameters(), 0.1, alpha=0.9)

    def step(x):
        optimizer.zero_grad()
        model(x).sum().backward()
        optimizer.step()

    fast, x = tinydl.cuda.graph(step, warmup=1), tinydl.ones(4, 3).to(device)
    fast(x), fast(x)
    saved, weight = optimizer.state_dict(), model.weight.data
    steps = [s["step"].item() for s in optimizer.state.values()]
    optimizer.param_groups[0]["alpha"] = 0.5
    with pytest.raises(RuntimeError, match="RMSprop: an option other than lr changed since the capture"):
        fast(x)
    optimizer.param_groups[0]["alpha"] = 0.9
    model.weight.data = weight.clone()
    with pytest.raises(RuntimeError, match="RMSprop: a parameter, its gradient or its state changed"):
        fast(x)
    model.weight.data = weight
    assert steps == [s["step"].item() for s in optimizer.state.values()]
    fast(x)
    optimizer.load_state_dict(saved)
    with pytest.raises(RuntimeError, match="RMSprop: a parameter, its gradient or its state changed"):
        fast(x)


def test_two_optimizers_without_arguments(device):
    """A game: the graph draws its own noise."""

    def played(wrap):
        tinydl.manual_seed(2)
        painter, judge = nn.Linear(2, 3).to(device), nn.Linear(3, 1).to(device)
        first, second = optim.Adam(painter.parameters(), 0.1), optim.SGD(judge.parameters(), 0.1, 0.5)

        def step():
            made = painter(tinydl.randn(4, 2, device=device))
            second.zero_grad()
            real = tinydl.randn(4, 3, device=device)
            loss = F.softplus(judge(made.detach())).mean() + F.softplus(-judge(real)).mean()
            loss.backward()
            second.step()
            first.zero_grad()
            F.softplus(-judge(made)).mean().backward()
            first.step()
            return loss

        run = wrap(step)
        losses = [run().item() for _ in range(6)]
        return losses + [v for p in (*painter.parameters(), *judge.parameters()) for v in p.reshape(-1).tolist()]

    want = played(lambda step: step)
    got = played(lambda step: tinydl.cuda.graph(step, warmup=1, device=device))
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


def test_faults_of_replays_are_raised(device):
    table = tinydl.rand(5, 4).to(device)
    fast = tinydl.cuda.graph(lambda i: F.embedding(i, table).sum(), warmup=1)
    good, bad = tinydl.tensor([0, 4]).to(device), tinydl.tensor([0, 7]).to(device)
    assert fast(good).item() == fast(good).item()
    fast(bad)
    with pytest.raises(IndexError, match="an index lies outside"):
        table.sum().item()
    fast(good).item()


# ---------------------------------------------------------------- products, which CuPy lets nobody capture
PRODUCTS = [
    ((3,), (3,)), ((3,), (3, 5)), ((2, 3), (3,)), ((4, 2, 3), (3,)), ((3,), (4, 3, 2)), ((2, 3), (3, 5)),
    ((6, 2, 3), (3, 5)), ((6, 1, 2, 3), (4, 3, 5)), ((2, 4), (4, 8)), ((2, 0), (0, 3)), ((0, 2), (2, 3)),
]  # fmt: skip


@pytest.mark.parametrize("shapes", PRODUCTS)
def test_products_of_every_shape_have_a_kernel(shapes, device):
    tinydl.manual_seed(1)
    a, b = (tinydl.randn(*shape) for shape in shapes)
    turned = b.transpose(-1, -2).contiguous() if b.ndim > 1 else b
    want = np.matmul(a.numpy().astype("d"), b.numpy().astype("d"))

    def step(a, b, turned):
        return a @ b, a @ (turned.transpose(-1, -2) if b.ndim > 1 else turned)

    fast = tinydl.cuda.graph(step, warmup=1)
    for _ in range(2):
        for got in fast(a.to(device), b.to(device), turned.to(device)):
            assert got.shape == want.shape
            np.testing.assert_allclose(got.cpu().numpy(), want, rtol=1e-5, atol=1e-5)


def test_wrong_products_are_refused_as_ever(device):
    for warmup, work in (
        (1, lambda x: x @ tinydl.ones(5, 2, device=device)),
        (1, lambda x: F.linear(x, tinydl.ones(2, 5, device=device))),
    ):
        with pytest.raises((RuntimeError, ValueError), match="matmul|linear"):
            tinydl.cuda.graph(work, warmup=warmup)(tinydl.ones(5, 4).to(device))
