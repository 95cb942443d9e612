"""Every fused composite through kernels made of its own body: outputs and gradients stay what the body gives.

That the machinery itself is right (inputs that depend on each other, chains, declined kernels) test_declare.py shows.
"""

import numpy as np
import pytest
from samples import EVERY
from samples.run import as_type, close, outputs, tensors

import tinydl
from tinydl.autograd import enable_grad, grad, no_grad
from tinydl.autograd.graph import OPS
from tinydl.device import CPU
from tinydl.tensor import Tensor, wrap
from tinydl.testing import gradcheck

FUSED = [p for p in EVERY if OPS[p.values[0]].op.fused]


def lifted(v):
    return wrap(v) if isinstance(v, np.ndarray) else v


@pytest.fixture
def kernels(monkeypatch):
    """install(name, gradient): a kernel made of the body, and perhaps one for its gradient.  -> their calls so far"""

    def install(name, gradient):
        op, calls = OPS[name].op, {"forward": 0, "gradient": 0}

        def forward(*args):
            calls["forward"] += 1
            with no_grad():
                out = outputs(op.body(*map(lifted, args)))
            # hidden outputs are between a kernel and its gradient kernel: here there is nothing to hand on
            found = (*(t.array for t in out), *(np.zeros(()) for _ in op.hidden))
            return found if len(found) > 1 else found[0]

        def backward(g, *args, needed):
            calls["gradient"] += 1
            given = {p.name: lifted(v) for p, v in zip(op.parameters, args)}  # what is hidden comes after them
            leaves = [given[a].requires_grad_() for a, n in zip(op.arrays, needed) if n]
            with enable_grad():
                ys = outputs(op.body(**given))
            gs = g if isinstance(g, tuple) else (g,)
            pairs = [(y, wrap(u)) for y, u in zip(ys, gs) if u is not None]
            found = iter(grad([y for y, _ in pairs], leaves, [u for _, u in pairs], allow_unused=True))
            found = [next(found) if n else None for n in needed]
            return [None if t is None else t.array for t in found]

        monkeypatch.setitem(CPU.kernels, name, forward)
        monkeypatch.setitem(CPU.kernels, f"{name}_grad", backward if gradient else None)
        return calls

    return install


def test_there_are_fused_composites():
    assert {p.values[0] for p in FUSED} >= {"gelu", "attention", "batch_norm", "cross_entropy", "lstm"}


@pytest.mark.parametrize("gradient", [False, True], ids=["", "gradient"])
@pytest.mark.parametrize("name, sample", [p for p in FUSED if p.values[1].arrays[0].size])
def test_a_kernel_changes_no_gradient(name, sample, gradient, kernels):
    args = as_type(sample, "float64")
    want = [y.numpy() for y in outputs(OPS[name](*tensors(args)[0], **sample.constants))]
    calls = kernels(name, gradient)
    given, leaves = tensors(args, requires_grad=True)
    ys = outputs(OPS[name](*given, **sample.constants))
    assert calls["forward"] == 1
    for y, expected in zip(ys, want, strict=True):
        close(y.detach().numpy(), expected)
    places = [i for i, v in enumerate(given) if isinstance(v, Tensor) and v.requires_grad]

    def f(*xs):
        full = list(given)
        for i, x in zip(places, xs):
            full[i] = x
        return OPS[name](*full, **sample.constants)

    assert gradcheck(f, leaves, order=2, fast_mode=True)
    assert bool(calls["gradient"]) == gradient


@pytest.mark.parametrize("name, sample", [p for p in FUSED if p.values[1].arrays[0].size])
def test_inputs_that_depend_on_each_other(name, sample, kernels):
    """All inputs are functions of one number, and some of another input: kernel or none, to order 2."""
    args = as_type(sample, "float64")

    def derivatives():
        t = tinydl.tensor(0.3, dtype=tinydl.float64, requires_grad=True)
        given, before = [], 0.0
        for v in tensors(args)[0]:
            if isinstance(v, Tensor) and v.is_floating_point():
                v = v + 0.1 * (t * v).sin() + 0.05 * before
                before = before + v.mean()
            given.append(v)
        with enable_grad():
            y = sum((y * y).sum() for y in outputs(OPS[name](*given, **sample.constants)))
            (first,) = grad(y, t, create_graph=True)
            (second,) = grad(first, t)
        return [y.item(), first.item(), second.item()]

    want = derivatives()
    calls = kernels(name, True)
    np.testing.assert_allclose(derivatives(), want, rtol=1e-9, atol=1e-12)
    assert calls["forward"] == 1
