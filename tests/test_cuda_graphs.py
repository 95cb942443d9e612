"""Training steps as CUDA graphs, emulated: replays are eager steps, and what a graph cannot hold is refused by name.

On the stand-in a capture notes kernels and array functions without running them, and a replay runs them again on the
same memory (tinydl/testing/tape.py).  Nothing here has run on a GPU.
"""

import sys
import types
import weakref

import numpy as np
import pytest

import tinydl
import tinydl.nn.functional as F
from tinydl import nn, optim
from tinydl.kernels.gpu import graphs, precision, recording
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


# ---------------------------------------------------------------- what is refused
X = "x, w"  # what the steps below get: float32 (4, 3) and a parameter of the optimizer (3, 3)
REFUSED = {
    "item": (lambda x, w: x * x.sum().item(), "item reads values on the host. The step was not made"),
    "float": (lambda x, w: x * float(x.sum()), "item, in float, reads values on the host"),
    "tolist": (lambda x, w: x.tolist(), "tolist reads values on the host"),
    "cpu": (lambda x, w: x.cpu(), "to_device, in cpu, reads values on the host"),
    "numpy": (lambda x, w: x.numpy(force=True), "numpy reads values on the host"),
    "if": (lambda x, w: x if x.sum() > 0 else -x, "bool reads values on the host"),
    "nonzero": (lambda x, w: x.nonzero(), "nonzero reads values on the host"),
    "mask": (lambda x, w: x[x > 0], "reads values on the host"),
    "masked_select": (lambda x, w: x.masked_select(x > 0), "masked_select reads values on the host"),
    "unique": (lambda x, w: x.unique(), "unique reads values on the host"),
    "repeat_interleave": (
        lambda x, w: x.repeat_interleave((x[:, 0] > 0).to("int64"), 0), "tolist, in repeat_interleave, reads values"),
    "wait": (lambda x, w: x.device.synchronize(), "synchronize waits for the device"),
    "tensor": (lambda x, w: x + tinydl.tensor([1.0, 2.0, 3.0], device=x.device), "sends data of the host, .* argument"),
    "cpu work": (lambda x, w: tinydl.ones(2) + 1, "add computes on the CPU, which a replay would not"),
    "cpu number": (lambda x, w: x * tinydl.tensor(2.0), "mul takes a number from a CPU tensor"),
    "cuSOLVER": (lambda x, w: tinydl.linalg.inv(w), "inv needs cuSOLVER"),
    "cuBLAS": (lambda x, w: x.to("float64") @ w.detach().to("float64"), "matmul needs cuBLAS, .* float32 have"),
    "a number": (lambda x, w: 3.0, "the step returns float 3.0, which would be the same at every replay"),
    "a CPU tensor": (lambda x, w: tinydl.tensor(3.0), "the step returns a tensor on cpu"),
    "seed": (lambda x, w: (tinydl.rand_like(x), tinydl.manual_seed(1), tinydl.rand_like(x))[0], "seeds a generator"),
    "graph": (lambda x, w: tinydl.cuda.graph(lambda x: x)(x), "a captured step called another"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_graph_can_hold(name, device):
    """It is named, the step counts as not made, and the next call can be captured."""
    work, text = REFUSED[name]
    w = nn.Parameter(tinydl.eye(3).to(device))
    optimizer = optim.Adam([w], 0.1)

    def step(x):
        optimizer.zero_grad()
        loss = (x * F.dropout(x @ w)).sum()
        loss.backward()
        optimizer.step()
        return work(x, w) if bad else loss

    def state():
        own = optimizer.state[w]
        values = [w, w.grad, own["step"], own["exp_avg"]]
        return [t.tolist() for t in values], tinydl.random.default_generators()[-1].position

    fast, x, bad = tinydl.cuda.graph(step, warmup=1), tinydl.ones(4, 3).to(device), False
    tinydl.manual_seed(4)
    fast(x)
    before, bad = state(), True
    with pytest.raises((RuntimeError, TypeError), match=f"cuda.graph: .*{text}"):
        fast(x)
    assert state() == before
    bad = False
    got = [fast(x).item() for _ in range(2)], state()
    w.data.copy_(tinydl.eye(3).to(device))
    optimizer.state.clear()
    tinydl.manual_seed(4)
    step(x)
    np.testing.assert_allclose(got[0], [step(x).item() for _ in range(2)], rtol=1e-5)
    assert got[1][1] == state()[1]


def stepped(make, prepare=lambda optimizer, p, late: None, warmup=1, reset=True):
    """The refusal of an optimizer's step."""
    p, late = (nn.Parameter(tinydl.ones(3).to(place)) for place in PLACES)
    optimizer, calls = make([p, late]), []

    def step():
        calls.append(1)
        if reset:
            optimizer.zero_grad()
        (p * p).sum().backward()
        if len(calls) > warmup:
            prepare(optimizer, p, late)
        optimizer.step()

    return tinydl.cuda.graph(step, warmup=warmup, device="strict")


PLACES = ["strict", "strict"]
STEPPED = {
    "late": (lambda o, p, late: late.sum().backward(), lambda p: optim.Adam(p), {}, "Adam.step begins the state of a"),
    "branch": (lambda o, p, late: None, lambda p: optim.RAdam(p), {}, "RAdam.step reads values on the host"),
    "hooks": (
        lambda o, p, late: o.register_step_post_hook(print), lambda p: optim.SGD(p), {}, "SGD.step calls hooks"),
    "schedule": (
        lambda o, p, late: optim.lr_scheduler.StepLR(o, 1), lambda p: optim.SGD(p), {}, "sets a rate on the host"),
    "gradient from before": (
        lambda o, p, late: None, lambda p: optim.SGD(p), {"reset": False}, "adds to a gradient from before the step"),
}  # fmt: skip


@pytest.mark.parametrize("name", STEPPED)
def test_optimizers_that_no_graph_can_hold(name, device):
    prepare, make, options, text = STEPPED[name]
    fast = stepped(make, prepare, **options)
    fast()
    with pytest.raises(RuntimeError, match=f"cuda.graph: .*{text}"):
        fast()


def test_differentiable_steps(device):
    def step(x):
        q = x.detach().requires_grad_() * 1
        optimizer = optim.SGD([q], differentiable=True)
        q.grad = x
        optimizer.step()

    fast, x = tinydl.cuda.graph(step, warmup=1), tinydl.ones(3).to(device)
    fast(x)
    with pytest.raises(RuntimeError, match="cuda.graph: SGD.step with differentiable=True makes new parameters"):
        fast(x)


def test_wrong_uses(device, monkeypatch):
    with pytest.raises(TypeError, match="cuda.graph: expected a function, got Tensor"):
        tinydl.cuda.graph(tinydl.ones(2))
    with pytest.raises(ValueError, match="warmup must be at least 1"):
        tinydl.cuda.graph(len, warmup=0)
    with pytest.raises(RuntimeError, match="the arguments are on the CPU; move model and data to 'cuda'"):
        tinydl.cuda.graph(lambda x: x)(tinydl.ones(2))
    fast, x = tinydl.cuda.graph(lambda x: x.sum().item(), warmup=1), tinydl.ones(2).to(device)
    monkeypatch.setenv("TINYDL_SYNC", "1")
    for _ in range(3):
        with pytest.warns(UserWarning, match="TINYDL_SYNC=1 waits for every launch, .* the step runs as it is"):
            assert fast(x) == 2.0


def test_errors_of_the_step_itself_are_its_own(device):
    def step(x):
        calls.append(1)
        if len(calls) > 1:
            raise KeyError("mine")

    calls, fast = [], tinydl.cuda.graph(step, warmup=1)
    fast(tinydl.ones(2).to(device))
    with pytest.raises(KeyError, match="mine"):
        fast(tinydl.ones(2).to(device))
    assert recording.now is None


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


# ---------------------------------------------------------------- CuPy's part
class Log(list):
    """A module that notes what is asked of it."""

    def __getattr__(self, name):
        def noted(*args, **kwargs):
            self.append(name)
            return made

        made = Thing(self)
        return noted


class Thing:
    """Whatever the log gives: a stream, a pool, a context."""

    ptr, device_id = 512, 0

    def __init__(self, log):
        self._log = log

    def __getattr__(self, name):
        return getattr(self._log, name)

    def __enter__(self):
        self._log.append("enter")

    def __exit__(self, *error):
        self._log.append("exit")


@pytest.fixture
def cupy(monkeypatch):
    log = Log()
    module = types.ModuleType("cupy")
    module.cuda, module.get_default_memory_pool = log, log.get_default_memory_pool
    module.asarray = lambda a: log.append("asarray") or ("sent", a)
    monkeypatch.setitem(sys.modules, "cupy", module)
    return log


def test_what_is_asked_of_cupy(cupy):
    """The calls, in their order, by which CuPy captures; nothing of CuPy's runs here."""
    runtime = graphs.Runtime()
    assert cupy == ["Stream", "Stream", "MemoryPool"]
    cupy.clear()
    with runtime.capture():
        cupy.append("the step")
    before = ["get_current_stream", "synchronize", "get_default_memory_pool", "free_all_blocks"]
    begun = ["using_allocator", "enter", "enter", "begin_capture"]
    assert cupy == [*before, *begun, "the step", "end_capture", "exit", "exit"]
    cupy.clear()
    runtime.replay()
    assert cupy == ["get_current_stream", "launch"]
    cupy.clear()
    assert runtime.upload("host") == ("sent", "host")
    assert cupy == ["get_default_memory_pool", "using_allocator", "enter", "enter", "asarray", "synchronize"] + 2 * [
        "exit"
    ]
    with pytest.raises(KeyError, match="mine"), runtime.capture():
        raise KeyError("mine")
    assert cupy[-3:] == ["end_capture", "exit", "exit"]


def test_memory_of_a_graph_keeps_its_pool():
    """With CuPy's own classes: an array's memory leaves last, and nothing is freed before."""
    cuda = pytest.importorskip("cupy").cuda
    for name in ("begin_capture", "end_capture", "synchronize"):
        assert hasattr(cuda.Stream, name)
    assert hasattr(cuda.Graph, "launch")
    gone, runtime = [], graphs.Runtime.__new__(graphs.Runtime)
    pool, pointer = (type(name, (), {"ptr": 512, "device_id": 0})() for name in ("Pool", "Pointer"))
    for name, thing in (("pointer", pointer), ("pool", pool)):
        weakref.finalize(thing, gone.append, name)
    type(pool).malloc = lambda self, size, found=[pointer]: found.pop()
    runtime._cuda, runtime._pool = cuda, pool
    memory = runtime._allocate(100)
    assert memory.ptr == 512
    del pool, pointer, thing, runtime
    assert gone == []
    del memory
    assert gone == ["pointer", "pool"]
