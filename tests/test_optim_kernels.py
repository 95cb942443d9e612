"""Optimizers' kernels: the bodies' steps on many parameters at once, inside of their arrays, in the same bits."""

import numpy as np
import pytest
from guarded import guarded
from hypothesis import given, settings
from hypothesis import strategies as st

import tinydl
from tinydl import optim
from tinydl.device import CPU
from tinydl.kernels.cpu import jit
from tinydl.kernels.cpu import optim as kernels
from tinydl.optim.update import UPDATES

SIZES = (0, 1, 3, 17, 4095, kernels.PIECE, 2 * kernels.PIECE + 1)
OPTIONS = {
    "adam_update": dict(
        lr=[0.01], betas=[(0.9, 0.999), (0.0, 0.5)], eps=[1e-8], weight_decay=[0.0, 0.3],
        decoupled_weight_decay=[False, True], maximize=[False, True],
    ),
    "sgd_update": dict(
        lr=[0.01], momentum=[0.9], dampening=[0.0, 0.4], weight_decay=[0.0, 0.3], nesterov=[False, True],
        maximize=[False, True],
    ),
}  # fmt: skip
OWN = {"adam_update": ("step", [1.0, 2.0, 1000.0]), "sgd_update": ("first", [True, False])}
STATES = {"adam_update": [2], "sgd_update": [0, 1]}  # arrays of state that a parameter may have


def columns(name, sizes, states, dtype, own, make=np.empty, seed=0):
    """What the kernel is given: lists of arrays, and each parameter's own constant."""
    rng = np.random.default_rng(seed)

    def arrays(positive=False):
        made = [make((n,), dtype) for n in sizes]
        for a in made:
            a[...] = rng.standard_normal(a.shape)
            if positive:  # averaged squares, none so near to 0 that the step is ill-conditioned
                a[...] = abs(a) + 0.1
        return made

    names = UPDATES[name].state
    found = {"param": arrays(), "grad": arrays()}
    found |= {n: arrays(n.endswith("sq")) if i < states else [None] * len(sizes) for i, n in enumerate(names)}
    key, values = OWN[name]
    return found | {key: own or [values[i % len(values)] for i in range(len(sizes))]}


def by_body(name, given, options):
    for i in range(len(given["param"])):
        UPDATES[name].body(np, **{n: column[i] for n, column in given.items()}, **options)


def assert_near(got, want):
    """Within a few units in the last place of float32 or float64, where a sum may cancel of its largest term."""
    for name, column in got.items():
        for a, b in zip(column, want[name], strict=True):
            if isinstance(a, np.ndarray):
                assert a.dtype == b.dtype
                unit = 4 * np.finfo(a.dtype).eps
                np.testing.assert_allclose(a, b, rtol=unit, atol=4 * unit, err_msg=name)


@settings(max_examples=60)
@given(st.data())
def test_kernels_are_the_bodies(data):
    name = data.draw(st.sampled_from(list(OPTIONS)))
    options = {n: data.draw(st.sampled_from(values)) for n, values in OPTIONS[name].items()}
    if options.get("nesterov"):
        options["dampening"] = 0.0
    states, dtype = data.draw(st.sampled_from(STATES[name])), data.draw(st.sampled_from(["float32", "float64"]))
    sizes = [*data.draw(st.lists(st.sampled_from(SIZES), max_size=5)), kernels.SMALL]
    if states == 0:
        options["momentum"] = 0.0
    got, want = (columns(name, sizes, states, dtype, None) for _ in range(2))
    kept = [g.copy() for g in got["grad"]]
    assert CPU.kernels[name](**got, **options) is None
    by_body(name, want, options)
    assert_near(got, want)
    for g, before in zip(got["grad"], kept):
        np.testing.assert_array_equal(g, before)


@pytest.mark.parametrize("name", OPTIONS)
def test_strided_gradients_serve_and_odd_arrays_are_declined(name):
    options = {n: values[0] for n, values in OPTIONS[name].items()}
    got, want = (columns(name, [kernels.SMALL], STATES[name][-1], "float32", None) for _ in range(2))
    got["grad"] = [np.repeat(g, 2)[::2] for g in got["grad"]]
    assert CPU.kernels[name](**got, **options) is None
    by_body(name, want, options)
    assert_near(got, want)
    for spoil in (lambda a: np.repeat(a, 2)[::2], lambda a: a.astype("float64")):
        odd = columns(name, [kernels.SMALL], STATES[name][-1], "float32", None)
        odd["param"] = list(map(spoil, odd["param"]))
        assert CPU.kernels[name](**odd, **options) is NotImplemented
    small = columns(name, [3], STATES[name][-1], "float32", None)
    assert CPU.kernels[name](**small, **options) is NotImplemented


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_threads_and_repetitions_give_the_same_bits(name, dtype):
    options, before, runs = {n: values[-1] for n, values in OPTIONS[name].items()}, jit.get_num_threads(), []
    try:
        for threads in (1, 2, 2):
            jit.set_num_threads(threads)
            runs.append(columns(name, SIZES, STATES[name][-1], dtype, None))
            CPU.kernels[name](**runs[-1], **options)
    finally:
        jit.set_num_threads(before)
    for other in runs[1:]:
        for n, column in runs[0].items():
            for a, b in zip(column, other[n], strict=True):
                np.testing.assert_array_equal(a, b, err_msg=n)


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("at_end", [True, False])
def test_kernels_stay_inside_of_their_arrays(name, at_end):
    """Between forbidden pages: a fault would end the process."""

    def make(shape, dtype):
        return guarded(shape, dtype, at_end)

    for states in STATES[name]:
        options = {n: values[0] for n, values in OPTIONS[name].items()}
        given = columns(name, SIZES, states, "float32", None, make)
        assert CPU.kernels[name](**given, **options) is None


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_and_infinity_stay_where_they_are(value):
    for name in OPTIONS:
        options = {n: values[0] for n, values in OPTIONS[name].items()}
        got, want = (columns(name, [kernels.SMALL], STATES[name][-1], "float32", None) for _ in range(2))
        for arrays in (got, want):
            arrays["param"][0][3] = arrays["grad"][0][77] = value
        with np.errstate(invalid="ignore"):
            assert CPU.kernels[name](**got, **options) is None
            by_body(name, want, options)
        assert not np.isfinite(want["param"][0]).all()
        assert_near(got, want)


@pytest.mark.parametrize(
    "make, name", [(optim.Adam, "adam_update"), (optim.AdamW, "adam_update"), (optim.SGD, "sgd_update")]
)
def test_an_optimizer_runs_by_its_kernel_where_it_serves(make, name, monkeypatch):
    kernel, served = CPU.kernels[name], []

    def counted(**columns):
        served.append(kernel(**columns))
        return served[-1]

    monkeypatch.setitem(CPU.kernels, name, counted)
    params = [tinydl.ones(kernels.SMALL).requires_grad_(), tinydl.ones(3).requires_grad_()]
    for p in params:
        p.grad = tinydl.ones_like(p)
    for some in (params, params, params[1:]):
        make(some, lr=0.5).step()
    assert served == [None, None, NotImplemented]
    assert not any((p == 1).any() for p in params)


def test_one_version_of_a_kernel_for_each_type():
    test_threads_and_repetitions_give_the_same_bits("adam_update", "float32")
    for function in (kernels._adam, kernels._descend, kernels._roll):
        types = [s[-1].dtype for s in function.dispatcher.signatures]
        assert len(types) == len(set(types))
