"""CUDA kernels of softmax and cross-entropy, against the operations' bodies."""

import numpy as np
import pytest
from emulation import check, kernel_device
from samples.make import Sample, integers, normal, positive

import tinydl

pytestmark = pytest.mark.usefixtures("place")
TYPES = ["float32", "float64", "float16", "bfloat16"]


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape, dim", [((9, 7), 1), ((3, 16), 1), ((2, 1064), 1), ((3, 5, 4), 1), ((7,), 0)], ids=str)
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_over_any_dimension(name, shape, dim, dtype):
    check(name, Sample(normal(*shape) * 3, dim), dtype, served=[f"{name}_slope"])


@pytest.mark.parametrize("dim", [0, 1])
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_what_is_not_finite(name, dim):
    x = np.array([[0, 1, np.nan, 2], [np.inf, 1, 2, 3], [-np.inf, 0, 1, 2], [-np.inf] * 4, [900.0, 0, -900, 1]])
    check(name, Sample(x if dim else x.T.copy(), dim, order=0), "float32")


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weighted", [False, True])
def test_cross_entropy(weighted, smoothing, reduction, dtype):
    for shape in ((11, 6), (4, 16), (2, 5, 3, 2)):
        C, target = shape[1], integers(shape[1], *shape[:1], *shape[2:])
        sample = Sample(
            normal(*shape) * 2, target, positive(C) if weighted else None, 3, reduction, smoothing, fixed=(2,)
        )
        check("cross_entropy", sample, dtype, served=["cross_entropy_grad"])


def test_classes_of_no_weight_and_infinite_scores():
    x = np.array([[0.0, -np.inf, 1.0], [1.0, 2.0, 3.0]])
    for weight in (np.array([1.0, 0.0, 2.0]), None):
        sample = Sample(x, np.array([1, 2]), weight, -100, "none", 0.0, order=0)
        check("cross_entropy", sample, "float32")


def test_a_class_that_is_none_shows():
    with kernel_device() as device:
        x = tinydl.zeros(3, 4, device=device, requires_grad=True)
        loss = tinydl.nn.functional.cross_entropy(x, tinydl.tensor([0, 9, -1], device=device), reduction="none")
        np.testing.assert_allclose(loss.detach().array.get(), [np.log(4), np.nan, np.nan], rtol=1e-6)
        with pytest.raises(IndexError, match="a target is none of the classes"):
            loss.detach().tolist()
