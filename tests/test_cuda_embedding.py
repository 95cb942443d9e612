"""CUDA kernels that pick and add up rows, emulated, against the operations' bodies."""

import numpy as np
import pytest
from emulation import bodies, check
from samples.make import Sample, integers, normal

import tinydl
import tinydl.nn.functional as F
from tinydl.testing import cudaemu
from tinydl.testing.emulated import emulated_device

pytestmark = pytest.mark.skipif(not cudaemu.available(), reason="emulation needs g++")
TYPES = ["float32", "float64", "float16"]


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape, dim", [((5, 16), 0), ((3, 5, 7), 1), ((4, 5), 1), ((9,), 0), ((2, 3, 8), 1)], ids=str)
@pytest.mark.parametrize("kind", ["int64", "int32"])
def test_rows(shape, dim, kind, dtype):
    for index in (integers(2 * shape[dim], 7), integers(2 * shape[dim], 2, 3), integers(2, 40), integers(9, 0)):
        index = (index - shape[dim] if len(index) else index).astype(kind) % shape[dim] - shape[dim] * (index.size % 2)
        index = index.astype(kind)
        check("take_at", Sample(normal(*shape), [index], (dim,)), dtype, served=["add_at"])
        picked = (*shape[:dim], *index.shape, *shape[dim + 1 :])
        check("add_at", Sample(normal(*picked), [index], shape, (dim,)), dtype, served=["take_at"])


def test_several_indices_are_the_body():
    index = [integers(3, 4), integers(5, 4)]
    check("take_at", Sample(normal(3, 5, 2), index, (0, 1)), "float32", declined=["take_at", "add_at"])


def test_a_row_that_is_none_shows():
    with emulated_device() as device:
        weight = tinydl.ones(4, 3, device=device)
        y = F.embedding(tinydl.tensor([3, 4, -5], device=device), weight).array.get()
        np.testing.assert_array_equal(y, [[1] * 3, [np.nan] * 3, [np.nan] * 3])


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("dim", [1, 2])
def test_weighted_sums(dim, dtype):
    index = np.array([[0, 4, 2, 2, 1, 0, 4], [1, 3, 2, 0, 0, 3, 4]])
    check("resample", Sample(normal(3, 5, 5), index, normal(2, 7), dim, fixed=(2,)), dtype, served=["resample_adjoint"])
    check("resample", Sample(normal(3, 5, 5), index[:1], None, dim), dtype, served=["resample_adjoint"])
    g = Sample(normal(3, 7, 7), index, normal(2, 7), dim, 6, fixed=(2,))
    check("resample_adjoint", g, dtype, served=["resample"])


@pytest.mark.parametrize("mode", ["nearest", "bilinear", "bicubic"])
def test_images_at_another_resolution(mode):
    with emulated_device() as device, bodies():
        x, results = tinydl.randn(2, 3, 4, 5), []
        for place in ("cpu", device):
            here = x.detach().to(place).requires_grad_()
            y = F.interpolate(here, size=(7, 3), mode=mode)
            (y * y).sum().backward()
            results.append([t.detach().to("cpu").numpy() for t in (y, here.grad)])
        for a, b in zip(*results):
            np.testing.assert_allclose(b, a, rtol=1e-5, atol=1e-5)
