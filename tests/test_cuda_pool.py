"""CUDA kernels of pooling, against the operations' bodies."""

import numpy as np
import pytest
from emulation import bodies, check, in_every_order, kernel_device
from samples.make import Sample, distinct, normal
from samples_conv_pool import POOLS, window

import tinydl
from tinydl.autograd.graph import OPS
from tinydl.kernels.gpu import pool
from tinydl.kernels.window import taps
from tinydl.ops.window import Bins

pytestmark = pytest.mark.usefixtures("place")
TYPES = ("float32", "float64", "float16", "bfloat16")
WINDOWS = {
    "1d": POOLS[0],
    "2d": POOLS[1],
    "overlapping": POOLS[2],
    "3d": POOLS[3],
    "bins": POOLS[4],
    "bins up": Bins((3,), (5,)),
    "dilated": window((7, 9), (2, 3), stride=1, padding=1, dilation=2),
    "tiled": window((7, 32), (2, 2), stride=2),
    "stem": window((9, 9), (3, 3), stride=2, padding=1),
    "large": window((19, 17), (17, 16)),  # more taps than a byte can number
}


def counts(w):
    dims = range(len(w.image))
    return tuple(tuple(sum(0 <= i < w.image[d] for i in span) for span in w.spans(d)) for d in dims)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("w", WINDOWS.values(), ids=list(WINDOWS))
def test_pooling(w, dtype):
    x = distinct(2, 3, *w.image)
    check("max_pool", Sample(x, window=w), dtype, served=["max_pool_scatter"])
    if getattr(w, "dilation", (1,))[0] == 1:  # of others there are no means
        check("avg_pool", Sample(x, window=w, counts=counts(w)), dtype, served=["avg_pool_spread"])


@pytest.mark.parametrize("w", WINDOWS.values(), ids=list(WINDOWS))
def test_the_pairs_are_each_others_gradients(w):
    """With winners as places in the plane, and as numbers of taps."""
    g, x = normal(2, 3, *w.out), distinct(2, 3, *w.image)
    with bodies():
        places = OPS["max_pool_winners"](tinydl.tensor(x), w)[1].numpy()
    check("max_pool_winners", Sample(x, window=w), "float32", served=["max_pool_scatter"])
    numbers = (taps(w)[:, None] == places.reshape(1, 6, -1)).argmax(0).reshape(places.shape).astype("uint8")
    kinds = [places, places.astype("int32"), numbers] if len(taps(w)) <= 256 else [places]
    for winners in kinds:
        sample = Sample(g, winners, image=w.image, window=w)
        check("max_pool_scatter", sample, "float32", served=["max_pool_gather"])
        sample = Sample(x, winners, window=w)
        check("max_pool_gather", sample, "float32", served=["max_pool_scatter"])
    anywhere = np.random.default_rng(2).integers(0, np.prod(w.image), g.shape)
    check("max_pool_scatter", Sample(g, anywhere, image=w.image, window=None), "float32", served=["max_pool_gather"])
    if w is not WINDOWS["dilated"]:
        check("avg_pool_spread", Sample(g, window=w, counts=counts(w)), "float32", served=["avg_pool"])


@pytest.mark.parametrize("W", [8, 32])  # without and with accesses of 16 bytes
def test_ties_and_not_a_number(W):
    x = np.zeros((1, 2, 4, W), "f")
    x[0, 0] = np.random.default_rng(0).integers(-2, 2, (4, W))
    x[0, 1, :, ::3] = np.nan
    x[0, 1, 1] = -np.inf
    with bodies():
        y, winners = tinydl.nn.functional.max_pool2d(tinydl.tensor(x), 2, return_indices=True)
    with kernel_device() as device:
        given = tinydl.tensor(x, device=device)
        got = in_every_order(
            lambda: [
                t.array.get()
                for t in (
                    *tinydl.nn.functional.max_pool2d(given, 2, return_indices=True),
                    tinydl.nn.functional.max_pool2d(given, 2),
                )
            ]
        )
    for a, b in zip(got, (y, winners, y)):
        np.testing.assert_array_equal(a, b.numpy())


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("plane", [(13,), (5, 6), (3, 5000)])
def test_unpooling_keeps_the_last_of_several(plane, dtype):
    x = normal(2, 3, *[4] * len(plane))
    indices = np.random.default_rng(1).integers(0, np.prod(plane), x.shape)
    indices[0, 0] = indices[0, 0].flat[0]
    check("max_unpool", Sample(x, indices, plane=plane), dtype, served=["max_pool_gather"])


def test_no_images():
    check("max_pool", Sample(normal(0, 3, 4, 4), window=window((4, 4), (2, 2), stride=2)), "float32")


def test_large_inputs_go_in_parts(monkeypatch):
    """As planes beyond what an int can count do."""
    monkeypatch.setattr(pool, "_MOST_INT", 300)
    w = WINDOWS["tiled"]
    check("max_pool", Sample(distinct(2, 3, *w.image), window=w), "float32", 2, ["max_pool_scatter"])
    monkeypatch.setattr(pool, "_MOST_INT", 99)
    with kernel_device() as device:
        x = tinydl.rand(1, 1, 4, 32, device=device)
        assert device.kernels["max_pool"](x.array, w) is NotImplemented
