"""CUDA kernels of normalisation and of sums, against the operations' bodies."""

import numpy as np
import pytest
from emulation import bodies, check, kernel_device
from samples.make import Sample, normal, positive

import tinydl
from tinydl.kernels.gpu import reduce

pytestmark = pytest.mark.usefixtures("place")
TYPES = ["float32", "float64", "float16", "bfloat16"]


@pytest.fixture(params=[8, 2048], ids=["many parts", "one part"])
def pieces(request, monkeypatch):
    """Small arrays are cut into parts as large ones are."""
    monkeypatch.setattr(reduce, "PIECE", request.param)


def vectors(*shape):
    return (positive(*shape), normal(*shape)), (None, normal(*shape)), (None, None)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", [(3, 6, 4, 4), (2, 6, 3, 5), (13, 6), (5, 6, 2)], ids=str)
def test_planes(shape, dtype, pieces):
    x = normal(*shape) * 2 + 5
    for weight, bias in vectors(6):
        check("batch_norm", Sample(x, weight, bias, 1e-3), dtype, declined=["batch_norm_grad", "affine_grad"])
        check("group_norm", Sample(x, weight, bias, 3, 1e-3), dtype, served=["group_norm_grad"], more=4)


@pytest.mark.parametrize("dtype", TYPES)
def test_gradients_of_batches(dtype, pieces):
    """Of the normalised alone, as in training."""
    x = normal(3, 6, 4, 4) + 2
    only = lambda y, mean, var: y
    for weight, bias in vectors(6):
        sample = Sample(x, weight, bias, 1e-3, through=only)
        check("batch_norm", sample, dtype, served=["batch_norm_grad"], more=4)


def test_moments_far_from_zero(pieces):
    """Means much larger than deviations lose no more than the numbers themselves."""
    x = (normal(4, 3, 8, 8) * 0.1 + 1000).astype("float32").astype("float64")
    check("batch_norm", Sample(x, None, None, 1e-5, order=0), "float32", more=30)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape, count", [((5, 33), 1), ((3, 4, 8), 2), ((11, 1), 1), ((2, 1064), 1)], ids=str)
def test_rows(shape, count, dtype):
    x = normal(*shape) * 2 + 3
    for weight, bias in vectors(*shape[-count:]):
        check("layer_norm", Sample(x, weight, bias, count, 1e-3), dtype, served=["layer_norm_grad"], more=4)
        if bias is not None:
            check("rms_norm", Sample(x, weight, count, 1e-3), dtype, served=["rms_norm_grad"], more=4)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", [(3, 4, 8), (2, 3, 5, 3)], ids=str)
def test_scale_and_shift(shape, dtype, pieces):
    vector = (shape[1], *[1] * (len(shape) - 2))
    sample = Sample(normal(*shape), positive(*vector), normal(*vector))
    check("affine", sample, dtype, served=["affine_grad"])
    check("affine", Sample(normal(3, 4), normal(4), normal(4)), dtype, declined=["affine_grad"])
    check("affine", Sample(normal(3, 4), normal(3, 4), normal(3, 4)), dtype, declined=["affine", "affine_grad"])


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(
    "shape, to",
    [((5, 66), ()), ((3, 5, 22), (5, 1)), ((131, 45), (45,)), ((25, 13), (25, 1)), ((3, 4, 8), (4, 8)), ((7,), (7,))],
    ids=str,
)
def test_sums(shape, to, dtype, pieces):
    check("sum_to", Sample(normal(*shape), to), dtype)


def test_sums_over_others_are_the_body(pieces):
    check("sum_to", Sample(normal(3, 4, 5, 6), (3, 1, 5, 1)), "float32", declined=["sum_to"])


def test_the_network_in_training_and_after():
    """As layers: statistics follow, and serve when training is over."""
    with kernel_device() as device, bodies():
        tinydl.manual_seed(0)
        layer, x = tinydl.nn.BatchNorm2d(3), tinydl.randn(4, 3, 5, 5)
        there = tinydl.nn.BatchNorm2d(3).to(device)
        for one, given in ((layer, x), (there, x.to(device))):
            one(given)
            one.eval()
        y, z = layer(x), there(x.to(device))
        np.testing.assert_allclose(z.detach().array.get(), y.detach().numpy(), rtol=1e-5, atol=1e-5)
