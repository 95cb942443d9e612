"""Every declared operation, on every sample of the table: the properties that all of them have."""

import numpy as np
import pytest
from samples import DECLARED, EVERY, REFUSES, SAMPLES, Sample, oracle_of
from samples.run import as_type, close, forward_and_gradients, outputs, tensors

import tinydl
import tinydl.linalg
import tinydl.nn.functional as F
from tinydl.autograd import grad
from tinydl.autograd.graph import OPS
from tinydl.device import CPU
from tinydl.kernels import cpu
from tinydl.tensor import Tensor, wrap
from tinydl.testing import gradcheck

OWN = {"to_device", "page_locked"}  # samples of their own, below
SHARES = {  # what gives its argument's memory back though it is no view: places in the graph, and parts marked as views
    "alias",
    "scaled_gradient",
    "pieces",
}


# ---------------------------------------------------------------- the table
def test_every_operation_has_samples_and_says_what_it_is():
    assert set(DECLARED) - OWN == set(SAMPLES)
    assert [name for name in SAMPLES if not SAMPLES[name]] == []
    assert [name for name in DECLARED if not (OPS[name].__doc__ or "").strip()] == []


# ---------------------------------------------------------------- values
@pytest.mark.parametrize("name, sample", EVERY)
def test_equals_the_judge(name, sample):
    want = outputs(oracle_of(name)(*as_type(sample, "float64"), **sample.constants))
    with np.errstate(all="ignore"):
        got = outputs(OPS[name](*tensors(as_type(sample, "float64"))[0], **sample.constants))
    if sample.through:
        got, want = outputs(sample.through(*got)), outputs(sample.through(*want))
    assert len(got) == len(want)
    for y, expected in zip(got, want):
        close(y.numpy(), expected)


@pytest.mark.parametrize("name, sample", EVERY)
def test_float32_stays_float32(name, sample):
    """In outputs and gradients; and the numbers are those of float64."""
    with np.errstate(all="ignore"):
        single = forward_and_gradients(name, as_type(sample, "float32"), sample)
        rounded = sample.map(lambda a: a.astype("float32").astype("float64") if a.dtype.kind == "f" else a)
        double = forward_and_gradients(name, rounded, sample)
    for a, b in zip(single, double, strict=True):
        assert a.dtype == ("float32" if b.dtype == "float64" and sample.typed else b.dtype) or not sample.typed
        if sample.typed and b.dtype == "float64":
            close(a.detach().numpy(), b.detach().numpy(), "float32")


# ---------------------------------------------------------------- gradients
DIFFERENTIABLE = [p for p in EVERY if p.values[1].order and any(a.size for a in p.values[1].arrays)]


@pytest.mark.parametrize("name, sample", DIFFERENTIABLE)
def test_gradients_to_the_second_order(name, sample):
    given, leaves = tensors(as_type(sample, "float64"), requires_grad=True, fixed=sample.fixed)

    def f(*xs):
        now = dict(zip(map(id, leaves), [(x + x.mT) / 2 for x in xs] if sample.symmetric else xs))

        def moved(v):
            return [moved(w) for w in v] if isinstance(v, list) else now.get(id(v), v)

        out = OPS[name](*map(moved, given), **sample.constants)
        return sample.through(*outputs(out)) if sample.through else out

    ys = [y for y in outputs(f(*leaves)) if y.is_floating_point()]
    if not leaves or not ys or not OPS[name].op.fused and not any(OPS[name].op.rules):
        assert not any(y.requires_grad for y in ys)
        return
    cotangents = [wrap(np.ones_like(y.array)).requires_grad_() for y in ys]
    first = [g for g in grad(ys, leaves, cotangents, create_graph=True, allow_unused=True) if g is not None]
    moving = any(g.requires_grad for g in first)
    assert moving or not any(g.array.any() for g in first)  # a gradient without a graph is zero everywhere
    assert gradcheck(f, leaves, order=sample.order if moving else 1, fast_mode=True)


