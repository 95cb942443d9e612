"""CUDA kernels of optimizers: the bodies' steps on many parameters at once, and nothing beside them."""

import itertools

import evidence
import numpy as np
import pytest
from emulation import ORDERS, kernel_device
from test_optim_kernels import OPTIONS, OWN, by_body, columns

import tinydl
from tinydl import optim
from tinydl.kernels.gpu.optim import PIECE
from tinydl.optim.update import UPDATES
from tinydl.testing import cudaemu

pytestmark = pytest.mark.usefixtures("place")
SIZES = (0, 1, 3, 17, 256, PIECE, 2 * PIECE + 1)
STATES = {"adam_update": [2, 3], "sgd_update": [0, 1]}  # arrays of state that a parameter may have
NEAR = {"float32": 1e-6, "float64": 1e-14, "float16": 2e-3, "bfloat16": 1.6e-2}


def on_device(device, arrays):
    """The arrays amid others of the device, that must stay as they are, the odd ones not on 16 bytes."""
    found, around = {}, []
    for name, column in arrays.items():
        if not isinstance(column[0], np.ndarray):
            found[name] = column
            continue
        found[name] = []
        for i, a in enumerate(column):
            wide = device.array(np.full(a.size + 16, 7, a.dtype))
            wide[8 + i % 2 : 8 + i % 2 + a.size] = device.array(a)
            around.append((wide, 8 + i % 2, a.size))
            found[name].append(wide[8 + i % 2 : 8 + i % 2 + a.size])
    return found, around


@pytest.mark.parametrize("dtype", NEAR)
@pytest.mark.parametrize("name", OPTIONS)
def test_kernels_are_the_bodies(name, dtype):
    choices = [dict(zip(OPTIONS[name], values)) for values in itertools.product(*OPTIONS[name].values())]
    for i, (options, states) in enumerate(itertools.product(choices, STATES[name])):
        if options.get("nesterov"):
            options = options | {"dampening": 0.0}
        if not states:
            options = options | {"momentum": 0.0}
        given = columns(name, SIZES, states, dtype, None, seed=i)
        exact = {n: [c.astype("d") if isinstance(c, np.ndarray) else c for c in column] for n, column in given.items()}
        by_body(name, exact, options)
        with kernel_device() as device, cudaemu.launches(ORDERS[i % 3], seed=i):
            found, around = on_device(device, given)
            assert device.kernels[name](**found, **options) is None
            for wide, start, size in around:
                a = wide.get()
                assert (a[:start] == 7).all() and (a[start + size :] == 7).all()
            for n in ("param", *UPDATES[name].state):
                for a, b in zip(found[n], exact[n]):
                    if b is not None:
                        evidence.note(a.get(), b)
                        np.testing.assert_allclose(a.get(), b, rtol=NEAR[dtype], atol=NEAR[dtype] * 4)


def test_what_is_declined():
    given = columns("sgd_update", (3, 4), 1, "float32", OWN["sgd_update"][1])
    options = {n: values[0] for n, values in OPTIONS["sgd_update"].items()}
    with kernel_device() as device:
        found, _ = on_device(device, given)
        kernel = device.kernels["sgd_update"]
        some = found["momentum_buffer"][:1] + [None]
        assert kernel(**found | {"momentum_buffer": some}, **options) is NotImplemented
        other = [a.astype("float64") for a in found["grad"]]
        assert kernel(**found | {"grad": other}, **options) is NotImplemented


@pytest.mark.parametrize("make", [lambda p: optim.AdamW(p, 0.1, amsgrad=True), lambda p: optim.SGD(p, 0.1, 0.9)])
def test_optimizers_on_the_device(make):
    """Also with a parameter whose first gradient comes late."""
    with kernel_device() as device:
        results = []
        for place in ("cpu", device):
            start = [tinydl.linspace(-1, 1, n).to(place) for n in (5, 3)]
            p, q = (tinydl.nn.Parameter(t) for t in start)
            step = make([p, q])
            for i in range(3):
                step.zero_grad()
                (((p * p).sum() + (q**3).sum() * i) if i else (p * p).sum()).backward()
                step.step()
            results.append([t.detach().to("cpu").numpy() for t in (p, q)])
        for a, b in zip(*results):
            np.testing.assert_allclose(b, a, rtol=2e-6, atol=1e-6)
