"""What a CUDA graph cannot hold is refused by name, on the stand-in that emulates captures, and nothing has changed."""

import threading

import numpy as np
import pytest

import tinydl
import tinydl.nn.functional as F
from tinydl import nn, optim
from tinydl.kernels.gpu import recording
from tinydl.testing import cudaemu
from tinydl.testing.emulated import emulated_device

pytestmark = pytest.mark.skipif(not cudaemu.available(), reason="emulation needs g++")


@pytest.fixture
def device():
    with emulated_device() as found:
        yield found


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
    "new generator": (lambda x, w: F.dropout(x, generator=tinydl.Generator().manual_seed(3)), "seeds a generator"),
    "state of a generator": (
        lambda x, w: tinydl.random.set_rng_state(tinydl.random.get_rng_state()), "puts a generator somewhere else"),
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
    with pytest.raises(TypeError, match="got ndarray, of which a graph would keep the values; pass a tensor"):
        tinydl.cuda.graph(lambda x: x)(np.ones(2))
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
    assert recording.now.step is None


def test_other_threads_go_on(device):
    """A loader's thread may compute on the CPU while this one captures."""

    def load():
        found.append((tinydl.ones(2) + tinydl.rand(2) * 0).sum().item())

    def step(x):
        thread = threading.Thread(target=load)
        thread.start()
        thread.join()
        return x * 2

    found, fast = [], tinydl.cuda.graph(step, warmup=1)
    for k in range(3):
        assert fast(tinydl.full((2,), float(k)).to(device)).tolist() == [2 * k, 2 * k]
    assert found == [2.0, 2.0]