# ---------------------------------------------------------------- layouts and memory
LAYOUTS = {
    "transposed": lambda a: np.asfortranarray(a),
    "strided": lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
    "backwards": lambda a: np.flip(np.flip(a).copy()),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name, sample", [p for p in EVERY if any(a.ndim for a in p.values[1].arrays)])
def test_any_layout_gives_the_same(name, sample, layout):
    laid = sample.map(lambda a: LAYOUTS[layout](a) if a.ndim else a)
    with np.errstate(all="ignore"):
        want = forward_and_gradients(name, as_type(sample, "float64"), sample)
        got = forward_and_gradients(name, laid, sample)
    for a, b in zip(got, want, strict=True):
        assert a.dtype == b.dtype
        close(a.detach().numpy(), b.detach().numpy())


@pytest.mark.parametrize("name, sample", EVERY)
def test_nothing_is_mutated_and_only_views_share_memory(name, sample):
    args = as_type(sample, "float64")
    before = [a.copy() for a in Sample(*args).arrays]
    given, leaves = tensors(args, requires_grad=True)
    every = [t for v in given for t in (v if isinstance(v, list) else [v]) if isinstance(t, Tensor)]
    with np.errstate(all="ignore"):
        out = outputs(OPS[name](*given, **sample.constants))
        shared = any(np.shares_memory(y.array, a) for y in out for a in Sample(*args).arrays)
        ys = [y for y in out if y.requires_grad]
        if ys:
            grad(ys, leaves, [wrap(np.ones_like(y.array)) for y in ys], allow_unused=True)
    for now, then in zip(Sample(*args).arrays, before):
        np.testing.assert_array_equal(now, then)
    assert {t._storage.version for t in every} <= {0}
    if OPS[name].op.view:
        assert shared or not out[0].numel() or sample.kernel  # kernels of views are those of the copies they may need
    elif name not in SHARES:
        assert not shared


# ---------------------------------------------------------------- kernels
def test_every_kernel_has_a_sample_that_it_must_serve():
    served = {name for name in SAMPLES if any(s.kernel for s in SAMPLES[name])}
    assert set(cpu.KERNELS) & set(DECLARED) <= served


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name, sample", [p for p in EVERY if p.values[1].kernel])
def test_the_kernel_serves_and_gives_what_the_body_gives(name, sample, dtype, monkeypatch):
    kernel, served = CPU.kernels[name], []

    def counted(*args, **named):
        out = kernel(*args, **named)
        served.append(out is not NotImplemented)
        return out

    given = tensors(as_type(sample, dtype))[0]
    with monkeypatch.context() as patch:
        patch.setitem(CPU.kernels, name, counted)
        fast = outputs(OPS[name](*given, **sample.constants))
        patch.setitem(CPU.kernels, name, None)
        slow = outputs(OPS[name](*given, **sample.constants))
    assert served == [True]
    for a, b in zip(fast, slow, strict=True):
        assert a.dtype == b.dtype
        close(a.numpy(), b.numpy(), dtype)


# ---------------------------------------------------------------- what the table does not hold
def test_to_device_copies():
    x = tinydl.tensor([1.0, 2.0], requires_grad=True)
    y = OPS["to_device"](x, CPU)
    y.sum().backward()
    assert y.device is CPU
    assert x.grad.tolist() == [1.0, 1.0]


def test_scaled_gradient_scales():
    x = tinydl.tensor([1.0, 2.0], requires_grad=True)
    y = OPS["scaled_gradient"](x, tinydl.tensor([3.0, 0.5]))
    y.sum().backward()
    assert y.tolist() == [1.0, 2.0] and x.grad.tolist() == [3.0, 0.5]


# ---------------------------------------------------------------- refusals
def public(name):
    return next(getattr(space, name) for space in (tinydl, F, tinydl.linalg) if hasattr(space, name))


@pytest.mark.parametrize(
    "name, args, kwargs, text",
    [pytest.param(name, *call, id=f"{name}-{i}") for name, calls in REFUSES.items() for i, call in enumerate(calls)],
)
def test_bad_input_is_refused(name, args, kwargs, text):
    sample = Sample(*args)
    given = tensors(sample.map(np.copy))[0]
    before = [a.copy() for a in sample.arrays]
    with pytest.raises((ValueError, TypeError, IndexError, RuntimeError)) as e:
        public(name)(*given, **kwargs)
    assert text in str(e.value)
    for now, then in zip(sample.arrays, before):
        np.testing.assert_array_equal(now, then)
